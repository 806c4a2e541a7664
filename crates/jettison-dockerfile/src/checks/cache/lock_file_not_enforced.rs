//! A lock file is there, and the installer may install something else.

use crate::checks::cache::context::brings_file;
use crate::checks::cache::install::{Installer, ProjectInstall, project_install};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("lock-file-not-enforced"),
    summary: "A lock file is copied, and the command that installs may ignore it",
    severity: Severity::Warning,
    categories: &[Category::Reproducibility],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/lock-file-not-enforced.md"),
    check: lock_file_not_enforced,
};

fn lock_file_not_enforced(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (view, script) in stage.run_scripts() {
            for command in &script.commands {
                let Some(install) = project_install(command) else {
                    continue;
                };
                let Some(enforcement) = enforcement(&install, &view) else {
                    continue;
                };
                let is_there =
                    stage
                        .chain()
                        .iter()
                        .flat_map(StageView::instructions)
                        .any(|other| {
                            other.index <= view.index && brings_file(&other, enforcement.lock)
                        });
                let sets_it = stage
                    .chain()
                    .iter()
                    .flat_map(StageView::instructions)
                    .any(|other| {
                        other.index <= view.index
                            && enforcement
                                .settings
                                .iter()
                                .any(|setting| other.instruction.logical_line.contains(setting))
                    });
                if is_there && !sets_it {
                    report(input, &install, &enforcement, findings);
                }
            }
        }
    }
}

/// How an installer is made to install what its lock file says, and nothing else.
struct Enforcement {
    lock: &'static str,
    /// Flags with which it does so already, or with which somebody decided otherwise.
    flags: &'static [&'static str],
    /// What does the same from somewhere else in the stage.
    settings: &'static [&'static str],
    hint: &'static str,
    change: Change,
}

#[derive(Clone, Copy)]
enum Change {
    /// The verb becomes another one.
    Verb(&'static str),
    /// A flag comes after the verb.
    Flag(&'static str),
    /// Which one is right depends on a version that the text does not tell.
    Unknown,
}

const NPM: Enforcement = Enforcement {
    lock: "package-lock.json",
    flags: &["--no-package-lock", "--package-lock", "--no-save"],
    settings: &[],
    hint: "use `npm ci`, which fails if the lock file does not fit `package.json`",
    change: Change::Verb("ci"),
};

const YARN: Enforcement = Enforcement {
    lock: "yarn.lock",
    flags: &[
        "--frozen-lockfile",
        "--immutable",
        "--no-lockfile",
        "--no-immutable",
    ],
    settings: &["YARN_ENABLE_IMMUTABLE_INSTALLS", "enableImmutableInstalls"],
    hint: "add `--immutable`, or `--frozen-lockfile` with Yarn 1",
    change: Change::Unknown,
};

const PNPM: Enforcement = Enforcement {
    lock: "pnpm-lock.yaml",
    flags: &[
        "--frozen-lockfile",
        "--no-frozen-lockfile",
        "--lockfile-only",
    ],
    settings: &["frozen-lockfile", "pnpm fetch"],
    hint: "add `--frozen-lockfile`",
    change: Change::Flag("--frozen-lockfile"),
};

const CARGO: Enforcement = Enforcement {
    lock: "Cargo.lock",
    flags: &["--locked", "--frozen", "--offline"],
    settings: &["CARGO_NET_OFFLINE"],
    hint: "add `--locked`",
    change: Change::Flag("--locked"),
};

const UV: Enforcement = Enforcement {
    lock: "uv.lock",
    flags: &["--locked", "--frozen"],
    settings: &["UV_LOCKED", "UV_FROZEN"],
    hint: "add `--locked`",
    change: Change::Flag("--locked"),
};

const BUNDLE: Enforcement = Enforcement {
    lock: "Gemfile.lock",
    flags: &["--deployment", "--frozen"],
    settings: &["BUNDLE_DEPLOYMENT", "BUNDLE_FROZEN", "deployment", "frozen"],
    hint: "set `BUNDLE_FROZEN=true` for the step, or `bundle config set frozen true` before it",
    change: Change::Unknown,
};

/// `None` if the command enforces its lock file already, or says that it does not want to.
fn enforcement(install: &ProjectInstall<'_>, view: &InstructionView<'_>) -> Option<Enforcement> {
    let enforcement = match install.installer {
        Installer::Npm => NPM,
        Installer::Yarn => YARN,
        Installer::Pnpm => PNPM,
        Installer::Cargo => CARGO,
        Installer::Uv => UV,
        Installer::Bundle => BUNDLE,
        // These install what their lock file says, or have none.
        Installer::Pip
        | Installer::Poetry
        | Installer::Pipenv
        | Installer::GoModules
        | Installer::GoBuild
        | Installer::Composer
        | Installer::Maven
        | Installer::Gradle => return None,
    };
    let is_npm_ci = matches!(install.verb.text.as_str(), "ci" | "clean-install");
    let is_pnpm_in_ci = install.installer == Installer::Pnpm
        && view
            .evaluated
            .before
            .lookup("CI")
            .is_some_and(|value| value != "false");
    let decides = is_npm_ci || is_pnpm_in_ci || install.has_flag(enforcement.flags);
    (!decides).then_some(enforcement)
}

fn report(
    input: &CheckInput<'_>,
    install: &ProjectInstall<'_>,
    enforcement: &Enforcement,
    findings: &mut Findings,
) {
    let range = install.program.range.start..install.verb.range.end;
    let message = format!(
        "`{}` may install other versions than those in `{}`",
        install.name(),
        enforcement.lock
    );
    let added = findings.add(range, message).hint(enforcement.hint);
    let verb = &install.verb.range;
    let is_literal = input.parse.text().get(verb.clone()) == Some(install.verb.text.as_str());
    let edits = match enforcement.change {
        Change::Verb(other) if is_literal => EditSet::replace(verb.clone(), other),
        Change::Flag(flag) if is_literal => {
            EditSet::replace(verb.end..verb.end, format!(" {flag}"))
        }
        Change::Verb(_) | Change::Flag(_) | Change::Unknown => return,
    };
    added.propose(
        edits,
        "a build that would need other versions fails instead",
    );
}
