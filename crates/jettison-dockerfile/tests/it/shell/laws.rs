//! What holds for every script: ranges lead to what they name, and nothing makes the reader fail.

use std::fmt::Write;
use std::thread;

use expect_test::{Expect, expect};
use jettison_dockerfile::{
    Heredoc, InstructionKind, RunScript, ShellScript, SimpleCommand, parse, shell_script,
};
use proptest::prelude::*;

use super::REALISTIC;

/// Reads every script of a Dockerfile and checks what must hold for it.
fn check_laws(text: &str) -> Vec<ShellScript> {
    let parse = parse(text);
    let mut scripts = Vec::new();
    for instruction in parse.instructions() {
        let Some(script) = shell_script(text, parse.escape(), instruction) else {
            continue;
        };
        let is_open = |heredoc: &Heredoc| heredoc.end.is_empty();
        if let InstructionKind::Run(run) = &instruction.kind
            && !instruction.heredocs.iter().any(is_open)
        {
            match run.script(&instruction.heredocs) {
                RunScript::Shell(expected) => assert_eq!(script.source, expected),
                RunScript::File { content, .. } => assert_eq!(script.source, content),
                RunScript::Exec(argv) => panic!("a script for {argv:?}"),
            }
        }
        for command in &script.commands {
            check_command(text, &script, command);
        }
        let whole = script.range(0..script.source.len());
        assert!(whole.end <= text.len());
        if let Some(opaque) = &script.opaque {
            assert!(text.get(opaque.range.clone()).is_some(), "{opaque:?}");
            assert!(script.commands.is_empty());
        }
        scripts.push(script);
    }
    scripts
}

fn check_command(text: &str, script: &ShellScript, command: &SimpleCommand) {
    let range = &command.source_range;
    assert_eq!(script.range(range.clone()), command.range);
    let assigned = command
        .assignments
        .iter()
        .map(|assignment| &assignment.value);
    let targets = command.redirects.iter().map(|redirect| &redirect.target);
    for word in command.words.iter().chain(assigned).chain(targets) {
        assert!(range.start <= word.source_range.start && word.source_range.end <= range.end);
        assert_eq!(script.range(word.source_range.clone()), word.range);
        let source = &script.source[word.source_range.clone()];
        // What is between backticks has lost backslashes before it is read.
        if source == word.text {
            assert_eq!(joined(&text[word.range.clone()]), joined(&word.text));
        } else {
            assert!(source.contains('\\'), "{source:?} is not {:?}", word.text);
        }
    }
}

/// A part of a Dockerfile without continued lines, and without tabs: those of a `<<-` are not in the script, those of
/// continued lines are.
fn joined(part: &str) -> String {
    let mut joined = String::new();
    let mut is_first = true;
    for line in part.split('\n') {
        let is_comment = line.trim_start().starts_with('#') || line.trim().is_empty();
        if is_first || !is_comment {
            let line = line.trim_end_matches('\r');
            joined += line
                .trim_end_matches([' ', '\t'])
                .strip_suffix('\\')
                .unwrap_or(line);
        }
        is_first = false;
    }
    joined.replace('\t', "")
}

#[test]
fn ranges_lead_to_the_words_they_name() {
    let scripts = check_laws(REALISTIC);
    assert_eq!(scripts.len(), 43);
    let opaque: Vec<_> = scripts
        .iter()
        .filter_map(|script| script.opaque.as_ref())
        .collect();
    assert_eq!(opaque.len(), 1);
    assert_eq!(opaque[0].reason, "a script for `python3`");
}

#[test]
fn ranges_survive_other_line_endings_and_escapes() {
    let scripts = check_laws(REALISTIC);
    let n_commands = |scripts: &[ShellScript]| -> usize {
        scripts.iter().map(|script| script.commands.len()).sum()
    };
    let bom = format!("\u{feff}{REALISTIC}");
    assert_eq!(n_commands(&check_laws(&bom)), n_commands(&scripts));
    // A heredoc keeps its `\r`, so what ends a heredoc in it is another word, and a keyword is one no more.
    let carriage_returns = REALISTIC.replace('\n', "\r\n");
    assert!(n_commands(&check_laws(&carriage_returns)) > 100);
    let backtick = "# escape=`\nFROM a\nRUN a `\n  && b \\c `\n\n# d\n e\n";
    assert_eq!(n_commands(&check_laws(backtick)), 2);
}

#[test]
fn every_prefix_of_a_script_is_read_or_opaque() {
    let parse = parse(REALISTIC);
    for instruction in parse.instructions() {
        let text = &REALISTIC[instruction.range.clone()];
        for (end, _) in text.char_indices() {
            check_laws(&text[..end]);
            check_laws(&format!("RUN <<'SCRIPT'\n{}\nSCRIPT\n", &text[..end]));
        }
    }
}

/// Reads a script on a stack that is small for a thread; says how many commands it has, or why it is opaque.
fn found(script: &str) -> String {
    let text = format!("RUN <<'END OF SCRIPT'\n{script}\nEND OF SCRIPT\n");
    let reader = thread::Builder::new().stack_size(1 << 20);
    let reader = reader.spawn(move || check_laws(&text)).unwrap();
    let scripts = reader.join().unwrap();
    match &scripts[0].opaque {
        Some(opaque) => opaque.reason.clone(),
        None => format!("{} commands", scripts[0].commands.len()),
    }
}

/// What opens and closes nesting, and what is in the middle.
const TRAPS: [(&str, &str, &str); 27] = [
    ("(", "a", ")"),
    ("( ", "a", " )"),
    ("$(", "a", ")"),
    ("\"$(", "a", ")\""),
    ("{ ", "a", "; }"),
    ("if ", "a", "; then b; fi"),
    ("if a; then ", "b", "; fi"),
    ("while a; do ", "b", "; done"),
    ("for a in b; do ", "c", "; done"),
    ("case a in b) ", "c", ";; esac"),
    ("f() { ", "a", "; }"),
    ("echo ${a:-", "b", "}"),
    ("echo \"${a:-", "b", "}\""),
    ("echo $((1+", "2", "))"),
    ("echo <(", "a", ")"),
    ("a=(", "b", ")"),
    ("! ", "a", ""),
    ("[[ ( ", "a", " ) ]]"),
    ("((", "1", "))"),
    ("`", "a", "`"),
    ("cat <<E $(", "a", ")"),
    ("$((", "", ""),
    ("function f ", "", ""),
    ("a && ", "b", ""),
    ("a | ", "b", ""),
    ("a[", "b", "]=c"),
    ("${a[", "b", "]}"),
];

#[test]
fn deep_nesting_is_opaque() {
    let mut all = String::new();
    for (open, middle, close) in TRAPS {
        let open_only = format!("{}{middle}", open.repeat(20_000));
        let closed = open_only.clone() + &close.repeat(20_000);
        let (closed, open_only) = (found(&closed), found(&open_only));
        writeln!(all, "{open:?}: {closed}; not closed: {open_only}").unwrap();
    }
    expect![[r#"
        "(": 0 commands; not closed: nested too deeply
        "( ": nested too deeply; not closed: nested too deeply
        "$(": nested too deeply; not closed: nested too deeply
        "\"$(": nested too deeply; not closed: nested too deeply
        "{ ": nested too deeply; not closed: nested too deeply
        "if ": nested too deeply; not closed: nested too deeply
        "if a; then ": nested too deeply; not closed: nested too deeply
        "while a; do ": nested too deeply; not closed: nested too deeply
        "for a in b; do ": nested too deeply; not closed: nested too deeply
        "case a in b) ": nested too deeply; not closed: nested too deeply
        "f() { ": nested too deeply; not closed: nested too deeply
        "echo ${a:-": nested too deeply; not closed: nested too deeply
        "echo \"${a:-": nested too deeply; not closed: nested too deeply
        "echo $((1+": nested too deeply; not closed: nested too deeply
        "echo <(": nested too deeply; not closed: nested too deeply
        "a=(": unexpected `(`; not closed: unexpected `(`
        "! ": 1 commands; not closed: 1 commands
        "[[ ( ": what is in `[[` is not an expression; not closed: the script ends too early
        "((": 0 commands; not closed: nested too deeply
        "`": 1 commands; not closed: 1 commands
        "cat <<E $(": nested too deeply; not closed: nested too deeply
        "$((": nested too deeply; not closed: nested too deeply
        "function f ": unexpected `function`; not closed: unexpected `function`
        "a && ": 20001 commands; not closed: 20001 commands
        "a | ": 20001 commands; not closed: 20001 commands
        "a[": a subscript in a subscript is not followed; not closed: a subscript in a subscript is not followed
        "${a[": nested too deeply; not closed: nested too deeply
    "#]].assert_eq(&all);
}

/// Shows what is found in a long script.
#[track_caller]
fn check_long(script: &str, expected: Expect) {
    expected.assert_eq(&found(script));
}

#[test]
fn long_scripts_are_read() {
    check_long(
        &"a b && ".repeat(20_000),
        expect!["the script ends too early"],
    );
    check_long(&"a b\n".repeat(20_000), expect!["20000 commands"]);
    check_long(&"cd a; ".repeat(20_000), expect!["20000 commands"]);
    check_long(&"pushd a; ".repeat(5_000), expect!["5000 commands"]);
    check_long(
        &"cat <<E\n$x\nE\n".repeat(10_000),
        expect!["10000 commands"],
    );
    check_long(&"echo ((a) b) ".repeat(10_000), expect!["unexpected `(`"]);
    check_long(&"$((a) b); ".repeat(10_000), expect!["unexpected `b`"]);
    check_long(&"a".repeat(1_000_000), expect!["1 commands"]);
    check_long(&"1".repeat(1_000_000), expect!["1 commands"]);
    check_long(&"\\\n".repeat(500_000), expect!["0 commands"]);
    check_long(&"'' ".repeat(100_000), expect!["1 commands"]);
}

proptest! {
    #[test]
    fn no_script_makes_the_reader_fail(script in "[a-c \n\t'\"$(){};&|<>`\\\\=\\[\\]#!*?~:+é-]{0,60}") {
        check_laws(&format!("RUN {script}"));
        check_laws(&format!("RUN <<-'END OF SCRIPT'\n{script}\nEND OF SCRIPT\n"));
    }

    #[test]
    fn no_words_make_the_reader_fail(
        words in proptest::collection::vec(prop::sample::select(WORDS), 0..40),
        separator in prop::sample::select(&["", " ", "\n", "\\\n"][..]),
    ) {
        let script = words.join(separator);
        check_laws(&format!("RUN {script}"));
        check_laws(&format!("RUN <<'END OF SCRIPT'\n{script}\nEND OF SCRIPT\n"));
    }
}

/// What scripts are made of.
const WORDS: &[&str] = &[
    "a", "A=b", "if", "then", "else", "elif", "fi", "for", "in", "while", "do", "done", "case",
    "esac", "function", "f()", "{", "}", "(", ")", "((", "))", "[[", "]]", ";", ";;", "&", "&&",
    "|", "||", "\n", "<<E", "\nE\n", "<<-'E'", "<<<", ">", "2>&1", "&>", "$(", "`", "\"", "'",
    "${a", ":-", "}", "$((", "$a", "#", "\\", "!", "time", "cd", "é", "*", "<(", "=(", "=~", "$'",
    "[", "]",
];
