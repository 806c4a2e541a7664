//! An archive that is downloaded, unpacked and kept.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::{base_name, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::download::{fetched, unpacking};
use crate::checks::size::path::{Place, matches};
use crate::checks::size::run::{Run, deleted_words, shipping_runs};
use crate::diagnostic::Severity;
use crate::shell::SimpleCommand;

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
            if is_fetched && !run.is_below_mount(&path) && !is_gone(&run, &path, command) {
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

/// Says whether the file is deleted, or moved, after a command.
fn is_gone(run: &Run<'_>, path: &str, command: &SimpleCommand) -> bool {
    let name = base_name(path);
    run.empties(Place::At(path), command)
        || run.after(command).any(|later| {
            // Where a relative path starts is not always known: the name has to do.
            let by_name = deleted_words(later)
                .iter()
                .any(|word| matches(base_name(value_or_text(word).trim_matches('"')), name));
            let is_moved = later.tool() == Some("mv")
                && later
                    .arguments()
                    .any(|word| matches(base_name(value_or_text(word)), name));
            by_name || is_moved
        })
}
