//! Go's regular expressions.

use regex::Regex;
use serde::Deserialize;

/// A regular expression as Go reads it (RE2's syntax).
///
/// The engine is another one of the same family. What it reads differently is translated: `\d`, `\s`, `\w` and `\b` know
/// ASCII alone, `\Q…\E` quotes, `{` is a brace where it repeats nothing, and `[` in a class is a bracket.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// A text is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no regular expression: {reason}")]
pub struct PatternError {
    text: String,
    reason: String,
}

impl Pattern {
    /// Reads a regular expression.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let compiled = regex::RegexBuilder::new(&translated(text))
            .octal(true)
            .build();
        match compiled {
            Ok(regex) => Ok(Pattern {
                text: text.to_owned(),
                regex,
            }),
            Err(error) => Err(PatternError {
                text: text.to_owned(),
                reason: reason(&error),
            }),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether it matches somewhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Pattern, PatternError> {
        Pattern::new(&text)
    }
}

/// The last line of what the engine says: what is above it draws the place in the translated text.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The same expression for the engine that we have.
fn translated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut class: Option<usize> = None;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        let mut len = character.len_utf8();
        match (character, class) {
            ('\\', _) => len += escape(after, class.is_some(), &mut out),
            ('[', None) => {
                let start = if after.starts_with('^') { "[^" } else { "[" };
                out.push_str(start);
                len = start.len();
                // The first `]` of a class is a bracket.
                if rest[len..].starts_with(']') {
                    out.push_str("\\]");
                    len += 1;
                }
                class = Some(0);
            }
            ('[', Some(_)) => match named_class(rest) {
                Some(name) => {
                    out.push_str(name);
                    len = name.len();
                }
                None => out.push_str("\\["),
            },
            (']', Some(_)) => {
                class = None;
                out.push(']');
            }
            // Two of them would be an operation on sets.
            ('&' | '~', Some(_)) => {
                out.push('\\');
                out.push(character);
            }
            ('-', Some(_)) if after.starts_with('-') => {
                out.push_str("\\-");
            }
            ('{', None) if !is_repetition(rest) => out.push_str("\\{"),
            _ => out.push(character),
        }
        rest = &rest[len..];
    }
    out
}

/// Writes what stands behind a backslash; returns how many of its bytes that was.
fn escape(after: &str, is_in_class: bool, out: &mut String) -> usize {
    let Some(character) = after.chars().next() else {
        // Left alone, it is an error as it is in Go.
        out.push('\\');
        return 0;
    };
    let same = |out: &mut String| {
        out.push('\\');
        out.push(character);
    };
    match character {
        'd' => out.push_str(if is_in_class { "0-9" } else { "[0-9]" }),
        's' if is_in_class => out.push_str("\\t\\n\\f\\r "),
        's' => out.push_str("[\\t\\n\\f\\r ]"),
        'w' if is_in_class => out.push_str("0-9A-Za-z_"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'D' => out.push_str("[^0-9]"),
        'S' => out.push_str("[^\\t\\n\\f\\r ]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        // Its opposite stays Unicode's: ASCII's could match within a character.
        'b' if !is_in_class => out.push_str("(?-u:\\b)"),
        // Words have no ends of their own in Go.
        '<' | '>' => out.push(character),
        'Q' if !is_in_class => {
            let quoted = &after[1..];
            let end = quoted.find("\\E");
            out.push_str(&regex::escape(&quoted[..end.unwrap_or(quoted.len())]));
            return 1 + end.map_or(quoted.len(), |end| end + 2);
        }
        'p' | 'P' | 'x' if after[1..].starts_with('{') => {
            let end = after.find('}').map_or(after.len(), |end| end + 1);
            out.push('\\');
            out.push_str(&after[..end]);
            return end;
        }
        _ => same(out),
    }
    character.len_utf8()
}

/// `[:alpha:]` at the start of a text.
fn named_class(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix("[:")?;
    let end = name.find(":]")?;
    let is_name = name[..end]
        .chars()
        .all(|c| c.is_ascii_lowercase() || c == '^');
    (is_name && end > 0).then(|| &rest[..end + 4])
}

/// Says whether a text starts with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest[1..].split_once('}') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match inside.split_once(',') {
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        None => is_number(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let pattern = Pattern::new(pattern).unwrap();
        assert_eq!(pattern.is_match(text), expected, "{pattern:?} in {text}");
    }

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        let cases = [
            ("", "", true),
            (
                "^root:x:0:0:root:/root:/sbin/nologin\n",
                "root:x:0:0:root:/root:/sbin/nologin\nb",
                true,
            ),
            (
                ".*\\nVERSION=\"Debian GNU/Linux 12 \\(bookworm\\)\"\\n",
                "a\nVERSION=\"Debian GNU/Linux 12 (bookworm)\"\n",
                true,
            ),
            ("a$", "a\n", false),
            ("(?m)a$", "a\nb", true),
            ("a.b", "a\nb", false),
            ("(?s)a.b", "a\nb", true),
            ("(?i)STRASSE", "strasse", true),
            ("\\d", "٣", false),
            ("[\\d]", "3", true),
            ("[^\\d]", "3", false),
            ("[^\\d\\s]", "ü", true),
            ("[\\D]", "3", false),
            ("\\w+", "ü", false),
            ("\\bü", "aü", true),
            ("\\Qa.b(\\E+", "a.b((", true),
            ("\\Qa.b", "axb", false),
            ("{\"a\": \"{b}\"}", "{\"a\": \"{b}\"}", true),
            ("a{2}", "aa", true),
            ("a{,2}", "a{,2}", true),
            ("[[a]", "[", true),
            ("[[a]]", "a]", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            ("[[:digit:]a&&b]", "&", true),
            ("[a&&b]", "a", true),
            ("[a--]", "-", true),
            ("[~~]", "~", true),
            ("\\<a\\>", "<a>", true),
            ("\\/\\_\\-\\:\\\"", "/_-:\"", true),
            ("\\101\\x41\\x{0041}\\x{e9}", "AAAé", true),
            ("(?P<n>a)", "a", true),
            ("\\pL\\p{Greek}", "aα", true),
            ("a+?b*?", "aa", true),
            ("\\Aa\\z", "a", true),
        ];
        for (pattern, text, expected) in cases {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "(", "a)", "[a", "*", "a\\", "\\8", "(?=a)", "a(?<=b)", "x{2,1}",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
