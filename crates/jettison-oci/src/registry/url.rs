//! The URLs of registries: those that we make, and those that they send us to.

use std::fmt;

/// An absolute URL of HTTP, without a fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    // Invariant: no part has white space or control characters, the authority has no user and is not empty, and the rest begins
    // with a slash.
    is_secure: bool,
    authority: String,
    rest: String,
}

impl Url {
    /// Reads an absolute URL.
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        Url::new(is_secure, &rest[..end], &rest[end..])
    }

    /// The URL of `rest`, a path and a query, at `authority`.
    pub(crate) fn new(is_secure: bool, authority: &str, rest: &str) -> Option<Url> {
        let is_clean = |text: &str| !text.contains(|c: char| c.is_control() || c.is_whitespace());
        if authority.is_empty()
            || authority.contains(['@', '\\'])
            || !is_clean(authority)
            || !is_clean(rest)
        {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some(Url {
            is_secure,
            authority: authority.to_ascii_lowercase(),
            rest: format!("{slash}{rest}"),
        })
    }

    /// Whether it is one of HTTPS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The host, and its port if that is not the usual one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Whether both are served by the same server.
    pub(crate) fn has_origin_of(&self, other: &Url) -> bool {
        let port = |url: &Url| -> (String, String) {
            let default = if url.is_secure { "443" } else { "80" };
            match url.authority.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    (host.to_owned(), port.to_owned())
                }
                _ => (url.authority.clone(), default.to_owned()),
            }
        };
        self.is_secure == other.is_secure && port(self) == port(other)
    }

    /// The same URL, with encryption if `other`, which is of the same host and port, has it.
    pub(crate) fn kept_secure(self, other: &Url) -> Url {
        let is_same = self.authority == other.authority;
        Url {
            is_secure: self.is_secure || (is_same && other.is_secure),
            ..self
        }
    }

    /// Where a `Location` leads that was sent for this URL (RFC 3986, section 5.2).
    pub(crate) fn join(&self, location: &str) -> Option<Url> {
        if location.contains("://") && Url::parse(location).is_some() {
            return Url::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            return Url::new(self.is_secure, &rest[..end], &rest[end..]);
        }
        if location.starts_with('/') {
            return Url::new(self.is_secure, &self.authority, location);
        }
        // Anything else with a scheme is not for us.
        let scheme = location.split(['/', '?']).next().unwrap_or_default();
        if location.is_empty() || scheme.contains(':') {
            return None;
        }
        let path = self.rest.split('?').next().unwrap_or_default();
        let rest = match (location.strip_prefix('?'), path.rfind('/')) {
            (Some(_), _) | (None, None) => format!("{path}{location}"),
            (None, Some(slash)) => format!("{}{location}", &path[..=slash]),
        };
        Url::new(self.is_secure, &self.authority, &rest)
    }

    /// The same URL with one more parameter.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Url {
        let mark = match self.rest.find('?') {
            None => "?",
            Some(_) if self.rest.ends_with(['?', '&']) => "",
            Some(_) => "&",
        };
        Url {
            rest: format!("{}{mark}{name}={}", self.rest, encode(value)),
            ..self.clone()
        }
    }
}

/// Writes what is not a letter, a digit or one of `-._~/:` as percent signs and digits (RFC 3986, section 2.1; slashes and
/// colons are allowed in queries, and registries get scopes and digests to read as they are).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_location_is_read_beside_where_it_was_sent() {
        let base = Url::parse("https://host:5000/v2/a/blobs/uploads/?x=1").unwrap();
        let cases = [
            ("/v2/b?c=d", "https://host:5000/v2/b?c=d"),
            ("http://other/b#f", "http://other/b"),
            ("//other", "https://other/"),
            ("b/c?d", "https://host:5000/v2/a/blobs/uploads/b/c?d"),
            ("?d=e", "https://host:5000/v2/a/blobs/uploads/?d=e"),
            (
                "b?u=https://x/y",
                "https://host:5000/v2/a/blobs/uploads/b?u=https://x/y",
            ),
        ];
        for (location, expected) in cases {
            let url = base.join(location).map(|url| url.to_string());
            assert_eq!(url.as_deref(), Some(expected), "{location}");
        }
        for location in [
            "",
            "ftp://h/x",
            "javascript:1",
            "https://u@h/",
            "/a b",
            "/\r\n",
        ] {
            assert_eq!(base.join(location), None, "{location}");
        }
    }

    #[test]
    fn a_parameter_is_added_to_what_is_there() {
        let digest = "sha256:ab";
        for (url, expected) in [
            ("http://h/a", "http://h/a?digest=sha256:ab"),
            ("http://h/a?", "http://h/a?digest=sha256:ab"),
            ("http://h/a?s=x%3D", "http://h/a?s=x%3D&digest=sha256:ab"),
        ] {
            let url = Url::parse(url).unwrap().with_query("digest", digest);
            assert_eq!(url.to_string(), expected);
        }
        assert_eq!(encode("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }

    #[test]
    fn the_usual_port_is_the_same_origin_as_none() {
        let url = |text| Url::parse(text).unwrap();
        assert!(url("https://H/a").has_origin_of(&url("https://h:443/b")));
        assert!(!url("https://h/a").has_origin_of(&url("http://h/a")));
        assert!(!url("https://h/a").has_origin_of(&url("https://h:8443/a")));
        assert!(!url("https://h/a").has_origin_of(&url("https://h.evil/a")));
    }

    #[test]
    fn encryption_is_not_given_up_for_the_same_host() {
        let url = |text| Url::parse(text).unwrap();
        let asked = url("https://h:5000/a");
        let kept = url("http://h:5000/b").kept_secure(&asked);
        assert_eq!(kept, url("https://h:5000/b"));
        let other = url("http://h/b").kept_secure(&asked);
        assert_eq!(other, url("http://h/b"));
    }

    proptest! {
        #[test]
        fn urls_read_back_as_themselves(text in "https?://[a-z0-9.:\\[\\]]{1,9}(/[a-z%?&=/.]{0,9})?") {
            if let Some(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Some(url));
            }
        }

        #[test]
        fn no_location_is_a_panic(base in "https?://[a-z]{1,3}/\\PC{0,5}", location in "\\PC{0,12}") {
            if let Some(base) = Url::parse(&base) {
                base.join(&location);
            }
        }
    }
}
