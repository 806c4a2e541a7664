//! The tokens that a Dockerfile is made of, byte for byte.

use crate::text::{TextRange, skip_space};

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

/// Adds `pieces` to `tokens`, the arguments among them cut at the `marks` and named after them.
///
/// Both are sorted and do not overlap. What no mark covers is white space if it looks like it.
pub(crate) fn cut(text: &str, tokens: &mut Vec<Token>, pieces: &[Token], marks: &[Token]) {
    let mut next = 0;
    for piece in pieces {
        if piece.kind != SyntaxKind::Argument {
            tokens.push(piece.clone());
            continue;
        }
        let TextRange { mut start, end } = piece.range;
        while let Some(mark) = marks.get(next)
            && mark.range.start < end
        {
            let covered = mark.range.start.max(start)..mark.range.end.min(end);
            push_unmarked(text, tokens, start..covered.start);
            start = covered.end;
            push(tokens, mark.kind, covered);
            if mark.range.end > end {
                // It goes on in the next piece.
                break;
            }
            next += 1;
        }
        push_unmarked(text, tokens, start..end);
    }
}

fn push_unmarked(text: &str, tokens: &mut Vec<Token>, range: TextRange) {
    if range.is_empty() {
        return;
    }
    let is_space = skip_space(text, range.clone()) == range.end;
    let kind = if is_space {
        SyntaxKind::Whitespace
    } else {
        SyntaxKind::Argument
    };
    tokens.push(Token { kind, range });
}
