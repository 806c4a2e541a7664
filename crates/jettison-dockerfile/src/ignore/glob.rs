//! The syntax check that patterns go through: that of Go's `filepath.Match`, asked about the name `.`.
//!
//! Go reads a pattern only as far as it has to. The chunk up to the first star that stands outside of `[…]` is
//! read in any case, and the next one only if the first has matched the whole name.

/// Says whether Go would find a mistake.
pub(super) fn is_malformed(pattern: &str) -> bool {
    let (first, rest) = chunk(pattern.trim_start_matches('*'));
    let Some(matches_dot) = matches_dot(first) else {
        return true;
    };
    if !matches_dot {
        return false;
    }
    let (second, _) = chunk(rest.trim_start_matches('*'));
    self::matches_dot(second).is_none()
}

/// Splits at the next star that is not in a class.
fn chunk(pattern: &str) -> (&str, &str) {
    let mut is_in_class = false;
    let mut characters = pattern.char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            '*' if !is_in_class => return pattern.split_at(offset),
            _ => {}
        }
    }
    (pattern, "")
}

/// Says whether a chunk matches a dot and nothing else; `None` if something is wrong with it.
fn matches_dot(chunk: &str) -> Option<bool> {
    let mut n_units = 0;
    let mut is_dot = false;
    let mut rest = chunk;
    while let Some(character) = rest.chars().next() {
        n_units += 1;
        rest = &rest[character.len_utf8()..];
        is_dot = match character {
            '[' => {
                let (contains_dot, after) = class(rest)?;
                rest = after;
                contains_dot
            }
            '?' => true,
            '\\' => {
                let escaped = rest.chars().next()?;
                rest = &rest[escaped.len_utf8()..];
                escaped == '.'
            }
            literal => literal == '.',
        };
    }
    Some(n_units == 1 && is_dot)
}

/// Reads a class after its `[`: whether a dot is in it, and what comes after the `]`.
fn class(text: &str) -> Option<(bool, &str)> {
    let (is_negated, mut rest) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut is_in = false;
    let mut is_empty = true;
    loop {
        if let Some(after) = rest.strip_prefix(']')
            && !is_empty
        {
            return Some((is_in != is_negated, after));
        }
        let (low, after) = class_character(rest)?;
        let (high, after) = match after.strip_prefix('-') {
            Some(after) => class_character(after)?,
            None => (low, after),
        };
        is_in |= (low..=high).contains(&'.');
        is_empty = false;
        rest = after;
    }
}

fn class_character(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    let character = match characters.next()? {
        '-' | ']' => return None,
        '\\' => characters.next()?,
        character => character,
    };
    let rest = characters.as_str();
    (!rest.is_empty()).then_some((character, rest))
}
