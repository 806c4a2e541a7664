//! Bytes that a command wrote, as lines that can be printed.

use crate::printable::one_line;

/// A longer line is shown in pieces.
const LIMIT: usize = 32 << 10;

/// Output of one step that no line break has ended yet.
#[derive(Debug, Default)]
pub(super) struct OpenLine(Vec<u8>);

impl OpenLine {
    /// The whole lines that `bytes` completes. Of what a carriage return writes over, only the end is left, as on a
    /// terminal.
    pub(super) fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.0.push(*byte);
            }
            if *byte == b'\n' || self.0.len() >= LIMIT {
                lines.push(self.take());
            }
        }
        lines
    }

    /// What there is without a line break, if there is anything.
    pub(super) fn rest(&mut self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim_end_matches('\r');
        let line = text.rsplit('\r').next().unwrap_or_default();
        let line = printable_line(line);
        self.0.clear();
        line
    }
}

/// A line without the sequences that colour it or move the cursor, and with all other control characters shown.
fn printable_line(line: &str) -> String {
    let plain = anstream::adapter::strip_str(line).to_string();
    one_line(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_never_ends_is_shown_in_pieces() {
        let mut open = OpenLine::default();
        let lines = open.lines(&vec![b'x'; 3 * LIMIT + 5]);
        assert_eq!(lines.iter().map(String::len).sum::<usize>(), 3 * LIMIT);
        assert_eq!(open.rest().map(|rest| rest.len()), Some(5));
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut open = OpenLine::default();
        assert!(open.lines(b"one").is_empty());
        assert_eq!(open.lines(b" line\r\ntwo\nth"), ["one line", "two"]);
        assert_eq!(open.rest().as_deref(), Some("th"));
        assert_eq!(open.rest(), None);
    }

    #[test]
    fn what_was_written_over_is_gone() {
        let mut open = OpenLine::default();
        assert_eq!(open.lines(b" 5%\r 50%\r100%\r\n"), ["100%"]);
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal() {
        let mut open = OpenLine::default();
        let lines = open.lines(b"\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\x08\xff\xc2\x9b5n\n");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].chars().all(|c| !c.is_control()), "{:?}", lines[0]);
        assert!(lines[0].starts_with("red"), "{:?}", lines[0]);
    }
}
