//! URLs as people write them: with credentials that are not for show, and characters that have to be escaped.

use jettison_oci::base64;

/// An `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebAddress {
    /// What to ask for: without credentials and fragment, escaped.
    pub(crate) url: String,
    /// The host's name, without its port.
    pub(crate) host: String,
    /// Its port, if it is named.
    pub(crate) port: Option<u16>,
    /// `user:password`, decoded.
    credentials: Option<String>,
}

impl WebAddress {
    /// Reads a URL; `None` if it has no host.
    pub(crate) fn parse(text: &str) -> Option<WebAddress> {
        let (scheme, rest) = text.split_once("://")?;
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(unescaped(credentials)), host),
            None => (None, authority),
        };
        let name = host_name(host);
        if name.is_empty() {
            return None;
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(WebAddress {
            url: format!("{scheme}://{host}{slash}{}", escaped(path)),
            host: name.to_owned(),
            port: port_of(host),
            credentials,
        })
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// The value of `Authorization` for the credentials that the URL has in it.
    pub(crate) fn authorization(&self) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        Some(format!("Basic {}", base64(credentials.as_bytes())))
    }
}

/// The name in `name:port` or `[address]:port`.
pub(crate) fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// The port in `name:port` or `[address]:port`.
pub(crate) fn port_of(host: &str) -> Option<u16> {
    let (_, port) = host.rsplit_once(':')?;
    port.parse().ok()
}

/// An address as it may be shown and written down: credentials are `xxxxx`, as in BuildKit (`RedactCredentials`,
/// util/urlutil).
pub(crate) fn redacted(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let scheme_in_small = scheme.to_ascii_lowercase();
    if !["http", "https", "git", "ssh"].contains(&scheme_in_small.as_str()) {
        return address.to_owned();
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((credentials, host)) if credentials.contains(':') => {
            format!("{scheme}://xxxxx:xxxxx@{host}{after}")
        }
        Some((_, host)) => format!("{scheme}://xxxxx@{host}{after}"),
        None => address.to_owned(),
    }
}

/// Escapes what must not be in a request as it is; escapes that are there stay.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            let digit = |digit: u8| char::from(b"0123456789ABCDEF"[usize::from(digit)]);
            escaped.extend([digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}

/// Replaces `%` escapes; those that are none stay.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        if let (b'%', Some((high, low))) = (byte, digit(0).zip(digit(1))) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match WebAddress::parse(text) {
            Some(address) => format!(
                "{} {} {}",
                address.url,
                address.host,
                address.authorization().unwrap_or_default()
            )
            .trim_end()
            .to_owned(),
            None => "no address".to_owned(),
        });
    }

    #[test]
    fn what_is_asked_for_has_no_credentials_and_no_fragment() {
        check("http://a/b?c#d", expect!["http://a/b?c a"]);
        check("https://a:80?c", expect!["https://a:80/?c a"]);
        check(
            "https://me:p%40ss@a/x",
            expect!["https://a/x a Basic bWU6cEBzcw=="],
        );
        check("https://token@a/x", expect!["https://a/x a Basic dG9rZW4="]);
        check("http://[::1]:8080/", expect!["http://[::1]:8080/ ::1"]);
        check("http://a/b c/ü%20", expect!["http://a/b%20c/%C3%BC%20 a"]);
        check("http:///x", expect!["no address"]);
        check("ftp://a/x", expect!["no address"]);
    }

    #[test]
    fn credentials_are_not_shown() {
        for (address, shown) in [
            ("https://me:pw@a/b@c", "https://xxxxx:xxxxx@a/b@c"),
            ("https://token@a", "https://xxxxx@a"),
            ("https://a/b@c", "https://a/b@c"),
            ("git@a:b", "git@a:b"),
            ("oci-layout://a@b", "oci-layout://a@b"),
        ] {
            assert_eq!(redacted(address), shown);
        }
    }
}
