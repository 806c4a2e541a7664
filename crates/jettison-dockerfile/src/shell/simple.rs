//! Simple commands: assignments, redirects, words.

use crate::shell::command::{Assignment, SimpleCommand};
use crate::shell::reader::{Member, Place, Read, Reader, Slot, name_len};
use crate::shell::redirect::{Redirect, RedirectKind};
use crate::shell::scan::{WordBuilder, WordPlace};
use crate::shell::word::ShellWord;

/// The builtins whose arguments are assignments.
const DECLARATIONS: [&str; 5] = ["export", "readonly", "declare", "typeset", "local"];

/// The operator of a redirect, with the number before it.
pub(super) struct RedirectOperator {
    start: usize,
    file_descriptor: Option<u32>,
    kind: RedirectKind,
}

/// The operators, longer ones first.
const OPERATORS: [(&str, RedirectKind); 12] = [
    ("&>>", RedirectKind::AppendOutputAndError),
    ("<<-", RedirectKind::HeredocWithoutTabs),
    ("<<<", RedirectKind::HereString),
    ("&>", RedirectKind::OutputAndError),
    ("<<", RedirectKind::Heredoc),
    ("<&", RedirectKind::DuplicateInput),
    ("<>", RedirectKind::InputOutput),
    (">>", RedirectKind::Append),
    (">&", RedirectKind::DuplicateOutput),
    (">|", RedirectKind::Clobber),
    ("<", RedirectKind::Input),
    (">", RedirectKind::Output),
];

impl Reader<'_> {
    /// Reads a simple command.
    pub(super) fn simple(&mut self, slot: Slot) -> Read<Member> {
        let start = self.at;
        let mut command = self.started(slot);
        let mut place = WordPlace::Anywhere;
        loop {
            let end = self.at;
            self.skip_blanks();
            if self.is_at_command_end() {
                self.at = end;
                break;
            }
            if let Some(operator) = self.redirect_operator()? {
                command.redirects.push(self.redirect(operator)?);
                continue;
            }
            if command.words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                command.assignments.push(assignment);
                continue;
            }
            let Some(word) = self.word(place)? else {
                return Err(self.unexpected());
            };
            if command.words.is_empty()
                && let Some(program) = &word.literal
                && DECLARATIONS.contains(&program.as_str())
            {
                place = WordPlace::Declaration;
            }
            command.words.push(word);
        }
        Ok(self.ended(command, start))
    }

    /// A command that starts here.
    pub(super) fn started(&self, slot: Slot) -> SimpleCommand {
        SimpleCommand {
            range: 0..0,
            source_range: 0..0,
            words: Vec::new(),
            assignments: Vec::new(),
            redirects: Vec::new(),
            connector: slot.connector,
            negated: slot.negated,
            nesting: self.nesting.clone(),
            inside: self.inside,
            pipeline: slot.pipeline,
            directory: self.flow.directory.clone(),
            options: self.flow.options,
            separator_after: None,
        }
    }

    /// Takes up a command that ends here.
    pub(super) fn ended(&mut self, mut command: SimpleCommand, start: usize) -> Member {
        let Place { source, text } = self.place(start..self.at);
        command.range = text;
        command.source_range = source;
        self.assigns(&command);
        self.run(&command);
        self.found.commands.push(command);
        let member = Member::Simple(self.found.commands.len() - 1);
        self.own_heredocs(member);
        member
    }

    fn is_at_command_end(&self) -> bool {
        match self.peek() {
            None | Some(b'\n' | b';' | b'|' | b')' | b'#') => true,
            Some(b'&') => self.peek_at(1) != Some(b'>'),
            Some(_) => false,
        }
    }

    /// Reads `NAME=value`, if that comes next.
    fn assignment(&mut self) -> Read<Option<Assignment>> {
        let start = self.at;
        let len = name_len(self.rest());
        if len == 0 {
            return Ok(None);
        }
        self.at += len;
        let name = &self.text[start..self.at];
        self.refuse_cut(|byte| byte.is_ascii_alphanumeric() || b"_=+[".contains(&byte))?;
        if self.peek() == Some(b'[') && !self.subscript()? {
            self.at = start;
            return Ok(None);
        }
        if !self.eat("=") && !self.eat("+=") {
            self.at = start;
            return Ok(None);
        }
        let Some(value) = self.word(WordPlace::Value)? else {
            return Err(self.unexpected());
        };
        let Place { source, text } = self.place(start..self.at);
        Ok(Some(Assignment {
            name: name.to_owned(),
            value,
            range: text,
            source_range: source,
        }))
    }

    /// Passes over the `[index]` of an assignment; says whether it is one.
    fn subscript(&mut self) -> Read<bool> {
        let start = self.at;
        let rest = self.rest();
        let is_assigned = |rest: &str| rest.starts_with('=') || rest.starts_with("+=");
        let special = rest[1..].find(['[', ']', '$', '`', '\\', '\'', '"', ' ', '\t', '\n']);
        match special.map(|len| rest.split_at(len + 1)) {
            Some((index, after)) if after.starts_with('[') => {
                let range = start..start + index.len() + 1;
                Err(self.opaque(range, "a subscript in a subscript is not followed"))
            }
            Some((index, after)) if after.starts_with(']') => {
                self.at += index.len() + 1;
                Ok(is_assigned(&after[1..]))
            }
            Some((_, after)) if !after.starts_with([' ', '\t', '\n']) => {
                self.nested(|reader| reader.braced(&mut WordBuilder::default(), b']', true))?;
                if !is_assigned(self.rest()) {
                    return Err(self.opaque(start..self.at, "a program that is a pattern"));
                }
                Ok(true)
            }
            // For bash `a[1 + 2]=3` is an assignment, for others it is three words.
            Some(_) | None => Err(self.opaque(start..start + 1, "`[` without a closing `]`")),
        }
    }

    /// Takes the operator of a redirect, if one comes next.
    pub(super) fn redirect_operator(&mut self) -> Read<Option<RedirectOperator>> {
        let start = self.at;
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        if number.is_empty() && (after.starts_with("<(") || after.starts_with(">(")) {
            return Ok(None);
        }
        if let Some(name) = after.strip_prefix('{') {
            let len = name_len(name);
            if len > 0 && (name[len..].starts_with("}<") || name[len..].starts_with("}>")) {
                let range = start..start + len + 3;
                return Err(self.opaque(range, "a redirect to a variable is not followed"));
            }
        }
        let operators = OPERATORS.iter();
        let Some((text, kind)) = operators.clone().find(|(text, _)| {
            after.starts_with(text) && (number.is_empty() || !text.starts_with('&'))
        }) else {
            return Ok(None);
        };
        self.at += digits + text.len();
        self.refuse_cut(|byte| b"<>&|-".contains(&byte))?;
        Ok(Some(RedirectOperator {
            start,
            file_descriptor: number.parse().ok(),
            kind: *kind,
        }))
    }

    /// Reads the rest of a redirect.
    pub(super) fn redirect(&mut self, operator: RedirectOperator) -> Read<Redirect> {
        let RedirectOperator {
            start,
            file_descriptor,
            mut kind,
        } = operator;
        self.skip_blanks();
        let target = match kind {
            RedirectKind::Heredoc => self.delimiter(false)?,
            RedirectKind::HeredocWithoutTabs => self.delimiter(true)?,
            RedirectKind::Input
            | RedirectKind::Output
            | RedirectKind::Append
            | RedirectKind::Clobber
            | RedirectKind::InputOutput
            | RedirectKind::OutputAndError
            | RedirectKind::AppendOutputAndError
            | RedirectKind::DuplicateInput
            | RedirectKind::DuplicateOutput
            | RedirectKind::HereString => self.expect_word()?,
        };
        if kind == RedirectKind::DuplicateOutput && !is_descriptor(&target) {
            kind = RedirectKind::OutputAndError;
        }
        let Place { source, text } = self.place(start..self.at);
        Ok(Redirect {
            kind,
            file_descriptor,
            target,
            body: None,
            range: text,
            source_range: source,
        })
    }
}

/// Says whether the word after `>&` is a file descriptor rather than a file.
fn is_descriptor(target: &ShellWord) -> bool {
    match target.literal.as_deref() {
        Some(literal) => {
            let digits = literal.strip_suffix('-').unwrap_or(literal);
            digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        // `>&$fd` duplicates a descriptor unless the value is a name.
        None => true,
    }
}
