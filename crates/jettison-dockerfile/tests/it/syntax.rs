//! Directives, comments, continuation lines, flags, positions, and what is said about mistakes.

use expect_test::{Expect, expect};
use jettison_dockerfile::{
    Edit, EditSet, Instruction, InstructionKind, Severity, apply, line_column, parse,
};

/// Shows what is wrong with a text, one diagnostic a line.
pub(crate) fn diagnostics(text: &str) -> String {
    let parse = parse(text);
    let mut shown = Vec::new();
    for diagnostic in parse.diagnostics() {
        let (line, column) = line_column(text, diagnostic.range.start);
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = &text[diagnostic.range.clone()];
        shown.push(format!(
            "{line}:{column} {severity}: {} [{place}]\n",
            diagnostic.message
        ));
        shown.extend(
            diagnostic
                .hints
                .iter()
                .map(|hint| format!("  hint: {hint}\n")),
        );
    }
    shown.concat()
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(text));
}

/// Shows the arguments of each instruction, joined.
#[track_caller]
fn check_originals(text: &str, expected: &[&str]) {
    let parse = parse(text);
    let originals: Vec<&str> = parse
        .instructions()
        .iter()
        .map(Instruction::original)
        .collect();
    assert_eq!(originals, expected);
}

#[test]
fn a_good_file_has_no_diagnostics() {
    check(
        "# syntax=docker/dockerfile:1\nARG V=13\nFROM debian:$V AS build\nCOPY --link . /src\n\
         RUN --mount=type=cache,target=/root/.cache make\nCMD [\"/app\"]\n",
        expect![""],
    );
}

#[test]
fn every_mistake_is_found_in_one_run() {
    check(
        "FORM a\nFROM b AS 1x\nFROM a b\nCOPY one\nENV A\nEXPOSE\nSHELL bash\nUSER\nRUN x\n",
        expect![[r#"
            1:1 error: unknown instruction: FORM [FORM]
              hint: did you mean `FROM`?
            2:11 error: invalid name for build stage: "1x", name can't start with a number or contain symbols [1x]
            3:1 error: FROM requires either one or three arguments [FROM]
            4:1 error: COPY requires at least two arguments, but only one was provided. Destination could not be determined [COPY]
            5:5 error: ENV must have two arguments [A]
            6:1 error: EXPOSE requires at least one argument [EXPOSE]
            7:1 error: SHELL requires the arguments to be in JSON form [SHELL]
              hint: for example `SHELL ["/bin/bash", "-c"]`
            8:1 error: USER requires exactly one argument [USER]
        "#]],
    );
}

#[test]
fn flags_are_checked_against_the_instruction() {
    check(
        "FROM a\nCOPY --chwon=1 a b\nCOPY --link=maybe a b\nCOPY --from a b\nCOPY --from=a --from=b a b\n\
         ADD --parents a b\nRUN --network=hots x\nRUN --security=root x\nCMD --x a\nCOPY --link= a b\n",
        expect![[r#"
            2:6 error: unknown flag: --chwon [--chwon=1]
              hint: did you mean `chown`?
            3:6 error: expecting boolean value for flag --link, not: maybe [--link=maybe]
            4:6 error: missing a value on flag: --from [--from]
            5:15 error: duplicate flag specified: --from [--from=b]
            6:5 error: unknown flag: --parents [--parents]
            7:15 error: invalid network mode "hots" [hots]
              hint: did you mean `host`?
            8:16 error: security "root" is not valid [root]
            9:5 error: unknown flag: --x [--x]
            10:6 error: missing a value on flag: --link [--link=]
        "#]],
    );
}

#[test]
fn mounts_are_checked_as_far_as_they_are_known() {
    check(
        "FROM a\nRUN --mount=type=bnid,target=/a x\nRUN --mount=typ=bind x\nRUN --mount=target x\n\
         RUN --mount=from=$A,target=/a x\nRUN --mount=type=$T,target=$X,ro x\n",
        expect![[r"
            5:13 error: 'from' doesn't support variable expansion, define alias stage instead [from=$A,target=/a]
        "]],
    );
}

#[test]
fn directives_stand_at_the_top_only() {
    let text = "#syntax = x/y \n# Escape=`\n\n# check=skip=all\nFROM a\n";
    let parsed = parse(text);
    let directives: Vec<_> = parsed
        .directives()
        .iter()
        .map(|d| (d.name.as_str(), d.value.as_str()))
        .collect();
    assert_eq!(directives, [("syntax", "x/y"), ("escape", "`")]);
    assert_eq!(parsed.escape(), '`');
    assert_eq!(parse("# hello\n# escape=`\nFROM a\n").escape(), '\\');
    check(
        "# escape=x\n# escape=`\nFROM a\n",
        expect![[r"
            1:1 error: invalid escape token 'x' does not match ` or \ [# escape=x]
            1:1 error: only one escape parser directive can be used [# escape=x]
        "]],
    );
}

#[test]
fn a_backtick_continues_lines_when_the_directive_says_so() {
    check_originals(
        "# escape=`\nFROM a`\n  b\\\nRUN c:\\d\\\n",
        &["a  b\\", "c:\\d\\"],
    );
}

#[test]
fn comments_and_blanks_inside_a_continued_line_are_dropped() {
    let text = "FROM a\nRUN a && \\\n  # why\n\n  b \\  \r\n# end\n  c\n";
    check_originals(text, &["a", "a &&   b   c"]);
    check(
        text,
        expect![[r"
            4:1 warning: Empty continuation line found in: RUN a &&   b   c [
            ]
              hint: empty continuation lines will become errors in a future release
        "]],
    );
}

#[test]
fn two_escapes_at_the_end_do_not_continue() {
    check_originals("ENV A a\\\\\nENV B b\\\n\\\nc\n", &["A a\\\\", "B bc"]);
}

#[test]
fn byte_order_mark_and_crlf_change_nothing() {
    let plain = parse("FROM a\nRUN x \\\n  y\n");
    let odd = parse("\u{feff}FROM a\r\nRUN x \\\r\n  y\r\n");
    assert_eq!(plain.dump(), odd.dump());
    assert_eq!(odd.diagnostics(), []);
    let lines = |parse: &jettison_dockerfile::Parse| -> Vec<(usize, usize)> {
        parse
            .instructions()
            .iter()
            .map(|i| (i.line, i.last_line))
            .collect()
    };
    assert_eq!(lines(&odd), lines(&plain));
    assert_eq!(lines(&odd), [(1, 1), (2, 3)]);
}

#[test]
fn a_line_may_be_64_kib_long() {
    let fits = format!("FROM a\nRUN {}\n", "x".repeat(65_535 - 4));
    assert!(!parse(&fits).has_errors());
    let too_long = fits.replace("RUN x", "RUN xx");
    let messages: Vec<_> = parse(&too_long)
        .diagnostics()
        .iter()
        .map(|d| d.message.clone())
        .collect();
    assert_eq!(
        messages,
        ["dockerfile line greater than max allowed size of 65535"]
    );
}

#[test]
fn texts_without_instructions_are_errors() {
    for text in ["", "\n\n", "# comment", "\u{feff}"] {
        let messages: Vec<_> = parse(text)
            .diagnostics()
            .iter()
            .map(|d| d.message.clone())
            .collect();
        assert_eq!(messages, ["file with no instructions"], "{text:?}");
    }
}

#[test]
fn ranges_point_at_what_they_name() {
    let text = "# what\n  RUN --mount=\"type=cache,target=/a b\" \\\n  --network=none \\\n  echo \\\n  hi  \nFROM x\n";
    let parse = parse(text);
    let run = &parse.instructions()[0];
    assert_eq!(&text[run.keyword_range.clone()], "RUN");
    assert_eq!(*run.comments, ["what"]);
    assert_eq!(&text[run.arguments.clone()], "echo \\\n  hi");
    assert_eq!(run.original(), "echo   hi");
    assert!(text[run.range.clone()].starts_with("RUN --mount"));
    assert!(text[run.range.clone()].ends_with("hi  "));
    assert_eq!((run.line, run.last_line), (2, 5));
    let [mount, network] = run.flags.as_slice() else {
        panic!("two flags")
    };
    assert_eq!(mount.name, "mount");
    assert_eq!(mount.value.as_deref(), Some("type=cache,target=/a b"));
    assert_eq!(
        &text[mount.range.clone()],
        "--mount=\"type=cache,target=/a b\""
    );
    assert_eq!(&text[network.value_range.clone().unwrap()], "none");
}

#[test]
fn keys_and_values_can_be_edited_where_they_stand() {
    let text = "ENV A=1 \\\n    B=\"two words\" # C\n";
    let parse = parse("ENV A=1 \\\n    B=\"two words\"\n");
    let InstructionKind::Env(pairs) = &parse.instructions()[0].kind else {
        panic!("ENV")
    };
    let mut edits = EditSet::new();
    for pair in pairs {
        let replacement = pair.key.to_lowercase();
        edits
            .insert(Edit {
                range: pair.key_range.clone(),
                replacement,
            })
            .unwrap();
        edits
            .insert(Edit {
                range: pair.value_range.clone(),
                replacement: "x".into(),
            })
            .unwrap();
    }
    assert_eq!(apply(text, &edits).unwrap(), "ENV a=x \\\n    b=x # C\n");
}
