//! All packages are brought up to date.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::{Action, Manager, package_command};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("package-upgrade"),
    summary: "All packages are brought up to the state of the day",
    severity: Severity::Warning,
    categories: &[Category::Reproducibility, Category::Size],
    applicability: None,
    aliases: &["DL3005", "DL3017", "DL3031", "DL3035", "DL3039"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/package-upgrade.md"),
    check: package_upgrade,
};

fn package_upgrade(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in stage.run_scripts() {
            for command in script.commands.iter().filter_map(package_command) {
                let is_of_system = match command.manager {
                    Manager::Apt | Manager::Apk | Manager::Rpm | Manager::Zypper => true,
                    Manager::Pip | Manager::Npm | Manager::Yarn | Manager::Pnpm => false,
                };
                if !is_of_system
                    || command.action != Action::Upgrade
                    || !command.packages().is_empty()
                {
                    continue;
                }
                let Some(verb) = command.verb else {
                    continue;
                };
                let message = format!(
                    "`{} {}` gives another image every day",
                    command.program.text, verb.text
                );
                findings.add(verb.range.clone(), message).hint(
                    "build on a newer base image, or name the packages that cannot wait for one",
                );
            }
        }
    }
}
