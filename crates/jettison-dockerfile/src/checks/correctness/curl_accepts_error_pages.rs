//! `curl` takes an error page for an answer.

use crate::checks::arguments::Arguments;
use crate::checks::correctness::curl::{Curl, Told, curl, is_curl};
use crate::checks::correctness::scripts::{STRICT_READERS, bare_variable, is_mentioned};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView};
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{CommandForm, Healthcheck, InstructionKind};
use crate::shell::{Nesting, RedirectKind, ShellScript, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("curl-accepts-error-pages"),
    summary: "curl succeeds when the server answers with an error page",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/curl-accepts-error-pages.md"),
    check: curl_accepts_error_pages,
};

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    File,
    Program,
    HealthCheck,
}

fn curl_accepts_error_pages(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        // Flags may come from a start file.
        if is_mentioned(&stage, usize::MAX, &|text| text.contains("curlrc")) {
            continue;
        }
        for view in stage.instructions() {
            if let InstructionKind::Healthcheck(Healthcheck::Command(health)) =
                &view.instruction.kind
                && let CommandForm::Exec(argv) = &health.form
            {
                of_exec_form(input, &view, argv, findings);
            }
        }
        for (view, script) in stage.scripts() {
            let is_check = matches!(view.instruction.kind, InstructionKind::Healthcheck(_));
            let is_run = matches!(view.instruction.kind, InstructionKind::Run(_));
            if !(is_run || is_check) || !view.runs_in_posix_shell() || is_verified(script) {
                continue;
            }
            for command in &script.commands {
                let sink = if is_check {
                    checks_health(command).then_some(Sink::HealthCheck)
                } else {
                    sink(script, command)
                };
                if let Some(sink) = sink {
                    report(command, sink, findings);
                }
            }
        }
    }
}

/// Reads a command as one of `curl` that takes every answer.
fn careless(command: &SimpleCommand) -> Option<Curl> {
    let (program, arguments) = command.unwrapped().split_first()?;
    if !is_curl(program.literal.as_deref()?) {
        return None;
    }
    let may_be_flags = |name: &str| {
        let name = name.to_lowercase();
        ["opt", "flag", "arg", "curl", "param", "@", "*"]
            .iter()
            .any(|part| name.contains(part))
    };
    let has_unknown_flags = arguments
        .iter()
        .any(|word| word.text == "\"$@\"" || bare_variable(word).is_some_and(may_be_flags));
    // A word with a variable in it is known as far as its text goes.
    let words = arguments.iter().map(|word| {
        Some(
            word.literal
                .as_deref()
                .unwrap_or(word.text.trim_matches('"')),
        )
    });
    let curl = curl(words);
    let takes_all = curl.takes_everything();
    (takes_all && !has_unknown_flags).then_some(curl)
}

/// Where the answer of a command goes, if it is a careless `curl`.
fn sink(script: &ShellScript, command: &SimpleCommand) -> Option<Sink> {
    let curl = careless(command)?;
    if curl.is_told(Told::Discard) || command.nesting.contains(&Nesting::CommandSubstitution) {
        return None;
    }
    let into_file = command.redirects.iter().any(|redirect| {
        matches!(
            redirect.kind,
            RedirectKind::Output | RedirectKind::Append | RedirectKind::Clobber
        ) && redirect.file_descriptor.is_none_or(|number| number == 1)
            && !redirect.target.text.starts_with("/dev/")
    });
    if curl.is_told(Told::Save) || into_file {
        return Some(Sink::File);
    }
    let next = next_in_pipeline(script, command)?;
    let program = base_name(next.unwrapped().first()?.literal.as_deref()?);
    // Who looks for something does not find it in an error page.
    let looks_for_something = ["jq", "head", "tail", "awk", "sed", "cut", "wc"];
    let notices = STRICT_READERS.contains(&program) || looks_for_something.contains(&program);
    (!notices).then_some(Sink::Program)
}

fn next_in_pipeline<'s>(
    script: &'s ShellScript,
    command: &SimpleCommand,
) -> Option<&'s SimpleCommand> {
    script.commands.iter().find(|other| {
        other.pipeline == command.pipeline && other.source_range.start > command.source_range.start
    })
}

/// Says whether a command is a careless `curl` whose success is what a health check wants to know.
fn checks_health(command: &SimpleCommand) -> bool {
    let is_plain = command.nesting.is_empty()
        && !command.negated
        && command
            .separator_after
            .as_ref()
            .is_none_or(|after| after.connector != crate::shell::Connector::Pipe);
    is_plain && careless(command).is_some()
}

/// Says whether a script verifies what it fetched.
fn is_verified(script: &ShellScript) -> bool {
    script.commands.iter().any(|command| {
        let program = command
            .unwrapped()
            .first()
            .and_then(|word| word.literal.as_deref());
        let program = program.map_or("", base_name);
        let is_sum = program.ends_with("sum") || program == "shasum";
        let verifies = command.has_flag('c', "check")
            || command
                .literals()
                .any(|word| word.starts_with("--verify") || word == "verify");
        let is_signature = matches!(program, "gpg" | "gpgv" | "cosign" | "minisign" | "openssl");
        (is_sum && verifies) || (is_signature && (verifies || program == "minisign"))
    })
}

fn report(command: &SimpleCommand, sink: Sink, findings: &mut Findings) {
    let Some(program) = command.unwrapped().first() else {
        return;
    };
    let after = program.range.end..program.range.end;
    findings
        .add(program.range.clone(), message(sink))
        .propose(EditSet::replace(after, " -f"), REASON);
}

const REASON: &str = "with `-f` curl fails when the server does";

fn message(sink: Sink) -> &'static str {
    match sink {
        Sink::File => "`curl` without `-f` saves an error page as if it were the file",
        Sink::Program => "`curl` without `-f` pipes an error page on as if it were the answer",
        Sink::HealthCheck => "`curl` without `-f` finds a server healthy that answers with errors",
    }
}

/// A health check in exec form.
fn of_exec_form(
    input: &CheckInput<'_>,
    view: &InstructionView<'_>,
    argv: &[String],
    findings: &mut Findings,
) {
    let Some((program, words)) = argv.split_first() else {
        return;
    };
    let curl = curl(words.iter().map(|word| Some(word.as_str())));
    let is_careless = curl.takes_everything();
    if !is_curl(program) || !is_careless {
        return;
    }
    let Some(arguments) = Arguments::of(input.parse, view.instruction) else {
        return;
    };
    let start = arguments.text().find('[').unwrap_or(0);
    let Some(string) = arguments.strings(start).into_iter().next() else {
        return;
    };
    let after = arguments.source(string.start..string.end + 1).end;
    findings
        .add(arguments.source(string), message(Sink::HealthCheck))
        .propose(EditSet::replace(after..after, ", \"-f\""), REASON);
}
