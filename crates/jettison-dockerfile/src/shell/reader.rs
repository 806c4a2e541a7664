//! The reader of scripts: where it is in the text, what it has found, and what it is inside of.
//!
//! It goes through the text once, from left to right, by recursive descent without backtracking; lookahead
//! finds nothing and changes nothing. Nesting is limited, so that no script can exhaust the stack.

use std::ops::Range;

use crate::shell::command::{CompoundCommand, Connector, Nesting, Separator, SimpleCommand};
use crate::shell::flow::Flow;
use crate::shell::heredoc::PendingHeredoc;
use crate::shell::redirect::Redirect;
use crate::shell::script::{OpaqueScript, ShellFunction, VariableAccess, VariableUse};
use crate::shell::source::PieceMap;
use crate::text::TextRange;

/// How deep commands, substitutions and expansions may be in each other.
const MAX_DEPTH: usize = 64;

/// The result of reading a part of a script. An error makes the whole script opaque.
pub(super) type Read<T> = Result<T, OpaqueScript>;

/// Reads a script.
pub(super) struct Reader<'s> {
    pub(super) text: &'s str,
    /// The byte to read next.
    pub(super) at: usize,
    /// Where to stop: the end of the text, or of a heredoc's body.
    pub(super) end: usize,
    pub(super) base: Base<'s>,
    pub(super) depth: usize,
    pub(super) nesting: Vec<Nesting>,
    pub(super) inside: Option<usize>,
    pub(super) flow: Flow,
    /// The heredocs whose bodies come after the next end of a line.
    pub(super) heredocs: Vec<PendingHeredoc>,
    pub(super) found: Found,
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) commands: Vec<SimpleCommand>,
    pub(super) compounds: Vec<CompoundCommand>,
    pub(super) functions: Vec<ShellFunction>,
    /// The names of the functions that change the directory.
    pub(super) movers: Vec<String>,
    pub(super) variables: Vec<VariableUse>,
    pub(super) comments: Vec<TextRange>,
    pub(super) n_pipelines: usize,
    pub(super) n_moves: usize,
}

/// Where a text comes from: the script from the Dockerfile, what is between backticks from the script.
#[derive(Clone, Copy)]
pub(super) struct Base<'s> {
    pub(super) map: &'s PieceMap,
    pub(super) outer: Option<&'s Base<'s>>,
}

/// A place, in the script's source and in the Dockerfile.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) source: Range<usize>,
    pub(super) text: TextRange,
}

/// Where a command stands: what a command gets from the list around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) connector: Connector,
    pub(super) pipeline: usize,
    pub(super) negated: bool,
}

/// A member of a pipeline: an index into the list of its kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member {
    Simple(usize),
    Compound(usize),
}

impl Base<'_> {
    fn place(&self, range: Range<usize>) -> Place {
        match self.outer {
            None => Place {
                text: self.map.range(range.clone()),
                source: range,
            },
            Some(outer) => outer.place(self.map.range(range)),
        }
    }
}

impl<'s> Reader<'s> {
    pub(super) fn new(text: &'s str, base: Base<'s>, flow: Flow) -> Reader<'s> {
        Reader {
            text,
            at: 0,
            end: text.len(),
            base,
            depth: 0,
            nesting: Vec::new(),
            inside: None,
            flow,
            heredocs: Vec::new(),
            found: Found::default(),
        }
    }

    /// Reads all of the text.
    pub(super) fn read_all(&mut self) -> Read<()> {
        self.list()?;
        if self.at < self.end {
            return Err(self.unexpected());
        }
        self.no_heredoc_is_pending()
    }

    pub(super) fn place(&self, range: Range<usize>) -> Place {
        self.base.place(range)
    }

    /// An error about a range of the text.
    pub(super) fn opaque(&self, range: Range<usize>, reason: impl Into<String>) -> OpaqueScript {
        let Place { source, text } = self.place(range);
        OpaqueScript {
            reason: reason.into(),
            range: text,
            source_range: source,
        }
    }

    /// An error about what comes next.
    pub(super) fn unexpected(&self) -> OpaqueScript {
        match self.rest().chars().next() {
            None => self.opaque(self.at..self.at, "the script ends too early"),
            Some('\n') => self.opaque(self.at..self.at + 1, "unexpected end of line"),
            Some(character) => {
                let word = self.plain_word();
                let len = word.len().max(character.len_utf8());
                let found = &self.rest()[..len];
                self.opaque(self.at..self.at + len, format!("unexpected `{found}`"))
            }
        }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'s str {
        &self.text[self.at..self.end]
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    /// The byte after the `count` next ones.
    pub(super) fn peek_at(&self, count: usize) -> Option<u8> {
        let at = self.at + count;
        (at < self.end).then(|| self.text.as_bytes()[at])
    }

    /// Takes `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Passes over blanks and continued lines.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.at += 2,
                _ => return,
            }
        }
    }

    /// Passes over blanks, comments and ends of lines, and reads the heredocs that are due.
    pub(super) fn skip_lines(&mut self) -> Read<()> {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'\n') => self.end_of_line()?,
                Some(b'#') => self.comment(),
                _ => return Ok(()),
            }
        }
    }

    /// Takes the end of a line and the bodies of the heredocs before it.
    pub(super) fn end_of_line(&mut self) -> Read<()> {
        self.at += 1;
        self.heredoc_bodies()
    }

    /// Takes a comment, but not the end of its line.
    pub(super) fn comment(&mut self) {
        let start = self.at;
        self.at += self.rest().find('\n').unwrap_or(self.end - start);
        let Place { text, .. } = self.place(start..self.at);
        self.found.comments.push(text);
    }

    /// The word that comes next, if nothing is quoted or expanded in it; else empty.
    pub(super) fn plain_word(&self) -> &'s str {
        let rest = self.rest();
        let is_special = |byte| matches!(byte, b'\\' | b'\'' | b'"' | b'`' | b'$');
        let len = rest
            .bytes()
            .position(|byte| is_meta(byte) || is_special(byte))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(len);
        // A continued line that goes on with a blank ends the word.
        let after = after.strip_prefix("\\\n").unwrap_or(after);
        match after.bytes().next() {
            Some(byte) if !is_meta(byte) => "",
            Some(_) | None => word,
        }
    }

    /// Refuses an operator or a name that a continued line cuts in two: `is_part` says what would go on with it.
    pub(super) fn refuse_cut(&self, is_part: impl Fn(u8) -> bool) -> Read<()> {
        if self.rest().starts_with("\\\n") && self.peek_at(2).is_some_and(is_part) {
            let range = self.at..self.at + 2;
            return Err(self.opaque(range, "a continued line cuts an operator or a name in two"));
        }
        Ok(())
    }

    /// Reads something that is inside of something else.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.opaque(self.at..self.at, "nested too deeply"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Reads something inside of `nesting`.
    pub(super) fn within<T>(
        &mut self,
        nesting: Nesting,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<T> {
        self.nesting.push(nesting);
        let result = self.nested(read);
        self.nesting.pop();
        result
    }

    /// Reads a compound command or a substitution that starts at `start`, without redirects after it.
    pub(super) fn compound(
        &mut self,
        kind: Nesting,
        (start, slot): (usize, Slot),
        read: impl FnOnce(&mut Self) -> Read<()>,
    ) -> Read<usize> {
        let index = self.found.compounds.len();
        let Place { source, text } = self.place(start..start);
        self.found.compounds.push(CompoundCommand {
            kind: kind.clone(),
            range: text,
            source_range: source,
            inside: self.inside,
            connector: slot.connector,
            pipeline: slot.pipeline,
            negated: slot.negated,
            words: Vec::new(),
            redirects: Vec::new(),
            separator_after: None,
        });
        let around = self.inside.replace(index);
        self.within(kind, read)?;
        self.inside = around;
        self.ends_here(index, start);
        Ok(index)
    }

    /// Sets where a compound command ends.
    pub(super) fn ends_here(&mut self, index: usize, start: usize) {
        let Place { source, text } = self.place(start..self.at);
        let compound = &mut self.found.compounds[index];
        compound.range = text;
        compound.source_range = source;
    }

    /// A number for one more pipeline.
    pub(super) fn next_pipeline(&mut self) -> usize {
        self.found.n_pipelines += 1;
        self.found.n_pipelines - 1
    }

    /// The slot of something that is alone in its list.
    pub(super) fn own_slot(&mut self) -> Slot {
        Slot {
            connector: Connector::First,
            pipeline: self.next_pipeline(),
            negated: false,
        }
    }

    /// Takes the next `len` bytes as the operator after `member`.
    pub(super) fn separate(&mut self, member: Member, connector: Connector, len: usize) {
        let Place { source, text } = self.place(self.at..self.at + len);
        self.at += len;
        let separator = Some(Separator {
            connector,
            range: text,
            source_range: source,
        });
        match member {
            Member::Simple(index) => self.found.commands[index].separator_after = separator,
            Member::Compound(index) => self.found.compounds[index].separator_after = separator,
        }
    }

    /// The redirects of a member of a pipeline.
    pub(super) fn redirects_of(&mut self, member: Member) -> &mut Vec<Redirect> {
        match member {
            Member::Simple(index) => &mut self.found.commands[index].redirects,
            Member::Compound(index) => &mut self.found.compounds[index].redirects,
        }
    }

    /// Notes that a variable is used.
    pub(super) fn uses(&mut self, name: &str, access: VariableAccess, range: Range<usize>) {
        let Place { source, text } = self.place(range);
        self.found.variables.push(VariableUse {
            name: name.to_owned(),
            access,
            range: text,
            source_range: source,
        });
    }
}

/// Says whether a byte ends a word unless it is quoted.
pub(super) fn is_meta(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')'
    )
}

/// How many bytes at the start of `text` are the name of a variable.
pub(super) fn name_len(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes()
        .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
        .unwrap_or(text.len())
}
