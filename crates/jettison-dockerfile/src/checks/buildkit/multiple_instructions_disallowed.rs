//! A `CMD`, `ENTRYPOINT` or `HEALTHCHECK` that a later one makes void.

use crate::checks::buildkit::commands::{Command, commands};
use crate::checks::buildkit::place::has_comments;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::InstructionKind;
use crate::source_text::SourceText;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("MultipleInstructionsDisallowed"),
    summary: "Multiple instructions of the same type should not be used in the same stage",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::Safe),
    aliases: &["DL3012", "DL4003", "DL4004"],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/multiple-instructions-disallowed/",
    page: include_str!("../../../rules/MultipleInstructionsDisallowed.md"),
    check: multiple_instructions_disallowed,
};

fn multiple_instructions_disallowed(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let commands = commands(&stage);
        for (index, void) in commands.iter().enumerate() {
            let Some(kind) = single(void.kind) else {
                continue;
            };
            // Each one is reported by the next of its kind: that one's keyword is shown, and the comments above that
            // one silence it (BuildKit: `validateUsedOnce`, dockerfile2llb/validations.go).
            let mut later = commands[index + 1..].iter();
            let Some(next) = later.find(|command| single(command.kind) == Some(kind)) else {
                continue;
            };
            if next.is_silenced(&RULE) {
                continue;
            }
            let name = next.name;
            let message = format!(
                "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
            );
            findings
                .add(void.at(&void.instruction.keyword_range), message)
                .propose(removed(input, void), "a later one takes its place");
        }
    }
}

/// What a stage has one of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Single {
    Cmd,
    Entrypoint,
    Healthcheck,
}

fn single(kind: &InstructionKind) -> Option<Single> {
    match kind {
        InstructionKind::Cmd(_) => Some(Single::Cmd),
        InstructionKind::Entrypoint(_) => Some(Single::Entrypoint),
        InstructionKind::Healthcheck(_) => Some(Single::Healthcheck),
        InstructionKind::From(_)
        | InstructionKind::Run(_)
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
        | InstructionKind::Invalid => None,
    }
}

/// Removes the lines of an instruction, unless that would take comments away or give them to another instruction to
/// which they mean something.
fn removed(input: &CheckInput<'_>, command: &Command<'_>) -> EditSet {
    let instruction = command.instruction;
    let range = &instruction.range;
    let comments = &instruction.comments;
    let is_option =
        |comment: &SourceText| comment.contains("check") || comment.contains("hadolint");
    let text = input.parse.text();
    let start = text[..range.start]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let has_only_blanks_before = text[start..range.start].trim().is_empty();
    if !command.is_own
        || !has_only_blanks_before
        || comments.iter().any(is_option)
        || has_comments(input.parse, range)
    {
        return EditSet::new();
    }
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |newline| range.end + newline + 1);
    EditSet::replace(start..end, "")
}
