//! Environment replacement: quotes are removed, `$name` and `${…}` are replaced.
//!
//! The rules are those of BuildKit's `shell.Lex` (frontend/dockerfile/shell/lex.go): inside `${…}` the
//! modifiers `-`, `+` and `?`, each also with a colon, `#`, `##`, `%`, `%%`, `/` and `//`. Positional and
//! special parameters (`$1`, `$@`) are names like any other.

mod letter;
mod lexer;
mod pattern;
mod substitution;

use crate::expand::lexer::{Escapes, Mode, Unset, lex};
use std::collections::BTreeSet;

pub(crate) use crate::expand::lexer::Quotes;

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
        /// What is escaped; U+FFFD at the end of the pattern.
        escaped: char,
    },
    /// There are too many `${` inside of each other.
    #[error("substitutions are nested too deeply")]
    TooDeep,
}

/// What became of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The word, expanded.
    pub text: String,
    /// The same, split at white space that is not quoted.
    pub words: Vec<String>,
    /// The variables that were looked up and are set.
    pub matched: BTreeSet<String>,
    /// The variables that were looked up and are not set, also those with a default.
    pub unmatched: BTreeSet<String>,
}

/// Expands a word: quotes removed, variables replaced.
pub fn expand(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    Ok(expand_with_matches(word, escape, lookup)?.text)
}

/// Expands a word and splits the result at white space that is not quoted.
pub fn expand_words(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ExpandError> {
    Ok(expand_with_matches(word, escape, lookup)?.words)
}

/// Expands a word, and says which variables it looked up.
pub fn expand_with_matches(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Expansion, ExpandError> {
    let mode = Mode {
        escape,
        ..Mode::default()
    };
    lex(word, mode, lookup)
}

/// Expands the content of a heredoc: variables replaced, quotes kept. The escape character is the backslash.
pub fn expand_heredoc(
    content: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    Ok(expand_heredoc_with_matches(content, lookup)?.text)
}

/// Expands the content of a heredoc, and says which variables it looked up.
pub fn expand_heredoc_with_matches(
    content: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Expansion, ExpandError> {
    let mode = Mode {
        quotes: Quotes::Ordinary,
        ..Mode::default()
    };
    lex(content, mode, lookup)
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
    lex(line, mode, &|_| None)
        .map(|expansion| expansion.words)
        .unwrap_or_default()
}

/// Splits the name of a heredoc into words, with the quotes removed or kept.
pub(crate) fn name_words(name: &str, quotes: Quotes) -> Result<Vec<String>, ExpandError> {
    let mode = Mode {
        quotes,
        unset: Unset::Kept,
        ..Mode::default()
    };
    Ok(lex(name, mode, &|_| None)?.words)
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
            "LINES" => Some("one\ntwo".to_owned()),
            "WINDOWS" => Some(r"C:\a\b".to_owned()),
            "한국_1" => Some("seoul".to_owned()),
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
    fn stars_and_question_marks_stay_on_their_line() {
        check(
            "${LINES##*}|${LINES%%*}",
            expect![[r"

            two|one
        "]],
        );
        check("${LINES/one?two/x} ${LINES//*/x}", expect!["one\ntwo x\nx"]);
    }

    #[test]
    fn a_replacement_everywhere_may_name_what_it_replaces() {
        check(r"${PATH//?b/<\$0>}", expect![r"/a<\/b>/c"]);
        check(r"${PATH/?b/<\$0>}", expect![r"/a<\$0>/c"]);
        check(r"${PATH//?b/'${0}$$$00$a'}", expect!["/a/b$/c"]);
    }

    #[test]
    fn what_is_quoted_in_a_pattern_keeps_its_backslashes() {
        check(
            r#"${WINDOWS#'C:\'} ${WINDOWS#"C:\a"}"#,
            expect![[r"a\b \b"]],
        );
        check(
            r"${FILE%a\}",
            expect![[r"error: syntax error: missing '}'"]],
        );
        check(
            r"${FILE%g\z}",
            expect![[r"error: invalid pattern (\zg) in substitution: invalid escape '\z'"]],
        );
    }

    #[test]
    fn names_have_letters_and_digits_of_every_script() {
        check("$한국_1- ${é-x} $٣a", expect!["seoul- x a"]);
        check(
            "$é\u{300}|${Ⅷ}",
            expect!["error: unsupported modifier (Ⅷ) in substitution"],
        );
    }

    #[test]
    fn the_start_of_a_word_is_lost_before_a_substitution_with_a_word() {
        let words = |word| expand_words(word, '\\', &|_| None);
        assert_eq!(words("8${A:-0}80 x"), Ok(vec!["080".into(), "x".into()]));
        assert_eq!(words("8${A}80"), Ok(vec!["880".into()]));
        assert_eq!(
            words("<< a <<\nb"),
            Ok(vec!["<< a".into(), "<<".into(), "b".into()])
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
    fn the_variables_that_were_looked_up_are_known() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        let expansion =
            expand_with_matches("$A${B:-${C}} \"$A\" '$D' \\$E", '\\', &lookup).unwrap();
        assert_eq!(expansion.text, "1 1 $D $E");
        assert!(expansion.matched.iter().eq(["A"]));
        assert!(expansion.unmatched.iter().eq(["B", "C"]));
        let heredoc = expand_heredoc_with_matches("'$A' ${F}\n", &lookup).unwrap();
        assert!(heredoc.matched.iter().eq(["A"]));
        assert!(heredoc.unmatched.iter().eq(["F"]));
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
