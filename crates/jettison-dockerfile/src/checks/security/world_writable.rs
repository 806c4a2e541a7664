//! Files that everybody may write.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::mode::{Mode, mode_given};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("world-writable"),
    summary: "Files are made writable for every user",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/world-writable.md"),
    check: world_writable,
};

const HINT: &str = "give the files to the user that writes them (`chown`, `COPY --chown`), or to a group with mode 775";

fn world_writable(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages().filter(StageView::ships) {
        for (_, script) in stage.run_scripts() {
            for given in script.commands.iter().filter_map(mode_given) {
                // Where a container's output goes is not in the image, and what is in /tmp is not meant to stay.
                let is_elsewhere = given.files.iter().any(|file| {
                    ["/dev/", "/proc/", "/tmp/", "/var/tmp/"]
                        .iter()
                        .any(|directory| file.text.starts_with(directory))
                });
                if is_open(given.mode) && !is_elsewhere {
                    report(given.text, given.word.range.clone(), findings);
                }
            }
        }
        for view in stage.instructions() {
            let (InstructionKind::Copy(copy) | InstructionKind::Add(copy)) = &view.instruction.kind
            else {
                continue;
            };
            let mode = copy.chmod.as_ref().and_then(|mode| view.known_value(mode));
            let flag = view
                .instruction
                .flags
                .iter()
                .find(|flag| flag.name == "chmod");
            if let (Some(mode), Some(flag)) = (mode, flag)
                && Mode::parse(&mode).is_some_and(is_open)
            {
                report(&mode, flag.range.clone(), findings);
            }
        }
    }
}

/// In a sticky directory such as `/tmp` nobody can touch the files of others.
fn is_open(mode: Mode) -> bool {
    mode.others_write && !mode.sticky
}

fn report(mode: &str, range: TextRange, findings: &mut Findings) {
    findings
        .add(range, format!("mode `{mode}` lets every user write"))
        .hint(HINT);
}
