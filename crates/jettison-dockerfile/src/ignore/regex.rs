//! The regular expressions that patterns are made into: their syntax.
//!
//! It is the part of Go's that patterns can reach: characters, escapes, classes that may be followed by a star,
//! `(.*/)?`, `.*`, `^` and `$`, and also `|` and `{2,3}`, which are not meant to be reached: the set of characters
//! to escape has room for the first 64 only (moby/patternmatcher, `escapeBytes`).

use crate::ignore::class::{Class, class, class_escape, escape};

/// An expression: its alternatives.
#[derive(Debug, Clone)]
pub(super) struct Regex {
    // Invariant: at least one.
    pub(super) alternatives: Vec<Vec<Unit>>,
}

/// Something that is matched once, or as often as the flags say.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) atom: Atom,
    /// It may be left out.
    pub(super) is_optional: bool,
    /// It may be there more than once.
    pub(super) is_repeated: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Atom {
    Literal(char),
    Class(Class),
    /// `.`, which is everything but a line's end.
    Dot,
    /// `(.*/)`
    Directories,
    Assertion(Assertion),
}

/// Something between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
    Start,
    End,
    WordBoundary,
    NoWordBoundary,
}

/// How many units an expression may have. Repetitions make many out of few characters.
const MAX_UNITS: usize = 100_000;

impl Regex {
    /// Reads an expression; `None` if Go would refuse it.
    ///
    /// Classes of Unicode (`\pL`) and repetitions of repetitions are refused, too.
    pub(super) fn parse(text: &str) -> Option<Regex> {
        let mut alternatives = vec![Vec::new()];
        let mut rest = text;
        let mut may_repeat = true;
        while !rest.is_empty() {
            let units = alternatives.last_mut()?;
            let could_repeat = std::mem::replace(&mut may_repeat, true);
            if let Some(after) = rest.strip_prefix('|') {
                alternatives.push(Vec::new());
                rest = after;
            } else if let Some(after) = rest.strip_prefix(r"\Q") {
                let (literal, after) = after.split_once(r"\E").unwrap_or((after, ""));
                units.extend(literal.chars().map(|c| once(Atom::Literal(c))));
                rest = after;
            } else if let Some((repetition, after)) = repetition(rest) {
                if !could_repeat {
                    return None;
                }
                repeat(units, repetition)?;
                may_repeat = false;
                rest = after;
            } else {
                let (unit, after) = unit(rest)?;
                units.push(unit);
                rest = after;
            }
        }
        Some(Regex { alternatives })
    }
}

fn once(atom: Atom) -> Unit {
    Unit {
        atom,
        is_optional: false,
        is_repeated: false,
    }
}

fn unit(text: &str) -> Option<(Unit, &str)> {
    let fixed = [
        ("^", Assertion::Start),
        ("$", Assertion::End),
        (r"\A", Assertion::Start),
        (r"\z", Assertion::End),
        (r"\b", Assertion::WordBoundary),
        (r"\B", Assertion::NoWordBoundary),
    ];
    for (written, assertion) in fixed {
        if let Some(rest) = text.strip_prefix(written) {
            return Some((once(Atom::Assertion(assertion)), rest));
        }
    }
    if let Some(rest) = text.strip_prefix("(.*/)?") {
        let is_optional = true;
        let unit = once(Atom::Directories);
        return Some((
            Unit {
                is_optional,
                ..unit
            },
            rest,
        ));
    }
    let (atom, rest) = if let Some(rest) = text.strip_prefix('[') {
        let (class, rest) = class(rest)?;
        (Atom::Class(class), rest)
    } else if let Some(rest) = text.strip_prefix('.') {
        (Atom::Dot, rest)
    } else if let Some((class, rest)) = class_escape(text) {
        (Atom::Class(class), rest)
    } else if text.starts_with('\\') {
        let (literal, rest) = escape(text)?;
        (Atom::Literal(literal), rest)
    } else {
        let mut characters = text.chars();
        (Atom::Literal(characters.next()?), characters.as_str())
    };
    // A star is written after a dot or a class only; a pattern's own star becomes another text.
    let (has_star, rest) = match rest.strip_prefix('*') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let unit = Unit {
        atom,
        is_optional: has_star,
        is_repeated: has_star,
    };
    Some((unit, rest))
}

/// How often something is repeated; without an end, as often as it likes.
type Repetition = (usize, Option<usize>);

/// Reads `{2}`, `{2,}` or `{2,3}`; anything else is a brace and not a repetition.
fn repetition(text: &str) -> Option<(Repetition, &str)> {
    let (inside, rest) = text.strip_prefix('{')?.split_once('}')?;
    let number = |text: &str| {
        let has_zero = text.len() > 1 && text.starts_with('0');
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        // What is too large to be read is too large to be allowed.
        (is_number && !has_zero).then(|| text.parse().unwrap_or(usize::MAX))
    };
    let repetition = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((repetition, rest))
}

/// Repeats the last unit.
fn repeat(units: &mut Vec<Unit>, (least, most): Repetition) -> Option<()> {
    let unit = units.pop()?;
    let most_of_all = most.unwrap_or(least);
    if unit.is_optional || unit.is_repeated || least > most_of_all || most_of_all > 1000 {
        return None;
    }
    let copies = |count, is_optional| {
        std::iter::repeat_n(
            Unit {
                is_optional,
                ..unit.clone()
            },
            count,
        )
    };
    units.extend(copies(least, false));
    match most {
        Some(most) => units.extend(copies(most - least, true)),
        None => units.push(Unit {
            is_optional: true,
            is_repeated: true,
            ..unit.clone()
        }),
    }
    (units.len() <= MAX_UNITS).then_some(())
}
