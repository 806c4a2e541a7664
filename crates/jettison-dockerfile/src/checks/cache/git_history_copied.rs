//! `COPY .` of a context from which `.git` is not left out.

use crate::checks::cache::context::{copy_of, whole_context};
use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::CopyInstruction;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("git-history-copied"),
    summary: "The repository's history is copied into the image",
    severity: Severity::Warning,
    categories: &[Category::Security, Category::Size, Category::BuildTime],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/git-history-copied.md"),
    check: git_history_copied,
};

fn git_history_copied(input: &CheckInput<'_>, findings: &mut Findings) {
    let is_left_out = match input.ignore {
        Some(ignore) => ["", "/HEAD", "/objects"]
            .iter()
            .any(|below| ignore.is_ignored(&format!(".git{below}"))),
        // Nothing is known of the context.
        None => !input.is_without_ignore_file,
    };
    if is_left_out {
        return;
    }
    for stage in input.stages().filter(StageView::ships) {
        for view in stage.instructions() {
            let Some(source) = copy_of(&view.instruction.kind).and_then(history) else {
                continue;
            };
            let keyword = view.instruction.keyword;
            findings
                .add(
                    view.place_of(source),
                    format!("`{keyword} {source}` takes `.git` along"),
                )
                .hint("write `.git` into `.dockerignore`");
        }
    }
}

/// The source that is the whole context with `.git` in it.
fn history(copy: &CopyInstruction) -> Option<&str> {
    let excludes = copy.exclude.iter().any(|pattern| pattern.contains(".git"));
    whole_context(copy).filter(|_| !excludes)
}
