//! npm and yarn that leave what they downloaded.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::{Action, Manager, PackageCommand, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::append::append;
use crate::checks::size::path::Place;
use crate::checks::size::run::{Packages, Run, runs, shipping_stages};
use crate::diagnostic::Severity;
use crate::instruction::{CopySource, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("npm-cache-left"),
    summary: "Packages that npm or yarn downloaded stay in the image",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3060"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/npm-cache-left.md"),
    check: npm_cache_left,
};

fn npm_cache_left(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in shipping_stages(input) {
        let set = first_cache_setting(&stage);
        let new_yarn = first_new_yarn(&stage);
        for run in runs(&stage) {
            let is_after =
                |first: Option<usize>| first.is_some_and(|first| first <= run.view.index);
            for manager in [Manager::Npm, Manager::Yarn] {
                let Some((command, first)) = cache_left(&run, manager) else {
                    continue;
                };
                let is_doubtful =
                    manager == Manager::Yarn && (is_after(new_yarn) || !is_yarn_1(&run));
                if is_after(set) || is_doubtful {
                    continue;
                }
                let (name, clean) = match manager {
                    Manager::Yarn => ("yarn", "yarn cache clean"),
                    _ => ("npm", "npm cache clean --force"),
                };
                let place = first.verb.unwrap_or(first.program).range.clone();
                let found = findings
                    .add(
                        place,
                        format!(
                            "the packages that `{name}` downloads stay in the image a second time"
                        ),
                    )
                    .hint(format!(
                        "run `{clean}` in the same RUN, or mount a cache over its directory"
                    ));
                let sudo = if command.program() == Some("sudo") {
                    "sudo "
                } else {
                    ""
                };
                let edits = append(input, &run, &format!("{sudo}{clean}"));
                // What may not have run need not be cleaned up after.
                if let Some(edits) = edits.filter(|_| command.nesting.is_empty()) {
                    found.propose(
                        edits,
                        "what was downloaded is not needed once it is installed",
                    );
                }
            }
        }
    }
}

fn caches(manager: Manager) -> &'static [Place<'static>] {
    match manager {
        Manager::Npm => &[Place::InHome(".npm")],
        Manager::Yarn => &[Place::InHome(".cache/yarn")],
        // pnpm's files are links to those in its store: the store costs next to nothing.
        Manager::Apt
        | Manager::Apk
        | Manager::Rpm
        | Manager::Zypper
        | Manager::Pip
        | Manager::Pnpm => &[],
    }
}

/// The first command of a `RUN` that downloads packages, if they stay in the layer.
pub(super) fn cache_left<'a>(run: &Run<'a>, manager: Manager) -> Option<Packages<'a>> {
    let places = caches(manager);
    let variables = ["npm_config_cache", "yarn_cache_folder", "xdg_cache_home"];
    let is_variable = |name: &str| variables.contains(&name.to_ascii_lowercase().as_str());
    let is_elsewhere = run.view.evaluated.before.names().any(is_variable)
        || run
            .script
            .variables
            .iter()
            .any(|variable| is_variable(&variable.name));
    if is_elsewhere || places.iter().any(|place| run.is_mounted(*place)) {
        return None;
    }
    let mut installs = run
        .packages_that(manager, &[Action::Install])
        .filter(|(_, install)| {
            let flags = [
                "--cache",
                "--cache-folder",
                "--offline",
                "--dry-run",
                "--help",
                "-h",
                "--version",
            ];
            !flags.iter().any(|flag| install.has_flag(flag))
        });
    let first = installs.next()?;
    let last = installs.last().map_or(first.0, |(command, _)| command);
    let is_left =
        !run.cleans(manager, last) && !places.iter().any(|place| run.empties(*place, last));
    is_left.then_some(first)
}

/// The first instruction of a stage and those below it that tells npm or yarn where to keep its cache.
fn first_cache_setting(stage: &StageView<'_>) -> Option<usize> {
    let sets = |run: &Run<'_>| {
        run.packages().any(|(_, packages)| {
            let words: Vec<&str> = [packages.group, packages.verb]
                .into_iter()
                .flatten()
                .chain(packages.rest.iter().copied())
                .map(value_or_text)
                .collect();
            matches!(packages.manager, Manager::Npm | Manager::Yarn)
                && words.contains(&"set")
                && words
                    .iter()
                    .any(|word| word.to_ascii_lowercase().starts_with("cache"))
        })
    };
    let chain = stage.chain();
    let runs = chain.iter().flat_map(runs).filter(sets);
    runs.map(|run| run.view.index).min()
}

/// Says whether yarn is version 1 by the flags that it is given: later versions keep a project's packages in their
/// cache and read them there when the program runs.
fn is_yarn_1(run: &Run<'_>) -> bool {
    let old = [
        "--frozen-lockfile",
        "--pure-lockfile",
        "--production",
        "--prod",
        "--ignore-engines",
        "--non-interactive",
        "--ignore-optional",
        "--network-timeout",
        "--no-lockfile",
    ];
    let new = ["--immutable", "--immutable-cache", "--inline-builds"];
    let has = |install: &PackageCommand<'_>, flags: &[&str]| {
        flags.iter().any(|flag| install.has_flag(flag))
    };
    let mut installs = run.packages_that(Manager::Yarn, &[Action::Install]);
    installs.any(|(_, install)| {
        let is_global = install
            .group
            .is_some_and(|group| value_or_text(group) == "global");
        is_global || has(&install, &old) && !has(&install, &new)
    })
}

/// The first instruction of a stage and those below it that may bring a later version of yarn along.
fn first_new_yarn(stage: &StageView<'_>) -> Option<usize> {
    let signs = ["corepack", "yarn set version", "berry"];
    let chain = stage.chain();
    let scripts = chain
        .iter()
        .flat_map(runs)
        .filter(|run| signs.iter().any(|sign| run.mentions(sign)))
        .map(|run| run.view.index);
    let copies = chain.iter().flat_map(StageView::instructions).filter(|view| {
        let (InstructionKind::Copy(copy) | InstructionKind::Add(copy)) = &view.instruction.kind
        else {
            return false;
        };
        let is_yarn = |source: &CopySource| matches!(source, CopySource::Path(path) if path.contains(".yarn"));
        copy.sources.iter().any(is_yarn)
    });
    scripts.chain(copies.map(|view| view.index)).min()
}
