//! Files that an earlier layer brought and a later one deletes.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::{Action, Manager, PackageCommand, package_command, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::apk_cache_left::index_left;
use crate::checks::size::apt_lists_left::{LISTS, lists_left};
use crate::checks::size::copied::copied;
use crate::checks::size::download::fetched;
use crate::checks::size::npm_cache_left;
use crate::checks::size::path::{Place, covers};
use crate::checks::size::pip_cache_left;
use crate::checks::size::rpm_cache_left;
use crate::checks::size::run::{Run, deleted_words, runs, shipping_stages};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;
use crate::keyword::Keyword;
use crate::shell::{ShellWord, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("removed-too-late"),
    summary: "Deleting files of an earlier layer does not make the image smaller",
    severity: Severity::Warning,
    categories: &[Category::Size, Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/removed-too-late.md"),
    check: removed_too_late,
};

/// Something that a layer holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A file or a directory.
    Path(String),
    /// What a manager leaves in its caches.
    Cache(Manager),
    /// A package, or a group of packages with a name.
    Package(Manager, String),
}

/// What layers hold, each with the line of the instruction that brought it first.
type Brought = BTreeMap<What, usize>;

fn removed_too_late(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in shipping_stages(input) {
        let mut copies = by_copies(&stage).into_iter().peekable();
        let mut brought = Brought::new();
        for run in &runs(&stage) {
            while let Some((_, what, line)) = copies.next_if(|(index, ..)| *index < run.view.index)
            {
                brought.entry(what).or_insert(line);
            }
            let own = written_by(run);
            for command in run.commands() {
                let Some((word, what, line)) = removed(run, command, &brought, &own) else {
                    continue;
                };
                let name = value_or_text(word);
                let message = match what {
                    What::Path(path) => format!(
                        "deleting `{path}` frees nothing: line {line} put it into an earlier layer"
                    ),
                    What::Cache(_) => format!(
                        "deleting a cache here frees nothing: line {line} left it in an earlier layer"
                    ),
                    What::Package(..) => format!(
                        "removing `{name}` frees nothing: line {line} installed it into an earlier layer"
                    ),
                };
                findings.add(word.range.clone(), message).hint(hint(what));
            }
            for what in left_by(run) {
                brought.entry(what).or_insert(run.view.instruction.line);
            }
        }
    }
}

fn hint(what: &What) -> &'static str {
    match what {
        What::Path(_) => {
            "bring and delete it in one RUN, mount it with `RUN --mount=type=bind`, or use a stage of its own"
        }
        What::Cache(_) => "delete it in the RUN that fills it",
        What::Package(..) => "install and remove it in one RUN, or use a stage of its own",
    }
}

/// What `COPY` and `ADD` bring: the instruction, the thing and the line.
fn by_copies(stage: &StageView<'_>) -> Vec<(usize, What, usize)> {
    let mut brought = Vec::new();
    for view in stage.instructions() {
        let (InstructionKind::Copy(copy) | InstructionKind::Add(copy)) = &view.instruction.kind
        else {
            continue;
        };
        let unpacks = view.instruction.keyword == Keyword::Add;
        for path in copied(&view, copy) {
            // `ADD` may unpack it.
            let is_archive = unpacks
                && [".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst"]
                    .iter()
                    .any(|end| path.contains(end));
            if path != "/" && !is_archive && !is_small_text(&path) {
                brought.push((view.index, What::Path(path), view.instruction.line));
            }
        }
    }
    brought
}

/// Says whether a name is one of files that are hardly ever large: scripts, settings, lists of requirements.
fn is_small_text(path: &str) -> bool {
    const ENDS: [&str; 12] = [
        ".txt", ".json", ".yml", ".yaml", ".toml", ".sh", ".conf", ".ini", ".cfg", ".lock", ".md",
        ".list",
    ];
    ENDS.iter().any(|end| path.ends_with(end))
}

/// What a `RUN` leaves in its layer.
fn left_by(run: &Run<'_>) -> Vec<What> {
    let mut whats = Vec::new();
    for file in fetched(run) {
        let is_gone = run.empties(Place::At(&file.path), file.command);
        if !run.is_below_mount(&file.path) && !is_gone {
            whats.push(What::Path(file.path));
        }
    }
    let caches = [
        (Manager::Apt, lists_left(run).is_some()),
        (Manager::Apk, index_left(run).is_some()),
        (
            Manager::Rpm,
            rpm_cache_left::cache_left(run, Manager::Rpm).is_some(),
        ),
        (
            Manager::Zypper,
            rpm_cache_left::cache_left(run, Manager::Zypper).is_some(),
        ),
        (Manager::Pip, !pip_cache_left::cache_left(run).is_empty()),
        (
            Manager::Npm,
            npm_cache_left::cache_left(run, Manager::Npm).is_some(),
        ),
        (
            Manager::Yarn,
            npm_cache_left::cache_left(run, Manager::Yarn).is_some(),
        ),
    ];
    whats.extend(
        caches
            .into_iter()
            .filter(|(_, is_left)| *is_left)
            .map(|(manager, _)| What::Cache(manager)),
    );
    whats.extend(installed(run));
    whats
}

/// What a `RUN` writes itself, whether it leaves it or not: deleting that is as it should be.
fn written_by(run: &Run<'_>) -> BTreeSet<What> {
    let writes = [Action::Install, Action::Update, Action::Upgrade];
    let files = fetched(run).into_iter().map(|file| What::Path(file.path));
    let managers = run
        .packages()
        .filter(|(_, packages)| writes.contains(&packages.action))
        .map(|(_, packages)| What::Cache(packages.manager));
    files.chain(managers).chain(installed(run)).collect()
}

/// The packages that a `RUN` installs by name.
fn installed(run: &Run<'_>) -> Vec<What> {
    let mut whats = Vec::new();
    for (_, packages) in run.packages() {
        if packages.action == Action::Install && has_removable_packages(packages.manager) {
            let names = packages
                .packages()
                .into_iter()
                .filter_map(|word| word.literal.as_deref());
            let group = packages
                .flag_value("--virtual")
                .or_else(|| packages.flag_value("-t"));
            let group = group.filter(|_| packages.manager == Manager::Apk);
            whats.extend(
                names
                    .chain(group)
                    .map(|name| What::Package(packages.manager, bare(name))),
            );
        }
    }
    whats
}

fn has_removable_packages(manager: Manager) -> bool {
    match manager {
        Manager::Apt | Manager::Apk | Manager::Rpm | Manager::Zypper => true,
        Manager::Pip | Manager::Npm | Manager::Yarn | Manager::Pnpm => false,
    }
}

/// The name of a package without its version.
fn bare(package: &str) -> String {
    package
        .split(['=', '~', '<', '>'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The word of a command that removes something which came earlier, what it is, and the line that brought it.
fn removed<'a, 'b>(
    run: &Run<'_>,
    command: &'a SimpleCommand,
    brought: &'b Brought,
    own: &BTreeSet<What>,
) -> Option<(&'a ShellWord, &'b What, usize)> {
    let find = |what: &What| {
        let (what, line) = brought.get_key_value(what)?;
        (!own.contains(what)).then_some((what, *line))
    };
    if command.tool() == Some("rm") {
        return deleted_words(command).into_iter().find_map(|word| {
            let paths = run.paths(command, word);
            let is_hit = |what: &What| {
                paths.iter().any(|path| is_deleted_by(what, path)) && !own.contains(what)
            };
            let (what, line) = brought.iter().find(|(what, _)| is_hit(what))?;
            Some((word, what, *line))
        });
    }
    let packages = package_command(command)?;
    match packages.action {
        Action::Clean if deletes_left(&packages) => {
            let (what, line) = find(&What::Cache(packages.manager))?;
            Some((packages.verb?, what, line))
        }
        Action::Remove => packages.packages().into_iter().find_map(|word| {
            let name = bare(word.literal.as_deref()?);
            let (what, line) = find(&What::Package(packages.manager, name))?;
            Some((word, what, line))
        }),
        Action::Clean | Action::Install | Action::Update | Action::Upgrade | Action::Other => None,
    }
}

/// Says whether a command deletes what is left: `apt-get clean` deletes packages, which Debian's images never keep.
fn deletes_left(packages: &PackageCommand<'_>) -> bool {
    let verb = packages.verb.map(value_or_text);
    packages.manager != Manager::Apt || matches!(verb, Some("dist-clean" | "distclean"))
}

fn is_deleted_by(what: &What, pattern: &str) -> bool {
    let is_in = |places: &[Place<'_>]| places.iter().any(|place| place.is_covered_by(pattern));
    match what {
        What::Path(path) => covers(pattern, path),
        What::Cache(manager) => match manager {
            Manager::Apt => is_in(&[LISTS]),
            Manager::Apk => is_in(&[Place::At("/var/cache/apk")]),
            Manager::Rpm | Manager::Zypper => is_in(rpm_cache_left::caches(*manager)),
            Manager::Pip => is_in(&[Place::InHome(".cache/pip")]),
            Manager::Npm => is_in(&[Place::InHome(".npm")]),
            Manager::Yarn => is_in(&[Place::InHome(".cache/yarn")]),
            Manager::Pnpm => false,
        },
        What::Package(..) => false,
    }
}
