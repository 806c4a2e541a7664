//! Text of the user on its way to a terminal: control characters are shown, not sent.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with control characters and those that change the direction of a line replaced by visible ones. Line
/// breaks and tabs stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(|character| shown(character) == character) {
        return Cow::Borrowed(text);
    }
    text.chars().map(shown).collect::<String>().into()
}

/// As [`printable`], in one line.
pub(crate) fn one_line(text: &str) -> String {
    let text = printable(text);
    let pictures = [('\n', "␊"), ('\t', " ")];
    pictures
        .iter()
        .fold(text.into_owned(), |text, (character, picture)| {
            text.replace(*character, picture)
        })
}

/// JSON in which no control character stands for itself. `json` is JSON already, in which such characters can
/// only be part of strings.
pub(crate) fn printable_json(json: &str) -> String {
    let mut printable = String::with_capacity(json.len());
    for character in json.chars() {
        if shown(character) == character {
            printable.push(character);
        } else {
            // Writing to a `String` cannot fail.
            write!(printable, "\\u{:04x}", u32::from(character)).unwrap_or_default();
        }
    }
    printable
}

/// A character, or what is shown in its place.
pub(crate) fn shown(character: char) -> char {
    match character {
        '\n' | '\t' => character,
        // The block of control pictures is in the order of the control characters.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(
            printable("a\u{1b}[2J\r\u{9b}b\u{202e}"),
            "a␛[2J␍\u{fffd}b\u{fffd}"
        );
        assert_eq!(printable("plain\n\ttext é"), "plain\n\ttext é");
        assert_eq!(one_line("a\nb\u{7}\tc"), "a␊b␇ c");
    }

    #[test]
    fn control_characters_in_json_are_escaped() {
        let json = printable_json("\"a\u{7f}\u{9b}\u{202e}é\"");
        assert_eq!(json, r#""a\u007f\u009b\u202eé""#);
        let value: String = serde_json::from_str(&json).unwrap();
        assert_eq!(value, "a\u{7f}\u{9b}\u{202e}é");
    }
}
