//! Stages that start from nothing, and what has come into them.

use crate::checks::correctness::copy_words::copy_of;
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::evaluate::BaseImage;
use crate::instruction::{CommandForm, InstructionKind};
use crate::scope::WorkingDirectory;

/// Says whether a stage starts from nothing, and nothing has come into it that could have put a file at `path`.
///
/// A copy can if its destination is the path or a directory above it; a program that was run can anyway.
pub(super) fn surely_lacks(stage: &StageView<'_>, path: &str) -> bool {
    stage.root() == &BaseImage::Scratch && surely_adds_none(stage, path)
}

/// Says whether nothing has come into a stage that could have put a file at `path`, whatever its base holds.
pub(super) fn surely_adds_none(stage: &StageView<'_>, path: &str) -> bool {
    if stage.is_windows() {
        return false;
    }
    !stage
        .lineage()
        .iter()
        .flat_map(StageView::instructions)
        .any(|view| may_bring(&view, path))
}

/// Says whether a later stage stands on this one, and may bring what it lacks.
pub(super) fn is_base(input: &CheckInput<'_>, stage: &StageView<'_>) -> bool {
    let index = stage.stage.index;
    let mut later = input.stages().skip(index + 1);
    later.any(|other| other.lineage().iter().any(|view| view.stage.index == index))
}

fn may_bring(view: &InstructionView<'_>, path: &str) -> bool {
    if let InstructionKind::Run(run) = &view.instruction.kind {
        // Without a shell only the exec form can run; a mount may hold the shell.
        return matches!(run.form, CommandForm::Exec(_)) || !run.mounts.is_empty();
    }
    if copy_of(&view.instruction.kind).is_none() {
        return false;
    }
    let known = view
        .evaluated
        .words
        .last()
        .filter(|_| view.evaluated.unmatched.is_empty());
    let Some(destination) = known else {
        return true;
    };
    match view.evaluated.before.working_dir.join(destination) {
        WorkingDirectory::Absolute(directory) => {
            let below = path.strip_prefix(directory.trim_end_matches('/'));
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        WorkingDirectory::BelowBase(_) => true,
    }
}
