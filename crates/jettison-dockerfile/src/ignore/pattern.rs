//! One pattern of an ignore file, compiled as moby/patternmatcher does (`compile`, patternmatcher.go).

use crate::ignore::glob::is_malformed;
use crate::ignore::name::Split;
use crate::ignore::regex::Regex;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// The path is this.
    Exact(String),
    /// `prefix**`
    Prefix(String),
    /// `**suffix`
    Suffix(String),
    /// Everything else; taken apart if that can be.
    Regex(Regex, Option<Split>),
}

/// How a pattern is going to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

impl Pattern {
    /// Compiles a cleaned pattern; `None` if its syntax is wrong.
    ///
    /// A mistake that only the regular expression shows fails a build when the first path comes to the pattern;
    /// here it is found in any case.
    pub(super) fn parse(text: &str) -> Option<Pattern> {
        if is_malformed(text) {
            return None;
        }
        let (way, expression) = translate(text);
        Some(match way {
            Way::Exact => Pattern::Exact(text.to_owned()),
            Way::Prefix => Pattern::Prefix(text[..text.len() - 2].to_owned()),
            // There is no such boundary after a byte order mark.
            Way::Suffix => Pattern::Suffix(text.get(2..).unwrap_or(text).to_owned()),
            Way::Regex => {
                let regex = Regex::parse(&expression)?;
                let split = Split::of(&regex);
                Pattern::Regex(regex, split)
            }
        })
    }

    /// Says whether the pattern matches this very path.
    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Pattern::Exact(text) => path == text,
            Pattern::Prefix(prefix) => path.starts_with(prefix),
            Pattern::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|name| path == name)
            }
            Pattern::Regex(regex, _) => regex.matches(path),
        }
    }

    /// Says whether the pattern may match something in a directory, at any depth.
    pub(super) fn may_match_below(&self, directory: &str) -> bool {
        let start = format!("{directory}/");
        match self {
            Pattern::Exact(text) => text.starts_with(&start) && *text != start,
            Pattern::Prefix(prefix) => prefix.starts_with(&start) || start.starts_with(prefix),
            Pattern::Suffix(_) => true,
            Pattern::Regex(regex, _) => regex.may_match_more_than(&start),
        }
    }
}

/// Writes a pattern as a regular expression, which not every way of matching needs.
///
/// What stands in `[…]` is translated as if it stood outside: `[*]` becomes `[[^/]*]`.
fn translate(text: &str) -> (Way, String) {
    let mut way = Way::Exact;
    let mut expression = "^".to_owned();
    // The scanner that reads the pattern skips it.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut is_first = true;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '*' if rest.starts_with('*') => {
                rest = &rest[1..];
                rest = rest.strip_prefix('/').unwrap_or(rest);
                way = match (is_first, way, rest.is_empty()) {
                    (true, ..) => Way::Suffix,
                    (false, Way::Exact, true) => Way::Prefix,
                    (false, Way::Exact | Way::Prefix | Way::Suffix | Way::Regex, _) => Way::Regex,
                };
                expression += if rest.is_empty() { ".*" } else { "(.*/)?" };
            }
            '*' => {
                way = Way::Regex;
                expression += "[^/]*";
            }
            '?' => {
                way = Way::Regex;
                expression += "[^/]";
            }
            // Braces and `|` are escaped in no version so far, though they are meant to be.
            '.' | '+' | '(' | ')' | '$' => {
                expression.push('\\');
                expression.push(character);
            }
            '\\' => {
                expression.push('\\');
                if let Some(escaped) = rest.chars().next() {
                    way = Way::Regex;
                    expression.push(escaped);
                    rest = &rest[escaped.len_utf8()..];
                }
            }
            '[' | ']' => {
                way = Way::Regex;
                expression.push(character);
            }
            literal => expression.push(literal),
        }
        is_first = false;
    }
    expression.push('$');
    (way, expression)
}
