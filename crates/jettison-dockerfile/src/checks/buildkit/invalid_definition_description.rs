//! A comment above a stage or an argument that does not describe it.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("InvalidDefinitionDescription"),
    summary: "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: None,
    aliases: &[],
    status: Status::Experimental,
    url: "https://docs.docker.com/go/dockerfile/rule/invalid-definition-description/",
    page: include_str!("../../../rules/InvalidDefinitionDescription.md"),
    check: invalid_definition_description,
};

fn invalid_definition_description(input: &CheckInput<'_>, findings: &mut Findings) {
    for instruction in input.parse.instructions() {
        let names: Vec<&str> = if let InstructionKind::From(from) = &instruction.kind {
            from.name.as_deref().into_iter().collect()
        } else if let InstructionKind::Arg(declarations) = &instruction.kind {
            declarations
                .iter()
                .map(|argument| argument.name.as_str())
                .collect()
        } else {
            continue;
        };
        // The last comment counts, and an empty line does not part it from the instruction, whatever the description
        // says; an empty comment does (BuildKit: `validateDefinitionDescription`, instructions/parse.go; `Parse`,
        // parser/parser.go).
        let Some(comment) = instruction.comments.last() else {
            continue;
        };
        let described = comment.split(' ').next().unwrap_or_default();
        let example = match names.as_slice() {
            [] => continue,
            [name] => name,
            [_, ..] => "<arg_key>",
        };
        if !names.contains(&described) {
            let keyword = instruction.keyword;
            let message = format!(
                "Comment for {keyword} should follow the format: `# {example} <description>`"
            );
            findings.add(instruction.range.start..instruction.range.start, message);
        }
    }
}
