//! The ports of `EXPOSE`: `[[address:]host port:]port[-port][/protocol]`.

use std::net::IpAddr;

use crate::quote::quoted;
use crate::text::lower;

/// The ports that a word of `EXPOSE` exposes, each as `80/tcp`; an error is in BuildKit's words.
pub fn exposed_ports(port: &str) -> Result<Vec<String>, String> {
    if let Some(problem) = port_problem(port) {
        return Err(problem);
    }
    let container = port.rsplit(':').next().unwrap_or_default();
    let (ports, protocol) = container.split_once('/').unwrap_or((container, ""));
    let protocol = match lower(protocol) {
        protocol if protocol.is_empty() => "tcp".to_owned(),
        protocol => protocol,
    };
    let Some((first, last)) = range(ports) else {
        return Err(format!("invalid containerPort: {ports}"));
    };
    let ports = (first..=last).map(|port| format!("{port}/{protocol}"));
    Ok(ports.collect())
}

/// Says what is wrong with a port (BuildKit: `parsePort`, `dockerfile2llb/convert_expose.go`).
pub(crate) fn port_problem(port: &str) -> Option<String> {
    let mut parts = port.rsplitn(3, ':');
    let container = parts.next().unwrap_or_default();
    let host = parts.next().unwrap_or_default();
    let address = parts.next().unwrap_or_default();
    let (container, protocol) = container.split_once('/').unwrap_or((container, ""));
    if container.is_empty() {
        return Some(format!("invalid port: {}: no port specified", quoted(port)));
    }
    if !["", "tcp", "udp", "sctp"].contains(&lower(protocol).as_str()) {
        let port = quoted(port);
        return Some(format!("invalid port: {port}: invalid proto: {protocol}"));
    }
    let plain = match without_brackets(address) {
        Ok(plain) => plain,
        Err(problem) => {
            return Some(format!(
                "invalid IP address {address}: address {address}:: {problem}"
            ));
        }
    };
    if !plain.is_empty() && plain.parse::<IpAddr>().is_err() {
        return Some(format!("invalid IP address: {plain}"));
    }
    let Some((first, last)) = range(container) else {
        return Some(format!("invalid containerPort: {container}"));
    };
    if host.is_empty() {
        return None;
    }
    let Some((host_first, host_last)) = range(host) else {
        return Some(format!("invalid hostPort: {host}"));
    };
    (last - first != host_last - host_first && last != first).then(|| {
        format!("invalid ranges specified for container and host Ports: {container} and {host}")
    })
}

/// What stands in the brackets of an address (Go: `net.SplitHostPort` of the address and a colon).
fn without_brackets(address: &str) -> Result<&str, &'static str> {
    let Some(rest) = address.strip_prefix('[') else {
        return Ok(address);
    };
    let (inner, after) = rest.split_once(']').ok_or("missing ']' in address")?;
    match after {
        "" if inner.contains('[') => Err("unexpected '[' in address"),
        "" => Ok(inner),
        after if after.starts_with(':') => Err("too many colons in address"),
        _ => Err("missing port in address"),
    }
}

/// The first and the last port of a range.
fn range(ports: &str) -> Option<(u16, u16)> {
    let Some((first, last)) = ports.split_once('-') else {
        let port = number(ports)?;
        return Some((port, port));
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// Reads a port as Go's `strconv.ParseInt` does: a sign is allowed.
fn number(port: &str) -> Option<u16> {
    let number: i64 = port.parse().ok()?;
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(port: &str, expected: Option<&str>) {
        assert_eq!(port_problem(port).as_deref(), expected, "{port}");
    }

    #[test]
    fn a_range_exposes_each_of_its_ports() {
        for (word, expected) in [
            ("80", "80/tcp"),
            ("80/", "80/tcp"),
            ("8000-8002/UDP", "8000/udp 8001/udp 8002/udp"),
            ("127.0.0.1:80:8080", "8080/tcp"),
            ("+080", "80/tcp"),
        ] {
            assert_eq!(
                exposed_ports(word).map(|ports| ports.join(" ")).as_deref(),
                Ok(expected),
                "{word}"
            );
        }
        let problem = "invalid containerPort: 9-1".to_owned();
        assert_eq!(exposed_ports("9-1"), Err(problem));
    }

    #[test]
    fn ports_are_numbers_with_a_protocol() {
        for good in [
            "80",
            "80/TCP",
            "80-90/udp",
            "1:2",
            "127.0.0.1:1:2",
            "[::1]:1:2/sctp",
            "1-2:3",
            "::1:2:3",
        ] {
            check(good, None);
        }
        check("x", Some("invalid containerPort: x"));
        check("65536", Some("invalid containerPort: 65536"));
        check("90-80", Some("invalid containerPort: 90-80"));
        check("/tcp", Some("invalid port: \"/tcp\": no port specified"));
        check("80/x", Some("invalid port: \"80/x\": invalid proto: x"));
        check("x:80", Some("invalid hostPort: x"));
        check("1.2.3:1:2", Some("invalid IP address: 1.2.3"));
        check(
            "1-2:1-3",
            Some("invalid ranges specified for container and host Ports: 1-3 and 1-2"),
        );
    }
}
