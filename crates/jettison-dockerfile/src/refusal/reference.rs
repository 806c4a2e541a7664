//! The names of images: `[host/]path[:tag][@digest]`.
//!
//! The grammar is that of distribution/reference (`ParseNormalizedNamed`, normalize.go; `Parse`, reference.go;
//! regexp.go).

use crate::refusal::digest::digest_problem;
use crate::text::lower;

/// What may stand where a reference may and is none: a base that is assembled, or found elsewhere. BuildKit takes the
/// latter two as named contexts only.
const SCHEMES: [&str; 4] = [
    "debian://",
    "distroless://",
    "docker-image://",
    "oci-layout://",
];

/// The longest path of a repository.
const MAX_PATH: usize = 255;

/// Says why a text cannot be the name of an image, in the words of distribution/reference.
pub fn reference_problem(text: &str) -> Option<String> {
    if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return None;
    }
    let is_identifier = text.len() == 64 && text.bytes().all(is_lower_hex);
    if is_identifier {
        return Some(format!(
            "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        ));
    }
    let (domain, remainder) = split_domain(text);
    let remote = remainder.split(':').next().unwrap_or_default();
    if lower(remote) != remote {
        return Some(format!(
            "invalid reference format: repository name ({remote}) must be lowercase"
        ));
    }
    let Some(parts) = Parts::of(&domain, &remainder) else {
        let is_only_too_large = Parts::of(&lower(&domain), &lower(&remainder)).is_some();
        return Some(if is_only_too_large {
            "repository name must be lowercase".to_owned()
        } else {
            "invalid reference format".to_owned()
        });
    };
    if parts.path_len > MAX_PATH {
        return Some(format!(
            "repository name must not be more than {MAX_PATH} characters"
        ));
    }
    Some(digest_problem(parts.digest?)?.to_owned())
}

/// What is left to check of a name that has the right form.
struct Parts<'a> {
    path_len: usize,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(domain: &str, remainder: &'a str) -> Option<Parts<'a>> {
        let (named, digest) = match remainder.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (remainder, None),
        };
        let (path, tag) = match named.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        // What is no host can still be a folder.
        let is_host = is_domain(domain);
        let is_good = (is_host || is_path_component(domain))
            && path.split('/').all(is_path_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        let folder = if is_host { 0 } else { domain.len() + 1 };
        is_good.then_some(Parts {
            path_len: folder + path.len(),
            digest,
        })
    }
}

/// Splits the host off; without one the default host and, for a single word, its folder are put in.
fn split_domain(text: &str) -> (String, String) {
    const DEFAULT: &str = "docker.io";
    const OFFICIAL: &str = "library/";
    let Some((first, rest)) = text.split_once('/') else {
        return (DEFAULT.to_owned(), format!("{OFFICIAL}{text}"));
    };
    let (domain, remainder) = match first {
        "index.docker.io" => (DEFAULT, rest),
        "localhost" => (first, rest),
        _ if first.contains(['.', ':']) || first.to_lowercase() != first => (first, rest),
        _ => (DEFAULT, text),
    };
    if domain == DEFAULT && !remainder.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL}{remainder}"));
    }
    (domain.to_owned(), remainder.to_owned())
}

/// A host name or an address, with or without a port.
fn is_domain(domain: &str) -> bool {
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = domain.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let is_address = |c: char| c.is_ascii_hexdigit() || c == ':';
        return !address.is_empty()
            && address.chars().all(is_address)
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_number));
    }
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let is_component = |component: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !component.is_empty()
            && component.chars().all(is_inner)
            && !component.starts_with('-')
            && !component.ends_with('-')
    };
    host.split('.').all(is_component) && port.is_none_or(is_number)
}

/// Letters and digits with single separators between them: `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = component.split(is_word);
    // Before the first and after the last letter there is nothing.
    let is_edged = separators.next() == Some("") && separators.next_back() == Some("");
    is_edged
        && separators.all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.starts_with(is_word)
        && tag.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

/// An algorithm and at least 32 hexadecimal digits; whether there is such an algorithm is another question.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, encoded)) = digest.split_once(':') else {
        return false;
    };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_word)
        && encoded.len() >= 32
        && encoded.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_of_other_kinds_are_no_references() {
        for text in [
            "debian://bookworm",
            "debian://bookworm?env=A=B",
            "oci-layout:///images/Base",
        ] {
            assert_eq!(reference_problem(text), None, "{text}");
        }
        assert!(reference_problem("https://example.org").is_some());
    }

    #[test]
    fn names_of_images_are_told_from_other_texts() {
        let digest = format!("debian@sha256:{}", "0".repeat(64));
        let good = [
            "debian",
            "debian:13",
            "a/b/c:Tag-1.x",
            "localhost:5000/a",
            "localhost/a",
            "[::1]:80/a",
            "Host/a",
            "a--b",
            "a__b",
            "a__b.c/d",
            "docker.io/debian",
            &digest,
        ];
        for text in good {
            assert_eq!(reference_problem(text), None, "{text}");
        }
        let plain = "invalid reference format";
        for text in [
            "",
            "a-",
            "a..b",
            "a___b",
            "-a",
            "a:",
            "a:-",
            "a/",
            "/a",
            "a//b",
            "a@sha256:0",
            "a b",
            ":1",
            "a:b:c",
            "a.b-/c",
            "[::1/a",
        ] {
            assert_eq!(reference_problem(text).as_deref(), Some(plain), "{text}");
        }
    }

    /// Recorded from BuildKit.
    #[test]
    fn some_names_are_refused_for_reasons_of_their_own() {
        let zeros = "0".repeat(64);
        let cases = [
            (
                "Debian".to_owned(),
                "invalid reference format: repository name (library/Debian) must be lowercase",
            ),
            (
                "a.b/C/d".to_owned(),
                "invalid reference format: repository name (C/d) must be lowercase",
            ),
            ("A_B/b".to_owned(), "repository name must be lowercase"),
            (
                "a".repeat(300),
                "repository name must not be more than 255 characters",
            ),
            (format!("a@sha257:{zeros}"), "unsupported digest algorithm"),
            (
                format!("a@sha256:{}", &zeros[..40]),
                "invalid checksum digest length",
            ),
            (
                format!("a@sha256:{}", "A".repeat(64)),
                "invalid checksum digest format",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                reference_problem(&text).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        let problem = reference_problem(&zeros).unwrap();
        assert!(problem.ends_with("cannot specify 64-byte hexadecimal strings"));
    }
}
