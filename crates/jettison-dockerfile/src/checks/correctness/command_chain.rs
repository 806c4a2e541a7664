//! Which `ENTRYPOINT` and `CMD` are in force at the end of a stage.

use crate::checks::input::{InstructionView, StageView};
use crate::instruction::{CommandForm, Healthcheck, InstructionKind};

/// An `ENTRYPOINT` or `CMD`, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command<'a> {
    pub(super) view: InstructionView<'a>,
    pub(super) form: &'a CommandForm,
}

/// The commands that are in force at the end of a stage, as far as the file sets them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Commands<'a> {
    pub(super) entrypoint: Option<Command<'a>>,
    pub(super) cmd: Option<Command<'a>>,
}

/// Follows a stage and the local stages that it stands on.
///
/// `ENTRYPOINT` takes away a `CMD` of the base, but not one of the same stage
/// (BuildKit: `dispatchEntrypoint`, dockerfile2llb/convert.go).
pub(super) fn commands(view: StageView<'_>) -> Commands<'_> {
    let mut commands = Commands::default();
    for stage in view.lineage() {
        let mut has_cmd = false;
        for instruction in stage.instructions() {
            let command = |form| Command {
                view: instruction,
                form,
            };
            if let InstructionKind::Cmd(form) = &instruction.instruction.kind {
                commands.cmd = Some(command(form));
                has_cmd = true;
            }
            if let InstructionKind::Entrypoint(form) = &instruction.instruction.kind {
                commands.entrypoint = Some(command(form));
                if !has_cmd {
                    commands.cmd = None;
                }
            }
        }
    }
    commands
}

/// The command of `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD`.
pub(super) fn command_form(kind: &InstructionKind) -> Option<&CommandForm> {
    if let InstructionKind::Run(run) = kind {
        Some(&run.form)
    } else if let InstructionKind::Cmd(form) | InstructionKind::Entrypoint(form) = kind {
        Some(form)
    } else if let InstructionKind::Healthcheck(Healthcheck::Command(health)) = kind {
        Some(&health.form)
    } else {
        None
    }
}
