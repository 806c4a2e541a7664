//! The shell inside `RUN`: what is found in a script, and where in the Dockerfile it is.

use std::fmt::Write;

use expect_test::{Expect, expect};
use jettison_dockerfile::{
    Connector, Nesting, Redirect, ShellDirectory, ShellOption, ShellScript, ShellWord,
    SimpleCommand, parse, shell_script,
};

/// The script of the only instruction with one.
fn script(text: &str) -> ShellScript {
    let parse = parse(text);
    let mut scripts = parse
        .instructions()
        .iter()
        .filter_map(|instruction| shell_script(text, parse.escape(), instruction));
    let script = scripts.next().unwrap();
    assert_eq!(scripts.next(), None);
    script
}

/// The one place that shows what the reader finds: a line for each command, cut out of the Dockerfile.
#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&shown(text, &script(text)));
}

fn shown(text: &str, script: &ShellScript) -> String {
    let mut shown = String::new();
    for command in &script.commands {
        writeln!(shown, "{}", shown_command(text, command)).unwrap();
    }
    for comment in &script.comments {
        writeln!(shown, "comment {}", cut(text, comment.clone())).unwrap();
    }
    if let Some(opaque) = &script.opaque {
        let at = cut(text, opaque.range.clone());
        writeln!(shown, "opaque at {at:?}: {}", opaque.reason).unwrap();
    }
    shown
}

/// `nesting: connector [assignments] | words | redirects | separator`, without the parts that are not there.
fn shown_command(text: &str, command: &SimpleCommand) -> String {
    let mut parts = Vec::new();
    let connector = match command.connector {
        Connector::First => "first",
        Connector::And => "&&",
        Connector::Or => "||",
        Connector::Sequence => ";",
        Connector::Pipe => "|",
        Connector::Background => "&",
    };
    let nesting: Vec<String> = command.nesting.iter().map(shown_nesting).collect();
    parts.push(format!("{}{connector}", nesting.concat()));
    if command.negated {
        parts.push("!".to_owned());
    }
    for assignment in &command.assignments {
        let value = shown_word(text, &assignment.value);
        parts.push(format!("({}={value})", assignment.name));
    }
    parts.extend(command.words.iter().map(|word| shown_word(text, word)));
    for redirect in &command.redirects {
        parts.push(shown_redirect(text, redirect));
    }
    if let Some(separator) = &command.separator_after {
        parts.push(format!("-> {:?}", cut(text, separator.range.clone())));
    }
    match &command.directory {
        ShellDirectory::Initial => {}
        ShellDirectory::At(path) => parts.push(format!("in {path}")),
        ShellDirectory::Unknown => parts.push("in ?".to_owned()),
    }
    let options = [
        (ShellOption::ErrorExit, "errexit"),
        (ShellOption::NoUnset, "nounset"),
        (ShellOption::Trace, "xtrace"),
        (ShellOption::PipeFail, "pipefail"),
    ];
    for (option, name) in options {
        if command.options.contains(option) {
            parts.push(format!("+{name}"));
        }
    }
    parts.join(" ")
}

fn shown_nesting(nesting: &Nesting) -> String {
    match nesting {
        Nesting::Subshell => "(".into(),
        Nesting::Group => "{".into(),
        Nesting::If => "if ".into(),
        Nesting::Loop => "loop ".into(),
        Nesting::Case => "case ".into(),
        Nesting::Function(name) => format!("{name}() "),
        Nesting::Condition => "? ".into(),
        Nesting::CommandSubstitution => "$(".into(),
        Nesting::ProcessSubstitution => "<(".into(),
        Nesting::Arithmetic => "((".into(),
    }
}

/// A word: its literal value, or as it is written in the Dockerfile.
fn shown_word(text: &str, word: &ShellWord) -> String {
    let written = cut(text, word.range.clone());
    let glob = if word.has_glob { "*" } else { "" };
    match &word.literal {
        Some(literal) if *literal == written => format!("{glob}[{literal}]"),
        Some(literal) => format!("{glob}[{literal} <- {written:?}]"),
        None => format!("{glob}{{{written} {}}}", word.variables.join(",")),
    }
}

fn shown_redirect(text: &str, redirect: &Redirect) -> String {
    let fd = redirect
        .file_descriptor
        .map_or(String::new(), |fd| fd.to_string());
    let mut shown = format!("{fd}{:?} {}", redirect.kind, redirect.target.text);
    if let Some(body) = &redirect.body {
        let expand = if body.expand { "expanded " } else { "" };
        write!(shown, " {expand}{:?}", cut(text, body.range.clone())).unwrap();
    }
    format!("<{shown}>")
}

/// A part of the Dockerfile, visibly on one line.
fn cut(text: &str, range: std::ops::Range<usize>) -> String {
    text[range].to_owned()
}

#[test]
fn installing_packages() {
    check(
        "FROM debian\nRUN apt-get update && \\\n    # why\n\n    apt-get install -qy --no-install-recommends \\\n      git \\\n      golang=1.21 && rm -rf /var/lib/apt/lists/* ; true\n",
        expect![[r#"
            first [apt-get] [update] -> "&&"
            && [apt-get] [install] [-qy] [--no-install-recommends] [git] [golang=1.21] -> "&&"
            && [rm] [-rf] *[/var/lib/apt/lists/*] -> ";"
            ; [true]
        "#]],
    );
}

#[test]
fn words() {
    check(
        r#"RUN A=1 B="x y" echo 'it''s' "a$B" \$c "\$d\e" ${E:-"$F"} $(g `h \`i\``) ~/x {a,b} [ab] "*" $((j+$k)) $'\n' x=1 #end"#,
        expect![[r#"
            first (A=[1]) (B=[x y <- "\"x y\""]) [echo] [its <- "'it''s'"] {"a$B" B} [$c <- "\\$c"] [$d\e <- "\"\\$d\\e\""] {${E:-"$F"} E,F} {$(g `h \`i\``) } [~/x] *[{a,b}] *[[ab]] [* <- "\"*\""] {$((j+$k)) j,k} {$'\n' } [x=1]
            $(first [g] {`h \`i\`` }
            $($(first [h] {`i\` }
            $($($(first [i]
            comment #end
        "#]],
    );
}

#[test]
fn redirects() {
    check(
        "RUN a >b 2>&1 <c 2>>'d e' &>f <<<g >|h >&2 3<>i 4>&- 2>& j",
        expect![[r#"
        first [a] <Output b> <2DuplicateOutput 1> <Input c> <2Append 'd e'> <OutputAndError f> <HereString g> <Clobber h> <DuplicateOutput 2> <3InputOutput i> <4DuplicateOutput -> <2OutputAndError j>
    "#]],
    );
}

#[test]
fn compound_commands() {
    check(
        "RUN if [ -n \"$A\" ]; then b; elif c; then d; else e; fi && for x in 1 $Y; do echo \"$x\"; done; while read l; do :; done </f | sort; case $z in a|b) c ;; *) d; esac; f() { g; }; ( cd /h && i ) & { j; k; } >l; until m; do n; done || ! o",
        expect![[r#"
            if ? first [[] [-n] {"$A" A} []] -> ";"
            if first [b] -> ";"
            if ? first [c] -> ";"
            if first [d] -> ";"
            if first [e] -> ";"
            loop first [echo] {"$x" x} -> ";"
            loop ? first [read] [l] -> ";"
            loop first [:] -> ";"
            | [sort] -> ";"
            case first [c]
            case first [d] -> ";"
            f() {first [g] -> ";" in ?
            (first [cd] [/h] -> "&&"
            (&& [i] in /h
            {first [j] -> ";"
            {; [k] -> ";"
            loop ? first [m] -> ";"
            loop first [n] -> ";"
            || ! [o]
        "#]],
    );
}

#[test]
fn heredocs() {
    check(
        "RUN <<-EOF cat >x && y\n\ta $b $(c)\n\tEOF\n",
        expect![[r#"
            first [cat] <HeredocWithoutTabs EOF expanded "\ta $b $(c)\n"> <Output x> -> "&&"
            && [y] -> "\n"
            $(first [c]
        "#]],
    );
    check(
        "RUN cat <<'A' | python3 - <<B && c\na $x\nA\nb $y\nB\n",
        expect![[r#"
        first [cat] <Heredoc 'A' "a $x\n"> -> "|"
        | [python3] [-] <Heredoc B expanded "b $y\n"> -> "&&"
        && [c] -> "\n"
    "#]],
    );
    check(
        "RUN <<-EOF\n\tset -e\n\techo a \\\n\t\tb\n\tcat <<X\n\t  $y\n\tX\n\tend\nEOF\n",
        expect![[r#"
        first [set] [-e] -> "\n"
        ; [echo] [a] [b] -> "\n" +errexit
        ; [cat] <Heredoc X expanded "  $y\n"> -> "\n" +errexit
        ; [end] -> "\n" +errexit
    "#]],
    );
}

#[test]
fn directories_and_options() {
    check(
        "RUN set -eux; cd a && b && cd ../c/d; e; (cd f; g); h; cd /i || exit; j; pushd k; l; popd; m; cd $n; o; cd -; p; set +x -o pipefail; q | r",
        expect![[r#"
            first [set] [-eux] -> ";"
            ; [cd] [a] -> "&&" +errexit +nounset +xtrace
            && [b] -> "&&" in a +errexit +nounset +xtrace
            && [cd] [../c/d] -> ";" in a +errexit +nounset +xtrace
            ; [e] -> ";" in c/d +errexit +nounset +xtrace
            (first [cd] [f] -> ";" in c/d +errexit +nounset +xtrace
            (; [g] in c/d/f +errexit +nounset +xtrace
            ; [h] -> ";" in c/d +errexit +nounset +xtrace
            ; [cd] [/i] -> "||" in c/d +errexit +nounset +xtrace
            || [exit] -> ";" in c/d +errexit +nounset +xtrace
            ; [j] -> ";" in /i +errexit +nounset +xtrace
            ; [pushd] [k] -> ";" in /i +errexit +nounset +xtrace
            ; [l] -> ";" in /i/k +errexit +nounset +xtrace
            ; [popd] -> ";" in /i/k +errexit +nounset +xtrace
            ; [m] -> ";" in /i +errexit +nounset +xtrace
            ; [cd] {$n n} -> ";" in /i +errexit +nounset +xtrace
            ; [o] -> ";" in ? +errexit +nounset +xtrace
            ; [cd] [-] -> ";" in ? +errexit +nounset +xtrace
            ; [p] -> ";" in /i +errexit +nounset +xtrace
            ; [set] [+x] [-o] [pipefail] -> ";" in /i +errexit +nounset +xtrace
            ; [q] -> "|" in /i +errexit +nounset +pipefail
            | [r] in /i +errexit +nounset +pipefail
        "#]],
    );
}
