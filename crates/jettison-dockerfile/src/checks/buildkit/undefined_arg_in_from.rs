//! A variable in `FROM` that no `ARG` declares.

use crate::checks::buildkit::commands::is_silenced;
use crate::checks::buildkit::place;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::evaluate::UnsetVariable;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("UndefinedArgInFrom"),
    summary: "FROM command must use declared ARGs",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::Suggestion),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/undefined-arg-in-from/",
    page: include_str!("../../../rules/UndefinedArgInFrom.md"),
    check: undefined_arg_in_from,
};

fn undefined_arg_in_from(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let from = stage.from();
        if is_silenced(from, &RULE) {
            continue;
        }
        // An argument without a value is declared all the same (BuildKit: `unusedFromArgsCheckKeys`,
        // dockerfile2llb/convert.go).
        let unset = stage.evaluation.from.unset.iter();
        for variable in unset.filter(|variable| !variable.is_declared) {
            let name = &variable.name;
            let suggestion = match &variable.closest {
                Some(closest) => format!(" (did you mean {closest}?)"),
                None => String::new(),
            };
            let message = format!("FROM argument '{name}' is not declared{suggestion}");
            let range = place::variable(input.parse.text(), &variable.place, name, 0);
            let edits = renamed(input, &range, variable);
            findings
                .add(range, message)
                .hint("only an ARG before the first FROM can be used in FROM")
                .propose(edits, "a declared name is almost the same");
        }
    }
}

/// Puts the name that is almost the same in the place of a variable's.
pub(super) fn renamed(
    input: &CheckInput<'_>,
    range: &TextRange,
    variable: &UnsetVariable,
) -> EditSet {
    let written = &input.parse.text()[range.clone()];
    match (written.find(&variable.name), &variable.closest) {
        (Some(offset), Some(closest)) if written.starts_with('$') => {
            let start = range.start + offset;
            EditSet::replace(start..start + variable.name.len(), closest)
        }
        (Some(_) | None, Some(_) | None) => EditSet::new(),
    }
}
