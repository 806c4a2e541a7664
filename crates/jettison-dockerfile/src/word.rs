//! Splitting the arguments of an instruction into words.

use crate::text::{TextRange, is_blank};

/// A word of a logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word, with its quotes and escapes.
    pub(crate) text: String,
    /// Where it is in the logical line.
    pub(crate) range: TextRange,
}

/// The word that is the text at `range`.
pub(crate) fn verbatim(line: &str, range: TextRange) -> Word {
    Word {
        text: line[range.clone()].to_owned(),
        range,
    }
}

/// Splits at blanks; quotes mean nothing.
pub(crate) fn split_at_blanks(line: &str, range: TextRange) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (offset, character) in line[range.clone()].char_indices() {
        let offset = range.start + offset;
        match (start, is_blank(character)) {
            (None, false) => start = Some(offset),
            (Some(first), true) => {
                words.push(verbatim(line, first..offset));
                start = None;
            }
            (None, true) | (Some(_), false) => {}
        }
    }
    if let Some(first) = start {
        words.push(verbatim(line, first..range.end));
    }
    words
}

/// Splits at white space outside of quotes, as `ENV`, `LABEL` and `ARG` do; quotes and escapes are kept.
///
/// An escape character at the very end is dropped (BuildKit: `parseWords`, `parser/line_parsers.go`).
pub(crate) fn split_outside_quotes(line: &str, range: TextRange, escape: char) -> Vec<Word> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut quote = None;
    let mut characters = line[range.clone()].char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        let offset = range.start + offset;
        if quote.is_none() && character.is_whitespace() {
            words.extend(current.take());
            continue;
        }
        let word = current.get_or_insert_with(|| Word {
            text: String::new(),
            range: offset..offset,
        });
        word.range.end = offset + character.len_utf8();
        match quote {
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(open) if open == character => quote = None,
            None | Some(_) => {}
        }
        let escapes = character == escape && quote != Some('\'');
        if escapes {
            let Some((_, next)) = characters.next() else {
                break;
            };
            word.text.push(character);
            word.text.push(next);
            word.range.end += next.len_utf8();
        } else {
            word.text.push(character);
        }
    }
    words.extend(current);
    words.retain(|word| !word.text.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let words = split_outside_quotes(line, 0..line.len(), '\\');
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
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
}
