//! A service that is started when the image is built does not run in the container.

use std::ops::Range;

use crate::checks::correctness::scripts::run_scripts;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::shell::{Connector, Separator, ShellScript, ShellWord, SimpleCommand};
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("service-started-in-run"),
    summary: "A RUN ends by starting a process, which ends with it",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/service-started-in-run.md"),
    check: service_started_in_run,
};

fn service_started_in_run(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in run_scripts(&stage) {
            let Some(last) = last(script) else { continue };
            let message = match last {
                Last::Background(_) => {
                    "the process in the background ends with this RUN".to_owned()
                }
                Last::Service(_, ref name) => {
                    format!("`{name}` is started, and ends with this RUN")
                }
            };
            let (Last::Background(range) | Last::Service(range, _)) = last;
            findings
                .add(range, message)
                .hint("start it in CMD or ENTRYPOINT, or use and stop it in the same RUN");
        }
    }
}

/// What a script ends with.
enum Last {
    /// Something in the background, with the place of its `&`.
    Background(TextRange),
    /// A command that starts a service, with its place and the service's name.
    Service(TextRange, String),
}

/// What a script ends with, if it is something that is left running.
fn last(script: &ShellScript) -> Option<Last> {
    let commands = script
        .commands
        .iter()
        .filter(|command| command.nesting.is_empty());
    let compounds = script
        .compounds
        .iter()
        .filter(|compound| compound.inside.is_none());
    let ends = commands
        .clone()
        .filter(|command| !is_idle(command))
        .map(|command| {
            (
                command.source_range.clone(),
                command.separator_after.as_ref(),
            )
        })
        .chain(compounds.map(|compound| {
            (
                compound.source_range.clone(),
                compound.separator_after.as_ref(),
            )
        }));
    let (range, separator): (Range<usize>, Option<&Separator>) =
        ends.max_by_key(|(range, _)| range.end)?;
    if let Some(separator) = separator
        && separator.connector == Connector::Background
    {
        return Some(Last::Background(separator.range.clone()));
    }
    let command = commands
        .into_iter()
        .find(|command| command.source_range == range)?;
    let name = started_service(command)?;
    Some(Last::Service(command.range.clone(), name))
}

/// Commands that only wait or talk.
fn is_idle(command: &SimpleCommand) -> bool {
    command
        .separator_after
        .as_ref()
        .is_none_or(|after| after.connector != Connector::Background)
        && matches!(
            command.program(),
            Some("sleep" | "echo" | "true" | ":" | "exit")
        )
}

/// The service that a command starts.
fn started_service(command: &SimpleCommand) -> Option<String> {
    let words = command.unwrapped();
    let literal = |index: usize| {
        words
            .get(index)
            .and_then(|word: &ShellWord| word.literal.as_deref())
    };
    let program = literal(0)?;
    let is_start = |word: Option<&str>| matches!(word, Some("start" | "restart"));
    let name = match base_name(program) {
        "service" | "rc-service" | "invoke-rc.d" if is_start(literal(2)) => literal(1)?,
        "systemctl" if is_start(literal(1)) => literal(2)?,
        name if program.starts_with("/etc/init.d/") && is_start(literal(1)) => name,
        _ => return None,
    };
    // Starting this one is a known way to get its keys and its directory.
    let is_ssh = matches!(name, "ssh" | "sshd");
    (!is_ssh).then(|| name.to_owned())
}
