//! `ENV key value` and `LABEL key value`.

use crate::checks::buildkit::commands::commands;
use crate::checks::buildkit::modern_pair::modern;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("LegacyKeyValueFormat"),
    summary: "Legacy key/value format with whitespace separator should not be used",
    severity: Severity::Warning,
    categories: &[Category::Style, Category::Correctness],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/",
    page: include_str!("../../../rules/LegacyKeyValueFormat.md"),
    check: legacy_key_value_format,
};

fn legacy_key_value_format(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for command in commands(&stage) {
            let (InstructionKind::Env(pairs) | InstructionKind::Label(pairs)) = command.kind else {
                continue;
            };
            for pair in pairs.iter().filter(|pair| pair.is_legacy) {
                if command.is_silenced(&RULE) {
                    continue;
                }
                let name = command.name;
                let message = format!(
                    "\"{name} key=value\" should be used instead of legacy \"{name} key value\" format"
                );
                let edits = if command.is_own {
                    modern(input.parse, pair)
                } else {
                    EditSet::new()
                };
                let place = pair.key_range.start..pair.value_range.end;
                findings.add(command.at(&place), message).propose(
                    edits,
                    "the sign shows where the value starts, and allows for more pairs",
                );
            }
        }
    }
}
