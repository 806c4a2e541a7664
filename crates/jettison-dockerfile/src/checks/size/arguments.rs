//! The arguments of programs that read them as `getopt` does.

use crate::checks::packages::value_or_text;
use crate::shell::{ShellWord, SimpleCommand};

/// The flags of a program that have a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Valued {
    /// The letters.
    pub(super) short: &'static str,
    /// The names without dashes, with a blank between them.
    pub(super) long: &'static str,
}

/// A flag, or an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Argument<'a> {
    /// The letter or the name of the flag, without dashes; none for an operand.
    pub(super) flag: Option<&'a str>,
    /// The value of the flag; the operand itself.
    pub(super) value: Option<&'a str>,
    /// The word with the value, else with the flag.
    pub(super) word: &'a ShellWord,
}

impl Argument<'_> {
    /// Says whether it is a flag, by its letter or its name.
    pub(super) fn is(&self, short: &str, long: &str) -> bool {
        self.flag.is_some_and(|flag| flag == short || flag == long)
    }
}

/// The arguments of a command, those of clusters such as `-xzf` one by one.
pub(super) fn arguments(command: &SimpleCommand, valued: Valued) -> Vec<Argument<'_>> {
    let mut arguments = Vec::new();
    let mut words = command.unwrapped().iter().skip(1);
    while let Some(word) = words.next() {
        let text = value_or_text(word);
        if let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let takes_next = value.is_none() && valued.long.split(' ').any(|known| known == name);
            let next = if takes_next { words.next() } else { None };
            arguments.push(Argument {
                flag: Some(name),
                value: value.or_else(|| next.map(value_or_text)),
                word: next.unwrap_or(word),
            });
            continue;
        }
        let letters = text
            .strip_prefix('-')
            .filter(|letters| !letters.is_empty() && *letters != "-");
        let Some(letters) = letters else {
            arguments.push(Argument {
                flag: None,
                value: Some(text),
                word,
            });
            continue;
        };
        for (at, letter) in letters.char_indices() {
            let end = at + letter.len_utf8();
            let flag = Some(&letters[at..end]);
            if !valued.short.contains(letter) {
                arguments.push(Argument {
                    flag,
                    value: None,
                    word,
                });
                continue;
            }
            let rest = &letters[end..];
            let next = if rest.is_empty() { words.next() } else { None };
            let value = if rest.is_empty() {
                next.map(value_or_text)
            } else {
                Some(rest)
            };
            arguments.push(Argument {
                flag,
                value,
                word: next.unwrap_or(word),
            });
            break;
        }
    }
    arguments
}
