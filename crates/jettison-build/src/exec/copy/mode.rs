//! `--chmod`: the mode that copies get.

use crate::plan::Chmod;

const READ: u32 = 0o444;
const WRITE: u32 = 0o222;
const EXECUTE: u32 = 0o111;
const SET_IDS: u32 = 0o6000;
const STICKY: u32 = 0o1000;
/// What a clause without classes changes.
const STANDARD: u32 = 0o6777;

/// What becomes of the modes of copies.
#[derive(Clone, Debug)]
pub(crate) enum ModeRule {
    Kept,
    /// All get this mode.
    Octal(u32),
    /// Modes are changed in these steps.
    Symbolic(Vec<Change>),
}

/// One step of a symbolic mode, in the classes' own bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Set(u32),
    Clear(u32),
    /// Sets what a file has that is a directory or can be executed by anyone.
    SetIfExecutable(u32),
    /// Copies the bits of one class to the classes in `to`.
    Copy {
        operator: char,
        from: char,
        to: u32,
    },
}

impl ModeRule {
    /// The rule that `--chmod` gives; an error says what is wrong with it.
    pub(crate) fn parse(chmod: Option<&Chmod>) -> Result<ModeRule, String> {
        match chmod {
            None => Ok(ModeRule::Kept),
            Some(Chmod::Octal(mode)) => Ok(ModeRule::Octal(mode & 0o7777)),
            Some(Chmod::Symbolic(text)) => match parse(text) {
                Some(changes) => Ok(ModeRule::Symbolic(changes)),
                None => Err(format!("invalid chmod parameter: '{text}'")),
            },
        }
    }

    /// The mode of the copy of a file of mode `mode`.
    pub(crate) fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            ModeRule::Kept => mode,
            ModeRule::Octal(mode) => *mode,
            ModeRule::Symbolic(changes) => {
                let is_executable = is_dir || mode & EXECUTE != 0;
                changes
                    .iter()
                    .fold(mode, |mode, change| change.apply(mode, is_executable))
            }
        }
    }

    /// The mode of directories that are made on the way. A symbolic mode does not change it
    /// (fsutil, copy/copy.go: `Copy`, where `ModeStr` leaves `Mode` unset).
    pub(crate) fn of_parents(&self) -> u32 {
        match self {
            ModeRule::Octal(mode) => mode & 0o777,
            ModeRule::Kept | ModeRule::Symbolic(_) => 0o755,
        }
    }
}

impl Change {
    fn apply(self, mode: u32, is_executable: bool) -> u32 {
        match self {
            Change::Set(bits) => mode | bits,
            Change::Clear(bits) => mode & !bits,
            Change::SetIfExecutable(bits) if is_executable => mode | bits,
            Change::SetIfExecutable(_) => mode,
            Change::Copy { operator, from, to } => {
                let shift = match from {
                    'u' => 6,
                    'g' => 3,
                    _ => 0,
                };
                let value = (mode >> shift & 0o7) * 0o111;
                match operator {
                    '+' => mode | (value & to),
                    '-' => mode & !(value & to),
                    _ => (mode & !(0o777 & to)) | (value & to),
                }
            }
        }
    }
}

/// The steps of a symbolic mode: clauses with commas between them, each of classes, operators and permissions. The
/// rules are those of BSD's `setmode` (tonistiigi/dchapes-mode: `ParseWithUmask`), with an umask of 0.
fn parse(text: &str) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let mut has_assigned = false;
    for clause in text.split(',') {
        let mut rest = clause.chars().peekable();
        let mut who = 0;
        while let Some(bits) = rest.peek().copied().and_then(class) {
            who |= bits;
            rest.next();
        }
        // At least one operator; each may have permissions after it.
        rest.peek()?;
        while let Some(operator) = rest.next() {
            match operator {
                '+' | '-' => {}
                '=' => has_assigned = false,
                _ => return None,
            }
            let mut action = Action {
                operator,
                who: who & !STICKY,
                bits: 0,
                if_executable: 0,
            };
            while let Some(letter) = rest.next_if(|letter| !matches!(letter, '+' | '-' | '=')) {
                action.letter(letter, &mut changes, &mut has_assigned)?;
            }
            action.flush(&mut changes, &mut has_assigned);
        }
    }
    Some(changes)
}

/// The bits that belong to a class.
fn class(letter: char) -> Option<u32> {
    match letter {
        'a' => Some(STANDARD),
        'u' => Some(0o4700),
        'g' => Some(0o2070),
        'o' => Some(0o0007),
        _ => None,
    }
}

/// An operator with the permissions that were read so far.
struct Action {
    operator: char,
    /// The bits of the classes; none if no class is given, which means all.
    who: u32,
    bits: u32,
    if_executable: u32,
}

impl Action {
    fn letter(
        &mut self,
        letter: char,
        changes: &mut Vec<Change>,
        has_assigned: &mut bool,
    ) -> Option<()> {
        // For others alone there are no set-ID and sticky bits.
        let is_for_others = self.who != 0 && self.who & !0o7 == 0;
        match letter {
            'r' => self.bits |= READ,
            'w' => self.bits |= WRITE,
            'x' => self.bits |= EXECUTE,
            'X' if self.operator == '-' => self.bits |= EXECUTE,
            'X' => self.if_executable = EXECUTE,
            's' if !is_for_others => self.bits |= SET_IDS,
            't' if !is_for_others => {
                self.who |= STICKY;
                self.bits |= STICKY;
            }
            's' | 't' => {}
            'u' | 'g' | 'o' => {
                if self.bits != 0 {
                    self.put(changes);
                }
                if self.operator == '=' {
                    *has_assigned = true;
                }
                self.put_if_executable(changes);
                let to = match self.who {
                    0 => 0o777,
                    who => [0o700, 0o070, 0o007]
                        .into_iter()
                        .filter(|class| who & class & READ != 0)
                        .fold(0, |to, class| to | class),
                };
                changes.push(Change::Copy {
                    operator: self.operator,
                    from: letter,
                    to,
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn flush(&mut self, changes: &mut Vec<Change>, has_assigned: &mut bool) {
        let is_assignment = self.operator == '=';
        if self.bits != 0 || (is_assignment && !*has_assigned) {
            *has_assigned |= is_assignment;
            self.put(changes);
        }
        self.put_if_executable(changes);
    }

    fn put(&mut self, changes: &mut Vec<Change>) {
        let who = self.who;
        let bits = if who == 0 { self.bits } else { who & self.bits };
        if self.operator == '=' {
            changes.push(Change::Clear(if who == 0 { STANDARD } else { who }));
        }
        changes.push(match self.operator {
            '-' => Change::Clear(bits),
            _ => Change::Set(bits),
        });
        self.bits = 0;
    }

    fn put_if_executable(&mut self, changes: &mut Vec<Change>) {
        if self.if_executable != 0 {
            let who = if self.who == 0 { 0o7777 } else { self.who };
            changes.push(Change::SetIfExecutable(who & self.if_executable));
            self.if_executable = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let rule = ModeRule::parse(Some(&Chmod::Symbolic(text.to_owned())));
        let shown = match rule {
            Err(error) => error,
            Ok(rule) => [(0o644, false), (0o4755, false), (0o1751, true), (0, false)]
                .map(|(mode, is_dir)| format!("{:04o}", rule.apply(mode, is_dir)))
                .join(" "),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn symbolic_modes_change_files_and_directories() {
        check("+x", expect!["0755 4755 1751 0111"]);
        check("u+rwX,go=rX", expect!["0644 4755 1755 0644"]);
        check("a=", expect!["0000 0000 1000 0000"]);
        check("=", expect!["0000 0000 1000 0000"]);
        check("go-rwx", expect!["0600 4700 1700 0000"]);
        check("a-X", expect!["0644 4644 1640 0000"]);
    }

    #[test]
    fn classes_are_copied() {
        check("g=u", expect!["0664 4775 1771 0000"]);
        check("o=u-w", expect!["0644 4755 1755 0000"]);
        check("go-u", expect!["0600 4700 1700 0000"]);
        check("=u", expect!["0666 4777 1777 0000"]);
    }

    #[test]
    fn set_id_and_sticky_bits() {
        check("o+t,g+s,u-s", expect!["2644 2755 3751 2000"]);
        check("+t", expect!["1644 5755 1751 1000"]);
        check("a+st", expect!["7644 7755 7751 7000"]);
        check("o+s", expect!["0644 4755 1751 0000"]);
        check("u=s", expect!["4044 4055 5051 4000"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ",", "u", "+q", "u+x,", "z+x", "755"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("u+").is_some(), "no permissions are no change");
    }
}
