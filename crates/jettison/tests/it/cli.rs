//! What the program says to mistakes. Nothing here needs user namespaces or a network.

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;

use crate::PROGRAM;

/// Builds a directory with these files, given as path and text.
#[track_caller]
fn check_build(files: &[(&str, &str)], expected: Expect) {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/notes", "");
    for (path, text) in files {
        scratch.write(path, text);
    }
    scratch.check(&["build", "app"], expected);
}

#[test]
fn a_missing_dockerfile_is_the_users_mistake() {
    check_build(
        &[],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot read app/Dockerfile
          cause: No such file or directory (os error 2)
    "#]],
    );
}

#[test]
fn a_missing_context_is_the_users_mistake() {
    Scratch::new(PROGRAM).check(
        &["build", "nowhere"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: unable to prepare context: path "nowhere" not found
        "#]],
    );
}

#[test]
fn an_option_that_does_not_exist_is_named() {
    Scratch::new(PROGRAM).check(
        &["build", "--sqash"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: unexpected argument '--sqash' found

              tip: a similar argument exists: '--squash'

            Usage: jettison build --squash[=<BOOL>] [PATH | URL | -]

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn without_a_command_the_commands_are_listed() {
    Scratch::new(PROGRAM).check(
        &[],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: 'jettison' requires a subcommand but one was not provided
              [subcommands: build, optimize, why, verify, base, images, inspect, history, tag, rmi, save, load, run, debug, test, check, explain, du, prune, pull, push, copy, login, logout, doctor, help]

            Usage: jettison [OPTIONS] <COMMAND>

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn a_misspelt_instruction_is_shown_with_its_place_and_the_nearest_one() {
    check_build(
        &[("app/Dockerfile", "FROM scratch\n\n  COPPY notes /\n")],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: unknown instruction: COPPY
             --> app/Dockerfile:3:3
              |
            3 |   COPPY notes /
              |   ^^^^^
              |
              = help: did you mean `COPY`?
        "#]],
    );
}

#[test]
fn a_dockerfile_without_from_is_refused() {
    check_build(
        &[("app/Dockerfile", "RUN true\n")],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: no build stage in current context
             --> app/Dockerfile:1:1
              |
            1 | RUN true
              | ^^^
              |
              = help: start the Dockerfile with FROM; only ARG may come before it

            error: dockerfile contains no stages to build
             --> app/Dockerfile:1:1
              |
            1 | RUN true
              | ^^^^^^^^
        "#]],
    );
}

#[test]
fn an_unknown_target_is_the_users_mistake() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch AS one\n");
    scratch.check(
        &["build", "app", "--target", "two"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: app/Dockerfile: target stage "two" could not be found
        "#]],
    );
}

#[test]
fn a_base_that_nobody_has_is_answered_with_what_was_tried() {
    check_build(
        &[("app/Dockerfile", "FROM localhost:1/app\n")],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot get base image `localhost:1/app`
         --> app/Dockerfile:1:1
          |
        1 | FROM localhost:1/app
          | ^^^^^^^^^^^^^^^^^^^^
          |
          = cause: localhost:1/app:latest is not in the store, and cannot be pulled: cannot reach localhost:1 after 3 attempts: io: Connection refused (os error 111)
    "#]],
    );
}

#[test]
fn a_base_address_that_is_not_supported_is_refused() {
    check_build(
        &[
            ("app/Dockerfile", "FROM ubuntu:latest\n"),
            (
                "app/jettison.toml",
                "[bases]\n\"ubuntu:latest\" = \"rpm://leap\"\n",
            ),
        ],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot get base image `ubuntu:latest`
             --> app/Dockerfile:1:1
              |
            1 | FROM ubuntu:latest
              | ^^^^^^^^^^^^^^^^^^
              |
              = cause: `rpm://leap` in [bases] is not an address that is supported: take debian://SUITE, distroless://NAME, docker-image://NAME or oci-layout://DIR
        "#]],
    );
}

#[test]
fn a_misspelt_setting_is_shown_with_its_line() {
    check_build(
        &[
            ("app/Dockerfile", "FROM scratch\n"),
            ("app/jettison.toml", "# Ours.\n\n[basis]\n"),
        ],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: app/jettison.toml:3: unknown field `basis`, expected one of `bases`, `debian`, `build`, `check`, `probe`, `probes`, `registries`
        "#]],
    );
}

#[test]
fn settings_that_are_no_toml_are_shown_with_their_line() {
    check_build(
        &[
            ("app/Dockerfile", "FROM scratch\n"),
            ("app/jettison.toml", "[bases]\n\"a\" = \n"),
        ],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: app/jettison.toml:2: string values must be quoted, expected literal string
        "#]],
    );
}

#[test]
fn an_output_that_is_not_understood_is_answered_with_those_that_are() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    scratch.check(
        &["build", "app", "-o", "type=docker,dest=x"],
        expect![[r#"
        exit: 0
        --- stdout ---
        [ID]
    "#]],
    );
}

#[test]
fn a_name_that_is_none_is_refused() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    scratch.check(
        &["build", "app", "-t", "No Name"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: `No Name` is not the name of an image
          cause: `library/No Name` in `No Name` is not a repository name (lower-case words)
    "#]],
    );
}

#[test]
fn an_epoch_that_is_no_number_is_refused() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    let mut command = scratch.command(&["build", "app"]);
    command.env("SOURCE_DATE_EPOCH", "yesterday");
    expect![[r#"
        exit: 2
        --- stderr ---
        error: SOURCE_DATE_EPOCH is `yesterday`, which is not a number of seconds
    "#]]
    .assert_eq(&scratch.outcome(&mut command).to_string());
}

#[test]
fn a_probe_with_an_open_quote_is_refused() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    scratch.check(
        &["optimize", "app", "--probe", "say 'this"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot understand the quotes of probe `say 'this`
    "#]],
    );
}

#[test]
fn there_are_no_images_at_first() {
    Scratch::new(PROGRAM).check(
        &["images"],
        expect![[r#"
        exit: 0
        --- stdout ---
        REPOSITORY   TAG   IMAGE ID   CREATED   UNPACKED   STORED
    "#]],
    );
    Scratch::new(PROGRAM).check(
        &["images", "--format", "json"],
        expect![[r#"
        exit: 0
    "#]],
    );
}

#[test]
fn without_a_home_there_is_no_place_for_images() {
    let scratch = Scratch::new(PROGRAM);
    let mut command = scratch.command(&["images"]);
    command.env_remove("HOME").env_remove("JETTISON_ROOT");
    expect![[r#"
        exit: 2
        --- stderr ---
        error: there is no place for images
        hint: set HOME, or give --root DIR
    "#]]
    .assert_eq(&scratch.outcome(&mut command).to_string());
}
