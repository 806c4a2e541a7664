//! Goes through a word from left to right.

use crate::expand::{ExpandError, Expansion};
use std::collections::BTreeSet;

/// What to do with quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// They quote and are removed.
    Removed,
    /// They quote and are kept.
    Kept,
    /// They are characters like others.
    Ordinary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    Removed,
    Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    Empty,
    Kept,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) escape: char,
    pub(super) quotes: Quotes,
    pub(super) escapes: Escapes,
    pub(super) unset: Unset,
}

impl Default for Mode {
    fn default() -> Mode {
        Mode {
            escape: '\\',
            quotes: Quotes::Removed,
            escapes: Escapes::Removed,
            unset: Unset::Empty,
        }
    }
}

/// Expands a word.
pub(super) fn lex(
    word: &str,
    mode: Mode,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Expansion, ExpandError> {
    let mut lexer = Lexer::new(word, mode, lookup);
    let expanded = lexer.run(None)?;
    Ok(Expansion {
        text: expanded.text.clone(),
        words: expanded.words(),
        matched: lexer.matched,
        unmatched: lexer.unmatched,
    })
}

/// How deep `${` may be nested.
pub(super) const MAX_DEPTH: usize = 100;

pub(super) struct Lexer<'a> {
    characters: Vec<char>,
    position: usize,
    pub(super) depth: usize,
    pub(super) mode: Mode,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
}

impl<'a> Lexer<'a> {
    fn new(word: &str, mode: Mode, lookup: &'a dyn Fn(&str) -> Option<String>) -> Lexer<'a> {
        Lexer {
            characters: word.chars().collect(),
            position: 0,
            depth: 0,
            mode,
            lookup,
            matched: BTreeSet::new(),
            unmatched: BTreeSet::new(),
        }
    }

    /// The value of a variable; that it was asked for is written down.
    pub(super) fn value(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        let seen = match value {
            Some(_) => &mut self.matched,
            None => &mut self.unmatched,
        };
        seen.insert(name.to_owned());
        value
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let character = self.peek();
        self.position += usize::from(character.is_some());
        character
    }

    /// Expands up to `stop`, which is eaten, or to the end.
    pub(super) fn run(&mut self, stop: Option<char>) -> Result<Expanded, ExpandError> {
        let mut expanded = Expanded::default();
        while let Some(character) = self.peek() {
            if stop == Some(character) {
                self.next();
                return Ok(expanded);
            }
            match character {
                '$' => expanded.push_splitting(&self.dollar()?),
                '\'' if self.mode.quotes != Quotes::Ordinary => {
                    let text = self.single_quoted()?;
                    expanded.push_whole(&text);
                }
                '"' if self.mode.quotes != Quotes::Ordinary => {
                    let text = self.double_quoted()?;
                    expanded.push_whole(&text);
                }
                '<' => {
                    let text = self.heredoc_arrow();
                    expanded.push_whole(&text);
                }
                _ => self.plain(&mut expanded),
            }
        }
        // At the end of the word the only thing that can be missing is the `}` or `/` of a substitution.
        match stop {
            None => Ok(expanded),
            Some('/') => Err(ExpandError::MissingSlash),
            Some(_) => Err(ExpandError::OpenBrace),
        }
    }

    fn plain(&mut self, expanded: &mut Expanded) {
        let Some(character) = self.next() else { return };
        if character != self.mode.escape {
            expanded.push_splitting(character.encode_utf8(&mut [0; 4]));
            return;
        }
        if self.mode.escapes == Escapes::Kept {
            expanded.push_whole(character.encode_utf8(&mut [0; 4]));
        }
        if let Some(escaped) = self.next() {
            expanded.push_whole(escaped.encode_utf8(&mut [0; 4]));
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(character) = self.peek() {
            if character == '\'' {
                self.quote(&mut text);
                return Ok(text);
            }
            self.next();
            text.push(character);
        }
        Err(ExpandError::OpenQuote { quote: "single" })
    }

    fn double_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(character) = self.peek() {
            match character {
                '"' => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                '$' => text.push_str(&self.dollar()?),
                _ => self.inside_double_quotes(&mut text),
            }
        }
        Err(ExpandError::OpenQuote { quote: "double" })
    }

    fn inside_double_quotes(&mut self, text: &mut String) {
        let Some(character) = self.next() else { return };
        if character != self.mode.escape {
            text.push(character);
            return;
        }
        if self.mode.escapes == Escapes::Kept {
            text.push(character);
        }
        match self.peek() {
            None => {}
            Some(escaped) if matches!(escaped, '"' | '$') || escaped == self.mode.escape => {
                self.next();
                text.push(escaped);
            }
            Some(_) => text.push(character),
        }
    }

    /// Eats a quote, and keeps it if quotes are kept.
    fn quote(&mut self, text: &mut String) {
        let quote = self.next();
        if self.mode.quotes == Quotes::Kept {
            text.extend(quote);
        }
    }

    /// Eats `<`, or `<<` with the blanks after it, so that `<< EOF` is one word.
    fn heredoc_arrow(&mut self) -> String {
        let mut text: String = self.next().into_iter().collect();
        if self.peek() == Some('<') {
            text.extend(self.next());
            while self
                .peek()
                .is_some_and(|character| matches!(character, ' ' | '\t' | '\r' | '\n'))
            {
                text.extend(self.next());
            }
        }
        text
    }
}

/// The result of expansion: a text, and the same text as words.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) text: String,
    finished: Vec<String>,
    current: String,
}

impl Expanded {
    /// Adds text whose white space separates words.
    fn push_splitting(&mut self, text: &str) {
        self.text.push_str(text);
        for character in text.chars() {
            if !character.is_whitespace() {
                self.current.push(character);
            } else if !self.current.is_empty() {
                self.finished.push(std::mem::take(&mut self.current));
            }
        }
    }

    /// Adds text that belongs to one word.
    fn push_whole(&mut self, text: &str) {
        self.text.push_str(text);
        self.current.push_str(text);
    }

    fn words(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.finished.push(self.current);
        }
        self.finished
    }
}
