//! `MAINTAINER` is deprecated.

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
        findings
            .add(
                instruction.range.clone(),
                "Maintainer instruction is deprecated in favor of using label",
            )
            .propose(
                label(instruction, author),
                "a label says who made the image and is what tools look for",
            );
    }
}

/// `MAINTAINER` takes its text as it is, `LABEL` expands it: what would be expanded is escaped.
fn label(instruction: &Instruction, author: &str) -> EditSet {
    let mut quoted = String::new();
    for character in author.chars() {
        if matches!(character, '"' | '$' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    EditSet::replace(
        instruction.range.clone(),
        format!("LABEL org.opencontainers.image.authors=\"{quoted}\""),
    )
}
