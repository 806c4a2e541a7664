//! Lists, and-or lists and pipelines, and which kind of command comes next.

use crate::shell::command::{Connector, Nesting, ShellDirectory};
use crate::shell::flow::Flow;
use crate::shell::reader::{Member, Read, Reader, Slot};

/// The words that end a list.
const LIST_ENDS: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

/// The words that start a compound command.
const STARTS: [&str; 9] = [
    "{", "if", "while", "until", "for", "select", "case", "function", "[[",
];

impl Reader<'_> {
    /// Reads commands up to something that ends a list, which is left; says how many and-or lists there were.
    pub(super) fn list(&mut self) -> Read<usize> {
        let mut connector = Connector::First;
        let mut count = 0;
        loop {
            self.skip_lines()?;
            if self.is_at_list_end() {
                return Ok(count);
            }
            let before = self.flow.clone();
            let last = self.and_or(connector)?;
            count += 1;
            self.skip_blanks();
            if self.peek() == Some(b'#') {
                self.comment();
            }
            match self.peek() {
                Some(b';') if matches!(self.peek_at(1), Some(b';' | b'&')) => return Ok(count),
                Some(b';') => {
                    self.separate(last, Connector::Sequence, 1);
                    self.refuse_cut(|byte| matches!(byte, b';' | b'&'))?;
                    connector = Connector::Sequence;
                }
                Some(b'&') => {
                    self.separate(last, Connector::Background, 1);
                    self.refuse_cut(|byte| matches!(byte, b'&' | b'>'))?;
                    connector = Connector::Background;
                    self.flow = before;
                }
                Some(b'\n') => {
                    self.separate(last, Connector::Sequence, 1);
                    self.heredoc_bodies()?;
                    connector = Connector::Sequence;
                }
                None | Some(b')') => return Ok(count),
                // `{ { a; } }` and `do for …; done done`: after a compound command such a word needs no `;`.
                _ if matches!(last, Member::Compound(_)) && self.is_at_list_end() => {
                    return Ok(count);
                }
                Some(_) => return Err(self.unexpected()),
            }
        }
    }

    /// Reads a list that must not be empty.
    pub(super) fn body(&mut self) -> Read<()> {
        match self.list()? {
            0 => Err(self.unexpected()),
            _ => Ok(()),
        }
    }

    fn is_at_list_end(&self) -> bool {
        match self.peek() {
            None | Some(b')') => true,
            Some(b';') => matches!(self.peek_at(1), Some(b';' | b'&')),
            Some(_) => LIST_ENDS.contains(&self.plain_word()),
        }
    }

    /// Reads pipelines between `&&` and `||`.
    fn and_or(&mut self, connector: Connector) -> Read<Member> {
        // What is in force if all that came before failed at once.
        let mut failed = self.flow.clone();
        let mut last = self.pipeline(connector)?;
        let mut n_pipelines = 1;
        loop {
            self.skip_blanks();
            let connector = match (self.peek(), self.peek_at(1)) {
                (Some(b'&'), Some(b'&')) => Connector::And,
                (Some(b'|'), Some(b'|')) => Connector::Or,
                _ => return Ok(last),
            };
            self.separate(last, connector, 2);
            self.skip_lines()?;
            if connector == Connector::And {
                last = self.pipeline(connector)?;
            } else {
                // The command after `||` runs if one before it failed. A single command that failed has not
                // changed the directory; of several, who knows. What comes later counts on success.
                let succeeded = self.flow.clone();
                if n_pipelines > 1 {
                    failed = Flow::joined(&failed, &succeeded);
                }
                self.flow = failed.clone();
                last = self.pipeline(connector)?;
                let moved = self.flow.directory != failed.directory;
                self.flow = succeeded;
                if moved {
                    self.flow.directory = ShellDirectory::Unknown;
                }
            }
            n_pipelines += 1;
        }
    }

    /// Reads commands between `|`.
    fn pipeline(&mut self, connector: Connector) -> Read<Member> {
        self.time_keyword();
        let mut negated = false;
        while self.plain_word() == "!" {
            self.at += 1;
            negated = !negated;
            self.skip_blanks();
        }
        let before = self.flow.clone();
        let mut slot = Slot {
            connector,
            pipeline: self.next_pipeline(),
            negated,
        };
        let mut n_members = 0;
        loop {
            let member = self.command(slot)?;
            n_members += 1;
            self.skip_blanks();
            let len = match (self.peek(), self.peek_at(1)) {
                (Some(b'|'), Some(b'|')) | (None, _) => 0,
                (Some(b'|'), Some(b'&')) => 2,
                (Some(b'|'), _) => 1,
                _ => 0,
            };
            if len == 0 {
                if n_members > 1 {
                    self.flow = before;
                }
                return Ok(member);
            }
            self.separate(member, Connector::Pipe, len);
            self.refuse_cut(|byte| matches!(byte, b'|' | b'&'))?;
            self.skip_lines()?;
            // Each command of a pipeline runs in a shell of its own.
            self.flow.clone_from(&before);
            slot.connector = Connector::Pipe;
        }
    }

    /// Takes the `time` of bash where it cannot be the program of that name.
    fn time_keyword(&mut self) {
        if self.plain_word() != "time" {
            return;
        }
        let start = self.at;
        self.at += 4;
        self.skip_blanks();
        if self.plain_word() == "-p" {
            self.at += 2;
            self.skip_blanks();
        }
        let word = self.plain_word();
        if self.peek() != Some(b'(') && word != "!" && !STARTS.contains(&word) {
            self.at = start;
        }
    }

    /// Reads a command.
    pub(super) fn command(&mut self, slot: Slot) -> Read<Member> {
        match self.peek() {
            Some(b'(') => return self.parenthesis(slot),
            Some(b'&') if self.peek_at(1) == Some(b'>') => return self.simple(slot),
            None | Some(b'\n' | b';' | b'&' | b'|' | b')' | b'#') => return Err(self.unexpected()),
            Some(_) => {}
        }
        let word = self.plain_word();
        match word {
            "{" => self.group(slot),
            "if" => self.conditional(slot),
            "while" | "until" => self.while_loop(slot),
            "for" | "select" => self.for_loop(slot),
            "case" => self.case(slot),
            "function" => self.function_keyword(slot),
            "[[" => self.test(slot),
            "coproc" => Err(self.opaque(self.at..self.at + word.len(), "`coproc` is not followed")),
            _ if LIST_ENDS.contains(&word) || word == "]]" => Err(self.unexpected()),
            _ => match self.function_head() {
                Some(len) => self.function(slot, len),
                None => self.simple(slot),
            },
        }
    }

    /// Reads a command that must be a compound one.
    pub(super) fn compound_command(&mut self, slot: Slot) -> Read<Member> {
        let is_compound = self.peek() == Some(b'(') || {
            let word = self.plain_word();
            STARTS.contains(&word) && word != "function"
        };
        if !is_compound {
            return Err(self.unexpected());
        }
        self.command(slot)
    }

    /// Reads `word`, which must come next.
    pub(super) fn expect_keyword(&mut self, word: &str) -> Read<()> {
        if self.eat_keyword(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Takes `word` if it comes next.
    pub(super) fn eat_keyword(&mut self, word: &str) -> bool {
        let is_next = self.plain_word() == word;
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// Reads a condition and the word after it.
    pub(super) fn condition(&mut self, next: &str) -> Read<()> {
        self.within(Nesting::Condition, Self::body)?;
        self.expect_keyword(next)
    }
}
