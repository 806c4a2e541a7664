//! `apt-get update` without deleting what it fetched.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::{Action, Manager};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::append::append;
use crate::checks::size::path::Place;
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
    for run in shipping_runs(input) {
        let installs = [Action::Install, Action::Upgrade];
        let Some((command, update)) = lists_left(&run) else {
            continue;
        };
        let is_used = run
            .after(command)
            .filter_map(crate::checks::packages::package_command)
            .any(|packages| {
                packages.manager == Manager::Apt && installs.contains(&packages.action)
            });
        // An update for a later instruction is another mistake.
        if !is_used {
            continue;
        }
        let sudo = if command.program() == Some("sudo") {
            "sudo "
        } else {
            ""
        };
        let delete = format!("{sudo}rm -rf /var/lib/apt/lists/*");
        let program = &update.program.text;
        let place = update.verb.unwrap_or(update.program).range.clone();
        let found = findings
            .add(
                place,
                format!("the package lists that `{program} update` fetches stay in the image"),
            )
            .hint("delete `/var/lib/apt/lists/*` in the same RUN");
        if let Some(edits) = append(input, &run, &delete) {
            found.propose(
                edits,
                "the lists are only needed while packages are installed",
            );
        }
    }
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
    let deletes_lists = run
        .after(last)
        .filter_map(crate::checks::packages::package_command)
        .any(|packages| {
            let verb = packages.verb.and_then(|verb| verb.literal.as_deref());
            packages.manager == Manager::Apt && matches!(verb, Some("dist-clean" | "distclean"))
        });
    let is_left = !is_elsewhere && !deletes_lists && !run.empties(LISTS, last);
    is_left.then_some((command, update))
}
