//! Compound commands.

use std::ops::Range;

use crate::shell::arithmetic::closes_twice;
use crate::shell::command::{Nesting, ShellDirectory};
use crate::shell::flow::Flow;
use crate::shell::reader::{Member, Place, Read, Reader, Slot, is_meta, name_len};
use crate::shell::script::{ShellFunction, VariableAccess};

/// The longest name of a function: each command inside carries it.
const MAX_NAME: usize = 255;

impl Reader<'_> {
    /// Reads a compound command that starts here, and the redirects after it.
    fn redirected(
        &mut self,
        kind: Nesting,
        slot: Slot,
        read: impl FnOnce(&mut Self) -> Read<()>,
    ) -> Read<Member> {
        let start = self.at;
        let index = self.compound(kind, (start, slot), read)?;
        let member = Member::Compound(index);
        loop {
            let end = self.at;
            self.skip_blanks();
            let Some(operator) = self.redirect_operator()? else {
                self.at = end;
                break;
            };
            let redirect = self.redirect(operator)?;
            self.redirects_of(member).push(redirect);
        }
        self.own_heredocs(member);
        self.ends_here(index, start);
        Ok(member)
    }

    /// Reads `( … )` or `(( … ))`.
    pub(super) fn parenthesis(&mut self, slot: Slot) -> Read<Member> {
        if self.peek_at(1) == Some(b'(') && closes_twice(&self.rest()[2..]) {
            return self.redirected(Nesting::Arithmetic, slot, |reader| {
                reader.at += 2;
                reader.arithmetic()
            });
        }
        let before = self.flow.clone();
        let member = self.redirected(Nesting::Subshell, slot, |reader| {
            reader.at += 1;
            reader.body()?;
            reader.close()
        })?;
        self.flow = before;
        Ok(member)
    }

    /// Takes the `)` that must come next.
    pub(super) fn close(&mut self) -> Read<()> {
        if self.eat(")") {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Reads `{ …; }`.
    pub(super) fn group(&mut self, slot: Slot) -> Read<Member> {
        self.redirected(Nesting::Group, slot, |reader| {
            reader.at += 1;
            reader.body()?;
            reader.expect_keyword("}")
        })
    }

    /// Reads `if`.
    pub(super) fn conditional(&mut self, slot: Slot) -> Read<Member> {
        self.redirected(Nesting::If, slot, |reader| {
            let mut ends: Option<Flow> = None;
            let mut end = |flow: &Flow| {
                ends = Some(match &ends {
                    Some(ends) => Flow::joined(ends, flow),
                    None => flow.clone(),
                });
            };
            reader.at += "if".len();
            loop {
                let before = reader.flow.clone();
                reader.condition("then")?;
                let failed = Flow::joined(&before, &reader.flow);
                reader.body()?;
                end(&reader.flow);
                reader.flow = failed;
                if !reader.eat_keyword("elif") {
                    break;
                }
            }
            if reader.eat_keyword("else") {
                reader.body()?;
            }
            end(&reader.flow);
            reader.expect_keyword("fi")?;
            reader.flow = ends.unwrap_or_default();
            Ok(())
        })
    }

    /// Reads `while` or `until`.
    pub(super) fn while_loop(&mut self, slot: Slot) -> Read<Member> {
        self.redirected(Nesting::Loop, slot, |reader| {
            reader.at += "while".len();
            reader.repeated(|reader| {
                reader.condition("do")?;
                reader.body()?;
                reader.expect_keyword("done")
            })
        })
    }

    /// Reads what may run several times, or never.
    fn repeated(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        let before = self.flow.clone();
        let first = self.found.commands.len();
        read(self)?;
        if self.flow.directory != before.directory {
            // The second time, the loop starts where the first time ended.
            for command in &mut self.found.commands[first..] {
                command.directory = ShellDirectory::Unknown;
            }
        }
        self.flow = Flow::joined(&before, &self.flow);
        Ok(())
    }

    /// Reads `for` or `select`.
    pub(super) fn for_loop(&mut self, slot: Slot) -> Read<Member> {
        self.redirected(Nesting::Loop, slot, |reader| {
            reader.at += reader.plain_word().len();
            reader.skip_blanks();
            if reader.rest().starts_with("((") {
                reader.at += 2;
                reader.arithmetic()?;
                reader.skip_blanks();
                reader.eat(";");
            } else {
                reader.for_words()?;
            }
            reader.skip_lines()?;
            reader.expect_keyword("do")?;
            reader.repeated(Self::body)?;
            reader.expect_keyword("done")
        })
    }

    /// Reads the name of a loop's variable and the words after `in`.
    fn for_words(&mut self) -> Read<()> {
        let name = self.plain_word();
        if name.is_empty() || name_len(name) < name.len() {
            return Err(self.unexpected());
        }
        self.uses(name, VariableAccess::Write, self.at..self.at + name.len());
        self.at += name.len();
        self.skip_blanks();
        if self.eat(";") {
            return Ok(());
        }
        self.skip_lines()?;
        if !self.eat_keyword("in") {
            return Ok(());
        }
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b';') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\n' | b'#') => return Ok(()),
                _ => self.compound_word()?,
            }
        }
    }

    /// Reads a word that belongs to the compound command around it.
    fn compound_word(&mut self) -> Read<()> {
        let word = self.expect_word()?;
        if let Some(index) = self.inside {
            self.found.compounds[index].words.push(word);
        }
        Ok(())
    }

    /// Reads `case`.
    pub(super) fn case(&mut self, slot: Slot) -> Read<Member> {
        self.redirected(Nesting::Case, slot, |reader| {
            reader.at += "case".len();
            reader.skip_blanks();
            reader.compound_word()?;
            reader.skip_lines()?;
            reader.expect_keyword("in")?;
            let before = reader.flow.clone();
            // No pattern may match.
            let mut end = before.clone();
            loop {
                reader.skip_lines()?;
                if reader.eat_keyword("esac") {
                    break;
                }
                reader.patterns()?;
                reader.flow.clone_from(&before);
                reader.list()?;
                end = Flow::joined(&end, &reader.flow);
                let is_last = ![";;&", ";;", ";&"]
                    .into_iter()
                    .any(|separator| reader.eat(separator));
                if is_last {
                    reader.expect_keyword("esac")?;
                    break;
                }
            }
            reader.flow = end;
            Ok(())
        })
    }

    /// Reads the patterns of one case, up to `)`.
    fn patterns(&mut self) -> Read<()> {
        self.eat("(");
        loop {
            self.skip_blanks();
            self.compound_word()?;
            self.skip_blanks();
            if self.eat(")") {
                return Ok(());
            }
            if !self.eat("|") {
                return Err(self.unexpected());
            }
        }
    }

    /// If `name ()` comes next, how long the name is.
    pub(super) fn function_head(&self) -> Option<usize> {
        let rest = self.rest();
        let len = rest.bytes().position(is_meta)?;
        let after = rest[len..].trim_start_matches([' ', '\t']);
        let after = after.strip_prefix('(')?.trim_start_matches([' ', '\t']);
        let is_plain = !rest[..len].contains(['\\', '\'', '"', '`', '$', '=', '*', '?', '[', '#']);
        (len > 0 && is_plain && after.starts_with(')')).then_some(len)
    }

    /// Reads the definition of a function whose name of `len` bytes comes next.
    pub(super) fn function(&mut self, slot: Slot, len: usize) -> Read<Member> {
        self.definition(slot, self.at, self.at..self.at + len)
    }

    /// Reads `function name` or `function name ()` and the body.
    pub(super) fn function_keyword(&mut self, slot: Slot) -> Read<Member> {
        let start = self.at;
        self.at += "function".len();
        self.skip_blanks();
        let len = self.plain_word().len();
        if len == 0 {
            return Err(self.unexpected());
        }
        self.definition(slot, start, self.at..self.at + len)
    }

    /// Reads what is after the name of a function.
    fn definition(&mut self, slot: Slot, start: usize, name: Range<usize>) -> Read<Member> {
        if name.len() > MAX_NAME {
            return Err(self.opaque(name, "the name of a function is too long"));
        }
        self.at = name.end;
        let name = self.text[name].to_owned();
        self.skip_blanks();
        if self.eat("(") {
            self.skip_blanks();
            self.close()?;
        }
        self.skip_lines()?;
        let before = self.flow.clone();
        let n_moves = self.found.n_moves;
        let kind = Nesting::Function(name.clone());
        let index = self.compound(kind, (start, slot), |reader| {
            // It may be called from anywhere.
            reader.flow.directory = ShellDirectory::Unknown;
            let slot = reader.own_slot();
            reader.compound_command(slot).map(|_| ())
        })?;
        self.flow = before;
        if self.found.n_moves > n_moves {
            self.found.movers.push(name.clone());
        }
        let Place { source, text } = self.place(start..self.at);
        self.found.functions.push(ShellFunction {
            name,
            range: text,
            source_range: source,
        });
        Ok(Member::Compound(index))
    }
}
