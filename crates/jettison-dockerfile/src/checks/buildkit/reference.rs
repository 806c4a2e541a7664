//! Says whether a text can name an image.
//!
//! The grammar is that of distribution/reference (`ParseNormalizedNamed`, normalize.go; regexp.go).

/// The longest path of a repository.
const MAX_PATH: usize = 255;

/// Says whether a text is the name of an image, perhaps with a tag and a digest.
pub(super) fn is_image_reference(text: &str) -> bool {
    let is_identifier = text.len() == 64 && text.bytes().all(is_lower_hex);
    if is_identifier {
        return false;
    }
    let (domain, remainder) = split_domain(text);
    let remote = remainder.split(':').next().unwrap_or_default();
    if remote.to_lowercase() != remote {
        return false;
    }
    let (named, digest) = match remainder.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (remainder.as_str(), None),
    };
    let (path, tag) = match named.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (named, None),
    };
    // What is no host can still be a folder.
    path.len() <= MAX_PATH
        && (is_domain(&domain) || is_path_component(&domain))
        && path.split('/').all(is_path_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
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

/// The digest is that of a known algorithm (opencontainers/go-digest, `Validate`).
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, encoded)) = digest.split_once(':') else {
        return false;
    };
    let len = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    encoded.len() == len && encoded.bytes().all(is_lower_hex)
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(is_image_reference(text), "{text}");
        }
        let identifier = "0".repeat(64);
        let long = "a".repeat(256);
        let bad = [
            "",
            "Debian",
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
            &identifier,
            &long,
            "a.b-/c",
            "[::1/a",
        ];
        for text in bad {
            assert!(!is_image_reference(text), "{text}");
        }
    }
}
