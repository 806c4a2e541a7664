//! `[[ … ]]`.

use crate::shell::reader::{Member, Read, Reader, Slot};
use crate::shell::scan::{WordBuilder, WordPlace};
use crate::shell::word::ShellWord;

/// The operators between two words.
const BINARY: [&str; 15] = [
    "=", "==", "!=", "=~", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-ef", "-nt", "-ot",
];

impl Reader<'_> {
    /// Reads `[[ … ]]`. Its operators are words of the command.
    pub(super) fn test(&mut self, slot: Slot) -> Read<Member> {
        let start = self.at;
        let mut command = self.started(slot);
        command.words.push(self.operator_word(2));
        loop {
            self.skip_blanks();
            let rest = self.rest();
            let is_regex = command.words.last().is_some_and(|word| word.text == "=~");
            let operators = ["&&", "||", "(", ")", "<", ">"];
            let operator = operators.iter().find(|text| rest.starts_with(**text));
            match operator {
                Some(text) if !is_regex => {
                    let word = self.operator_word(text.len());
                    command.words.push(word);
                }
                Some(_) | None if self.plain_word() == "]]" => break,
                Some(_) | None if self.peek() == Some(b'\n') => self.end_of_line()?,
                Some(_) | None if self.peek() == Some(b'#') => return Err(self.unexpected()),
                Some(_) | None => {
                    let place = if is_regex {
                        WordPlace::Regex
                    } else {
                        WordPlace::Test
                    };
                    let Some(word) = self.word(place)? else {
                        return Err(self.unexpected());
                    };
                    command.words.push(word);
                }
            }
        }
        command.words.push(self.operator_word(2));
        if !is_expression(&command.words[1..command.words.len() - 1]) {
            return Err(self.opaque(start..self.at, "what is in `[[` is not an expression"));
        }
        loop {
            let end = self.at;
            self.skip_blanks();
            let Some(operator) = self.redirect_operator()? else {
                self.at = end;
                return Ok(self.ended(command, start));
            };
            command.redirects.push(self.redirect(operator)?);
        }
    }

    /// Takes the next `len` bytes as a word.
    fn operator_word(&mut self, len: usize) -> ShellWord {
        let range = self.at..self.at + len;
        let mut word = WordBuilder::new();
        word.push(&self.text[range.clone()]);
        self.at = range.end;
        self.built(word, range.start)
    }
}

/// Says whether words are an expression of `[[`.
fn is_expression(words: &[ShellWord]) -> bool {
    let is_operator = |text: &str| matches!(text, "&&" | "||" | "(" | ")" | "<" | ">");
    let ends = |text: Option<&str>| matches!(text, None | Some("&&" | "||" | ")"));
    let word = |at: usize| words.get(at).map(|word| word.text.as_str());
    let is_operand = |at: usize| word(at).is_some_and(|text| !is_operator(text));
    let mut open = 0_usize;
    let mut at = 0;
    loop {
        // An operand.
        match word(at) {
            Some("!") if !ends(word(at + 1)) => {
                at += 1;
                continue;
            }
            Some("(") => {
                open += 1;
                at += 1;
                continue;
            }
            Some(text) if is_operand(at) => {
                let is_unary = text.len() == 2 && text.starts_with('-');
                let is_binary = word(at + 1).is_some_and(|text| BINARY.contains(&text));
                at += if ends(word(at + 1)) {
                    1
                } else if is_binary && is_operand(at + 2) {
                    3
                } else if is_unary && is_operand(at + 1) {
                    2
                } else {
                    return false;
                };
            }
            Some(_) | None => return false,
        }
        // What closes it, and what connects it with the next.
        while word(at) == Some(")") {
            let Some(left) = open.checked_sub(1) else {
                return false;
            };
            open = left;
            at += 1;
        }
        match word(at) {
            Some("&&" | "||") => at += 1,
            Some(_) => return false,
            None => return open == 0,
        }
    }
}
