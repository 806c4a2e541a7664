//! The parse tree as s-expressions, one line per instruction, in the form that BuildKit's parser dumps.

use crate::node::{Command, Node, Values};
use crate::quote::push_quoted;
use crate::text::lower;

/// Adds one node, with its parentheses.
pub(crate) fn push_dump(dump: &mut String, node: &Node<'_>) {
    push_head(dump, node);
    if let Ok(Values::Trigger(triggers)) = &node.values {
        for trigger in triggers {
            dump.push(' ');
            push_head(dump, trigger);
            push_values(dump, trigger);
        }
        dump.extend(triggers.iter().map(|_| ')'));
    } else {
        push_values(dump, node);
    }
    dump.push(')');
}

fn push_head(dump: &mut String, node: &Node<'_>) {
    dump.push('(');
    dump.push_str(&lower(node.word.text));
    for (index, flag) in node.flags.iter().enumerate() {
        dump.push_str(if index == 0 { " [" } else { " " });
        push_quoted(dump, &flag.text);
    }
    if !node.flags.is_empty() {
        dump.push(']');
    }
}

fn push_values(dump: &mut String, node: &Node<'_>) {
    // BuildKit trims what it writes, so nothing separates an empty keyword.
    let mut separator = if node.word.text.is_empty() { "" } else { " " };
    let mut push = |text: &str| {
        dump.push_str(std::mem::replace(&mut separator, " "));
        push_quoted(dump, text);
    };
    match &node.values {
        Ok(Values::Nothing | Values::Trigger(_)) | Err(_) => {}
        Ok(Values::Ignored) => push(""),
        Ok(Values::Text(word)) => push(word.text),
        Ok(Values::Blanks(list)) => list.words().for_each(|word| push(word.text)),
        Ok(Values::Words(words)) => words.clone().for_each(|word| push(word.text)),
        Ok(Values::Json(strings)) => strings.iter().for_each(|string| push(string)),
        Ok(Values::Pairs(pairs)) => {
            for pair in pairs {
                push(pair.key.text);
                push(pair.value.text);
                push(if pair.is_legacy { "" } else { "=" });
            }
        }
        Ok(Values::Health(health)) => {
            push(health.kind.text);
            match &health.command {
                Command::Nothing => {}
                Command::Text(word) => push(word.text),
                Command::Json(strings) => strings.iter().for_each(|string| push(string)),
            }
        }
    }
}
