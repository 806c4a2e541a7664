//! The tokens that a Dockerfile is made of, byte for byte.

use crate::text::TextRange;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyntaxKind {
    /// A byte order mark at the start of the file.
    ByteOrderMark,
    /// White space that is not part of an argument.
    Whitespace,
    /// The end of a line.
    Newline,
    /// A comment, from its `#` to the end of the line.
    Comment,
    /// A parser directive, from its `#` to the end of the line.
    Directive,
    /// The first word of an instruction.
    Keyword,
    /// A flag, or the `--` that ends them.
    Flag,
    /// The text of an instruction's arguments on one line.
    Argument,
    /// The escape character at the end of a line, and the blanks after it.
    Continuation,
    /// The lines of a heredoc.
    HeredocBody,
    /// The line that ends a heredoc, without its line ending.
    HeredocEnd,
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: SyntaxKind,
    /// Where it is.
    pub range: TextRange,
}

/// Adds a token unless it is empty.
pub(crate) fn push(tokens: &mut Vec<Token>, kind: SyntaxKind, range: TextRange) {
    if !range.is_empty() {
        tokens.push(Token { kind, range });
    }
}

/// Cuts the argument tokens among `tokens` at the `marks` and names the pieces after them.
///
/// The marks are sorted and do not overlap. What no mark covers is white space if it looks like it.
pub(crate) fn cut(text: &str, tokens: Vec<Token>, marks: &[Token]) -> Vec<Token> {
    let mut pieces = Vec::with_capacity(tokens.len() + 2 * marks.len());
    for token in tokens {
        if token.kind != SyntaxKind::Argument {
            pieces.push(token);
            continue;
        }
        let mut start = token.range.start;
        for mark in marks {
            let covered = mark.range.start.max(start)..mark.range.end.min(token.range.end);
            if covered.is_empty() {
                continue;
            }
            push_unmarked(text, &mut pieces, start..covered.start);
            start = covered.end;
            push(&mut pieces, mark.kind, covered);
        }
        push_unmarked(text, &mut pieces, start..token.range.end);
    }
    pieces
}

fn push_unmarked(text: &str, pieces: &mut Vec<Token>, range: TextRange) {
    let is_space = text[range.clone()].chars().all(char::is_whitespace);
    push(
        pieces,
        if is_space {
            SyntaxKind::Whitespace
        } else {
            SyntaxKind::Argument
        },
        range,
    );
}
