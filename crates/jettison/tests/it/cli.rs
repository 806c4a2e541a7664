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
    check_build(&[], expect![[""]]);
}

#[test]
fn a_missing_context_is_the_users_mistake() {
    Scratch::new(PROGRAM).check(&["build", "nowhere"], expect![[""]]);
}

#[test]
fn an_option_that_does_not_exist_is_named() {
    Scratch::new(PROGRAM).check(&["build", "--sqash"], expect![[""]]);
}

#[test]
fn without_a_command_the_commands_are_listed() {
    Scratch::new(PROGRAM).check(&[], expect![[""]]);
}

#[test]
fn a_misspelt_instruction_is_shown_with_its_place_and_the_nearest_one() {
    check_build(
        &[("app/Dockerfile", "FROM scratch\n\n  COPPY notes /\n")],
        expect![[""]],
    );
}

#[test]
fn an_instruction_that_is_not_supported_is_refused_by_name() {
    check_build(
        &[("app/Dockerfile", "FROM scratch\nADD notes /\n")],
        expect![[""]],
    );
}

#[test]
fn a_dockerfile_without_from_is_refused() {
    check_build(&[("app/Dockerfile", "RUN true\n")], expect![[""]]);
}

#[test]
fn an_unknown_target_is_the_users_mistake() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch AS one\n");
    scratch.check(&["build", "app", "--target", "two"], expect![[""]]);
}

#[test]
fn a_base_that_nobody_knows_is_answered_with_how_to_name_it() {
    check_build(&[("app/Dockerfile", "FROM ubuntu:latest\n")], expect![[""]]);
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
        expect![[""]],
    );
}

#[test]
fn a_misspelt_setting_is_shown_with_its_line() {
    check_build(
        &[
            ("app/Dockerfile", "FROM scratch\n"),
            ("app/jettison.toml", "# Ours.\n\n[basis]\n"),
        ],
        expect![[""]],
    );
}

#[test]
fn settings_that_are_no_toml_are_shown_with_their_line() {
    check_build(
        &[
            ("app/Dockerfile", "FROM scratch\n"),
            ("app/jettison.toml", "[bases]\n\"a\" = \n"),
        ],
        expect![[""]],
    );
}

#[test]
fn an_output_that_is_not_understood_is_answered_with_those_that_are() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    scratch.check(&["build", "app", "-o", "type=docker,dest=x"], expect![[""]]);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    scratch.check(&["build", "app", "-t", "No Name"], expect![[""]]);
}

#[test]
fn an_epoch_that_is_no_number_is_refused() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    let mut command = scratch.command(&["build", "app"]);
    command.env("SOURCE_DATE_EPOCH", "yesterday");
    expect![[""]].assert_eq(&scratch.outcome(&mut command).to_string());
}

#[test]
fn a_probe_with_an_open_quote_is_refused() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\n");
    scratch.check(&["optimize", "app", "--probe", "say 'this"], expect![[""]]);
}

#[test]
fn there_are_no_images_at_first() {
    Scratch::new(PROGRAM).check(&["images"], expect![[""]]);
    Scratch::new(PROGRAM).check(&["images", "--format", "json"], expect![[""]]);
}

#[test]
fn without_a_home_there_is_no_place_for_images() {
    let scratch = Scratch::new(PROGRAM);
    let mut command = scratch.command(&["images"]);
    command.env_remove("HOME").env_remove("JETTISON_ROOT");
    expect![[""]].assert_eq(&scratch.outcome(&mut command).to_string());
}
