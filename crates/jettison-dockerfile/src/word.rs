//! Splitting the arguments of an instruction into words.

use crate::text::{TextRange, is_blank, plain_len, skip_space};

/// A word of a logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The word, with its quotes and escapes.
    pub(crate) text: &'a str,
    /// Where it is in the logical line.
    pub(crate) range: TextRange,
}

impl<'a> Word<'a> {
    /// The word that is the text at `range`.
    pub(crate) fn at(line: &'a str, range: TextRange) -> Word<'a> {
        Word {
            text: &line[range.clone()],
            range,
        }
    }

    /// The words in it; quotes mean nothing.
    pub(crate) fn words(&self) -> Blanks<'a> {
        Blanks {
            text: self.text,
            start: self.range.start,
            position: 0,
        }
    }
}

/// Words that blanks separate.
#[derive(Debug, Clone)]
pub(crate) struct Blanks<'a> {
    text: &'a str,
    start: usize,
    position: usize,
}

impl<'a> Iterator for Blanks<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        // Blanks are ASCII, so each byte that is one is a character.
        let is_blank = |byte: &u8| is_blank(char::from(*byte));
        let rest = &self.text.as_bytes()[self.position..];
        let first = self.position + rest.iter().position(|byte| !is_blank(byte))?;
        let rest = &self.text.as_bytes()[first..];
        let end = first + rest.iter().position(is_blank).unwrap_or(rest.len());
        self.position = end;
        Some(Word {
            text: &self.text[first..end],
            range: self.start + first..self.start + end,
        })
    }
}

/// Words that white space outside of quotes separates, as for `ENV`, `LABEL` and `ARG`; quotes and escapes are
/// kept.
///
/// An escape character at the very end is dropped (BuildKit: `parseWords`, `parser/line_parsers.go`).
#[derive(Debug, Clone)]
pub(crate) struct OutsideQuotes<'a> {
    text: &'a str,
    start: usize,
    position: usize,
    escape: char,
}

/// Splits at white space outside of quotes.
pub(crate) fn split_outside_quotes(
    line: &str,
    range: TextRange,
    escape: char,
) -> OutsideQuotes<'_> {
    OutsideQuotes {
        start: range.start,
        text: &line[range],
        position: 0,
        escape,
    }
}

impl OutsideQuotes<'_> {
    /// The character at `offset`, which may be anywhere up to the end.
    fn character(&self, offset: usize) -> Option<char> {
        match self.text.as_bytes().get(offset)? {
            byte @ ..0x80 => Some(char::from(*byte)),
            _ => self.text[offset..].chars().next(),
        }
    }
}

impl<'a> Iterator for OutsideQuotes<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let first = skip_space(self.text, self.position..self.text.len());
        let mut quote = None;
        let mut offset = first;
        let mut end = None;
        loop {
            offset += plain_len(&self.text.as_bytes()[offset..]);
            let Some(character) = self.character(offset) else {
                break;
            };
            if quote.is_none() && character.is_whitespace() {
                break;
            }
            match quote {
                None if matches!(character, '\'' | '"') => quote = Some(character),
                Some(open) if open == character => quote = None,
                None | Some(_) => {}
            }
            let place = offset;
            offset += character.len_utf8();
            if character == self.escape && quote != Some('\'') {
                match self.character(offset) {
                    Some(escaped) => offset += escaped.len_utf8(),
                    None => end = Some(place),
                }
            }
        }
        self.position = offset;
        // The range is that of the word as written, its text lacks an escape character at the end.
        let text = &self.text[first..end.unwrap_or(offset)];
        (!text.is_empty()).then(|| Word {
            text,
            range: self.start + first..self.start + offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let words = split_outside_quotes(line, 0..line.len(), '\\');
        let texts: Vec<&str> = words.map(|word| word.text).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn quotes_and_escapes_keep_words_together() {
        check(r#"a="b c" d"#, &[r#"a="b c""#, "d"]);
        check(r"a=b\ c d", &[r"a=b\ c", "d"]);
        check(r"a='b\' c", &[r"a='b\'", "c"]);
        check(r#"a="b\" c" d"#, &[r#"a="b\" c""#, "d"]);
    }

    #[test]
    fn an_escape_at_the_end_is_dropped() {
        check(r"a b\", &["a", "b"]);
        check(r"a \", &["a"]);
    }

    #[test]
    fn an_open_quote_takes_the_rest() {
        check("a 'b c", &["a", "'b c"]);
    }

    #[test]
    fn blanks_separate_words_and_quotes_do_not_matter() {
        let line = "x  'a\u{a0}b'\tc ";
        let words = Word::at(line, 1..line.len()).words();
        let found: Vec<_> = words.map(|word| (word.text, word.range)).collect();
        assert_eq!(found, [("'a\u{a0}b'", 3..9), ("c", 10..11)]);
    }
}
