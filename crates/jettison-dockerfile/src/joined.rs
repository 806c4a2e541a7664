//! A logical line: physical lines that continue each other, joined, with the way back to the source.

use crate::text::TextRange;

/// The text of a logical line, and where its pieces come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joined {
    text: String,
    // Invariant: sorted, without gaps in `joined`, no piece is empty.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
struct Piece {
    joined: usize,
    source: usize,
}

impl Joined {
    /// The joined text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a piece of the source.
    pub(crate) fn push(&mut self, source: &str, range: TextRange) {
        if !range.is_empty() {
            self.pieces.push(Piece {
                joined: self.text.len(),
                source: range.start,
            });
            self.text.push_str(&source[range]);
        }
    }

    /// Where a range of the joined text is in the source.
    ///
    /// A range that spans a continuation includes it. An empty range stays beside the text before it.
    pub(crate) fn source(&self, range: TextRange) -> TextRange {
        let end = self.end(range.end);
        if range.is_empty() {
            end..end
        } else {
            self.start(range.start)..end
        }
    }

    fn start(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.joined <= offset);
        self.at(after, offset)
    }

    fn end(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.joined < offset);
        self.at(after, offset)
    }

    fn at(&self, after: usize, offset: usize) -> usize {
        match self.pieces.get(after.saturating_sub(1)) {
            Some(piece) => piece.source + offset.saturating_sub(piece.joined),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lead_back_to_the_source_across_a_continuation() {
        let source = "RUN a\\\n  bc";
        let mut joined = Joined::default();
        joined.push(source, 0..5);
        joined.push(source, 7..11);
        assert_eq!(joined.text(), "RUN a  bc");
        assert_eq!(joined.source(0..3), 0..3);
        assert_eq!(joined.source(4..5), 4..5);
        assert_eq!(joined.source(7..9), 9..11);
        assert_eq!(joined.source(4..9), 4..11);
        assert_eq!(joined.source(5..5), 5..5);
    }
}
