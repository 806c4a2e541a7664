//! A download that fails in front of a pipe.

use crate::checks::correctness::base_shell::{ScriptShell, script_shell};
use crate::checks::correctness::scripts::{STRICT_READERS, pipelines, run_scripts};
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::shell::{Connector, Nesting, ShellOption, ShellScript, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("pipe-hides-failure"),
    summary: "A pipeline succeeds although the download at its start has failed",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &["DL4006"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/pipe-hides-failure.md"),
    check: pipe_hides_failure,
};

/// Programs that fetch or decode, and may fail at it.
const SOURCES: [&str; 12] = [
    "aria2c", "base64", "bunzip2", "bzcat", "curl", "gpg", "gunzip", "openssl", "unxz", "wget",
    "xzcat", "zcat",
];

fn pipe_hides_failure(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (view, script) in run_scripts(&stage) {
            let shell = view.evaluated.before.shell.iter().flatten();
            if shell.into_iter().any(|word| word.contains("pipefail")) {
                continue;
            }
            for (first, last) in pipelines(script) {
                let Some((source, reader)) = hidden(script, first, last) else {
                    continue;
                };
                let message =
                    format!("`{reader}` behind the pipe hides that `{source}` has failed");
                findings
                    .add(first.words[0].range.clone(), message)
                    .hint(hint(script_shell(&stage, &view)));
            }
        }
    }
}

/// The programs at both ends of a pipeline, if the failure of the first goes unnoticed and matters.
fn hidden<'s>(
    script: &ShellScript,
    first: &'s SimpleCommand,
    last: &'s SimpleCommand,
) -> Option<(&'s str, &'s str)> {
    let program = |command: &'s SimpleCommand| {
        let word = command.unwrapped().first()?;
        Some(base_name(word.literal.as_deref()?))
    };
    let (source, reader) = (program(first)?, program(last)?);
    let is_asked_for = last.negated
        || last.nesting.contains(&Nesting::Condition)
        || last
            .separator_after
            .as_ref()
            .is_some_and(|after| matches!(after.connector, Connector::Or | Connector::Background));
    // With `pipefail`, `head` would make the program before it fail: it stops reading.
    let is_hidden = SOURCES.contains(&source)
        && reader != "head"
        && !STRICT_READERS.contains(&reader)
        && !first.options.contains(ShellOption::PipeFail)
        && !is_asked_for
        && decides(script, last)
        && !writes_text(first, source);
    is_hidden.then_some((source, reader))
}

/// Says whether the status of a command is seen by anybody: that of a substitution only by an assignment.
fn decides(script: &ShellScript, last: &SimpleCommand) -> bool {
    let is_substituted = last.nesting.iter().any(|nesting| {
        matches!(
            nesting,
            Nesting::CommandSubstitution | Nesting::ProcessSubstitution
        )
    });
    let Some(substitution) = last.inside.and_then(|inside| script.compounds.get(inside)) else {
        return true;
    };
    !is_substituted
        || script.commands.iter().any(|command| {
            command.words.is_empty()
                && command.source_range.start <= substitution.source_range.start
                && substitution.source_range.end <= command.source_range.end
        })
}

/// `openssl rand`, `gpg --version` and their like fetch nothing.
fn writes_text(command: &SimpleCommand, source: &str) -> bool {
    let mut literals = command.literals();
    match source {
        "openssl" => literals.next() != Some("enc"),
        "gpg" => {
            !literals.any(|word| matches!(word, "-d" | "--decrypt" | "--dearmor" | "--export"))
        }
        "base64" => !literals.any(|word| matches!(word, "-d" | "--decode" | "-D")),
        _ => literals.any(|word| matches!(word, "--version" | "--help" | "-V")),
    }
}

fn hint(shell: ScriptShell) -> &'static str {
    match shell {
        ScriptShell::Dash => "put `SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]` before it",
        ScriptShell::Ash | ScriptShell::Bash => "start the script with `set -o pipefail;`",
        ScriptShell::Unknown => {
            "write to a file first and use it in the next command, or use a shell that has `set -o pipefail`"
        }
    }
}
