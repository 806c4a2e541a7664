//! `/etc/ssl/certs/java/cacerts`: the certificates that Java trusts, which its `lib/security/cacerts` links to in Debian.
//!
//! ```text
//! FEEDFEED 00000002 count
//! entry…    00000002, alias, milliseconds since 1970, "X.509", size, certificate in DER
//! SHA-1     of the password in UTF-16, a text, and all before
//! ```
//!
//! Numbers are big-endian; a text is its size in two bytes and Java's form of UTF-8 (`sun.security.provider.JavaKeyStore`;
//! `java.io.DataOutput`). Debian's ca-certificates-java of 12 and 13 writes this format too (`KeyStore.getInstance("JKS")`
//! in `org.debian.security.KeyStoreHandler`; its postinst changed older stores of PKCS #12 into it), and every Java since
//! 9 reads both, whichever it is set to (JEP 229).

use sha1::{Digest as _, Sha1};

use super::Certificate;

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// The kind of entry that is a certificate without a key.
const TRUSTED: u32 = 2;
/// Debian's password, and that of the JDK. It keeps nothing secret: it guards against accidents.
const PASSWORD: &str = "changeit";
/// What the JDK puts between the password and the store when it hashes them.
const SALT: &[u8] = b"Mighty Aphrodite";
/// The longest text that the format can hold.
const MAX_TEXT: usize = u16::MAX as usize;

/// The store of `certificates`, in the order of their aliases.
///
/// The date of an entry, by which Java means when it was added, is the first day on which the certificate is valid, so
/// that the bytes depend on nothing else. Of several certificates with one alias the last stays, as when Debian adds them.
pub(crate) fn java_trust_store(certificates: &[Certificate]) -> Vec<u8> {
    let mut entries: Vec<(String, &Certificate)> = Vec::new();
    for certificate in certificates {
        // Java compares aliases in small letters and stores them so (`convertAlias`).
        let alias = format!("debian:{}", certificate.name).to_lowercase();
        entries.retain(|(other, _)| *other != alias);
        entries.push((alias, certificate));
    }
    entries.sort_by(|left, right| left.0.cmp(&right.0));

    let mut bytes = Vec::new();
    // An image has fewer certificates than would not fit.
    let count = u32::try_from(entries.len()).unwrap_or_default();
    for number in [MAGIC, VERSION, count] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    for (alias, certificate) in &entries {
        bytes.extend_from_slice(&TRUSTED.to_be_bytes());
        push_text(&mut bytes, alias);
        let milliseconds = certificate.not_before.saturating_mul(1000);
        bytes.extend_from_slice(&milliseconds.to_be_bytes());
        push_text(&mut bytes, "X.509");
        // `der` was read from a size of at most four bytes.
        let size = u32::try_from(certificate.der.len()).unwrap_or_default();
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&certificate.der);
    }
    let mut hash = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        hash.update(unit.to_be_bytes());
    }
    hash.update(SALT);
    hash.update(&bytes);
    bytes.extend_from_slice(&hash.finalize());
    bytes
}

/// Appends a text: UTF-8, but characters beyond the first plane are two surrogates of three bytes each, and NUL takes two
/// bytes (`DataOutput.writeUTF`).
fn push_text(bytes: &mut Vec<u8>, text: &str) {
    let mut encoded = Vec::new();
    for unit in text.encode_utf16() {
        let [high, low] = [unit >> 6, unit & 0x3f].map(|part| part & 0x3f);
        match unit {
            1..0x80 => encoded.extend(unit.to_le_bytes().first()),
            0 | 0x80..0x800 => encoded.extend([byte(0xc0 | unit >> 6), byte(0x80 | low)]),
            0x800.. => {
                encoded.extend([byte(0xe0 | unit >> 12), byte(0x80 | high), byte(0x80 | low)]);
            }
        }
    }
    // File names have at most 255 bytes, so that nothing is cut.
    encoded.truncate(MAX_TEXT);
    let size = u16::try_from(encoded.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(&encoded);
}

/// The low byte.
fn byte(unit: u16) -> u8 {
    unit.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::Command;

    use super::super::certificates::certificates;
    use super::super::certificates::tests::{files_of, mozilla};
    use super::*;
    use crate::base::generate::skip;
    use expect_test::{Expect, expect};

    fn certificate(name: &str, der: &[u8]) -> Certificate {
        Certificate {
            name: name.to_owned(),
            der: der.to_owned(),
            subject_hash: 0,
            not_before: 1,
        }
    }

    #[track_caller]
    fn check(certificates: &[Certificate], expected: Expect) {
        let store = java_trust_store(certificates);
        let lines: Vec<String> = store
            .chunks(32)
            .map(|line| format!("{}\n", line.escape_ascii()))
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn aliases_are_in_small_letters_and_sorted() {
        check(
            &[
                certificate("Z.pem", b"cut"),
                certificate("Ő😀.pem", b"two"),
                certificate("z.pem", b"one"),
            ],
            expect![[r"
                \xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x0cdebian:z.pem\x00\x00
                \x00\x00\x00\x00\x03\xe8\x00\x05X.509\x00\x00\x00\x03one\x00\x00\x00\x02\x00\x13debian
                :\xc5\x91\xed\xa0\xbd\xed\xb8\x80.pem\x00\x00\x00\x00\x00\x00\x03\xe8\x00\x05X.509\x00\x00\x00\x03
                two\xc6\xfa`X\xcbf\x01\xf7\xcbqw\xb1\x0f[F\xa2sSm;
            "]],
        );
    }

    #[test]
    fn keytool_lists_every_certificate() {
        let found = mozilla();
        if found.is_empty() || Command::new("keytool").arg("-help").output().is_err() {
            return skip("there is no keytool or no package ca-certificates");
        }
        let all = certificates(&files_of(&found)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), java_trust_store(&all)).unwrap();
        let output = Command::new("keytool")
            .args([
                "-J-Duser.language=en",
                "-J-Dfile.encoding=UTF-8",
                "-J-Dstdout.encoding=UTF-8",
            ])
            .args(["-list", "-storepass", "changeit", "-keystore"])
            .arg(file.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("Keystore type: JKS"), "{text}");
        let theirs: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.split_once("(SHA-256): "))
            .map(|(_, fingerprint)| fingerprint)
            .collect();
        let ours: BTreeSet<String> = all
            .iter()
            .map(|certificate| {
                let digest = jettison_oci::Digest::of(&certificate.der);
                let bytes = digest.bytes().iter();
                bytes
                    .map(|byte| format!("{byte:02X}"))
                    .collect::<Vec<_>>()
                    .join(":")
            })
            .collect();
        assert_eq!(ours.len(), found.len());
        assert_eq!(
            ours.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            theirs
        );
        assert!(text.contains("\ndebian:isrg_root_x1.pem, "), "{text}");
        let trusted = text
            .lines()
            .filter(|line| line.ends_with("trustedCertEntry, "));
        assert_eq!(trusted.count(), found.len());
    }
}
