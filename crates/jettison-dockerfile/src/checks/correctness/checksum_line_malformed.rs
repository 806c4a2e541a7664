//! A checksum line with one space where two characters belong.

use std::ops::Range;

use crate::checks::correctness::base_shell::{ScriptShell, script_shell};
use crate::checks::correctness::scripts::{is_mentioned, pipelines, run_scripts};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::shell::SimpleCommand;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("checksum-line-malformed"),
    summary: "A checksum and the name of its file have one space between them instead of two",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/checksum-line-malformed.md"),
    check: checksum_line_malformed,
};

fn checksum_line_malformed(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (view, script) in run_scripts(&stage) {
            for (first, last) in pipelines(script) {
                let Some(program) = checker(last) else {
                    continue;
                };
                // The programs of GNU take one space for another format. shasum of Perl does not.
                let is_strict = program == "shasum"
                    || (script_shell(&stage, &view) == ScriptShell::Ash
                        && !is_mentioned(&stage, view.index + 1, &|text| {
                            text.contains("coreutils")
                        }));
                let Some((word, space)) = line(first) else {
                    continue;
                };
                if !is_strict {
                    continue;
                }
                let start = first.words[word].range.start;
                let after = start + space.end..start + space.end;
                let message = format!(
                    "`{program}` wants two spaces between the checksum and the name of the file"
                );
                findings
                    .add(start + space.start..start + space.end, message)
                    .propose(
                        EditSet::replace(after, " "),
                        "with two spaces the line is one that every such program reads",
                    );
            }
        }
    }
}

/// The program, if a command checks checksums that it reads from a pipe.
fn checker(command: &SimpleCommand) -> Option<&str> {
    let program = base_name(command.unwrapped().first()?.literal.as_deref()?);
    let programs = [
        "md5sum",
        "sha1sum",
        "sha224sum",
        "sha256sum",
        "sha384sum",
        "sha512sum",
        "shasum",
    ];
    (programs.contains(&program) && command.has_flag('c', "check")).then_some(program)
}

/// The word of `echo` that is a checksum line with one space, and where the space is in it.
fn line(command: &SimpleCommand) -> Option<(usize, Range<usize>)> {
    if command.program() != Some("echo") || command.words.len() != 2 {
        return None;
    }
    let text = &command.words[1].text;
    // On one line, so that the word's text is that of the Dockerfile.
    if command.words[1].range.len() != text.len() {
        return None;
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let (checksum, name) = inner.split_once(' ')?;
    let is_hash = [32, 40, 56, 64, 96, 128].contains(&checksum.len())
        && checksum.chars().all(|c| c.is_ascii_hexdigit());
    let variable = checksum
        .strip_prefix('$')
        .map(|name| name.trim_matches(['{', '}']));
    let is_variable = variable.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let is_one_space = !name.is_empty() && !name.starts_with([' ', '*']);
    let at = 1 + checksum.len();
    ((is_hash || is_variable) && is_one_space).then_some((1, at..at + 1))
}
