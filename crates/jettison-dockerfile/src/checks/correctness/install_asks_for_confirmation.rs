//! A package manager that asks whether to go on.

use crate::checks::correctness::scripts::{bare_variable, has_input, is_mentioned, run_scripts};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::{Action, Manager, PackageCommand, base_name, package_command};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("install-asks-for-confirmation"),
    summary: "A package manager asks whether to go on, and nobody answers",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3014", "DL3030", "DL3034", "DL3038"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/install-asks-for-confirmation.md"),
    check: install_asks_for_confirmation,
};

fn install_asks_for_confirmation(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (view, script) in run_scripts(&stage) {
            // Configuration that answers for all commands to come.
            let is_configured = || {
                is_mentioned(&stage, view.index + 1, &|text| {
                    ["assume-yes", "assumeyes", "apt.conf"]
                        .iter()
                        .any(|setting| text.contains(setting))
                })
            };
            for command in &script.commands {
                let Some(package) = package_command(command) else {
                    continue;
                };
                if !asks(&package) || has_input(command) || is_configured() {
                    continue;
                }
                let Some(verb) = package.verb else { continue };
                let message = format!(
                    "`{} {}` asks whether to go on, and nobody answers",
                    base_name(&package.program.text),
                    verb.text
                );
                let after_verb = verb.range.end..verb.range.end;
                findings
                    .add(verb.range.clone(), message)
                    .propose(EditSet::replace(after_verb, " -y"), "`-y` answers yes");
            }
        }
    }
}

/// Says whether a command waits for an answer.
fn asks(package: &PackageCommand<'_>) -> bool {
    let changes = match package.action {
        Action::Install | Action::Upgrade | Action::Remove => true,
        Action::Update | Action::Clean | Action::Other => false,
    };
    let answers: &[&str] = match package.manager {
        Manager::Apt => &[
            "-y",
            "--yes",
            "--assume-yes",
            "--assume-no",
            "-s",
            "--simulate",
            "--dry-run",
            "--just-print",
            "--no-act",
            "--recon",
            "--print-uris",
        ],
        // The small ones ask for nothing.
        Manager::Rpm if !is_small(package) => &["-y", "--assumeyes", "--assumeno"],
        Manager::Zypper => &[
            "-y",
            "--no-confirm",
            "-n",
            "--non-interactive",
            "-D",
            "--dry-run",
        ],
        Manager::Pip if package.action == Action::Remove => &["-y", "--yes"],
        Manager::Rpm
        | Manager::Pip
        | Manager::Apk
        | Manager::Npm
        | Manager::Yarn
        | Manager::Pnpm => return false,
    };
    changes
        && !is_quiet(package)
        && !answers.iter().any(|answer| package.has_flag(answer))
        && !has_unknown_flags(package)
}

fn is_small(package: &PackageCommand<'_>) -> bool {
    base_name(package.program.literal.as_deref().unwrap_or_default()) == "microdnf"
}

/// `apt-get -qq` does not ask.
fn is_quiet(package: &PackageCommand<'_>) -> bool {
    let literals = package
        .rest
        .iter()
        .filter_map(|word| word.literal.as_deref());
    let n_quiet: usize = literals
        .map(|word| match word {
            "--quiet=2" | "-q=2" => 2,
            "--quiet" => 1,
            _ if word.starts_with('-') && !word.starts_with("--") => word.matches('q').count(),
            _ => 0,
        })
        .sum();
    package.manager == Manager::Apt && n_quiet >= 2
}

/// Says whether a variable may stand for flags: those whose names speak of packages do not.
fn has_unknown_flags(package: &PackageCommand<'_>) -> bool {
    package.rest.iter().any(|word| {
        let is_all = word.text.starts_with("\"$") && word.text.contains('@');
        let name = bare_variable(word).map(str::to_lowercase);
        let is_packages = |name: &String| {
            ["pack", "pkg", "dep", "lib", "tool", "plugin"]
                .iter()
                .any(|part| name.contains(part))
        };
        is_all || name.is_some_and(|name| !is_packages(&name))
    })
}
