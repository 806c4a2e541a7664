//! The check of a certificate or a signature is turned off.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::package_command;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::off_switches::{
    Switch, Unchecked, off_by_setting, off_by_variable, switches,
};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::heredoc::Heredoc;
use crate::instruction::InstructionKind;
use crate::shell::{ShellScript, ShellWord, SimpleCommand};
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("verification-off"),
    summary: "A download is made without checking who it comes from",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/verification-off.md"),
    check: verification_off,
};

fn verification_off(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for view in stage.instructions() {
            if let InstructionKind::Env(pairs) = &view.instruction.kind {
                for pair in pairs {
                    let value = view.known_value(&pair.value).unwrap_or_default();
                    if let Some(unchecked) = off_by_variable(&pair.key, &value) {
                        report(pair.key_range.clone(), &pair.key, unchecked, findings);
                    }
                }
            }
            for heredoc in copied_heredocs(&view.instruction.kind, &view.instruction.heredocs) {
                let text = &input.parse.text()[heredoc.clone()];
                for (at, setting, unchecked) in off_by_setting(text) {
                    let start = heredoc.start + at;
                    report(start..start + setting.len(), setting, unchecked, findings);
                }
            }
        }
        for (_, script) in stage.run_scripts() {
            for command in &script.commands {
                in_variables(command, findings);
                for switch in switches(command) {
                    let is_signature = switch.unchecked == Unchecked::Signature;
                    if !is_signature || !installs_own_files(script, command) {
                        report_switch(input, command, &switch, findings);
                    }
                }
            }
            in_text(script, findings);
        }
    }
}

/// The bodies of heredocs that become files.
fn copied_heredocs(kind: &InstructionKind, heredocs: &[Heredoc]) -> Vec<TextRange> {
    let is_copy = matches!(kind, InstructionKind::Copy(_) | InstructionKind::Add(_));
    let bodies = heredocs.iter().filter(|_| is_copy);
    bodies.map(|heredoc| heredoc.body.clone()).collect()
}

fn in_variables(command: &SimpleCommand, findings: &mut Findings) {
    for assignment in &command.assignments {
        let value = assignment.value.literal.as_deref().unwrap_or_default();
        if let Some(unchecked) = off_by_variable(&assignment.name, value) {
            report(
                assignment.range.clone(),
                &assignment.name,
                unchecked,
                findings,
            );
        }
    }
    if matches!(command.program(), Some("export" | "env")) {
        for word in command.arguments() {
            let pair = word
                .literal
                .as_deref()
                .and_then(|word| word.split_once('='));
            if let Some((name, value)) = pair
                && let Some(unchecked) = off_by_variable(name, value)
            {
                report(word.range.clone(), name, unchecked, findings);
            }
        }
    }
}

fn report_switch(
    input: &CheckInput<'_>,
    command: &SimpleCommand,
    switch: &Switch<'_>,
    findings: &mut Findings,
) {
    let message = message(&switch.text, switch.unchecked);
    let added = findings
        .add(switch.word.range.clone(), message)
        .hint(hint(switch.unchecked));
    let reason = match switch.unchecked {
        Unchecked::Certificate => "servers with a certificate that can be checked need no switch",
        Unchecked::Signature => "packages with a signature that can be checked need no switch",
    };
    if let Some(edits) = without(input, command, switch) {
        added.propose(edits, reason);
    }
}

/// Says whether all packages are files that the script has not downloaded: the author's own have no signature.
fn installs_own_files(script: &ShellScript, command: &SimpleCommand) -> bool {
    let Some(package) = package_command(command) else {
        return false;
    };
    let is_file = |word: &&ShellWord| {
        let text = word.text.trim_matches(['"', '\'']);
        !text.contains("://")
            && [".apk", ".rpm", ".deb"]
                .iter()
                .any(|end| text.strip_suffix(end).is_some())
    };
    let packages = package.packages();
    let downloads = ["curl", "wget"]
        .iter()
        .any(|name| script.source.contains(name));
    !packages.is_empty() && packages.iter().all(is_file) && !downloads
}

/// Files that a script writes.
fn in_text(script: &ShellScript, findings: &mut Findings) {
    for (at, setting, unchecked) in off_by_setting(&script.source) {
        report(
            script.range(at..at + setting.len()),
            setting,
            unchecked,
            findings,
        );
    }
}

fn report(range: TextRange, name: &str, unchecked: Unchecked, findings: &mut Findings) {
    findings
        .add(range, message(name, unchecked))
        .hint(hint(unchecked));
}

fn message(switch: &str, unchecked: Unchecked) -> String {
    match unchecked {
        Unchecked::Certificate => {
            format!("`{switch}`: anyone on the way to the server can replace what is downloaded")
        }
        Unchecked::Signature => format!("`{switch}`: packages are installed whoever made them"),
    }
}

fn hint(unchecked: Unchecked) -> &'static str {
    match unchecked {
        Unchecked::Certificate => {
            "install `ca-certificates`, or the certificate of your own authority, instead"
        }
        Unchecked::Signature => "add the key that the packages are signed with instead",
    }
}

/// The change that takes the switch away, if the words around it stand on one line.
fn without(
    input: &CheckInput<'_>,
    command: &SimpleCommand,
    switch: &Switch<'_>,
) -> Option<EditSet> {
    let rest = switch.without.as_ref()?;
    let range = &switch.word.range;
    let text = input.parse.text();
    // A word with quotes in it is left to its author.
    if text.get(range.clone()) != switch.word.literal.as_deref() {
        return None;
    }
    if !rest.is_empty() {
        return Some(EditSet::replace(range.clone(), rest.clone()));
    }
    let index = command.words.iter().position(|word| word == switch.word)?;
    let before = command.words.get(index.checked_sub(1)?)?.range.end;
    let is_blank = |range: TextRange| {
        text.get(range)
            .is_some_and(|text| text.chars().all(|c| matches!(c, ' ' | '\t')))
    };
    if is_blank(before..range.start) {
        return Some(EditSet::replace(before..range.end, ""));
    }
    let after = command.words.get(index + 1)?.range.start;
    is_blank(range.end..after).then(|| EditSet::replace(range.start..after, ""))
}
