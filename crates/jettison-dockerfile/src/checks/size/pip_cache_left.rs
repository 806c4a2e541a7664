//! `pip install` that leaves what it downloaded.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::{Action, Manager, PackageCommand};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::path::Place;
use crate::checks::size::run::{Packages, Run, runs, shipping_stages};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::instruction::InstructionKind;
use crate::shell::SimpleCommand;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("pip-cache-left"),
    summary: "Packages that pip downloaded stay in the image",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3042"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/pip-cache-left.md"),
    check: pip_cache_left,
};

const CACHE: Place<'_> = Place::InHome(".cache/pip");

fn pip_cache_left(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in shipping_stages(input) {
        let configured = first_configuration(&stage);
        for run in runs(&stage) {
            if configured.is_some_and(|first| first <= run.view.index) {
                continue;
            }
            let left = cache_left(&run);
            let Some(verb) = left.first().and_then(|(_, install)| install.verb) else {
                continue;
            };
            let mut edits = EditSet::new();
            for (_, install) in &left {
                if let Some(end) = install.verb.map(|verb| verb.range.end) {
                    let replacement = " --no-cache-dir".to_owned();
                    let _ = edits.insert(Edit {
                        range: end..end,
                        replacement,
                    });
                }
            }
            findings
                .add(
                    verb.range.clone(),
                    "the packages that `pip install` downloads stay in the image a second time",
                )
                .hint("add `--no-cache-dir`, or mount a cache at `/root/.cache/pip`")
                .propose(
                    edits,
                    "what pip downloaded is not needed once it is installed",
                );
        }
    }
}

/// The commands of a `RUN` that download packages which stay in the layer.
pub(super) fn cache_left<'a>(run: &Run<'a>) -> Vec<Packages<'a>> {
    let env = &run.view.evaluated.before;
    let is_off = ["PIP_NO_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME"]
        .iter()
        .any(|name| env.lookup(name).is_some_and(|value| !value.is_empty()));
    let is_off = is_off
        || run.script.variables.iter().any(|variable| {
            ["PIP_NO_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME"]
                .contains(&variable.name.as_str())
        });
    if is_off || run.is_mounted(CACHE) || configures(run) {
        return Vec::new();
    }
    run.packages_that(Manager::Pip, &[Action::Install])
        .filter(|(command, install)| keeps(run, command, install))
        .collect()
}

fn keeps(run: &Run<'_>, command: &SimpleCommand, install: &PackageCommand<'_>) -> bool {
    // pip takes the start of a flag for the flag.
    let flags = [
        "--no-cache-dir",
        "--no-cache",
        "--cache-dir",
        "--dry-run",
        "--help",
        "-h",
    ];
    let names_something = !install.packages().is_empty()
        || install.has_flag("-r")
        || install.has_flag("--requirement");
    names_something
        && !flags.iter().any(|flag| install.has_flag(flag))
        && !install.has_unknown_flags()
        && !run.cleans(Manager::Pip, command)
        && !run.empties(CACHE, command)
}

/// Says whether a script tells pip for good to keep nothing, or changes where.
fn configures(run: &Run<'_>) -> bool {
    run.mentions("no-cache-dir")
        && run.commands().any(|command| {
            let is_config = command.literals().any(|word| word == "config");
            (is_config
                || command
                    .tool()
                    .is_none_or(|tool| !tool.starts_with("pip") && !tool.starts_with("python")))
                && command
                    .words
                    .iter()
                    .any(|word| word.text.contains("no-cache-dir"))
        })
}

/// The first instruction of a stage and those below it that may configure pip.
fn first_configuration(stage: &StageView<'_>) -> Option<usize> {
    let chain = stage.chain();
    let scripts = chain
        .iter()
        .flat_map(runs)
        .filter(configures)
        .map(|run| run.view.index);
    let files = chain
        .iter()
        .flat_map(StageView::instructions)
        .filter(|view| {
            let text = view.instruction.original();
            match &view.instruction.kind {
                InstructionKind::Copy(_) | InstructionKind::Add(_) => text.contains("pip.conf"),
                InstructionKind::Env(_) => text.contains("PIP_CONFIG_FILE"),
                InstructionKind::From(_)
                | InstructionKind::Run(_)
                | InstructionKind::Cmd(_)
                | InstructionKind::Entrypoint(_)
                | InstructionKind::Label(_)
                | InstructionKind::Arg(_)
                | InstructionKind::Expose(_)
                | InstructionKind::Volume(_)
                | InstructionKind::User(_)
                | InstructionKind::Workdir(_)
                | InstructionKind::Shell(_)
                | InstructionKind::Stopsignal(_)
                | InstructionKind::Healthcheck(_)
                | InstructionKind::Onbuild(_)
                | InstructionKind::Maintainer(_)
                | InstructionKind::Unknown
                | InstructionKind::Invalid => false,
            }
        });
    scripts.chain(files.map(|view| view.index)).min()
}
