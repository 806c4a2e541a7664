//! A copy into whatever directory the base image happens to work in.

use crate::checks::correctness::copy_words::copy_words;
use crate::checks::finding::Findings;
use crate::checks::image_name::ImageName;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::scope::WorkingDirectory;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("copy-to-relative-path"),
    summary: "Files are copied to a relative path, and no WORKDIR says where that is",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &["DL3045"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/copy-to-relative-path.md"),
    check: copy_to_relative_path,
};

/// Images that set no directory, so that it is `/`.
const AT_ROOT: [&str; 37] = [
    "almalinux",
    "alpine",
    "amazoncorretto",
    "amazonlinux",
    "archlinux",
    "bash",
    "buildpack-deps",
    "busybox",
    "centos",
    "debian",
    "eclipse-temurin",
    "elixir",
    "erlang",
    "fedora",
    "gcc",
    "haskell",
    "ibmjava",
    "julia",
    "mariadb",
    "maven",
    "mongo",
    "mysql",
    "nginx",
    "node",
    "openjdk",
    "opensuse/leap",
    "oraclelinux",
    "postgres",
    "python",
    "rockylinux",
    "ruby",
    "rust",
    "mcr.microsoft.com/dotnet/aspnet",
    "mcr.microsoft.com/dotnet/runtime",
    "mcr.microsoft.com/dotnet/sdk",
    "swift",
    "ubuntu",
];

fn copy_to_relative_path(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let is_at_root = stage
            .root_image()
            .is_some_and(|image: ImageName<'_>| AT_ROOT.contains(&image.path));
        if !is_at_root || stage.is_windows() {
            continue;
        }
        // One WORKDIR mends them all.
        let first = stage.instructions().find_map(|view| {
            let WorkingDirectory::BelowBase(directory) = &view.evaluated.before.working_dir else {
                return None;
            };
            let words = copy_words(input, &view)?;
            let destination = words.destination.clone()?;
            let is_relative = !destination.starts_with('/') && !destination.contains(':');
            is_relative.then(|| (words, directory.clone()))
        });
        let Some((words, directory)) = first else {
            continue;
        };
        let (Some(place), Some(destination)) = (words.places.last(), &words.destination) else {
            continue;
        };
        let target = WorkingDirectory::Absolute("/".to_owned())
            .join(&directory)
            .join(destination);
        let WorkingDirectory::Absolute(target) = target else {
            continue;
        };
        let message =
            format!("`{destination}` is `{target}` only because the base image starts in `/`");
        findings
            .add(place.clone(), message)
            .hint("set WORKDIR to a directory of the program's own, or write an absolute path");
    }
}
