//! Build contexts that are no directories: standard input, archives, files by HTTP, repositories.

use std::collections::BTreeMap;
use std::fs::File;

use expect_test::expect;
use jettison_testkit::{FileServer, Outcome, Scratch};

use crate::PROGRAM;
use crate::builds::check_build;
use crate::shared::namespaces_work;

const DOCKERFILE: &str = "FROM scratch\nCOPY data /\nCMD [\"x\"]\n";

/// A directory `app` with a Dockerfile and a file, and `app.tar` of both.
fn app() -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("app/Dockerfile", DOCKERFILE)
        .write("app/data", "text");
    scratch
        .outcome(&mut scratch.tool(
            "tar",
            &[
                "--owner=0",
                "--group=0",
                "-C",
                "app",
                "-cf",
                "app.tar",
                "Dockerfile",
                "data",
            ],
        ))
        .succeeded();
    scratch
}

/// Runs the program with a file as its standard input.
fn with_stdin(scratch: &Scratch, path: &str, arguments: &[&str]) -> Outcome {
    let file = File::open(scratch.dir().join(path)).expect("the test has written it");
    scratch.outcome(scratch.command(arguments).stdin(file))
}

#[test]
fn a_dockerfile_comes_on_standard_input() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    let plain = scratch.jettison(&["build", "-q", "app"]).succeeded();
    let arguments = ["build", "-q", "-f", "-", "app"];
    let piped = with_stdin(&scratch, "app/Dockerfile", &arguments).succeeded();
    assert_eq!(piped.stdout, plain.stdout);
    scratch.write("alone", "FROM scratch\nCMD [\"x\"]\n");
    let alone = with_stdin(&scratch, "alone", &["build", "-q", "-"]).succeeded();
    assert!(alone.stdout.starts_with("sha256:"), "{alone}");
    let copies = with_stdin(&scratch, "app/Dockerfile", &["build", "-"]);
    assert_eq!(copies.code, 2, "{copies}");
}

#[test]
fn a_context_comes_on_standard_input_in_a_file_or_by_http() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    let plain = scratch.jettison(&["build", "-q", "app"]).succeeded();
    let piped = with_stdin(&scratch, "app.tar", &["build", "-q", "-"]).succeeded();
    assert_eq!(piped.stdout, plain.stdout);
    let file = scratch.jettison(&["build", "-q", "app.tar"]).succeeded();
    assert_eq!(file.stdout, plain.stdout);
    let archive = std::fs::read(scratch.dir().join("app.tar")).unwrap();
    let server = FileServer::start(BTreeMap::from([("/app.tar".to_string(), archive)]));
    let fetched = scratch
        .jettison(&["build", "-q", &server.url("/app.tar")])
        .succeeded();
    assert_eq!(fetched.stdout, plain.stdout);
    let left = std::fs::read_dir(scratch.root().join("contexts")).unwrap();
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"], "what was unpacked is gone");
}

#[test]
fn a_call_answers_for_every_context() {
    let scratch = app();
    for arguments in [
        ["build", "--call=targets", "app"].as_slice(),
        &["build", "--call=targets", "app.tar"],
    ] {
        let outcome = scratch.jettison(arguments).succeeded();
        assert!(outcome.stdout.starts_with("TARGET"), "{outcome}");
    }
    let piped = with_stdin(&scratch, "app/Dockerfile", &["build", "--check", "-"]);
    assert!(piped.stdout.contains("Check complete"), "{piped}");
}

#[test]
fn a_secret_that_is_not_there_is_said_before_anything_is_built() {
    let scratch = app();
    check_build(
        &scratch,
        &["build", "app", "--secret", "id=token,src=nowhere"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot use the secret `id=token,src=nowhere`: cannot read nowhere: No such file or directory (os error 2)
        "#]],
    );
    check_build(
        &scratch,
        &["build", "app", "--ssh", "default"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot use the SSH agent `default`: there is no agent: SSH_AUTH_SOCK is not set
        "#]],
    );
}

#[test]
fn certificates_that_are_none_are_said_before_anything_is_built() {
    let scratch = app();
    check_build(
        &scratch,
        &["build", "app", "--ca", "app/data"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot use the certificates in app/data
              cause: there is no `-----BEGIN CERTIFICATE-----` in it
        "#]],
    );
    check_build(
        &scratch,
        &["build", "app", "--ca", "nowhere"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot read nowhere
              cause: No such file or directory (os error 2)
        "#]],
    );
}
