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

/// What to do with escape characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    Removed,
    Kept,
    /// They are kept, and doubled where they are literal: the result is read again, as a pattern.
    Pattern,
}

/// What stands for a variable that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    Empty,
    /// The text that asked for it.
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
    let mut lexer = Lexer {
        // The scanner that BuildKit reads words with skips it.
        characters: word
            .strip_prefix('\u{feff}')
            .unwrap_or(word)
            .chars()
            .collect(),
        position: 0,
        depth: 0,
        mode,
        current: String::new(),
        lookup,
        matched: BTreeSet::new(),
        unmatched: BTreeSet::new(),
    };
    let Expanded { text, words } = lexer.run(None)?;
    Ok(Expansion {
        text,
        words,
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
    /// The word that is being read.
    ///
    /// The word inside of a substitution is read into the same buffer, and what stood in it is lost: BuildKit
    /// splits `8${A:-0}80` into the one word `080` (`wordsBuffer`, frontend/dockerfile/shell/lex.go).
    current: String,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
}

/// The result of expansion: a text, and the same text as words.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) text: String,
    words: Vec<String>,
}

impl Lexer<'_> {
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
        self.current.clear();
        while let Some(character) = self.peek() {
            if stop == Some(character) {
                self.next();
                self.finish_word(&mut expanded);
                return Ok(expanded);
            }
            match character {
                '$' => {
                    let text = self.dollar()?;
                    self.push_splitting(&mut expanded, &text);
                }
                '\'' if self.mode.quotes != Quotes::Ordinary => {
                    let text = self.single_quoted()?;
                    self.push_whole(&mut expanded, &text);
                }
                '"' if self.mode.quotes != Quotes::Ordinary => {
                    let text = self.double_quoted()?;
                    self.push_whole(&mut expanded, &text);
                }
                '<' => {
                    let text = self.heredoc_arrow();
                    self.push_whole(&mut expanded, &text);
                }
                _ => self.plain(&mut expanded),
            }
        }
        self.finish_word(&mut expanded);
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
            expanded.text.push(character);
            self.push_to_words(expanded, character);
            return;
        }
        if self.mode.escapes != Escapes::Removed {
            self.push_whole(expanded, character.encode_utf8(&mut [0; 4]));
        }
        if let Some(escaped) = self.next() {
            self.push_whole(expanded, escaped.encode_utf8(&mut [0; 4]));
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
            if self.mode.escapes == Escapes::Pattern && character == self.mode.escape {
                text.push(character);
            }
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
        match self.peek() {
            None => {}
            Some(escaped) if matches!(escaped, '"' | '$') || escaped == self.mode.escape => {
                if self.mode.escapes != Escapes::Removed {
                    text.push(character);
                }
                self.next();
                text.push(escaped);
            }
            Some(_) => {
                let is_doubled = match self.mode.escapes {
                    Escapes::Removed => false,
                    Escapes::Kept => self.mode.quotes != Quotes::Kept,
                    Escapes::Pattern => true,
                };
                if is_doubled {
                    text.push(character);
                }
                text.push(character);
            }
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
                .is_some_and(|character| matches!(character, ' ' | '\t' | '\r'))
            {
                text.extend(self.next());
            }
        }
        text
    }

    /// Adds text whose white space separates words.
    fn push_splitting(&mut self, expanded: &mut Expanded, text: &str) {
        expanded.text.push_str(text);
        for character in text.chars() {
            self.push_to_words(expanded, character);
        }
    }

    fn push_to_words(&mut self, expanded: &mut Expanded, character: char) {
        if character.is_whitespace() {
            self.finish_word(expanded);
        } else {
            self.current.push(character);
        }
    }

    /// Adds text that belongs to one word.
    fn push_whole(&mut self, expanded: &mut Expanded, text: &str) {
        expanded.text.push_str(text);
        self.current.push_str(text);
    }

    fn finish_word(&mut self, expanded: &mut Expanded) {
        if !self.current.is_empty() {
            expanded.words.push(std::mem::take(&mut self.current));
        }
    }
}
