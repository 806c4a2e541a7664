//! Loading suites from an archive in memory.

use std::error::Error;

use expect_test::{Expect, expect};
use jettison_debian::{
    Archive, ArchiveSource, Downgrade, Freshness, NoIndexCache, Sha256, Sources, Supply, Universe,
    load_universe,
};
use pgp::crypto::hash::HashAlgorithm;

use crate::memory::{Memory, gzip, release_text, stanza, xz};
use crate::openpgp::{Claims, NOW, Role, Signer};

const FIELDS: &str = "Suite: stable\nDate: Tue, 14 Nov 2023 22:20:00 UTC\nArchitectures: all amd64\n\
                      No-Support-for-Architecture-all: Packages\nComponents: main\n";
const DISTS: &str = "http://ftp.debian.org/debian/dists/stable";

fn archive() -> Archive {
    Archive {
        uri: "http://ftp.debian.org/debian/".to_owned(),
        suite: "stable".to_owned(),
        components: vec!["main".to_owned()],
    }
}

fn signed(text: &str) -> Vec<u8> {
    let signer = Signer::ed25519(1);
    signer
        .sign(text, Role::Subkey, HashAlgorithm::Sha256)
        .into_bytes()
}

fn load(memory: &Memory, archive: &Archive) -> Result<Universe, String> {
    let keyring = Signer::ed25519(1).keyring(&Claims::good(), &Claims::good());
    let sources = Sources {
        list: vec![ArchiveSource {
            archive: archive.clone(),
            keyring,
            priority: None,
            freshness: Freshness::Checked,
            downgrade: Downgrade::Refused,
        }],
        architecture: "amd64".parse().unwrap(),
        pins: Vec::new(),
    };
    let supply = Supply {
        fetch: memory,
        cache: &NoIndexCache,
        now: NOW,
    };
    load_universe(&supply, &sources).map_err(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}\n  cause: {error}");
            cause = error.source();
        }
        text
    })
}

/// An archive whose index has the packages `a` and `b`, as xz and gzip.
fn memory() -> Memory {
    // As much text as xz needs to be smaller than gzip.
    let words: Vec<String> = (0..2000).map(|number| format!("word {number}")).collect();
    let description = format!("Description: {}", words.join(" "));
    let text = stanza("a", "1", &description) + &stanza("b", "2", "Depends: a");
    let (smallest, small) = (xz(text.as_bytes()), gzip(text.as_bytes()));
    let files: [(&str, &[u8]); 3] = [
        ("main/binary-amd64/Packages", text.as_bytes()),
        ("main/binary-amd64/Packages.xz", &smallest),
        ("main/binary-amd64/Packages.gz", &small),
    ];
    let mut memory = Memory::default();
    let inrelease = signed(&release_text(FIELDS, &files));
    memory.files.insert(format!("{DISTS}/InRelease"), inrelease);
    for (path, bytes) in files {
        memory
            .files
            .insert(format!("{DISTS}/{path}"), bytes.to_vec());
    }
    memory
}

fn check(memory: &Memory, expected: Expect) {
    let got = match load(memory, &archive()) {
        Ok(suite) => {
            let names: Vec<&str> = suite
                .packages
                .iter()
                .map(|package| package.name())
                .collect();
            format!("{} of {}\n", names.join(" "), suite.suites[0].release.suite)
        }
        Err(error) => error + "\n",
    };
    let asked = memory.asked.lock().unwrap().join("\n");
    expected.assert_eq(&format!("{got}{asked}\n"));
}

#[test]
fn the_smallest_index_is_fetched() {
    check(
        &memory(),
        expect![[r"
        a b of stable
        http://ftp.debian.org/debian/dists/stable/InRelease
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
    "]],
    );
}

#[test]
fn another_compression_does_where_the_first_is_gone() {
    let mut memory = memory();
    memory
        .files
        .remove(&format!("{DISTS}/main/binary-amd64/Packages.xz"));
    check(
        &memory,
        expect![[r"
        a b of stable
        http://ftp.debian.org/debian/dists/stable/InRelease
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.gz
    "]],
    );
}

#[test]
fn an_index_is_fetched_by_its_digest_where_the_archive_offers_that() {
    let text = stanza("a", "1", "");
    let files: [(&str, &[u8]); 1] = [("main/binary-amd64/Packages", text.as_bytes())];
    let fields = format!("{FIELDS}Acquire-By-Hash: yes\n");
    let mut memory = Memory::default();
    memory.files.insert(
        format!("{DISTS}/InRelease"),
        signed(&release_text(&fields, &files)),
    );
    let digest = Sha256::of(text.as_bytes());
    let url = format!("{DISTS}/main/binary-amd64/by-hash/SHA256/{digest}");
    memory.files.insert(url, text.into_bytes());
    check(
        &memory,
        expect![[r"
            a of stable
            http://ftp.debian.org/debian/dists/stable/InRelease
            http://ftp.debian.org/debian/dists/stable/main/binary-amd64/by-hash/SHA256/d5fc3bebd3bcc6285348948b78a9b64007110efae23f659eabd53a53d3444fa3
        "]],
    );
}

#[test]
fn another_index_than_the_signed_one_is_refused() {
    let url = format!("{DISTS}/main/binary-amd64/Packages.xz");
    let mut changed = memory();
    changed.files.get_mut(&url).unwrap()[40] ^= 1;
    check(
        &changed,
        expect![[r"
            cannot use http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz: its SHA-256 is def8daac7e74effbe149ab6602ac6e458e481a7feece6ef470670b15e0251e70 and should be 13ffd6b286c3f704953220a54d9c47ff8789dcf1fa8262e6952256bfe91546a6
            http://ftp.debian.org/debian/dists/stable/InRelease
            http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
        "]],
    );

    let mut shorter = memory();
    shorter.files.get_mut(&url).unwrap().pop();
    check(
        &shorter,
        expect![[r"
            cannot use http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz: its size is 1071 and should be 1072
            http://ftp.debian.org/debian/dists/stable/InRelease
            http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
        "]],
    );

    let mut longer = memory();
    longer.files.get_mut(&url).unwrap().push(0);
    check(
        &longer,
        expect![[r"
        cannot load suite stable
          cause: cannot fetch http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
          cause: it is too large
        http://ftp.debian.org/debian/dists/stable/InRelease
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
    "]],
    );
}

#[test]
fn what_is_missing_is_named() {
    let mut empty = Memory::default();
    check(
        &empty,
        expect![[r"
            cannot find http://ftp.debian.org/debian/dists/stable/InRelease
            http://ftp.debian.org/debian/dists/stable/InRelease
            http://ftp.debian.org/debian/dists/stable/Release
        "]],
    );
    empty.files.insert(
        format!("{DISTS}/InRelease"),
        signed(&release_text(FIELDS, &[])),
    );
    check(
        &empty,
        expect![[r"
            cannot find an index main/binary-amd64/Packages in suite stable
            http://ftp.debian.org/debian/dists/stable/InRelease
            http://ftp.debian.org/debian/dists/stable/Release
            http://ftp.debian.org/debian/dists/stable/InRelease
        "]],
    );
    let mut without_index = memory();
    without_index
        .files
        .retain(|url, _| url.ends_with("InRelease"));
    check(
        &without_index,
        expect![[r"
        cannot find http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
        http://ftp.debian.org/debian/dists/stable/InRelease
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages.gz
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages
    "]],
    );
}

#[test]
fn an_unsigned_suite_is_refused() {
    let mut memory = memory();
    let text = release_text(FIELDS, &[]).into_bytes();
    memory.files.insert(format!("{DISTS}/InRelease"), text);
    check(
        &memory,
        expect![[r"
        cannot load suite stable
          cause: cannot verify http://ftp.debian.org/debian/dists/stable/InRelease: it is not signed
        http://ftp.debian.org/debian/dists/stable/InRelease
    "]],
    );
}

#[test]
fn packages_of_all_architectures_may_have_their_own_index() {
    let of_amd64 = stanza("a", "1", "");
    let of_all = stanza("b", "1", "").replace("amd64", "all");
    let files: [(&str, &[u8]); 2] = [
        ("main/binary-amd64/Packages", of_amd64.as_bytes()),
        ("main/binary-all/Packages", of_all.as_bytes()),
    ];
    let fields = FIELDS.replace("No-Support-for-Architecture-all: Packages\n", "");
    let mut memory = Memory::default();
    memory.files.insert(
        format!("{DISTS}/InRelease"),
        signed(&release_text(&fields, &files)),
    );
    for (path, bytes) in files {
        memory
            .files
            .insert(format!("{DISTS}/{path}"), bytes.to_vec());
    }
    check(
        &memory,
        expect![[r"
        a b of stable
        http://ftp.debian.org/debian/dists/stable/InRelease
        http://ftp.debian.org/debian/dists/stable/main/binary-amd64/Packages
        http://ftp.debian.org/debian/dists/stable/main/binary-all/Packages
    "]],
    );
}

#[test]
fn a_suite_may_be_a_directory() {
    let text = stanza("a", "1", "");
    let inrelease = signed(&release_text(FIELDS, &[("Packages", text.as_bytes())]));
    let mut memory = Memory::default();
    memory
        .files
        .insert("http://example.org/repo/InRelease".to_owned(), inrelease);
    memory.files.insert(
        "http://example.org/repo/Packages".to_owned(),
        text.into_bytes(),
    );
    let archive = Archive {
        uri: "http://example.org/repo".to_owned(),
        suite: "./".to_owned(),
        components: vec![],
    };
    let suite = load(&memory, &archive).unwrap();
    let package = suite.packages.get("a").unwrap();
    assert_eq!(package.url(), "http://example.org/repo/pool/a.deb");
}
