//! Addresses of downloads.

/// The scheme, with `://`, and the host of an address that is not encrypted and on the public network.
///
/// A host with a variable in it, one without a dot, a number and a name for private use may be anywhere.
pub(super) fn plain_public(address: &str) -> Option<(&'static str, &str)> {
    let scheme = ["http://", "git://"]
        .into_iter()
        .find(|scheme| address.starts_with(scheme))?;
    let rest = &address[scheme.len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    // Another port has another server behind it; that one may not speak TLS.
    let host = host.strip_suffix(":80").unwrap_or(host);
    let is_name = host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let (_, top) = host.rsplit_once('.')?;
    let is_private = matches!(
        top.to_ascii_lowercase().as_str(),
        "local"
            | "internal"
            | "lan"
            | "localdomain"
            | "localhost"
            | "corp"
            | "home"
            | "intranet"
            | "private"
            | "test"
            | "example"
            | "invalid"
            | "svc"
            | "cluster"
            | "docker"
            | "onion"
    );
    let is_word = top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic());
    (is_name && is_word && !is_private).then_some((scheme, host))
}

/// Says whether an address names a commit or a digest, so that what is there does not change.
pub(super) fn names_content(address: &str) -> bool {
    address
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|part| matches!(part.len(), 40 | 64) && part.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_and_digests_name_their_content() {
        let commit = "3fea3d48ea8337b2aaca755c1d719e34b45f46b9";
        assert!(names_content(&format!(
            "https://acme.io/a/{commit}/install.sh"
        )));
        assert!(!names_content("https://acme.io/a/main/install.sh"));
        assert!(!names_content("https://acme.io/a/3fea3d4/install.sh"));
    }

    #[test]
    fn private_hosts_are_not_public() {
        let check = |address: &str, expected: Option<&str>| {
            assert_eq!(
                plain_public(address).map(|(_, host)| host),
                expected,
                "{address}"
            );
        };
        check("http://acme.io/a.tar", Some("acme.io"));
        check("http://acme.io:80/", Some("acme.io"));
        check("git://git.acme.io/a.git#v1", Some("git.acme.io"));
        check("http://acme.io/$VERSION/a.tar", Some("acme.io"));
        for other in [
            "https://acme.io/a",
            "http://localhost/a",
            "http://10.0.0.1/a",
            "http://172.17.0.1:8000/a",
            "http://proxy/a",
            "http://files.internal/a",
            "http://nas.lan/a",
            "http://acme.io:8080/a",
            "http://$HOST/a",
            "http://${MIRROR}.acme.io/a",
            "http://[::1]/a",
            "file:///a",
        ] {
            check(other, None);
        }
    }
}
