//! A source that the build context does not have, because it is ignored.

use crate::checks::buildkit::commands::{Command, commands};
use crate::checks::buildkit::place::argument_words;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::ignore::IgnoreFile;
use crate::instruction::{CopyInstruction, CopySource, InstructionKind};
use crate::quote::quoted;
use crate::scope::clean;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("CopyIgnoredFile"),
    summary: "Attempting to Copy file that is excluded by .dockerignore",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/copy-ignored-file/",
    page: include_str!("../../../rules/CopyIgnoredFile.md"),
    check: copy_ignored_file,
};

fn copy_ignored_file(input: &CheckInput<'_>, findings: &mut Findings) {
    // With a `!` among the patterns BuildKit does not judge: a directory may be ignored and files in it not
    // (`validateCopySourcePath`, dockerfile2llb/validations.go).
    let Some(ignore) = input.ignore.filter(|ignore| !ignore.has_exceptions()) else {
        return;
    };
    for stage in input.stages() {
        for command in commands(&stage) {
            let (copy, name) = if let InstructionKind::Copy(copy) = command.kind
                && copy.from.is_none()
            {
                (copy, "Copy")
            } else if let InstructionKind::Add(add) = command.kind {
                (add, "Add")
            } else {
                continue;
            };
            if command.is_silenced(&RULE) {
                continue;
            }
            for (index, source) in expanded_sources(copy, &command) {
                let path = clean(source);
                if is_remote(source) || !is_ignored(ignore, &path) {
                    continue;
                }
                let message = format!(
                    "Attempting to {name} file {} that is excluded by .dockerignore",
                    quoted(&path)
                );
                let words = argument_words(input.parse, command.instruction);
                let word = words
                    .get(index)
                    .filter(|_| words.len() == copy.sources.len() + 1)
                    .map_or(&command.instruction.arguments, |word| &word.range);
                findings.add(command.at(word), message);
            }
        }
    }
}

/// The sources that are paths, expanded, with their positions.
fn expanded_sources<'a>(copy: &CopyInstruction, command: &Command<'a>) -> Vec<(usize, &'a String)> {
    // The sources and the destination come last among the words.
    let words = &command.evaluated.words;
    let Some(first) = words.len().checked_sub(copy.sources.len() + 1) else {
        return Vec::new();
    };
    let pairs = copy.sources.iter().zip(&words[first..]).enumerate();
    let paths = pairs.filter_map(|(index, (source, word))| match source {
        CopySource::Path(_) => Some((index, word)),
        CopySource::Heredoc(_) => None,
    });
    paths.collect()
}

/// Says whether a path is left out. The root of the context is only if everything is (BuildKit:
/// `copySourceRootIgnored`, `dockerfile2llb/validations.go`).
fn is_ignored(ignore: &IgnoreFile, path: &str) -> bool {
    let mut patterns = ignore.patterns();
    if matches!(path, "." | "/") && !patterns.any(|pattern| matches!(pattern, "*" | "**" | "**/*"))
    {
        return false;
    }
    // An absolute source is compared with the patterns as it is. What it is in starts with the empty text, and is the
    // root if it is nothing else (patternmatcher: `MatchesOrParentMatches`).
    let rest = path.strip_prefix('/');
    let is_in_root = rest.is_some_and(|rest| !rest.contains('/'));
    ignore.is_ignored_by_itself(path)
        || (rest.is_some() && ignore.is_ignored_by_itself(""))
        || (is_in_root && ignore.is_ignored_by_itself("/"))
}

/// Says whether `ADD` gets a source over the network (BuildKit: `dispatchCopy`, `dockerfile2llb/convert_copy.go`;
/// `ParseGitRef`, `dfgitutil/git_ref.go`).
fn is_remote(source: &str) -> bool {
    if source.starts_with("http://") || source.starts_with("https://") {
        return true;
    }
    let Some((scheme, rest)) = source.split_once("://") else {
        return is_scp_address(source);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "git" | "ssh" => true,
        // In capitals it is only known as the address of a repository.
        "http" | "https" => {
            let path = rest.split(['?', '#']).next().unwrap_or_default();
            path.contains('/') && path.strip_suffix(".git").is_some()
        }
        _ => false,
    }
}

/// `user@host:path` (BuildKit: `gitSSHRegex`, util/sshutil/scpurl.go).
fn is_scp_address(source: &str) -> bool {
    let is_word = |text: &str, more: &str| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(is_letter)
    };
    let Some((host, _)) = source.split_once(':') else {
        return false;
    };
    host.split_once('@')
        .is_some_and(|(user, host)| is_word(user, "-_") && is_word(host, "-."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        let remote = [
            "http://a",
            "https://a/b",
            "git://a",
            "SSH://a",
            "HTTPS://a/b.git?x=1",
            "git@a.b:c",
            "a@b:",
        ];
        for source in remote {
            assert!(is_remote(source), "{source}");
        }
        for source in [
            "HTTPS://a/b",
            "ftp://a/b",
            "github.com/a/b",
            "a:b",
            "a@b",
            "a/b@c:d",
            "",
        ] {
            assert!(!is_remote(source), "{source}");
        }
    }
}
