//! The shell inside `RUN`: what is found in a script, and where in the Dockerfile it is.

mod laws;
mod peer;

use std::fmt::Write;

use expect_test::{Expect, expect};
use jettison_dockerfile::{
    Connector, Nesting, Redirect, ShellDirectory, ShellOption, ShellOptions, ShellScript,
    ShellWord, SimpleCommand, parse, shell_script,
};

/// The scripts of all kinds of Dockerfiles.
const REALISTIC: &str = include_str!("shell/realistic.Dockerfile");

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
        expect![[r"
        first [a] <Output b> <2DuplicateOutput 1> <Input c> <2Append 'd e'> <OutputAndError f> <HereString g> <Clobber h> <DuplicateOutput 2> <3InputOutput i> <4DuplicateOutput -> <2OutputAndError j>
    "]],
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

/// What a command runs behind its wrappers, and whether it has the flag `-y` or `--yes`.
#[track_caller]
fn check_tool(command: &str, expected: Expect) {
    let script = script(&format!("RUN {command}"));
    let command = &script.commands[0];
    let words: Vec<&str> = command
        .unwrapped()
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    let flag = if command.has_flag('y', "--yes") {
        " yes"
    } else {
        ""
    };
    expected.assert_eq(&format!("{:?} {words:?}{flag}", command.tool()));
}

#[test]
fn wrappers_are_looked_through() {
    check_tool(
        "/usr/bin/apt-get install",
        expect![[r#"Some("apt-get") ["/usr/bin/apt-get", "install"]"#]],
    );
    check_tool(
        "sudo -E -u root A=b nice -n 10 apt install -y",
        expect![[r#"Some("apt") ["apt", "install", "-y"] yes"#]],
    );
    check_tool(
        "env -i -u B A=b -- C=d time -p make",
        expect![[r#"Some("make") ["make"]"#]],
    );
    check_tool(
        "exec -a x su-exec app java",
        expect![[r#"Some("java") ["java"]"#]],
    );
    check_tool(
        "timeout -s KILL --kill-after=3 5m nohup ionice -c2 nice -5 a",
        expect![[r#"Some("a") ["a"]"#]],
    );
    check_tool(
        "command -v apt",
        expect![[r#"Some("command") ["command", "-v", "apt"]"#]],
    );
    check_tool(
        "env --split-string='a b'",
        expect![[r#"Some("env") ["env", "--split-string='a b'"]"#]],
    );
    check_tool("sudo", expect![[r#"Some("sudo") ["sudo"]"#]]);
    check_tool("$A b", expect![[r#"None ["$A", "b"]"#]]);
}

#[test]
fn flags() {
    check_tool("a -qy", expect![[r#"Some("a") ["a", "-qy"] yes"#]]);
    check_tool("a -y2", expect![[r#"Some("a") ["a", "-y2"] yes"#]]);
    check_tool("a --yes=1", expect![[r#"Some("a") ["a", "--yes=1"] yes"#]]);
    check_tool(
        "a -oA::b=yes --no-yes -- -y --yes y",
        expect![[r#"Some("a") ["a", "-oA::b=yes", "--no-yes", "--", "-y", "--yes", "y"]"#]],
    );
    check_tool("a '-y'", expect![[r#"Some("a") ["a", "'-y'"] yes"#]]);
}

/// The variables that a script uses, cut out of the Dockerfile.
#[track_caller]
fn check_variables(text: &str, expected: Expect) {
    let script = script(text);
    let shown = script.variables.iter().map(|variable| {
        let place = cut(text, variable.range.clone());
        format!("{:?} {} {place:?}\n", variable.access, variable.name)
    });
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn variables() {
    check_variables(
        "RUN A=1; B=$A C=2 d \"${E:-$F}\" `g \\$H` $1 $?",
        expect![[r#"
        Write A "A=1"
        Temporary B "B=$A"
        Read A "$A"
        Temporary C "C=2"
        Read E "${E:-$F}"
        Read F "$F"
        Read H "$H"
        Read 1 "$1"
        Read ? "$?"
    "#]],
    );
    check_variables(
        "RUN export A=$B C; declare -x D; local e=1; read -r f g; unset h -f; unset -f i",
        expect![[r#"
            Export A "A=$B"
            Read B "$B"
            Export C "C"
            Export D "D"
            Write e "e=1"
            Write f "f"
            Write g "g"
        "#]],
    );
    check_variables(
        "RUN for a in $b; do :; done; ${c:=d} $((e + 0x1f + 16#ff)) ${#g} ${!h} ${i[j]}",
        expect![[r#"
            Write a "a"
            Read b "$b"
            Read c "${c:=d}"
            Write c "${c:=d}"
            Read e "e"
            Read g "${#g}"
            Read h "${!h}"
            Read i "${i[j]}"
        "#]],
    );
    check_variables(
        "RUN cat <<A <<'B'\n$c \\$d ${e}\nA\n$f\nB\n",
        expect![[r#"
        Read c "$c"
        Read e "${e}"
    "#]],
    );
}

#[test]
fn compound_commands_have_places_of_their_own() {
    let text = "RUN f() { a; } ; ( b ) >c && for d in e $g; do h; done | case i in j|k*) l;; esac & echo $(m)";
    let script = script(text);
    let shown = script.compounds.iter().map(|compound| {
        let words: Vec<&str> = compound
            .words
            .iter()
            .map(|word| word.text.as_str())
            .collect();
        let separator = compound.separator_after.as_ref();
        format!(
            "{:?} in {:?} {:?} {words:?} {} {:?} {:?}\n",
            compound.kind,
            compound.inside,
            compound.connector,
            compound.redirects.len(),
            separator.map(|separator| cut(text, separator.range.clone())),
            cut(text, compound.range.clone()),
        )
    });
    expect![[r#"
        Function("f") in None First [] 0 Some(";") "f() { a; }"
        Group in Some(0) First [] 0 None "{ a; }"
        Subshell in None Sequence [] 1 Some("&&") "( b ) >c"
        Loop in None And ["e", "$g"] 0 Some("|") "for d in e $g; do h; done"
        Case in None Pipe ["i", "j", "k*"] 0 Some("&") "case i in j|k*) l;; esac"
        CommandSubstitution in None First [] 0 None "$(m)"
    "#]]
    .assert_eq(&shown.collect::<String>());
    let functions: Vec<String> = script
        .functions
        .iter()
        .map(|f| cut(text, f.range.clone()))
        .collect();
    assert_eq!(functions, ["f() { a; }"]);
}

/// Why a script is opaque, and where.
#[track_caller]
fn check_opaque(command: &str, expected: Expect) {
    let text = format!("RUN {command}");
    let opaque = script(&text).opaque.unwrap();
    expected.assert_eq(&format!(
        "{} at {:?}",
        opaque.reason,
        cut(&text, opaque.range)
    ));
}

#[test]
fn what_is_not_certain_is_opaque() {
    check_opaque("echo 'a", expect![[r#"`'` without a closing `'` at "'a""#]]);
    check_opaque(
        "echo \"a $(b\"",
        expect![[r#"`"` without a closing `"` at "\"""#]],
    );
    check_opaque("a &&", expect![[r#"the script ends too early at """#]]);
    check_opaque(
        "if a; then b",
        expect![[r#"the script ends too early at """#]],
    );
    check_opaque("a; fi", expect![[r#"unexpected `fi` at "fi""#]]);
    check_opaque("echo (a)", expect![[r#"unexpected `(` at "(""#]]);
    check_opaque(
        "coproc a",
        expect![[r#"`coproc` is not followed at "coproc""#]],
    );
    check_opaque(
        "echo $[1+1]",
        expect![[r#"`$[` means different things to different shells at "$[""#]],
    );
    check_opaque(
        "echo ${a b}",
        expect![[r#"`${` without a closing `}` at "${a""#]],
    );
    check_opaque(
        "a {b}>c",
        expect![[r#"a redirect to a variable is not followed at "{b}>""#]],
    );
    check_opaque(
        "echo `a",
        expect![[r#"a backtick without a closing one at "`a""#]],
    );
    check_opaque(
        "[[ a b ]]",
        expect![[r#"what is in `[[` is not an expression at "[[ a b ]]""#]],
    );
    check_opaque(
        "x[1 + 2]=3",
        expect![[r#"`[` without a closing `]` at "[""#]],
    );
    check_opaque("echo @(a|b)", expect![[r#"unexpected `(` at "(""#]]);
    check_opaque(
        "<<E\n#!/usr/bin/env -S perl -w\nprint 1\nE\n",
        expect![[r##"a script for `perl` at "#!/usr/bin/env -S perl -w""##]],
    );
    check_opaque(
        "<<E\na &\\\n& b\nE\n",
        expect![[r#"a continued line cuts an operator or a name in two at "\\\n""#]],
    );
    check_opaque(
        "<<E\ncat <<F\nE\n",
        expect![[r#"a heredoc without the line that ends it at "F""#]],
    );
}

#[test]
fn options_of_a_shell() {
    let shell = ["/bin/bash", "-eo", "pipefail", "-c"].map(str::to_owned);
    let options = ShellOptions::of_shell(&shell);
    assert!(options.contains(ShellOption::ErrorExit) && options.contains(ShellOption::PipeFail));
    assert!(!options.contains(ShellOption::NoUnset) && !options.contains(ShellOption::Trace));
    let shell = ["/bin/sh", "-c"].map(str::to_owned);
    assert_eq!(ShellOptions::of_shell(&shell), ShellOptions::default());
}

#[test]
fn instructions_with_a_script() {
    check(
        "CMD a $B",
        expect![[r"
        first [a] {$B B}
    "]],
    );
    check(
        "ENTRYPOINT exec a",
        expect![[r"
        first [exec] [a]
    "]],
    );
    check(
        "HEALTHCHECK --interval=5s CMD \\\n a || \\\n # b\n exit 1",
        expect![[r#"
            first [a] -> "||"
            || [exit] [1]
        "#]],
    );
    check(
        "ONBUILD RUN --network=none \\\n a \\\n # b\n && c",
        expect![[r#"
            first [a] -> "&&"
            && [c]
        "#]],
    );
    check(
        "ONBUILD RUN <<E\na\nE\n",
        expect![[r#"
        first [a] -> "\n"
    "#]],
    );
    check(
        "ONBUILD HEALTHCHECK CMD a",
        expect![[r"
        first [a]
    "]],
    );
    check(
        "# escape=`\nFROM a\nRUN a `\n  `\n && b\\c `\n\n",
        expect![[r#"
            first [a] -> "&&"
            && [bc <- "b\\c"]
        "#]],
    );
}

#[test]
fn instructions_without_a_script() {
    for text in [
        "FROM a",
        "RUN [\"a\"]",
        "CMD []",
        "HEALTHCHECK NONE",
        "ENV A=b",
        "SHELL [\"sh\", \"-c\"]",
        "COPY <<A /b\nc\nA\n",
    ] {
        let parse = parse(text);
        assert_eq!(
            shell_script(text, '\\', &parse.instructions()[0]),
            None,
            "{text}"
        );
    }
}
