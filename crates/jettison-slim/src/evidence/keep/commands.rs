//! The programs that texts say they start: scripts of shells by their words, other sources by what they have in quotes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::handed::Handed;
use super::quotes::with_plain_quotes;
use super::starters::{Backticks, Starters, backticks};
use super::wrappers::{called, named_in};

/// How sure it is that a text starts a program that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sureness {
    /// The text starts programs, and has the name in quotes somewhere.
    Somewhere,
    /// The name stands where a program is started.
    There,
}

/// How many lines a call goes on, at most, before it names the program.
const LINES: usize = 4;
/// How long a line that somebody has written is, at most, in bytes: a longer one is a whole program, made small by a tool.
const LONG_LINE: usize = 1000;
/// How far from what starts it a program's name stands in such a line, at most, in bytes.
const NEAR: usize = 200;
/// What JavaScript starts programs with: a source that speaks of none of these looks for a pattern by `.exec(`.
const JAVASCRIPT_STARTERS: [&str; 6] = [
    "Bun.",
    "Deno.",
    "child_process",
    "execa",
    "shelljs",
    "spawn",
];
/// What builds and installs programs: what a source says of these is about its own making.
pub(super) const BUILDERS: [&str; 34] = [
    "apt",
    "apt-get",
    "c++",
    "cargo",
    "cc",
    "clang",
    "cmake",
    "docker",
    "dpkg",
    "g++",
    "gcc",
    "go",
    "gradle",
    "javac",
    "make",
    "msgattrib",
    "msgfmt",
    "msgmerge",
    "msguniq",
    "mvn",
    "npm",
    "npx",
    "pdm",
    "pip",
    "pip3",
    "pipenv",
    "pnpm",
    "poetry",
    "rustc",
    "tsc",
    "uv",
    "uvx",
    "xgettext",
    "yarn",
];

/// Whether a script of a shell starts what it is given, as entrypoints do (`exec "$@"`): then whoever runs the image may have it
/// start a shell.
pub(super) fn starts_what_it_is_given(text: &str) -> bool {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines.into_iter().any(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "exec")
            .skip(1);
        let first = match words.next() {
            Some("gosu" | "su-exec") => words.nth(1),
            first => first,
        };
        let first = first.unwrap_or_default().trim_end_matches(';');
        ["\"$@\"", "$@", "\"${@}\"", "\"$*\"", "$*"].contains(&first)
    })
}

/// Whether a line is nothing but a comment, in any of the languages that are known.
pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "/*", "* ", "# ", "-- "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The names in quotes that a source may start as programs, none if it starts none; `end` is the extension of its name, and
/// `functions` of the program's own start what they are given.
pub(super) fn quoted_commands(
    text: &str,
    end: &str,
    functions: &BTreeSet<String>,
) -> BTreeMap<String, Sureness> {
    let mut found = BTreeMap::new();
    let backticks = backticks(end);
    let text = with_plain_quotes(without_patterns(text, end), end);
    let starters = Starters::of(end);
    // Databases have an `exec` too, and what it is handed is no program.
    let is_call = |line: &str| starters.have_call_in(line) || has_call(line, "exec(", end);
    let is_starter = |line: &str| {
        starters.are_in(line) || (backticks == Backticks::Command && line.contains('`'))
    };
    let own = named_in(&text, functions);
    let is_own_call = |line: &str| called(line, &own).is_some();
    if is_of_tcl(end) {
        let names = bare_commands(&text).into_iter();
        found.extend(names.map(|name| (name, Sureness::There)));
    }
    if !is_starter(&text) && !text.lines().any(is_own_call) {
        return found;
    }
    let calls = text
        .lines()
        .filter(|line| !is_comment(line) && line.len() <= LONG_LINE);
    let mut handed = Handed::read(calls, is_call);
    let mut n_since = LINES;
    for line in text.lines() {
        if is_comment(line) {
            n_since = n_since.saturating_add(1);
            continue;
        }
        let is_long = line.len() > LONG_LINE;
        let is_handed = !is_long && handed.has_value_in(line);
        let without;
        let line = if backticks == Backticks::Nothing {
            without = line.replace('`', " ");
            &without
        } else {
            line
        };
        n_since = if is_starter(if is_long { end_of(line) } else { line })
            || !is_long && is_own_call(line)
        {
            0
        } else {
            n_since.saturating_add(1)
        };
        for (before, literal) in literals(line) {
            let is_near = if is_long {
                is_starter(end_of(before))
            } else {
                n_since < LINES
            };
            let is_there =
                is_near || begins_array(before, literal, line) || !is_long && is_pipeline(literal);
            for name in command_names(literal) {
                let sureness = if is_there || is_handed && !OF_SHELLS.contains(&name) {
                    Sureness::There
                } else {
                    Sureness::Somewhere
                };
                let known = found.entry(name.to_owned()).or_insert(sureness);
                *known = (*known).max(sureness);
            }
        }
    }
    found.retain(|name: &String, _| !BUILDERS.contains(&name.as_str()));
    found
}

/// All that a source has in quotes and that may be a program's name.
pub(super) fn quoted_names(text: &str) -> BTreeSet<&str> {
    let lines = text
        .lines()
        .filter(|line| !is_comment(line) && line.len() <= LONG_LINE);
    let literals = lines.flat_map(literals);
    let names = literals.flat_map(|(_, literal)| command_names(literal));
    names.filter(|name| !BUILDERS.contains(name)).collect()
}

/// Whether sources whose names have the extension `end` are in Tcl, in which a word needs no quotes.
fn is_of_tcl(end: &str) -> bool {
    ["exp", "itcl", "tcl", "tk"].contains(&end)
}

/// The programs that a source in Tcl names without quotes: `exec gnuplot -e $x | sort`, `open "|gnuplot"`.
fn bare_commands(text: &str) -> BTreeSet<String> {
    const ENDS: [char; 6] = ['"', '\'', '{', '}', '[', ']'];
    const STARTERS: [&str; 4] = ["auto_execok", "exec", "open", "spawn"];
    let mut found = BTreeSet::new();
    let text = text.replace("\\\n", " ");
    // `set cmd gnuplot`, and then `exec {*}$cmd`
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !is_comment(line)) {
        let mut words = line
            .split(|c: char| c.is_whitespace() || c == ';' || ENDS.contains(&c))
            .filter(|word| !word.is_empty());
        let mut first = words.clone().filter(|word| *word != "list");
        if let (Some("set"), Some(name), Some(value)) = (first.next(), first.next(), first.next()) {
            values.insert(name, value.trim_start_matches('|'));
        }
        while let Some(word) = words.find(|word| STARTERS.contains(word)) {
            let is_option = |word: &&str| word.starts_with('-') || *word == "list";
            let next = words.clone().find(|word| !is_option(word));
            let names = next.filter(|next| word != "open" || next.starts_with('|'));
            // What a pipe leads to is started by the same words.
            let rest: Vec<&str> = match names {
                Some(_) => words.clone().skip_while(is_option).collect(),
                None => continue,
            };
            let rest = rest.join(" ");
            for part in rest.split('|') {
                let mut names = part.trim_start_matches('&').split_whitespace();
                let name = names.find(|name| *name != "*");
                let value = |name: &str| values.get(name.strip_prefix('$')?).copied();
                let name = name.map(|name| value(name).unwrap_or(name));
                found.extend(name.filter(|name| is_name(name)).map(str::to_owned));
            }
        }
    }
    found
}

/// Whether a line calls `name`, a function of a language in which that starts programs, and none of which it is only the end.
fn has_call(line: &str, name: &str, end: &str) -> bool {
    let is_own = [
        "cjs", "js", "jsx", "mjs", "php", "pl", "pm", "rb", "ru", "ts", "tsx",
    ];
    let is_whole = |(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        !before.ends_with(|c: char| c.is_alphanumeric() || "_.>:".contains(c))
    };
    is_own.contains(&end) && line.match_indices(name).any(is_whole)
}

/// The text without what looks for a pattern by `.exec(`.
fn without_patterns<'text>(text: &'text str, end: &str) -> Cow<'text, str> {
    let is_javascript = ["cjs", "js", "jsx", "mjs", "ts", "tsx"].contains(&end);
    if !is_javascript || JAVASCRIPT_STARTERS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(".exec(", "("))
}

/// The last bytes of a line, as many as stand between a call and the program's name.
fn end_of(line: &str) -> &str {
    let mut start = line.len().saturating_sub(NEAR);
    while !line.is_char_boundary(start) {
        start += 1;
    }
    line.get(start..).unwrap_or_default()
}

/// The first words of the values in a text of settings, which may be programs: `converter: pdftotext -layout`.
pub(super) fn settings_commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim();
        let value = line.split_once([':', '=']).map_or("", |(_, value)| value);
        let item = line.strip_prefix("- ").unwrap_or_default();
        let quoted = literals(line).into_iter().map(|(_, literal)| literal);
        for part in quoted.chain([value, item]) {
            let names = command_names(part.trim_matches(['"', '\'', ' ', ',']));
            found.extend(names.into_iter().map(str::to_owned));
        }
    }
    found.retain(|name| !BUILDERS.contains(&name.as_str()));
    found
}

/// Whether a text is several commands of a shell, one after the other or one for the other.
pub(super) fn is_pipeline(text: &str) -> bool {
    [" | ", " && ", "; ", " 2>"]
        .iter()
        .any(|operator| text.contains(operator))
}

/// Whether a literal is the first of a list, and the next one is an option.
fn begins_array(before: &str, literal: &str, line: &str) -> bool {
    let is_first = before.trim_end().ends_with(['[', '{']);
    let rest = line
        .get(before.len() + literal.len() + 2..)
        .unwrap_or_default();
    let next = rest.trim_start().strip_prefix(',').map(str::trim_start);
    is_first && next.is_some_and(|next| next.starts_with("\"-") || next.starts_with("'-"))
}

/// What is in quotes in a line, each with what stands before it, up to the quote.
fn literals(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = line.get(at..).and_then(|rest| rest.find(['"', '\'', '`'])) {
        let start = at + offset;
        let (Some(before), Some(rest)) = (line.get(..start), line.get(start + 1..)) else {
            break;
        };
        let quote = line
            .as_bytes()
            .get(start)
            .map_or('"', |byte| char::from(*byte));
        let Some(length) = rest.find(quote) else {
            // The command goes on in the next line.
            found.push((before, rest));
            break;
        };
        found.push((before, &rest[..length]));
        at = start + length + 2;
    }
    found
}

/// The programs that a literal names: itself, or the first words of what a shell takes for commands.
pub(super) fn command_names(literal: &str) -> Vec<&str> {
    literal
        .split(['|', '&', ';', '(', '\n'])
        .filter_map(|part| {
            let mut words = part.split_whitespace();
            words.find(|word| !word.contains('=') && !PREFIXES.contains(word))
        })
        .filter(|name| is_name(name))
        .collect()
}

/// Words of shells before a command.
const PREFIXES: [&str; 21] = [
    "!", "command", "do", "elif", "else", "env", "eval", "exec", "exec;", "gosu", "if", "nice",
    "nohup", "setsid", "su-exec", "sudo", "then", "time", "until", "while", "xargs",
];

/// The words of a shell's script that stand where a command does. It may be more than it runs.
pub(super) fn script_commands(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with('#') {
            continue;
        }
        // What is in quotes may be a command of `$(...)`, of `sh -c` or of `trap`.
        for part in command_parts(line) {
            let mut words = part.split_whitespace().peekable();
            while let Some(word) = words.next() {
                // `${EDITOR:-vi} file`
                let word = word.split_once(":-").map_or(word, |(_, default)| default);
                let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                });
                if is_assignment {
                    continue;
                }
                if is_name(word) && !OF_SHELLS.contains(&word) {
                    found.push(word);
                }
                if !PREFIXES.contains(&word) {
                    break;
                }
                // `xargs -0 rm`, `env -i x`, `command -v x`, `gosu user x`
                while words.peek().is_some_and(|next| next.starts_with('-')) {
                    words.next();
                }
                if ["gosu", "su-exec"].contains(&word) {
                    words.next();
                }
            }
        }
    }
    found
}

/// The pieces of a line of a script in which the first word may be a command. What stands directly behind a command in backticks goes on
/// with a word: `` FILE=`expr x`ar ``.
fn command_parts(line: &str) -> impl Iterator<Item = &str> {
    const ENDS: [char; 10] = ['|', '&', ';', '(', ')', '`', '"', '\'', '{', '}'];
    let mut n_backticks = 0;
    let mut start = 0;
    let mut is_word = false;
    let ends = line.match_indices(ENDS).chain([(line.len(), "")]);
    ends.filter_map(move |(at, end)| {
        let part = line.get(start..at).unwrap_or_default();
        let goes_on = is_word && !part.starts_with(char::is_whitespace);
        start = at + end.len();
        n_backticks += usize::from(end == "`");
        is_word = end == "`" && n_backticks % 2 == 0;
        (!goes_on).then_some(part)
    })
}

/// What every shell does itself, although there are programs of these names (POSIX, 2.14, and what dash and bash add).
const OF_SHELLS: [&str; 21] = [
    "[", "alias", "cd", "command", "echo", "exec", "exit", "export", "false", "getopts", "hash",
    "kill", "printf", "pwd", "read", "test", "times", "true", "type", "umask", "wait",
];

fn is_name(word: &str) -> bool {
    word.len() >= 2
        && word.len() < 256
        && !word.starts_with('-')
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./+[".contains(c))
}

#[cfg(test)]
mod tests;
