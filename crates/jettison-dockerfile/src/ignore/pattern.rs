//! One pattern of an ignore file, compiled.
//!
//! Matching follows every way through a pattern at once, so that its cost is bounded by the length of the
//! pattern times the length of the path.

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    matcher: Matcher,
}

/// How a pattern matches; the simple ways are also different ways (moby/patternmatcher, `compile`).
#[derive(Debug, Clone)]
enum Matcher {
    /// The path is the pattern.
    Exact,
    /// `prefix**`
    Prefix(String),
    /// `**suffix`
    Suffix(String),
    /// Everything else.
    Units(Vec<Unit>),
}

#[derive(Debug, Clone)]
enum Unit {
    Literal(char),
    /// `?`
    AnyButSlash,
    /// `*`
    Star,
    /// `**` or `**/` before something else: nothing, or anything that ends in a slash
    Directories,
    /// `**` at the end
    Anything,
    /// `[…]`
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Compiles a cleaned pattern; `None` if its syntax is wrong.
    pub(super) fn parse(text: &str) -> Option<Pattern> {
        let mut units = Vec::new();
        // What the pattern is as long as nothing forces the general way.
        let mut is_plain = true;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let at_start = rest.len() == text.len();
            rest = &rest[first.len_utf8()..];
            match first {
                '*' if rest.starts_with('*') => {
                    rest = &rest[1..];
                    rest = rest.strip_prefix('/').unwrap_or(rest);
                    let is_last = rest.is_empty();
                    is_plain &=
                        at_start || (is_last && !matches!(units.first(), Some(Unit::Directories)));
                    units.push(if is_last {
                        Unit::Anything
                    } else {
                        Unit::Directories
                    });
                    continue;
                }
                '*' => units.push(Unit::Star),
                '?' => units.push(Unit::AnyButSlash),
                '[' => {
                    let (class, after) = class(rest)?;
                    units.push(class);
                    rest = after;
                }
                '\\' => {
                    let escaped = rest.chars().next()?;
                    rest = &rest[escaped.len_utf8()..];
                    units.push(Unit::Literal(escaped));
                }
                literal => {
                    units.push(Unit::Literal(literal));
                    continue;
                }
            }
            is_plain = false;
        }
        let matcher = if is_plain {
            plain(text, &units)
        } else {
            Matcher::Units(units)
        };
        Some(Pattern {
            text: text.to_owned(),
            matcher,
        })
    }

    /// Says whether the pattern matches this very path.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix(prefix) => path.starts_with(prefix),
            Matcher::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|name| path == name)
            }
            Matcher::Units(units) => run(units, path),
        }
    }

    /// Says whether the pattern may match something in a directory, at any depth.
    pub(super) fn may_match_below(&self, directory: &str) -> bool {
        let special = self.text.find(['*', '?', '[', '\\']);
        // The parts of the pattern that stand before the first special one.
        let literal = match special {
            None => self.text.as_str(),
            Some(offset) => self.text[..offset]
                .rfind('/')
                .map_or("", |slash| &self.text[..slash]),
        };
        let is_below = |path: &str, top: &str| {
            top.is_empty()
                || path
                    .strip_prefix(top)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        is_below(literal, directory)
            || (special.is_some() && is_below(directory, literal))
            || literal == "."
    }
}

/// Chooses the simple way of matching.
fn plain(text: &str, units: &[Unit]) -> Matcher {
    let starts_with_stars = text.starts_with("**");
    match (starts_with_stars, units.last()) {
        (true, _) => Matcher::Suffix(text[2..].to_owned()),
        (false, Some(Unit::Anything)) => {
            let end = text.trim_end_matches('/').len().saturating_sub(2);
            Matcher::Prefix(text[..end].to_owned())
        }
        (false, _) => Matcher::Exact,
    }
}

/// Reads a class after its `[`; returns what comes after the `]`.
///
/// The syntax is that of Go's `filepath.Match`: `]` and `-` must be escaped, and a class is not empty.
fn class(text: &str) -> Option<(Unit, &str)> {
    let (is_negated, mut rest) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']')
            && !ranges.is_empty()
        {
            return Some((Unit::Class { is_negated, ranges }, after));
        }
        let (low, after) = class_character(rest)?;
        let (high, after) = match after.strip_prefix('-') {
            Some(after) => class_character(after)?,
            None => (low, after),
        };
        ranges.push((low, high));
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

/// Matches a whole path.
fn run(units: &[Unit], path: &str) -> bool {
    // State 2i is "before unit i"; state 2i+1 is "inside unit i", for `Directories` between its slashes.
    let end = 2 * units.len();
    let mut states = vec![false; end + 1];
    let mut next = states.clone();
    enter(units, &mut states, 0);
    for character in path.chars() {
        next.fill(false);
        for (index, unit) in units.iter().enumerate() {
            let (before, inside) = (states[2 * index], states[2 * index + 1]);
            if !before && !inside {
                continue;
            }
            let goes_on = match unit {
                Unit::Literal(literal) => *literal == character,
                Unit::AnyButSlash => character != '/',
                Unit::Class { is_negated, ranges } => {
                    ranges
                        .iter()
                        .any(|&(low, high)| (low..=high).contains(&character))
                        != *is_negated
                }
                Unit::Star => {
                    if character != '/' {
                        enter(units, &mut next, index);
                    }
                    false
                }
                Unit::Anything => {
                    enter(units, &mut next, index);
                    false
                }
                Unit::Directories => {
                    next[2 * index + 1] = true;
                    character == '/'
                }
            };
            if goes_on {
                enter(units, &mut next, index + 1);
            }
        }
        std::mem::swap(&mut states, &mut next);
    }
    states[end]
}

/// Enters the state before a unit, and those behind it that can be reached by matching nothing.
fn enter(units: &[Unit], states: &mut [bool], mut index: usize) {
    loop {
        states[2 * index] = true;
        match units.get(index) {
            Some(Unit::Star | Unit::Directories | Unit::Anything) => index += 1,
            Some(Unit::Literal(_) | Unit::AnyButSlash | Unit::Class { .. }) | None => return,
        }
    }
}
