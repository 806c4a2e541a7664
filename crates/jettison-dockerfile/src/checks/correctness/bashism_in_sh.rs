//! A script for Bash that `dash` runs.

use crate::checks::correctness::base_shell::{ScriptShell, lacks_pipefail, script_shell};
use crate::checks::correctness::bash_syntax::bashisms;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("bashism-in-sh"),
    summary: "A script uses Bash, and the base's /bin/sh is dash",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/bashism-in-sh.md"),
    check: bashism_in_sh,
};

fn bashism_in_sh(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let is_old = stage
            .root_image()
            .is_some_and(|image| lacks_pipefail(&image));
        for (view, script) in stage.scripts() {
            let is_trigger = matches!(view.instruction.kind, InstructionKind::Onbuild(_));
            if is_trigger || script_shell(&stage, &view) != ScriptShell::Dash {
                continue;
            }
            for bashism in bashisms(script) {
                if bashism.is_in_new_dash && !is_old {
                    continue;
                }
                let message = format!(
                    "`{}` is of Bash; dash, the /bin/sh of this base, {}",
                    bashism.name, bashism.effect
                );
                findings
                    .add(bashism.range, message)
                    .hint(hint(&bashism.name));
            }
        }
    }
}

/// What to write instead, where POSIX has the same.
fn hint(name: &str) -> String {
    let posix = match name {
        "source" => "write `.` for `source`, with a path that has a slash, or",
        "==" => "write `=` for `==`, or",
        "&>" | "&>>" | ">&" => "write `> file 2>&1`, or",
        "echo -e" | "echo -en" | "echo -ne" => "use `printf`, or",
        "function" => "write `name() { …; }`, or",
        _ => "",
    };
    format!("{posix} put `SHELL [\"/bin/bash\", \"-c\"]` before it")
        .trim_start()
        .to_owned()
}
