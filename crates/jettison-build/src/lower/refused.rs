//! What is refused before anything is lowered.

use expect_test::{Expect, expect};
use jettison_dockerfile::{Platform, parse};

use crate::lower::dump::with_args;
use crate::lower::{Bases, LowerError, LowerRequest, lower};
use crate::plan::FoundBase;

/// No image may be asked for.
struct Nothing;

impl Bases for Nothing {
    fn base(
        &self,
        name: &str,
        _: &Platform,
    ) -> Result<FoundBase, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("there is no {name}").into())
    }
}

/// Shows the errors with the text that each is about.
#[track_caller]
fn check(text: &str, target: Option<&str>, args: &[(&str, &str)], expected: Expect) {
    let request = LowerRequest {
        target: target.map(str::to_string),
        ..with_args(args)
    };
    let error = lower(&parse(text), &request, &Nothing).unwrap_err();
    let places = match error {
        LowerError::Syntax(places) => places,
        LowerError::Instruction(place) => vec![place],
        LowerError::Base { .. }
        | LowerError::NoTarget(_)
        | LowerError::NoContextStage { .. }
        | LowerError::Epoch { .. } => {
            expected.assert_eq(&error.to_string());
            return;
        }
    };
    let lines = places.iter().map(|place| {
        let at = &text[place.range.clone().unwrap()];
        format!("{}:{} [{at}] {}\n", place.line, place.column, place.message)
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    check(
        "FROM scratch\nARG S=foo\nSTOPSIGNAL $S\nCOPY --chmod=9 a b\nRUN --mount=tpye=bind x\nEXPOSE x\nUSER\n",
        None,
        &[],
        expect![[r"
            7:1 [USER] USER requires exactly one argument
            3:12 [$S] invalid signal: foo
            4:14 [9] invalid chmod parameter: '9'. it should be octal string and between 0 and 07777
            5:13 [tpye=bind] unexpected key 'tpye' in 'tpye=bind'
            6:8 [x] invalid containerPort: x
        "]],
    );
}

#[test]
fn build_arguments_and_the_platform_count() {
    let text = "ARG B=Debian\nFROM --platform=linux/$TARGETARCH/$B $B\n";
    check(
        text,
        None,
        &[("B", "a:b:c")],
        expect![[r#"
            2:17 [linux/$TARGETARCH/$B] failed to parse platform linux/$TARGETARCH/$B: "a:b:c" is an invalid component of "linux/amd64/a:b:c": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument
            2:38 [$B] failed to parse stage name "a:b:c": invalid reference format
        "#]],
    );
}

#[test]
fn stages_that_are_not_needed_may_be_wrong() {
    let text = "FROM scratch AS a\nSTOPSIGNAL foo\nFROM nowhere\n";
    check(
        text,
        None,
        &[],
        expect!["line 3: cannot get base image `nowhere`"],
    );
    check(
        text,
        Some("a"),
        &[],
        expect![[r"
            2:12 [foo] invalid signal: foo
        "]],
    );
    check(
        text,
        Some("c"),
        &[],
        expect![[r#"target stage "c" could not be found"#]],
    );
}

#[test]
fn what_an_image_may_set_is_left_for_later() {
    check(
        "FROM nowhere\nEXPOSE $PORT\nUSER ${NAME:?}\n",
        None,
        &[],
        expect!["line 1: cannot get base image `nowhere`"],
    );
}
