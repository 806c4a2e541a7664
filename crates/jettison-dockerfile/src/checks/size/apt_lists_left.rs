//! `apt-get update` without deleting what it fetched.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::{Action, Manager, package_command};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::append::append;
use crate::checks::size::path::Place;
use crate::checks::size::purpose::is_script;
use crate::checks::size::run::{Packages, Run, shipping_runs};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("apt-lists-left"),
    summary: "Package lists that apt-get update fetched stay in the image",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3009"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/apt-lists-left.md"),
    check: apt_lists_left,
};

/// Where apt keeps the lists.
pub(super) const LISTS: Place<'_> = Place::At("/var/lib/apt/lists");

fn apt_lists_left(input: &CheckInput<'_>, findings: &mut Findings) {
    let all: Vec<Run<'_>> = shipping_runs(input).collect();
    let last_use = all
        .iter()
        .rfind(|run| installs_from_earlier_lists(run))
        .map(|run| run.view.index);
    for run in &all {
        let Some((command, update)) = lists_left(run) else {
            continue;
        };
        // An update for a later instruction is another mistake.
        if !installs(run, command.source_range.end) {
            continue;
        }
        let program = &update.program.text;
        let place = update.verb.unwrap_or(update.program).range.clone();
        let found = findings.add(
            place,
            format!("the package lists that `{program} update` fetches stay in the image"),
        );
        let is_needed_later = last_use.is_some_and(|last| last > run.view.index);
        if is_needed_later {
            found.hint(
                "install all packages in one RUN, and delete `/var/lib/apt/lists/*` at its end",
            );
            continue;
        }
        let found = found.hint("delete `/var/lib/apt/lists/*` in the same RUN");
        let sudo = if command.program() == Some("sudo") {
            "sudo "
        } else {
            ""
        };
        let delete = format!("{sudo}rm -rf /var/lib/apt/lists/*");
        if let Some(edits) = append(input, run, &delete) {
            found.propose(
                edits,
                "the lists are only needed while packages are installed",
            );
        }
    }
}

/// Says whether apt installs packages after a place in the script.
fn installs(run: &Run<'_>, start: usize) -> bool {
    run.packages_that(Manager::Apt, &[Action::Install, Action::Upgrade])
        .any(|(command, install)| {
            let names_something =
                install.action == Action::Upgrade || !install.packages().is_empty();
            command.source_range.start >= start && names_something
        })
}

/// Says whether apt installs packages before it, or a script that is not known, fetches lists: it uses those of an
/// earlier instruction.
fn installs_from_earlier_lists(run: &Run<'_>) -> bool {
    for command in run.commands() {
        let tool = command.tool().unwrap_or_default();
        if matches!(tool, "bash" | "sh" | "add-apt-repository") || is_script(tool) {
            return false;
        }
        let packages = package_command(command).filter(|packages| packages.manager == Manager::Apt);
        match packages.map(|packages| packages.action) {
            Some(Action::Install | Action::Upgrade) => return true,
            Some(Action::Update) => return false,
            Some(Action::Clean | Action::Remove | Action::Other) | None => {}
        }
    }
    false
}

/// The first command of a `RUN` that fetches the lists, if they stay in the layer.
pub(super) fn lists_left<'a>(run: &Run<'a>) -> Option<Packages<'a>> {
    if run.is_mounted(LISTS) {
        return None;
    }
    let mut updates = run.packages_that(Manager::Apt, &[Action::Update]);
    let (command, update) = updates.next()?;
    let is_elsewhere = update
        .rest
        .iter()
        .any(|word| word.text.contains("Dir::State"));
    let last = updates.last().map_or(command, |(command, _)| command);
    let deletes_lists = run.after(last).filter_map(package_command).any(|packages| {
        let verb = packages.verb.and_then(|verb| verb.literal.as_deref());
        packages.manager == Manager::Apt && matches!(verb, Some("dist-clean" | "distclean"))
    });
    let is_left = !is_elsewhere && !deletes_lists && !run.empties(LISTS, last);
    is_left.then_some((command, update))
}
