//! What `$` and backticks expand.

use std::mem;
use std::ops::Range;

use crate::shell::arithmetic::closes_twice;
use crate::shell::command::Nesting;
use crate::shell::reader::{Base, Read, Reader, name_len};
use crate::shell::scan::WordBuilder;
use crate::shell::script::VariableAccess;
use crate::shell::source::Pieces;
use crate::shell::word::ExpansionKind;

impl Reader<'_> {
    /// Takes what starts with the `$` or the backtick here; a lone `$` stands for itself.
    pub(super) fn expansion(&mut self, word: &mut WordBuilder, quoted: bool) -> Read<()> {
        let start = self.at;
        if self.peek() == Some(b'`') {
            self.backticks(quoted)?;
            self.expanded(word, (ExpansionKind::Command, quoted), start);
            return Ok(());
        }
        let kind = match self.peek_at(1) {
            Some(b'(') => {
                if self.peek_at(2) == Some(b'(') && closes_twice(&self.rest()[3..]) {
                    self.at += 3;
                    let mut inner = WordBuilder::default();
                    self.nested(|reader| reader.arithmetic_into(&mut inner))?;
                    word.variables.append(&mut inner.variables);
                    ExpansionKind::Arithmetic
                } else {
                    self.substitution(Nesting::CommandSubstitution, 2)?;
                    ExpansionKind::Command
                }
            }
            Some(b'{') => {
                self.braces(word, quoted)?;
                ExpansionKind::Parameter
            }
            Some(b'\'') if !quoted => {
                self.dollar_quoted()?;
                ExpansionKind::Quote
            }
            Some(b'"') if !quoted => {
                self.at += 1;
                self.double_quoted(word)?;
                ExpansionKind::Quote
            }
            Some(b'[') => {
                let range = self.at..self.at + 2;
                return Err(self.opaque(range, "`$[` means different things to different shells"));
            }
            _ => {
                self.at += 1;
                let len = self.parameter_len();
                if len == 0 {
                    self.refuse_cut(|_| true)?;
                    word.push("$");
                    return Ok(());
                }
                self.at += len;
                self.refuse_cut(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
                self.reads(word, start, start + 1..self.at);
                ExpansionKind::Parameter
            }
        };
        self.expanded(word, (kind, quoted), start);
        Ok(())
    }

    /// How long the name of the parameter here is, 0 if there is none.
    fn parameter_len(&self) -> usize {
        match self.peek() {
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') => 1,
            Some(_) => name_len(self.rest()),
            None => 0,
        }
    }

    /// Notes that the variable named at `name` is read by the expansion from `start` up to here.
    fn reads(&mut self, word: &mut WordBuilder, start: usize, name: Range<usize>) {
        let name = &self.text[name];
        word.variables.push(name.to_owned());
        self.uses(name, VariableAccess::Read, start..self.at);
    }

    /// Takes `$'…'`. What its escapes mean is not looked into.
    fn dollar_quoted(&mut self) -> Read<()> {
        let start = self.at;
        let mut characters = self.rest().char_indices().skip(2);
        while let Some((offset, character)) = characters.next() {
            match character {
                '\'' => {
                    self.at += offset + 1;
                    return Ok(());
                }
                '\\' => {
                    characters.next();
                }
                _ => {}
            }
        }
        Err(self.opaque(start..self.end, "`$'` without a closing `'`"))
    }

    /// Takes `${…}`.
    fn braces(&mut self, word: &mut WordBuilder, quoted: bool) -> Read<()> {
        let start = self.at;
        self.at += 2;
        let is_name = |byte: Option<u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_@*".contains(&byte))
        };
        // `${#name}` is a length and `${!name}` an indirection; `${#}`, `${!}`, `${#:-x}` are parameters.
        if matches!(self.peek(), Some(b'#' | b'!')) && is_name(self.peek_at(1)) {
            self.at += 1;
        }
        let mut len = self.parameter_len();
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let digits = self.rest().bytes().take_while(u8::is_ascii_digit);
            len = digits.count();
        }
        if len == 0 {
            return Err(self.opaque(start..self.at, "`${` without the name of a variable"));
        }
        let name = self.at..self.at + len;
        self.at += len;
        let mut inner = WordBuilder::default();
        if self.peek() == Some(b'[') {
            self.nested(|reader| reader.braced(&mut inner, b']', !quoted))?;
        }
        let rest = self.rest();
        let is_assigned = rest.starts_with('=') || rest.starts_with(":=");
        match self.peek() {
            Some(b'}') => self.at += 1,
            Some(b'#' | b'%' | b'/' | b'^' | b',' | b'@') => {
                self.nested(|reader| reader.braced(&mut inner, b'}', true))?;
            }
            Some(b':' | b'-' | b'=' | b'?' | b'+') => {
                self.nested(|reader| reader.braced(&mut inner, b'}', !quoted))?;
            }
            Some(_) | None => {
                return Err(self.opaque(start..self.at, "`${` without a closing `}`"));
            }
        }
        self.reads(word, start, name.clone());
        if is_assigned {
            let name = &self.text[name];
            self.uses(name, VariableAccess::Write, start..self.at);
        }
        word.variables.append(&mut inner.variables);
        Ok(())
    }

    /// Takes what is in braces or brackets up to `close`; `has_quotes` says whether `'` quotes.
    pub(super) fn braced(
        &mut self,
        word: &mut WordBuilder,
        close: u8,
        has_quotes: bool,
    ) -> Read<()> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    let range = start..self.end;
                    return Err(self.opaque(range, "`${` without a closing `}`"));
                }
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.bump();
                }
                Some(b'\'') if has_quotes => self.single_quoted(word)?,
                Some(b'"') => self.nested(|reader| reader.double_quoted(word))?,
                Some(b'$') if !has_quotes && matches!(self.peek_at(1), Some(b'\'' | b'"')) => {
                    self.at += 1;
                }
                Some(b'$' | b'`') => self.expansion(word, !has_quotes)?,
                Some(_) => self.bump(),
            }
        }
    }

    /// Passes over one character.
    pub(super) fn bump(&mut self) {
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    /// Takes the commands between parentheses, of which `len` bytes are the opening one.
    pub(super) fn substitution(&mut self, kind: Nesting, len: usize) -> Read<()> {
        let start = self.at;
        let flow = self.flow.clone();
        let heredocs = mem::take(&mut self.heredocs);
        let slot = self.own_slot();
        self.at += len;
        self.compound(kind, (start, slot), |reader| {
            reader.list()?;
            reader.no_heredoc_is_pending()?;
            reader.close()
        })?;
        self.flow = flow;
        self.heredocs = heredocs;
        if !self.heredocs.is_empty() && self.text[start..self.at].contains('\n') {
            let reason = "a substitution over several lines after a heredoc is not followed";
            return Err(self.opaque(start..self.at, reason));
        }
        Ok(())
    }

    /// Takes the commands between backticks.
    fn backticks(&mut self, quoted: bool) -> Read<()> {
        let start = self.at;
        self.at += 1;
        let mut script = Pieces::default();
        loop {
            let rest = self.rest();
            let Some(len) = rest.find(['`', '\\']) else {
                return Err(self.opaque(start..self.end, "a backtick without a closing one"));
            };
            script.push(self.text, self.at..self.at + len);
            self.at += len;
            if self.eat("`") {
                break;
            }
            let next = self.peek_at(1);
            let is_escape =
                matches!(next, Some(b'`' | b'\\' | b'$')) || (quoted && next == Some(b'"'));
            let next_len = self.rest()[1..].chars().next().map_or(0, char::len_utf8);
            script.push(
                self.text,
                self.at + usize::from(is_escape)..self.at + 1 + next_len,
            );
            self.at += 1 + next_len;
        }
        let slot = self.own_slot();
        self.compound(Nesting::CommandSubstitution, (start, slot), |reader| {
            reader.read_inside(&script)
        })?;
        Ok(())
    }

    /// Reads a script inside of this one.
    fn read_inside(&mut self, script: &Pieces) -> Read<()> {
        let base = Base {
            map: &script.map,
            outer: Some(&self.base),
        };
        let mut reader = Reader::new(&script.text, base, self.flow.clone());
        reader.depth = self.depth;
        reader.inside = self.inside;
        reader.nesting = mem::take(&mut self.nesting);
        reader.found = mem::take(&mut self.found);
        let result = reader.read_all();
        self.nesting = mem::take(&mut reader.nesting);
        self.found = mem::take(&mut reader.found);
        result
    }
}
