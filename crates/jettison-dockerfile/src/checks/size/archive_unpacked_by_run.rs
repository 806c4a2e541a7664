//! An archive that `COPY` brings and a `RUN` unpacks.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::copied::copied;
use crate::checks::size::download::unpacking;
use crate::checks::size::run::{runs, shipping_stages};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("archive-unpacked-by-run"),
    summary: "An archive is copied in one layer and unpacked in another",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: None,
    aliases: &["DL3010"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/archive-unpacked-by-run.md"),
    check: archive_unpacked_by_run,
};

/// Names of archives that `ADD` unpacks.
const ARCHIVES: [&str; 10] = [
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst",
];

fn archive_unpacked_by_run(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in shipping_stages(input) {
        for (copy, path) in archives(&stage) {
            let is_unpacked = runs(&stage)
                .into_iter()
                .filter(|run| run.view.index > copy.index)
                .any(|run| {
                    run.commands().any(|command| {
                        unpacking(command).is_some_and(|unpacking| {
                            !unpacking.is_partial
                                && run.paths(command, unpacking.archive).contains(&path)
                        })
                    })
                });
            if is_unpacked {
                let name = base_name(&path);
                findings
                    .add(
                        copy.instruction.keyword_range.clone(),
                        format!("`{name}` is in one layer, and what a RUN unpacks from it in another"),
                    )
                    .hint(format!("`ADD` with the directory as destination unpacks `{name}` and does not keep it"));
            }
        }
    }
}

/// The archives that a stage copies out of the build context, and where to.
fn archives<'a>(stage: &StageView<'a>) -> Vec<(InstructionView<'a>, String)> {
    let mut archives = Vec::new();
    for view in stage.instructions() {
        let InstructionKind::Copy(copy) = &view.instruction.kind else {
            continue;
        };
        if copy.from.is_some() {
            continue;
        }
        let paths = copied(&view, copy).into_iter();
        let is_archive = |path: &String| ARCHIVES.iter().any(|end| path.ends_with(end));
        archives.extend(paths.filter(is_archive).map(|path| (view, path)));
    }
    archives
}
