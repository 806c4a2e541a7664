//! How texts are written so that they fit on one line.

use std::fmt::Write;

/// Replaces what would break a line, or could not be seen.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str(r"\\"),
            '\n' => escaped.push_str(r"\n"),
            '\r' => escaped.push_str(r"\r"),
            '\t' => escaped.push_str(r"\t"),
            '\0'..' ' | '\u{7f}' | '\u{a0}' | '\u{feff}' => {
                write!(escaped, "\\u{{{:x}}}", u32::from(character)).unwrap();
            }
            character => escaped.push(character),
        }
    }
    escaped
}

pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text).replace('"', "\\\""))
}

pub(super) fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items = items.into_iter().map(|item| quote(item.as_ref()));
    format!("[{}]", items.collect::<Vec<_>>().join(" "))
}

pub(super) fn optional(text: Option<&str>) -> String {
    quote(text.unwrap_or(""))
}
