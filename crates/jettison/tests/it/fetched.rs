//! `ADD` of what is on other machines: what it costs, and what is kept.

use std::process::Command;

use jettison_testkit::{GitProject, Scratch, WebAnswer, WebServer, git_answer};

use crate::PROGRAM;
use crate::shared::namespaces_work;

/// A world with a Dockerfile that adds `source`.
fn world(source: &str) -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", format!("FROM scratch\nADD {source} /\n"));
    scratch
}

/// Builds, and says how many steps were taken from the cache.
#[track_caller]
fn build(scratch: &Scratch, arguments: &[&str]) -> String {
    let all = [&["build", "app", "--iidfile=iid"], arguments].concat();
    let outcome = scratch.jettison(&all).to_string();
    assert!(outcome.starts_with("exit: 0"), "{outcome}");
    let is_cached = outcome.contains("CACHED");
    let cached = if is_cached { "cached" } else { "executed" };
    format!("{cached} {}", scratch.read("iid"))
}

#[test]
fn an_unchanged_file_costs_one_question_and_a_known_one_none() {
    if !namespaces_work() {
        return;
    }
    let server = WebServer::start(|request, _| WebAnswer::tagged(request, b"text", "\"v1\""));
    let scratch = world(&server.url("/file"));
    let first = build(&scratch, &[]);
    let second = build(&scratch, &[]);
    assert!(first.starts_with("executed"), "{first}");
    assert_eq!(second, first.replace("executed", "cached"));
    let tags: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.header("if-none-match").to_owned())
        .collect();
    assert_eq!(tags, ["", "\"v1\""]);
    let digest = "sha256:982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";
    let scratch = world(&format!("--checksum={digest} {}", server.url("/other")));
    for _ in 0..2 {
        build(&scratch, &["--no-cache"]);
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_file_that_changes_is_copied_again() {
    if !namespaces_work() {
        return;
    }
    let server = WebServer::start(|_, number| WebAnswer::file(number.to_string()));
    let scratch = world(&server.url("/file"));
    let (first, second) = (build(&scratch, &[]), build(&scratch, &[]));
    assert!(second.starts_with("executed"), "{second}");
    assert_ne!(first, second);
}

#[test]
fn a_repository_costs_one_listing_when_it_is_built_again() {
    if !namespaces_work() {
        return;
    }
    let projects = tempfile::tempdir().unwrap();
    let project = GitProject::new(&projects.path().join("main.git"));
    project.write("a", "1");
    project.commit(1_000_000_000);
    let dir = projects.path().to_path_buf();
    let server = WebServer::start(move |request, _| git_answer(&dir, request));
    let scratch = world(&server.url("/main.git"));
    let first = build(&scratch, &[]);
    let asked = server.requests().len();
    let second = build(&scratch, &[]);
    assert_eq!(second, first.replace("executed", "cached"));
    assert!(server.requests().len() - asked < asked, "{asked}");
    // Another machine, another time, the same image.
    let elsewhere = world(&server.url("/main.git"));
    assert_eq!(build(&elsewhere, &[]), first);
    project.write("a", "2");
    project.commit(1_100_000_000);
    assert!(build(&scratch, &[]).starts_with("executed"));
}

#[test]
fn secrets_for_a_host_are_sent_to_it_and_kept_nowhere() {
    if !namespaces_work() {
        return;
    }
    let server = WebServer::start(|request, _| match request.header("authorization") {
        "Bearer tell-nobody" => WebAnswer::file("text"),
        _ => WebAnswer::status(401),
    });
    let scratch = world(&server.url("/file"));
    let outcome = scratch.jettison(&["build", "app"]).to_string();
    assert!(outcome.contains("invalid response status 401"), "{outcome}");
    scratch.write("token", "tell-nobody\n");
    build(
        &scratch,
        &["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,src=token"],
    );
    let output = Command::new("grep")
        .args(["-r", "tell-nobody"])
        .arg(scratch.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
