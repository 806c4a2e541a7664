//! The patterns of `${name#pattern}` and `${name/pattern/…}`: `*`, `?` and literal characters.

use crate::expand::ExpandError;

/// Which of several matches is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Shortest,
    Longest,
}

/// A pattern: chunks of fixed length with a star between each two.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    // Invariant: at least one chunk.
    chunks: Vec<Vec<Unit>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Any,
    Literal(char),
}

impl Pattern {
    /// Reads a pattern. A backslash makes `*`, `?` and itself literal, and is dropped before `}` and `/`.
    pub(super) fn parse(text: &str) -> Result<Pattern, ExpandError> {
        let mut chunks = Vec::new();
        let mut chunk = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' => chunks.push(std::mem::take(&mut chunk)),
                '?' => chunk.push(Unit::Any),
                '\\' => match characters.next() {
                    Some(literal @ ('}' | '/' | '*' | '?' | '\\')) => {
                        chunk.push(Unit::Literal(literal));
                    }
                    other => {
                        let escaped = other.into_iter().collect();
                        return Err(ExpandError::InvalidPattern {
                            pattern: text.to_owned(),
                            escaped,
                        });
                    }
                },
                literal => chunk.push(Unit::Literal(literal)),
            }
        }
        chunks.push(chunk);
        Ok(Pattern { chunks })
    }

    /// The pattern that matches the same texts written backwards.
    pub(super) fn reversed(mut self) -> Pattern {
        self.chunks.reverse();
        self.chunks.iter_mut().for_each(|chunk| chunk.reverse());
        self
    }

    /// The length of the match at the start of `value`.
    pub(super) fn match_at_start(&self, value: &[char], extent: Extent) -> Option<usize> {
        let (first, rest) = self.chunks.split_first()?;
        matches_at(first, value, 0)
            .then(|| end_of_match(rest, value, first.len(), extent))
            .flatten()
    }

    /// Replaces the first match.
    pub(super) fn replace_first(&self, value: &[char], replacement: &str) -> String {
        match self.find(value, 0) {
            None => value.iter().collect(),
            Some((start, end)) => {
                let before: String = value[..start].iter().collect();
                let after: String = value[end..].iter().collect();
                before + replacement + &after
            }
        }
    }

    /// Replaces every match. An empty match right after another one does not count.
    pub(super) fn replace_all(&self, value: &[char], replacement: &str) -> String {
        let mut text = String::new();
        let mut copied = 0;
        let mut from = 0;
        let mut previous_end = None;
        while let Some((start, end)) = self.find(value, from) {
            let abuts = start == end && previous_end == Some(start);
            if !abuts {
                text.extend(&value[copied..start]);
                text.push_str(replacement);
                copied = end;
                previous_end = Some(end);
            }
            from = if start == end { end + 1 } else { end };
            if from > value.len() {
                break;
            }
        }
        text.extend(&value[copied..]);
        text
    }

    /// The leftmost, then longest match that starts at `from` or later.
    fn find(&self, value: &[char], from: usize) -> Option<(usize, usize)> {
        let (first, rest) = self.chunks.split_first()?;
        // If what follows does not match after the leftmost place, it does not match after a later one.
        let start = leftmost(first, value, from)?;
        let end = end_of_match(rest, value, start + first.len(), Extent::Longest)?;
        Some((start, end))
    }
}

/// Matches the chunks that follow a star each, from `position` on; returns where the match ends.
fn end_of_match(
    chunks: &[Vec<Unit>],
    value: &[char],
    mut position: usize,
    extent: Extent,
) -> Option<usize> {
    let Some((last, middle)) = chunks.split_last() else {
        return Some(position);
    };
    for chunk in middle {
        position = leftmost(chunk, value, position)? + chunk.len();
    }
    let start = match extent {
        Extent::Shortest => leftmost(last, value, position)?,
        Extent::Longest => rightmost(last, value, position)?,
    };
    Some(start + last.len())
}

fn leftmost(chunk: &[Unit], value: &[char], from: usize) -> Option<usize> {
    (from..=value.len().checked_sub(chunk.len())?).find(|&start| matches_at(chunk, value, start))
}

fn rightmost(chunk: &[Unit], value: &[char], from: usize) -> Option<usize> {
    (from..=value.len().checked_sub(chunk.len())?).rfind(|&start| matches_at(chunk, value, start))
}

fn matches_at(chunk: &[Unit], value: &[char], start: usize) -> bool {
    let Some(part) = value.get(start..start + chunk.len()) else {
        return false;
    };
    chunk.iter().zip(part).all(|(unit, character)| match unit {
        Unit::Any => true,
        Unit::Literal(literal) => literal == character,
    })
}
