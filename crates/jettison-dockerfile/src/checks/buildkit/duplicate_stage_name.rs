//! Two stages with one name.

use std::collections::BTreeSet;

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::input::StageView;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::quote::quoted;
use crate::stage::from_of;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("DuplicateStageName"),
    summary: "Stage names should be unique",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &["DL3024"],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/duplicate-stage-name/",
    page: include_str!("../../../rules/DuplicateStageName.md"),
    check: duplicate_stage_name,
};

fn duplicate_stage_name(input: &CheckInput<'_>, findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for stage in input.stages() {
        // Names are compared in lower case; comments above the `FROM` do not silence this (BuildKit:
        // `validateStageNames`, dockerfile2llb/validations.go).
        let Some((name, range)) = stage_name(&stage) else {
            continue;
        };
        if !names.insert(name) {
            let message = format!(
                "Duplicate stage name {}, stage names should be unique",
                quoted(name)
            );
            findings
                .add(range, message)
                .hint("an earlier stage has this name; the later one hides it from what follows");
        }
    }
}

/// The name of a stage, and where it is given.
pub(super) fn stage_name<'a>(stage: &StageView<'a>) -> Option<(&'a str, TextRange)> {
    let from = from_of(&stage.from().kind)?;
    Some((from.name.as_deref()?, from.name_range.clone()?))
}
