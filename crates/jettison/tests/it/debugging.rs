//! `jettison debug`: tools beside the files of an image that has none.

use std::fs;

use expect_test::expect;
use jettison_testkit::Scratch;

use crate::running;
use crate::shared::turn;

/// A world with an image `bare` that has a file and nothing else, and `box`, which has busybox.
fn world() -> Option<Scratch> {
    let scratch = running::world()?;
    scratch
        .write(
            "bare/Dockerfile",
            "FROM scratch\nCOPY file /srv/file\nENV A=image\nWORKDIR /srv\nUSER 1000\nENTRYPOINT [\"/srv/file\"]\n",
        )
        .write("bare/file", "content\n");
    scratch
        .jettison(&["build", "-q", "bare", "-t", "bare"])
        .succeeded();
    Some(scratch)
}

#[test]
fn an_image_without_a_shell_is_looked_into() {
    let Some(scratch) = world() else { return };
    scratch.check(
        &[
            "debug", "--toolbox", "box", "bare", "sh", "-c",
            "pwd; cat file; echo $A; id -u; echo x > new && ls; ls /; echo $PATH",
        ],
        expect![[r#"
            exit: 0
            --- stdout ---
            /srv
            content
            image
            0
            file
            new
            dev
            etc
            proc
            srv
            sys
            /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/.jettison/tools:/.jettison/bin
        "#]],
    );
    let outcome = scratch.jettison(&["debug", "--toolbox=host", "bare", "cat", "/srv/file"]);
    assert_eq!(outcome.succeeded().stdout, "content\n");
    // Without a command it is a shell, which reads what it is given.
    scratch.write("script", "ls /srv\nexit 4\n");
    let mut command = scratch.command(&["debug", "-u", "1000", "--toolbox", "box", "bare"]);
    command.stdin(fs::File::open(scratch.dir().join("script")).unwrap());
    expect![[r#"
        exit: 4
        --- stdout ---
        file
    "#]]
    .assert_eq(&scratch.outcome(&mut command).to_string());
    // The image is as it was, and nothing is left of the tools.
    let left = fs::read_dir(scratch.root().join("contexts")).unwrap();
    assert_eq!(
        left.filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count(),
        0
    );
}

#[test]
fn a_toolbox_needs_a_busybox_of_its_own() {
    let Some(scratch) = world() else { return };
    scratch.check(
        &["debug", "--toolbox", "bare", "box"],
        expect![[r#"
            exit: 125
            --- stderr ---
            error: bare: the toolbox has no busybox
            hint: take one that has: debian://bookworm?include=busybox-static
        "#]],
    );
    scratch.check(
        &["debug", "--pull=never", "--toolbox", "box", "nothing"],
        expect![[r#"
            exit: 125
            --- stderr ---
            error: no such image: nothing
            hint: `jettison images` lists those that there are
        "#]],
    );
}

#[test]
fn programs_of_a_toolbox_run_where_there_are_no_libraries() {
    let Some(mut turn) = turn() else { return };
    let scratch = turn.scratch();
    scratch
        .write("bare/Dockerfile", "FROM scratch\nCOPY file /srv/file\n")
        .write("bare/file", "content\n");
    scratch
        .jettison(&["build", "-q", "bare", "-t", "bare-debugged"])
        .succeeded();
    let debug = |command: &[&str]| {
        let arguments = [&["debug", "bare-debugged"], command].concat();
        scratch.jettison(&arguments).succeeded().stdout
    };
    assert_eq!(
        debug(&["perl", "-e", "open F, '/srv/file'; print <F>"]),
        "content\n"
    );
    assert!(debug(&["sha256sum", "/srv/file"]).ends_with("/srv/file\n"));
    assert_eq!(debug(&["/.jettison/tools/bash", "-c", "echo $0"]), "bash\n");
}
