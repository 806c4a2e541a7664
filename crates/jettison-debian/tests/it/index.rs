//! Packages indexes.

use expect_test::{Expect, expect};
use jettison_debian::{Architecture, PackagesIndex, Priority, Variant, base_roots};
use std::error::Error as _;

use crate::memory::stanza;

pub(crate) fn index(text: &str) -> PackagesIndex {
    let amd64: Architecture = "amd64".parse().unwrap();
    PackagesIndex::parse(text.to_owned(), "http://ftp.debian.org/debian/", &amd64).unwrap()
}

#[test]
fn a_package_tells_its_fields() {
    let text = stanza(
        "a",
        "1:2-3",
        "Essential: yes\nPriority: required\nInstalled-Size: 12\nSource: b (4)\nPre-Depends: c\n\
         Depends: d (>= 1),\n e | f\nProvides: g (= 5), h\nMulti-Arch: foreign",
    );
    let index = index(&text);
    let package = index.get("a").unwrap();
    assert_eq!(package.version(), "1:2-3".parse().unwrap());
    assert_eq!(package.url(), "http://ftp.debian.org/debian/pool/a.deb");
    assert!(package.essential());
    assert_eq!(package.priority(), Priority::Required);
    assert_eq!(package.installed_size(), Some(12 * 1024));
    assert_eq!(package.source(), ("b", Some("4")));
    let texts = |relations: Vec<jettison_debian::Relation>| {
        relations
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(package.pre_depends().unwrap()), ["c"]);
    assert_eq!(texts(package.depends().unwrap()), ["d (>= 1)", "e | f"]);
    assert_eq!(texts(package.provides()), ["g (= 5)", "h"]);
    assert_eq!(
        package.control(),
        text.trim_end_matches("\n\n").to_owned() + "\n"
    );
}

#[test]
fn the_latest_version_wins() {
    let first = index(&(stanza("a", "1.9", "") + &stanza("b", "1", "") + &stanza("b", "2", "")));
    let second = index(
        &(stanza("c", "1", "")
            + &stanza("a", "1.10", "Provides: v")
            + &stanza("b", "1", "Provides: v")),
    );
    let merged = PackagesIndex::merge(first, [second]);
    let show: Vec<String> = merged
        .iter()
        .map(|one| format!("{} {}", one.name(), one.version()))
        .collect();
    assert_eq!(show, ["a 1.10", "b 2", "c 1"]);
    let providers: Vec<&str> = merged
        .providers("v")
        .iter()
        .map(|(one, _)| one.name())
        .collect();
    assert_eq!(providers, ["a"]);
    assert_eq!(merged.get("nothing"), None);
}

#[test]
fn packages_of_foreign_architectures_are_left_out() {
    let text = stanza("a", "1", "")
        + &stanza("b", "1", "").replace("amd64", "all")
        + &stanza("c", "1", "").replace("amd64", "arm64");
    let names: Vec<String> = index(&text)
        .iter()
        .map(|one| one.name().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

fn check(text: &str, expected: Expect) {
    let amd64: Architecture = "amd64".parse().unwrap();
    let error = PackagesIndex::parse(text.to_owned(), "http://x", &amd64).unwrap_err();
    let cause = error.source().map(|cause| format!("; {cause}"));
    expected.assert_eq(&format!("{error}{}", cause.unwrap_or_default()));
}

#[test]
fn a_malformed_package_is_named() {
    let good = stanza("a", "1", "");
    check(
        &good.replace("Package: a", "Package: ../a"),
        expect!["cannot read package `../a`: its name is missing or malformed"],
    );
    check(
        &good.replace("Version: 1", "Version: -"),
        expect!["cannot read package `a`: its version is missing or malformed"],
    );
    check(
        &good.replace("amd64", "AMD"),
        expect!["cannot read package `a`: its architecture is missing or malformed"],
    );
    check(
        &good.replace("pool/", "/pool/"),
        expect!["cannot read package `a`: its file name is missing or malformed"],
    );
    check(
        &good.replace("pool/", "pool/../../"),
        expect!["cannot read package `a`: its file name is missing or malformed"],
    );
    check(
        &good.replace("Size: 1", "Size: -1"),
        expect!["cannot read package `a`: its size is missing or malformed"],
    );
    check(
        &good.replace("SHA256: 0", "SHA256: "),
        expect!["cannot read package `a`: its SHA-256 is missing or malformed"],
    );
    check(
        "nonsense",
        expect!["cannot read package `nonsense`: its name is missing or malformed"],
    );
    check(
        &stanza("a", "1", "Provides: b ("),
        expect![
            "cannot read what package `a` provides; cannot read relation `b (`: `(` without `)`"
        ],
    );
}

#[test]
fn a_file_is_checked_against_its_package() {
    let index = index(&stanza("a", "1", ""));
    let package = index.get("a").unwrap();
    let error = |bytes: &[u8]| package.check_file(bytes).unwrap_err().to_string();
    expect!["cannot use http://ftp.debian.org/debian/pool/a.deb: its size is 0 and should be 1"]
        .assert_eq(&error(b""));
    expect!["cannot use http://ftp.debian.org/debian/pool/a.deb: its SHA-256 is 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 and should be 0000000000000000000000000000000000000000000000000000000000000000"].assert_eq(&error(b"x"));
}

#[test]
fn a_base_is_what_the_index_calls_essential_or_required() {
    let text = stanza("bash", "1", "Essential: yes\nPriority: required")
        + &stanza("apt", "1", "Priority: important")
        + &stanza("mount", "1", "Priority: required")
        + &stanza("vim", "1", "Priority: optional");
    let index = index(&text);
    let roots = |variant| {
        let relations = base_roots(&index, variant);
        relations
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(roots(Variant::Essential), ["bash"]);
    assert_eq!(roots(Variant::Minbase), ["bash", "apt", "mount"]);
}
