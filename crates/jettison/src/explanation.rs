//! `--explain`: why a step was executed, in words.

use jettison_build::{FileChange, KeyChange, KeyPart};

use crate::printable::one_line;

/// A longer value is cut.
const LIMIT: usize = 60;

/// The first thing in a step's cache key that differs from that of the nearest earlier step, as the end of a sentence
/// that begins with "because".
pub(crate) fn explanation(change: &KeyChange) -> String {
    let text = match change {
        KeyChange::NotAsked => "the cache was not asked".to_string(),
        KeyChange::New => "no earlier build had such a step".to_string(),
        KeyChange::Lost => "its result is no longer in the cache".to_string(),
        KeyChange::Parent => "what it starts from changed".to_string(),
        KeyChange::Part(part) => part_text(part),
        KeyChange::File { path, change } => {
            let what = match change {
                FileChange::Added => "is new",
                FileChange::Removed => "is gone",
                FileChange::Content => "changed",
                FileChange::Attributes => "has another mode, owner or attribute",
            };
            // It is below the root of what is copied from.
            let path = path.strip_prefix('/').unwrap_or(path);
            format!("`{path}` {what}")
        }
    };
    one_line(&text)
}

fn part_text(part: &KeyPart) -> String {
    let name = part_name(&part.name);
    match (part.before.as_str(), part.after.as_str()) {
        ("", after) => format!("{name} is new: {}", short(after)),
        (before, "") => format!("{name} is gone: it was {}", short(before)),
        (before, after) => format!("{name} was {} and is {}", short(before), short(after)),
    }
}

/// What people call a part of a key (`definition_key` in the engine's cache/key.rs writes them).
fn part_name(name: &str) -> String {
    match name {
        "argv" => "the command",
        "user" => "the user",
        "working-dir" => "the working directory",
        "hostname" => "the host name",
        "path" | "text" | "url" => "the source",
        "destination" => "the destination",
        "script" => "the script",
        "bind" | "tmpfs" | "secret" | "ssh" | "cache" => "a mount",
        "chmod" | "chown" | "exclude" | "link" | "parents" | "from" | "network" | "security"
        | "shm-size" | "ulimit" => return format!("`--{name}`"),
        "extra-host" => "`--add-host`",
        _ => match name.split_once(' ') {
            Some(("env", variable)) => {
                return format!("the variable `{}`", variable.trim_matches('"'));
            }
            _ => return format!("`{name}`"),
        },
    }
    .to_string()
}

/// The beginning of a value that is too long for a line.
fn short(value: &str) -> String {
    match value.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(change: KeyChange, expected: Expect) {
        expected.assert_eq(&explanation(&change));
    }

    fn part(name: &str, before: &str, after: &str) -> KeyChange {
        KeyChange::Part(KeyPart {
            name: name.to_string(),
            before: before.to_string(),
            after: after.to_string(),
        })
    }

    #[test]
    fn the_first_difference_is_told_in_words() {
        let path = "src/main.go".to_string();
        let change = FileChange::Content;
        check(
            KeyChange::File { path, change },
            expect!["`src/main.go` changed"],
        );
        check(
            part("env \"A\"", "\"1\"", "\"2\""),
            expect![[r#"the variable `A` was "1" and is "2""#]],
        );
        check(
            part("user", "", "\"app\""),
            expect![[r#"the user is new: "app""#]],
        );
        check(
            part("chmod", "\"755\"", ""),
            expect![[r#"`--chmod` is gone: it was "755""#]],
        );
        check(KeyChange::Parent, expect!["what it starts from changed"]);
    }

    #[test]
    fn names_of_files_do_nothing_to_the_terminal() {
        let path = "a\u{1b}[2J\nb".to_string();
        let change = FileChange::Added;
        check(
            KeyChange::File { path, change },
            expect!["`a␛[2J␊b` is new"],
        );
    }
}
