//! `sudo` in a build.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::privileges::{RunsAs, runs_as};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::shell::SimpleCommand;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("sudo-in-run"),
    summary: "A build step uses sudo",
    severity: Severity::Warning,
    categories: &[Category::Security, Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3004"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/sudo-in-run.md"),
    check: sudo_in_run,
};

fn sudo_in_run(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (view, script) in stage.run_scripts() {
            for command in &script.commands {
                let Some(sudo) = command
                    .words
                    .first()
                    .filter(|_| command.program() == Some("sudo"))
                else {
                    continue;
                };
                match runs_as(&stage, &view) {
                    RunsAs::Root => {
                        if becomes_another(command) {
                            continue;
                        }
                        let message =
                            "the step runs as root already: `sudo` does nothing but need a package";
                        let added = findings.add(sudo.range.clone(), message);
                        if let Some(edits) = without(input, command) {
                            added.propose(edits, "a step that runs as root needs no `sudo`");
                        }
                    }
                    RunsAs::User(user) => {
                        findings
                            .add(
                                sudo.range.clone(),
                                format!("`sudo` lets `{user}` become root, in the container, too"),
                            )
                            .hint(format!(
                                "write `USER root` before the step and `USER {user}` after it"
                            ));
                    }
                    RunsAs::Unknown => {}
                }
            }
        }
    }
}

/// `sudo -u name` is not about becoming root.
fn becomes_another(command: &SimpleCommand) -> bool {
    let flags = command.words.iter().skip(1);
    let mut flags = flags.take_while(|word| word.text.starts_with('-'));
    flags.any(|word| {
        let text = word.text.as_str();
        text.starts_with("--user")
            || text.starts_with("--group")
            || (!text.starts_with("--") && text.contains(['u', 'g']))
    })
}

/// Takes the word and its flags away, if there is a program behind it on the same line.
fn without(input: &CheckInput<'_>, command: &SimpleCommand) -> Option<EditSet> {
    let program = command.unwrapped().first()?;
    // Anything else at the start of a `RUN` might be read as a flag or as a JSON array.
    let is_program =
        |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || "/._".contains(c));
    if !program.literal.as_deref().is_some_and(is_program) {
        return None;
    }
    let start = command.words.first()?.range.start;
    let end = program.range.start;
    let text = input.parse.text().get(start..end)?;
    // Assignments, and flags with a meaning of their own, are left to the author.
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let is_plain = words.all(|word| matches!(word, "sudo" | "-E" | "-H" | "-n" | "-EH" | "-HE"));
    (is_plain && start < end).then(|| EditSet::replace(start..end, ""))
}
