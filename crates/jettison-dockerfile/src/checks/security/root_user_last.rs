//! The image is told to run as root.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::privileges::drops_privileges;
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("root-user-last"),
    summary: "The last USER of the image is root",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &["DL3002"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/root-user-last.md"),
    check: root_user_last,
};

fn root_user_last(input: &CheckInput<'_>, findings: &mut Findings) {
    let Some(target) = input
        .stages()
        .find(|stage| stage.stage.index == input.target)
    else {
        return;
    };
    let chain = target.chain();
    if target.is_windows() || chain.iter().any(drops_privileges) {
        return;
    }
    let last = chain.iter().find_map(|stage| {
        stage
            .instructions()
            .rfind(|view| matches!(view.instruction.kind, InstructionKind::User(_)))
    });
    let Some(view) = last else {
        return;
    };
    let InstructionKind::User(written) = &view.instruction.kind else {
        return;
    };
    let Some(user) = view.known_value(written) else {
        return;
    };
    let name = user.split(':').next().unwrap_or_default();
    if matches!(name, "root" | "0") {
        findings
            .add(
                view.instruction.arguments.clone(),
                format!("the image runs as `{user}`"),
            )
            .hint(
                "add a `USER` with a numeric user and group, such as `USER 10001:10001`, after the last step that needs root",
            );
    }
}
