//! A logical line: physical lines that continue each other, joined, with the way back to the source.

use crate::text::TextRange;

/// The text of a logical line, and where its pieces come from.
#[derive(Debug)]
pub(crate) struct Joined<'t> {
    source: &'t str,
    /// Where the first piece is in the source. If it is the only one, it is not copied.
    first: TextRange,
    buffers: Box<Buffers>,
}

/// Memory that one logical line after the other uses.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    // Invariant: the joined text if there are pieces, else nothing that matters.
    text: String,
    // Invariant: the pieces after the first, sorted, none empty.
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    joined: usize,
    source: usize,
}

impl<'t> Joined<'t> {
    /// A line that starts at `start` and has no text yet.
    pub(crate) fn starting_at(
        source: &'t str,
        start: usize,
        mut buffers: Box<Buffers>,
    ) -> Joined<'t> {
        buffers.pieces.clear();
        Joined {
            source,
            first: start..start,
            buffers,
        }
    }

    /// The joined text.
    pub(crate) fn text(&self) -> &str {
        match self.place() {
            Some(place) => &self.source[place],
            None => &self.buffers.text,
        }
    }

    /// Where the text is in the source, if it is all in one place.
    pub(crate) fn place(&self) -> Option<TextRange> {
        self.buffers.pieces.is_empty().then(|| self.first.clone())
    }

    /// The memory, for the next line.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "one line after the other moves a pointer rather than all of it"
    )]
    pub(crate) fn into_buffers(self) -> Box<Buffers> {
        self.buffers
    }

    /// Adds a piece of the source.
    pub(crate) fn push(&mut self, range: TextRange) {
        let Buffers { text, pieces } = &mut *self.buffers;
        if range.is_empty() {
            return;
        }
        if self.first.is_empty() {
            self.first = range;
            return;
        }
        if pieces.is_empty() {
            text.clear();
            text.push_str(&self.source[self.first.clone()]);
        }
        pieces.push(Piece {
            joined: text.len(),
            source: range.start,
        });
        text.push_str(&self.source[range]);
    }

    /// Where a range of the joined text is in the source.
    ///
    /// A range that spans a continuation includes it. An empty range stays beside the text before it.
    pub(crate) fn source(&self, range: TextRange) -> TextRange {
        if self.buffers.pieces.is_empty() {
            let first = self.first.start;
            return first + range.start..first + range.end;
        }
        let end = self.end(range.end);
        if range.is_empty() {
            end..end
        } else {
            self.start(range.start)..end
        }
    }

    fn start(&self, offset: usize) -> usize {
        let pieces = &self.buffers.pieces;
        let after = pieces.partition_point(|piece| piece.joined <= offset);
        self.at(after, offset)
    }

    fn end(&self, offset: usize) -> usize {
        let pieces = &self.buffers.pieces;
        let after = pieces.partition_point(|piece| piece.joined < offset);
        self.at(after, offset)
    }

    fn at(&self, after: usize, offset: usize) -> usize {
        let pieces = &self.buffers.pieces;
        match after.checked_sub(1).and_then(|last| pieces.get(last)) {
            Some(piece) => piece.source + offset.saturating_sub(piece.joined),
            None => self.first.start + offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lead_back_to_the_source_across_a_continuation() {
        let source = "RUN a\\\n  bc";
        let mut joined = Joined::starting_at(source, 0, Box::default());
        joined.push(0..5);
        assert_eq!(joined.text(), "RUN a");
        joined.push(7..11);
        assert_eq!(joined.text(), "RUN a  bc");
        assert_eq!(joined.source(0..3), 0..3);
        assert_eq!(joined.source(4..5), 4..5);
        assert_eq!(joined.source(7..9), 9..11);
        assert_eq!(joined.source(4..9), 4..11);
        assert_eq!(joined.source(5..5), 5..5);
    }
}
