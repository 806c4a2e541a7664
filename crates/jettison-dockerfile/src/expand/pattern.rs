//! The patterns of `${name#pattern}` and `${name/pattern/…}`: `*`, `?` and literal characters.
//!
//! BuildKit makes regular expressions of them (`convertShellPatternToRegex`, frontend/dockerfile/shell/lex.go).
//! So neither `*` nor `?` matches a line's end.

use crate::expand::ExpandError;
use crate::expand::letter::{is_digit, is_letter};

/// Which of several matches is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Shortest,
    Longest,
}

/// A pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    units: Vec<Unit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Star,
    Any,
    Literal(char),
}

impl Pattern {
    /// Reads a pattern. A backslash makes `*`, `?` and itself literal, and is dropped before `}` and `/`.
    pub(super) fn parse(text: &str) -> Result<Pattern, ExpandError> {
        let mut units = Vec::new();
        // The scanner that BuildKit reads patterns with skips it.
        let mut characters = text.strip_prefix('\u{feff}').unwrap_or(text).chars();
        while let Some(character) = characters.next() {
            units.push(match character {
                '*' => Unit::Star,
                '?' => Unit::Any,
                '\\' => match characters.next() {
                    Some(literal @ ('}' | '/' | '*' | '?' | '\\')) => Unit::Literal(literal),
                    other => {
                        return Err(ExpandError::InvalidPattern {
                            pattern: text.to_owned(),
                            escaped: other.unwrap_or(char::REPLACEMENT_CHARACTER),
                        });
                    }
                },
                literal => Unit::Literal(literal),
            });
        }
        Ok(Pattern { units })
    }

    /// The length of the match at the start of `value`.
    pub(super) fn match_at_start(&self, value: &[char], extent: Extent) -> Option<usize> {
        self.ends(value, extent).first().copied().flatten()
    }

    /// Replaces the first match.
    pub(super) fn replace_first(&self, value: &[char], replacement: &str) -> String {
        let ends = self.ends(value, Extent::Longest);
        let found = ends
            .iter()
            .enumerate()
            .find_map(|(start, end)| Some((start, (*end)?)));
        let Some((start, end)) = found else {
            return value.iter().collect();
        };
        let mut text: String = value[..start].iter().collect();
        text.push_str(replacement);
        text.extend(&value[end..]);
        text
    }

    /// Replaces every match. An empty match right after another one does not count.
    ///
    /// The replacement is a template: `$0` or `${0}` in it is what was matched, another name is nothing, and
    /// `$$` is a dollar sign (Go: `Regexp.ReplaceAllString`).
    pub(super) fn replace_all(&self, value: &[char], replacement: &str) -> String {
        let ends = self.ends(value, Extent::Longest);
        let template = template(replacement);
        let mut text = String::new();
        let mut copied = 0;
        let mut start = 0;
        let mut previous_end = None;
        while let Some(&end) = ends.get(start) {
            let Some(end) = end else {
                start += 1;
                continue;
            };
            if start != end || previous_end != Some(start) {
                text.extend(&value[copied..start]);
                for piece in &template {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Match => text.extend(&value[start..end]),
                    }
                }
                copied = end;
                previous_end = Some(end);
            }
            start = end.max(start + usize::from(start == end));
        }
        text.extend(&value[copied..]);
        text
    }

    /// Where the match ends that starts at each place of `value`, its end included.
    fn ends(&self, value: &[char], extent: Extent) -> Vec<Option<usize>> {
        // `ends[at]` is where the units that were looked at, the last ones, can end if they start at `at`.
        let mut ends: Vec<Option<usize>> = (0..=value.len()).map(Some).collect();
        for unit in self.units.iter().rev() {
            let either = |a: Option<usize>, b: Option<usize>| match extent {
                Extent::Longest => a.max(b),
                Extent::Shortest => a.or(b),
            };
            match unit {
                Unit::Star => {
                    for at in (0..value.len()).rev().filter(|&at| value[at] != '\n') {
                        ends[at] = either(ends[at], ends[at + 1]);
                    }
                }
                Unit::Any | Unit::Literal(_) => {
                    for (at, &character) in value.iter().enumerate() {
                        let matches = match unit {
                            Unit::Literal(literal) => *literal == character,
                            Unit::Any | Unit::Star => character != '\n',
                        };
                        ends[at] = ends[at + 1].filter(|_| matches);
                    }
                    ends[value.len()] = None;
                }
            }
        }
        ends
    }
}

/// A part of a replacement.
enum Piece {
    Text(String),
    /// What the pattern has matched.
    Match,
}

/// Reads a replacement as Go's `Regexp.Expand` does.
fn template(replacement: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            if name == "0" {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Match);
            }
            rest = after;
        } else {
            text.push('$');
            rest = after;
        }
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    pieces
}

/// Reads `name` or `{name}`; returns what comes after it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (is_braced, text) = match text.strip_prefix('{') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let end = text
        .find(|c| !(is_letter(c) || is_digit(c) || c == '_'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let rest = if is_braced {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    Some((name, rest))
}
