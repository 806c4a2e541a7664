//! The name of a user in an image that has no list of users.

use crate::checks::correctness::copy_words::copy_of;
use crate::checks::correctness::scratch::{is_base, surely_lacks};
use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::evaluate::BaseImage;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("named-user-on-scratch"),
    summary: "A stage from scratch names a user, and has no /etc/passwd",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/named-user-on-scratch.md"),
    check: named_user_on_scratch,
};

fn named_user_on_scratch(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        if stage.root() != &BaseImage::Scratch {
            continue;
        }
        for view in stage.instructions() {
            if let InstructionKind::User(user) = &view.instruction.kind
                && let Some((name, file)) = view
                    .known_value(user)
                    .and_then(|user| missing(&stage, &user))
                && !is_base(input, &stage)
            {
                let message = format!("no container starts as `{name}`: the stage has no `{file}`");
                findings
                    .add(view.instruction.arguments.clone(), message)
                    .hint("use a number, such as 65532, or copy the file from an earlier stage");
            }
            let chown = copy_of(&view.instruction.kind).and_then(|(copy, _)| copy.chown.as_deref());
            if let Some(owner) = chown
                && let Some((name, file)) = view
                    .known_value(owner)
                    .and_then(|owner| missing(&stage, &owner))
            {
                let mut flags = view.instruction.flags.iter();
                let Some(flag) = flags.find(|flag| flag.name == "chown") else {
                    continue;
                };
                let range = flag
                    .value_range
                    .clone()
                    .unwrap_or_else(|| flag.range.clone());
                let message = format!(
                    "`{name}` is taken for root: the stage has no `{file}` to look it up in"
                );
                findings
                    .add(range, message)
                    .hint("use numbers, such as 65532:65532");
            }
        }
    }
}

/// The part of `user[:group]` that cannot be looked up, and the file that is not there.
///
/// `root` needs no list.
fn missing(stage: &StageView<'_>, owner: &str) -> Option<(String, &'static str)> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let is_name = |name: &str| {
        !name.is_empty() && name != "root" && !name.chars().all(|c| c.is_ascii_digit())
    };
    [(user, "/etc/passwd"), (group, "/etc/group")]
        .into_iter()
        .find(|(name, file)| is_name(name) && surely_lacks(stage, file))
        .map(|(name, file)| (name.to_owned(), file))
}
