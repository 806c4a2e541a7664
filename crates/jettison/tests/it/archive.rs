//! Debian archives that cannot be trusted, served on the loopback interface.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use expect_test::{Expect, expect};
use jettison_testkit::{Fault, FileServer, Outcome, Scratch, skip};

use crate::PROGRAM;
use crate::shared::namespaces_work;

const INRELEASE: &str = "/debian/dists/bookworm/InRelease";

const UNSIGNED: &str = "\
Origin: Debian
Suite: oldstable
Codename: bookworm
Date: Sat, 17 May 2025 09:40:41 UTC
Components: main
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
";

/// Builds on a base from `server`, which must be refused, and nothing of it kept.
#[track_caller]
fn refused(server: &FileServer) -> Outcome {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM debian://bookworm\n");
    let archive = server.url("/debian");
    let outcome = scratch.jettison(&["build", "app", "-t", "base", "--archive", &archive]);
    assert_eq!(outcome.code, 2, "a bad archive is for the user to replace");
    let images = scratch
        .jettison(&["images", "--format", "json"])
        .succeeded();
    assert_eq!(images.stdout, "");
    assert_eq!(kept(&scratch.root().join("blobs")), [""; 0]);
    assert_eq!(kept(&scratch.root().join("downloads")), [""; 0]);
    outcome
}

#[track_caller]
fn check(server: &FileServer, expected: Expect) {
    expected.assert_eq(&refused(server).to_string());
}

/// The files below `dir`.
fn kept(dir: &PathBuf) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(kept(&path));
        } else {
            files.push(path.display().to_string());
        }
    }
    files
}

fn serving(path: &str, contents: impl Into<Vec<u8>>, fault: Option<Fault>) -> FileServer {
    let files = BTreeMap::from([(path.to_string(), contents.into())]);
    let faults = fault.map(|fault| (path.to_string(), fault));
    FileServer::with_faults(files, faults.into_iter().collect())
}

/// What apt keeps of the suite's signed index on this machine.
fn signed() -> Option<Vec<u8>> {
    let found = fs::read_dir("/var/lib/apt/lists")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.to_string_lossy()
                .ends_with("_debian_dists_bookworm_InRelease")
        })
        .and_then(|path| fs::read(path).ok());
    if found.is_none() {
        skip("apt has no index of bookworm: run apt-get update");
    }
    found
}

#[test]
fn an_archive_without_the_suite_is_refused() {
    if namespaces_work() {
        check(
            &FileServer::start(BTreeMap::new()),
            expect![[r#"
                exit: 2
                --- stderr ---
                assembling debian://bookworm
                no archive of bookworm-security is known, so the base is built without security updates; name one as `security-archive` under `[debian]` in the settings
                error: cannot get base image `debian://bookworm`
                 --> app/Dockerfile:1:1
                  |
                1 | FROM debian://bookworm
                  | ^^^^^^^^^^^^^^^^^^^^^^
                  |
                  = cause: cannot load Debian's package indexes
                  = cause: cannot find http://127.0.0.1:[PORT]/debian/dists/bookworm/InRelease
            "#]],
        );
    }
}

#[test]
fn an_unsigned_index_is_refused() {
    if namespaces_work() {
        check(
            &serving(INRELEASE, UNSIGNED, None),
            expect![[r#"
                exit: 2
                --- stderr ---
                assembling debian://bookworm
                no archive of bookworm-security is known, so the base is built without security updates; name one as `security-archive` under `[debian]` in the settings
                error: cannot get base image `debian://bookworm`
                 --> app/Dockerfile:1:1
                  |
                1 | FROM debian://bookworm
                  | ^^^^^^^^^^^^^^^^^^^^^^
                  |
                  = cause: cannot load Debian's package indexes
                  = cause: cannot load suite bookworm
                  = cause: cannot verify http://127.0.0.1:[PORT]/debian/dists/bookworm/InRelease: it is not signed
            "#]],
        );
    }
}

#[test]
fn an_index_of_noise_is_refused() {
    if namespaces_work() {
        check(
            &serving(INRELEASE, [0xff, 0, 0x80, b'\n'], None),
            expect![[r#"
                exit: 2
                --- stderr ---
                assembling debian://bookworm
                no archive of bookworm-security is known, so the base is built without security updates; name one as `security-archive` under `[debian]` in the settings
                error: cannot get base image `debian://bookworm`
                 --> app/Dockerfile:1:1
                  |
                1 | FROM debian://bookworm
                  | ^^^^^^^^^^^^^^^^^^^^^^
                  |
                  = cause: cannot load Debian's package indexes
                  = cause: cannot load suite bookworm
                  = cause: cannot read http://127.0.0.1:[PORT]/debian/dists/bookworm/InRelease: it is not UTF-8
            "#]],
        );
    }
}

#[test]
fn a_server_that_fails_is_refused() {
    if namespaces_work() {
        let server = serving(INRELEASE, UNSIGNED, Some(Fault::ServerError));
        check(
            &server,
            expect![[r#"
                exit: 2
                --- stderr ---
                assembling debian://bookworm
                no archive of bookworm-security is known, so the base is built without security updates; name one as `security-archive` under `[debian]` in the settings
                error: cannot get base image `debian://bookworm`
                 --> app/Dockerfile:1:1
                  |
                1 | FROM debian://bookworm
                  | ^^^^^^^^^^^^^^^^^^^^^^
                  |
                  = cause: cannot load Debian's package indexes
                  = cause: cannot load suite bookworm
                  = cause: cannot fetch http://127.0.0.1:[PORT]/debian/dists/bookworm/InRelease
                  = cause: the server answered with status 500
            "#]],
        );
        assert!(server.requests().len() > 1, "it is asked again");
    }
}

#[test]
fn an_index_that_is_cut_is_refused() {
    if namespaces_work() {
        check(
            &serving(INRELEASE, UNSIGNED, Some(Fault::Cut)),
            expect![[r#"
                exit: 2
                --- stderr ---
                assembling debian://bookworm
                no archive of bookworm-security is known, so the base is built without security updates; name one as `security-archive` under `[debian]` in the settings
                error: cannot get base image `debian://bookworm`
                 --> app/Dockerfile:1:1
                  |
                1 | FROM debian://bookworm
                  | ^^^^^^^^^^^^^^^^^^^^^^
                  |
                  = cause: cannot load Debian's package indexes
                  = cause: cannot load suite bookworm
                  = cause: cannot fetch http://127.0.0.1:[PORT]/debian/dists/bookworm/InRelease
                  = cause: Peer disconnected
            "#]],
        );
    }
}

#[test]
fn one_changed_byte_breaks_the_signature() {
    if namespaces_work()
        && let Some(signed) = signed()
    {
        let outcome = refused(&serving(INRELEASE, signed, Some(Fault::Tampered)));
        // Which keys have signed changes with the archive.
        let text = outcome.to_string();
        assert!(text.contains("InRelease: the signature by "), "{text}");
        assert!(text.contains("it does not match the text"), "{text}");
    }
}

#[test]
fn a_package_list_that_was_not_signed_is_refused() {
    if !namespaces_work() {
        return;
    }
    let Some(signed) = signed() else { return };
    let server = serving(INRELEASE, signed.clone(), None);
    // A list that is asked for and not there is a list that can be forged.
    refused(&server);
    let mut files: BTreeMap<String, Vec<u8>> = server
        .requests()
        .into_iter()
        .map(|path| (path, b"Package: trojan\n".to_vec()))
        .collect();
    assert!(files.len() > 1, "{files:?}");
    files.insert(INRELEASE.to_string(), signed);
    let text = refused(&FileServer::start(files)).to_string();
    assert!(text.contains("main/binary-"), "the list is named: {text}");
}
