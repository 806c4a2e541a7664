//! What a script uses of Bash that `dash` does not have.

use crate::shell::{
    ExpansionKind, Nesting, RedirectKind, ShellScript, ShellWord, SimpleCommand, VariableAccess,
};
use crate::text::TextRange;

/// Something of Bash, with its place, and what `dash` makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bashism {
    /// What is written, as short as it can be named.
    pub(super) name: String,
    /// What comes of it.
    pub(super) effect: &'static str,
    pub(super) range: TextRange,
    /// Newer versions of `dash` have it.
    pub(super) is_in_new_dash: bool,
}

const NO_COMMAND: &str = "has no such command";
const NO_SYNTAX: &str = "refuses the whole script";
const NO_EXPANSION: &str = "stops with a bad substitution";
const NO_OPTION: &str = "stops with an illegal option";

/// Builtins of Bash that no program stands in for.
const BUILTINS: [&str; 13] = [
    "[[",
    "source",
    "pushd",
    "popd",
    "dirs",
    "shopt",
    "let",
    "declare",
    "typeset",
    "mapfile",
    "readarray",
    "disown",
    "compgen",
];

/// The first use of everything of Bash in a script.
pub(super) fn bashisms(script: &ShellScript) -> Vec<Bashism> {
    let mut found = Vec::new();
    for command in &script.commands {
        of_command(script, command, &mut found);
    }
    for compound in &script.compounds {
        let text = &script.source[compound.source_range.clone()];
        if compound.kind == Nesting::Arithmetic {
            found.push(bashism(
                "((",
                "takes it for a command in a subshell",
                &compound.range,
            ));
        } else if compound.kind == Nesting::Loop && text.starts_with("for ((") {
            found.push(bashism("for ((", NO_SYNTAX, &compound.range));
        } else if compound.kind == Nesting::Loop && text.starts_with("select ") {
            found.push(bashism("select", NO_SYNTAX, &compound.range));
        }
    }
    for function in &script.functions {
        if script.source[function.source_range.clone()].starts_with("function ") {
            found.push(bashism(
                "function",
                "does not know the word",
                &function.range,
            ));
        }
    }
    of_variables(script, &mut found);
    found.sort_by_key(|bashism| bashism.range.start);
    let mut names = Vec::new();
    found.retain(|bashism| {
        let is_new = !names.contains(&bashism.name);
        names.push(bashism.name.clone());
        is_new
    });
    found
}

fn bashism(name: impl Into<String>, effect: &'static str, range: &TextRange) -> Bashism {
    Bashism {
        name: name.into(),
        effect,
        range: range.clone(),
        is_in_new_dash: false,
    }
}

fn of_command(script: &ShellScript, command: &SimpleCommand, found: &mut Vec<Bashism>) {
    if let (Some(first), Some(program)) = (command.words.first(), command.program()) {
        let is_own = script
            .functions
            .iter()
            .any(|function| function.name == program);
        if BUILTINS.contains(&program) && !is_own {
            found.push(bashism(program, NO_COMMAND, &first.range));
        }
        of_builtin(program, command, found);
    }
    for assignment in &command.assignments {
        let text = &script.source[assignment.source_range.clone()];
        let rest = &text[assignment.name.len().min(text.len())..];
        if rest.starts_with("+=") || rest.starts_with('[') {
            let name = if rest.starts_with('[') {
                "[…]="
            } else {
                "+="
            };
            found.push(bashism(name, "takes it for a command", &assignment.range));
        }
        of_word(script, &assignment.value, found);
    }
    for redirect in &command.redirects {
        let text = &script.source[redirect.source_range.clone()];
        match redirect.kind {
            RedirectKind::HereString => found.push(bashism("<<<", NO_SYNTAX, &redirect.range)),
            RedirectKind::OutputAndError if text.starts_with("&>") => found.push(bashism(
                "&>",
                "runs the command in the background and empties the file",
                &redirect.range,
            )),
            RedirectKind::AppendOutputAndError => found.push(bashism(
                "&>>",
                "runs the command in the background",
                &redirect.range,
            )),
            RedirectKind::OutputAndError => {
                found.push(bashism(">&", NO_SYNTAX, &redirect.range));
            }
            RedirectKind::Input
            | RedirectKind::Output
            | RedirectKind::Append
            | RedirectKind::Clobber
            | RedirectKind::InputOutput
            | RedirectKind::DuplicateInput
            | RedirectKind::DuplicateOutput
            | RedirectKind::Heredoc
            | RedirectKind::HeredocWithoutTabs => {}
        }
        of_word(script, &redirect.target, found);
    }
    if let Some(separator) = &command.separator_after
        && &script.source[separator.source_range.clone()] == "|&"
    {
        found.push(bashism("|&", NO_SYNTAX, &separator.range));
    }
    // Inside `[[ … ]]` the first finding says it all.
    if command.program() == Some("[[") {
        return;
    }
    let reads_braces = matches!(command.program(), Some("curl" | "jq" | "awk"));
    for word in &command.words {
        of_word(script, word, found);
        if word.has_glob && !reads_braces && has_braces(&word.text) {
            found.push(bashism("{…}", "leaves the braces as they are", &word.range));
        }
    }
}

fn of_builtin(program: &str, command: &SimpleCommand, found: &mut Vec<Bashism>) {
    let argument = |index: usize| {
        let word: Option<&ShellWord> = command.words.get(index);
        word.and_then(|word| Some((word, word.literal.as_deref()?)))
    };
    match program {
        "[" | "test" => {
            let mut words = command.arguments();
            let equals = words.find(|word| matches!(word.text.as_str(), "==" | "=~"));
            if let Some(word) = equals {
                let effect = "knows `=` alone, and takes the test for failed";
                found.push(bashism(word.text.clone(), effect, &word.range));
            }
        }
        "echo" => {
            if let Some((word, flag @ ("-e" | "-en" | "-ne" | "-E"))) = argument(1) {
                let effect = "prints the flag, and reads backslashes without it";
                found.push(bashism(format!("echo {flag}"), effect, &word.range));
            }
        }
        "printf" | "wait" | "read" | "export" => {
            let flags: &[&str] = match program {
                "printf" => &["-v"],
                "wait" => &["-n"],
                "export" => &["-f", "-n"],
                _ => &["-a", "-s", "-n", "-t", "-d", "-N", "-u", "-e", "-i"],
            };
            if let Some((word, flag)) = argument(1)
                && flags.contains(&flag)
            {
                found.push(bashism(format!("{program} {flag}"), NO_OPTION, &word.range));
            }
        }
        "trap" => {
            let signals = command.arguments().skip(1);
            let mut special =
                signals.filter(|word| matches!(word.text.as_str(), "ERR" | "DEBUG" | "RETURN"));
            if let Some(word) = special.next() {
                found.push(bashism(
                    format!("trap {}", word.text),
                    "has no such trap",
                    &word.range,
                ));
            }
        }
        "set" => {
            if let Some(word) = command.arguments().find(|word| word.text == "pipefail") {
                found.push(Bashism {
                    is_in_new_dash: true,
                    ..bashism("pipefail", NO_OPTION, &word.range)
                });
            }
        }
        _ => {}
    }
}

fn of_word(script: &ShellScript, word: &ShellWord, found: &mut Vec<Bashism>) {
    for expansion in &word.expansions {
        let text = &script.source[expansion.source_range.clone()];
        match expansion.kind {
            ExpansionKind::Array => found.push(bashism("=(…)", NO_SYNTAX, &expansion.range)),
            ExpansionKind::Process => {
                let name = if text.starts_with('<') {
                    "<(…)"
                } else {
                    ">(…)"
                };
                found.push(bashism(name, NO_SYNTAX, &expansion.range));
            }
            ExpansionKind::Quote => {
                let (name, effect) = if text.starts_with("$'") {
                    ("$'…'", "keeps the dollar sign")
                } else {
                    ("$\"…\"", "keeps the dollar sign")
                };
                found.push(Bashism {
                    is_in_new_dash: true,
                    ..bashism(name, effect, &expansion.range)
                });
            }
            ExpansionKind::Parameter => {
                if let Some(name) = special_parameter(text) {
                    found.push(bashism(name, NO_EXPANSION, &expansion.range));
                }
            }
            ExpansionKind::Command | ExpansionKind::Arithmetic => {}
        }
    }
}

/// Names what `${…}` does that only Bash can do.
fn special_parameter(text: &str) -> Option<&'static str> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    if let Some(name) = inner.strip_prefix('!') {
        return name
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            .then_some("${!…}");
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = inner.trim_start_matches(is_name);
    if rest.len() == inner.len() {
        return None;
    }
    let mut characters = rest.chars();
    match (characters.next()?, characters.next()) {
        ('/', _) => Some("${…/…}"),
        ('^' | ',', _) => Some("${…^}"),
        ('[', _) => Some("${…[…]}"),
        ('@', Some(_)) => Some("${…@…}"),
        (':', Some(next)) if next.is_ascii_digit() || next == ' ' || next == '$' || next == '(' => {
            Some("${…:…}")
        }
        _ => None,
    }
}

/// Says whether a word has `{a,b}` or `{1..3}` outside of quotes and expansions.
fn has_braces(word: &str) -> bool {
    let mut quote = None;
    let mut before = ' ';
    let mut open: Option<usize> = None;
    let mut depth_of_expansion = 0_usize;
    for (at, character) in word.char_indices() {
        match (quote, character) {
            (Some(mark), _) if mark == character => quote = None,
            (None, '\'' | '"') if before != '\\' => quote = Some(character),
            (None, '{') if before == '$' => depth_of_expansion += 1,
            (None, '}') if depth_of_expansion > 0 => depth_of_expansion -= 1,
            (None, '{') if before != '\\' => open = Some(at + 1),
            (None, '}') => {
                let inner = open.take().map(|start| &word[start..at]);
                if inner.is_some_and(|inner| inner.contains(',') || inner.contains("..")) {
                    return true;
                }
            }
            (Some(_) | None, _) => {}
        }
        before = character;
    }
    false
}

/// `$RANDOM`, unless something sets it.
fn of_variables(script: &ShellScript, found: &mut Vec<Bashism>) {
    let is_set = script
        .variables
        .iter()
        .any(|used| used.name == "RANDOM" && used.access != VariableAccess::Read);
    let read = script
        .variables
        .iter()
        .find(|used| used.name == "RANDOM" && used.access == VariableAccess::Read);
    if let (false, Some(read)) = (is_set, read) {
        found.push(bashism("$RANDOM", "has no such variable", &read.range));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_found_outside_of_quotes_and_expansions() {
        for word in ["/a/{b,c}", "x{1..3}", "${X}{a,b}", "'a'{b,c}"] {
            assert!(has_braces(word), "{word}");
        }
        for word in [
            "{}",
            "'{a,b}'",
            "\"{a,b}\"",
            "${X:-a,b}",
            "\\{a,b}",
            "{a}",
            "@{u}",
        ] {
            assert!(!has_braces(word), "{word}");
        }
    }

    #[test]
    fn expansions_of_bash_are_told_from_those_of_every_shell() {
        let cases = [
            ("${A//x/y}", Some("${…/…}")),
            ("${A^^}", Some("${…^}")),
            ("${A:0:3}", Some("${…:…}")),
            ("${A: -3}", Some("${…:…}")),
            ("${A[0]}", Some("${…[…]}")),
            ("${!A}", Some("${!…}")),
            ("${A:-b/c}", None),
            ("${A:+b}", None),
            ("${A:=0}", None),
            ("${A%/*}", None),
            ("${A##*/}", None),
            ("${#A}", None),
            ("${!}", None),
            ("${@}", None),
            ("$A", None),
        ];
        for (text, expected) in cases {
            assert_eq!(special_parameter(text), expected, "{text}");
        }
    }
}
