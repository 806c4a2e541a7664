//! Positions in a text, and its physical lines.

use std::ops::Range;

/// A range of bytes in the source text.
pub type TextRange = Range<usize>;

/// Returns the line and the column, both counted from 1, of a byte offset; columns count characters.
///
/// An offset past the end is the end; one inside a character is the start of that character.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let offset = text.floor_char_boundary(offset);
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// A physical line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The text without its line ending.
    pub(crate) content: TextRange,
    /// Where the next line starts.
    pub(crate) end: usize,
}

/// Splits a text into its physical lines; `\r` and `\n` at the end of a line are its ending.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let content = start..start + line.trim_end_matches(['\r', '\n']).len();
            start += line.len();
            Line {
                content,
                end: start,
            }
        })
        .collect()
}

/// Says whether a character separates words of an instruction (BuildKit: `reWhitespace`).
pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// The part of `range` that is left when white space is trimmed from both ends.
pub(crate) fn trimmed(text: &str, range: TextRange) -> TextRange {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_are_clamped() {
        let text = "FROM a\r\nRUN é x\n";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 8), (2, 1));
        assert_eq!(line_column(text, text.find('x').unwrap()), (2, 7));
        assert_eq!(line_column(text, 13), (2, 5));
        assert_eq!(line_column(text, 999), (3, 1));
    }
}
