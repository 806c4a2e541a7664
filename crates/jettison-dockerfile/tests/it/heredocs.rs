//! Here-documents.

use jettison_dockerfile::{CopySource, InstructionKind, Parse, RunScript, parse};

use crate::syntax::diagnostics;

#[track_caller]
fn script(text: &str) -> RunScript {
    let parse = parse(text);
    assert_eq!(parse.diagnostics(), []);
    assert_eq!(parse.instructions().len(), 1, "{text}");
    let instruction = &parse.instructions()[0];
    let InstructionKind::Run(run) = &instruction.kind else {
        panic!("RUN")
    };
    run.script(&instruction.heredocs)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(script(text), RunScript::Shell(expected.to_owned()));
}

fn contents(parse: &Parse) -> Vec<(&str, &str)> {
    let heredocs = parse
        .instructions()
        .iter()
        .flat_map(|instruction| &instruction.heredocs);
    heredocs
        .map(|heredoc| (heredoc.name.as_str(), &*heredoc.content))
        .collect()
}

#[test]
fn a_lone_heredoc_is_the_script() {
    check("RUN <<EOF\na\n  b \\\nEOF\n", "a\n  b \\\n");
    check("RUN <<-EOF\n\ta\n\t\tb\n\tEOF\n", "a\nb\n");
    check("RUN << EOF\na\nEOF\n", "a\n");
    check("RUN <<'E F'\n$a\nE F", "$a\n");
    check("RUN <<EOF\nEOF\n", "");
}

#[test]
fn a_script_with_a_shebang_is_a_file() {
    let file = |content: &str| RunScript::File {
        name: "EOF".into(),
        content: content.into(),
    };
    assert_eq!(
        script("RUN <<EOF\n#!/bin/a\nx\nEOF\n"),
        file("#!/bin/a\nx\n")
    );
    assert_eq!(
        script("RUN <<-EOF\n\t#!/bin/a\n\tx\n\tEOF\n"),
        file("#!/bin/a\nx\n")
    );
}

#[test]
fn other_commands_go_to_the_shell_with_their_heredocs() {
    check(
        "RUN cat <<A <<-B >x\na\nA\n\tb\n\tB\n",
        "cat <<A <<-B >x\na\nA\n\tb\nB",
    );
    check("RUN 3<<A cat <&3\na\nA\n", "3<<A cat <&3\na\nA");
    check("RUN x", "x");
    assert_eq!(
        script("RUN [\"a\", \"<<EOF\"]"),
        RunScript::Exec(vec!["a".into(), "<<EOF".into()])
    );
}

#[test]
fn copy_makes_a_file_of_a_heredoc() {
    let parse = parse("COPY <<-A x <<\"B\" /d/\n\ta\nA\n\tb $c\nB\nRUN y\n");
    assert_eq!(parse.diagnostics(), []);
    assert_eq!(parse.instructions().len(), 2);
    let InstructionKind::Copy(copy) = &parse.instructions()[0].kind else {
        panic!("COPY")
    };
    let [
        CopySource::Heredoc(a),
        CopySource::Path(x),
        CopySource::Heredoc(b),
    ] = copy.sources.as_slice()
    else {
        panic!("{:?}", copy.sources)
    };
    assert_eq!(
        (a.name.as_str(), a.text().as_str(), a.expand),
        ("A", "a\n", true)
    );
    assert_eq!(
        (b.name.as_str(), b.text().as_str(), b.expand),
        ("B", "\tb $c\n", false)
    );
    assert_eq!(x, "x");
    assert_eq!(copy.destination, "/d/");
}

#[test]
fn onbuild_carries_the_heredoc_of_its_trigger() {
    let parse = parse("ONBUILD RUN <<E cat\nx\nE\nRUN y");
    assert_eq!(contents(&parse), [("E", "x\n")]);
    let InstructionKind::Onbuild(onbuild) = &parse.instructions()[0].kind else {
        panic!("ONBUILD")
    };
    assert_eq!(onbuild.expression, "RUN <<E cat\nx\nE");
    assert_eq!(parse.instructions()[0].last_line, 3);
}

#[test]
fn line_endings_and_ranges_of_a_body_are_kept() {
    let text = "RUN <<E \\\r\n  cat\r\na\r\nE\r\nCMD x";
    let parse = parse(text);
    assert_eq!(contents(&parse), [("E", "a\r\n")]);
    let run = &parse.instructions()[0];
    assert_eq!(&text[run.heredocs[0].body.clone()], "a\r\n");
    assert_eq!(&text[run.heredocs[0].end.clone()], "E");
    assert_eq!(&text[run.range.clone()], "RUN <<E \\\r\n  cat\r\na\r\nE");
    assert_eq!((run.line, run.last_line), (1, 4));
}

#[test]
fn instructions_without_heredocs_take_arrows_as_text() {
    let parse = parse("ENV A=<<EOF\nCMD <<EOF\nCOPY [\"<<EOF\", \"/\"]\n");
    assert_eq!(contents(&parse), []);
    assert_eq!(parse.instructions().len(), 3);
}

#[test]
fn an_open_heredoc_is_an_error_and_takes_the_rest() {
    assert_eq!(
        diagnostics("FROM a\nRUN <<EOF <<B\nx\n"),
        "2:1 error: unterminated heredoc [RUN <<EOF <<B]\n  hint: end it with a line that is just `EOF`\n"
    );
}
