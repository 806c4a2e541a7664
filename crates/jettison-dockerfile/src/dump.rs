//! The parse tree as s-expressions, one line per instruction, in the form that BuildKit's parser dumps.

use crate::node::{Node, Values};

/// Writes one node, with its parentheses.
pub(crate) fn dump(node: &Node) -> String {
    let mut parts = vec![node.word.text.to_lowercase()];
    if !node.flags.is_empty() {
        let flags: Vec<String> = node.flags.iter().map(|flag| quoted(&flag.text)).collect();
        parts.push(format!("[{}]", flags.join(" ")));
    }
    if let Ok(values) = &node.values {
        push_values(&mut parts, values);
    }
    format!("({})", parts.join(" "))
}

fn push_values(parts: &mut Vec<String>, values: &Values) {
    match values {
        Values::Nothing => {}
        Values::Ignored => parts.push(quoted("")),
        Values::Text(word) => parts.push(quoted(&word.text)),
        Values::Words(words) => parts.extend(words.iter().map(|word| quoted(&word.text))),
        Values::Json(strings) => parts.extend(strings.iter().map(quoted)),
        Values::Pairs(pairs) => {
            for pair in pairs {
                let separator = if pair.is_legacy { "" } else { "=" };
                parts.extend([&pair.key.text, &pair.value.text, separator].map(quoted));
            }
        }
        Values::Health(kind, command) => {
            parts.push(quoted(&kind.text));
            push_values(parts, command);
        }
        Values::Trigger(node) => parts.push(dump(node)),
    }
}

/// Quotes a text as Go does.
fn quoted(text: impl AsRef<str>) -> String {
    let mut quoted = String::from("\"");
    for character in text.as_ref().chars() {
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
            control if control.is_ascii_control() => {
                quoted.extend(format!("\\x{:02x}", u32::from(control)).chars());
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
