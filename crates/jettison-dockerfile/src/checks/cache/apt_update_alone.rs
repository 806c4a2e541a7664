//! Package lists from one step, packages from another.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView};
use crate::checks::packages::{Action, Manager, package_command};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::shell::{Connector, ShellScript};
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("apt-update-alone"),
    summary: "Lists of packages are fetched in one step and used in another",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Reproducibility],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/apt-update-alone.md"),
    check: apt_update_alone,
};

fn apt_update_alone(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let steps: Vec<Step<'_>> = stage.run_scripts().filter_map(step).collect();
        for (index, step) in steps.iter().enumerate() {
            let Some(update) = step.update.clone().filter(|_| !step.installs) else {
                continue;
            };
            let later = steps[index + 1..].iter();
            let Some(install) = later.clone().find(|later| later.installs) else {
                continue;
            };
            if install.update.is_some() {
                continue;
            }
            let line = install.view.instruction.line;
            let message = format!(
                "line {line} installs from the lists of this step, which are as old as the cache"
            );
            let added = findings
                .add(update, message)
                .hint("update and install in one `RUN`");
            if let Some(edits) = joined(input, step, install) {
                added.propose(edits, "lists and packages are then always of the same day");
            }
        }
    }
}

/// A `RUN` that has to do with apt.
struct Step<'a> {
    view: InstructionView<'a>,
    script: &'a ShellScript,
    /// Where it fetches lists.
    update: Option<TextRange>,
    installs: bool,
}

fn step<'a>((view, script): (InstructionView<'a>, &'a ShellScript)) -> Option<Step<'a>> {
    let mut step = Step {
        view,
        script,
        update: None,
        installs: false,
    };
    for command in script.commands.iter().filter_map(package_command) {
        if command.manager != Manager::Apt {
            continue;
        }
        match command.action {
            Action::Update => {
                let end = command
                    .verb
                    .map_or(command.program.range.end, |verb| verb.range.end);
                step.update.get_or_insert(command.program.range.start..end);
            }
            Action::Install | Action::Upgrade => step.installs = true,
            Action::Clean | Action::Remove | Action::Other => {}
        }
    }
    (step.installs || step.update.is_some()).then_some(step)
}

/// Both scripts in one `RUN`, if nothing is between them and each is a chain of `&&`.
fn joined(input: &CheckInput<'_>, first: &Step<'_>, second: &Step<'_>) -> Option<EditSet> {
    let (one, other) = (first.view.instruction, second.view.instruction);
    let are_plain = first.view.index + 1 == second.view.index
        && [one, other]
            .iter()
            .all(|run| run.flags.is_empty() && run.heredocs.is_empty())
        && [first, second].iter().all(|step| is_chain(step.script));
    let between = one.arguments.end..other.arguments.start;
    let text = input.parse.text().get(between.clone())?;
    let is_keyword_alone = text.trim().eq_ignore_ascii_case("RUN");
    (are_plain && is_keyword_alone).then(|| EditSet::replace(between, " && "))
}

fn is_chain(script: &ShellScript) -> bool {
    let is_linked = |connector: Connector| matches!(connector, Connector::First | Connector::And);
    script.compounds.is_empty()
        && script.comments.is_empty()
        && script
            .commands
            .iter()
            .all(|command| is_linked(command.connector))
        && script
            .commands
            .last()
            .is_some_and(|last| last.separator_after.is_none())
}
