//! The scripts that rules of this group read.

use crate::checks::input::{InstructionView, StageView};
use crate::instruction::InstructionKind;
use crate::shell::{Connector, RedirectKind, ShellScript, ShellWord, SimpleCommand};

/// Programs that fail themselves when what they read is empty, ends too early or is not what they look for.
pub(super) const STRICT_READERS: [&str; 20] = [
    "apt-key",
    "bunzip2",
    "bzcat",
    "docker",
    "egrep",
    "gpg",
    "grep",
    "gunzip",
    "gzip",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shasum",
    "tar",
    "unxz",
    "unzip",
    "xz",
    "xzcat",
    "zcat",
];

/// The `RUN`s of a stage whose script is one for a POSIX shell and can be read.
pub(super) fn run_scripts<'a>(
    stage: &StageView<'a>,
) -> impl Iterator<Item = (InstructionView<'a>, &'a ShellScript)> {
    stage.scripts().filter(|(view, _)| {
        matches!(view.instruction.kind, InstructionKind::Run(_)) && view.runs_in_posix_shell()
    })
}

/// Says whether `is_sought` holds for an instruction before position `end`, in the stage or one below it: for its
/// arguments or one of its heredocs, in lower case.
///
/// A rule is silent where something may have been configured, so that what the text does is not looked at.
pub(super) fn is_mentioned(
    stage: &StageView<'_>,
    end: usize,
    is_sought: &dyn Fn(&str) -> bool,
) -> bool {
    let is_in = |part: &str| is_sought(&part.to_lowercase());
    stage.lineage().iter().any(|stage| {
        stage
            .instructions()
            .filter(|view| view.index < end)
            .any(|view| {
                let mut heredocs = view.instruction.heredocs.iter();
                is_in(view.instruction.original())
                    || heredocs.any(|heredoc| is_in(&heredoc.content))
            })
    })
}

/// The first and the last command of every pipeline that is made of simple commands.
pub(super) fn pipelines(script: &ShellScript) -> Vec<(&SimpleCommand, &SimpleCommand)> {
    let is_mixed = |pipeline: usize| {
        let mut compounds = script.compounds.iter();
        compounds.any(|compound| compound.pipeline == pipeline)
    };
    let mut pipelines: Vec<(&SimpleCommand, &SimpleCommand)> = Vec::new();
    for command in &script.commands {
        if command.words.is_empty() || is_mixed(command.pipeline) {
            continue;
        }
        match pipelines
            .iter_mut()
            .find(|(first, _)| first.pipeline == command.pipeline)
        {
            Some((_, last)) => *last = command,
            None => pipelines.push((command, command)),
        }
    }
    pipelines.retain(|(first, last)| first.source_range != last.source_range);
    pipelines
}

/// The variable that a word is, and nothing else, without quotes: it may stand for flags, or for several words.
pub(super) fn bare_variable(word: &ShellWord) -> Option<&str> {
    let expansion = word.expansions.first()?;
    let is_all = expansion.source_range == word.source_range && !expansion.quoted;
    is_all.then(|| word.variables.first().map_or("", String::as_str))
}

/// Says whether something else than the terminal is given to a command to read: a pipe, a file or a text.
pub(super) fn has_input(command: &SimpleCommand) -> bool {
    let is_input = |kind: RedirectKind| match kind {
        RedirectKind::Input
        | RedirectKind::InputOutput
        | RedirectKind::DuplicateInput
        | RedirectKind::Heredoc
        | RedirectKind::HeredocWithoutTabs
        | RedirectKind::HereString => true,
        RedirectKind::Output
        | RedirectKind::Append
        | RedirectKind::Clobber
        | RedirectKind::OutputAndError
        | RedirectKind::AppendOutputAndError
        | RedirectKind::DuplicateOutput => false,
    };
    command.connector == Connector::Pipe
        || command
            .redirects
            .iter()
            .any(|redirect| is_input(redirect.kind))
}
