//! An `ENTRYPOINT` in shell form does not see the words of `CMD`.

use crate::checks::correctness::command_chain::{Commands, commands};
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::CommandForm;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("cmd-ignored-by-entrypoint"),
    summary: "The words of CMD never reach an ENTRYPOINT in shell form",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/cmd-ignored-by-entrypoint.md"),
    check: cmd_ignored_by_entrypoint,
};

fn cmd_ignored_by_entrypoint(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let Commands {
            entrypoint: Some(entrypoint),
            cmd: Some(cmd),
        } = commands(stage)
        else {
            continue;
        };
        // What both come from is reported at the stage that has the later one.
        let later = entrypoint.view.index.max(cmd.view.index);
        if !stage.evaluation.instructions.contains(&later) {
            continue;
        }
        let CommandForm::Shell(script) = entrypoint.form else {
            continue;
        };
        if script.is_empty() || is_empty(cmd.form) || reads_arguments(script) {
            continue;
        }
        if !entrypoint.view.runs_in_posix_shell() {
            continue;
        }
        let line = entrypoint.view.instruction.line;
        findings
            .add(
                cmd.view.instruction.arguments.clone(),
                format!("`ENTRYPOINT` of line {line} is in shell form and never sees these words"),
            )
            .hint("write `ENTRYPOINT` as a JSON array, or remove `CMD`");
    }
}

fn is_empty(form: &CommandForm) -> bool {
    match form {
        CommandForm::Shell(text) => text.is_empty(),
        CommandForm::Exec(argv) => argv.is_empty(),
    }
}

/// Says whether a script looks at its arguments: `$@`, `${1}`, `$0`; `shift` alone is not enough.
fn reads_arguments(script: &str) -> bool {
    let after_dollar = script.split('$').skip(1);
    after_dollar
        .map(|rest| rest.strip_prefix('{').unwrap_or(rest))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '@' | '*' | '#')))
}
