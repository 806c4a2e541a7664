//! `apk add` that leaves the index of packages.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::{Action, Manager};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::path::Place;
use crate::checks::size::run::{Packages, Run, shipping_runs};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::shell::Connector;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("apk-cache-left"),
    summary: "The package index that apk fetched stays in the image",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3019"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/apk-cache-left.md"),
    check: apk_cache_left,
};

const FETCHING: &[Action] = &[Action::Install, Action::Update, Action::Upgrade];

fn apk_cache_left(input: &CheckInput<'_>, findings: &mut Findings) {
    for run in shipping_runs(input) {
        let Some((_, first)) = index_left(&run) else {
            continue;
        };
        let Some(verb) = first.verb else {
            continue;
        };
        let (program, name) = (&first.program.text, &verb.text);
        let found = findings
            .add(
                verb.range.clone(),
                format!("the package index that `{program} {name}` fetches stays in the image"),
            )
            .hint("use `apk add --no-cache`, which needs no `apk update` before it");
        if let Some(edits) = without_index(input, &run) {
            found.propose(edits, "with `--no-cache` the index is never written");
        }
    }
}

/// The first command of a `RUN` that writes the index, if it stays in the layer.
pub(super) fn index_left<'a>(run: &Run<'a>) -> Option<Packages<'a>> {
    let places = [Place::At("/var/cache/apk"), Place::At("/etc/apk/cache")];
    if places.iter().any(|place| run.is_mounted(*place)) {
        return None;
    }
    let mut writing = run
        .packages_that(Manager::Apk, FETCHING)
        .filter(|(_, packages)| {
            let flags = [
                "--no-cache",
                "--cache-dir",
                "--root",
                "-p",
                "--simulate",
                "-s",
            ];
            !flags.iter().any(|flag| packages.has_flag(flag)) && !packages.has_unknown_flags()
        });
    let first = writing.next()?;
    let last = writing.last().map_or(first.0, |(command, _)| command);
    let cleans = run.after(last).any(|command| {
        command.tool() == Some("apk") && command.literals().any(|word| word == "cache")
    });
    (!cleans && !run.empties(places[0], last)).then_some(first)
}

/// Adds `--no-cache` to what installs, and takes out what only updates.
fn without_index(input: &CheckInput<'_>, run: &Run<'_>) -> Option<EditSet> {
    let mut edits = EditSet::new();
    let commands: Vec<Packages<'_>> = run.packages_that(Manager::Apk, FETCHING).collect();
    if commands
        .iter()
        .all(|(_, packages)| packages.action == Action::Update)
    {
        return None;
    }
    for (command, packages) in commands {
        if packages.has_flag("--no-cache") {
            continue;
        }
        let edit = if packages.action == Action::Update {
            let next = run
                .commands()
                .find(|next| next.source_range.start >= command.source_range.end)?;
            let is_alone = command.nesting.is_empty()
                && next.nesting.is_empty()
                && !command.negated
                && command.redirects.is_empty()
                && matches!(
                    command.connector,
                    Connector::First | Connector::And | Connector::Sequence
                )
                && matches!(next.connector, Connector::And | Connector::Sequence);
            let removed = input
                .parse
                .text()
                .get(command.range.start..next.range.start)?;
            // A comment between the two is the author's.
            if !is_alone || removed.contains('#') {
                return None;
            }
            Edit {
                range: command.range.start..next.range.start,
                replacement: String::new(),
            }
        } else {
            let end = packages.verb?.range.end;
            Edit {
                range: end..end,
                replacement: " --no-cache".to_owned(),
            }
        };
        edits.insert(edit).ok()?;
    }
    Some(edits)
}
