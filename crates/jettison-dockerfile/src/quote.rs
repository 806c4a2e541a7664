//! Texts in quotes, as Go writes them.

/// Quotes a text as Go's `strconv.Quote` does.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_quoted(&mut quoted, text);
    quoted
}

/// Adds a text in quotes.
pub(crate) fn push_quoted(quoted: &mut String, text: &str) {
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(character),
            character if character.is_ascii() => {
                quoted.extend(format!("\\x{:02x}", u32::from(character)).chars());
            }
            character if is_print(character) => quoted.push(character),
            character if character <= '\u{ffff}' => {
                quoted.extend(format!("\\u{:04x}", u32::from(character)).chars());
            }
            character => quoted.extend(format!("\\U{:08x}", u32::from(character)).chars()),
        }
    }
    quoted.push('"');
}

/// Says whether Go's `strconv.IsPrint` is true for a character that is not ASCII.
fn is_print(character: char) -> bool {
    // The standard library knows which characters are printable, and tells when it escapes for debugging. It
    // escapes those that extend the character before them only at the start of a text.
    let mut text = String::from("a");
    text.push(character);
    text.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(quoted(text), expected);
    }

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        check("a\"\\\n\u{1b}\u{7f}", r#""a\"\\\n\x1b\x7f""#);
        check("é日\u{301}😀\u{fffd}", "\"é日\u{301}😀\u{fffd}\"");
        check(
            "\u{85}\u{a0}\u{ad}\u{200b}\u{2028}\u{e000}\u{feff}\u{e0001}",
            r#""\u0085\u00a0\u00ad\u200b\u2028\ue000\ufeff\U000e0001""#,
        );
    }
}
