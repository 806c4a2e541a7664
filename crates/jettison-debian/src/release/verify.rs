//! Verifying InRelease files.

use std::io::{BufReader, Cursor};

use pgp::armor::{BlockType, Dearmor};
use pgp::packet::{Packet, PacketParser, Signature};

use crate::cleartext::{Cleartext, parse_cleartext};
use crate::keyring::Keyring;
use crate::release::{Freshness, Release, ReleaseError, read_verified};

/// Signatures that are looked at, at most; Debian's own files have three.
const SIGNATURE_LIMIT: usize = 16;

/// Verifies an InRelease file, and reads what is signed in it.
///
/// One signature by a key of `keyring` is enough; the others may be by keys that nobody knows. `name` is the file's
/// name in messages, `now` the time in Unix seconds.
pub fn verify_inrelease(
    name: &str,
    bytes: &[u8],
    keyring: &Keyring,
    now: u64,
    freshness: Freshness,
) -> Result<Release, ReleaseError> {
    let release = read_verified(name, bytes, keyring, now)?;
    release.check_time(name, now, freshness)?;
    Ok(release)
}

/// The signed text of an InRelease file.
pub(super) fn signed_text(
    name: &str,
    bytes: &[u8],
    keyring: &Keyring,
    now: u64,
) -> Result<String, ReleaseError> {
    let frame = |problem: String| ReleaseError::Frame {
        name: name.to_owned(),
        problem,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| ReleaseError::NotText {
        name: name.to_owned(),
    })?;
    let Cleartext { text, armor } =
        parse_cleartext(text).map_err(|problem| frame(problem.to_owned()))?;
    let signatures = read_signatures(&armor).map_err(frame)?;
    let mut reasons = Vec::new();
    for signature in &signatures {
        match keyring.verify(signature, &text, now) {
            Ok(()) => return Ok(text),
            Err(problem) => {
                reasons.push(format!("the signature by {}: {problem}", issuer(signature)));
            }
        }
    }
    Err(ReleaseError::Untrusted {
        name: name.to_owned(),
        reasons,
    })
}

fn read_signatures(armor: &str) -> Result<Vec<Signature>, String> {
    let unreadable = |error: pgp::errors::Error| format!("its signature cannot be read: {error}");
    let mut dearmor = Dearmor::new(Cursor::new(armor.as_bytes()));
    dearmor.read_header().map_err(unreadable)?;
    if dearmor.typ != Some(BlockType::Signature) {
        return Err("its signature has the wrong armor".to_owned());
    }
    let mut signatures = Vec::new();
    for packet in PacketParser::new(BufReader::new(dearmor)) {
        match packet.map_err(unreadable)? {
            Packet::Signature(signature) if signatures.len() < SIGNATURE_LIMIT => {
                signatures.push(signature);
            }
            Packet::Signature(_) => return Err("it has too many signatures".to_owned()),
            _ => return Err("something other than a signature follows its text".to_owned()),
        }
    }
    if signatures.is_empty() {
        return Err("it has no signature".to_owned());
    }
    Ok(signatures)
}

/// The fingerprint or the ID of the key that claims to have made `signature`.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(ToString::to_string);
    let key_id = || signature.issuer_key_id().first().map(ToString::to_string);
    match fingerprint.or_else(key_id) {
        Some(issuer) => issuer.to_uppercase(),
        None => "an unnamed key".to_owned(),
    }
}
