//! `apt-get install` with packages that nobody asked for.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::{Action, Manager, PackageCommand, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::run::{Run, runs, shipping_stages};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{CopySource, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("recommended-packages"),
    summary: "apt-get install also installs packages that are only recommended",
    severity: Severity::Warning,
    categories: &[Category::Size, Category::Security],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3015"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/recommended-packages.md"),
    check: recommended_packages,
};

fn recommended_packages(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in shipping_stages(input) {
        let configured = first_configuration(&stage);
        for run in runs(&stage) {
            if configured.is_some_and(|first| first <= run.view.index) {
                continue;
            }
            for (_, install) in run.packages_that(Manager::Apt, &[Action::Install]) {
                if installs_recommended(&install) {
                    report(&install, findings);
                }
            }
        }
    }
}

fn report(install: &PackageCommand<'_>, findings: &mut Findings) {
    let (program, Some(verb)) = (&install.program.text, install.verb) else {
        return;
    };
    let (place, flag) = (verb.range.clone(), "--no-install-recommends");
    let edits = EditSet::replace(place.end..place.end, format!(" {flag}"));
    findings
        .add(
            place,
            format!("`{program} install` also installs what its packages only recommend"),
        )
        .hint(format!(
            "add `{flag}`, and name the recommended packages that the program needs"
        ))
        .propose(
            edits,
            "a recommended package is not needed for its package to work",
        );
}

fn installs_recommended(install: &PackageCommand<'_>) -> bool {
    let is_install = install
        .verb
        .is_some_and(|verb| verb.literal.as_deref() == Some("install"));
    let is_aptitude = install.program.text.ends_with("aptitude");
    let flags = [
        "--no-install-recommends",
        "--reinstall",
        "--download-only",
        "-d",
        "--simulate",
        "-s",
        "--dry-run",
        "--print-uris",
    ];
    let is_configured = install.rest.iter().any(|word| {
        value_or_text(word)
            .to_ascii_lowercase()
            .contains("install-recommends")
    });
    is_install
        && !is_aptitude
        && !is_configured
        && !flags.iter().any(|flag| install.has_flag(flag))
        && !install.has_unknown_flags()
        && !install.packages().is_empty()
}

/// Says whether a script turns recommended packages off for good, rather than for one command.
fn sets_option(run: &Run<'_>) -> bool {
    run.commands().any(|command| {
        let writes = !command.redirects.is_empty() || command.tool() == Some("tee");
        let is_apt = command.tool().is_some_and(|tool| tool.starts_with("apt"));
        let words = command.words.iter().map(|word| word.text.as_str());
        let bodies = command.redirects.iter().filter_map(|redirect| {
            run.script
                .source
                .get(redirect.body.as_ref()?.source_range.clone())
        });
        let mut texts = words.chain(bodies);
        (writes || !is_apt)
            && texts.any(|text| {
                let text = text.to_ascii_lowercase();
                text.contains("install-recommends") && !text.starts_with("--")
            })
    })
}

/// The first instruction of a stage and those below it that may tell apt not to install recommended packages.
fn first_configuration(stage: &StageView<'_>) -> Option<usize> {
    let chain = stage.chain();
    let scripts = chain
        .iter()
        .flat_map(runs)
        .filter(|run| run.mentions("install-recommends") && sets_option(run))
        .map(|run| run.view.index);
    let copies = chain
        .iter()
        .flat_map(StageView::instructions)
        .filter(|view| {
            let (InstructionKind::Copy(copy) | InstructionKind::Add(copy)) = &view.instruction.kind
            else {
                return false;
            };
            let is_apt = |path: &str| path.contains("apt.conf") || path.contains("etc/apt");
            let is_apt_source =
                |source: &CopySource| matches!(source, CopySource::Path(path) if is_apt(path));
            is_apt(&copy.destination) || copy.sources.iter().any(is_apt_source)
        });
    scripts.chain(copies.map(|view| view.index)).min()
}
