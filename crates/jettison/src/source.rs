//! The text of a file with its name, and places in it.

use jettison_dockerfile::TextRange;

/// Standard input, as a path.
pub(crate) const STDIN: &str = "-";

/// A text and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file as the user named it; `-` is standard input.
    pub(crate) path: String,
    pub(crate) text: String,
    // Invariant: the offsets at which the lines of `text` start, sorted; the first is 0.
    line_starts: Vec<usize>,
}

/// A place as people count: lines and characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) offset: usize,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Source {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = [0]
            .into_iter()
            .chain(breaks.map(|(offset, _)| offset + 1))
            .collect();
        Source {
            path,
            text,
            line_starts,
        }
    }

    pub(crate) fn is_stdin(&self) -> bool {
        self.path == STDIN
    }

    /// The place of a byte; an offset past the end is the end.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_start(line);
        Position {
            line,
            column: self.text[start..offset].chars().count() + 1,
            offset,
        }
    }

    /// Where a line starts, counted from 1.
    fn line_start(&self, line: usize) -> usize {
        let start = self.line_starts.get(line.saturating_sub(1));
        start.copied().unwrap_or(self.text.len())
    }

    /// The bytes of a line, counted from 1, without its ending.
    pub(crate) fn line(&self, line: usize) -> TextRange {
        let start = self.line_start(line);
        let text = &self.text[start..self.line_start(line + 1)];
        start..start + text.trim_end_matches(['\r', '\n']).len()
    }

    /// The lines from that of `range.start` to that of `range.end`, `limit` of them at most, without the last ending.
    pub(crate) fn lines_around(&self, range: &TextRange, limit: usize) -> TextRange {
        let first = self.position(range.start).line;
        let last = self.position(range.end.max(range.start)).line;
        let last = last.min(first + limit.saturating_sub(1));
        self.line_start(first)..self.line(last).end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_dockerfile::line_column;

    #[test]
    fn places_are_those_of_the_language() {
        let text = "FROM a\r\nRUN é x\n\nEND";
        let source = Source::new("Dockerfile".into(), text.into());
        for offset in 0..text.len() + 2 {
            let position = source.position(offset);
            assert_eq!(
                (position.line, position.column),
                line_column(text, offset),
                "{offset}"
            );
        }
    }

    #[test]
    fn lines_end_before_their_ending() {
        let source = Source::new("Dockerfile".into(), "a\r\nb\n".into());
        assert_eq!(
            [source.line(1), source.line(2), source.line(3)],
            [0..1, 3..4, 5..5]
        );
        assert_eq!(source.lines_around(&(0..4), 9), 0..4);
        assert_eq!(source.lines_around(&(0..4), 1), 0..1);
    }
}
