//! Everything is copied before packages are installed.

use crate::checks::cache::context::{copy_of, has_cache_mount, whole_context};
use crate::checks::cache::install::{Installer, ProjectInstall, project_install};
use crate::checks::cache::manifests::{Before, FromManifests, from_manifests};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::instruction::{CopyInstruction, Instruction, InstructionKind};
use crate::scope::WorkingDirectory;
use crate::shell::{Connector, ShellDirectory, ShellScript, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("copy-all-before-install"),
    summary: "Everything is copied before the packages of the project are installed",
    severity: Severity::Warning,
    categories: &[Category::BuildTime],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/copy-all-before-install.md"),
    check: copy_all_before_install,
};

fn copy_all_before_install(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages().filter(|stage| !stage.is_windows()) {
        let views: Vec<InstructionView<'_>> = stage.instructions().collect();
        let copied = views.iter().position(|view| {
            copy_of(&view.instruction.kind).is_some_and(|copy| whole_context(copy).is_some())
        });
        let Some(copied) = copied else {
            continue;
        };
        // Manifests first: what comes after finds the packages there.
        if stage
            .chain()
            .iter()
            .skip(1)
            .flat_map(StageView::instructions)
            .any(|view| installs(&view))
            || views[..copied].iter().any(installs)
        {
            continue;
        }
        let Some(step) = views[copied + 1..].iter().find(|view| installs(view)) else {
            continue;
        };
        if !has_cache_mount(step) && !brings_packages(&views) {
            report(input, &views[copied], step, findings);
        }
    }
}

/// The first install of a step whose script can be read.
fn first_install<'a>(
    view: &InstructionView<'a>,
) -> Option<(&'a ShellScript, &'a SimpleCommand, ProjectInstall<'a>)> {
    let is_run = matches!(view.instruction.kind, InstructionKind::Run(_));
    let script = view
        .script()
        .filter(|script| is_run && script.opaque.is_none() && view.runs_in_posix_shell())?;
    script
        .commands
        .iter()
        .find_map(|command| project_install(command).map(|install| (script, command, install)))
}

fn installs(view: &InstructionView<'_>) -> bool {
    first_install(view).is_some()
}

fn report(
    input: &CheckInput<'_>,
    copied: &InstructionView<'_>,
    step: &InstructionView<'_>,
    findings: &mut Findings,
) {
    let Some((script, command, install)) = first_install(step) else {
        return;
    };
    let Some((copy, source)) = copy_of(&copied.instruction.kind)
        .and_then(|copy| whole_context(copy).map(|source| (copy, source)))
    else {
        return;
    };
    let message = format!(
        "`{}` in line {} downloads everything again when any file of the project changes",
        install.name(),
        step.instruction.line
    );
    let added = findings.add(copied.place_of(source), message);
    match from_manifests(&install, &step.evaluated.before.working_dir) {
        FromManifests::Hint(hint) => {
            added.hint(hint);
        }
        FromManifests::Copy { files, before } => {
            let added = added.hint(format!(
                "copy `{}` first, install, and copy the rest afterwards",
                files.join("`, `")
            ));
            let is_next = copied.index + 1 == step.index;
            let is_here =
                is_working_directory(copy, copied) && command.directory == ShellDirectory::Initial;
            let is_plain = step.instruction.flags.is_empty();
            if !is_next || !is_here || !is_plain || overwrites_packages(input, &install) {
                return;
            }
            let edits = match before {
                Some(Before::Command(before)) => Some(inserted(input, copied, &files, before)),
                Some(Before::WithFlag(flag)) => {
                    let after = After::Command { flag };
                    moved(input, copied, step, (script, command), (&files, after))
                }
                None => moved(
                    input,
                    copied,
                    step,
                    (script, command),
                    (&files, After::Rest),
                ),
            };
            if let Some(edits) = edits {
                added.propose(
                    edits,
                    "packages are then installed again only when the list of them changes",
                );
            }
        }
    }
}

/// Says whether a Go project seems to have its packages among its own files.
fn brings_packages(views: &[InstructionView<'_>]) -> bool {
    views.iter().any(|view| {
        let is_off = view.evaluated.before.lookup("GO111MODULE") == Some("off");
        let line = &view.instruction.logical_line;
        is_off || line.contains("vendor") || line.contains("/go/src")
    })
}

/// Says whether what is copied goes to the working directory.
fn is_working_directory(copy: &CopyInstruction, view: &InstructionView<'_>) -> bool {
    let here = &view.evaluated.before.working_dir;
    let Some(destination) = view.known_value(&copy.destination) else {
        return false;
    };
    matches!(destination.as_str(), "." | "./")
        || matches!(here, WorkingDirectory::Absolute(_)) && here.join(&destination) == *here
}

/// `COPY .` would put the author's `node_modules` over those that were installed.
fn overwrites_packages(input: &CheckInput<'_>, install: &ProjectInstall<'_>) -> bool {
    let has_directory = matches!(
        install.installer,
        Installer::Npm | Installer::Yarn | Installer::Pnpm
    );
    let is_ignored = input.ignore.map(|ignore| ignore.is_ignored("node_modules"));
    has_directory && (is_ignored == Some(false) || input.is_without_ignore_file)
}

/// The manifests are copied, and something is run on them, before everything is copied.
fn inserted(
    input: &CheckInput<'_>,
    copied: &InstructionView<'_>,
    files: &[String],
    command: &str,
) -> EditSet {
    let start = start_with_comments(input, copied.instruction);
    let both = lines(input, copied.instruction, files, command);
    // The author may have copied just these already, and has installed nothing then.
    let above = input.parse.text()[..start].trim_end().lines().next_back();
    let inserted = match both.split_once('\n') {
        Some((copy, run)) if above.is_some_and(|above| above.trim() == copy.trim_end()) => run,
        Some(_) | None => &both,
    };
    EditSet::replace(start..start, inserted.to_owned())
}

/// Where the comments above an instruction start, so that they stay with it.
fn start_with_comments(input: &CheckInput<'_>, instruction: &Instruction) -> usize {
    let text = input.parse.text();
    let mut start = instruction.range.start;
    for _ in &instruction.comments {
        let above = text[..start].trim_end_matches(['\r', '\n', ' ', '\t']);
        let line = above.rfind('\n').map_or(0, |newline| newline + 1);
        if !above[line..].trim_start().starts_with('#') {
            break;
        }
        start = line;
    }
    start
}

/// The text of both instructions, in the author's style.
fn lines(input: &CheckInput<'_>, copied: &Instruction, files: &[String], command: &str) -> String {
    let text = input.parse.text();
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut words: Vec<&str> = copied
        .flags
        .iter()
        .map(|flag| &text[flag.range.clone()])
        .collect();
    words.extend(files.iter().map(String::as_str));
    let words = words.join(" ");
    let is_lower = text[copied.keyword_range.clone()].starts_with(|c: char| c.is_ascii_lowercase());
    let (copy, run) = if is_lower {
        ("copy", "run")
    } else {
        ("COPY", "RUN")
    };
    format!("{copy} {words} ./{line_end}{run} {command}{line_end}")
}

/// What stays where the command was.
#[derive(Clone, Copy)]
enum After {
    /// What comes after it.
    Rest,
    /// The command too, which is run with this flag before.
    Command { flag: &'static str },
}

/// The same with the command itself, and with what comes before it in its step, such as the installation of the tool. What has
/// been run then goes away where it was.
fn moved(
    input: &CheckInput<'_>,
    copied: &InstructionView<'_>,
    step: &InstructionView<'_>,
    (script, command): (&ShellScript, &SimpleCommand),
    (files, after): (&[String], After),
) -> Option<EditSet> {
    let text = input.parse.text();
    let run = step.instruction;
    let at = script
        .commands
        .iter()
        .position(|each| each.range == command.range)?;
    let (earlier, later) = (&script.commands[..at], &script.commands[at + 1..]);
    let start = script.commands.first()?.range.start;
    let installed = text.get(start..command.range.end)?;
    let install = text.get(command.range.clone())?;
    // All have to be one chain: a failure must end the step as before.
    let is_chain = script.commands.iter().all(|command| {
        matches!(command.connector, Connector::First | Connector::And) && command.nesting.is_empty()
    });
    let is_plain = run.heredocs.is_empty()
        && run.comments.is_empty()
        && script.compounds.is_empty()
        && !install.contains('\n')
        && earlier.iter().all(is_for_itself);
    if !is_chain || !is_plain {
        return None;
    }
    let (before, removed) = match (after, later.first()) {
        (After::Command { flag }, _) => {
            if !command.redirects.is_empty() {
                return None;
            }
            (format!("{installed} {flag}"), start..command.range.start)
        }
        // All of the instruction, with the end of its line or, at the end of the file, of the line before.
        (After::Rest, None)
            if command.separator_after.is_none() && command.redirects.is_empty() =>
        {
            let end = run.range.end;
            let line_end = text[end..].find('\n').map(|at| end + at + 1);
            let removed = match line_end {
                Some(line_end) => run.range.start..line_end,
                None => copied.instruction.range.end..end,
            };
            (installed.to_owned(), removed)
        }
        (After::Rest, Some(next)) => (installed.to_owned(), start..next.range.start),
        (After::Rest, None) => return None,
    };
    let mut edits = inserted(input, copied, files, &before);
    if !removed.is_empty() {
        edits
            .insert(Edit {
                range: removed,
                replacement: String::new(),
            })
            .ok()?;
    }
    Some(edits)
}

/// Whether a command is a program with its arguments, so that what comes after it in the same shell does not need it there.
fn is_for_itself(command: &SimpleCommand) -> bool {
    const OF_THE_SHELL: [&str; 14] = [
        ".", "alias", "cd", "eval", "exec", "export", "local", "readonly", "set", "shift",
        "source", "trap", "umask", "unset",
    ];
    let name = command
        .words
        .first()
        .and_then(|word| word.literal.as_deref());
    name.is_some_and(|name| !OF_THE_SHELL.contains(&name)) && !command.negated
}
