//! `NO_PROXY`: the servers that are not reached through a proxy (golang.org/x/net/http/httpproxy: `config.useProxy`,
//! which docker, podman and skopeo use).

use std::net::IpAddr;

/// Whether a server is reached without the proxy, by the words of `NO_PROXY`.
///
/// This machine is, whatever they say.
pub(crate) fn is_direct(words: &str, host: &str, port: u16) -> bool {
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    let is_own = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    is_own
        || words
            .split([',', ' '])
            .map(|word| word.trim().to_ascii_lowercase())
            .filter(|word| !word.is_empty())
            .any(|word| is_meant(&word, &host, address, port))
}

fn is_meant(word: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if word == "*" {
        return true;
    }
    if let Some((network, bits)) = word.split_once('/')
        && let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>())
    {
        return address.is_some_and(|address| is_within(address, network, bits));
    }
    let (name, wanted) = split_port(word);
    if wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Ok(own) = name.parse::<IpAddr>() {
        return address == Some(own);
    }
    if address.is_some() {
        return false;
    }
    // `example.com` means what is below it as well; `.example.com` and `*.example.com` only that.
    let below = name.strip_prefix('*').unwrap_or(name);
    match below.strip_prefix('.') {
        Some(domain) => is_below(host, domain),
        None => host == below || is_below(host, below),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
}

/// A name or an address, and the port behind it.
fn split_port(word: &str) -> (&str, Option<u16>) {
    if let Some(rest) = word.strip_prefix('[')
        && let Some((address, rest)) = rest.split_once(']')
    {
        let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
        return (address, port);
    }
    match word.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (word, None),
        },
        Some(_) | None => (word, None),
    }
}

/// Whether an address begins with the first `bits` of a network's.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let differing = u32::from(address) ^ u32::from(network);
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let differing = u128::from(address) ^ u128::from(network);
            differing.leading_zeros() >= bits
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, direct: &[&str], others: &[&str]) {
        let is_direct = |server: &str| {
            let (host, port) = server.rsplit_once(':').unwrap();
            is_direct(words, host, port.parse().unwrap())
        };
        for server in direct {
            assert!(is_direct(server), "`{words}` does not mean {server}");
        }
        for server in others {
            assert!(!is_direct(server), "`{words}` means {server}");
        }
    }

    #[test]
    fn this_machine_is_reached_directly() {
        let own = [
            "localhost:5000",
            "127.0.0.1:80",
            "127.1.2.3:80",
            "[::1]:443",
        ];
        check("", &own, &["registry.test:5000", "10.0.0.1:80", "127.1:80"]);
    }

    #[test]
    fn names_mean_what_is_below_them() {
        check(
            "example.com, .only.test,*.star.test other",
            &[
                "example.com:1",
                "A.Example.com:1",
                "a.only.test:1",
                "a.star.test:1",
                "other:1",
            ],
            &[
                "only.test:1",
                "star.test:1",
                "badexample.com:1",
                "example.com.test:1",
            ],
        );
        check("*", &["a:1", "10.0.0.1:1"], &[]);
    }

    #[test]
    fn addresses_networks_and_ports_are_known() {
        check(
            "10.0.0.0/8,192.168.1.1,[fd00::1]:5000,fe80::/10,lab:5000",
            &[
                "10.1.2.3:1",
                "192.168.1.1:9",
                "[fd00::1]:5000",
                "[fe80::5]:1",
                "lab:5000",
            ],
            &[
                "11.0.0.1:1",
                "192.168.1.2:9",
                "[fd00::1]:5001",
                "lab:5001",
                "[fd00::2]:1",
            ],
        );
        check("10.0.0.0/64,a/b", &["a/b:1"], &["10.0.0.1:1"]);
    }
}
