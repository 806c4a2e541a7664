//! `chmod` or `chown` of what an earlier layer brought.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::packages::value_or_text;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::copied::{copied, destination, is_file_name};
use crate::checks::size::path::from_work_directory;
use crate::checks::size::run::{Run, runs, shipping_stages};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::instruction::{CopyInstruction, CopySource, InstructionKind};
use crate::shell::{ShellWord, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("layer-rewrites-files"),
    summary: "A RUN changes the mode or owner of copied files, which stores them again",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/layer-rewrites-files.md"),
    check: layer_rewrites_files,
};

/// A `chmod` or `chown`.
struct Change<'a> {
    command: &'a SimpleCommand,
    /// `chmod` or `chown`.
    tool: &'static str,
    is_recursive: bool,
    /// The mode, or the owner.
    value: &'a ShellWord,
    files: Vec<&'a ShellWord>,
}

/// A `COPY` or `ADD`, with the paths that are there because of it.
struct Copied<'a> {
    view: InstructionView<'a>,
    copy: &'a CopyInstruction,
    paths: Vec<String>,
}

fn layer_rewrites_files(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in shipping_stages(input) {
        let brought = copies(&stage);
        for run in runs(&stage) {
            let changes: Vec<Change<'_>> = run.commands().filter_map(change).collect();
            // Next to other work in the same layer, one small file is not worth a word.
            let is_all = changes.len() == run.script.commands.len();
            let first = changes
                .iter()
                .filter(|change| is_all || change.is_recursive)
                .find_map(|change| Some((change, rewritten(&run, change, &brought)?)));
            let Some((change, (word, copied))) = first else {
                continue;
            };
            let (tool, name) = (change.tool, value_or_text(word));
            let (line, keyword) = (
                copied.view.instruction.line,
                copied.view.instruction.keyword,
            );
            let found = findings
                .add(
                    word.range.clone(),
                    format!(
                        "`{tool}` stores `{name}` again: line {line} put it into an earlier layer"
                    ),
                )
                .hint(format!("use `{keyword} --{tool}={}`", flag_value(change)));
            let is_only = changes.len() == 1 && is_all && change.files.len() == 1;
            let edits = is_only.then(|| on_copy(input, &stage, &run, copied, change));
            if let Some(edits) = edits.flatten() {
                found.propose(edits, "`COPY` can set modes and owners itself");
            }
        }
    }
}

/// What a command changes of what an earlier layer brought.
fn rewritten<'a, 'b, 'c>(
    run: &Run<'_>,
    change: &Change<'a>,
    brought: &'b [Copied<'c>],
) -> Option<(&'a ShellWord, &'b Copied<'c>)> {
    change.files.iter().find_map(|word| {
        let paths = run.paths(change.command, word);
        let copied = brought.iter().rfind(|copy| {
            copy.view.index < run.view.index && paths.iter().any(|path| copy.paths.contains(path))
        });
        Some((*word, copied?))
    })
}

/// The value of the flag; modes such as `+x` would need a recent builder.
fn flag_value<'a>(change: &Change<'a>) -> &'a str {
    let value = value_or_text(change.value);
    let is_symbolic = change.tool == "chmod" && !value.starts_with(|c: char| c.is_ascii_digit());
    if is_symbolic { "755" } else { value }
}

fn copies<'a>(stage: &StageView<'a>) -> Vec<Copied<'a>> {
    stage
        .instructions()
        .filter_map(|view| {
            let (InstructionKind::Copy(copy) | InstructionKind::Add(copy)) = &view.instruction.kind
            else {
                return None;
            };
            let mut paths = copied(&view, copy);
            paths.retain(|path| path != "/");
            Some(Copied { view, copy, paths })
        })
        .collect()
}

/// Reads `chmod MODE FILE…` and `chown OWNER FILE…`.
fn change(command: &SimpleCommand) -> Option<Change<'_>> {
    let tool = match command.tool()? {
        "chmod" => "chmod",
        "chown" => "chown",
        _ => return None,
    };
    let mut is_recursive = false;
    let mut words = Vec::new();
    for word in command.unwrapped().iter().skip(1) {
        match word.literal.as_deref() {
            Some("-R" | "--recursive") => is_recursive = true,
            Some("-v" | "-f" | "-c") => {}
            Some(flag) if flag.starts_with("--") => return None,
            Some(flag) if flag.starts_with('-') && flag.contains('R') => is_recursive = true,
            Some(_) | None => words.push(word),
        }
    }
    let (value, files) = words.split_first()?;
    Some(Change {
        command,
        tool,
        is_recursive,
        value,
        files: files.to_vec(),
    })
}

/// Lets the `COPY` directly before do it, and takes the `RUN` away.
fn on_copy(
    input: &CheckInput<'_>,
    stage: &StageView<'_>,
    run: &Run<'_>,
    copied: &Copied<'_>,
    change: &Change<'_>,
) -> Option<EditSet> {
    let (copy, view) = (copied.copy, copied.view);
    let value = change.value.literal.as_deref()?;
    let is_direct = view.index + 1 == run.view.index && run.view.instruction.flags.is_empty();
    let [CopySource::Path(source)] = copy.sources.as_slice() else {
        return None;
    };
    let (path, is_inside) = destination(&view, copy)?;
    let has_literal_source = !source.contains(['*', '?', '[', '$']);
    let is_certain = if change.tool == "chmod" {
        let is_octal = matches!(value.len(), 3 | 4)
            && value.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        is_octal && !change.is_recursive && is_file_name(source) && copy.chmod.is_none()
    } else {
        // A directory that was there before would keep its owner.
        let is_there = is_inside || is_made_before(stage, view.index, &path);
        change.is_recursive
            && copy.chown.is_none()
            && !is_there
            && !value.contains('$')
            && value.contains(':')
    };
    let is_copy = matches!(view.instruction.kind, InstructionKind::Copy(_));
    if !is_direct || !has_literal_source || !is_certain || !is_copy {
        return None;
    }
    let mut edits = EditSet::new();
    let end = view.instruction.keyword_range.end;
    let flag = Edit {
        range: end..end,
        replacement: format!(" --{}={value}", change.tool),
    };
    let text = input.parse.text();
    let removed = &run.view.instruction.range;
    // Comments above it would speak of nothing.
    let between = text.get(view.instruction.range.end..removed.start)?;
    if between.contains('#') {
        return None;
    }
    let gone = Edit {
        range: view.instruction.range.end..removed.end,
        replacement: String::new(),
    };
    edits.insert(flag).ok()?;
    edits.insert(gone).ok()?;
    Some(edits)
}

/// Says whether something before the instruction at `end` makes a directory at, or below, a path.
fn is_made_before(stage: &StageView<'_>, end: usize, path: &str) -> bool {
    stage
        .instructions()
        .take_while(|view| view.index < end)
        .any(|view| match &view.instruction.kind {
            InstructionKind::Workdir(written) => {
                let directory = &view.evaluated.before.working_dir;
                let made = view
                    .known_value(written)
                    .map(|written| from_work_directory(directory, &written));
                made.is_none_or(|made| made == path || made.starts_with(&format!("{path}/")))
            }
            InstructionKind::Run(_) | InstructionKind::Copy(_) | InstructionKind::Add(_) => {
                view.instruction.original().contains(path)
            }
            InstructionKind::From(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Label(_)
            | InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Expose(_)
            | InstructionKind::Volume(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Stopsignal(_)
            | InstructionKind::Healthcheck(_)
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => false,
        })
}
