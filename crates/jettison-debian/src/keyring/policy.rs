//! Which signatures count.
//!
//! A signature of a text counts if it is made with SHA-256 or SHA-512 by a strong key, after the key was created,
//! and neither has expired; if the key's own signatures say that it may sign; and if nothing revokes the key. A
//! subkey counts if the primary key says so, and the subkey itself agrees.

use std::fmt;

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails, PublicParams, RsaPublicParams, Tag, VerifyingKey};

/// How far the clock of the signer may be ahead of ours.
pub(crate) const CLOCK_TOLERANCE: u64 = 60 * 60;

/// The shortest RSA modulus that is strong.
const RSA_BITS: u16 = 2048;

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    Malformed,
    NotOfText,
    WeakHash,
    FromTheFuture,
    SignatureExpired,
    UnknownKey,
    WeakKey,
    Unbound,
    MayNotSign,
    KeyExpired,
    KeyRevoked,
    OlderThanKey,
    Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Problem::Malformed => "it is malformed",
            Problem::NotOfText => "it is not a signature of a text",
            Problem::WeakHash => "its hash is neither SHA-256 nor SHA-512",
            Problem::FromTheFuture => "it was made in the future",
            Problem::SignatureExpired => "it has expired",
            Problem::UnknownKey => "its key is not in the keyring",
            Problem::WeakKey => "its key is too weak",
            Problem::Unbound => "its key has no valid binding",
            Problem::MayNotSign => "its key is not one for signing",
            Problem::KeyExpired => "its key has expired",
            Problem::KeyRevoked => "its key has been revoked",
            Problem::OlderThanKey => "it is older than its key",
            Problem::Wrong => "it does not match the text",
        })
    }
}

/// What a signature is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// A text in a frame, whose line ends do not count.
    Framed,
    /// A file beside the signature.
    File,
}

/// Checks what can be seen of a text's signature without its key.
pub(super) fn check_signature(
    signature: &Signature,
    signed: Signed,
    now: u64,
) -> Result<(), Problem> {
    let is_right = match (signed, signature.typ()) {
        (Signed::Framed | Signed::File, Some(SignatureType::Text))
        | (Signed::File, Some(SignatureType::Binary)) => true,
        (Signed::Framed | Signed::File, _) => false,
    };
    if !is_right {
        return Err(Problem::NotOfText);
    }
    check_self_contained(signature, now)
}

/// Checks hash, critical parts and times of any signature.
fn check_self_contained(signature: &Signature, now: u64) -> Result<(), Problem> {
    let config = signature.config().ok_or(Problem::Malformed)?;
    if !matches!(
        config.hash_alg,
        HashAlgorithm::Sha256 | HashAlgorithm::Sha512
    ) {
        return Err(Problem::WeakHash);
    }
    let is_unknown = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Notation(_) | SubpacketData::Experimental(..) | SubpacketData::Other(..)
        )
    };
    if config
        .hashed_subpackets()
        .any(|subpacket| subpacket.is_critical && is_unknown(&subpacket.data))
    {
        return Err(Problem::Malformed);
    }
    let created = created(signature)?;
    if created > now + CLOCK_TOLERANCE {
        return Err(Problem::FromTheFuture);
    }
    match signature.signature_expiration_time() {
        Some(lifetime) if has_ended(created, lifetime.as_secs(), now) => {
            Err(Problem::SignatureExpired)
        }
        Some(_) | None => Ok(()),
    }
}

fn created(signature: &Signature) -> Result<u64, Problem> {
    let created = signature.created().ok_or(Problem::Malformed)?;
    Ok(u64::from(created.as_secs()))
}

/// Whether `lifetime` seconds, of which zero are endless, have passed.
fn has_ended(created: u64, lifetime: u32, now: u64) -> bool {
    lifetime != 0 && created + u64::from(lifetime) <= now
}

/// Checks `signature` with the key of `certificate` that made it.
pub(super) fn verify_with(
    certificate: &SignedPublicKey,
    signature: &Signature,
    bytes: &[u8],
    now: u64,
) -> Result<(), Problem> {
    let primary = &certificate.primary_key;
    if is_issuer(primary, signature) {
        let binding = check_primary(certificate, now)?;
        if !may_sign(binding) {
            return Err(Problem::MayNotSign);
        }
        return verify_bytes(primary, signature, bytes);
    }
    let subkey = certificate
        .public_subkeys
        .iter()
        .find(|subkey| is_issuer(&subkey.key, signature))
        .ok_or(Problem::UnknownKey)?;
    check_primary(certificate, now)?;
    check_subkey(certificate, subkey, now)?;
    verify_bytes(&subkey.key, signature, bytes)
}

fn is_issuer(key: &impl KeyDetails, signature: &Signature) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if !fingerprints.is_empty() {
        return fingerprints.contains(&&key.fingerprint());
    }
    signature.issuer_key_id().contains(&&key.legacy_key_id())
}

fn verify_bytes(
    key: &impl VerifyingKey,
    signature: &Signature,
    bytes: &[u8],
) -> Result<(), Problem> {
    if created(signature)? < u64::from(key.created_at().as_secs()) {
        return Err(Problem::OlderThanKey);
    }
    signature.verify(key, bytes).map_err(|_| Problem::Wrong)
}

/// Checks that the primary key is strong, self-signed, alive and not revoked; returns the newest self-signature.
fn check_primary(certificate: &SignedPublicKey, now: u64) -> Result<&Signature, Problem> {
    let primary = &certificate.primary_key;
    check_strength(primary.public_params())?;
    let revocations = &certificate.details.revocation_signatures;
    if revocations
        .iter()
        .any(|one| one.verify_key(primary).is_ok())
    {
        return Err(Problem::KeyRevoked);
    }
    let direct = newest(&certificate.details.direct_signatures, now, |signature| {
        signature.verify_key(primary).is_ok()
    });
    let of_users = certificate.details.users.iter().filter_map(|user| {
        let verify = |one: &Signature| {
            one.verify_certification(primary, Tag::UserId, &user.id)
                .is_ok()
        };
        let is_revocation = |one: &&Signature| one.typ() == Some(SignatureType::CertRevocation);
        let is_revoked = user.signatures.iter().filter(is_revocation).any(verify);
        newest(&user.signatures, now, verify).filter(|_| !is_revoked)
    });
    let of_user = of_users.max_by_key(|signature| signature.created());
    // A direct signature may hold no more than who may revoke the key; then the user ID's says what the key is for.
    let ours = [of_user, direct];
    for signature in ours.iter().flatten() {
        check_alive(primary, signature, now)?;
    }
    of_user.or(direct).ok_or(Problem::Unbound)
}

/// The newest of `signatures` that holds at the time `now`.
fn newest(
    signatures: &[Signature],
    now: u64,
    verify: impl Fn(&Signature) -> bool,
) -> Option<&Signature> {
    let holds =
        |signature: &&Signature| check_self_contained(signature, now).is_ok() && verify(signature);
    signatures
        .iter()
        .filter(|one| one.typ() != Some(SignatureType::CertRevocation))
        .filter(holds)
        .max_by_key(|signature| signature.created())
}

fn check_alive(key: &impl KeyDetails, binding: &Signature, now: u64) -> Result<(), Problem> {
    let created = u64::from(key.created_at().as_secs());
    if created > now + CLOCK_TOLERANCE {
        return Err(Problem::FromTheFuture);
    }
    match binding.key_expiration_time() {
        Some(lifetime) if has_ended(created, lifetime.as_secs(), now) => Err(Problem::KeyExpired),
        Some(_) | None => Ok(()),
    }
}

/// Checks that the subkey is strong, bound both ways, for signing, alive and not revoked.
fn check_subkey(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: u64,
) -> Result<(), Problem> {
    let primary = &certificate.primary_key;
    check_strength(subkey.key.public_params())?;
    let verify = |one: &Signature| one.verify_subkey_binding(primary, &subkey.key).is_ok();
    let (revocations, bindings): (Vec<Signature>, Vec<Signature>) = subkey
        .signatures
        .iter()
        .cloned()
        .partition(|one| one.typ() == Some(SignatureType::SubkeyRevocation));
    if revocations.iter().any(verify) {
        return Err(Problem::KeyRevoked);
    }
    let binding = newest(&bindings, now, verify).ok_or(Problem::Unbound)?;
    check_alive(&subkey.key, binding, now)?;
    if !may_sign(binding) {
        return Err(Problem::MayNotSign);
    }
    let agreement = binding.embedded_signature().ok_or(Problem::Unbound)?;
    check_self_contained(agreement, now)?;
    agreement
        .verify_primary_key_binding(&subkey.key, primary)
        .map_err(|_| Problem::Unbound)
}

fn may_sign(binding: &Signature) -> bool {
    binding.key_flags().sign()
}

fn check_strength(params: &PublicParams) -> Result<(), Problem> {
    match params {
        PublicParams::RSA(rsa) if rsa_bits(rsa) >= RSA_BITS => Ok(()),
        PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::ECDSA(_) => Ok(()),
        _ => Err(Problem::WeakKey),
    }
}

/// The length of the modulus, which is what the key's serialization starts with.
fn rsa_bits(params: &RsaPublicParams) -> u16 {
    match params.to_bytes().as_deref() {
        Ok([high, low, ..]) => u16::from_be_bytes([*high, *low]),
        Ok(_) | Err(_) => 0,
    }
}
