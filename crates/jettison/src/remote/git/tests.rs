#![expect(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]

use std::error::Error;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use expect_test::{Expect, expect};
use jettison_build::{GitMtime, NoSecrets, Submodules};
use jettison_dockerfile::GitReference;
use jettison_testkit::{GitProject, WebAnswer, WebRequest, WebServer, git_answer};
use tempfile::TempDir;

use super::*;

const QUICK: Patience = Patience {
    attempts: 3,
    pause: Duration::from_millis(1),
    silence: Duration::from_secs(5),
};

/// The server's repositories: `main.git` with `sub.git` in it.
///
/// ```text
/// one (t1, annotated v1): a, d/e/f, x*, l -> a
/// two (main, dev/x):      and sub/
/// ```
struct World {
    projects: TempDir,
    root: TempDir,
    main: GitProject,
    one: String,
    two: String,
}

fn world() -> World {
    let projects = tempfile::tempdir().unwrap();
    let sub = GitProject::new(&projects.path().join("sub.git"));
    sub.write("s", "s");
    let inner = sub.commit(900_000_000);
    let main = GitProject::new(&projects.path().join("main.git"));
    main.write("a", "1");
    main.write("d/e/f", "2");
    main.write("x", "#!/bin/sh\n");
    main.git(&["add", "x"]);
    main.git(&["update-index", "--chmod=+x", "x"]);
    std::os::unix::fs::symlink("a", main.dir().join("l")).unwrap();
    fs::set_permissions(
        main.dir().join("x"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let one = main.commit(1_000_000_000);
    main.git(&["tag", "t1"]);
    main.git(&["tag", "-a", "-m", "v", "v1"]);
    main.write(
        ".gitmodules",
        "[submodule \"sub\"]\n\tpath = sub\n\turl = ../sub.git\n",
    );
    main.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{inner},sub"),
    ]);
    main.git(&["add", ".gitmodules"]);
    let two = {
        // `add --all` would take the missing submodule away.
        fs::create_dir(main.dir().join("sub")).unwrap();
        main.commit(1_100_000_000)
    };
    main.git(&["branch", "dev/x"]);
    World {
        projects,
        root: tempfile::tempdir().unwrap(),
        main,
        one,
        two,
    }
}

impl World {
    fn serve(
        &self,
        before: impl Fn(&WebRequest, usize) -> Option<WebAnswer> + Send + Sync + 'static,
    ) -> WebServer {
        let projects = self.projects.path().to_path_buf();
        WebServer::start(move |request, number| {
            before(request, number).unwrap_or_else(|| git_answer(&projects, request))
        })
    }

    /// A text without what differs from run to run.
    fn told(&self, server: &WebServer, text: &str) -> String {
        text.replace(&server.url(""), "URL")
            .replace(&server.authority(), "HOST")
            .replace(&self.one, "ONE")
            .replace(&self.two, "TWO")
            .replace(&self.main.git(&["rev-parse", "v1"]), "TAG")
    }
}

fn request(text: &str) -> GitRequest {
    GitRequest::of(&GitReference::parse(text).unwrap().unwrap())
}

fn reach() -> Reach {
    let variables = std::env::vars()
        .filter(|(name, _)| name == "PATH")
        .collect();
    Reach {
        variables,
        ca: None,
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

/// The files below `dir` with modes and times, and what `.git` says of itself.
fn tree(dir: &Path) -> String {
    let mut lines = Vec::new();
    walk(dir, dir, &mut lines);
    lines.sort();
    lines.join("\n")
}

fn walk(root: &Path, dir: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        lines.push(format!("{name} {:o} {}", metadata.mode(), metadata.mtime()));
        if metadata.is_dir() && name != ".git" {
            walk(root, &path, lines);
        }
    }
}

/// What a build gets for the repository at `/main.git` and `rest`.
#[track_caller]
fn check(rest: &str, expected: Expect) {
    let world = world();
    let server = world.serve(|_, _| None);
    let reach = reach();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let request = request(&server.url(&format!("/main.git{rest}").replace("ONE", &world.one)));
    let text = match repositories.files(&request) {
        Err(error) => chain(&error),
        Ok(checkout) => {
            let commit = repositories.commit(&request).unwrap();
            assert_eq!(repositories.files(&request).unwrap(), checkout);
            format!(
                "{} {}, {} {}\n{}",
                commit.reference,
                commit.commit,
                checkout.commit,
                checkout.commit_time,
                tree(&checkout.dir)
            )
        }
    };
    expected.assert_eq(&world.told(&server, &text));
}

#[test]
fn the_default_branch_with_its_submodules_is_checked_out() {
    check(
        "",
        expect![[r#"
        refs/heads/main TWO, TWO 1100000000
        .gitmodules 100644 1100000000
        a 100644 1100000000
        d 40755 1100000000
        d/e 40755 1100000000
        d/e/f 100644 1100000000
        l 120777 1100000000
        sub 40755 1100000000
        sub/s 100644 1100000000
        x 100755 1100000000"#]],
    );
}

#[test]
fn a_branch_or_a_tag_or_a_commit_is_checked_out() {
    check(
        "#dev/x:sub",
        expect![[r#"
        refs/heads/dev/x TWO, TWO 1100000000
        s 100644 1100000000"#]],
    );
    check(
        "#t1",
        expect![[r#"
        refs/tags/t1 ONE, ONE 1000000000
        a 100644 1000000000
        d 40755 1000000000
        d/e 40755 1000000000
        d/e/f 100644 1000000000
        l 120777 1000000000
        x 100755 1000000000"#]],
    );
    check(
        "?tag=v1",
        expect![[r#"
        refs/tags/v1 ONE, ONE 1000000000
        a 100644 1000000000
        d 40755 1000000000
        d/e 40755 1000000000
        d/e/f 100644 1000000000
        l 120777 1000000000
        x 100755 1000000000"#]],
    );
    check(
        "#ONE",
        expect![[r#"
        ONE ONE, ONE 1000000000
        a 100644 1000000000
        d 40755 1000000000
        d/e 40755 1000000000
        d/e/f 100644 1000000000
        l 120777 1000000000
        x 100755 1000000000"#]],
    );
    check(
        "?commit=ONE&fetch-by-commit",
        expect![[r#"
        ONE ONE, ONE 1000000000
        a 100644 1000000000
        d 40755 1000000000
        d/e 40755 1000000000
        d/e/f 100644 1000000000
        l 120777 1000000000
        x 100755 1000000000"#]],
    );
    check(
        "?ref=other&commit=ONE&fetch-by-commit",
        expect![[r#"
        refs/heads/other ONE, ONE 1000000000
        a 100644 1000000000
        d 40755 1000000000
        d/e 40755 1000000000
        d/e/f 100644 1000000000
        l 120777 1000000000
        x 100755 1000000000"#]],
    );
}

#[test]
fn submodules_can_be_left_out() {
    check(
        "?submodules=false&subdir=sub",
        expect![[r#"
        refs/heads/main TWO, TWO 1100000000
    "#]],
    );
}

#[test]
fn a_directory_can_be_taken_alone() {
    check(
        "?tag=t1&subdir=d",
        expect![[r#"
        refs/tags/t1 ONE, ONE 1000000000
        e 40755 1000000000
        e/f 100644 1000000000"#]],
    );
    check(
        "?tag=t1&subdir=../d/./e",
        expect![[r#"
        refs/tags/t1 ONE, ONE 1000000000
        f 100644 1000000000"#]],
    );
    check(
        "?subdir=nowhere",
        expect!["invalid subdir nowhere: nowhere does not exist in commit TWO"],
    );
    check(
        "?subdir=a",
        expect!["invalid subdir a: a is not a directory in commit TWO"],
    );
    check(
        "?subdir=l/x",
        expect!["invalid subdir l/x: l is not a directory in commit TWO"],
    );
}

#[test]
fn what_is_not_there_is_said() {
    check(
        "#nowhere",
        expect![[r#"repository does not contain ref nowhere, output: """#]],
    );
    check(
        "#main^",
        expect![[r#"repository does not contain ref main^, output: """#]],
    );
    check(
        "?ref=--upload-pack=x",
        expect![[r#"invalid git ref "--upload-pack=x""#]],
    );
    check(
        "?commit=xyz",
        expect!["invalid checksum xyz for Git URL, expected hex commit hash"],
    );
    check(
        "?fetch-by-commit",
        expect!["fetch-by-commit requires a checksum or a commit SHA ref"],
    );
    check(
        "?fetch-by-commit&commit=12",
        expect![[r#"fetch-by-commit requires a full commit SHA checksum, got "12""#]],
    );
    check(
        "#0123456789012345678901234567890123456789",
        expect![
            "fetched ref 0123456789012345678901234567890123456789 does not match expected commit 0123456789012345678901234567890123456789 and commit can not be found in the repository"
        ],
    );
}

#[test]
fn a_checksum_is_the_beginning_of_the_commit_or_of_its_tag() {
    check(
        "?ref=main&commit=0123&subdir=d/e",
        expect!["expected checksum to match 0123, got TWO"],
    );
    check(
        "?tag=v1&commit=0123",
        expect!["expected checksum to match 0123, got TAG or ONE"],
    );
    check(
        "?commit=0123#ONE",
        expect!["expected checksum to match 0123, got ONE"],
    );
    check(
        "?tag=v1&commit=ONE&subdir=d/e",
        expect![[r#"
            refs/tags/v1 ONE, ONE 1000000000
            f 100644 1000000000"#]],
    );
}

#[test]
fn the_git_directory_can_be_kept() {
    let world = world();
    let server = world.serve(|_, _| None);
    let reach = reach();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let told = |rest: &str| {
        let url = server.url(&format!("/main.git{rest}"));
        let checkout = repositories.files(&request(&url)).unwrap();
        let kept = GitProject::at(&checkout.dir);
        let lines = [
            kept.git(&["status", "--short"]),
            kept.git(&["rev-parse", "HEAD"]),
            kept.git(&["rev-list", "--count", "HEAD"]),
            kept.git(&["for-each-ref", "--format=%(refname) %(objectname)"]),
            kept.git(&["config", "remote.origin.url"]),
        ];
        world.told(&server, &lines.join("\n"))
    };
    expect![[r#"

        TWO
        1
        refs/heads/main TWO
        URL/main.git"#]]
    .assert_eq(&told("?keep-git-dir=1"));
    expect![[r#"

        ONE
        1
        refs/tags/v1 TAG
        URL/main.git"#]]
    .assert_eq(&told("?keep-git-dir=1&tag=v1"));
    let url = format!("?keep-git-dir=1#{}", world.one);
    expect![[r#"

        ONE
        1

        URL/main.git"#]]
    .assert_eq(&told(&url));
}

#[test]
fn times_are_those_of_the_checkout_if_that_is_asked_for() {
    let world = world();
    let server = world.serve(|_, _| None);
    let reach = reach();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let url = server.url("/main.git?mtime=checkout&subdir=d");
    assert_eq!(request(&url).mtime, GitMtime::Checkout);
    let checkout = repositories.files(&request(&url)).unwrap();
    let time = checkout.dir.join("e/f").metadata().unwrap().mtime();
    assert!(time > checkout.commit_time);
}

#[test]
fn a_second_build_asks_only_what_the_reference_is() {
    let world = world();
    let server = world.serve(|_, _| None);
    let reach = reach();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let repositories =
            Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
        let request = GitRequest {
            submodules: Submodules::Skip,
            ..request(&server.url("/main.git#main"))
        };
        repositories.commit(&request).unwrap();
        repositories.files(&request).unwrap();
        repositories.files(&request).unwrap();
        counts.push(server.requests().len());
    }
    assert!(counts[0] > 3, "{counts:?}");
    assert_eq!(
        counts[1] - counts[0],
        2,
        "one listing, which is two requests"
    );
}

#[test]
fn a_branch_that_moves_is_fetched_again_and_a_build_sees_one_commit() {
    let world = world();
    let server = world.serve(|_, _| None);
    let reach = reach();
    let wanted = request(&server.url("/main.git?submodules=0#main"));
    let first = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    assert_eq!(first.commit(&wanted).unwrap().commit, world.two);
    world.main.write("a", "3");
    let three = world.main.commit(1_200_000_000);
    // It is not the branch's any more, but it is what the key was made of.
    assert_eq!(first.files(&wanted).unwrap().commit, world.two);
    let second = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let checkout = second.files(&wanted).unwrap();
    assert_eq!(checkout.commit, three);
    assert_eq!(fs::read_to_string(checkout.dir.join("a")).unwrap(), "3");
}

#[test]
fn a_commit_that_a_server_does_not_give_by_name_is_found_in_the_histories() {
    let world = world();
    for setting in [
        "uploadpack.allowAnySHA1InWant",
        "uploadpack.allowTipSHA1InWant",
    ] {
        world.main.git(&["config", setting, "false"]);
    }
    let projects = world.projects.path().to_path_buf();
    let server = WebServer::start(move |request, _| {
        // Version 2 of the protocol gives everything.
        let mut request = request.clone();
        request.headers.remove("git-protocol");
        git_answer(&projects, &request)
    });
    let reach = reach();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let shallow = request(&server.url("/main.git?submodules=0#main"));
    repositories.files(&shallow).unwrap();
    let wanted = request(&server.url(&format!("/main.git#{}", world.one)));
    assert_eq!(repositories.files(&wanted).unwrap().commit, world.one);
}

#[test]
fn passing_troubles_are_waited_for() {
    let world = world();
    let server = world.serve(|_, number| (number < 2).then(|| WebAnswer::status(503)));
    let reach = reach();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let wanted = request(&server.url("/main.git#t1"));
    assert_eq!(repositories.commit(&wanted).unwrap().commit, world.one);
}

#[test]
fn submodules_come_by_no_protocol_but_the_known_ones() {
    let world = world();
    let secret = world.projects.path().join("sub.git").display().to_string();
    for url in [
        secret.clone(),
        format!("file://{secret}"),
        "ext::sh -c true".to_owned(),
    ] {
        let text = format!("[submodule \"sub\"]\n\tpath = sub\n\turl = {url}\n");
        world.main.write(".gitmodules", &text);
        world.main.commit(1_300_000_000);
        let server = world.serve(|_, _| None);
        let reach = reach();
        let repositories =
            Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
        let error = repositories
            .files(&request(&server.url("/main.git")))
            .unwrap_err();
        let error = chain(&error);
        assert!(error.contains("not allowed"), "{error}");
    }
}

#[test]
fn secrets_are_sent_and_are_in_no_error() {
    struct Token;
    impl Secrets for Token {
        fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, RemoteError> {
            Ok((id == "GIT_AUTH_TOKEN").then(|| b"tell-nobody\n".to_vec()))
        }
        fn ssh_agent(&self, _id: &str) -> Result<Option<PathBuf>, RemoteError> {
            Ok(None)
        }
    }
    let world = world();
    let server = world.serve(|_, _| Some(WebAnswer::status(403)));
    let reach = reach();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &Token).unwrap();
    let url = server
        .url("/main.git")
        .replace("//", "//me:tell-nobody-either@");
    let error = chain(&repositories.files(&request(&url)).unwrap_err());
    assert!(!error.contains("tell-nobody"), "{error}");
    let sent = server.requests()[0].header("authorization").to_owned();
    assert_eq!(sent, "basic eC1hY2Nlc3MtdG9rZW46dGVsbC1ub2JvZHk=");
    let left = std::process::Command::new("grep")
        .args(["-r", "tell-nobody"])
        .arg(world.root.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn without_git_it_is_said_that_it_is_not_installed() {
    let root = tempfile::tempdir().unwrap();
    let reach = Reach {
        variables: [("PATH".to_owned(), root.path().display().to_string())].into(),
        ca: None,
    };
    let repositories = Repositories::open(root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let error = repositories.files(&request("git://a/b")).unwrap_err();
    assert!(lacks_git(&error), "{}", chain(&error));
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let world = world();
    let server = world.serve(|_, _| None);
    let reach = reach();
    let left = world.root.path().join("git/checkouts/abc.new");
    fs::create_dir_all(left.join("files")).unwrap();
    let repositories = Repositories::open(world.root.path(), &reach, QUICK, &NoSecrets).unwrap();
    assert!(!left.exists());
    let wanted = request(&server.url("/main.git#t1"));
    repositories.files(&wanted).unwrap();
    // A repository that was not made to its end is made anew.
    let mirrors = world.root.path().join("git/mirrors");
    for entry in fs::read_dir(&mirrors).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_file(path.join("whole")).unwrap();
            fs::remove_file(path.join("HEAD")).unwrap();
        }
    }
    let wanted = request(&server.url("/main.git#main"));
    repositories.files(&wanted).unwrap();
}
