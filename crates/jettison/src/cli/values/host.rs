//! `--add-host NAME=ADDRESS`

use std::net::IpAddr;

/// What docker's daemon replaces by the address of its bridge, at which commands reach the host. Here they use the host's
/// network, so that the host is itself.
const GATEWAY: &str = "host-gateway";
const HOST: &str = "127.0.0.1";

/// Names and addresses for `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtraHosts(pub(crate) Vec<(String, String)>);

/// Reads a list of `NAME=ADDRESS` or `NAME:ADDRESS`; an address may stand in square brackets (buildx:
/// `toBuildkitExtraHosts`, build/utils.go).
pub(crate) fn extra_hosts(text: &str) -> Result<ExtraHosts, String> {
    let mut hosts: Vec<(String, String)> = Vec::new();
    for part in text.split(',') {
        let part = part.trim_matches('"');
        match part.split_once('=').or_else(|| part.split_once(':')) {
            // A second address of the same name: `name=127.0.0.1,::1`.
            _ if address(part).is_some() && !hosts.is_empty() => {
                let name = hosts
                    .last()
                    .map(|(name, _)| name.clone())
                    .unwrap_or_default();
                hosts.extend(address(part).map(|address| (name, address)));
            }
            Some((name, GATEWAY)) if !name.is_empty() => {
                hosts.push((name.to_string(), HOST.to_owned()));
            }
            Some((name, written)) if !name.is_empty() => {
                let address =
                    address(written).ok_or_else(|| format!("`{written}` is not an IP address"))?;
                hosts.push((name.to_string(), address));
            }
            _ => return Err(format!("`{part}` is not NAME=ADDRESS")),
        }
    }
    Ok(ExtraHosts(hosts))
}

/// An address, without brackets and otherwise as written.
fn address(text: &str) -> Option<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|_| bare.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match extra_hosts(text) {
            Ok(ExtraHosts(hosts)) => format!("{hosts:?}"),
            Err(problem) => problem,
        });
    }

    #[test]
    fn both_signs_and_brackets_are_understood() {
        check("a=10.0.0.1", expect![[r#"[("a", "10.0.0.1")]"#]]);
        check("a:10.0.0.1", expect![[r#"[("a", "10.0.0.1")]"#]]);
        check("a:[::1]", expect![[r#"[("a", "::1")]"#]]);
        check("a=::1", expect![[r#"[("a", "::1")]"#]]);
        check("a:::1", expect![[r#"[("a", "::1")]"#]]);
        check(
            "a=10.0.0.1,b=10.0.0.2",
            expect![[r#"[("a", "10.0.0.1"), ("b", "10.0.0.2")]"#]],
        );
        check(
            "a=10.0.0.1,::1",
            expect![[r#"[("a", "10.0.0.1"), ("a", "::1")]"#]],
        );
    }

    #[test]
    fn the_gateway_to_the_host_is_the_host_itself() {
        check(
            "host.docker.internal:host-gateway",
            expect![[r#"[("host.docker.internal", "127.0.0.1")]"#]],
        );
        check(
            ":host-gateway",
            expect!["`:host-gateway` is not NAME=ADDRESS"],
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        check("a=b", expect!["`b` is not an IP address"]);
        check("a", expect!["`a` is not NAME=ADDRESS"]);
        check("=10.0.0.1", expect!["`=10.0.0.1` is not NAME=ADDRESS"]);
        check("10.0.0.1", expect!["`10.0.0.1` is not NAME=ADDRESS"]);
    }
}
