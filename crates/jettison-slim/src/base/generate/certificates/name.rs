//! The number by which OpenSSL finds a certificate in a directory.

use sha1::{Digest as _, Sha1};

use super::der;

/// The first four bytes of the SHA-1 of a name's canonical form, as a little-endian number (OpenSSL: `X509_NAME_hash_ex`,
/// in `x509_cmp.c`). `name` is the content of the name's sequence; `None` if that is malformed.
pub(super) fn name_hash(name: &[u8]) -> Option<u32> {
    let hash = Sha1::digest(canonical(name)?);
    let (first, _) = hash.split_first_chunk::<4>()?;
    Some(u32::from_le_bytes(*first))
}

/// The canonical form: every string as UTF-8, in small letters and with single blanks (`x509_name_canon`,
/// in `x_name.c`). There is no sequence around it.
fn canonical(mut name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !name.is_empty() {
        let mut set = der::take_tagged(&mut name, der::SET)?;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let mut attribute = der::take_tagged(&mut set, der::SEQUENCE)?;
            let kind = der::take(&mut attribute)?;
            let value = der::take(&mut attribute)?;
            let mut parts = der::encode(kind.tag, kind.content);
            parts.extend(match text(value) {
                Some(text) => der::encode(der::UTF8_STRING, &folded(text.as_bytes())),
                None => der::encode(value.tag, value.content),
            });
            attributes.push(der::encode(der::SEQUENCE, &parts));
        }
        // DER sorts the elements of a set by their encodings.
        attributes.sort();
        bytes.extend(der::encode(der::SET, &attributes.concat()));
    }
    Some(bytes)
}

/// The text of a string of one of the kinds that are compared as text (`ASN1_MASK_CANON`).
fn text(value: der::Value<'_>) -> Option<String> {
    let content = value.content;
    match value.tag {
        der::UTF8_STRING => str::from_utf8(content).ok().map(str::to_owned),
        // OpenSSL reads each byte as a character of Latin-1.
        der::PRINTABLE_STRING | der::T61_STRING | der::IA5_STRING | der::VISIBLE_STRING => {
            Some(content.iter().copied().map(char::from).collect())
        }
        der::BMP_STRING => {
            let (units, rest) = content.as_chunks::<2>();
            let units = units.iter().copied().map(u16::from_be_bytes);
            let text: Option<String> = units.map(|unit| char::from_u32(unit.into())).collect();
            text.filter(|_| rest.is_empty())
        }
        der::UNIVERSAL_STRING => {
            let (units, rest) = content.as_chunks::<4>();
            let units = units.iter().copied().map(u32::from_be_bytes);
            let text: Option<String> = units.map(char::from_u32).collect();
            text.filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// Small letters, and single blanks only between words (`asn1_string_canon`, in `x_name.c`); ASCII alone changes.
fn folded(text: &[u8]) -> Vec<u8> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r');
    let words = text
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .map(<[u8]>::to_ascii_lowercase);
    words.collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tag: u8, content: &[u8], expected: &str) {
        let value = der::Value { tag, content };
        let found = text(value).map(|text| folded(text.as_bytes()));
        assert_eq!(found.as_deref(), Some(expected.as_bytes()));
    }

    #[test]
    fn strings_of_every_kind_become_folded_text() {
        check(der::UTF8_STRING, "  Főtan \t ÚS ".as_bytes(), "főtan Ús");
        check(der::PRINTABLE_STRING, b"A  B", "a b");
        check(der::T61_STRING, b"Caf\xe9", "café");
        check(der::BMP_STRING, b"\x00A\x01\x51", "aő");
        check(der::UNIVERSAL_STRING, b"\0\0\0 \0\x01\xf6\x00", "😀");
    }

    #[test]
    fn malformed_names_have_no_hash() {
        let attribute = der::encode(der::SEQUENCE, &[6, 1, 42, 12, 1, b'A']);
        let name = der::encode(der::SET, &attribute);
        assert!(name_hash(&name).is_some());
        for end in 1..name.len() {
            assert_eq!(name_hash(&name[..end]), None, "{end}");
        }
    }
}
