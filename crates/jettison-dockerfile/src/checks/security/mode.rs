//! The modes that commands give to files.

use crate::checks::packages::base_name;
use crate::shell::{ShellWord, SimpleCommand};

/// What a mode allows, as far as rules care.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of the mode")]
pub(super) struct Mode {
    /// Everybody may write.
    pub(super) others_write: bool,
    /// Only owners may delete what is in the directory.
    pub(super) sticky: bool,
    /// The program runs as its owner.
    pub(super) set_user: bool,
    /// The program runs with its group; what is made in the directory belongs to its group.
    pub(super) set_group: bool,
}

impl Mode {
    /// Reads an octal or a symbolic mode; what it takes away does not count.
    pub(super) fn parse(text: &str) -> Option<Mode> {
        if text.is_empty() {
            return None;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok()?;
            return Some(Mode {
                others_write: bits & 0o2 != 0,
                sticky: bits & 0o1000 != 0,
                set_user: bits & 0o4000 != 0,
                set_group: bits & 0o2000 != 0,
            });
        }
        let mut mode = Mode::default();
        for clause in text.split(',') {
            let operator = clause.find(['+', '-', '='])?;
            let (who, rest) = clause.split_at(operator);
            if !who.chars().all(|c| "ugoa".contains(c)) {
                return None;
            }
            let (operator, letters) = rest.split_at(1);
            if !letters.chars().all(|c| "rwxXstugo+-=".contains(c)) {
                return None;
            }
            let granted = if operator == "-" { "" } else { letters };
            let is_for = |class: char| who.contains([class, 'a']);
            // Without a class the umask decides, which by default keeps others from writing.
            mode.others_write |= is_for('o') && granted.contains('w');
            mode.sticky |= granted.contains('t');
            let sets = granted.contains('s');
            mode.set_user |= sets && (who.is_empty() || is_for('u'));
            mode.set_group |= sets && (who.is_empty() || is_for('g'));
        }
        Some(mode)
    }
}

/// A mode that a command gives.
#[derive(Debug)]
pub(super) struct ModeGiven<'c> {
    pub(super) mode: Mode,
    /// The word that says so.
    pub(super) word: &'c ShellWord,
    /// The mode as written.
    pub(super) text: &'c str,
    /// The files.
    pub(super) files: Vec<&'c ShellWord>,
}

/// The mode that `chmod`, `mkdir -m` or `install -m` gives.
pub(super) fn mode_given(command: &SimpleCommand) -> Option<ModeGiven<'_>> {
    let (program, arguments) = command.unwrapped().split_first()?;
    let program = base_name(program.literal.as_deref()?);
    let is_flag = |word: &&ShellWord| word.text.starts_with('-') && word.text.len() > 1;
    match program {
        "chmod" => {
            // `chmod -x file` takes away; no rule is about that.
            let mut operands = arguments.iter().filter(|word| !is_flag(word));
            let word = operands.next()?;
            let text = word.literal.as_deref()?;
            Some(ModeGiven {
                mode: Mode::parse(text)?,
                word,
                text,
                files: operands.collect(),
            })
        }
        "mkdir" | "install" => {
            let (word, text) = flag_value(arguments)?;
            Some(ModeGiven {
                mode: Mode::parse(text)?,
                word,
                text,
                files: arguments.iter().filter(|word| !is_flag(word)).collect(),
            })
        }
        _ => None,
    }
}

/// The value of `-m` or `--mode`, in its own word or not.
fn flag_value(arguments: &[ShellWord]) -> Option<(&ShellWord, &str)> {
    for (index, word) in arguments.iter().enumerate() {
        let literal = word.literal.as_deref().unwrap_or_default();
        if let Some(value) = literal.strip_prefix("--mode=") {
            return Some((word, value));
        }
        let is_short = literal.starts_with('-') && !literal.starts_with("--");
        if literal == "--mode" || (is_short && literal.ends_with('m')) {
            let value = arguments.get(index + 1)?;
            return Some((value, value.literal.as_deref()?));
        }
        if let Some(value) = literal.strip_prefix("-m") {
            return Some((word, value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match Mode::parse(text) {
            None => "none".to_owned(),
            Some(mode) => [
                ("others write", mode.others_write),
                ("sticky", mode.sticky),
                ("set user", mode.set_user),
                ("set group", mode.set_group),
            ]
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", "),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn modes_are_octal_or_symbolic() {
        check("777", "others write");
        check("0666", "others write");
        check("775", "");
        check("1777", "others write, sticky");
        check("4755", "set user");
        check("6755", "set user, set group");
        check("a+w", "others write");
        check("ugo+rwx", "others write");
        check("o=rw", "others write");
        check("a+rwxt", "others write, sticky");
        check("u+s", "set user");
        check("+s", "set user, set group");
        check("+w", "");
        check("o-w,a-s", "");
        check("u=rwX,go=rX", "");
        check("--reference", "none");
        check("file", "none");
        check("999", "none");
    }
}
