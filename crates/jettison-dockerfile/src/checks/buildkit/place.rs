//! Where something is in an instruction, as precisely as the text tells.

use crate::instruction::Instruction;
use crate::parser::Parse;
use crate::text::{TextRange, is_blank};
use crate::token::{SyntaxKind, Token};

/// A word of the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArgumentWord {
    /// The word, continued lines joined.
    pub(super) text: String,
    pub(super) range: TextRange,
}

/// The arguments of an instruction, split at blanks; comments and continuations are no part of them.
pub(super) fn argument_words(parse: &Parse, instruction: &Instruction) -> Vec<ArgumentWord> {
    let text = parse.text();
    let mut words: Vec<ArgumentWord> = Vec::new();
    let mut is_in_word = false;
    for token in tokens(parse, &instruction.arguments) {
        if token.kind != SyntaxKind::Argument {
            continue;
        }
        for (offset, character) in text[token.range.clone()].char_indices() {
            let start = token.range.start + offset;
            let end = start + character.len_utf8();
            match words.last_mut() {
                _ if is_blank(character) => is_in_word = false,
                Some(word) if is_in_word => {
                    word.text.push(character);
                    word.range.end = end;
                }
                Some(_) | None => {
                    words.push(ArgumentWord {
                        text: character.into(),
                        range: start..end,
                    });
                    is_in_word = true;
                }
            }
        }
    }
    words
}

/// The tokens that are in a range.
pub(super) fn tokens<'p>(
    parse: &'p Parse,
    range: &TextRange,
) -> impl Iterator<Item = &'p Token> + use<'p> {
    let all = parse.tokens();
    let first = all.partition_point(|token| token.range.start < range.start);
    let end = range.end;
    all[first..]
        .iter()
        .take_while(move |token| token.range.end <= end)
}

/// Says whether a range has comments between continued lines.
pub(super) fn has_comments(parse: &Parse, range: &TextRange) -> bool {
    tokens(parse, range).any(|token| token.kind == SyntaxKind::Comment)
}

/// The use of a variable in a range: the one after `skipped` others of the same name.
///
/// The whole range if there is no such use, for the text may come about in many ways.
pub(super) fn variable(text: &str, range: &TextRange, name: &str, skipped: usize) -> TextRange {
    let part = &text[range.clone()];
    let uses = part.match_indices('$').filter_map(|(offset, _)| {
        let after = &part[offset + 1..];
        let inner = after.strip_prefix('{').unwrap_or(after);
        let rest = inner.strip_prefix(name)?;
        let goes_on = rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        let is_braced = inner.len() < after.len();
        let end = part.len() - rest.len() + usize::from(is_braced && rest.starts_with('}'));
        (!goes_on).then_some(range.start + offset..range.start + end)
    });
    uses.take(skipped + 1)
        .last()
        .unwrap_or_else(|| range.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;

    #[test]
    fn words_are_found_across_continued_lines() {
        let text = "FROM a\nEXPOSE 80/T\\\n# comment\nCP  81 \\\n  82\n";
        let parse = parse(text);
        let words = argument_words(&parse, &parse.instructions()[1]);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["80/TCP", "81", "82"]);
        assert_eq!(&text[words[2].range.clone()], "82");
        assert!(text[words[0].range.clone()].ends_with("CP"));
        assert!(has_comments(&parse, &parse.instructions()[1].range));
        assert!(!has_comments(&parse, &words[2].range));
    }

    #[test]
    fn variables_are_found_by_their_names() {
        let text = "x $AB ${A} $A ${A:-$A}";
        let all = 0..text.len();
        let found: Vec<&str> = (0..5)
            .map(|skipped| &text[variable(text, &all, "A", skipped)])
            .collect();
        assert_eq!(found, ["${A}", "$A", "${A", "$A", "$A"]);
        assert_eq!(variable(text, &all, "B", 0), all);
    }
}
