//! Image references, with Docker's defaults filled in.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// The registry of names that do not say one.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";
/// The namespace of one-word names in the default registry.
const OFFICIAL: &str = "library/";
/// The longest repository, in bytes.
const LONGEST_REPOSITORY: usize = 255;
/// The longest tag, in bytes.
const LONGEST_TAG: usize = 128;

/// The name of an image: `registry/repository[:tag][@digest]`.
///
/// `ubuntu` is `docker.io/library/ubuntu:latest`. The grammar is that of
/// <https://github.com/distribution/reference/blob/main/reference.go>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    // Invariant: each part follows the grammar, and there is a tag or a digest.
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's host, and after a colon its port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry: `library/ubuntu`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. There is one unless there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if the reference is pinned.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The shortest text that means the same, tag included: `ubuntu:latest`.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    /// The name without what `FromStr` would add by itself.
    fn familiar_name(&self) -> String {
        let full = format!("{}/{}", self.registry, self.repository);
        if self.registry != DEFAULT_REGISTRY {
            return full;
        }
        let short = match self.repository.strip_prefix(OFFICIAL) {
            Some(word) if !word.contains('/') => word,
            _ => &self.repository,
        };
        // `docker.io/foo.bar/baz` would come back as the registry `foo.bar`.
        let means_the_same =
            split_registry(short) == (DEFAULT_REGISTRY.to_owned(), self.repository.clone());
        if means_the_same && Digest::from_hex(short).is_none() {
            short.to_owned()
        } else {
            full
        }
    }

    fn suffix(&self) -> String {
        let tag = self
            .tag
            .as_ref()
            .map(|tag| format!(":{tag}"))
            .unwrap_or_default();
        let digest = self
            .digest
            .map(|digest| format!("@{digest}"))
            .unwrap_or_default();
        tag + &digest
    }
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceParseError {
    /// There is nothing.
    #[error("an image reference cannot be empty")]
    Empty,
    /// The name is 64 hex digits, which is how image IDs look.
    #[error("`{name}` looks like an image ID, which cannot be a name")]
    LooksLikeId {
        /// The name.
        name: String,
    },
    /// The registry is not a host.
    #[error("`{registry}` in `{text}` is not a registry host")]
    Registry {
        /// What stands before the first slash.
        registry: String,
        /// The whole text.
        text: String,
    },
    /// The repository has characters that it must not have.
    #[error("`{repository}` in `{text}` is not a repository name (lower-case words)")]
    Repository {
        /// The repository.
        repository: String,
        /// The whole text.
        text: String,
    },
    /// The repository is too long.
    #[error("a repository name of {length} bytes is too long (at most {LONGEST_REPOSITORY})")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The tag is not one.
    #[error("`{tag}` in `{text}` is not a tag")]
    Tag {
        /// What stands after the colon.
        tag: String,
        /// The whole text.
        text: String,
    },
    /// The digest is not one.
    #[error("`{digest}` in `{text}` is not a SHA-256 digest")]
    Digest {
        /// What stands after the at sign.
        digest: String,
        /// The whole text.
        text: String,
    },
}

impl FromStr for Reference {
    type Err = ReferenceParseError;

    fn from_str(text: &str) -> Result<Reference, ReferenceParseError> {
        if text.is_empty() {
            return Err(ReferenceParseError::Empty);
        }
        if Digest::from_hex(text).is_some() {
            return Err(ReferenceParseError::LooksLikeId {
                name: text.to_owned(),
            });
        }
        let (rest, digest) = split_digest(text)?;
        let (name, tag) = split_tag(rest, text)?;
        let (registry, repository) = split_registry(name);
        let tag = match (tag, digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        let (length, owned) = (repository.len(), || text.to_owned());
        if !is_registry(&registry) {
            return Err(ReferenceParseError::Registry {
                registry,
                text: owned(),
            });
        }
        if !repository.split('/').all(is_path_component) {
            return Err(ReferenceParseError::Repository {
                repository,
                text: owned(),
            });
        }
        if length > LONGEST_REPOSITORY {
            return Err(ReferenceParseError::TooLong { length });
        }
        Ok(Reference {
            registry,
            repository,
            tag,
            digest,
        })
    }
}

/// Splits `@sha256:…` off.
fn split_digest(text: &str) -> Result<(&str, Option<Digest>), ReferenceParseError> {
    let Some((rest, digest)) = text.split_once('@') else {
        return Ok((text, None));
    };
    match digest.parse() {
        Ok(digest) => Ok((rest, Some(digest))),
        Err(_) => Err(ReferenceParseError::Digest {
            digest: digest.to_owned(),
            text: text.to_owned(),
        }),
    }
}

/// Splits `:tag` off; a colon before a slash belongs to a port.
fn split_tag<'t>(
    rest: &'t str,
    text: &str,
) -> Result<(&'t str, Option<&'t str>), ReferenceParseError> {
    let last_part = rest.rfind('/').map_or(0, |slash| slash + 1);
    let Some(colon) = rest[last_part..].find(':') else {
        return Ok((rest, None));
    };
    let (name, tag) = (&rest[..last_part + colon], &rest[last_part + colon + 1..]);
    if is_tag(tag) {
        Ok((name, Some(tag)))
    } else {
        Err(ReferenceParseError::Tag {
            tag: tag.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// Splits the registry off and fills in Docker's defaults.
///
/// The first part is a registry if it could not be a namespace: it has a dot, a colon or an
/// upper-case letter, or it is `localhost` (distribution/reference: `splitDockerDomain`).
fn split_registry(name: &str) -> (String, String) {
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.contains(|character: char| character.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_REGISTRY, name),
    };
    let registry = if registry == "index.docker.io" {
        DEFAULT_REGISTRY
    } else {
        registry
    };
    if registry == DEFAULT_REGISTRY && !repository.contains('/') {
        return (registry.to_owned(), format!("{OFFICIAL}{repository}"));
    }
    (registry.to_owned(), repository.to_owned())
}

/// Whether `registry` is `host[:port]`, where the host is a name, an IPv4 or a bracketed IPv6.
fn is_registry(registry: &str) -> bool {
    if let Some(rest) = registry.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let is_address = !address.is_empty()
            && address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    host.split('.').all(is_domain_component) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_domain_component(component: &str) -> bool {
    !component.is_empty()
        && component
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !component.starts_with('-')
        && !component.ends_with('-')
}

/// Whether `component` is lower-case words that are joined by `.`, `_`, `__` or hyphens.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_word(first)
        && is_word(last)
        && bytes.split(is_word).all(|separator| {
            matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-')
        })
}

/// Whether `tag` is a word character and up to 127 of these, dots and hyphens.
fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag
            .bytes()
            .all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}{}",
            self.registry,
            self.repository,
            self.suffix()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    /// Shows the full and the familiar form, or the error.
    #[track_caller]
    fn check(text: &str, expected: Expect) {
        match text.parse::<Reference>() {
            Ok(reference) => {
                expected.assert_eq(&format!("{reference} {}", reference.familiar()));
            }
            Err(error) => expected.assert_eq(&format!("error: {error}")),
        }
    }

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn dockers_defaults_are_filled_in() {
        check(
            "ubuntu",
            expect!["docker.io/library/ubuntu:latest ubuntu:latest"],
        );
        check(
            "ubuntu:24.04",
            expect!["docker.io/library/ubuntu:24.04 ubuntu:24.04"],
        );
        check("me/app", expect!["docker.io/me/app:latest me/app:latest"]);
        check(
            "index.docker.io/me/app:1",
            expect!["docker.io/me/app:1 me/app:1"],
        );
        check(
            "docker.io/ubuntu",
            expect!["docker.io/library/ubuntu:latest ubuntu:latest"],
        );
        check("a/b/c:1", expect!["docker.io/a/b/c:1 a/b/c:1"]);
    }

    #[test]
    fn the_first_part_is_a_registry_if_it_cannot_be_a_namespace() {
        check(
            "localhost/app",
            expect!["localhost/app:latest localhost/app:latest"],
        );
        check(
            "host:5000/app",
            expect!["host:5000/app:latest host:5000/app:latest"],
        );
        check("Host/app", expect!["Host/app:latest Host/app:latest"]);
        check("gcr.io/a/b:t", expect!["gcr.io/a/b:t gcr.io/a/b:t"]);
        check(
            "[::1]:5000/app",
            expect!["[::1]:5000/app:latest [::1]:5000/app:latest"],
        );
        check(
            "localhost",
            expect!["docker.io/library/localhost:latest localhost:latest"],
        );
    }

    #[test]
    fn a_name_that_would_be_read_as_a_registry_keeps_its_own() {
        check(
            "docker.io/foo.bar/baz:1",
            expect!["docker.io/foo.bar/baz:1 docker.io/foo.bar/baz:1"],
        );
        check(
            "docker.io/library/a/b",
            expect!["docker.io/library/a/b:latest library/a/b:latest"],
        );
    }

    #[test]
    fn a_digest_needs_no_tag_and_may_have_one() {
        for text in ["debian", "debian:13"] {
            let reference: Reference = format!("{text}@{DIGEST}").parse().unwrap();
            assert_eq!(reference.familiar(), format!("{text}@{DIGEST}"));
            assert_eq!(reference.digest().unwrap().to_string(), DIGEST);
        }
    }

    #[test]
    fn what_is_not_a_reference_is_said() {
        check("", expect!["error: an image reference cannot be empty"]);
        check(
            "Ubuntu",
            expect![
                "error: `library/Ubuntu` in `Ubuntu` is not a repository name (lower-case words)"
            ],
        );
        check(
            "a//b",
            expect!["error: `a//b` in `a//b` is not a repository name (lower-case words)"],
        );
        check(
            "a___b",
            expect![
                "error: `library/a___b` in `a___b` is not a repository name (lower-case words)"
            ],
        );
        check(
            "-a.b/c",
            expect!["error: `-a.b` in `-a.b/c` is not a registry host"],
        );
        check(
            "host:x/c",
            expect!["error: `host:x` in `host:x/c` is not a registry host"],
        );
        check("app:", expect!["error: `` in `app:` is not a tag"]);
        check("app:.x", expect!["error: `.x` in `app:.x` is not a tag"]);
        check(
            "app@sha512:00",
            expect!["error: `sha512:00` in `app@sha512:00` is not a SHA-256 digest"],
        );
        check(
            &DIGEST["sha256:".len()..],
            expect![
                "error: `e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` looks like an image ID, which cannot be a name"
            ],
        );
    }

    #[test]
    fn lengths_are_limited() {
        let parse = |text: String| text.parse::<Reference>();
        assert!(parse(format!("x.y/{}", "a".repeat(255))).is_ok());
        assert_eq!(
            parse(format!("x.y/{}", "a".repeat(256))),
            Err(ReferenceParseError::TooLong { length: 256 })
        );
        assert!(parse(format!("a:{}", "t".repeat(128))).is_ok());
        assert!(parse(format!("a:{}", "t".repeat(129))).is_err());
    }

    proptest! {
        #[test]
        fn both_forms_mean_the_reference(
            text in "([a-zA-Z.:]{1,6}/)?[a-z0-9._/-]{1,12}(:[a-zA-Z0-9._-]{1,4})?"
        ) {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
                prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            drop(text.parse::<Reference>());
        }
    }
}
