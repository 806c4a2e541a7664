//! `ADD` of files that are only to be copied.

use crate::checks::correctness::copy_words::{copy_of, is_remote};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{CopyInstruction, CopySource};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("add-instead-of-copy"),
    summary: "ADD copies local files, and would unpack or fetch what it takes for an archive or an address",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Style],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3020"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/add-instead-of-copy.md"),
    check: add_instead_of_copy,
};

/// Ends of names that may be archives: `ADD` looks at the content, and unpacks tar files, compressed or not.
const ARCHIVES: [&str; 33] = [
    "apk", "archive", "backup", "bak", "box", "br", "bz2", "cpio", "crate", "dump", "gem", "gz",
    "img", "iso", "lz", "lz4", "lzma", "oci", "ova", "phar", "pkg", "rootfs", "snap", "tar", "tbz",
    "tbz2", "tgz", "tlz", "txz", "tzst", "xz", "z", "zst",
];

/// Files without an extension that are no archives.
const PLAIN_FILES: [&str; 18] = [
    "Brewfile",
    "Caddyfile",
    "CHANGELOG",
    "Dockerfile",
    "Gemfile",
    "Jenkinsfile",
    "Justfile",
    "LICENSE",
    "Makefile",
    "NOTICE",
    "Pipfile",
    "Podfile",
    "Procfile",
    "Rakefile",
    "README",
    "Vagrantfile",
    "gradlew",
    "mvnw",
];

fn add_instead_of_copy(input: &CheckInput<'_>, findings: &mut Findings) {
    for instruction in input.parse.instructions() {
        let Some((add, true)) = copy_of(&instruction.kind) else {
            continue;
        };
        if !is_plain(add) {
            continue;
        }
        let range = instruction.keyword_range.clone();
        let keyword = match &input.parse.text()[range.clone()] {
            "ADD" => "COPY",
            "add" => "copy",
            _ => "Copy",
        };
        findings
            .add(
                range.clone(),
                "`ADD` only copies here, which is what `COPY` is for",
            )
            .propose(
                EditSet::replace(range, keyword),
                "`COPY` copies the same files and does nothing else",
            );
    }
}

/// Says whether an `ADD` does what `COPY` would do.
fn is_plain(add: &CopyInstruction) -> bool {
    let has_own_flags =
        add.checksum.is_some() || add.unpack.is_some() || add.keep_git_dir.is_some();
    !has_own_flags
        && add.sources.iter().all(|source| match source {
            CopySource::Path(path) => is_plain_path(path, &add.destination),
            CopySource::Heredoc(_) => true,
        })
}

/// Says whether a source is a directory, or a file that cannot be an archive by its name.
fn is_plain_path(path: &str, destination: &str) -> bool {
    if is_remote(path) || path.contains(['$', '\\']) {
        return false;
    }
    if path.ends_with('/') || matches!(base_name(path), "." | "..") {
        return true;
    }
    let name = base_name(path);
    let lower = name.to_lowercase();
    if lower.contains(".tar") || lower.contains("rootfs") {
        return false;
    }
    let is_same = destination
        .trim_end_matches('/')
        .ends_with(&format!("/{name}"));
    PLAIN_FILES.contains(&name)
        || match lower.rsplit_once('.') {
            // A number at the end is a version.
            Some((_, extension)) => {
                let is_word = extension.starts_with(|c: char| c.is_ascii_alphabetic())
                    && extension.chars().all(|c| c.is_ascii_alphanumeric());
                is_word && !ARCHIVES.contains(&extension)
            }
            // An archive would hardly be unpacked into a directory of its own name.
            None => is_same && !name.contains(['*', '?', '[']),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_unpacked_or_fetched_is_not_plain() {
        for path in [
            ".",
            "src/",
            "app.jar",
            "conf/my.cnf",
            "*.py",
            "Makefile",
            ".env",
            "src",
            ".bashrc",
        ] {
            assert!(is_plain_path(path, "/opt/src"), "{path}");
        }
        let others = [
            "a.tar.gz",
            "a.tgz",
            "app-1.2",
            "app",
            "*",
            "dist.*",
            "a.tar.gz.part",
            "data.gz",
            "rootfs",
            "https://example.org/a.txt",
            "git@example.org:a/b.git",
            "$FILE.txt",
            "x.gem",
        ];
        for path in others {
            assert!(!is_plain_path(path, "/opt/src"), "{path}");
        }
    }
}
