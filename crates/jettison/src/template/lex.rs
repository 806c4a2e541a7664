//! Cuts a template into text and actions, and actions into tokens.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::template::TemplateError;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `.` alone.
    Dot,
    /// `.Name`; glued if it continues what stands before it.
    Field {
        name: String,
        is_glued: bool,
    },
    /// `$` or `$name`.
    Variable(String),
    Word(String),
    Text(String),
    Number(i64),
    Pipe,
    Comma,
    Open,
    Close,
    Declare,
    Assign,
}

/// Cuts `text` into its pieces. An action's text is trimmed as its markers say.
pub(super) fn lex(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let (mut rest, mut trims_start) = (text, false);
    loop {
        let (before, after) = match rest.find("{{") {
            Some(start) => (&rest[..start], Some(&rest[start + 2..])),
            None => (rest, None),
        };
        let trims_end = after.is_some_and(|inside| marks_trim(inside, true));
        let mut before = before;
        if trims_start {
            before = before.trim_start();
        }
        if trims_end {
            before = before.trim_end();
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_string()));
        }
        let Some(inside) = after else {
            return Ok(pieces);
        };
        let end = end_of(inside).ok_or_else(|| {
            let offset = text.len() - inside.len() - 2;
            let place = text[..offset].chars().count() + 1;
            TemplateError::new(format!("`{{{{` at character {place} has no `}}}}`"))
        })?;
        let action = &inside[..end];
        rest = &inside[end + 2..];
        trims_start = marks_trim(action, false);
        let action = if trims_end { &action[1..] } else { action };
        let action = if trims_start {
            action.strip_suffix('-').unwrap_or(action)
        } else {
            action
        };
        let action = action.trim();
        if action.starts_with("/*") && action.ends_with("*/") {
            continue;
        }
        pieces.push(Piece::Action(tokens(action)?));
    }
}

/// Whether an action trims the text before it (`{{- `), or after it (` -}}`).
fn marks_trim(action: &str, at_start: bool) -> bool {
    if at_start {
        let mut chars = action.chars();
        chars.next() == Some('-') && chars.next().is_some_and(char::is_whitespace)
    } else {
        let mut chars = action.chars().rev();
        chars.next() == Some('-') && chars.next().is_some_and(char::is_whitespace)
    }
}

/// Where the `}}` of an action is, which is not in one of its texts.
fn end_of(action: &str) -> Option<usize> {
    let comment = action.trim_start_matches('-').trim_start();
    if comment.starts_with("/*") {
        let start = action.len() - comment.len();
        let closed = start + comment.find("*/")?;
        return Some(closed + action[closed..].find("}}")?);
    }
    let mut quote = None;
    let mut is_escaped = false;
    for (offset, character) in action.char_indices() {
        match (quote, character) {
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(open), _) if character == open && !is_escaped => quote = None,
            (None, '"' | '`') => quote = Some(character),
            (None, '}') if action[offset..].starts_with("}}") => return Some(offset),
            _ => {}
        }
        is_escaped = false;
    }
    None
}

fn tokens(action: &str) -> Result<Vec<Token>, TemplateError> {
    let mut chars = action.char_indices().peekable();
    let mut tokens = Vec::new();
    let mut end_of_last = None;
    while let Some((offset, character)) = chars.next() {
        if character.is_whitespace() {
            continue;
        }
        let is_glued = end_of_last == Some(offset);
        tokens.push(match character {
            '|' => Token::Pipe,
            ',' => Token::Comma,
            '(' => Token::Open,
            ')' => Token::Close,
            '=' => Token::Assign,
            ':' if chars.next_if(|(_, next)| *next == '=').is_some() => Token::Declare,
            '.' => match word(&mut chars) {
                name if name.is_empty() => Token::Dot,
                name => Token::Field { name, is_glued },
            },
            '$' => Token::Variable(format!("${}", word(&mut chars))),
            '"' => Token::Text(quoted(&mut chars)?),
            '`' => {
                let raw = chars.by_ref().map(|(_, character)| character);
                Token::Text(raw.take_while(|character| *character != '`').collect())
            }
            '0'..='9' | '-' | '+' => number(character, &mut chars)?,
            _ if is_word(character) => Token::Word(format!("{character}{}", word(&mut chars))),
            _ => {
                let message = format!("`{character}` is not understood in `{{{{{action}}}}}`");
                return Err(TemplateError::new(message));
            }
        });
        end_of_last = Some(chars.peek().map_or(action.len(), |(offset, _)| *offset));
    }
    Ok(tokens)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word(chars: &mut Peekable<CharIndices<'_>>) -> String {
    let mut word = String::new();
    while let Some((_, character)) = chars.next_if(|(_, next)| is_word(*next)) {
        word.push(character);
    }
    word
}

fn number(first: char, chars: &mut Peekable<CharIndices<'_>>) -> Result<Token, TemplateError> {
    let mut text = first.to_string();
    while let Some((_, next)) = chars.next_if(|(_, next)| is_word(*next) || *next == '.') {
        text.push(next);
    }
    let parsed = text.parse().map(Token::Number);
    parsed.map_err(|_| TemplateError::new(format!("`{text}` is not a whole number")))
}

/// A text in double quotes, whose first quote has been read.
fn quoted(chars: &mut Peekable<CharIndices<'_>>) -> Result<String, TemplateError> {
    let mut text = String::new();
    while let Some((_, character)) = chars.next() {
        match character {
            '"' => return Ok(text),
            '\\' => {
                let escaped = chars.next().map(|(_, character)| character);
                text.push(match escaped {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(same @ ('"' | '\\' | '\'')) => same,
                    Some(other) => {
                        let message = format!("`\\{other}` is not supported in a template's text");
                        return Err(TemplateError::new(message));
                    }
                    None => break,
                });
            }
            other => text.push(other),
        }
    }
    Err(TemplateError::new(format!("the text \"{text} has no end")))
}
