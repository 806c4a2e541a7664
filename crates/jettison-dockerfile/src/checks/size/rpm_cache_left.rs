//! dnf, yum and zypper that leave what they fetched.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::{Action, Manager};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::append::append;
use crate::checks::size::path::Place;
use crate::checks::size::run::{Packages, Run, shipping_runs};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("rpm-cache-left"),
    summary: "Metadata and packages that dnf, yum or zypper fetched stay in the image",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3032", "DL3036", "DL3040"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/rpm-cache-left.md"),
    check: rpm_cache_left,
};

fn rpm_cache_left(input: &CheckInput<'_>, findings: &mut Findings) {
    for run in shipping_runs(input) {
        for manager in [Manager::Rpm, Manager::Zypper] {
            let Some((command, first)) = cache_left(&run, manager) else {
                continue;
            };
            let Some(verb) = first.verb else {
                continue;
            };
            let program = &first.program.text;
            let clean = match manager {
                Manager::Zypper => "clean --all",
                _ => "clean all",
            };
            let found = findings
                .add(
                    verb.range.clone(),
                    format!("what `{program}` fetches stays in the image"),
                )
                .hint(format!("run `{program} {clean}` in the same RUN"));
            let sudo = if command.program() == Some("sudo") {
                "sudo "
            } else {
                ""
            };
            let edits = append(input, &run, &format!("{sudo}{program} {clean}"));
            // What may not have run need not be cleaned up after.
            if let Some(edits) = edits.filter(|_| command.nesting.is_empty()) {
                found.propose(
                    edits,
                    "metadata and packages are only needed while packages are installed",
                );
            }
        }
    }
}

/// Where a manager keeps what it fetches.
pub(super) fn caches(manager: Manager) -> &'static [Place<'static>] {
    match manager {
        Manager::Rpm => &[
            Place::At("/var/cache/dnf"),
            Place::At("/var/cache/yum"),
            Place::At("/var/cache/libdnf5"),
            Place::At("/var/cache/tdnf"),
        ],
        Manager::Zypper => &[Place::At("/var/cache/zypp")],
        Manager::Apt
        | Manager::Apk
        | Manager::Pip
        | Manager::Npm
        | Manager::Yarn
        | Manager::Pnpm => &[],
    }
}

/// The first command of a `RUN` that fetches something, if it stays in the layer.
pub(super) fn cache_left<'a>(run: &Run<'a>, manager: Manager) -> Option<Packages<'a>> {
    let places = caches(manager);
    if places.iter().any(|place| run.is_mounted(*place)) {
        return None;
    }
    let mut fetching = run
        .packages_that(manager, &[Action::Install, Action::Update, Action::Upgrade])
        .filter(|(_, packages)| {
            let flags = [
                "--installroot",
                "--root",
                "-R",
                "--cacheonly",
                "--downloadonly",
            ];
            !flags.iter().any(|flag| packages.has_flag(flag))
        });
    let first = fetching.next()?;
    let last = fetching.last().map_or(first.0, |(command, _)| command);
    let is_left =
        !run.cleans(manager, last) && !places.iter().any(|place| run.empties(*place, last));
    is_left.then_some(first)
}
