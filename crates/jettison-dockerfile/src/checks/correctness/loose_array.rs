//! Arrays that are meant as JSON and are none.

use std::ops::Range;

use crate::json::{JsonArray, exec_form, json_array};

/// What is wrong with an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    /// A string is in single or typographic quotes.
    OtherQuotes,
    /// A string has no quotes.
    NoQuotes,
    /// A backslash is followed by something that JSON does not know.
    BadEscape,
    /// A string is not closed.
    OpenString,
    /// Two strings have no comma between them.
    NoComma,
    /// A comma has no string after it.
    ExtraComma,
    /// The `]` is missing.
    NoEnd,
    /// Something follows the `]`.
    TextAfterwards,
}

/// An array that is meant as JSON and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LooseArray {
    /// The first thing that is wrong with it.
    pub(super) flaw: Flaw,
    /// Where that is.
    pub(super) place: Range<usize>,
    /// What makes JSON of it, if its words can be read with certainty.
    pub(super) repairs: Option<Vec<(Range<usize>, String)>>,
    /// How many words it has.
    pub(super) n_words: usize,
}

/// Single quotes and what word processors make of them.
const SINGLE: [char; 5] = ['\'', '‘', '’', '‚', '‛'];

/// What word processors make of double quotes.
const CURLY: [char; 4] = ['“', '”', '„', '‟'];

/// What else was read of an array.
#[derive(Debug, Default)]
struct Read {
    flaws: Vec<(Flaw, Range<usize>)>,
    repairs: Vec<(Range<usize>, String)>,
    words: Vec<String>,
    n_commas: usize,
    n_quoted: usize,
    /// Its words cannot be known.
    is_doubtful: bool,
}

/// Finds what is wrong with a text that is meant as an array; `None` if it is JSON, or is meant as something else.
///
/// `[` is also a command, and the start of a pattern, so that without a comma or a quote right after the bracket a
/// text is something else.
pub(super) fn loose_array(text: &str) -> Option<LooseArray> {
    let inner = text.strip_prefix('[')?;
    if json_array(text) != JsonArray::Invalid || inner.trim_start().starts_with('[') {
        return None;
    }
    let mut read = Read::default();
    read.array(text)?;
    if !is_array(inner, &read) {
        return None;
    }
    read.flaws.sort_by_key(|(_, place)| place.start);
    let (flaw, place) = read.flaws.first().cloned()?;
    let repairs = std::mem::take(&mut read.repairs);
    let is_certain = !read.is_doubtful
        && json_array(&repaired(text, &repairs)) == JsonArray::Strings(read.words.clone());
    Some(LooseArray {
        flaw,
        place,
        repairs: is_certain.then_some(repairs),
        n_words: read.words.len(),
    })
}

/// Tells an array from a shell's test and from a pattern.
fn is_array(inner: &str, read: &Read) -> bool {
    let is_tight = !inner.starts_with(char::is_whitespace);
    let has = |flaw: Flaw| read.flaws.iter().any(|(other, _)| *other == flaw);
    // `["$A" = b ]`, `["a" ] && b`
    let is_mixed = has(Flaw::NoQuotes) && has(Flaw::NoComma);
    let is_quoted = read.n_quoted > 0 && is_tight && !is_mixed;
    let is_listed = read.n_commas > 0 && !has(Flaw::NoComma);
    // `[/data]`
    let is_one_bare = is_tight && read.words.len() == 1 && !has(Flaw::NoEnd);
    let is_bare_before_text = read.n_quoted == 0 && has(Flaw::TextAfterwards);
    (is_quoted || is_listed || is_one_bare) && !is_bare_before_text
}

fn repaired(text: &str, repairs: &[(Range<usize>, String)]) -> String {
    let mut result = String::new();
    let mut copied = 0;
    for (range, replacement) in repairs {
        result.push_str(&text[copied..range.start]);
        result.push_str(replacement);
        copied = range.end;
    }
    result + &text[copied..]
}

impl Read {
    /// Reads a text that starts with `[`; `None` if it cannot be meant as an array.
    fn array(&mut self, text: &str) -> Option<()> {
        let mut at = 1;
        // Where the last string ended, and whether a comma came after it.
        let mut last = 1..1;
        let mut comma: Option<Range<usize>> = None;
        loop {
            at = skip_blanks(text, at);
            let Some(next) = text[at..].chars().next() else {
                self.flaw(Flaw::NoEnd, last.clone());
                self.extra_comma(comma);
                self.repairs.push((text.len()..text.len(), "]".to_owned()));
                return Some(());
            };
            match next {
                ']' => {
                    self.extra_comma(comma);
                    let after = skip_blanks(text, at + 1);
                    if after < text.len() {
                        self.flaw(Flaw::TextAfterwards, after..text.len());
                        self.is_doubtful = true;
                    }
                    return Some(());
                }
                ',' => {
                    if comma.is_some() || self.words.is_empty() {
                        self.flaw(Flaw::ExtraComma, at..at + 1);
                        self.is_doubtful = true;
                    }
                    self.n_commas += 1;
                    comma = Some(at..at + 1);
                    at += 1;
                }
                _ => {
                    if !self.words.is_empty() && comma.take().is_none() {
                        self.flaw(Flaw::NoComma, last.end..at);
                        self.repairs.push((last.end..last.end, ",".to_owned()));
                        // `"a""b"` may be one word.
                        self.is_doubtful |= last.end == at;
                    }
                    comma = None;
                    let end = self.string(text, at)?;
                    last = at..end;
                    at = end;
                }
            }
        }
    }

    fn flaw(&mut self, flaw: Flaw, place: Range<usize>) {
        self.flaws.push((flaw, place));
    }

    fn extra_comma(&mut self, comma: Option<Range<usize>>) {
        if let Some(comma) = comma {
            self.repairs.push((comma.clone(), String::new()));
            self.flaw(Flaw::ExtraComma, comma);
        }
    }

    /// Reads a string at `at`; returns where it ends.
    fn string(&mut self, text: &str, at: usize) -> Option<usize> {
        let open = text[at..].chars().next()?;
        let inside = at + open.len_utf8();
        let closes: &[char] = match open {
            '"' => return Some(self.double_quoted(text, at)),
            _ if SINGLE.contains(&open) => &SINGLE,
            _ if CURLY.contains(&open) => &['“', '”', '‟', '"'],
            _ => return self.bare(text, at),
        };
        self.n_quoted += 1;
        let Some(len) = text[inside..].find(closes) else {
            self.flaw(Flaw::OpenString, at..text.len());
            self.is_doubtful = true;
            self.words.push(text[inside..].to_owned());
            return Some(text.len());
        };
        let close = text[inside + len..].chars().next()?;
        let end = inside + len + close.len_utf8();
        let word = &text[inside..inside + len];
        self.flaw(Flaw::OtherQuotes, at..end);
        // Who knows what a backslash is to do.
        self.is_doubtful |= word.contains('\\');
        self.replace(at..end, word);
        Some(end)
    }

    fn double_quoted(&mut self, text: &str, at: usize) -> usize {
        self.n_quoted += 1;
        let mut is_escaped = false;
        let mut end = text.len();
        let mut has_bad_escape = false;
        for (offset, character) in text[at + 1..].char_indices() {
            if is_escaped {
                is_escaped = false;
                if !"\"\\/bfnrtu".contains(character) && !has_bad_escape {
                    let start = at + offset;
                    self.flaw(Flaw::BadEscape, start..start + 1 + character.len_utf8());
                    has_bad_escape = true;
                }
            } else if character == '\\' {
                is_escaped = true;
            } else if character == '"' {
                end = at + offset + 2;
                break;
            }
        }
        let written = &text[at..end];
        match json_array(&format!("[{written}]")) {
            JsonArray::Strings(word) => self.words.extend(word),
            JsonArray::Mixed | JsonArray::Invalid => {
                if !has_bad_escape {
                    self.flaw(Flaw::OpenString, at..end);
                }
                self.is_doubtful = true;
                self.words.push(written.to_owned());
            }
        }
        end
    }

    /// Reads a word without quotes, as it would be written in a list.
    fn bare(&mut self, text: &str, at: usize) -> Option<usize> {
        let is_end = |c: char| c == ',' || c == ']' || c.is_whitespace();
        let len = text[at..].find(is_end).unwrap_or(text.len() - at);
        let word = &text[at..at + len];
        let is_plain = |c: char| c.is_alphanumeric() || "/._-:=+@%".contains(c);
        if !word.chars().all(is_plain) || (self.words.is_empty() && word.starts_with('-')) {
            return None;
        }
        self.flaw(Flaw::NoQuotes, at..at + len);
        self.replace(at..at + len, word);
        Some(at + len)
    }

    fn replace(&mut self, range: Range<usize>, word: &str) {
        let array = exec_form(&[word.to_owned()]);
        let quoted = array
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        self.repairs
            .push((range, quoted.unwrap_or(&array).to_owned()));
        self.words.push(word.to_owned());
    }
}

fn skip_blanks(text: &str, at: usize) -> usize {
    at + (text[at..].len() - text[at..].trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, flaw: Flaw, expected: Option<&str>) {
        let loose = loose_array(text).unwrap();
        assert_eq!(loose.flaw, flaw, "{text}");
        let result = loose.repairs.map(|repairs| repaired(text, &repairs));
        assert_eq!(result.as_deref(), expected, "{text}");
    }

    #[test]
    fn arrays_with_a_flaw_are_repaired() {
        let cases = [
            ("['a', 'b c']", Flaw::OtherQuotes, r#"["a", "b c"]"#),
            (r#"['a"b']"#, Flaw::OtherQuotes, r#"["a\"b"]"#),
            ("[“a”, ‘b’]", Flaw::OtherQuotes, r#"["a", "b"]"#),
            (r#"["a", "b",]"#, Flaw::ExtraComma, r#"["a", "b"]"#),
            (r#"["a" "b"]"#, Flaw::NoComma, r#"["a", "b"]"#),
            (r#"["a", "b""#, Flaw::NoEnd, r#"["a", "b"]"#),
            ("[nginx, -g]", Flaw::NoQuotes, r#"["nginx", "-g"]"#),
            ("[/data]", Flaw::NoQuotes, r#"["/data"]"#),
            ("[ 'a', 'b]' ]", Flaw::OtherQuotes, r#"[ "a", "b]" ]"#),
        ];
        for (text, flaw, expected) in cases {
            check(text, flaw, Some(expected));
        }
    }

    #[test]
    fn what_is_meant_is_not_guessed() {
        let cases = [
            (r#"["a", "\$b"]"#, Flaw::BadEscape),
            (r#"["a" ,, "b"]"#, Flaw::ExtraComma),
            (r#"["a", "b"] c"#, Flaw::TextAfterwards),
            (r#"["a", "b]"#, Flaw::OpenString),
            (r#"["a""b"]"#, Flaw::NoComma),
            (r"['a\b']", Flaw::OtherQuotes),
        ];
        for (text, flaw) in cases {
            check(text, flaw, None);
        }
    }

    #[test]
    fn tests_and_patterns_are_no_arrays() {
        let cases = [
            r#"["a"]"#,
            "[ -f /x ]",
            "[ -f /x ] && y",
            r#"[ "$A" = "b" ]"#,
            r#"[ "$A" = b ] || c"#,
            r#"[ "a" ] && b"#,
            "[[ -f x ]]",
            "[abc].txt",
            "[a,b] /x",
            "[-f x]",
            "[ a ]",
            "[",
            "[$X]",
            "['don't', 'b']",
        ];
        for text in cases {
            assert_eq!(loose_array(text), None, "{text}");
        }
    }
}
