//! A base that is no image as long as no build argument is given.

use std::collections::BTreeMap;

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::expand::expand;
use crate::instruction::InstructionKind;
use crate::refusal::reference_problem;
use crate::stage::from_of;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("InvalidDefaultArgInFrom"),
    summary: "Default value for global ARG results in an empty or invalid base image name",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/invalid-default-arg-in-from/",
    page: include_str!("../../../rules/InvalidDefaultArgInFrom.md"),
    check: invalid_default_arg_in_from,
};

fn invalid_default_arg_in_from(input: &CheckInput<'_>, findings: &mut Findings) {
    let escape = input.parse.escape();
    let Some(defaults) = defaults(input) else {
        return;
    };
    let lookup = |name: &str| defaults.get(name).cloned();
    for stage in input.stages() {
        let Some(from) = from_of(&stage.from().kind) else {
            return;
        };
        // The first error ends it, and so does the build (BuildKit: `validateBaseImagesWithDefaultArgs`,
        // dockerfile2llb/validations.go). Comments above the `FROM` do not silence this.
        let Ok(base) = expand(&from.base, escape, &lookup) else {
            return;
        };
        if reference_problem(&base).is_some() {
            let message = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                from.base
            );
            findings.add(from.base_range.clone(), message);
        }
    }
}

/// The values of the global arguments if none is given; `None` if one cannot be expanded.
fn defaults(input: &CheckInput<'_>) -> Option<BTreeMap<String, String>> {
    let mut values = input.evaluation.predefined.clone();
    for &index in &input.graph.global_args {
        let instruction = input.parse.instructions().get(index)?;
        let InstructionKind::Arg(declarations) = &instruction.kind else {
            return None;
        };
        for declaration in declarations {
            let Some(default) = &declaration.default else {
                continue;
            };
            let lookup = |name: &str| values.get(name).cloned();
            let value = expand(default, input.parse.escape(), &lookup).ok()?;
            values.insert(declaration.name.to_string(), value);
        }
    }
    Some(values)
}
