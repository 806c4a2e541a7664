//! Another shell put at `/bin/sh`.

use crate::checks::correctness::scripts::run_scripts;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("shell-replaced-by-link"),
    summary: "A link puts another shell at /bin/sh",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &["DL4005"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/shell-replaced-by-link.md"),
    check: shell_replaced_by_link,
};

fn shell_replaced_by_link(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in run_scripts(&stage) {
            for command in &script.commands {
                let mut words = command
                    .unwrapped()
                    .iter()
                    .map(|word| word.literal.as_deref());
                if words.next().flatten().map(base_name) != Some("ln") {
                    continue;
                }
                let paths: Vec<&str> = words
                    .flatten()
                    .filter(|word| !word.starts_with('-'))
                    .collect();
                let [shell, "/bin/sh" | "/usr/bin/sh"] = paths.as_slice() else {
                    continue;
                };
                let name = base_name(shell);
                if !matches!(name, "bash" | "zsh" | "ksh") {
                    continue;
                }
                findings
                    .add(
                        command.range.clone(),
                        format!("every program that asks for `/bin/sh` gets `{name}` from here on"),
                    )
                    .hint(format!(
                        "use `SHELL [\"/bin/{name}\", \"-c\"]` for the instructions that need it"
                    ));
            }
        }
    }
}
