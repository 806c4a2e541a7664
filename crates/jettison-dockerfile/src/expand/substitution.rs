//! `$name` and `${name…}`.

use crate::expand::ExpandError;
use crate::expand::letter::{is_digit, is_letter};
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
                self.modified(&name, ":", modifier)
            }
            modifier @ Some('+' | '-' | '?' | '#' | '%') => self.modified(&name, "", modifier),
            Some('/') => self.replaced(&name),
            other => Err(unsupported("", other)),
        }
    }

    /// Expands `${name-word}` and its like; with a colon, empty counts as unset.
    fn modified(
        &mut self,
        name: &str,
        colon: &str,
        modifier: Option<char>,
    ) -> Result<String, ExpandError> {
        let escapes = match modifier {
            Some('#' | '%') if colon.is_empty() => Escapes::Pattern,
            Some('#' | '%') => return Err(unsupported(colon, modifier)),
            Some(_) | None => Escapes::Removed,
        };
        let word = self.word('}', escapes)?;
        let value = self.value(name);
        if self.mode.unset == Unset::Kept && value.is_none() {
            let modifier: String = modifier.into_iter().collect();
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let is_missing = value
            .as_ref()
            .is_none_or(|value| !colon.is_empty() && value.is_empty());
        match modifier {
            Some('-') if is_missing => Ok(word),
            Some('+') if is_missing => Ok(String::new()),
            Some('+') => Ok(word),
            Some('?') if is_missing => Err(required(name, value.as_deref(), word)),
            Some('-' | '?') => Ok(value.unwrap_or_default()),
            Some(end @ ('#' | '%')) => cut(&value.unwrap_or_default(), end, &word),
            other => Err(unsupported(colon, other)),
        }
    }

    /// Expands `${name/pattern/replacement}`.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let everywhere = self.peek() == Some('/');
        if everywhere {
            self.next();
        }
        let pattern = self.word('/', Escapes::Pattern)?;
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
        let is_in_name: fn(char) -> bool = match self.peek() {
            Some(first) if is_digit(first) => is_digit,
            Some(first) if SPECIAL.contains(&first) => return self.next().into_iter().collect(),
            Some(_) | None => |c| is_letter(c) || is_digit(c) || c == '_',
        };
        let mut name = String::new();
        while let Some(character) = self.peek().filter(|&c| is_in_name(c)) {
            name.push(character);
            self.next();
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

fn required(name: &str, value: Option<&str>, word: String) -> ExpandError {
    let message = match value {
        _ if !word.is_empty() => word,
        Some(_) => "is not allowed to be empty".to_owned(),
        None => "is not allowed to be unset".to_owned(),
    };
    ExpandError::Required {
        name: name.to_owned(),
        message,
    }
}

/// Cuts a prefix (`#`) or a suffix (`%`) off.
fn cut(value: &str, end: char, word: &str) -> Result<String, ExpandError> {
    let (extent, word) = match word.strip_prefix(end) {
        Some(word) => (Extent::Longest, word),
        None => (Extent::Shortest, word),
    };
    if end == '#' {
        let value: Vec<char> = value.chars().collect();
        return Ok(cut_prefix(word, &value, extent)?.iter().collect());
    }
    let value: Vec<char> = value.chars().rev().collect();
    let rest = cut_prefix(&reversed(word), &value, extent)?;
    Ok(rest.iter().rev().collect())
}

fn cut_prefix<'a>(
    pattern: &str,
    value: &'a [char],
    extent: Extent,
) -> Result<&'a [char], ExpandError> {
    let pattern = Pattern::parse(pattern)?;
    let len = pattern.match_at_start(value, extent).unwrap_or(0);
    Ok(&value[len..])
}

/// The pattern that matches the same texts written backwards. What is wrong in it is so afterwards, too.
fn reversed(pattern: &str) -> String {
    let mut pieces = Vec::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        let escaped = if character == '\\' { rest.next() } else { None };
        pieces.push([Some(character), escaped]);
    }
    pieces.into_iter().rev().flatten().flatten().collect()
}

fn unsupported(colon: &str, modifier: Option<char>) -> ExpandError {
    let modifier = modifier.unwrap_or(char::REPLACEMENT_CHARACTER);
    ExpandError::UnsupportedModifier {
        modifier: format!("{colon}{modifier}"),
    }
}
