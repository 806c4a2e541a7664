//! `apt` is for people, `apt-get` for scripts.

use crate::checks::correctness::scripts::run_scripts;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::package_command;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("apt-instead-of-apt-get"),
    summary: "A script calls apt, whose words and behaviour may change",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3027"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/apt-instead-of-apt-get.md"),
    check: apt_instead_of_apt_get,
};

/// Verbs that mean the same to both.
const SHARED: [&str; 11] = [
    "autoclean",
    "autoremove",
    "build-dep",
    "clean",
    "dist-upgrade",
    "download",
    "install",
    "purge",
    "remove",
    "source",
    "update",
];

/// Verbs of `apt` alone, and what scripts use for them.
const OTHERS: [(&str, &str); 6] = [
    ("full-upgrade", "`apt-get dist-upgrade`"),
    ("list", "`dpkg-query --list` or `apt-cache pkgnames`"),
    ("policy", "`apt-cache policy`"),
    ("search", "`apt-cache search`"),
    ("show", "`apt-cache show`"),
    ("upgrade", "`apt-get upgrade --with-new-pkgs`"),
];

fn apt_instead_of_apt_get(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in run_scripts(&stage) {
            for command in &script.commands {
                let Some(package) = package_command(command) else {
                    continue;
                };
                let verb = package.verb.and_then(|verb| verb.literal.as_deref());
                let (true, Some(verb)) = (package.program.text == "apt", verb) else {
                    continue;
                };
                let is_shared = SHARED.contains(&verb);
                let other = OTHERS.iter().find(|(name, _)| *name == verb);
                if !is_shared && other.is_none() {
                    continue;
                }
                let range = package.program.range.clone();
                let message = format!("`apt {verb}` promises scripts nothing: apt is for people");
                let added = findings.add(range.clone(), message);
                if let Some((_, instead)) = other {
                    added.hint(format!("use {instead}"));
                } else {
                    added.propose(
                        EditSet::replace(range, "apt-get"),
                        "`apt-get` does the same and keeps its interface",
                    );
                }
            }
        }
    }
}
