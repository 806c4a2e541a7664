//! Why a step is executed: what differs between its key and that of an earlier step.

use std::collections::BTreeMap;

use crate::cache::key::KeyText;

/// What differs between a step's key and the key of the nearest step of an earlier build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// The build was asked not to use results of earlier ones.
    NotAsked,
    /// No earlier build had such a step.
    New,
    /// The same step was executed before, and its result is gone.
    Lost,
    /// The file system that it starts from.
    Parent,
    /// One part of the instruction, or of what it is given.
    Part(KeyPart),
    /// A file that is copied.
    File {
        /// Its path, as the source's listing has it.
        path: String,
        /// What happened to it.
        change: FileChange,
    },
}

/// A part of a key that has another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    /// What it is, such as `argv` or `user`; for a variable `env NAME`.
    pub name: String,
    /// Its former value in quotes; empty if there was none.
    pub before: String,
    /// Its value in quotes; empty if there is none.
    pub after: String,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another content.
    Content,
    /// It has the same content, and another kind, mode, owner or attribute.
    Attributes,
}

/// Why a step is executed that no cache was asked for.
pub(crate) fn not_cached() -> KeyChange {
    KeyChange::NotAsked
}

/// The first difference between a key's text and that of an earlier step.
pub(crate) fn changed(before: &KeyText, after: &KeyText) -> KeyChange {
    let (before, after) = (Parts::of(before.as_str()), Parts::of(after.as_str()));
    let named = |line: &str| split(line).0.to_owned();
    let value = |line: &str| split(line).1.to_owned();
    // The instruction itself comes before the file system below it: who changes a line wants to read of that.
    let heads = [&before.head, &after.head].map(|lines| {
        let mut counted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for line in lines {
            counted.entry(named(line)).or_default().push(line);
        }
        counted
    });
    let [old, new] = &heads;
    for line in &after.head {
        let name = named(line);
        if name != "parent" && old.get(&name) != new.get(&name) {
            let before = first_different(old.get(&name), new.get(&name));
            let after = first_different(new.get(&name), old.get(&name));
            return KeyChange::Part(KeyPart {
                name,
                before: before.map(value).unwrap_or_default(),
                after: after.map(value).unwrap_or_default(),
            });
        }
    }
    if let Some((name, lines)) = old.iter().find(|(name, _)| !new.contains_key(*name)) {
        return KeyChange::Part(KeyPart {
            name: name.clone(),
            before: lines.first().map(|line| value(line)).unwrap_or_default(),
            after: String::new(),
        });
    }
    if let Some(change) = changed_file(&before.files, &after.files) {
        return change;
    }
    if old.get("parent") != new.get("parent") {
        return KeyChange::Parent;
    }
    KeyChange::Lost
}

/// The first of `lines` that is not in `others`.
fn first_different<'t>(
    lines: Option<&Vec<&'t str>>,
    others: Option<&Vec<&'t str>>,
) -> Option<&'t str> {
    let others = others.map(Vec::as_slice).unwrap_or_default();
    let mut lines = lines.into_iter().flatten();
    lines.find(|line| !others.contains(line)).copied()
}

fn changed_file(before: &[&str], after: &[&str]) -> Option<KeyChange> {
    if before == after {
        return None;
    }
    let old: BTreeMap<&str, &str> = before.iter().filter_map(|line| file(line)).collect();
    let new: BTreeMap<&str, &str> = after.iter().filter_map(|line| file(line)).collect();
    for (path, rest) in &new {
        let change = match old.get(path) {
            None => FileChange::Added,
            Some(same) if same == rest => continue,
            Some(other) if digest(other) == digest(rest) => FileChange::Attributes,
            Some(_) => FileChange::Content,
        };
        let path = (*path).to_owned();
        return Some(KeyChange::File { path, change });
    }
    let gone = old.keys().find(|path| !new.contains_key(*path))?;
    Some(KeyChange::File {
        path: (*gone).to_owned(),
        change: FileChange::Removed,
    })
}

/// The path of a line such as `file "a/b" 644 blake3:…`, and the line without it.
fn file(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(" \"")?;
    let end = closing_quote(rest)?;
    Some((&rest[..end], line))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return Some(place),
            b'\\' if !is_escaped => is_escaped = true,
            _ => is_escaped = false,
        }
    }
    None
}

fn digest(line: &str) -> Option<&str> {
    line.rsplit(' ').find(|word| word.starts_with("blake3:"))
}

/// The lines of a key's text: those of the step, and those of the files.
struct Parts<'t> {
    head: Vec<&'t str>,
    files: Vec<&'t str>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Parts<'t> {
        // The first two lines are the version and the kind.
        let mut head: Vec<&str> = text.lines().skip(2).collect();
        let files = match head.iter().position(|line| *line == "contents") {
            Some(place) => head.split_off(place).split_off(1),
            None => Vec::new(),
        };
        Parts { head, files }
    }
}

/// The name and the value of a line; a variable's name is part of the name.
fn split(line: &str) -> (&str, &str) {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    if name != "env" {
        return (name, rest);
    }
    let Some(end) = rest.strip_prefix('"').and_then(closing_quote) else {
        return (name, rest);
    };
    // `env "NAME"`, then the value.
    let place = name.len() + 1 + end + 2;
    (&line[..place], line[place..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(before: &str, after: &str, expected: Expect) {
        let text = |lines: &str| KeyText::read(&format!("version\nkind\n{lines}"));
        expected.assert_eq(&format!("{:?}", changed(&text(before), &text(after))));
    }

    #[test]
    fn the_instruction_comes_before_what_is_below_it() {
        check(
            "parent \"1\"\nargv \"make\"\nenv \"A\" \"1\"\n",
            "parent \"2\"\nargv \"make\"\nenv \"A\" \"2\"\n",
            expect![[r#"Part(KeyPart { name: "env \"A\"", before: "\"1\"", after: "\"2\"" })"#]],
        );
        check(
            "parent \"1\"\nargv \"make\"\n",
            "parent \"2\"\nargv \"make\"\n",
            expect!["Parent"],
        );
    }

    #[test]
    fn a_variable_that_is_gone_is_named() {
        check(
            "argv \"make\"\nenv \"A\" \"1\"\n",
            "argv \"make\"\n",
            expect![[r#"Part(KeyPart { name: "env \"A\"", before: "\"1\"", after: "" })"#]],
        );
    }

    #[test]
    fn files_are_told_apart() {
        let before = "parent \"1\"\ncontents\nfile \"a\" 644 blake3:1\nfile \"b\" 644 blake3:2\n";
        let check = |after: &str, expected: Expect| {
            check(
                before,
                &format!("parent \"2\"\ncontents\n{after}"),
                expected,
            );
        };
        check(
            "file \"a\" 644 blake3:1\nfile \"b\" 644 blake3:3\n",
            expect![[r#"File { path: "b", change: Content }"#]],
        );
        check(
            "file \"a\" 755 blake3:1\nfile \"b\" 644 blake3:2\n",
            expect![[r#"File { path: "a", change: Attributes }"#]],
        );
        check(
            "file \"b\" 644 blake3:2\n",
            expect![[r#"File { path: "a", change: Removed }"#]],
        );
        check(
            "file \"a\" 644 blake3:1\nfile \"a b\" 644 blake3:1\nfile \"b\" 644 blake3:2\n",
            expect![[r#"File { path: "a b", change: Added }"#]],
        );
    }

    #[test]
    fn a_result_that_is_gone_has_the_same_key() {
        check("argv \"make\"\n", "argv \"make\"\n", expect!["Lost"]);
    }
}
