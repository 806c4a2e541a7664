//! Keys and signatures, made with fixed randomness at fixed times.

use jettison_debian::Keyring;
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedPublicSubKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{
    Duration, KeyDetails, KeyVersion, Password, SignedUser, SigningKey, Tag, Timestamp,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// When the keys are created.
pub(crate) const CREATED: u32 = 1_700_000_000;
/// When the text is signed.
pub(crate) const SIGNED: u32 = CREATED + 1_000;
/// When the signature is looked at.
pub(crate) const NOW: u64 = CREATED as u64 + 2_000;

/// What a certificate says of its keys.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a claim of its own, and the tests combine them freely"
)]
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub(crate) hash: HashAlgorithm,
    pub(crate) may_sign: bool,
    pub(crate) lifetime: Option<u32>,
    pub(crate) is_revoked: bool,
    /// Whether the subkey says that it belongs to the primary key.
    pub(crate) is_agreed: bool,
}

impl Claims {
    pub(crate) fn good() -> Claims {
        Claims {
            hash: HashAlgorithm::Sha256,
            may_sign: true,
            lifetime: None,
            is_revoked: false,
            is_agreed: true,
        }
    }
}

/// A primary key and a subkey.
pub(crate) struct Signer {
    secret: SignedSecretKey,
}

/// Which of a signer's keys signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Subkey,
}

impl Signer {
    pub(crate) fn ed25519(seed: u64) -> Signer {
        Signer::new(seed, KeyType::Ed25519Legacy)
    }

    pub(crate) fn p256(seed: u64) -> Signer {
        Signer::new(seed, KeyType::ECDSA(ECCCurve::P256))
    }

    fn new(seed: u64, key_type: KeyType) -> Signer {
        let created = Timestamp::from_secs(CREATED);
        let mut subkey = SubkeyParamsBuilder::default();
        subkey
            .version(KeyVersion::V4)
            .key_type(key_type.clone())
            .can_sign(true)
            .created_at(created);
        let mut params = SecretKeyParamsBuilder::default();
        params
            .version(KeyVersion::V4)
            .key_type(key_type)
            .can_certify(true)
            .created_at(created)
            .primary_user_id("Archive <archive@example.org>".to_owned())
            .subkeys(vec![subkey.build().unwrap()]);
        let random = ChaCha8Rng::seed_from_u64(seed);
        let secret = params.build().unwrap().generate(random).unwrap();
        Signer { secret }
    }

    /// A keyring with the certificate, in which `primary` and `subkey` are claimed of the two keys.
    pub(crate) fn keyring(&self, primary: &Claims, subkey: &Claims) -> Keyring {
        Keyring::from_bytes(&self.certificate(primary, subkey).to_bytes().unwrap()).unwrap()
    }

    fn certificate(&self, primary: &Claims, subkey: &Claims) -> SignedPublicKey {
        let secret = &self.secret.primary_key;
        let mut details = self.secret.details.clone();
        let user = details.users[0].id.clone();
        let config = claim(secret, SignatureType::CertPositive, primary, vec![]);
        let password = Password::empty();
        let signature = config
            .sign_certification(secret, secret.public_key(), &password, Tag::UserId, &user)
            .unwrap();
        details.users = vec![SignedUser::new(user, vec![signature])];
        if primary.is_revoked {
            let config = claim(secret, SignatureType::KeyRevocation, primary, vec![]);
            let signature = config.sign_key(secret, &password, secret.public_key());
            details.revocation_signatures = vec![signature.unwrap()];
        }
        SignedPublicKey {
            primary_key: secret.public_key().clone(),
            details,
            public_subkeys: vec![self.public_subkey(subkey)],
        }
    }

    fn public_subkey(&self, claims: &Claims) -> SignedPublicSubKey {
        let primary = &self.secret.primary_key;
        let subkey = &self.secret.secret_subkeys[0].key;
        let password = Password::empty();
        let mut extra = Vec::new();
        if claims.is_agreed {
            let config = claim(subkey, SignatureType::KeyBinding, claims, vec![]);
            let agreement = config
                .sign_primary_key_binding(
                    subkey,
                    subkey.public_key(),
                    &password,
                    primary.public_key(),
                )
                .unwrap();
            extra.push(SubpacketData::EmbeddedSignature(Box::new(agreement)));
        }
        let bind = |typ, extra| {
            claim(primary, typ, claims, extra)
                .sign_subkey_binding(
                    primary,
                    primary.public_key(),
                    &password,
                    subkey.public_key(),
                )
                .unwrap()
        };
        let mut signatures = vec![bind(SignatureType::SubkeyBinding, extra)];
        if claims.is_revoked {
            signatures.push(bind(SignatureType::SubkeyRevocation, vec![]));
        }
        SignedPublicSubKey {
            key: subkey.public_key().clone(),
            signatures,
        }
    }

    /// `text` in the frame of a cleartext signature.
    pub(crate) fn sign(&self, text: &str, role: Role, hash: HashAlgorithm) -> String {
        self.sign_at(text, role, hash, (SIGNED, None))
    }

    /// A signature of `bytes` that lies beside them, as it is and in armor.
    pub(crate) fn sign_beside(&self, bytes: &[u8], typ: SignatureType) -> (Vec<u8>, String) {
        let key = &self.secret.secret_subkeys[0].key;
        let signature = sign_bytes(key, bytes, typ, (HashAlgorithm::Sha256, (SIGNED, None)));
        let signature = DetachedSignature::new(signature);
        let armored = signature.to_armored_string(ArmorOptions::default());
        (signature.to_bytes().unwrap(), armored.unwrap())
    }

    pub(crate) fn sign_at(
        &self,
        text: &str,
        role: Role,
        hash: HashAlgorithm,
        (time, lifetime): (u32, Option<u32>),
    ) -> String {
        let signature = |text: &str| match role {
            Role::Primary => sign_text(&self.secret.primary_key, text, hash, (time, lifetime)),
            Role::Subkey => sign_text(
                &self.secret.secret_subkeys[0].key,
                text,
                hash,
                (time, lifetime),
            ),
        };
        CleartextSignedMessage::new_many(text, |text| Ok(vec![signature(text)]))
            .unwrap()
            .to_armored_string(ArmorOptions::default())
            .unwrap()
    }
}

fn sign_text(
    key: &impl SigningKey,
    text: &str,
    hash: HashAlgorithm,
    times: (u32, Option<u32>),
) -> Signature {
    sign_bytes(key, text.as_bytes(), SignatureType::Text, (hash, times))
}

fn sign_bytes(
    key: &impl SigningKey,
    bytes: &[u8],
    typ: SignatureType,
    (hash, (time, lifetime)): (HashAlgorithm, (u32, Option<u32>)),
) -> Signature {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), hash);
    config.hashed_subpackets = made_by(key, time);
    if let Some(lifetime) = lifetime {
        let lifetime = SubpacketData::SignatureExpirationTime(Duration::from_secs(lifetime));
        config.hashed_subpackets.push(regular(lifetime));
    }
    config.sign(key, &Password::empty(), bytes).unwrap()
}

fn claim(
    key: &impl KeyDetails,
    typ: SignatureType,
    claims: &Claims,
    extra: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), claims.hash);
    config.hashed_subpackets = made_by(key, CREATED);
    let mut flags = KeyFlags::default();
    flags.set_sign(claims.may_sign);
    flags.set_certify(true);
    config
        .hashed_subpackets
        .push(regular(SubpacketData::KeyFlags(flags)));
    if let Some(lifetime) = claims.lifetime {
        let lifetime = SubpacketData::KeyExpirationTime(Duration::from_secs(lifetime));
        config.hashed_subpackets.push(regular(lifetime));
    }
    config
        .hashed_subpackets
        .extend(extra.into_iter().map(regular));
    config
}

fn made_by(key: &impl KeyDetails, time: u32) -> Vec<Subpacket> {
    vec![
        regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
            time,
        ))),
        regular(SubpacketData::IssuerFingerprint(key.fingerprint())),
    ]
}

fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}
