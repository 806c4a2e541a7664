//! Numbers that must be unique, made so that they are the same each time.

use jettison_oci::Digest;

use super::hex;

/// A UUID of version 8 (RFC 9562, 5.8) for a document in `format` about the image with this digest.
pub(super) fn uuid(format: &str, digest: &Digest) -> String {
    let hash = Digest::of(format!("jettison {format} {digest}").as_bytes());
    let mut bytes = *hash.bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let parts = [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..16],
    ];
    parts.map(hex).join("-")
}

/// `text` with the characters alone that SPDX's identifiers may have: a byte that is none is a dot and its two digits, as
/// in `libstdc.2B.2B6`. Names of packages have no capital letters, so that no two become one.
pub(super) fn identifier(text: &str) -> String {
    let mut identifier = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' {
            identifier.push(char::from(byte));
        } else {
            identifier.push('.');
            identifier.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    identifier
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_depends_on_image_and_format() {
        let digest = Digest::of(b"");
        let spdx = uuid("spdx", &digest);
        assert_eq!(spdx, "66d110d1-475b-89df-a065-b87da464b547");
        assert_ne!(uuid("cyclonedx", &digest), spdx);
        assert_ne!(uuid("spdx", &Digest::of(b"1")), spdx);
    }

    #[test]
    fn identifiers_have_only_what_is_allowed() {
        assert_eq!(identifier("libstdc++6"), "libstdc.2B.2B6");
        assert_eq!(identifier("a-1.0:é_"), "a-1.0.3A.C3.A9.5F");
    }
}
