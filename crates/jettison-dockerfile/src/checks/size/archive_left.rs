//! An archive that is downloaded, unpacked and kept.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::{base_name, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::download::{fetched, unpacking};
use crate::checks::size::path::{Place, matches};
use crate::checks::size::run::{Run, deleted_words, shipping_runs};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("archive-left"),
    summary: "An archive stays in the image beside what was unpacked from it",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/archive-left.md"),
    check: archive_left,
};

fn archive_left(input: &CheckInput<'_>, findings: &mut Findings) {
    for run in shipping_runs(input) {
        let fetched = fetched(&run);
        if fetched.is_empty() {
            continue;
        }
        let gone = names_gone(&run);
        for command in run.commands() {
            let Some(archive) = unpacking(command).map(|unpacking| unpacking.archive) else {
                continue;
            };
            let Some(path) = run.paths(command, archive).into_iter().next() else {
                continue;
            };
            let is_fetched = fetched.iter().any(|file| {
                file.path == path && file.command.source_range.end <= command.source_range.start
            });
            let end = command.source_range.end;
            let name = base_name(&path);
            let is_gone = || {
                let mut later = gone.iter().filter(|(start, _)| *start >= end);
                run.empties(Place::At(&path), command) || later.any(|(_, gone)| matches(gone, name))
            };
            if is_fetched && !run.is_below_mount(&path) && !is_gone() {
                let name = value_or_text(archive);
                let found = findings
                    .add(
                        archive.range.clone(),
                        format!(
                            "the archive `{name}` stays in the image beside what is unpacked from it"
                        ),
                    )
                    .hint(format!("run `rm {}` in the same RUN", archive.text));
                if command.tool() != Some("unzip") {
                    found.hint("or do not store it: `curl -fsSL … | tar -x …`");
                }
            }
        }
    }
}

/// The names and patterns of what is deleted or moved, each with its place in the script. Where a relative path starts
/// is not always known: the name has to do.
fn names_gone<'a>(run: &Run<'a>) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    for command in run.commands() {
        let words = match command.tool() {
            Some("mv") => command.arguments().collect(),
            Some(_) | None => deleted_words(command),
        };
        let start = command.source_range.start;
        names.extend(
            words
                .into_iter()
                .map(|word| (start, base_name(value_or_text(word).trim_matches('"')))),
        );
    }
    names
}
