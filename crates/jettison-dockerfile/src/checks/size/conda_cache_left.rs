//! conda that leaves the packages that it downloaded.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::append::append;
use crate::checks::size::path::Place;
use crate::checks::size::run::{Run, shipping_runs};
use crate::diagnostic::Severity;
use crate::shell::{ShellWord, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("conda-cache-left"),
    summary: "Packages that conda or mamba downloaded stay in the image",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/conda-cache-left.md"),
    check: conda_cache_left,
};

/// conda's directory of packages, wherever conda is.
const PACKAGES: Place<'_> = Place::InHome("pkgs");

fn conda_cache_left(input: &CheckInput<'_>, findings: &mut Findings) {
    for run in shipping_runs(input) {
        let Some((command, verb)) = cache_left(&run) else {
            continue;
        };
        let Some(program) = command.unwrapped().first() else {
            continue;
        };
        let clean = format!("{} clean --all --yes", program.text);
        let name = command.tool().unwrap_or_default();
        let found = findings
            .add(
                verb.range.clone(),
                format!("the packages that `{name}` downloads stay in the image a second time"),
            )
            .hint(format!("run `{clean}` in the same RUN"));
        let edits = append(input, &run, &clean);
        // What may not have run need not be cleaned up after.
        if let Some(edits) = edits.filter(|_| command.nesting.is_empty()) {
            found.propose(
                edits,
                "a downloaded package is not needed once it is installed",
            );
        }
    }
}

/// The first command of a `RUN` that downloads packages, and its verb, if they stay in the layer.
fn cache_left<'a>(run: &Run<'a>) -> Option<(&'a SimpleCommand, &'a ShellWord)> {
    let names = ["CONDA_PKGS_DIRS", "CONDA_PKGS_DIR", "MAMBA_PKGS_DIRS"];
    let is_elsewhere = run
        .view
        .evaluated
        .before
        .names()
        .any(|name| names.contains(&name))
        || run
            .script
            .variables
            .iter()
            .any(|variable| names.contains(&variable.name.as_str()));
    if is_elsewhere || run.is_mounted(PACKAGES) {
        return None;
    }
    let mut installs = run
        .commands()
        .filter_map(|command| Some((command, install_verb(command)?)));
    let first = installs.next()?;
    let last = installs.last().map_or(first.0, |(command, _)| command);
    let cleans = run
        .after(last)
        .any(|command| is_conda(command) && command.literals().any(|word| word == "clean"));
    (!cleans && !run.empties(PACKAGES, last)).then_some(first)
}

fn is_conda(command: &SimpleCommand) -> bool {
    matches!(command.tool(), Some("conda" | "mamba" | "micromamba"))
}

/// The word of a command that tells conda to download packages.
fn install_verb(command: &SimpleCommand) -> Option<&ShellWord> {
    if !is_conda(command) || command.has_flag('d', "--dry-run") || command.has_flag('h', "--help") {
        return None;
    }
    let mut words = command.unwrapped().iter().skip(1);
    let is_verb = |word: &&ShellWord| !word.text.starts_with('-');
    let verb = words.find(is_verb)?;
    match verb.literal.as_deref()? {
        "install" | "create" | "update" | "upgrade" => Some(verb),
        "env" => {
            let verb = words.find(is_verb)?;
            matches!(verb.literal.as_deref()?, "create" | "update").then_some(verb)
        }
        _ => None,
    }
}
