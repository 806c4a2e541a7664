//! OpenPGP certificates that are trusted to sign.

use std::io::Cursor;

use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::packet::Signature;
use pgp::types::KeyDetails as _;

use crate::keyring::policy::Problem;

mod policy;

pub(crate) use crate::keyring::policy::{CLOCK_TOLERANCE, Signed};

const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const ARMOR_END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The archive and release keys of Debian 11, 12 and 13; `keys/README.md` lists them.
const DEBIAN: &[u8] = include_bytes!("../keys/debian-archive.gpg");

/// A set of OpenPGP certificates, any one of which may sign.
#[derive(Debug, Clone)]
pub struct Keyring {
    // Invariant: not empty.
    certificates: Vec<SignedPublicKey>,
}

/// Why some bytes are not a keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A certificate cannot be read.
    #[error("cannot read certificate {number} of the keyring")]
    Certificate {
        /// Its number, counted from one.
        number: usize,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no certificate at all.
    #[error("cannot use a keyring without certificates")]
    Empty,
}

impl Keyring {
    /// The keys that sign Debian's archives, which are part of this program.
    pub fn debian() -> Keyring {
        presume_keyring(DEBIAN)
    }

    /// Reads certificates that follow each other, in binary or in armor.
    pub fn from_bytes(bytes: &[u8]) -> Result<Keyring, KeyringError> {
        let mut certificates = Vec::new();
        match armored_blocks(bytes) {
            Some(blocks) => {
                for block in blocks {
                    read_certificates(block.as_bytes(), &mut certificates)?;
                }
            }
            None => read_certificates(bytes, &mut certificates)?,
        }
        if certificates.is_empty() {
            return Err(KeyringError::Empty);
        }
        Ok(Keyring { certificates })
    }

    /// The fingerprints of the primary keys, in the order of the keyring, in lower-case hex.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(fingerprint).collect()
    }

    /// Checks that `signature` is one of `bytes`, made by a key of this keyring that may sign at the time `now`, and
    /// gives the fingerprint of that key's certificate.
    ///
    /// The lines of a text end in line feeds.
    pub(crate) fn verify(
        &self,
        signature: &Signature,
        (bytes, signed): (&[u8], Signed),
        now: u64,
    ) -> Result<String, Problem> {
        policy::check_signature(signature, signed, now)?;
        let mut problem = Problem::UnknownKey;
        for certificate in &self.certificates {
            match policy::verify_with(certificate, signature, bytes, now) {
                Ok(()) => return Ok(fingerprint(certificate)),
                Err(Problem::UnknownKey) => {}
                Err(other) => problem = other,
            }
        }
        Err(problem)
    }
}

fn fingerprint(certificate: &SignedPublicKey) -> String {
    certificate.primary_key.fingerprint().to_string()
}

fn presume_keyring(bytes: &[u8]) -> Keyring {
    Keyring::from_bytes(bytes).expect("a test reads the embedded keyring")
}

/// The armored blocks of `bytes`, or `None` if this is not text with such blocks.
fn armored_blocks(bytes: &[u8]) -> Option<Vec<&str>> {
    let mut rest = std::str::from_utf8(bytes).ok()?;
    let mut blocks = Vec::new();
    while let Some(start) = rest.find(ARMOR) {
        let block = &rest[start..];
        let end = block
            .find(ARMOR_END)
            .map_or(block.len(), |end| end + ARMOR_END.len());
        blocks.push(&block[..end]);
        rest = &block[end..];
    }
    (!blocks.is_empty()).then_some(blocks)
}

fn read_certificates(
    bytes: &[u8],
    certificates: &mut Vec<SignedPublicKey>,
) -> Result<(), KeyringError> {
    let number = certificates.len() + 1;
    let fail = |number, error: pgp::errors::Error| KeyringError::Certificate {
        number,
        source: Box::new(error),
    };
    if bytes.is_empty() {
        return Ok(());
    }
    let (keys, _) = SignedPublicKey::from_reader_many(Cursor::new(bytes))
        .map_err(|error| fail(number, error))?;
    for (number, key) in (number..).zip(keys) {
        certificates.push(key.map_err(|error| fail(number, error))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_keyring_holds_three_keys_for_each_of_three_releases() {
        assert_eq!(Keyring::debian().fingerprints().len(), 9);
    }

    #[test]
    fn the_readme_names_every_embedded_key() {
        let readme = include_str!("../keys/README.md");
        for fingerprint in Keyring::debian().fingerprints() {
            assert!(
                readme.contains(&fingerprint.to_uppercase()),
                "{fingerprint}"
            );
        }
    }

    #[test]
    fn armored_blocks_may_follow_each_other() {
        let keyring = Keyring::debian();
        let armor = |key: &SignedPublicKey| key.to_armored_string(None.into()).unwrap();
        let text: String = keyring.certificates[..2].iter().map(armor).collect();
        let read = Keyring::from_bytes(text.as_bytes()).unwrap();
        assert_eq!(read.fingerprints(), keyring.fingerprints()[..2]);
    }

    #[test]
    fn bytes_without_certificates_are_no_keyring() {
        for bytes in [
            &b""[..],
            b"hello",
            b"\xff\xff\xff\xff",
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----",
        ] {
            assert!(Keyring::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}
