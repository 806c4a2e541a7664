//! An argument that changes with every build, before steps that do not need it.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, InstructionView};
use crate::checks::packages::{Action, package_command};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("volatile-argument-early"),
    summary: "An argument that changes with every build comes before steps that install packages",
    severity: Severity::Warning,
    categories: &[Category::BuildTime],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/volatile-argument-early.md"),
    check: volatile_argument_early,
};

fn volatile_argument_early(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let views: Vec<InstructionView<'_>> = stage.instructions().collect();
        for (index, view) in views.iter().enumerate() {
            let InstructionKind::Arg(declarations) = &view.instruction.kind else {
                continue;
            };
            for declaration in declarations
                .iter()
                .filter(|declared| is_volatile(&declared.name))
            {
                let Some(step) = first_victim(&views[index + 1..], &declaration.name) else {
                    continue;
                };
                let message = format!(
                    "every new value of `{}` makes line {} install its packages again",
                    declaration.name, step.instruction.line
                );
                findings.add(declaration.range.clone(), message).hint(
                    "declare it after the steps that do not need it: a `RUN` sees every `ARG` above it",
                );
            }
        }
    }
}

/// Names of arguments that have another value in every build. Those that are there to miss the cache do their work.
fn is_volatile(name: &str) -> bool {
    const NAMES: [&str; 21] = [
        "BUILD_DATE",
        "BUILD_TIME",
        "BUILD_TIMESTAMP",
        "BUILDTIME",
        "BUILD_NUMBER",
        "BUILD_ID",
        "VCS_REF",
        "GIT_COMMIT",
        "GIT_SHA",
        "GIT_HASH",
        "GIT_REV",
        "GIT_REVISION",
        "COMMIT",
        "COMMIT_SHA",
        "COMMIT_HASH",
        "COMMIT_ID",
        "CI_COMMIT_SHA",
        "GITHUB_SHA",
        "SOURCE_COMMIT",
        "REVISION",
        "DATE_CREATED",
    ];
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str())
}

/// The first step that installs packages and is before everything that uses the argument.
fn first_victim<'v, 'a>(
    later: &'v [InstructionView<'a>],
    name: &str,
) -> Option<&'v InstructionView<'a>> {
    for view in later {
        let instruction = view.instruction;
        match &instruction.kind {
            InstructionKind::Run(_) => {
                let heredocs = &instruction.heredocs;
                let uses = instruction.logical_line.contains(name)
                    || heredocs
                        .iter()
                        .any(|heredoc| heredoc.content.contains(name));
                // What comes after a step that has to be built again is built again anyway.
                if uses {
                    return None;
                }
                if installs(view) {
                    return Some(view);
                }
            }
            // A value that goes into the environment is what the author wants later steps to see.
            InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_) => {
                if instruction.logical_line.contains(name) {
                    return None;
                }
            }
            // These do not change what a step sees.
            InstructionKind::From(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Label(_)
            | InstructionKind::Expose(_)
            | InstructionKind::Volume(_)
            | InstructionKind::Stopsignal(_)
            | InstructionKind::Healthcheck(_)
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {}
        }
    }
    None
}

fn installs(view: &InstructionView<'_>) -> bool {
    let script = view.script().filter(|script| script.opaque.is_none());
    script.is_some_and(|script| {
        let mut commands = script.commands.iter().filter_map(package_command);
        commands.any(|command| command.action == Action::Install)
    })
}
