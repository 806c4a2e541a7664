//! Texts in quotes, as Go writes them with `%q`.

/// Quotes a text.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
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
            control if control.is_ascii() => {
                quoted.extend(format!("\\x{:02x}", u32::from(control)).chars());
            }
            character if is_printable(character) => quoted.push(character),
            character if u32::from(character) <= 0xffff => {
                quoted.extend(format!("\\u{:04x}", u32::from(character)).chars());
            }
            character => quoted.extend(format!("\\U{:08x}", u32::from(character)).chars()),
        }
    }
    quoted.push('"');
    quoted
}

/// Says whether Go's `strconv.IsPrint` holds for a character that is not ASCII.
fn is_printable(character: char) -> bool {
    // A character that extends the one before it is escaped at the start of a text only.
    let after_another = format!("a{character}");
    after_another.escape_debug().eq(after_another.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        assert_eq!(quoted("a\"\\\n\u{7f}"), r#""a\"\\\n\x7f""#);
        assert_eq!(quoted("é\u{301}日"), "\"é\u{301}日\"");
        assert_eq!(quoted("\u{a0}\u{200b}"), r#""\u00a0\u200b""#);
    }
}
