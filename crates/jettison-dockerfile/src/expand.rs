//! Environment replacement: quotes are removed, `$name` and `${…}` are replaced.
//!
//! The rules are those of BuildKit's `shell.Lex` (frontend/dockerfile/shell/lex.go): inside `${…}` the
//! modifiers `-`, `+` and `?`, each also with a colon, `#`, `##`, `%`, `%%`, `/` and `//`. Positional and
//! special parameters (`$1`, `$@`) are names like any other.

mod pattern;
mod substitution;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A quote is not closed.
    #[error("unexpected end of statement while looking for matching {quote}-quote")]
    OpenQuote {
        /// `single` or `double`.
        quote: &'static str,
    },
    /// A `${` is not closed.
    #[error("syntax error: missing '}}'")]
    OpenBrace,
    /// A `${name/pattern` has no second slash.
    #[error("syntax error: missing '/' in ${{}}")]
    MissingSlash,
    /// Something inside `${}` is not a name.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// The modifier after the name does not exist.
    #[error("unsupported modifier ({modifier}) in substitution")]
    UnsupportedModifier {
        /// The modifier.
        modifier: String,
    },
    /// A variable that the word insists upon is not there.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the word says about it.
        message: String,
    },
    /// The pattern escapes something that needs no escape.
    #[error("invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// What is escaped; empty at the end of the pattern.
        escaped: String,
    },
    /// There are too many `${` inside of each other.
    #[error("substitutions are nested too deeply")]
    TooDeep,
}

/// Expands a word: quotes removed, variables replaced.
pub fn expand(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let mut lexer = Lexer::new(
        word,
        Mode {
            escape,
            ..Mode::default()
        },
        lookup,
    );
    Ok(lexer.run(None)?.text)
}

/// Expands a word and splits the result at white space that is not quoted.
pub fn expand_words(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ExpandError> {
    let mut lexer = Lexer::new(
        word,
        Mode {
            escape,
            ..Mode::default()
        },
        lookup,
    );
    Ok(lexer.run(None)?.words())
}

/// Expands the content of a heredoc: variables replaced, quotes kept. The escape character is the backslash.
pub fn expand_heredoc(
    content: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let mode = Mode {
        quotes: Quotes::Ordinary,
        ..Mode::default()
    };
    Ok(Lexer::new(content, mode, lookup).run(None)?.text)
}

/// Splits a line into words and expands nothing: quotes, escapes and variables are kept.
///
/// What comes before an error is lost, as in BuildKit.
pub(crate) fn raw_words(line: &str) -> Vec<String> {
    let mode = Mode {
        quotes: Quotes::Kept,
        escapes: Escapes::Kept,
        unset: Unset::Kept,
        ..Mode::default()
    };
    Lexer::new(line, mode, &|_| None)
        .run(None)
        .map(Expanded::words)
        .unwrap_or_default()
}

/// Splits the name of a heredoc into words, with the quotes removed or kept.
pub(crate) fn name_words(name: &str, quotes: Quotes) -> Result<Vec<String>, ExpandError> {
    let mode = Mode {
        quotes,
        unset: Unset::Kept,
        ..Mode::default()
    };
    Ok(Lexer::new(name, mode, &|_| None).run(None)?.words())
}

/// What to do with quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// They quote and are removed.
    Removed,
    /// They quote and are kept.
    Kept,
    /// They are characters like others.
    Ordinary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Removed,
    Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unset {
    Empty,
    Kept,
}

#[derive(Debug, Clone, Copy)]
struct Mode {
    escape: char,
    quotes: Quotes,
    escapes: Escapes,
    unset: Unset,
}

impl Default for Mode {
    fn default() -> Mode {
        Mode {
            escape: '\\',
            quotes: Quotes::Removed,
            escapes: Escapes::Removed,
            unset: Unset::Empty,
        }
    }
}

/// How deep `${` may be nested.
const MAX_DEPTH: usize = 100;

struct Lexer<'a> {
    characters: Vec<char>,
    position: usize,
    depth: usize,
    mode: Mode,
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Lexer<'a> {
    fn new(word: &str, mode: Mode, lookup: &'a dyn Fn(&str) -> Option<String>) -> Lexer<'a> {
        Lexer {
            characters: word.chars().collect(),
            position: 0,
            depth: 0,
            mode,
            lookup,
        }
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek();
        self.position += usize::from(character.is_some());
        character
    }

    /// Expands up to `stop`, which is eaten, or to the end.
    fn run(&mut self, stop: Option<char>) -> Result<Expanded, ExpandError> {
        let mut expanded = Expanded::default();
        while let Some(character) = self.peek() {
            if stop == Some(character) {
                self.next();
                return Ok(expanded);
            }
            match character {
                '$' => expanded.push_splitting(&self.dollar()?),
                '\'' if self.mode.quotes != Quotes::Ordinary => {
                    let text = self.single_quoted()?;
                    expanded.push_whole(&text);
                }
                '"' if self.mode.quotes != Quotes::Ordinary => {
                    let text = self.double_quoted()?;
                    expanded.push_whole(&text);
                }
                '<' => {
                    let text = self.heredoc_arrow();
                    expanded.push_whole(&text);
                }
                _ => self.plain(&mut expanded),
            }
        }
        // At the end of the word the only thing that can be missing is the `}` or `/` of a substitution.
        match stop {
            None => Ok(expanded),
            Some('/') => Err(ExpandError::MissingSlash),
            Some(_) => Err(ExpandError::OpenBrace),
        }
    }

    fn plain(&mut self, expanded: &mut Expanded) {
        let Some(character) = self.next() else { return };
        if character != self.mode.escape {
            expanded.push_splitting(character.encode_utf8(&mut [0; 4]));
            return;
        }
        if self.mode.escapes == Escapes::Kept {
            expanded.push_whole(character.encode_utf8(&mut [0; 4]));
        }
        if let Some(escaped) = self.next() {
            expanded.push_whole(escaped.encode_utf8(&mut [0; 4]));
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(character) = self.peek() {
            if character == '\'' {
                self.quote(&mut text);
                return Ok(text);
            }
            self.next();
            text.push(character);
        }
        Err(ExpandError::OpenQuote { quote: "single" })
    }

    fn double_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(character) = self.peek() {
            match character {
                '"' => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                '$' => text.push_str(&self.dollar()?),
                _ => self.inside_double_quotes(&mut text),
            }
        }
        Err(ExpandError::OpenQuote { quote: "double" })
    }

    fn inside_double_quotes(&mut self, text: &mut String) {
        let Some(character) = self.next() else { return };
        if character != self.mode.escape {
            text.push(character);
            return;
        }
        if self.mode.escapes == Escapes::Kept {
            text.push(character);
        }
        match self.peek() {
            None => {}
            Some(escaped) if matches!(escaped, '"' | '$') || escaped == self.mode.escape => {
                self.next();
                text.push(escaped);
            }
            Some(_) => text.push(character),
        }
    }

    /// Eats a quote, and keeps it if quotes are kept.
    fn quote(&mut self, text: &mut String) {
        let quote = self.next();
        if self.mode.quotes == Quotes::Kept {
            text.extend(quote);
        }
    }

    /// Eats `<`, or `<<` with the blanks after it, so that `<< EOF` is one word.
    fn heredoc_arrow(&mut self) -> String {
        let mut text: String = self.next().into_iter().collect();
        if self.peek() == Some('<') {
            text.extend(self.next());
            while self
                .peek()
                .is_some_and(|character| matches!(character, ' ' | '\t' | '\r' | '\n'))
            {
                text.extend(self.next());
            }
        }
        text
    }
}

/// The result of expansion: a text, and the same text as words.
#[derive(Default)]
struct Expanded {
    text: String,
    finished: Vec<String>,
    current: String,
}

impl Expanded {
    /// Adds text whose white space separates words.
    fn push_splitting(&mut self, text: &str) {
        self.text.push_str(text);
        for character in text.chars() {
            if !character.is_whitespace() {
                self.current.push(character);
            } else if !self.current.is_empty() {
                self.finished.push(std::mem::take(&mut self.current));
            }
        }
    }

    /// Adds text that belongs to one word.
    fn push_whole(&mut self, text: &str) {
        self.text.push_str(text);
        self.current.push_str(text);
    }

    fn words(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.finished.push(self.current);
        }
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// The one place that calls the function under test.
    #[track_caller]
    fn check(word: &str, expected: Expect) {
        let lookup = |name: &str| match name {
            "FILE" => Some("archive.tar.gz".to_owned()),
            "EMPTY" => Some(String::new()),
            "PATH" => Some("/a/b/c".to_owned()),
            "STARS" => Some("a*b?c".to_owned()),
            _ => None,
        };
        match expand(word, '\\', &lookup) {
            Ok(text) => expected.assert_eq(&text),
            Err(error) => expected.assert_eq(&format!("error: {error}")),
        }
    }

    #[test]
    fn defaults_and_alternatives() {
        check("${NO-a}|${NO:-b}|${EMPTY-c}|${EMPTY:-d}", expect!["a|b||d"]);
        check(
            "${NO+a}|${NO:+b}|${EMPTY+c}|${EMPTY:+d}|${FILE:+e}",
            expect!["||c||e"],
        );
    }

    #[test]
    fn a_required_variable_says_why() {
        check("${NO?set it}", expect!["error: NO: set it"]);
        check("${NO:?}", expect!["error: NO: is not allowed to be unset"]);
        check(
            "${EMPTY:?}",
            expect!["error: EMPTY: is not allowed to be empty"],
        );
        check("${EMPTY?}", expect![""]);
    }

    #[test]
    fn prefixes_and_suffixes_are_cut() {
        check("${FILE%.*} ${FILE%%.*}", expect!["archive.tar archive"]);
        check("${FILE#*.} ${FILE##*.}", expect!["tar.gz gz"]);
        check(
            "${PATH#/?} ${PATH%/*} ${PATH##*/} ${PATH%nope}",
            expect!["/b/c /a/b c /a/b/c"],
        );
        check(r"${STARS#a\*} ${STARS%\?c}", expect!["b?c a*b"]);
    }

    #[test]
    fn patterns_are_replaced_once_or_everywhere() {
        check(r"${PATH/\//:} ${PATH//\//:}", expect![":a/b/c :a:b:c"]);
        check(
            "${FILE/.*/} ${FILE//a/A}",
            expect!["archive Archive.tAr.gz"],
        );
        check("${FILE/x/y} ${NO/a/b}|", expect!["archive.tar.gz |"]);
        check("${FILE//*/x}", expect!["x"]);
        check(
            r"${FILE/\a/b}",
            expect![[r"error: invalid pattern (\a) in substitution: invalid escape '\a'"]],
        );
    }

    #[test]
    fn what_is_not_closed_is_named() {
        check(
            "debian:${VERSION",
            expect!["error: unsupported modifier (\u{fffd}) in substitution"],
        );
        check("${VERSION:-1", expect!["error: syntax error: missing '}'"]);
        check(
            "${FILE/a",
            expect!["error: syntax error: missing '/' in ${}"],
        );
        check("${", expect!["error: syntax error: missing '}'"]);
        check(
            "it's",
            expect!["error: unexpected end of statement while looking for matching single-quote"],
        );
        check(
            "${FILE:#a}",
            expect!["error: unsupported modifier (:#) in substitution"],
        );
    }

    #[test]
    fn deep_nesting_is_refused_rather_than_followed() {
        let word = "${A:-".repeat(100_000) + &"}".repeat(100_000);
        assert_eq!(expand(&word, '\\', &|_| None), Err(ExpandError::TooDeep));
    }

    #[test]
    fn a_heredoc_keeps_its_quotes() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(
            expand_heredoc("x='$A' \"${A}\" \\$A <b>\n", &lookup),
            Ok("x='1' \"1\" $A <b>\n".into())
        );
    }

    #[test]
    fn the_escape_character_can_be_a_backtick() {
        assert_eq!(expand(r"C:\a`$b", '`', &|_| None), Ok(r"C:\a$b".into()));
    }
}
