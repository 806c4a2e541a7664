//! A script in an image that has no shell.

use crate::checks::correctness::command_chain::{command_form, commands};
use crate::checks::correctness::scratch::{is_base, surely_lacks};
use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::evaluate::BaseImage;
use crate::instruction::{CommandForm, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("shell-on-scratch"),
    summary: "A stage from scratch runs a script, and has no shell",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/shell-on-scratch.md"),
    check: shell_on_scratch,
};

fn shell_on_scratch(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        if stage.root() != &BaseImage::Scratch {
            continue;
        }
        for view in stage
            .instructions()
            .filter(|view| starts_shell(&stage, view))
        {
            let is_run = matches!(view.instruction.kind, InstructionKind::Run(_));
            if !is_run && is_base(input, &stage) {
                continue;
            }
            let named = view.named_shell();
            let shell = named.as_deref().unwrap_or("/bin/sh");
            if shell.starts_with('/') && surely_lacks(&stage, shell) {
                let keyword = view.instruction.keyword;
                let message = format!(
                    "{keyword} needs `{shell}`, and this stage starts from scratch without one"
                );
                findings
                    .add(view.instruction.arguments.clone(), message)
                    .hint(hint(is_run));
            }
        }
    }
}

/// Says whether an instruction is a command in shell form that is in force.
pub(super) fn starts_shell(stage: &StageView<'_>, view: &InstructionView<'_>) -> bool {
    let Some(CommandForm::Shell(script)) = command_form(&view.instruction.kind) else {
        return false;
    };
    let kind = &view.instruction.kind;
    let commands = commands(*stage);
    let is_in_force = if matches!(kind, InstructionKind::Cmd(_)) {
        // With an ENTRYPOINT the words of CMD are its arguments.
        commands.entrypoint.is_none()
            && commands.cmd.is_some_and(|cmd| cmd.view.index == view.index)
    } else if matches!(kind, InstructionKind::Entrypoint(_)) {
        commands
            .entrypoint
            .is_some_and(|entrypoint| entrypoint.view.index == view.index)
    } else {
        true
    };
    is_in_force && !script.is_empty()
}

fn hint(is_run: bool) -> &'static str {
    if is_run {
        "run it in an earlier stage and copy the result, or write a JSON array"
    } else {
        "write the program and its arguments as a JSON array"
    }
}
