//! Results that travel: `--cache-to` and `--cache-from`.

use expect_test::expect;
use jettison_testkit::{Scratch, skip};

use crate::PROGRAM;
use crate::builds::check_build;
use crate::conformance::find_busybox;
use crate::shared::namespaces_work;

/// A directory `app` with two stages.
fn app() -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write(
            "app/Dockerfile",
            "FROM scratch AS files\nCOPY data /one\nFROM scratch\nCOPY --from=files /one /two\n",
        )
        .write("app/data", "text");
    scratch
}

#[test]
fn results_are_used_on_another_machine() {
    if !namespaces_work() {
        return;
    }
    let (one, two) = (app(), app());
    let cache = one.dir().join("cache").display().to_string();
    let to = format!("type=local,dest={cache},mode=max");
    let first = one
        .jettison(&["build", "-q", "app", "--cache-to", &to])
        .succeeded();
    let from = format!("type=local,src={cache}");
    check_build(
        &two,
        &["build", "app", "--jobs=1", "--cache-from", &from],
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [files 1/1] COPY data /one
            #1 CACHED

            #2 [stage-1 1/1] COPY --from=files /one /two
            #2 CACHED

            [TABLE]
        "#]],
    );
    let second = two.jettison(&["build", "-q", "app"]).succeeded();
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn only_the_images_own_steps_travel_if_nothing_else_is_asked_for() {
    if !namespaces_work() {
        return;
    }
    let (one, two) = (app(), app());
    let cache = one.dir().join("cache").display().to_string();
    let to = format!("type=local,dest={cache}");
    one.jettison(&["build", "-q", "app", "--cache-to", &to])
        .succeeded();
    let from = format!("type=oci-layout,src={cache}");
    let outcome = two
        .jettison(&["build", "app", "--jobs=1", "--cache-from", &from])
        .succeeded();
    assert!(
        outcome.stderr.contains("COPY data /one\n#1 DONE"),
        "{outcome}"
    );
}

#[test]
fn a_cache_that_is_not_there_is_said_and_does_not_stop_a_build() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    let arguments = [
        "build",
        "app",
        "--jobs=1",
        "--cache-from=type=local,src=nowhere",
    ];
    check_build(
        &scratch,
        &arguments,
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            warning: --cache-from nowhere is not used: nowhere is not an image layout
            #1 [files 1/1] COPY data /one
            #1 DONE [TIME]

            #2 [stage-1 1/1] COPY --from=files /one /two
            #2 DONE [TIME]

            [TABLE]
        "#]],
    );
}

#[test]
fn a_cache_that_cannot_be_written_fails_the_build_unless_that_does_not_matter() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    scratch.write("full/file", "");
    let to = "--cache-to=type=local,dest=full";
    check_build(
        &scratch,
        &["build", "app", "--progress=none", to],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot write the cache to full
              cause: full is not an image layout
        "#]],
    );
    let to = "--cache-to=type=local,dest=full,ignore-error=true";
    check_build(
        &scratch,
        &["build", "app", "--progress=none", to],
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            warning: cannot write the cache to full
            warning: full is not an image layout
        "#]],
    );
}

/// A directory `app` with a shell, and a command that has a cache mount; `None`, said aloud, if there is no shell.
fn app_with_cache_mount(command: &str) -> Option<Scratch> {
    let Some(shell) = find_busybox() else {
        skip("no static busybox: install the package busybox-static");
        return None;
    };
    let scratch = Scratch::new(PROGRAM);
    let dockerfile = format!(
        "FROM scratch\nCOPY --chmod=755 sh /bin/sh\nRUN --mount=type=cache,target=/c {command}\n"
    );
    scratch.write("app/Dockerfile", &dockerfile);
    std::fs::copy(shell, scratch.dir().join("app/sh")).unwrap();
    Some(scratch)
}

#[test]
fn cache_mounts_travel_if_that_is_asked_for() {
    if !namespaces_work() {
        return;
    }
    let (Some(one), Some(two)) = (
        app_with_cache_mount("echo of one >/c/marker"),
        app_with_cache_mount("read x </c/marker; echo the marker is $x"),
    ) else {
        return;
    };
    let cache = one.dir().join("cache").display().to_string();
    let to = format!("type=local,dest={cache},mounts=true");
    one.jettison(&["build", "-q", "app", "--cache-to", &to])
        .succeeded();
    let from = format!("type=local,src={cache}");
    let without = two.jettison(&["build", "app", "--cache-from", &from]);
    assert!(without.stderr.contains("can't open /c/marker"), "{without}");
    let with = two
        .jettison(&[
            "build",
            "app",
            "--no-cache",
            "--cache-from",
            &(from + ",mounts=true"),
        ])
        .succeeded();
    assert!(with.stderr.contains("the marker is of one"), "{with}");
}
