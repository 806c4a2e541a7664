//! The words of `COPY` and `ADD`, with their places and what they become.

use crate::checks::arguments::Arguments;
use crate::checks::input::{CheckInput, InstructionView};
use crate::instruction::{CopyInstruction, InstructionKind};
use crate::json::{JsonArray, json_array};
use crate::text::TextRange;

/// `COPY` or `ADD`, with the places of its words.
#[derive(Debug)]
pub(super) struct CopyWords<'a> {
    pub(super) copy: &'a CopyInstruction,
    /// Where each source is, then the destination; in a JSON array without the quotes.
    pub(super) places: Vec<TextRange>,
    /// The destination with its variables expanded, if all of them are known.
    pub(super) destination: Option<String>,
}

/// Reads a `COPY` or `ADD`; `None` for another instruction, and where places cannot be told.
pub(super) fn copy_words<'a>(
    input: &CheckInput<'_>,
    view: &InstructionView<'a>,
) -> Option<CopyWords<'a>> {
    let (copy, _) = copy_of(&view.instruction.kind)?;
    let arguments = Arguments::of(input.parse, view.instruction)?;
    let words: Vec<TextRange> = arguments
        .words()
        .into_iter()
        .map(|(_, place)| place)
        .collect();
    let n_words = copy.sources.len() + 1;
    let is_json = json_array(view.instruction.original()) != JsonArray::Invalid;
    let places = if is_json {
        let strings = arguments.strings(0).into_iter();
        strings.map(|string| arguments.source(string)).collect()
    } else {
        words
    };
    let is_known = view.evaluated.unmatched.is_empty();
    (places.len() == n_words).then(|| CopyWords {
        copy,
        places,
        destination: view.evaluated.words.last().filter(|_| is_known).cloned(),
    })
}

/// What `COPY` or `ADD` says, and whether it is `ADD`.
pub(super) fn copy_of(kind: &InstructionKind) -> Option<(&CopyInstruction, bool)> {
    if let InstructionKind::Copy(copy) = kind {
        Some((copy, false))
    } else if let InstructionKind::Add(copy) = kind {
        Some((copy, true))
    } else {
        None
    }
}

/// Says whether `ADD` fetches a source rather than copying it.
pub(super) fn is_remote(path: &str) -> bool {
    let is_git =
        path.starts_with("git@") || path.starts_with("github.com/") || path.contains(".git");
    path.contains("://") || is_git
}
