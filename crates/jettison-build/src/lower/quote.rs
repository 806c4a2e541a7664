//! Text as Go prints it with `%q`, which is how BuildKit writes commands into the history.

use std::fmt::Write;

/// A list of words, as Go prints one with `%q`.
pub(super) fn quoted_list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(" "))
}

/// A word, as Go prints one with `%q`.
pub(crate) fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\x07' => text.push_str("\\a"),
            '\x08' => text.push_str("\\b"),
            '\x0c' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\x0b' => text.push_str("\\v"),
            _ if is_printable(c) => text.push(c),
            _ => escape(&mut text, u32::from(c)),
        }
    }
    text.push('"');
    text
}

fn escape(text: &mut String, code: u32) {
    // Writing to a string cannot fail.
    let _ok = match code {
        0..=0x7f => write!(text, "\\x{code:02x}"),
        0x80..=0xffff => write!(text, "\\u{code:04x}"),
        _ => write!(text, "\\U{code:08x}"),
    };
}

/// Go's `IsPrint`, as far as that is told by what Rust knows of Unicode, and the characters that
/// only direct how others are shown.
fn is_printable(c: char) -> bool {
    let directs = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || directs || is_private)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(word: &str, expected: Expect) {
        expected.assert_eq(&quoted(word));
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        check(r#"a "b" \ 'c'"#, expect![[r#""a \"b\" \\ 'c'""#]]);
    }

    #[test]
    fn what_cannot_be_printed_is_a_number() {
        check(
            "\x00\x07\x1b\x7f\n\t\u{85}\u{a0}\u{200b}\u{f0000}",
            expect![[r#""\x00\a\x1b\x7f\n\t\u0085\u00a0\u200b\U000f0000""#]],
        );
        check("é☺𝄞", expect![[r#""é☺𝄞""#]]);
    }
}
