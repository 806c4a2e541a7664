//! Where COPY and WORKDIR put things, and with which attributes.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use expect_test::{Expect, expect};
use jettison_sandbox::Entered;

use crate::runner::{Test, needs_other_ids};
use crate::scene::{Scene, Wishes, listing};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_new_directory_is_roots_and_from_1970,
    a_link_at_the_destination_is_followed,
    a_working_directory_may_exist_or_be_behind_a_link,
    a_working_directory_belongs_to_the_user,
    the_last_of_several_sources_wins_where_no_directory_is,
    patterns_and_stages_are_sources,
    hard_links_stay_links,
    what_the_ignore_file_takes_back_is_copied,
    what_cannot_be_copied_is_said_with_its_line,
];

/// What the last step of `lines` on the image `base` changes.
#[track_caller]
fn check(entered: &Entered, lines: &str, expected: Expect) {
    let scene = Scene::new();
    let built = scene.build(entered, &format!("FROM base\n{lines}\n"));
    expected.assert_eq(&listing(&built.steps.last().unwrap().files));
}

fn a_new_directory_is_roots_and_from_1970(entered: &Entered) {
    needs_other_ids(entered);
    check(
        entered,
        "COPY sub /new/place",
        expect![[r"
            755 0:0 0 /new/
            755 0:0 1000000000 /new/place/
            644 0:0 1000000000 /new/place/c.txt"]],
    );
    check(
        entered,
        "COPY --chown=app:9 a.txt /new/",
        expect![[r"
        755 7:9 0 /new/
        644 7:9 1000000000 /new/a.txt"]],
    );
    check(
        entered,
        "COPY . /tmp",
        expect![[r"
        1777 0:0 1000000000 /tmp/
        644 0:0 1000000000 /tmp/a.txt
        644 0:0 1000000000 /tmp/b.txt
        755 0:0 1000000000 /tmp/sub/
        644 0:0 1000000000 /tmp/sub/c.txt"]],
    );
    check(
        entered,
        "COPY a.txt /",
        expect!["644 0:0 1000000000 /a.txt"],
    );
}

fn a_link_at_the_destination_is_followed(entered: &Entered) {
    check(
        entered,
        "COPY a.txt /link",
        expect![[r"
        755 0:0 1000000000 /home/
        644 0:0 1000000000 /home/a.txt"]],
    );
    check(
        entered,
        "COPY sub /link",
        expect![[r"
        755 0:0 1000000000 /home/
        644 0:0 1000000000 /home/c.txt"]],
    );
    let scene = Scene::new();
    symlink("/far/file", scene.context("dangling")).unwrap();
    fs::create_dir(scene.context("links")).unwrap();
    fs::rename(scene.context("dangling"), scene.context("links/dangling")).unwrap();
    let built = scene.build(entered, "FROM base\nCOPY links /\nCOPY a.txt /dangling\n");
    expect![[r"
        755 0:0 0 /far/
        644 0:0 1000000000 /far/file"]]
    .assert_eq(&listing(&built.steps[1].files));
}

fn a_working_directory_may_exist_or_be_behind_a_link(entered: &Entered) {
    check(entered, "WORKDIR /etc", expect![[""]]);
    check(
        entered,
        "WORKDIR /link/sub/",
        expect![[r"
        755 0:0 1000000000 /home/
        755 0:0 0 /home/sub/"]],
    );
}

fn a_working_directory_belongs_to_the_user(entered: &Entered) {
    needs_other_ids(entered);
    check(
        entered,
        "USER app\nWORKDIR /x/y",
        expect![[r"
        755 7:8 0 /x/
        755 7:8 0 /x/y/"]],
    );
    let text = "FROM scratch\nUSER nobody\nWORKDIR /x\n";
    let scene = Scene::new();
    let built = scene.build(entered, text);
    expect!["755 0:0 0 /x/"].assert_eq(&listing(&built.steps[0].files));
}

fn the_last_of_several_sources_wins_where_no_directory_is(entered: &Entered) {
    let scene = Scene::new();
    let built = scene.build(entered, "FROM scratch\nCOPY a.txt b.txt /both\n");
    let both = built.steps[0].files.join("both");
    assert_eq!(fs::read_to_string(both).unwrap(), "b.txt");
}

fn patterns_and_stages_are_sources(entered: &Entered) {
    check(
        entered,
        "COPY *.txt s?b/ /all/",
        expect![[r"
            755 0:0 1000000000 /all/
            644 0:0 1000000000 /all/a.txt
            644 0:0 1000000000 /all/b.txt
            644 0:0 1000000000 /all/c.txt"]],
    );
    check(
        entered,
        "COPY nothing* /\nFROM base\nCOPY b.txt /made\nFROM scratch\nCOPY --from=scratch / /\nCOPY --from=base /etc /etc\nCOPY --from=1 /made /etc/p* /link /",
        expect![[r"
            644 0:0 1000000000 /made
            644 0:0 1000000000 /passwd"]],
    );
}

fn hard_links_stay_links(entered: &Entered) {
    let scene = Scene::new();
    fs::hard_link(scene.context("sub/c.txt"), scene.context("sub/d.txt")).unwrap();
    let built = scene.build(entered, "FROM scratch\nCOPY sub /x\n");
    let inode = |name: &str| fs::metadata(built.steps[0].files.join(name)).unwrap().ino();
    assert_eq!(inode("x/c.txt"), inode("x/d.txt"));
}

fn what_the_ignore_file_takes_back_is_copied(entered: &Entered) {
    let scene = Scene::new();
    for name in [
        "deep/one/keep",
        "deep/two/lose",
        "deep/lose",
        ".dockerignore",
    ] {
        scene.write(name, "");
    }
    scene.write(".dockerignore", "*\n!**/keep\n");
    let built = scene.build(entered, "FROM scratch\nCOPY . /\n");
    expect![[r"
        755 0:0 1000000000 /deep/
        755 0:0 1000000000 /deep/one/
        644 0:0 1000000000 /deep/one/keep"]]
    .assert_eq(&listing(&built.steps[0].files));
    symlink("a.txt", scene.context("keep")).unwrap();
    let done = scene.build_as(entered, "FROM scratch\nCOPY keep /\n", &Wishes::default());
    expect![[
        r#"line 2: failed to compute cache key: "/keep": not found: excluded by the ignore file"#
    ]]
    .assert_eq(&done.result.unwrap_err().to_string());
}

fn what_cannot_be_copied_is_said_with_its_line(entered: &Entered) {
    let check = |line: &str, expected: Expect| {
        let text = format!("FROM base\n\n{line}\n");
        let done = Scene::new().build_as(entered, &text, &Wishes::default());
        expected.assert_eq(&done.result.unwrap_err().to_string());
    };
    check(
        "COPY nope /",
        expect![[r#"line 3: failed to compute cache key: "/nope": not found"#]],
    );
    check(
        "COPY a.txt/x /",
        expect![[r#"line 3: failed to compute cache key: "/a.txt/x": not found"#]],
    );
    check(
        "COPY a.txt b.txt /etc/passwd/",
        expect!["line 3: mkdir /etc/passwd: not a directory"],
    );
    check(
        "COPY a.txt /etc/\nCOPY sub /etc/a.txt",
        expect!["line 4: cannot copy to non-directory: /etc/a.txt"],
    );
    check(
        "COPY --chown=app --link a.txt /",
        expect![
            "line 3: --chown=app: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead"
        ],
    );
}
