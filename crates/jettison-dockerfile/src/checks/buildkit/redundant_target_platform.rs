//! `--platform=$TARGETPLATFORM`.

use crate::checks::buildkit::commands::is_silenced;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::stage::from_of;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("RedundantTargetPlatform"),
    summary: "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/redundant-target-platform/",
    page: include_str!("../../../rules/RedundantTargetPlatform.md"),
    check: redundant_target_platform,
};

const NAME: &str = "TARGETPLATFORM";

fn redundant_target_platform(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let evaluation = stage.evaluation;
        let from = stage.from();
        let Some(written) = from_of(&from.kind).and_then(|from| from.platform.as_ref()) else {
            continue;
        };
        // No other variable, and nothing but its value (BuildKit: `reportRedundantTargetPlatform`,
        // dockerfile2llb/validations.go).
        let is_alone = evaluation.platform_variables.iter().eq([NAME])
            && evaluation.from.matched.contains(NAME);
        let is_its_value = evaluation.platform.is_some() && evaluation.platform == global(input);
        if !is_alone || !is_its_value || is_silenced(from, &RULE) {
            continue;
        }
        let message = format!(
            "Setting platform to predefined {written} in FROM is redundant as this is the default behavior"
        );
        let Some(flag) = from.flags.iter().find(|flag| flag.name == "platform") else {
            continue;
        };
        // A global `ARG` can give the name another value than the platform that the build is for.
        let mut globals = input.evaluation.globals.iter();
        let edits = if globals.any(|(name, _)| name == NAME) {
            EditSet::new()
        } else {
            without(input.parse.text(), &flag.range)
        };
        findings
            .add(flag.range.clone(), message)
            .propose(edits, "this is the platform anyway");
    }
}

/// The value of the name before the first stage.
fn global(input: &CheckInput<'_>) -> Option<String> {
    let mut globals = input.evaluation.globals.iter();
    let declared = globals.rfind(|(name, value)| name == NAME && value.is_some());
    match declared {
        Some((_, value)) => value.clone(),
        None => input.evaluation.target_platform.clone(),
    }
}

/// Removes a flag and the blanks after it, if a word follows on the same line.
fn without(text: &str, flag: &TextRange) -> EditSet {
    let rest = &text[flag.end..];
    let word = rest.trim_start_matches([' ', '\t']);
    let is_followed = word.len() < rest.len()
        && word.starts_with(|c: char| c.is_alphanumeric() || "$-\"'".contains(c));
    if is_followed {
        EditSet::replace(flag.start..text.len() - word.len(), "")
    } else {
        EditSet::new()
    }
}
