//! What BuildKit carries out in a stage, one after the other.

use crate::checks::input::StageView;
use crate::checks::options::CheckOptions;
use crate::checks::rule::Rule;
use crate::evaluate::Evaluated;
use crate::instruction::{Instruction, InstructionKind};
use crate::text::{TextRange, is_blank};

/// An instruction that is carried out in a stage: its own, or a trigger of the stage that it is `FROM`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command<'a> {
    /// The keyword as written.
    pub(super) name: &'a str,
    pub(super) kind: &'a InstructionKind,
    pub(super) evaluated: &'a Evaluated,
    /// Where it stands; the `FROM` of the stage if it is a trigger (BuildKit: `initOnBuildTriggers`,
    /// `dockerfile2llb/convert.go`).
    pub(super) instruction: &'a Instruction,
    /// Says whether it is the instruction itself and no trigger.
    pub(super) is_own: bool,
}

/// What is carried out in a stage: triggers first.
pub(super) fn commands<'a>(stage: &StageView<'a>) -> Vec<Command<'a>> {
    let from = stage.from();
    let triggered = stage.evaluation.triggered.iter();
    let triggers = triggered.map(|triggered| Command {
        name: first_word(&triggered.onbuild.expression),
        kind: &triggered.onbuild.trigger,
        evaluated: &triggered.evaluated,
        instruction: from,
        is_own: false,
    });
    let own = stage.instructions().map(|view| Command {
        name: keyword(view.instruction),
        kind: &view.instruction.kind,
        evaluated: view.evaluated,
        instruction: view.instruction,
        is_own: true,
    });
    triggers.chain(own).collect()
}

/// The keyword of an instruction as written.
pub(super) fn keyword(instruction: &Instruction) -> &str {
    first_word(&instruction.logical_line)
}

fn first_word(line: &str) -> &str {
    let line = line.trim_start();
    line.split(is_blank).next().unwrap_or_default()
}

/// Says whether the comments above an instruction skip a rule.
pub(super) fn is_silenced(instruction: &Instruction, rule: &Rule) -> bool {
    CheckOptions::above(&instruction.comments).skips(rule)
}

impl Command<'_> {
    /// Says whether the comments above it skip a rule; there are none above a trigger.
    pub(super) fn is_silenced(&self, rule: &Rule) -> bool {
        self.is_own && is_silenced(self.instruction, rule)
    }

    /// `place` if that is a place in it, else where it stands.
    pub(super) fn at(&self, place: &TextRange) -> TextRange {
        if self.is_own {
            place.clone()
        } else {
            self.instruction.range.clone()
        }
    }
}
