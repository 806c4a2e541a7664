//! Keywords in upper and in lower case.

use crate::checks::buildkit::commands::keyword;
use crate::checks::buildkit::from_as_casing::mismatch;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::instruction::{Instruction, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("ConsistentInstructionCasing"),
    summary: "All commands within the Dockerfile should use the same casing (either upper or lower)",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/consistent-instruction-casing/",
    page: include_str!("../../../rules/ConsistentInstructionCasing.md"),
    check: consistent_instruction_casing,
};

fn consistent_instruction_casing(input: &CheckInput<'_>, findings: &mut Findings) {
    // What stands before the first `FROM` is neither counted nor reported, and comments above an instruction do not
    // silence this (BuildKit: `validateCommandCasing`, dockerfile2llb/validations.go).
    let instructions = input.parse.instructions();
    let first = input.graph.stages.first().map(|stage| stage.from);
    let instructions = &instructions[first.unwrap_or(instructions.len())..];
    let is_lower = is_mostly_lower(instructions.iter().map(keyword));
    for instruction in instructions {
        let written = keyword(instruction);
        let (name, expected) = if is_lower {
            ("lowercase", written.to_lowercase())
        } else {
            ("uppercase", written.to_uppercase())
        };
        if written == expected {
            continue;
        }
        let message =
            format!("Command '{written}' should match the case of the command majority ({name})");
        findings
            .add(instruction.keyword_range.clone(), message)
            .propose(
                edits(input, instruction, &expected),
                "the other instructions are written like that",
            );
    }
}

/// Words in mixed case do not count, and a tie is for upper case.
fn is_mostly_lower<'k>(keywords: impl Iterator<Item = &'k str>) -> bool {
    let (mut lower, mut upper) = (0, 0);
    for keyword in keywords {
        if keyword == keyword.to_lowercase() {
            lower += 1;
        } else if keyword == keyword.to_uppercase() {
            upper += 1;
        }
    }
    lower > upper
}

/// Rewrites the keyword, and the `AS` of a `FROM` that goes with it.
fn edits(input: &CheckInput<'_>, instruction: &Instruction, expected: &str) -> EditSet {
    let written = keyword(instruction);
    let range = &instruction.keyword_range;
    if input.parse.text()[range.clone()] != *written {
        return EditSet::new();
    }
    let mut edits = EditSet::replace(range.clone(), expected);
    if let InstructionKind::From(from) = &instruction.kind
        && let Some(range) = &from.as_range
    {
        let word = &input.parse.text()[range.clone()];
        // An `AS` that does not go with its `FROM` has a finding of its own.
        if mismatch(written, word).is_none()
            && let Some(replacement) = mismatch(expected, word)
        {
            let range = range.clone();
            // The keyword is another word.
            edits
                .insert(Edit { range, replacement })
                .unwrap_or_default();
        }
    }
    edits
}
