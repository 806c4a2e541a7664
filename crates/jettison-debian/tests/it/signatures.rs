//! Which InRelease files are accepted.

use expect_test::{Expect, expect};
use jettison_debian::{Freshness, Keyring, verify_inrelease};
use pgp::crypto::hash::HashAlgorithm::{Sha256, Sha384, Sha512};

use crate::openpgp::{CREATED, Claims, NOW, Role, SIGNED, Signer};

const TEXT: &str = "\
Origin: Debian
Suite: stable
Codename: trixie
Version: 13.1
Date: Tue, 14 Nov 2023 22:20:00 UTC
Valid-Until: Tue, 21 Nov 2023 22:20:00 UTC
Architectures: all amd64
Components: main
Acquire-By-Hash: yes
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
";

fn good_keyring(signer: &Signer) -> Keyring {
    signer.keyring(&Claims::good(), &Claims::good())
}

/// What becomes of `text`, with the fingerprints of keys taken out.
fn outcome(text: &str, keyring: &Keyring, now: u64, freshness: Freshness) -> String {
    match verify_inrelease("InRelease", text.as_bytes(), keyring, now, freshness) {
        Ok(release) => format!("{} {}", release.suite, release.files.len()),
        Err(error) => {
            let words = error.to_string();
            let hide = |word: &str| {
                let digits = word.trim_end_matches(':');
                let is_key = digits.len() >= 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                if is_key {
                    "KEY:".to_owned()
                } else {
                    word.to_owned()
                }
            };
            words.split(' ').map(hide).collect::<Vec<_>>().join(" ")
        }
    }
}

fn check(text: &str, keyring: &Keyring, expected: Expect) {
    expected.assert_eq(&outcome(text, keyring, NOW, Freshness::Checked));
}

#[test]
fn a_primary_key_or_a_subkey_may_sign() {
    for signer in [Signer::ed25519(1), Signer::p256(1)] {
        for role in [Role::Primary, Role::Subkey] {
            for hash in [Sha256, Sha512] {
                let framed = signer.sign(TEXT, role, hash);
                check(&framed, &good_keyring(&signer), expect!["stable 1"]);
            }
        }
    }
}

#[test]
fn what_is_signed_is_read() {
    let signer = Signer::ed25519(1);
    let framed = signer.sign(TEXT, Role::Subkey, Sha256);
    let keyring = good_keyring(&signer);
    let release = verify_inrelease(
        "InRelease",
        framed.as_bytes(),
        &keyring,
        NOW,
        Freshness::Checked,
    )
    .unwrap();
    expect![[r#"
        Release {
            suite: "stable",
            codename: "trixie",
            origin: "Debian",
            version: "13.1",
            date: 1700000400,
            valid_until: Some(
                1700605200,
            ),
            components: [
                "main",
            ],
            architectures: [
                Architecture(
                    "all",
                ),
                Architecture(
                    "amd64",
                ),
            ],
            acquire_by_hash: true,
            has_index_of_all: true,
            priority: 500,
            files: {
                "main/binary-amd64/Packages": (
                    0,
                    Sha256(e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855),
                ),
            },
            digest: Sha256(6ee4af1eb8b5f67585f04368dec7d971ee042bec17d446bd11a22f3f9f2e1b13),
            signers: [
                "744087de22610a45e221e5d1e1111fe6eaaec583",
            ],
        }
    "#]]
    .assert_debug_eq(&release);
}

#[test]
fn changed_text_is_refused() {
    let signer = Signer::ed25519(1);
    let keyring = good_keyring(&signer);
    let framed = signer.sign(TEXT, Role::Subkey, Sha256);
    let expected =
        || expect!["cannot verify InRelease: the signature by KEY: it does not match the text"];
    check(&framed.replace("stable", "sid"), &keyring, expected());
    check(
        &framed.replace("\nSuite", "\n\nSuite"),
        &keyring,
        expected(),
    );
    check(
        &framed.replace("\nValid-Until", "\rValid-Until"),
        &keyring,
        expect!["cannot verify InRelease: a carriage return stands inside of a line"],
    );
}

#[test]
fn text_outside_of_the_frame_does_not_count() {
    let signer = Signer::ed25519(1);
    let keyring = good_keyring(&signer);
    let framed = signer.sign(TEXT, Role::Subkey, Sha256);
    let around = format!("Suite: evil\n\n{framed}\nSuite: evil\n");
    check(&around, &keyring, expect!["stable 1"]);
}

#[test]
fn dashes_and_line_ends_do_not_matter() {
    let signer = Signer::ed25519(1);
    let keyring = good_keyring(&signer);
    let text = TEXT.replace(
        "Suite: stable",
        "Description:\n -----BEGIN\n---: x\nSuite: stable",
    );
    let framed = signer.sign(&text, Role::Subkey, Sha256);
    assert!(framed.contains("\n- ---: x"), "{framed}");
    check(&framed, &keyring, expect!["stable 1"]);
    check(&framed.replace('\n', "\r\n"), &keyring, expect!["stable 1"]);
}

#[test]
fn an_unknown_key_is_refused() {
    let framed = Signer::ed25519(1).sign(TEXT, Role::Subkey, Sha256);
    let other = good_keyring(&Signer::ed25519(2));
    check(
        &framed,
        &other,
        expect!["cannot verify InRelease: the signature by KEY: its key is not in the keyring"],
    );
    check(
        &framed,
        &Keyring::debian(),
        expect!["cannot verify InRelease: the signature by KEY: its key is not in the keyring"],
    );
}

#[test]
fn what_is_not_signed_is_refused() {
    let keyring = good_keyring(&Signer::ed25519(1));
    check(
        TEXT,
        &keyring,
        expect!["cannot verify InRelease: it is not signed"],
    );
    check(
        "",
        &keyring,
        expect!["cannot verify InRelease: it is not signed"],
    );
    let framed = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{TEXT}-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"
    );
    check(
        &framed,
        &keyring,
        expect!["cannot verify InRelease: it has no signature"],
    );
}

/// A certificate and a text that gpg made: it still makes what the library refuses to make.
fn check_recorded(recorded: &str, expected: Expect) {
    let (command, rest) = recorded.split_once('\n').unwrap();
    assert!(command.starts_with("# gpg "));
    let frame = rest.find("-----BEGIN PGP SIGNED MESSAGE-----").unwrap();
    let keyring = Keyring::from_bytes(&rest.as_bytes()[..frame]).unwrap();
    check(&rest[frame..], &keyring, expected);
}

#[test]
fn a_long_rsa_key_may_sign() {
    check_recorded(include_str!("fixtures/rsa-2048.txt"), expect!["stable 1"]);
}

#[test]
fn short_rsa_keys_are_refused() {
    let recorded = include_str!("fixtures/rsa-1024.txt");
    check_recorded(
        recorded,
        expect!["cannot verify InRelease: the signature by KEY: its key is too weak"],
    );
}

#[test]
fn weak_hashes_are_refused() {
    let of_text = include_str!("fixtures/sha1-text.txt");
    check_recorded(
        of_text,
        expect![
            "cannot verify InRelease: the signature by KEY: its hash is neither SHA-256 nor SHA-512"
        ],
    );
    let of_key = include_str!("fixtures/sha1-binding.txt");
    check_recorded(
        of_key,
        expect!["cannot verify InRelease: the signature by KEY: its key has no valid binding"],
    );
    let signer = Signer::ed25519(1);
    let framed = signer.sign(TEXT, Role::Subkey, Sha384);
    check(
        &framed,
        &good_keyring(&signer),
        expect![
            "cannot verify InRelease: the signature by KEY: its hash is neither SHA-256 nor SHA-512"
        ],
    );
}

#[test]
fn keys_must_be_for_signing_alive_and_unrevoked() {
    let signer = Signer::ed25519(1);
    let good = Claims::good;
    let check = |primary: Claims, subkey: Claims, role, expected: Expect| {
        let framed = signer.sign(TEXT, role, Sha256);
        check(&framed, &signer.keyring(&primary, &subkey), expected);
    };
    let idle = Claims {
        may_sign: false,
        ..good()
    };
    let not_for_signing =
        || expect!["cannot verify InRelease: the signature by KEY: its key is not one for signing"];
    check(idle.clone(), good(), Role::Primary, not_for_signing());
    check(good(), idle.clone(), Role::Subkey, not_for_signing());
    check(idle, good(), Role::Subkey, expect!["stable 1"]);

    let expired = Claims {
        lifetime: Some(1_500),
        ..good()
    };
    let has_expired =
        || expect!["cannot verify InRelease: the signature by KEY: its key has expired"];
    check(expired.clone(), good(), Role::Primary, has_expired());
    check(expired.clone(), good(), Role::Subkey, has_expired());
    check(good(), expired, Role::Subkey, has_expired());
    check(
        good(),
        Claims {
            lifetime: Some(9_000),
            ..good()
        },
        Role::Subkey,
        expect!["stable 1"],
    );

    let revoked = Claims {
        is_revoked: true,
        ..good()
    };
    let is_revoked =
        || expect!["cannot verify InRelease: the signature by KEY: its key has been revoked"];
    check(revoked.clone(), good(), Role::Primary, is_revoked());
    check(revoked.clone(), good(), Role::Subkey, is_revoked());
    check(good(), revoked, Role::Subkey, is_revoked());

    let claimed = Claims {
        is_agreed: false,
        ..good()
    };
    check(
        good(),
        claimed,
        Role::Subkey,
        expect!["cannot verify InRelease: the signature by KEY: its key has no valid binding"],
    );
}

#[test]
fn signatures_have_their_time() {
    let signer = Signer::ed25519(1);
    let keyring = good_keyring(&signer);
    let check = |time, expected: Expect| {
        let framed = signer.sign_at(TEXT, Role::Subkey, Sha256, time);
        check(&framed, &keyring, expected);
    };
    check(
        (CREATED - 1, None),
        expect!["cannot verify InRelease: the signature by KEY: it is older than its key"],
    );
    check(
        (CREATED + 9_000, None),
        expect!["cannot verify InRelease: the signature by KEY: it was made in the future"],
    );
    check(
        (SIGNED, Some(500)),
        expect!["cannot verify InRelease: the signature by KEY: it has expired"],
    );
    check((SIGNED, Some(5_000)), expect!["stable 1"]);
}

#[test]
fn an_old_release_file_is_refused_unless_its_age_does_not_matter() {
    let signer = Signer::ed25519(1);
    let keyring = good_keyring(&signer);
    let framed = signer.sign(TEXT, Role::Subkey, Sha256);
    let later = NOW + 30 * 86_400;
    expect!["cannot use InRelease: it was valid until 2023-11-21 22:20:00 UTC"]
        .assert_eq(&outcome(&framed, &keyring, later, Freshness::Checked));
    expect!["stable 1"].assert_eq(&outcome(
        &framed,
        &keyring,
        later,
        Freshness::IgnoreValidUntil,
    ));
    let future = TEXT.replace("Date: Tue, 14 Nov 2023", "Date: Thu, 16 Nov 2023");
    let framed = signer.sign(&future, Role::Subkey, Sha256);
    expect!["cannot use InRelease: it is of 2023-11-16 22:20:00 UTC, which is in the future"]
        .assert_eq(&outcome(
            &framed,
            &keyring,
            NOW,
            Freshness::IgnoreValidUntil,
        ));
}

#[test]
fn a_malformed_release_file_names_the_field() {
    let signer = Signer::ed25519(1);
    let keyring = good_keyring(&signer);
    let check = |from: &str, to: &str, expected: Expect| {
        let framed = signer.sign(&TEXT.replace(from, to), Role::Subkey, Sha256);
        check(&framed, &keyring, expected);
    };
    check(
        "Date: Tue,",
        "Date: never",
        expect!["cannot read field `Date` of InRelease"],
    );
    check(
        "Valid-Until: Tue,",
        "Valid-Until: never",
        expect!["cannot read field `Valid-Until` of InRelease"],
    );
    check(
        "SHA256:",
        "MD5Sum:",
        expect!["cannot read field `SHA256` of InRelease"],
    );
    check(
        " 0 main",
        " -1 main",
        expect!["cannot read field `SHA256` of InRelease"],
    );
    check(
        "all amd64",
        "../x",
        expect!["cannot read field `Architectures` of InRelease"],
    );
    check("Suite: ", "Suite ", expect!["cannot read InRelease"]);
}
