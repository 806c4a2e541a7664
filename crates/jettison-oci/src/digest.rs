//! Content digests, and the four things that are named by one.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes, written `sha256:<64 lower-case hex digits>`.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The digest that these bytes are.
    pub fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The bytes of the digest.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits, without the algorithm.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 0xf] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        hex
    }

    /// Reads 64 lower-case hex digits.
    pub fn from_hex(hex: &str) -> Option<Digest> {
        let hex = hex.as_bytes();
        if hex.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Digest(bytes))
    }
}

/// The value of one lower-case hex digit.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// A text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest (`sha256:` and 64 lower-case hex digits)")]
pub struct DigestParseError {
    /// What was given.
    pub text: String,
}

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Digest, DigestParseError> {
        text.strip_prefix("sha256:")
            .and_then(Digest::from_hex)
            .ok_or_else(|| DigestParseError {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a digest of bytes that arrive piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts with no bytes.
    pub fn new() -> Hasher {
        Hasher::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest of a layer's *uncompressed* tar.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// The digest of an image's configuration JSON.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct ImageId(pub Digest);

/// The digest of an image's manifest JSON.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct ManifestDigest(pub Digest);

/// Names the result of applying a sequence of layers.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(Digest);

impl ChainId {
    /// The chain ID of `layers`, bottom first, or `None` for an empty stack.
    pub fn of(layers: &[DiffId]) -> Option<ChainId> {
        let (bottom, rest) = layers.split_first()?;
        let chain = rest.iter().fold(bottom.0, |parent, layer| {
            Digest::of(format!("{parent} {layer}").as_bytes())
        });
        Some(ChainId(chain))
    }

    /// The digest that is the name.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Display for ManifestDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(text: &str) {
        assert!(
            text.parse::<Digest>().is_err(),
            "{text} was taken for a digest"
        );
    }

    #[test]
    fn digest_of_nothing_is_the_well_known_one() {
        assert_eq!(
            Digest::of(b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn only_lower_case_sha256_is_a_digest() {
        let hex = Digest::of(b"x").hex();
        refuses("");
        refuses(&hex);
        refuses(&format!("sha256:{}", hex.to_uppercase()));
        refuses(&format!("sha512:{hex}"));
        refuses(&format!("sha256:{hex}0"));
        refuses(&format!("sha256:{}", &hex[1..]));
        refuses(&format!("sha256:é{}", &hex[2..]));
    }

    #[test]
    fn hashing_in_pieces_is_hashing_at_once() {
        let mut hasher = Hasher::new();
        for piece in [&b"one"[..], b"", b" two"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Digest::of(b"one two"));
    }

    #[test]
    fn chain_id_of_one_layer_is_its_diff_id() {
        let layer = DiffId(Digest::of(b"layer"));
        assert_eq!(ChainId::of(&[]), None);
        assert_eq!(ChainId::of(&[layer]).unwrap().digest(), layer.0);
    }

    #[test]
    fn chain_id_hashes_the_parent_chain_and_the_diff_id() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| DiffId(Digest::of(bytes)));
        let ab = Digest::of(format!("{a} {b}").as_bytes());
        let abc = Digest::of(format!("{ab} {c}").as_bytes());
        assert_eq!(ChainId::of(&[a, b, c]).unwrap().digest(), abc);
    }

    proptest::proptest! {
        #[test]
        fn display_and_parse_round_trip(bytes: [u8; 32]) {
            let digest = Digest(bytes);
            proptest::prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        }
    }
}
