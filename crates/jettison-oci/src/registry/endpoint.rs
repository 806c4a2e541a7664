//! Where the API of a registry is: from the registry of a reference to hosts, schemes and mirrors.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::reference::DEFAULT_REGISTRY;
use crate::registry::patience::Patience;
use crate::registry::url::Url;

/// Where the API of the default registry is: not at its name, but at this host below it.
const DEFAULT_API: &str = "registry-1";

/// How registries are used.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// What is said about single registries, by the name that references have for them.
    pub hosts: BTreeMap<String, HostOptions>,
    /// How much is put up with.
    pub patience: Patience,
    /// How many blobs are carried at a time.
    pub parallel: usize,
}

impl RegistryOptions {
    /// Nothing special about any registry, and as many blobs at a time.
    pub fn new(parallel: usize) -> RegistryOptions {
        RegistryOptions {
            hosts: BTreeMap::new(),
            patience: Patience::USUAL,
            parallel: parallel.max(1),
        }
    }

    /// Whether `registry` may be spoken to without encryption, or with a certificate that nobody vouches for.
    ///
    /// As in docker this is so of what is on this machine (moby: `isSecureIndex`, registry/config.go).
    pub fn is_insecure(&self, registry: &str) -> bool {
        match self.hosts.get(registry).and_then(|host| host.is_insecure) {
            Some(is_insecure) => is_insecure,
            None => is_loopback(registry),
        }
    }

    pub(crate) fn host(&self, registry: &str) -> HostOptions {
        self.hosts.get(registry).cloned().unwrap_or_default()
    }

    /// The addresses at which `registry` may be, in the order in which they are tried.
    pub(crate) fn bases(&self, registry: &str, scheme: Scheme) -> Vec<Url> {
        let authority = match registry {
            DEFAULT_REGISTRY => format!("{DEFAULT_API}.{DEFAULT_REGISTRY}"),
            other => other.to_owned(),
        };
        let schemes: &[bool] = match scheme {
            Scheme::Plain => &[false],
            Scheme::Secure if self.is_insecure(registry) => &[true, false],
            Scheme::Secure => &[true],
        };
        let urls = schemes.iter();
        urls.filter_map(|is_secure| Url::new(*is_secure, &authority, "/v2/"))
            .collect()
    }
}

/// What is said about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostOptions {
    /// Whether encryption and certificates may be missing; if nothing is said, they may on this machine alone.
    pub is_insecure: Option<bool>,
    /// Registries that are asked first for what is pulled.
    pub mirrors: Vec<Mirror>,
    /// The largest piece in which a blob is sent, in bytes; all at once if nothing is said.
    pub chunk: Option<u64>,
}

/// With or without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    /// With it, or what the options say.
    Secure,
    /// Without it.
    Plain,
}

/// A registry that has the images of another one: `[http[s]://]HOST[:PORT][/PREFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    pub(crate) scheme: Scheme,
    pub(crate) registry: String,
    /// What stands before the names of repositories, with a slash at its end; or nothing.
    pub(crate) prefix: String,
}

/// A text that is no mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mirror: take [http[s]://]HOST[:PORT][/PREFIX]")]
pub struct MirrorParseError {
    /// What was given.
    pub text: String,
}

impl FromStr for Mirror {
    type Err = MirrorParseError;

    fn from_str(text: &str) -> Result<Mirror, MirrorParseError> {
        let bad = || MirrorParseError {
            text: text.to_owned(),
        };
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url = Url::parse(&with_scheme).ok_or_else(bad)?;
        let prefix = url.rest().trim_matches('/');
        if prefix.contains(['?', '%']) {
            return Err(bad());
        }
        Ok(Mirror {
            scheme: if url.is_secure() {
                Scheme::Secure
            } else {
                Scheme::Plain
            },
            registry: url.authority().to_owned(),
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}/")
            },
        })
    }
}

/// Whether a registry is on this machine.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &RegistryOptions, registry: &str, expected: &[&str]) {
        let bases = options.bases(registry, Scheme::Secure);
        let bases: Vec<String> = bases.iter().map(Url::to_string).collect();
        assert_eq!(bases, expected, "{registry}");
    }

    #[test]
    fn what_is_on_this_machine_may_be_without_encryption() {
        let mut options = RegistryOptions::new(4);
        for registry in [
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.8.7",
            "[::1]:5000",
        ] {
            let expected = [true, false].map(|is_secure| {
                let scheme = if is_secure { "https" } else { "http" };
                format!("{scheme}://{registry}/v2/")
            });
            check(&options, registry, &expected.each_ref().map(String::as_str));
        }
        for registry in ["localhost.com", "10.0.0.1:5000", "128.0.0.1"] {
            check(&options, registry, &[&format!("https://{registry}/v2/")]);
        }
        let host = |is_insecure| HostOptions {
            is_insecure: Some(is_insecure),
            ..HostOptions::default()
        };
        options.hosts.insert("lab:5000".to_owned(), host(true));
        options.hosts.insert("localhost".to_owned(), host(false));
        check(
            &options,
            "lab:5000",
            &["https://lab:5000/v2/", "http://lab:5000/v2/"],
        );
        check(&options, "localhost", &["https://localhost/v2/"]);
    }

    #[test]
    fn the_default_registry_is_elsewhere() {
        let api = format!("https://{DEFAULT_API}.{DEFAULT_REGISTRY}/v2/");
        check(&RegistryOptions::new(1), "docker.io", &[&api]);
    }

    #[test]
    fn a_mirror_may_have_a_scheme_and_a_prefix() {
        let cases = [
            ("mirror:5000", (Scheme::Secure, "mirror:5000", "")),
            ("http://mirror/", (Scheme::Plain, "mirror", "")),
            ("https://m/hub//", (Scheme::Secure, "m", "hub/")),
        ];
        for (text, (scheme, registry, prefix)) in cases {
            let expected = Mirror {
                scheme,
                registry: registry.to_owned(),
                prefix: prefix.to_owned(),
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "ftp://m", "m?x=y", "a b", "user@m"] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
