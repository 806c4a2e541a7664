//! What the commands so far have done to the shell itself: its directory and its options.

use crate::shell::command::{ShellDirectory, ShellOption, ShellOptions, SimpleCommand};
use crate::shell::reader::{Found, Reader};
use crate::shell::word::ShellWord;

/// The longest directory that is followed, and the most that `pushd` puts aside: each command carries its own.
const MAX_PATH: usize = 512;
const MAX_STACK: usize = 16;

/// The state of the shell, if the commands so far succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) directory: ShellDirectory,
    /// Where `cd -` goes.
    previous: ShellDirectory,
    /// Where `popd` goes.
    stack: Vec<ShellDirectory>,
    pub(super) options: ShellOptions,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            directory: ShellDirectory::Initial,
            previous: ShellDirectory::Unknown,
            stack: Vec::new(),
            options: ShellOptions::default(),
        }
    }
}

impl Flow {
    /// What is certain if one of two ways was taken.
    pub(super) fn joined(one: &Flow, other: &Flow) -> Flow {
        let same = |one: &ShellDirectory, other: &ShellDirectory| {
            if one == other {
                one.clone()
            } else {
                ShellDirectory::Unknown
            }
        };
        Flow {
            directory: same(&one.directory, &other.directory),
            previous: same(&one.previous, &other.previous),
            stack: if one.stack == other.stack {
                one.stack.clone()
            } else {
                Vec::new()
            },
            options: one.options.common(other.options),
        }
    }

    /// Turns the options on and off that `set` or the shell itself gets as arguments.
    pub(super) fn set<'a>(&mut self, arguments: impl IntoIterator<Item = Option<&'a str>>) {
        let mut arguments = arguments.into_iter();
        while let Some(Some(argument)) = arguments.next() {
            let (is_on, letters) = match argument.split_at_checked(1) {
                Some(("-", letters)) if letters != "-" => (true, letters),
                Some(("+", letters)) => (false, letters),
                _ => return,
            };
            for letter in letters.chars() {
                let option = match letter {
                    'e' => Some(ShellOption::ErrorExit),
                    'u' => Some(ShellOption::NoUnset),
                    'x' => Some(ShellOption::Trace),
                    'o' => arguments.next().flatten().and_then(named_option),
                    _ => None,
                };
                match option {
                    Some(option) if is_on => self.options.insert(option),
                    Some(option) => self.options.remove(option),
                    None => {}
                }
            }
        }
    }

    /// Goes where `cd` or `pushd` goes.
    fn enter(&mut self, target: Option<&str>) {
        let next = match target {
            Some("-") => self.previous.clone(),
            Some(path) => joined_path(&self.directory, path),
            None => ShellDirectory::Unknown,
        };
        self.previous = std::mem::replace(&mut self.directory, next);
    }
}

fn named_option(name: &str) -> Option<ShellOption> {
    match name {
        "errexit" => Some(ShellOption::ErrorExit),
        "nounset" => Some(ShellOption::NoUnset),
        "xtrace" => Some(ShellOption::Trace),
        "pipefail" => Some(ShellOption::PipeFail),
        _ => None,
    }
}

/// Joins as `cd` does, which takes `..` off the path and does not look at links.
fn joined_path(directory: &ShellDirectory, path: &str) -> ShellDirectory {
    let base = match directory {
        _ if path.starts_with('/') => "",
        ShellDirectory::Initial => "",
        ShellDirectory::At(base) => base,
        ShellDirectory::Unknown => return ShellDirectory::Unknown,
    };
    let is_absolute = path.starts_with('/') || base.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            _ => parts.push(part),
        }
    }
    match (is_absolute, parts.join("/")) {
        (_, path) if path.len() > MAX_PATH => ShellDirectory::Unknown,
        (true, path) => ShellDirectory::At(format!("/{path}")),
        (false, path) if path.is_empty() => ShellDirectory::Initial,
        (false, path) => ShellDirectory::At(path),
    }
}

impl Reader<'_> {
    /// Does to the shell what a command does.
    pub(super) fn run(&mut self, command: &SimpleCommand) {
        let words = match command.words.as_slice() {
            [wrapper, rest @ ..]
                if matches!(wrapper.literal.as_deref(), Some("command" | "builtin")) =>
            {
                rest
            }
            words => words,
        };
        let Some((program, arguments)) = words.split_first() else {
            return;
        };
        let Some(program) = program.literal.as_deref() else {
            return;
        };
        let Found { movers, .. } = &self.found;
        match program {
            _ if movers.iter().any(|name| name == program) => {
                self.flow.directory = ShellDirectory::Unknown;
            }
            "cd" | "chdir" => self.flow.enter(target(arguments)),
            "pushd" => {
                let from = self.flow.directory.clone();
                if self.flow.stack.len() == MAX_STACK {
                    self.flow.stack.remove(0);
                }
                self.flow.stack.push(from);
                self.flow.enter(target(arguments));
            }
            "popd" => {
                let next = self.flow.stack.pop();
                self.flow.directory = next.unwrap_or(ShellDirectory::Unknown);
            }
            "set" => self
                .flow
                .set(arguments.iter().map(|word| word.literal.as_deref())),
            _ => return,
        }
        if program != "set" {
            self.found.n_moves += 1;
        }
    }
}

/// The directory that `cd` gets, if it is one word that stands for itself.
fn target(arguments: &[ShellWord]) -> Option<&str> {
    let mut arguments = arguments;
    while let [first, rest @ ..] = arguments
        && matches!(first.literal.as_deref(), Some("--" | "-L" | "-e"))
    {
        arguments = rest;
    }
    let [word] = arguments else {
        return None;
    };
    let literal = word.literal.as_deref()?;
    let is_flag = literal.len() > 1 && literal.starts_with(['-', '+']);
    (!word.has_glob && !word.has_tilde && !is_flag && !literal.is_empty()).then_some(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_cd_does() {
        let cases = [
            (ShellDirectory::Initial, "a/b", "a/b"),
            (ShellDirectory::Initial, "/a//b/", "/a/b"),
            (ShellDirectory::Initial, "../a", "../a"),
            (ShellDirectory::At("a".into()), "../..", ".."),
            (ShellDirectory::At("/a".into()), "../../b", "/b"),
            (ShellDirectory::Unknown, "/a", "/a"),
        ];
        for (directory, path, expected) in cases {
            let found = joined_path(&directory, path);
            assert_eq!(found, ShellDirectory::At(expected.to_owned()), "{path}");
        }
        let a = ShellDirectory::At("a".into());
        assert_eq!(joined_path(&a, ".."), ShellDirectory::Initial);
        let unknown = joined_path(&ShellDirectory::Unknown, "a");
        assert_eq!(unknown, ShellDirectory::Unknown);
    }
}
