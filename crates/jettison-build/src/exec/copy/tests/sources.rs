//! What is copied. The answers are those of BuildKit 0.34 for the same instructions.

use expect_test::expect;
use std::fs;
use std::os::unix::fs::symlink;

use super::{World, check};

#[test]
fn a_directory_gives_its_contents() {
    check(
        "COPY --on=scratch d /new/place",
        expect![[r"
        0755 /new/
        0755 /new/place/
        0644 /new/place/c.txt
        0755 /new/place/in/
        0644 /new/place/in/e.txt
        0777 /new/place/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch ld /x",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0755 /x/in/
        0644 /x/in/e.txt
        0777 /x/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch . /",
        expect![[r"
        4755 /a.txt
        0644 /b.go
        0750 /d/
        0644 /d/c.txt
        0755 /d/in/
        0644 /d/in/e.txt
        0777 /d/l -> ../a.txt
        0777 /la -> a.txt
        0777 /ld -> d
    "]],
    );
    check(
        "COPY --on=scratch ../../d/in /x/",
        expect![[r"
        0755 /x/
        0644 /x/e.txt
    "]],
    );
}

#[test]
fn links_are_followed_to_a_source_and_kept_in_it() {
    check(
        "COPY --on=scratch la d/l /x/",
        expect![[r"
        0755 /x/
        4755 /x/l
        4755 /x/la
    "]],
    );
    check(
        "COPY --on=scratch ld/c.txt /x",
        expect![[r"
        0644 /x
    "]],
    );
}

#[test]
fn patterns_do_not_lead_through_links() {
    check(
        "COPY --on=scratch l* /x/",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0755 /x/in/
        0644 /x/in/e.txt
        0777 /x/l -> ../a.txt
        4755 /x/la
    "]],
    );
    check("COPY --on=scratch l*/c.txt /x/", expect![[""]]);
    check(
        "COPY --on=scratch ld/*.txt /x/",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
    "]],
    );
    check(
        "COPY --on=scratch */*.txt */*/*.txt /x/",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0644 /x/e.txt
    "]],
    );
    check("COPY --on=scratch *.rs /x/", expect![[""]]);
}

#[test]
fn what_is_missing_is_an_error() {
    check(
        "COPY nope /x",
        expect![[r#"
            error: failed to compute cache key: "/nope": not found
        "#]],
    );
    check(
        "COPY nope/*.txt /x",
        expect![[r"
            error: lstat /nope: no such file or directory
        "]],
    );
    check(
        "COPY --from=stage /dangling /x",
        expect![[r#"
            error: failed to compute cache key: "/dangling": not found
        "#]],
    );
    check(
        "COPY --from=stage /d* /x/",
        expect![[r#"
            error: failed to compute cache key: "/dangling": not found
        "#]],
    );
    check(
        "COPY --from=stage /loop /x",
        expect![[r"
            error: cannot read /loop: too many links
        "]],
    );
    check(
        "COPY a.txt/b /x",
        expect![[r#"
            error: failed to compute cache key: "/a.txt/b": not found
        "#]],
    );
}

#[test]
fn exclusions_are_below_the_source() {
    check(
        "COPY --on=scratch --exclude=*.txt a.txt /x/",
        expect![[r"
        0755 /x/
        4755 /x/a.txt
    "]],
    );
    check(
        "COPY --on=scratch --exclude=*.txt d /x/",
        expect![[r"
        0755 /x/
        0755 /x/in/
        0644 /x/in/e.txt
        0777 /x/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch --exclude=/in d /x/",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0755 /x/in/
        0644 /x/in/e.txt
        0777 /x/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch --exclude=in d /x/",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0777 /x/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch --exclude=* --exclude=!in/e.txt d /x/",
        expect![[r"
            0755 /x/
            0755 /x/in/
            0644 /x/in/e.txt
        "]],
    );
}

#[test]
fn directories_above_a_source_are_kept_on_request() {
    check(
        "COPY --on=scratch --parents d/in/e.txt /x/",
        expect![[r"
        0755 /x/
        0750 /x/d/
        0755 /x/d/in/
        0644 /x/d/in/e.txt
    "]],
    );
    check(
        "COPY --on=scratch --parents ./d/./in/e.txt /x/",
        expect![[r"
            0755 /x/
            0755 /x/in/
            0644 /x/in/e.txt
        "]],
    );
    check(
        "COPY --on=scratch --parents **/*.txt /x/",
        expect![[r"
        0755 /x/
        4755 /x/a.txt
        0750 /x/d/
        0644 /x/d/c.txt
        0755 /x/d/in/
        0644 /x/d/in/e.txt
    "]],
    );
    check(
        "COPY --on=scratch --parents d /x",
        expect![[r"
        0755 /x/
        0750 /x/d/
        0644 /x/d/c.txt
        0755 /x/d/in/
        0644 /x/d/in/e.txt
        0777 /x/d/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch --parents la /x",
        expect![[r"
        0755 /x/
        0777 /x/la -> a.txt
    "]],
    );
    check(
        "COPY --on=scratch --parents --exclude=d/in d /x",
        expect![[r"
            0755 /x/
            0750 /x/d/
            0644 /x/d/c.txt
            0777 /x/d/l -> ../a.txt
        "]],
    );
    for missing in ["d/nope", "ld/c.txt", "ld/./c.txt", ".", "d/./"] {
        check(
            &format!("COPY --parents {missing} /x"),
            match missing {
                "d/nope" => expect![[r#"
                    error: failed to compute cache key: "/d/nope": not found
                "#]],
                "ld/c.txt" => expect![[r#"
                    error: failed to compute cache key: "/ld/c.txt": not found
                "#]],
                "ld/./c.txt" => expect![[r"
                    0755 /x/
                    0644 /x/c.txt
                "]],
                "." => expect![[r#"
                    error: failed to compute cache key: "/": not found
                "#]],
                _ => expect![[r#"
                    error: failed to compute cache key: "/d": not found
                "#]],
            },
        );
    }
    check(
        "COPY --on=scratch --parents */./c.txt /x",
        expect![[r"
        error: cannot copy to non-directory: /x
    "]],
    );
}

#[test]
fn stages_are_merged() {
    check(
        "COPY --from=stage --on=scratch /srv /x",
        expect![[r"
        0755 /x/
        0644 /x/keep
        0644 /x/new
        0755 /x/old/
        0644 /x/old/file
    "]],
    );
    check(
        "COPY --from=stage --on=scratch /link/ /x",
        expect![[r"
        0755 /x/
        0644 /x/keep
        0644 /x/new
        0755 /x/old/
        0644 /x/old/file
    "]],
    );
}

#[test]
fn hard_links_stay_links_within_a_source() {
    let world = World::new();
    fs::hard_link(world.path("context/d/c.txt"), world.path("context/d/z")).unwrap();
    world.check(
        "COPY --on=scratch d /x",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0755 /x/in/
        0644 /x/in/e.txt
        0777 /x/l -> ../a.txt
        0644 /x/z = /x/c.txt
    "]],
    );
    world.check(
        "COPY --on=scratch d/* /x/",
        expect![[r"
        0755 /x/
        0644 /x/c.txt
        0644 /x/e.txt
        4755 /x/l
        0644 /x/z
    "]],
    );
}

#[test]
fn ignored_files_do_not_exist() {
    let world = World::new();
    fs::write(world.path("Dockerfile.dockerignore"), "d\n!d/in\n*.go\n").unwrap();
    world.check(
        "COPY --on=scratch . /",
        expect![[r"
        4755 /a.txt
        0750 /d/
        0755 /d/in/
        0644 /d/in/e.txt
        0777 /la -> a.txt
        0777 /ld -> d
    "]],
    );
    world.check(
        "COPY --on=scratch b.go /",
        expect![[r#"
            error: failed to compute cache key: "/b.go": not found: excluded by the ignore file
        "#]],
    );
    world.check(
        "COPY --on=scratch d/l /",
        expect![[r#"
            error: failed to compute cache key: "/d/l": not found: excluded by the ignore file
        "#]],
    );
    symlink("b.go", world.path("context/lb")).unwrap();
    world.check(
        "COPY --on=scratch lb /",
        expect![[r#"
            error: failed to compute cache key: "/lb": not found: excluded by the ignore file
        "#]],
    );
    world.check(
        "COPY --on=scratch *b* /",
        expect![[r#"
            error: failed to compute cache key: "/lb": not found: excluded by the ignore file
        "#]],
    );
}

#[test]
fn texts_come_last() {
    check(
        "COPY --on=scratch <<a.txt a.txt /x/",
        expect![[r"
        0755 /x/
        0644 /x/a.txt
    "]],
    );
    check(
        "COPY --on=scratch --chmod=755 --chown=5:6 <<f /x/y",
        expect![[r"
            0755 5:6 /x/
            0755 5:6 /x/y
        "]],
    );
}
