//! `$name` and `${name…}`.

use crate::expand::ExpandError;
use crate::expand::lexer::{Escapes, Lexer, MAX_DEPTH, Unset};
use crate::expand::pattern::{Extent, Pattern};

/// The parameters that are one character long.
const SPECIAL: [char; 8] = ['@', '*', '#', '?', '-', '$', '!', '0'];

impl Lexer<'_> {
    /// Expands what starts with `$`.
    pub(super) fn dollar(&mut self) -> Result<String, ExpandError> {
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(if name.is_empty() {
                "$".to_owned()
            } else {
                self.plain_value(&name, |name| format!("${name}"))
            });
        }
        self.next();
        if self.depth >= MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        self.depth += 1;
        let value = self.braces();
        self.depth -= 1;
        value
    }

    /// Expands what follows `${`.
    fn braces(&mut self) -> Result<String, ExpandError> {
        match self.peek() {
            None => return Err(ExpandError::OpenBrace),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => Ok(self.plain_value(&name, |name| format!("${{{name}}}"))),
            Some(':') => {
                let modifier = self.next();
                self.modified(&name, true, modifier)
            }
            modifier @ Some('+' | '-' | '?' | '#' | '%') => self.modified(&name, false, modifier),
            Some('/') => self.replaced(&name),
            other => Err(unsupported(false, other)),
        }
    }

    /// Expands `${name-word}` and its like; `with_colon` means that empty counts as unset.
    fn modified(
        &mut self,
        name: &str,
        with_colon: bool,
        modifier: Option<char>,
    ) -> Result<String, ExpandError> {
        let is_cut = matches!(modifier, Some('#' | '%'));
        let word = self.word(
            '}',
            if is_cut {
                Escapes::Kept
            } else {
                Escapes::Removed
            },
        )?;
        let value = self.value(name);
        if self.mode.unset == Unset::Kept && value.is_none() {
            let colon = if with_colon { ":" } else { "" };
            let modifier: String = modifier.into_iter().collect();
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let is_missing = value
            .as_ref()
            .is_none_or(|value| with_colon && value.is_empty());
        match modifier {
            Some('-') if is_missing => Ok(word),
            Some('+') if is_missing => Ok(String::new()),
            Some('+') => Ok(word),
            Some('?') if is_missing => {
                let state = if value.is_some() { "empty" } else { "unset" };
                let message = if word.is_empty() {
                    format!("is not allowed to be {state}")
                } else {
                    word
                };
                Err(ExpandError::Required {
                    name: name.to_owned(),
                    message,
                })
            }
            Some('-' | '?') => Ok(value.unwrap_or_default()),
            Some(end @ ('#' | '%')) if !with_colon => cut(&value.unwrap_or_default(), end, &word),
            other => Err(unsupported(with_colon, other)),
        }
    }

    /// Expands `${name/pattern/replacement}`.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let everywhere = self.peek() == Some('/');
        if everywhere {
            self.next();
        }
        let pattern = self.word('/', Escapes::Kept)?;
        let replacement = self.word('}', Escapes::Kept)?;
        let value = self.value(name);
        if self.mode.unset == Unset::Kept && value.is_none() {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let pattern = Pattern::parse(&pattern)?;
        let value: Vec<char> = value.unwrap_or_default().chars().collect();
        Ok(if everywhere {
            pattern.replace_all(&value, &replacement)
        } else {
            pattern.replace_first(&value, &replacement)
        })
    }

    /// Expands up to `stop`.
    fn word(&mut self, stop: char, escapes: Escapes) -> Result<String, ExpandError> {
        let outer = std::mem::replace(&mut self.mode.escapes, escapes);
        let result = self.run(Some(stop));
        self.mode.escapes = outer;
        match result {
            Ok(expanded) => Ok(expanded.text),
            // BuildKit says that the closing character is missing whenever the word ends in an error.
            Err(ExpandError::TooDeep) => Err(ExpandError::TooDeep),
            Err(_) if self.peek().is_none() && stop == '/' => Err(ExpandError::MissingSlash),
            Err(_) if self.peek().is_none() => Err(ExpandError::OpenBrace),
            Err(error) => Err(error),
        }
    }

    /// Reads a name: a number, a special character, or letters, digits and underscores. It may be empty.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
                    name.push(digit);
                    self.next();
                }
            }
            Some(special) if SPECIAL.contains(&special) => name.extend(self.next()),
            Some(_) | None => {
                while let Some(letter) = self.peek().filter(|&c| c.is_alphanumeric() || c == '_') {
                    name.push(letter);
                    self.next();
                }
            }
        }
        name
    }

    fn plain_value(&mut self, name: &str, kept: impl Fn(&str) -> String) -> String {
        match self.value(name) {
            Some(value) => value,
            None if self.mode.unset == Unset::Kept => kept(name),
            None => String::new(),
        }
    }
}

/// Cuts a prefix (`#`) or a suffix (`%`) off.
fn cut(value: &str, end: char, word: &str) -> Result<String, ExpandError> {
    let (extent, word) = match word.strip_prefix(end) {
        Some(word) => (Extent::Longest, word),
        None => (Extent::Shortest, word),
    };
    let pattern = Pattern::parse(word)?;
    let mut characters: Vec<char> = value.chars().collect();
    if end == '#' {
        let len = pattern.match_at_start(&characters, extent).unwrap_or(0);
        return Ok(characters.into_iter().skip(len).collect());
    }
    characters.reverse();
    let len = pattern
        .reversed()
        .match_at_start(&characters, extent)
        .unwrap_or(0);
    Ok(characters.into_iter().skip(len).rev().collect())
}

fn unsupported(with_colon: bool, modifier: Option<char>) -> ExpandError {
    let colon = if with_colon { ":" } else { "" };
    let modifier = modifier.unwrap_or(char::REPLACEMENT_CHARACTER);
    ExpandError::UnsupportedModifier {
        modifier: format!("{colon}{modifier}"),
    }
}
