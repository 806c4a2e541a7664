//! `/etc/hosts` and `/etc/resolv.conf`, as BuildKit makes them for a command.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// The host name of a command, if nothing else is asked for.
pub(super) const HOSTNAME: &str = "buildkitsandbox";

/// The text of `/etc/hosts` (BuildKit: `makeHostsFile`, executor/oci/hosts.go).
pub(super) fn hosts(hostname: &str, extra: &[(String, String)]) -> String {
    let mut text =
        format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in extra {
        // Go shows addresses in their short form, too.
        let address = address
            .parse::<IpAddr>()
            .map_or_else(|_| address.clone(), |address| address.to_string());
        // Writing to a string cannot fail.
        let _ok = writeln!(text, "{address}\t{name}");
    }
    text
}

/// Whether a command can reach the servers on the host's loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loopback {
    /// It is in the host's network.
    Reachable,
    /// It is not.
    Unreachable,
}

/// Where systemd-resolved says which servers it asks itself.
const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// The text of `/etc/resolv.conf`, made of the host's. A host without one is as good as one whose is empty.
pub(super) fn resolver(host_file: &Path, loopback: Loopback) -> String {
    let text = fs::read_to_string(host_file).unwrap_or_default();
    let resolver = Resolver::parse(&text);
    let is_stub = resolver.servers == ["127.0.0.53"];
    if loopback == Loopback::Unreachable
        && is_stub
        && let Ok(upstream) = fs::read_to_string(UPSTREAM)
    {
        return Resolver::parse(&upstream).generate(loopback);
    }
    resolver.generate(loopback)
}

/// A resolver's configuration (BuildKit: util/resolvconf).
#[derive(Debug, Default)]
struct Resolver<'a> {
    servers: Vec<String>,
    search: Vec<&'a str>,
    options: Vec<&'a str>,
    others: Vec<&'a str>,
}

impl<'a> Resolver<'a> {
    fn parse(text: &'a str) -> Resolver<'a> {
        let mut resolver = Resolver::default();
        for line in text.lines() {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(keyword) = words.next() else {
                continue;
            };
            let values: Vec<&str> = words.collect();
            match (keyword, values.as_slice()) {
                ("nameserver", [server, ..]) => resolver.servers.extend(address(server)),
                // The last one counts.
                ("domain" | "search", [_, ..]) => resolver.search = values,
                ("options", [_, ..]) => resolver.options.extend(values),
                ("nameserver" | "domain" | "search" | "options", []) => {}
                _ => resolver.others.push(line),
            }
        }
        resolver
    }

    fn generate(mut self, loopback: Loopback) -> String {
        const PUBLIC: [&str; 4] = [
            "8.8.8.8",
            "8.8.4.4",
            "2001:4860:4860::8888",
            "2001:4860:4860::8844",
        ];
        if loopback == Loopback::Unreachable {
            self.servers.retain(|server| {
                let address = server.split('%').next().unwrap_or_default();
                !address
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
            });
        }
        if self.servers.is_empty() {
            self.servers = PUBLIC.map(str::to_owned).to_vec();
        }
        let mut text = String::new();
        for server in &self.servers {
            let _ok = writeln!(text, "nameserver {server}");
        }
        for (keyword, values) in [("search", &self.search), ("options", &self.options)] {
            if !values.is_empty() {
                let _ok = writeln!(text, "{keyword} {}", values.join(" "));
            }
        }
        for line in self.others {
            let _ok = writeln!(text, "{line}");
        }
        text
    }
}

/// An address in its short form, with its zone; `None` if it is none.
fn address(text: &str) -> Option<String> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    Some(match zone {
        Some(zone) => format!("{address}%{zone}"),
        None => address.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check_resolver(text: &str, loopback: Loopback, expected: Expect) {
        expected.assert_eq(&Resolver::parse(text).generate(loopback));
    }

    #[test]
    fn hosts_are_localhost_and_what_is_added() {
        expect![[r"
            127.0.0.1	localhost buildkitsandbox
            ::1	localhost ip6-localhost ip6-loopback
            10.0.0.1	db
            ::1	six
        "]]
        .assert_eq(&hosts(
            HOSTNAME,
            &[
                ("db".to_owned(), "10.0.0.1".to_owned()),
                ("six".to_owned(), "0:0:0:0:0:0:0:1".to_owned()),
            ],
        ));
    }

    const TEXT: &str = "# comment\n; another\n\nnameserver 127.0.0.53\nnameserver 10.1.1.1 trailing\n\
                        nameserver fe80::0:1%eth0\nnameserver nonsense\ndomain old\nsearch a b\noptions edns0\n\
                        options ndots:2\nsortlist 1.2.3.4\nnameserver\n";

    #[test]
    fn on_the_hosts_network_all_servers_are_kept() {
        check_resolver(
            TEXT,
            Loopback::Reachable,
            expect![[r"
                nameserver 127.0.0.53
                nameserver 10.1.1.1
                nameserver fe80::1%eth0
                search a b
                options edns0 ndots:2
                sortlist 1.2.3.4
            "]],
        );
    }

    #[test]
    fn elsewhere_the_hosts_own_servers_are_of_no_use() {
        check_resolver(
            TEXT,
            Loopback::Unreachable,
            expect![[r"
                nameserver 10.1.1.1
                nameserver fe80::1%eth0
                search a b
                options edns0 ndots:2
                sortlist 1.2.3.4
            "]],
        );
    }

    #[test]
    fn without_servers_there_are_public_ones() {
        for (text, loopback) in [
            ("nameserver ::1\n", Loopback::Unreachable),
            ("", Loopback::Reachable),
        ] {
            check_resolver(
                text,
                loopback,
                expect![[r"
                    nameserver 8.8.8.8
                    nameserver 8.8.4.4
                    nameserver 2001:4860:4860::8888
                    nameserver 2001:4860:4860::8844
                "]],
            );
        }
    }
}
