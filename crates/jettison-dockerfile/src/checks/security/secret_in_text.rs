//! A literal secret in the text of an instruction.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::secrets::secrets;
use crate::diagnostic::Severity;
use crate::instruction::Instruction;
use crate::keyword::Keyword;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("secret-in-text"),
    summary: "A literal key, token or password is in the text of an instruction",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/secret-in-text.md"),
    check: secret_in_text,
};

fn secret_in_text(input: &CheckInput<'_>, findings: &mut Findings) {
    for instruction in input.parse.instructions() {
        let text = &input.parse.text()[instruction.range.clone()];
        for secret in secrets(text) {
            if is_in_comment(instruction, text, secret.range.start) {
                continue;
            }
            let start = instruction.range.start;
            let range = start + secret.range.start..start + secret.range.end;
            let message = format!(
                "{} is in the text of `{}`",
                secret.what,
                instruction.keyword.as_str()
            );
            let instead = if instruction.keyword == Keyword::Run {
                "use `RUN --mount=type=secret,id=…` and read `/run/secrets/…` in the script"
            } else {
                "use `RUN --mount=type=secret,id=…` for the build, and give the container its secrets when it starts"
            };
            findings
                .add(range, message)
                .hint(instead)
                .hint("revoke it if the Dockerfile or the image has been published");
        }
    }
}

/// Says whether `offset` is in a comment between continued lines, which does not get into the image.
fn is_in_comment(instruction: &Instruction, text: &str, offset: usize) -> bool {
    let Some(newline) = text[..offset].rfind('\n') else {
        return false;
    };
    let place = instruction.range.start + offset;
    let is_in_heredoc = instruction
        .heredocs
        .iter()
        .any(|heredoc| heredoc.body.contains(&place));
    !is_in_heredoc && text[newline + 1..].trim_start().starts_with('#')
}
