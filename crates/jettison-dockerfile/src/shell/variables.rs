//! Which variables a command sets.

use crate::shell::command::SimpleCommand;
use crate::shell::reader::{Reader, name_len};
use crate::shell::script::{VariableAccess, VariableUse};
use crate::shell::word::ShellWord;

impl Reader<'_> {
    /// Notes the variables that a command sets, exports and removes.
    pub(super) fn assigns(&mut self, command: &SimpleCommand) {
        let access = if command.words.is_empty() {
            VariableAccess::Write
        } else {
            VariableAccess::Temporary
        };
        for assignment in &command.assignments {
            self.found.variables.push(VariableUse {
                name: assignment.name.clone(),
                access,
                range: assignment.range.clone(),
                source_range: assignment.source_range.clone(),
            });
        }
        let arguments = || command.arguments();
        let flags = || {
            let literals = command.literals();
            literals.filter(|literal| literal.starts_with('-'))
        };
        match command.program() {
            Some("export") if flags().all(|flag| flag == "-p") => {
                self.named(arguments(), VariableAccess::Export);
            }
            Some("declare" | "typeset") if flags().any(|flag| flag.contains('x')) => {
                self.named(arguments(), VariableAccess::Export);
            }
            Some("declare" | "typeset" | "local" | "readonly" | "read" | "mapfile") => {
                self.named(arguments(), VariableAccess::Write);
            }
            Some("getopts") => self.named(arguments().skip(1), VariableAccess::Write),
            Some("unset") if !flags().any(|flag| flag == "-f") => {
                self.named(arguments(), VariableAccess::Unset);
            }
            Some(_) | None => {}
        }
    }

    /// Notes the variables that words are: `NAME` or `NAME=value`.
    fn named<'w>(&mut self, words: impl Iterator<Item = &'w ShellWord>, access: VariableAccess) {
        for word in words {
            let len = name_len(&word.text);
            let is_name = matches!(
                word.text.as_bytes().get(len),
                None | Some(b'=' | b'+' | b'[')
            );
            if len > 0 && is_name {
                self.found.variables.push(VariableUse {
                    name: word.text[..len].to_owned(),
                    access,
                    range: word.range.clone(),
                    source_range: word.source_range.clone(),
                });
            }
        }
    }
}
