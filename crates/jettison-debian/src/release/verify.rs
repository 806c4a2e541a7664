//! Verifying Release files, with their signatures around them or beside them.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Cursor};

use pgp::armor::{BlockType, Dearmor};
use pgp::packet::{Packet, PacketParser, Signature};

use crate::cleartext::{Cleartext, parse_cleartext};
use crate::digest::Sha256;
use crate::fetch::KeptRelease;
use crate::keyring::{Keyring, Signed};
use crate::release::{Freshness, Release, ReleaseError, date_of, parse_release};

/// Signatures that are looked at, at most; Debian's own files have three.
const SIGNATURE_LIMIT: usize = 16;

const ARMOR_END: &str = "-----END PGP SIGNATURE-----";

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
    let text = text_of(name, bytes)?;
    let Cleartext { text, armor } =
        parse_cleartext(text).map_err(|problem| frame(name, problem.to_owned()))?;
    let signatures = read_signatures(armor.as_bytes()).map_err(|problem| frame(name, problem))?;
    let signed = (text.as_bytes(), Signed::Framed);
    let signers = signers(name, &signatures, signed, keyring, now)?;
    let release = parse_release(name, &text, Sha256::of(bytes), signers)?;
    release.check_time(name, now, freshness)?;
    Ok(release)
}

/// Verifies a Release file with the signatures in a file of their own, as [`verify_inrelease`] does.
pub fn verify_release(
    name: &str,
    (bytes, signature): (&[u8], &[u8]),
    keyring: &Keyring,
    now: u64,
    freshness: Freshness,
) -> Result<Release, ReleaseError> {
    let text = text_of(name, bytes)?;
    let signatures = read_signatures(signature).map_err(|problem| frame(name, problem))?;
    let signers = signers(name, &signatures, (bytes, Signed::File), keyring, now)?;
    let release = parse_release(name, text, Sha256::of(bytes), signers)?;
    release.check_time(name, now, freshness)?;
    Ok(release)
}

/// What a Release file says that was verified before; who had signed it is left out.
pub(crate) fn kept_release(kept: &KeptRelease) -> Option<Release> {
    let text = std::str::from_utf8(&kept.bytes).ok()?;
    let digest = Sha256::of(&kept.bytes);
    let read = |text: &str| parse_release("", text, digest, Vec::new()).ok();
    match kept.signature {
        None => read(&parse_cleartext(text).ok()?.text),
        Some(_) => read(text),
    }
}

/// When a Release file was made that was verified before.
pub(crate) fn signed_date(kept: &KeptRelease) -> Option<u64> {
    let text = std::str::from_utf8(&kept.bytes).ok()?;
    match kept.signature {
        None => date_of(&parse_cleartext(text).ok()?.text),
        Some(_) => date_of(text),
    }
}

fn text_of<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, ReleaseError> {
    std::str::from_utf8(bytes).map_err(|_| ReleaseError::NotText {
        name: name.to_owned(),
    })
}

fn frame(name: &str, problem: String) -> ReleaseError {
    ReleaseError::Frame {
        name: name.to_owned(),
        problem,
    }
}

/// Who of the keyring has signed; that nobody has is an error.
fn signers(
    name: &str,
    signatures: &[Signature],
    signed: (&[u8], Signed),
    keyring: &Keyring,
    now: u64,
) -> Result<Vec<String>, ReleaseError> {
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    for signature in signatures {
        match keyring.verify(signature, signed, now) {
            Ok(fingerprint) => found.push(fingerprint),
            Err(problem) => {
                reasons.push(format!("the signature by {}: {problem}", issuer(signature)));
            }
        }
    }
    if found.is_empty() {
        return Err(ReleaseError::Untrusted {
            name: name.to_owned(),
            reasons,
        });
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The signatures in `bytes`, which may be in armor, in several blocks of it even.
fn read_signatures(bytes: &[u8]) -> Result<Vec<Signature>, String> {
    let mut signatures = Vec::new();
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        let text = String::from_utf8_lossy(bytes);
        for block in text.split_inclusive(ARMOR_END) {
            if block.trim().is_empty() {
                continue;
            }
            let mut dearmor = Dearmor::new(Cursor::new(block.as_bytes()));
            dearmor.read_header().map_err(unreadable)?;
            if dearmor.typ != Some(BlockType::Signature) {
                return Err("its signature has the wrong armor".to_owned());
            }
            read_packets(BufReader::new(dearmor), &mut signatures)?;
        }
    } else {
        read_packets(bytes, &mut signatures)?;
    }
    if signatures.is_empty() {
        return Err("it has no signature".to_owned());
    }
    Ok(signatures)
}

fn unreadable(error: pgp::errors::Error) -> String {
    format!("its signature cannot be read: {error}")
}

fn read_packets(
    reader: impl BufRead + Debug,
    signatures: &mut Vec<Signature>,
) -> Result<(), String> {
    for packet in PacketParser::new(reader) {
        match packet.map_err(unreadable)? {
            Packet::Signature(signature) if signatures.len() < SIGNATURE_LIMIT => {
                signatures.push(signature);
            }
            Packet::Signature(_) => return Err("it has too many signatures".to_owned()),
            _ => return Err("something other than a signature follows its text".to_owned()),
        }
    }
    Ok(())
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
