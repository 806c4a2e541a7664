//! Builds from every kind of build context: each gives the same image.

use std::process::{Command, Stdio};
use std::{fs, io::Write};

use expect_test::expect;
use jettison_testkit::{GitProject, Outcome, Scratch, WebAnswer, WebServer, git_answer};

use crate::PROGRAM;
use crate::shared::namespaces_work;

const DOCKERFILE: &str = "FROM scratch\nCOPY . /all/\n";

/// The time of all files.
const TIME: u32 = 1_000_000_000;

/// A directory `app`, a tar of it, and a repository of it.
fn world() -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("app/Dockerfile", DOCKERFILE)
        .write("app/a", "a")
        .write("app/d/b", "b");
    let touch = "find app -exec touch -h -d @1000000000 {} + && chmod -R u=rwX,go=rX app";
    run(scratch.tool("sh", &["-c", touch]));
    let tar = "tar --sort=name --owner=0 --group=0 --numeric-owner -C app -cf app.tar .";
    run(scratch.tool("sh", &["-c", tar]));
    let project = GitProject::new(&scratch.dir().join("served/app.git"));
    project.write("Dockerfile", DOCKERFILE);
    project.write("a", "a");
    project.write("d/b", "b");
    project.commit(TIME);
    scratch
}

#[track_caller]
fn run(mut command: Command) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

/// Serves what is in `served`, and the tar.
fn serve(scratch: &Scratch) -> WebServer {
    let dir = scratch.dir().to_path_buf();
    WebServer::start(move |request, _| match request.path.as_str() {
        "/app.tar" => WebAnswer::file(fs::read(dir.join("app.tar")).unwrap()),
        "/Dockerfile" => WebAnswer::file("FROM scratch\nCOPY context /\n"),
        _ => git_answer(&dir.join("served"), request),
    })
}

/// Runs the program with something on standard input.
fn fed(scratch: &Scratch, arguments: &[&str], stdin: &[u8]) -> Outcome {
    let path = scratch.dir().join("stdin");
    fs::File::create(&path).unwrap().write_all(stdin).unwrap();
    let mut command = scratch.command(arguments);
    command.stdin(Stdio::from(fs::File::open(path).unwrap()));
    scratch.outcome(&mut command)
}

/// The ID of the image that is built, whatever it is called in outcomes.
#[track_caller]
fn id(scratch: &Scratch, arguments: &[&str], stdin: &[u8]) -> String {
    let all = [&["build", "-q", "--no-cache", "--iidfile=iid"], arguments].concat();
    let outcome = fed(scratch, &all, stdin).to_string();
    assert!(outcome.starts_with("exit: 0"), "{arguments:?}: {outcome}");
    scratch.read("iid")
}

#[test]
fn every_kind_of_context_gives_the_same_image() {
    if !namespaces_work() {
        return;
    }
    let scratch = world();
    let server = serve(&scratch);
    let tar = fs::read(scratch.dir().join("app.tar")).unwrap();
    let expected = id(&scratch, &["app"], b"");
    let ways: [(&[&str], &[u8]); 8] = [
        (&["app", "-f", "-"], DOCKERFILE.as_bytes()),
        (&["-"], &tar),
        (&["-", "-f", "./Dockerfile"], &tar),
        (&["app.tar"], b""),
        (&[&server.url("/app.tar")], b""),
        (&[&server.url("/app.git")], b""),
        (&[&server.url("/app.git#main")], b""),
        (&[&server.url("/app.git"), "-f", "-"], DOCKERFILE.as_bytes()),
    ];
    for (arguments, stdin) in ways {
        assert_eq!(id(&scratch, arguments, stdin), expected, "{arguments:?}");
    }
    let left = fs::read_dir(scratch.root().join("contexts")).unwrap();
    assert_eq!(left.count(), 1, "only the lock stays");
}

#[test]
fn a_dockerfile_alone_is_built_with_nothing_or_with_itself() {
    if !namespaces_work() {
        return;
    }
    let scratch = world();
    let server = serve(&scratch);
    id(&scratch, &["-"], b"FROM scratch\nENV A=1\n");
    id(&scratch, &[&server.url("/Dockerfile")], b"");
    let outcome = fed(
        &scratch,
        &["build", "-"],
        DOCKERFILE.replace('.', "a").as_bytes(),
    );
    let outcome = outcome.to_string();
    assert!(outcome.starts_with("exit: 2"), "{outcome}");
    assert!(
        outcome.contains("-:2:1") && outcome.contains("not found"),
        "{outcome}"
    );
}

#[test]
fn what_is_no_context_is_the_users_mistake_and_a_missing_git_is_the_hosts() {
    if !namespaces_work() {
        return;
    }
    let scratch = world();
    let said = |outcome: Outcome, exit: &str, text: &str| {
        let outcome = outcome.to_string();
        let is_so = outcome.starts_with(&format!("exit: {exit}\n")) && outcome.contains(text);
        assert!(is_so, "{outcome}");
    };
    let fails = |context: &str, text: &str| {
        said(scratch.jettison(&["build", context]), "2", text);
    };
    fails(
        "nowhere",
        "unable to prepare context: path \"nowhere\" not found",
    );
    fails("app/a", "neither a directory nor an archive");
    fails("http://127.0.0.1:1/x", "gave up after 5 attempts");
    fails("git://127.0.0.1:1/x?y=1", "unexpected query \"y\"");
    let both = ["build", "-", "-f", "-"];
    said(fed(&scratch, &both, b""), "2", "can't use stdin for both");
    said(
        fed(&scratch, &["build", "-"], b""),
        "2",
        "standard input is empty",
    );
    let mut command = scratch.command(&["build", "git://127.0.0.1:1/x"]);
    let outcome = scratch.outcome(command.env("PATH", "/nonexistent"));
    said(outcome, "3", "`git` is not installed");
    scratch.write(
        "add/Dockerfile",
        "FROM scratch\nADD git://127.0.0.1:1/x /\n",
    );
    let mut command = scratch.command(&["build", "add"]);
    let outcome = scratch.outcome(command.env("PATH", "/nonexistent"));
    said(outcome, "3", "`git` is not installed");
}

#[test]
fn files_of_archives_keep_their_owners_whatever_packs_them() {
    if !namespaces_work() {
        return;
    }
    let scratch = world();
    let mut last = None;
    for packing in ["--no-auto-compress", "--gzip", "--bzip2", "--xz", "--zstd"] {
        let tar = "tar --owner=1000 --group=2000 -C app -c . ";
        let output = scratch
            .tool("sh", &["-c", &format!("{tar} {packing}")])
            .output()
            .unwrap();
        if !output.status.success() {
            jettison_testkit::skip(&format!("there is no program for tar {packing}"));
            continue;
        }
        let out = ["-o", "type=oci,tar=false,dest=out", "-"];
        let id = id(&scratch, &out, &output.stdout);
        assert_eq!(*last.get_or_insert_with(|| id.clone()), id, "{packing}");
    }
    let listing = "for blob in out/blobs/sha256/*; do tar tvf $blob --numeric-owner; done";
    let output = scratch.tool("sh", &["-c", listing]).output().unwrap();
    let listed = String::from_utf8_lossy(&output.stdout);
    let owner = listed
        .lines()
        .find(|line| line.ends_with("all/a"))
        .and_then(|line| line.split_whitespace().nth(1));
    if owner == Some("0/0") {
        jettison_testkit::skip("only one user ID can be used");
        return;
    }
    assert_eq!(owner, Some("1000/2000"), "{listed}");
}

#[test]
fn the_time_of_a_commit_can_be_that_of_the_image() {
    if !namespaces_work() {
        return;
    }
    let scratch = world();
    let server = serve(&scratch);
    let url = server.url("/app.git");
    let epoch = |value: &str| {
        let argument = format!("SOURCE_DATE_EPOCH={value}");
        id(&scratch, &[&url, "--build-arg", &argument], b"")
    };
    assert_eq!(epoch("context"), epoch("1000000000"));
    assert_ne!(epoch("context"), epoch("1000000001"));
}

#[test]
fn a_stage_takes_the_place_of_an_image() {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/a", "a").write(
        "app/written",
        "FROM scratch AS mine\nCOPY a /\nENV A=b\nFROM mine AS first\nCOPY --from=mine /a /b\n\
         FROM mine\nCOPY --from=first /b /b\n",
    );
    let dockerfile = "FROM base\nCOPY --from=base /a /b\nFROM scratch AS mine\nCOPY a /\nENV A=b\nFROM base AS last\n";
    scratch.write(
        "app/Dockerfile",
        format!("{dockerfile}COPY --from=0 /b /b\n"),
    );
    let context = "--build-context=base=target:mine";
    let built = scratch
        .jettison(&["build", "-q", "app", context])
        .succeeded();
    let written = scratch
        .jettison(&["build", "-q", "app", "-f", "app/written"])
        .succeeded();
    assert_eq!(built.stdout, written.stdout);
    scratch.check(
        &["build", "app", "--build-context=base=target:yours"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: app/Dockerfile: the named context `base` is `target:yours`, which is no stage: there are mine, last
        "#]],
    );
    scratch.check(
        &["build", "app", "--build-context=base=target:last"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: circular dependency: stage `stage-0` needs itself through the named context `base`, which is stage `last`
             --> app/Dockerfile:1:1
              |
            1 | FROM base
              | ^^^^^^^^^
        "#]],
    );
}

#[test]
fn builds_from_standard_input_are_explained() {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    let build = |text: &str| {
        let arguments = ["build", "--explain", "--progress=plain", "-"];
        fed(&scratch, &arguments, text.as_bytes()).succeeded()
    };
    let first = build("FROM scratch\nWORKDIR /one\n");
    assert!(first.stderr.contains("WORKDIR /one"), "{first}");
    let second = build("FROM scratch\nWORKDIR /two\n");
    assert!(second.stderr.contains("one"), "{second}");
}
