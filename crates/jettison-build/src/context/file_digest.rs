//! What a file's bytes come to in a cache key.

use std::fmt;

use jettison_oci::Digest;

/// The BLAKE3 digest of some bytes, written `blake3:<64 lower-case hex digits>`.
///
/// It stands for a file in cache keys and in the content index and is never part of an image. It is computed several times
/// as fast as SHA-256, and just as hard to find two inputs for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileDigest([u8; 32]);

impl FileDigest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> FileDigest {
        FileDigest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest that these bytes are.
    pub fn from_bytes(bytes: [u8; 32]) -> FileDigest {
        FileDigest(bytes)
    }

    /// The bytes of the digest.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The digits are those of a SHA-256: both are 32 bytes, and keys have one for each file.
        formatter.write_str("blake3:")?;
        formatter.write_str(&Digest::from_bytes(self.0).hex())
    }
}

impl fmt::Debug for FileDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Computes a digest of bytes that arrive piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileHasher(blake3::Hasher);

impl FileHasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> FileDigest {
        FileDigest(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_with_its_algorithm() {
        // The digest of nothing, as the BLAKE3 paper's test vectors have it.
        assert_eq!(
            FileDigest::of(b"").to_string(),
            "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }
}
