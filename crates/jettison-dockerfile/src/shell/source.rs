//! The text that the shell gets, and the way back to the Dockerfile.
//!
//! Continued lines are joined and the comments and empty lines between them are dropped before the shell sees
//! anything, and a heredoc's lines may lose their tabs: the text is made of pieces of the Dockerfile.

use std::ops::Range;

use crate::heredoc::{Heredoc, announcement};
use crate::instruction::{CommandForm, Healthcheck, Instruction, InstructionKind};
use crate::text::TextRange;

/// A text made of pieces of another text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) text: String,
    pub(super) map: PieceMap,
}

/// Where the pieces of a text come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PieceMap {
    // Invariant: sorted by `start`, the first is at 0, none is empty.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// Where it starts in the text made of pieces.
    start: usize,
    /// Where it comes from. It may be longer there: `\r\n` for `\n`.
    origin: TextRange,
}

impl Pieces {
    /// Adds the part of `origin` at `range`.
    pub(super) fn push(&mut self, origin: &str, range: TextRange) {
        if !range.is_empty() {
            self.push_as(&origin[range.clone()], range);
        }
    }

    /// Adds `text`, which stands for what is at `range`.
    pub(super) fn push_as(&mut self, text: &str, range: TextRange) {
        self.map.pieces.push(Piece {
            start: self.text.len(),
            origin: range,
        });
        self.text.push_str(text);
    }

    /// Drops the first `count` bytes.
    fn drop_front(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.text.drain(..count);
        let pieces = &mut self.map.pieces;
        let first = pieces.partition_point(|piece| piece.start <= count);
        pieces.drain(..first.saturating_sub(1));
        for piece in pieces {
            let cut = count.saturating_sub(piece.start);
            piece.start = piece.start.saturating_sub(count);
            piece.origin.start = (piece.origin.start + cut).min(piece.origin.end);
        }
    }
}

impl PieceMap {
    /// Where a range of the text is in the origin.
    pub(super) fn range(&self, range: Range<usize>) -> TextRange {
        let end = self.end(range.end);
        if range.is_empty() {
            end..end
        } else {
            self.start(range.start)..end
        }
    }

    fn start(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.start <= offset);
        self.at(after, offset)
    }

    fn end(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.start < offset);
        self.at(after, offset)
    }

    fn at(&self, after: usize, offset: usize) -> usize {
        match self.pieces.get(after.saturating_sub(1)) {
            Some(Piece { start, origin }) => {
                (origin.start + offset.saturating_sub(*start)).min(origin.end)
            }
            None => 0,
        }
    }
}

/// The script of an instruction; `None` if it has none.
///
/// For `RUN` it is what [`RunInstruction::script`](crate::RunInstruction::script) says; `check_laws` in the tests
/// compares the two.
pub(super) fn script(text: &str, escape: char, instruction: &Instruction) -> Option<Pieces> {
    let kind = match &instruction.kind {
        InstructionKind::Onbuild(onbuild) => onbuild.trigger.as_ref(),
        kind => kind,
    };
    let line = shell_line(kind)?;
    let mut script = joined(text, escape, instruction.arguments.clone());
    // What is before the command: the trigger's keyword and flags, or `CMD` of a health check.
    let before = script.text.len().checked_sub(line.len())?;
    if !script.text.ends_with(line) {
        return None;
    }
    script.drop_front(before);
    let is_run = matches!(kind, InstructionKind::Run(_));
    let [first, ..] = instruction.heredocs.as_slice() else {
        return Some(script);
    };
    if !is_run {
        return Some(script);
    }
    if matches!(announcement(line), Ok(Some(_))) {
        return Some(heredoc_text(text, first));
    }
    let mut before = instruction.arguments.end;
    for heredoc in &instruction.heredocs {
        // The end of the line before the body.
        script.push_as("\n", before..heredoc.body.start.max(before));
        script.push(text, heredoc.body.clone());
        // Without the line that ends it, which is an error, there is no place that the name could stand for.
        let name_start = heredoc.end.end.checked_sub(heredoc.name.len());
        if let Some(start) = name_start.filter(|start| *start >= heredoc.end.start) {
            script.push_as(&heredoc.name, start..heredoc.end.end);
        }
        before = heredoc.end.end;
    }
    Some(script)
}

/// The command of an instruction in shell form.
fn shell_line(kind: &InstructionKind) -> Option<&str> {
    let form = match kind {
        InstructionKind::Run(run) => &run.form,
        InstructionKind::Cmd(form) | InstructionKind::Entrypoint(form) => form,
        InstructionKind::Healthcheck(Healthcheck::Command(health)) => &health.form,
        InstructionKind::Healthcheck(Healthcheck::None)
        | InstructionKind::From(_)
        | InstructionKind::Label(_)
        | InstructionKind::Env(_)
        | InstructionKind::Arg(_)
        | InstructionKind::Copy(_)
        | InstructionKind::Add(_)
        | InstructionKind::Expose(_)
        | InstructionKind::Volume(_)
        | InstructionKind::User(_)
        | InstructionKind::Workdir(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Stopsignal(_)
        | InstructionKind::Onbuild(_)
        | InstructionKind::Maintainer(_)
        | InstructionKind::Unknown
        | InstructionKind::Invalid => return None,
    };
    match form {
        CommandForm::Shell(line) => Some(line),
        CommandForm::Exec(_) => None,
    }
}

/// Joins the physical lines of `range`, as the parser of the Dockerfile does.
fn joined(text: &str, escape: char, range: TextRange) -> Pieces {
    let mut pieces = Pieces::default();
    let mut start = range.start;
    for line in text[range.clone()].split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        let words = content.trim_start();
        let is_dropped = start > range.start && (words.is_empty() || words.starts_with('#'));
        if !is_dropped {
            let end = if line.len() > content.len() {
                continued(content, escape)
            } else {
                content.len()
            };
            pieces.push(text, start..start + end);
        }
        start += line.len();
    }
    pieces
}

/// Where a line that continues on the next one stops being text.
fn continued(line: &str, escape: char) -> usize {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(text) if !text.ends_with(escape) => text.len(),
        Some(_) | None => line.len(),
    }
}

/// A heredoc's body without the tabs that `<<-` removes.
fn heredoc_text(text: &str, heredoc: &Heredoc) -> Pieces {
    let mut pieces = Pieces::default();
    if !heredoc.strip_tabs {
        pieces.push(text, heredoc.body.clone());
        return pieces;
    }
    let mut start = heredoc.body.start;
    for line in text[heredoc.body.clone()].split_inclusive('\n') {
        let tabs = line.len() - line.trim_start_matches('\t').len();
        pieces.push(text, start + tabs..start + line.len());
        start += line.len();
    }
    pieces
}
