//! Paths and patterns of paths that commands name, as far as the text tells them.
//!
//! A path is a text that starts with `/`, with `~` for the home directory, or with `?` for the working directory
//! of a base image that is not known. Variables that nobody knows stay in it as `${NAME}`: one text is one file.

use crate::checks::input::InstructionView;
use crate::scope::WorkingDirectory;
use crate::shell::{
    ExpansionKind, ShellDirectory, ShellScript, ShellWord, SimpleCommand, VariableAccess,
};

/// A place whose contents a rule is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'p> {
    /// A path from the root.
    At(&'p str),
    /// A path below the home directory, whosever it is: `.cache/pip`.
    InHome(&'p str),
}

impl Place<'_> {
    /// Says whether what `pattern` names holds the place, or is all that is in it.
    pub(super) fn is_covered_by(self, pattern: &str) -> bool {
        match self {
            Place::At(path) => covers(pattern, path),
            Place::InHome(path) => ends_in_home(pattern, path),
        }
    }

    /// Its text, to look for in texts that are not read.
    pub(super) fn text(&self) -> &str {
        match self {
            Place::At(path) | Place::InHome(path) => path,
        }
    }
}

/// The paths that an argument of a command may name; braces are several.
///
/// There are none if only running the script can tell.
pub(super) fn named_paths(
    view: &InstructionView<'_>,
    script: &ShellScript,
    command: &SimpleCommand,
    word: &ShellWord,
) -> Vec<String> {
    let Some(text) = word_text(view, script, word) else {
        return Vec::new();
    };
    let texts = if word.has_glob {
        braces(&text)
    } else {
        vec![text]
    };
    texts
        .iter()
        .filter_map(|text| from_directory(view, command, text))
        .collect()
}

/// A word without its quotes, with the variables that are known replaced and `~` for the home directory.
fn word_text(view: &InstructionView<'_>, script: &ShellScript, word: &ShellWord) -> Option<String> {
    if let Some(literal) = &word.literal {
        return Some(literal.clone());
    }
    let is_simple = word
        .expansions
        .iter()
        .all(|expansion| expansion.kind == ExpansionKind::Parameter);
    if !is_simple {
        return None;
    }
    let mut text = String::new();
    let mut rest = word.text.as_str();
    let mut is_single_quoted = false;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\'' => is_single_quoted = !is_single_quoted,
            '"' if !is_single_quoted => {}
            '\\' if !is_single_quoted => {
                let escaped = rest.chars().next()?;
                text.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
            '$' if !is_single_quoted => {
                let (name, after) = variable(rest)?;
                text.push_str(&value_of(view, script, name));
                rest = after;
            }
            character => text.push(character),
        }
    }
    Some(text)
}

/// Reads the name of a variable after `$`, and what comes after it. Anything but a name is not understood.
fn variable(text: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inner) = text.strip_prefix('{') {
        let (name, after) = inner.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_name)).then_some((name, after));
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The value of a variable: of the Dockerfile, if the script does not set it, else its name.
fn value_of(view: &InstructionView<'_>, script: &ShellScript, name: &str) -> String {
    if name == "HOME" {
        return "~".to_owned();
    }
    let is_set_by_script = script
        .variables
        .iter()
        .any(|variable| variable.name == name && variable.access != VariableAccess::Read);
    let known = view.evaluated.before.lookup(name);
    match known {
        Some(value) if !is_set_by_script => value.to_owned(),
        Some(_) | None => format!("${{{name}}}"),
    }
}

/// Says whether the path starts with a variable that nobody knows.
pub(super) fn is_unknown(word: &ShellWord, paths: &[String]) -> bool {
    let starts_open = word.text.trim_start_matches('"').starts_with(['$', '`']);
    starts_open && paths.iter().all(|path| path.contains("${"))
}

/// A path that starts in the directory that a command runs in.
fn from_directory(
    view: &InstructionView<'_>,
    command: &SimpleCommand,
    path: &str,
) -> Option<String> {
    if path.starts_with(['/', '~']) || path.starts_with("${") {
        return Some(clean(path));
    }
    let work = work_directory(&view.evaluated.before.working_dir);
    let directory = match &command.directory {
        ShellDirectory::Initial => work,
        ShellDirectory::At(directory) if directory.starts_with(['/', '~']) => directory.clone(),
        ShellDirectory::At(directory) => format!("{work}/{directory}"),
        ShellDirectory::Unknown => return None,
    };
    Some(clean(&format!("{directory}/{path}")))
}

/// The path that a word of `COPY` or `WORKDIR` names.
pub(super) fn from_work_directory(directory: &WorkingDirectory, path: &str) -> String {
    if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("{}/{path}", work_directory(directory)))
    }
}

fn work_directory(directory: &WorkingDirectory) -> String {
    match directory {
        WorkingDirectory::Absolute(path) => path.clone(),
        WorkingDirectory::BelowBase(path) => format!("?/{path}"),
    }
}

/// Takes `.`, `..` and needless slashes out of a path.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

/// The last part of a path without the one pattern that means all that is in a directory.
fn without_contents(pattern: &str) -> &str {
    let pattern = pattern.trim_end_matches('/');
    ["/*", "/**", "/.*", "/.??*", "/.[!.]*"]
        .iter()
        .find_map(|contents| pattern.strip_suffix(contents))
        .unwrap_or(pattern)
}

/// Says whether what `pattern` names holds `path`, or is all that is in it. `*` is not read as strictly as a shell does.
pub(super) fn covers(pattern: &str, path: &str) -> bool {
    let pattern = without_contents(pattern);
    let (mut parts, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (parts.next(), names.next()) {
            (None, _) => return true,
            (Some(part), Some(name)) if matches(part, name) => {}
            (Some(part), None) => return part.contains('*') && parts.next().is_none(),
            (Some(_), Some(_)) => return false,
        }
    }
}

/// Says whether `pattern` ends with `path`, or with the start of it: `/root/.cache` for `.cache/pip`.
fn ends_in_home(pattern: &str, path: &str) -> bool {
    let parts: Vec<&str> = without_contents(pattern).split('/').collect();
    let names: Vec<&str> = path.split('/').collect();
    (1..=names.len().min(parts.len().saturating_sub(1))).any(|count| {
        let last = &parts[parts.len() - count..];
        last.iter()
            .zip(&names)
            .all(|(part, name)| matches(part, name))
    })
}

/// Says whether a name fits a pattern with `*`, `?` and `[…]`; any character fits the latter.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // After a `*`: the pattern behind it, and what it has not taken yet.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(after) = pattern.strip_prefix('*') {
            retry = Some((after, name));
            pattern = after;
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        if let Some(rest) = after_one(pattern, name) {
            (pattern, name) = rest;
            continue;
        }
        let Some((after, taken)) = retry else {
            return false;
        };
        let mut taken = taken.chars();
        if taken.next().is_none() {
            return false;
        }
        retry = Some((after, taken.as_str()));
        (pattern, name) = (after, taken.as_str());
    }
}

/// What is left of a pattern and a name if their first characters fit.
fn after_one<'p, 'n>(pattern: &'p str, name: &'n str) -> Option<(&'p str, &'n str)> {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    let (first, character) = (pattern.next()?, name.next()?);
    let rest = pattern.as_str();
    let rest = match rest.split_once(']') {
        Some((_, after)) if first == '[' => after,
        _ if first == '?' || first == character => rest,
        _ => return None,
    };
    Some((rest, name.as_str()))
}

/// The texts that `a{b,c}` stands for: at most one pair of braces is read.
fn braces(text: &str) -> Vec<String> {
    let is_variable = |at: usize| at > 0 && text.as_bytes()[at - 1] == b'$';
    let open = text
        .match_indices('{')
        .map(|(at, _)| at)
        .find(|&at| !is_variable(at));
    let Some((before, (inner, after))) =
        open.and_then(|at| Some((&text[..at], text[at + 1..].split_once('}')?)))
    else {
        return vec![text.to_owned()];
    };
    inner
        .split(',')
        .map(|choice| format!("{before}{choice}{after}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_names_and_what_is_in_it() {
        let lists = "/var/lib/apt/lists";
        for pattern in [
            "/var/lib/apt/lists/*",
            "/var/lib/apt/lists/",
            "/var/lib/apt",
            "/var/lib/apt/*",
            "/var/lib/apt/list*",
            "/var/*/apt/lists/*",
            "/var/lib/apt/lists/*_dists_*",
        ] {
            assert!(covers(pattern, lists), "{pattern}");
        }
        for pattern in [
            "/var/lib/apt/lists/lock",
            "/var/lib/dpkg",
            "/tmp/*",
            "/var/lib/apt/listsx",
        ] {
            assert!(!covers(pattern, lists), "{pattern}");
        }
    }

    #[test]
    fn a_home_directory_may_be_anybodys() {
        let cache = Place::InHome(".cache/pip");
        for pattern in [
            "/root/.cache",
            "~/.cache/pip",
            "/home/*/.cache/*",
            "/app/.cache/pip/*",
            "/root/.c*",
        ] {
            assert!(cache.is_covered_by(pattern), "{pattern}");
        }
        for pattern in [
            "/root/.npm",
            "/root",
            "/tmp/*",
            "/root/.cache/yarn",
            "/root/*",
        ] {
            assert!(!cache.is_covered_by(pattern), "{pattern}");
        }
    }

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, expected) in [
            ("*.tar.gz", "a.tar.gz", true),
            ("go*.tgz", "go1.tgz", true),
            ("a[0-9].x", "a1.x", true),
            ("a?", "a", false),
            ("é*", "été", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert_eq!(braces("/a/{b,c}/d"), ["/a/b/d", "/a/c/d"]);
        assert_eq!(braces("/a/${B}"), ["/a/${B}"]);
    }

    #[test]
    fn paths_are_cleaned() {
        assert_eq!(clean("/a//b/../c/."), "/a/c");
        assert_eq!(clean("~/x/"), "~/x");
        assert_eq!(clean("/../a"), "/a");
    }
}
