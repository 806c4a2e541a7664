//! A script on a base that has no shell.

use crate::checks::correctness::program_named_twice::twice;
use crate::checks::correctness::scratch::{is_base, surely_adds_none};
use crate::checks::correctness::shell_on_scratch::starts_shell;
use crate::checks::distroless::Distroless;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("shell-on-distroless"),
    summary: "A stage on a distroless image runs a script, and has no shell",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/shell-on-distroless.md"),
    check: shell_on_distroless,
};

fn shell_on_distroless(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let Some(reference) = stage.root_reference() else {
            continue;
        };
        let Some(image) = Distroless::of(reference).filter(|image| !image.has_more) else {
            continue;
        };
        let named_twice = twice(input, &stage).map(|twice| twice.cmd.view.index);
        for view in stage
            .instructions()
            .filter(|view| starts_shell(&stage, view) && Some(view.index) != named_twice)
        {
            let is_run = matches!(view.instruction.kind, InstructionKind::Run(_));
            if !is_run && is_base(input, &stage) {
                continue;
            }
            let named = view.named_shell();
            let shell = named.as_deref().unwrap_or("/bin/sh");
            let is_absent = shell.starts_with('/') && !shell.starts_with("/busybox/");
            if !is_absent || !surely_adds_none(&stage, shell) {
                continue;
            }
            let keyword = view.instruction.keyword;
            let message = format!("{keyword} needs `{shell}`, and {reference} has none");
            let added = findings
                .add(view.instruction.arguments.clone(), message)
                .hint(if is_run {
                    "run it in an earlier stage and copy the result"
                } else {
                    "write the program and its arguments as a JSON array"
                });
            if image.is_debug {
                added.hint("busybox is the shell of this image: `SHELL [\"/busybox/sh\", \"-c\"]`");
            }
        }
    }
}
