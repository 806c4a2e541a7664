//! A `RUN` as the rules about size see it: its commands, what they delete, and what is mounted over the image.

use std::collections::BTreeMap;

use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::packages::{Action, Manager, PackageCommand, package_command};
use crate::checks::size::path::{Place, covers, is_unknown, named_paths};
use crate::instruction::{InstructionKind, RunInstruction, mount_fields};
use crate::shell::{Nesting, ShellScript, ShellWord, SimpleCommand};

/// A `RUN` whose script a shell reads, and we can, too.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) view: InstructionView<'a>,
    pub(super) script: &'a ShellScript,
    /// Where what is written is no part of the layer; `None` is a place that is not known.
    mounts: Vec<Option<String>>,
    /// What may delete things, in the order of the text.
    cleanups: Vec<Cleanup<'a>>,
    /// Where managers are told for the last time to delete their caches; that of a function counts as the end.
    last_cleaned: BTreeMap<Manager, usize>,
}

/// A command that deletes something, or may do so.
#[derive(Debug)]
struct Cleanup<'a> {
    /// Where it starts in the script; none, if it may run at any time.
    start: Option<usize>,
    cleaned: Cleaned<'a>,
}

#[derive(Debug)]
enum Cleaned<'a> {
    /// These paths and patterns.
    Paths(Vec<String>),
    /// What only running the script can tell.
    Unknown,
    /// What is in a text that only another shell reads: `trap`, `eval`, `sh -c`.
    Text(&'a str),
}

/// A command of a package manager and the simple command that it is.
pub(super) type Packages<'a> = (&'a SimpleCommand, PackageCommand<'a>);

/// The stages whose layers are part of the image.
pub(super) fn shipping_stages<'a>(
    input: &'a CheckInput<'a>,
) -> impl Iterator<Item = StageView<'a>> {
    input.stages().filter(StageView::ships)
}

/// The `RUN`s whose layers are part of the image.
pub(super) fn shipping_runs<'a>(input: &'a CheckInput<'a>) -> impl Iterator<Item = Run<'a>> {
    shipping_stages(input).flat_map(|stage| runs(&stage))
}

/// The `RUN`s of a stage.
pub(super) fn runs<'a>(stage: &StageView<'a>) -> Vec<Run<'a>> {
    stage
        .run_scripts()
        .filter_map(|(view, script)| {
            let InstructionKind::Run(run) = &view.instruction.kind else {
                return None;
            };
            Some(Run {
                view,
                script,
                mounts: mounts(&view, run),
                cleanups: cleanups(&view, script),
                last_cleaned: last_cleaned(script),
            })
        })
        .collect()
}

/// The places that mounts cover; a secret or a key covers nothing that is looked at here.
fn mounts(view: &InstructionView<'_>, run: &RunInstruction) -> Vec<Option<String>> {
    run.mounts
        .iter()
        .filter_map(|mount| {
            let fields = mount_fields(mount).ok()?;
            let value = |keys: &[&str]| {
                let field = fields
                    .iter()
                    .rfind(|field| keys.contains(&field.key.as_str()));
                field.and_then(|field| field.value.as_deref())
            };
            let is_cover = !matches!(value(&["type"]), Some("secret" | "ssh"));
            let target = value(&["target", "dst", "destination"]).unwrap_or_default();
            is_cover.then(|| view.known_value(target))
        })
        .collect()
}

/// The commands of a script that delete something, or may do so.
fn cleanups<'a>(view: &InstructionView<'_>, script: &'a ShellScript) -> Vec<Cleanup<'a>> {
    let mut cleanups = Vec::new();
    for command in &script.commands {
        let is_anytime = is_in_function(command) || command.tool() == Some("trap");
        let start = (!is_anytime).then_some(command.source_range.start);
        let mut add = |cleaned| cleanups.push(Cleanup { start, cleaned });
        if is_cleaner(command) {
            add(Cleaned::Unknown);
        }
        for word in deleted_words(command) {
            let paths = named_paths(view, script, command, word);
            let is_unknown = is_unknown(word, &paths);
            add(if is_unknown {
                Cleaned::Unknown
            } else {
                Cleaned::Paths(paths)
            });
        }
        let texts = command.arguments().map(|word| word.text.as_str());
        for text in texts.filter(|text| text.contains("rm ")) {
            add(Cleaned::Text(text));
        }
    }
    cleanups
}

fn last_cleaned(script: &ShellScript) -> BTreeMap<Manager, usize> {
    let mut last = BTreeMap::new();
    for command in &script.commands {
        let packages = package_command(command).filter(|packages| packages.action == Action::Clean);
        if let Some(packages) = packages {
            let is_anytime = is_in_function(command);
            let start = if is_anytime {
                usize::MAX
            } else {
                command.source_range.start
            };
            let place: &mut usize = last.entry(packages.manager).or_default();
            *place = start.max(*place);
        }
    }
    last
}

fn is_in_function(command: &SimpleCommand) -> bool {
    let mut nesting = command.nesting.iter();
    nesting.any(|nesting| matches!(nesting, Nesting::Function(_)))
}

impl<'a> Run<'a> {
    /// Its simple commands.
    pub(super) fn commands(&self) -> impl Iterator<Item = &'a SimpleCommand> {
        self.script.commands.iter()
    }

    /// Its commands of package managers.
    pub(super) fn packages(&self) -> impl Iterator<Item = Packages<'a>> {
        self.commands()
            .filter_map(|command| Some((command, package_command(command)?)))
    }

    /// Its commands of one package manager that tell it to do one of `actions`.
    pub(super) fn packages_that(
        &self,
        manager: Manager,
        actions: &'static [Action],
    ) -> impl Iterator<Item = Packages<'a>> {
        self.packages().filter(move |(_, packages)| {
            packages.manager == manager && actions.contains(&packages.action)
        })
    }

    /// Says whether what is written to a place is not part of the layer.
    pub(super) fn is_mounted(&self, place: Place<'_>) -> bool {
        self.mounts.iter().any(|mount| {
            mount
                .as_ref()
                .is_none_or(|target| place.is_covered_by(target))
        })
    }

    /// Says whether a path is below a mount.
    pub(super) fn is_below_mount(&self, path: &str) -> bool {
        self.mounts
            .iter()
            .any(|mount| mount.as_ref().is_none_or(|target| covers(target, path)))
    }

    /// The paths that an argument may name.
    pub(super) fn paths(&self, command: &SimpleCommand, word: &ShellWord) -> Vec<String> {
        named_paths(&self.view, self.script, command, word)
    }

    /// Says whether, after `command`, all that is in a place is deleted or may be.
    pub(super) fn empties(&self, place: Place<'_>, command: &SimpleCommand) -> bool {
        let end = command.source_range.end;
        let mut later = self
            .cleanups
            .iter()
            .filter(|cleanup| cleanup.start.is_none_or(|start| start >= end));
        later.any(|cleanup| match &cleanup.cleaned {
            Cleaned::Paths(paths) => paths.iter().any(|path| place.is_covered_by(path)),
            Cleaned::Unknown => true,
            Cleaned::Text(text) => text.contains(place.text()),
        })
    }

    /// Says whether, after `command`, a manager is told to delete its caches.
    pub(super) fn cleans(&self, manager: Manager, command: &SimpleCommand) -> bool {
        let last = self.last_cleaned.get(&manager);
        last.is_some_and(|last| *last >= command.source_range.end)
    }

    /// The commands that come later; those in functions may be called at any time.
    pub(super) fn after(&self, command: &SimpleCommand) -> impl Iterator<Item = &'a SimpleCommand> {
        let end = command.source_range.end;
        self.commands()
            .filter(move |later| later.source_range.start >= end || is_in_function(later))
    }

    /// Says whether its text mentions something, in any case.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.script.source.to_ascii_lowercase().contains(text)
    }
}

/// The words of `rm`, and of a `find` that deletes, that name what is deleted.
pub(super) fn deleted_words(command: &SimpleCommand) -> Vec<&ShellWord> {
    let words = command.unwrapped();
    let arguments = words.get(1..).unwrap_or_default();
    match command.tool() {
        Some("rm") => arguments
            .iter()
            .filter(|word| !word.text.starts_with('-'))
            .collect(),
        // What it finds may be deleted by itself, by `-exec` or by `xargs` behind it: it is not found out which.
        // Names that are looked for everywhere, such as `*.pyc`, are about something else.
        Some("find") => arguments
            .iter()
            .take_while(|word| !word.text.starts_with(['-', '!', '(', '\\']))
            .filter(|word| word.text.matches('/').count() > 2)
            .collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Says whether a program that is not known cleans up, by its name.
fn is_cleaner(command: &SimpleCommand) -> bool {
    let words = command.unwrapped();
    words.first().is_some_and(|program| {
        let name = program.text.to_ascii_lowercase();
        let name = name.rsplit('/').next().unwrap_or_default();
        ["clean", "purge", "slim", "shrink"]
            .iter()
            .any(|part| name.contains(part))
    })
}
