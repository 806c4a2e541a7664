//! Lock files.

use expect_test::{Expect, expect};
use jettison_debian::{
    Freshness, Keyring, Lock, LockedArchive, PackagesIndex, Release, Sha256, SnapshotArchive,
    Universe, VerifiedSuite, parse_lock,
};

use crate::memory::stanza;

const TEXT: &str = r#"version = 1

[[archive]]
uri = "http://archive.example/debian"
suite = "stable"
codename = "trixie"
date = 2023-11-14T22:20:00Z
release = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
signers = ["aa", "bb"]

[[package.amd64]]
name = "a"
version = "1:2-3"
source = "b"
source-version = "4"
archive = 0
path = "pool/a.deb"
size = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[[package.amd64]]
name = "tz"
version = "1"
architecture = "all"
archive = 0
path = "pool/tz.deb"
size = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"#;

fn universe() -> Universe {
    let text = stanza("tz", "1", "").replace("amd64", "all")
        + &stanza("unused", "1", "")
        + &stanza("a", "1:2-3", "Source: b (4)");
    let packages = PackagesIndex::parse(
        text,
        "http://archive.example/debian",
        &"amd64".parse().unwrap(),
    );
    let release = Release {
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        origin: "Debian".to_owned(),
        version: "13".to_owned(),
        date: 1_700_000_400,
        valid_until: None,
        components: Vec::new(),
        architectures: Vec::new(),
        acquire_by_hash: false,
        has_index_of_all: false,
        priority: 500,
        files: std::collections::BTreeMap::new(),
        digest: Sha256::of(b""),
        signers: vec!["aa".to_owned(), "bb".to_owned()],
    };
    let archive = jettison_debian::Archive {
        uri: "http://archive.example/debian".to_owned(),
        suite: "stable".to_owned(),
        components: vec!["main".to_owned()],
    };
    Universe {
        suites: vec![VerifiedSuite {
            archive,
            release,
            freshness: Freshness::Checked,
        }],
        packages: packages.unwrap(),
    }
}

fn lock() -> Lock {
    let universe = universe();
    let packages = [
        universe.packages.get("tz").unwrap(),
        universe.packages.get("a").unwrap(),
    ];
    universe.lock(&packages)
}

#[test]
fn a_lock_is_written_in_one_way_and_read_back() {
    let lock = lock();
    assert_eq!(lock.to_string(), TEXT);
    assert_eq!(parse_lock("jettison.lock", TEXT), Ok(lock.clone()));
    let with_request = lock.for_request(Sha256::of(b""));
    let text = with_request.to_string();
    assert!(
        text.starts_with("version = 1\nrequest = \"e3b0c442"),
        "{text}"
    );
    assert_eq!(parse_lock("jettison.lock", &text), Ok(with_request));
}

#[test]
fn a_lock_says_what_to_fetch() {
    let lock = lock();
    let packages = lock.packages(&"amd64".parse().unwrap()).unwrap();
    let file = lock.file(&packages[0]).unwrap();
    assert_eq!(file.url, "http://archive.example/debian/pool/a.deb");
    assert_eq!(file.size, 1);
    assert_eq!(lock.date(&"amd64".parse().unwrap()), 1_700_000_400);
    assert_eq!(lock.packages(&"arm64".parse().unwrap()), None);
    expect!["cannot use http://archive.example/debian/pool/a.deb: its size is 0 and should be 1"]
        .assert_eq(&file.check(b"").unwrap_err().to_string());
}

#[test]
fn locks_of_two_architectures_are_one() {
    let first = lock();
    let mut second = lock();
    let packages = second.packages.remove(&"amd64".parse().unwrap()).unwrap();
    second.packages.insert("arm64".parse().unwrap(), packages);
    second.archives.insert(
        0,
        LockedArchive {
            suite: "other".to_owned(),
            ..first.archives[0].clone()
        },
    );
    for package in second.packages.values_mut().flatten() {
        package.archive = 1;
    }
    let joined = first.joined(second);
    assert_eq!(joined.archives.len(), 2, "the same archive is there once");
    let of_arm64 = joined.packages(&"arm64".parse().unwrap()).unwrap();
    assert!(of_arm64.iter().all(|package| package.archive == 1));
    let of_amd64 = joined.packages(&"amd64".parse().unwrap()).unwrap();
    assert!(of_amd64.iter().all(|package| package.archive == 1));
}

#[test]
fn what_no_package_is_from_any_more_is_left_out_of_an_updated_lock() {
    let mut newer = lock();
    newer.archives[0].date += 1;
    let updated = lock().joined(newer.clone());
    assert_eq!(updated, newer, "as if it had been made now");
    assert_eq!(updated.date(&"amd64".parse().unwrap()), 1_700_000_401);
}

#[test]
fn what_is_unusual_about_an_archive_is_written() {
    let mut unusual = lock();
    unusual.archives[0].components = vec!["main".to_owned(), "contrib".to_owned()];
    unusual.archives[0].freshness = Freshness::IgnoreValidUntil;
    let text = unusual.to_string();
    assert!(
        text.contains("components = [\"main\", \"contrib\"]\ndate = "),
        "{text}"
    );
    assert!(text.contains("check-valid-until = false\n"), "{text}");
    assert_eq!(parse_lock("jettison.lock", &text), Ok(unusual));
    check(
        "date = 2023",
        "components = [\"main\\nURIs: x\"]\ndate = 2023",
        expect!["cannot read jettison.lock, line 7: `main\\nURIs: x` is not a component"],
    );
}

#[test]
fn what_an_archive_of_debians_has_no_more_may_be_in_snapshots_of_it() {
    let snapshots = SnapshotArchive {
        uri: "https://snapshot.example/".to_owned(),
    };
    let urls = |uri: &str, signer: &str| {
        let mut lock = lock();
        lock.archives[0].uri = uri.to_owned();
        lock.archives[0].signers = vec![signer.to_owned()];
        let package = &lock.packages(&"amd64".parse().unwrap()).unwrap()[0];
        let file = lock.file_kept(package, &snapshots).unwrap();
        file.elsewhere.join("\n")
    };
    let debian = &Keyring::debian().fingerprints()[0];
    expect![[r"
        https://snapshot.example/archive/debian-security/20231115T102000Z/pool/a.deb
        https://snapshot.example/archive/debian-security/20231114T222000Z/pool/a.deb
        https://snapshot.example/archive/debian-security/20231115T222000Z/pool/a.deb"]]
    .assert_eq(&urls("http://mirror.example/debian-security/", debian));
    // The archive is a snapshot itself.
    let first = urls("http://old.example/archive/debian/20230101T000000Z", debian);
    assert!(
        first.starts_with("https://snapshot.example/archive/debian/20231115T102000Z/"),
        "{first}"
    );
    assert_eq!(urls("http://other.example/debian", "aa"), "");
    assert_eq!(urls("http://10.0.0.1", debian), "");
}

fn check(from: &str, to: &str, expected: Expect) {
    assert!(TEXT.contains(from), "{from}");
    let text = TEXT.replacen(from, to, 1);
    expected.assert_eq(&parse_lock("jettison.lock", &text).unwrap_err().to_string());
}

#[test]
fn what_is_wrong_with_a_lock_is_told_with_its_line() {
    check(
        "version = 1",
        "version = 2",
        expect![
            "cannot read jettison.lock, line 1: its format is of version 2, and only 1 is known"
        ],
    );
    check(
        "version = 1",
        "",
        expect!["cannot read jettison.lock, line 1: missing field `version`"],
    );
    check(
        "version = 1",
        "version = ",
        expect![
            "cannot read jettison.lock, line 1: string values must be quoted, expected literal string"
        ],
    );
    check(
        "suite = ",
        "suit = ",
        expect![
            "cannot read jettison.lock, line 5: unknown field `suit`, expected one of `uri`, `suite`, `codename`, `components`, `date`, `check-valid-until`, `release`, `signers`"
        ],
    );
    check(
        "date = 2023-11-14T22:20:00Z",
        "date = 2023-11-14",
        expect!["cannot read jettison.lock, line 7: `2023-11-14` is not a date in universal time"],
    );
    check(
        "22:20:00Z",
        "22:20:00+01:00",
        expect![
            "cannot read jettison.lock, line 7: `2023-11-14T22:20:00+01:00` is not a date in universal time"
        ],
    );
    check(
        "\"e3b0c442",
        "\"x3b0c442",
        expect![
            "cannot read jettison.lock, line 8: cannot read SHA-256 digest `x3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`"
        ],
    );
    check(
        "http://archive.example",
        "http://a b",
        expect!["cannot read jettison.lock, line 4: `http://a b/debian` is not a URI"],
    );
}

#[test]
fn what_is_wrong_with_a_package_of_a_lock_is_told_with_its_line() {
    check(
        "name = \"a\"",
        "name = \"../a\"",
        expect!["cannot read jettison.lock, line 12: `../a` cannot be the name of a package"],
    );
    check(
        "name = \"tz\"",
        "name = \"a\"",
        expect!["cannot read jettison.lock, line 22: package `a` stands here twice"],
    );
    check(
        "1:2-3",
        "1:",
        expect![
            "cannot read jettison.lock, line 13: cannot read version `1:`: its upstream version is empty"
        ],
    );
    check(
        "pool/tz.deb",
        "/etc/tz.deb",
        expect!["cannot read jettison.lock, line 26: `/etc/tz.deb` is not a path below an archive"],
    );
    check(
        "pool/tz.deb",
        "pool/../../tz.deb",
        expect![
            "cannot read jettison.lock, line 26: `pool/../../tz.deb` is not a path below an archive"
        ],
    );
    check(
        "archive = 0",
        "archive = 1",
        expect![
            "cannot read jettison.lock, line 16: there is no archive 1: there are 1, counted from 0"
        ],
    );
    check(
        "size = 1",
        "size = -1",
        expect!["cannot read jettison.lock, line 18: invalid value: integer `-1`, expected u64"],
    );
    check(
        "architecture = \"all\"",
        "architecture = \"arm64\"",
        expect!["cannot read jettison.lock, line 24: a package for arm64 is not one for amd64"],
    );
    check(
        "package.amd64",
        "package.\"a b\"",
        expect!["cannot read jettison.lock, line 11: cannot read architecture `a b`"],
    );
    check(
        "sha256 = \"00",
        "sha256 = \"0",
        expect![
            "cannot read jettison.lock, line 19: cannot read SHA-256 digest `000000000000000000000000000000000000000000000000000000000000000`"
        ],
    );
    check(
        "path = \"pool/a.deb\"\n",
        "",
        expect!["cannot read jettison.lock, line 11: missing field `path`"],
    );
}

#[test]
fn a_lock_says_what_is_run_elsewhere_to_make_what_an_architecture_gets() {
    let [amd64, arm64] = ["amd64", "arm64"].map(|name| name.parse().unwrap());
    let mut target = lock();
    let mut packages = target.packages.remove(&amd64).unwrap();
    packages[0].architecture = arm64.clone();
    target.packages.insert(arm64.clone(), packages);
    let mut tools = lock();
    tools.archives[0].suite = "other".to_owned();
    let with_tools = target.with_tools(&arm64, tools);
    let text = with_tools.to_string();
    assert!(
        text.contains("\n[[tool.arm64.amd64]]\nname = \"a\"\n"),
        "{text}"
    );
    assert_eq!(parse_lock("jettison.lock", &text).as_ref(), Ok(&with_tools));
    let found = with_tools.tools(&arm64, &amd64).unwrap();
    assert!(found.iter().all(|package| package.archive == 1));
    assert_eq!(
        with_tools.tools(&arm64, &arm64),
        with_tools.packages(&arm64)
    );
    assert_eq!(with_tools.tools(&amd64, &arm64), None);
    // What is for another architecture has nothing to do with them, and newer packages need newer tools.
    let joined = with_tools.clone().joined(lock());
    assert!(joined.tools(&arm64, &amd64).is_some());
    let mut newer = lock();
    let packages = newer.packages.remove(&amd64).unwrap();
    newer.packages.insert(arm64.clone(), packages);
    let joined = with_tools.joined(newer);
    assert_eq!(joined.tools(&arm64, &amd64), None);
}
