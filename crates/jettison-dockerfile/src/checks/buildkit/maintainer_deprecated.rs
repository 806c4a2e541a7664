//! `MAINTAINER` is deprecated.

use crate::checks::buildkit::commands::{is_silenced, keyword};
use crate::checks::buildkit::place::has_comments;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{Instruction, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("MaintainerDeprecated"),
    summary: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &["DL4000"],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/",
    page: include_str!("../../../rules/MaintainerDeprecated.md"),
    check: maintainer_deprecated,
};

fn maintainer_deprecated(input: &CheckInput<'_>, findings: &mut Findings) {
    for instruction in input.parse.instructions() {
        let InstructionKind::Maintainer(author) = &instruction.kind else {
            continue;
        };
        if is_silenced(instruction, &RULE) {
            continue;
        }
        findings
            .add(
                instruction.range.clone(),
                "Maintainer instruction is deprecated in favor of using label",
            )
            .propose(
                label(input, instruction, author),
                "a label says who made the image and is what tools look for",
            );
    }
}

/// `MAINTAINER` takes its text as it is, `LABEL` expands it: what would be expanded is escaped.
fn label(input: &CheckInput<'_>, instruction: &Instruction, author: &str) -> EditSet {
    if has_comments(input.parse, &instruction.range) {
        return EditSet::new();
    }
    let escape = input.parse.escape();
    let mut quoted = String::new();
    for character in author.chars() {
        if matches!(character, '"' | '$') || character == escape {
            quoted.push(escape);
        }
        quoted.push(character);
    }
    let written = keyword(instruction);
    let keyword = if written == written.to_lowercase() {
        "label"
    } else {
        "LABEL"
    };
    EditSet::replace(
        instruction.range.clone(),
        format!("{keyword} org.opencontainers.image.authors=\"{quoted}\""),
    )
}
