//! Several sources for a destination that is not said to be a directory.

use crate::checks::correctness::copy_words::copy_words;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::evaluate::BaseImage;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("copy-several-to-file"),
    summary: "Several sources are copied to a destination that does not end with a slash",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3021"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/copy-several-to-file.md"),
    check: copy_several_to_file,
};

/// Directories that every base image has, but `scratch`.
const COMMON: [&str; 17] = [
    "/bin",
    "/etc",
    "/home",
    "/lib",
    "/mnt",
    "/opt",
    "/root",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/var",
];

fn copy_several_to_file(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages().filter(|stage| !stage.is_windows()) {
        for view in stage.instructions() {
            let Some(words) = copy_words(input, &view) else {
                continue;
            };
            let written = words.copy.destination.as_str();
            let is_directory = written.ends_with(['/', '"', '\'', '\\'])
                || matches!(written.rsplit('/').next(), Some("." | ".."));
            if words.copy.sources.len() < 2
                || words.copy.parents
                || is_directory
                || written.contains('$')
            {
                continue;
            }
            // WORKDIR has made this one, and every system has those.
            let scope = &view.evaluated.before;
            let is_there = scope.working_dir.join(written) == scope.working_dir
                || (COMMON.contains(&written) && stage.root() != &BaseImage::Scratch);
            if is_there {
                continue;
            }
            let Some(place) = words.places.last() else {
                continue;
            };
            let keyword = view.instruction.keyword;
            let message = format!(
                "{keyword} has {} sources, and `{written}` does not end with a slash",
                words.copy.sources.len()
            );
            findings
                .add(place.clone(), message)
                .hint("unless the directory exists already, each file overwrites the one before it")
                .propose(
                    EditSet::replace(place.end..place.end, "/"),
                    "with a slash at its end the destination is a directory",
                );
        }
    }
}
