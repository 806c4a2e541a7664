//! A clone of whatever a branch holds.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::shell::{ShellScript, ShellWord, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("git-clone-in-run"),
    summary: "A repository is cloned at whatever its branch holds",
    severity: Severity::Warning,
    categories: &[Category::Reproducibility],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/git-clone-in-run.md"),
    check: git_clone_in_run,
};

fn git_clone_in_run(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let scripts: Vec<&ShellScript> = stage.run_scripts().map(|(_, script)| script).collect();
        for (index, script) in scripts.iter().enumerate() {
            for (position, command) in script.commands.iter().enumerate() {
                let Some(address) = moving_clone(command) else {
                    continue;
                };
                let rest = script.commands[position + 1..].iter();
                let later = scripts[index + 1..]
                    .iter()
                    .flat_map(|script| &script.commands);
                if rest.chain(later).any(chooses_version) {
                    continue;
                }
                let repository = address.text.trim_matches(['"', '\'']);
                let message = format!(
                    "the cache keeps this clone of `{repository}` although its branch moves on"
                );
                findings
                    .add(address.range.clone(), message)
                    .hint("check out a tag or a commit, or use `ADD …#<commit>` with the address of the repository");
            }
        }
    }
}

/// The address of a repository that is cloned without saying which version.
fn moving_clone(command: &SimpleCommand) -> Option<&ShellWord> {
    let words = git_arguments(command)?;
    let (verb, arguments) = words.split_first()?;
    if verb.text != "clone" {
        return None;
    }
    for (index, word) in arguments.iter().enumerate() {
        let (flag, value) = match word.text.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (
                word.text.as_str(),
                arguments.get(index + 1).map(|next| next.text.as_str()),
            ),
        };
        let names_version = matches!(
            flag,
            "-b" | "--branch" | "--revision" | "--reference" | "-c" | "--config"
        );
        if names_version && value.is_some_and(is_version) {
            return None;
        }
    }
    arguments.iter().find(|word| {
        word.literal
            .as_deref()
            .is_some_and(|text| text.contains("://") || text.starts_with("git@"))
    })
}

/// The words after `git`, without `-C directory` and `-c setting`.
fn git_arguments(command: &SimpleCommand) -> Option<&[ShellWord]> {
    let (program, mut rest) = command.unwrapped().split_first()?;
    if base_name(program.literal.as_deref()?) != "git" {
        return None;
    }
    while let Some(first) = rest.first()
        && first.text.starts_with('-')
    {
        let count = if matches!(first.text.as_str(), "-C" | "-c") {
            2
        } else {
            1
        };
        rest = rest.get(count..)?;
    }
    Some(rest)
}

/// Says whether a command chooses a version of what was cloned.
fn chooses_version(command: &SimpleCommand) -> bool {
    let Some((verb, arguments)) = git_arguments(command).and_then(<[ShellWord]>::split_first)
    else {
        return false;
    };
    let chooses = matches!(
        verb.text.as_str(),
        "checkout" | "reset" | "switch" | "fetch" | "submodule" | "worktree" | "pull"
    );
    chooses && arguments.iter().any(|word| is_version(&word.text))
}

/// Tags and commits have a digit in them, branches mostly not; of a variable nothing is known.
fn is_version(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit() || matches!(c, '$' | '`'))
}
