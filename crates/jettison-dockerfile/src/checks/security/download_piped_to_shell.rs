//! A script that is run as it comes from the network.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::address::names_content;
use crate::diagnostic::Severity;
use crate::shell::{ExpansionKind, ShellScript, ShellWord, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("download-piped-to-shell"),
    summary: "A script is run as it comes from the network",
    severity: Severity::Warning,
    categories: &[Category::Security, Category::Reproducibility],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/download-piped-to-shell.md"),
    check: download_piped_to_shell,
};

fn download_piped_to_shell(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in stage.run_scripts() {
            for command in &script.commands {
                let Some(download) = downloaded(script, command) else {
                    continue;
                };
                let Some(program) = command.unwrapped().first() else {
                    continue;
                };
                let message = match address(download) {
                    Some(address) => format!("`{}` runs whatever {address} sends", program.text),
                    None => format!("`{}` runs whatever a server sends", program.text),
                };
                findings.add(program.range.clone(), message).hint(
                    "download the script to a file, compare its `sha256sum`, then run it; \
                     or install what it installs from a package or an image",
                );
            }
        }
    }
}

/// The download whose output an interpreter runs.
fn downloaded<'s>(script: &'s ShellScript, command: &SimpleCommand) -> Option<&'s SimpleCommand> {
    let (program, arguments) = command.unwrapped().split_first()?;
    let program = base_name(program.literal.as_deref()?);
    let downloads = || script.commands.iter().filter(|other| is_download(other));
    if reads_script_from_input(program, arguments) {
        return downloads().find(|other| {
            other.pipeline == command.pipeline
                && other.source_range.end <= command.source_range.start
        });
    }
    // `sh -c "$(curl …)"`, `eval "$(curl …)"`, `bash <(curl …)`, `. <(curl …)`
    let kind = match program {
        "eval" => ExpansionKind::Command,
        "source" | "." => ExpansionKind::Process,
        name if is_shell(name) => {
            if arguments.iter().any(|word| word.text == "-c") {
                ExpansionKind::Command
            } else {
                ExpansionKind::Process
            }
        }
        _ => return None,
    };
    let mut expansions = arguments.iter().flat_map(|word| &word.expansions);
    expansions.find_map(|expansion| {
        let is_inside = |other: &&SimpleCommand| {
            expansion.source_range.start <= other.source_range.start
                && other.source_range.end <= expansion.source_range.end
        };
        (expansion.kind == kind)
            .then(|| downloads().find(is_inside))
            .flatten()
    })
}

fn is_shell(program: &str) -> bool {
    matches!(program, "sh" | "bash" | "ash" | "dash" | "zsh" | "ksh")
}

fn is_download(command: &SimpleCommand) -> bool {
    let program = command
        .unwrapped()
        .first()
        .and_then(|word| word.literal.as_deref());
    let is_local = command.words.iter().any(|word| {
        names_content(&word.text)
            || ["://localhost", "://127.", "file://"]
                .iter()
                .any(|local| word.text.contains(local))
    });
    matches!(program.map(base_name), Some("curl" | "wget")) && !is_local
}

/// Says whether an interpreter with these arguments runs what comes through the pipe.
fn reads_script_from_input(program: &str, arguments: &[ShellWord]) -> bool {
    let is_other = ["python", "perl", "node", "ruby", "php"]
        .iter()
        .any(|name| {
            program
                .strip_prefix(name)
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        });
    if !is_shell(program) && !is_other {
        return false;
    }
    for word in arguments {
        match word.text.as_str() {
            "-" | "/dev/stdin" | "-s" | "--" => return true,
            flag if flag.starts_with('-') => {
                // `-c`, `-m`, `-e`: the script is somewhere else and the pipe is its data.
                let cluster = flag.trim_start_matches('-');
                let is_long = flag.starts_with("--");
                let has = |letters: &str| cluster.contains(|c| letters.contains(c));
                let is_elsewhere = if is_shell(program) {
                    has("c")
                } else {
                    has("cmenprlF")
                };
                if !is_long && is_shell(program) && cluster.contains('s') {
                    return true;
                }
                if !is_long && is_elsewhere {
                    return false;
                }
            }
            _ => return false,
        }
    }
    true
}

/// The address of a download, as written.
fn address(command: &SimpleCommand) -> Option<String> {
    let mut words = command
        .words
        .iter()
        .map(|word| word.text.trim_matches(['"', '\'']));
    words
        .find(|text| text.starts_with("http://") || text.starts_with("https://"))
        .filter(|address| !address.contains(['`', '\n']))
        .map(|address| format!("`{address}`"))
}
