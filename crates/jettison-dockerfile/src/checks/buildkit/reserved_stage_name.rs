//! A stage that is named like something built in.

use crate::checks::buildkit::duplicate_stage_name::stage_name;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::quote::quoted;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("ReservedStageName"),
    summary: "Reserved words should not be used as stage names",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/reserved-stage-name/",
    page: include_str!("../../../rules/ReservedStageName.md"),
    check: reserved_stage_name,
};

/// BuildKit: `reservedStageNames`, `dockerfile2llb/validations.go`.
const RESERVED: [&str; 2] = ["context", "scratch"];

fn reserved_stage_name(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let Some((name, range)) = stage_name(&stage) else {
            continue;
        };
        if RESERVED.contains(&name) {
            let name = quoted(name);
            let message =
                format!("Stage name should not use the same name as reserved stage {name}");
            findings.add(range, message);
        }
    }
}
