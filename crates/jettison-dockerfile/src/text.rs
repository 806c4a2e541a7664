//! Positions in a text, and its physical lines.

use std::ops::Range;

use memchr::memchr;

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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Where it starts.
    pub(crate) start: usize,
    /// Where its text ends and its line ending starts.
    pub(crate) content_end: usize,
    /// Where the next line starts.
    pub(crate) end: usize,
}

impl Line {
    /// The text without its line ending.
    pub(crate) fn content(self) -> TextRange {
        self.start..self.content_end
    }

    /// How many bytes it has, with its line ending.
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }
}

/// The physical line that starts at `start`; `\r` and `\n` at its end are its ending.
pub(crate) fn line_at(text: &str, start: usize) -> Line {
    let bytes = text.as_bytes();
    let newline = memchr(b'\n', &bytes[start..]);
    let mut content_end = newline.map_or(bytes.len(), |length| start + length);
    let end = content_end + usize::from(newline.is_some());
    while content_end > start && bytes[content_end - 1] == b'\r' {
        content_end -= 1;
    }
    Line {
        start,
        content_end,
        end,
    }
}

/// Says whether a character separates words of an instruction (BuildKit: `reWhitespace`).
pub(crate) fn is_blank(character: char) -> bool {
    // Most characters are greater than all of these.
    character <= ' ' && matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// How many bytes at the start of `bytes` are characters that mean nothing special to those who split words: ASCII,
/// neither white space nor a quote, nor one of the two that may be the escape character.
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&byte| !PLAIN[usize::from(byte)])
        .unwrap_or(bytes.len())
}

/// Which bytes are plain.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b'\'' | b'"' | b'\\' | b'`');
        byte += 1;
    }
    plain
};

/// Says whether a byte is a character that is not white space; most are.
fn is_ink(byte: u8) -> bool {
    byte > b' ' && byte.is_ascii()
}

/// Where the text at `range` starts, white space skipped.
#[inline]
pub(crate) fn skip_space(text: &str, range: TextRange) -> usize {
    match text.as_bytes().get(range.start) {
        Some(&first) if is_ink(first) => range.start,
        _ => range.end - text[range].trim_start().len(),
    }
}

/// The part of `range` that is left when white space is trimmed from both ends.
#[inline]
pub(crate) fn trimmed(text: &str, range: TextRange) -> TextRange {
    let start = skip_space(text, range.clone());
    match text.as_bytes()[start..range.end].last() {
        Some(&last) if is_ink(last) => start..range.end,
        _ => start..start + text[start..range.end].trim_end().len(),
    }
}

/// Says whether a byte is white space when it is taken for a character.
///
/// BuildKit reads flags and the type of `HEALTHCHECK` byte by byte, and so finds U+0085 and U+00A0 at the end of
/// other characters (`extractBuilderFlags`, `parser/split_command.go`; `parseHealthConfig`, `parser/line_parsers.go`).
pub(crate) fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xA0)
}

/// Where a character starts at or after `offset`.
pub(crate) fn next_boundary(text: &str, offset: usize) -> usize {
    (offset..text.len())
        .find(|&offset| text.is_char_boundary(offset))
        .unwrap_or(text.len())
}

/// The text in lower case, character by character, as Go's `strings.ToLower` writes it.
pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // The first letter of what U+0130 becomes in full is what it becomes in Go.
    text.chars()
        .map(|character| character.to_lowercase().next().unwrap_or(character))
        .collect()
}

/// The text in upper case, character by character, as Go's `strings.ToUpper` writes it.
pub(crate) fn upper(text: &str) -> String {
    let upper = |character: char| {
        let mut letters = character.to_uppercase();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => letter,
            _ => character,
        }
    };
    text.chars().map(upper).collect()
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
