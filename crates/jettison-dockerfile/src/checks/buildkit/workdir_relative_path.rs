//! A relative `WORKDIR` below a directory that only the base image knows.

use crate::checks::buildkit::commands::{Command, commands};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::input::StageView;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::evaluate::BaseImage;
use crate::instruction::InstructionKind;
use crate::platform::Platform;
use crate::quote::quoted;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("WorkdirRelativePath"),
    summary: "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Reproducibility],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3000"],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/workdir-relative-path/",
    page: include_str!("../../../rules/WorkdirRelativePath.md"),
    check: workdir_relative_path,
};

fn workdir_relative_path(input: &CheckInput<'_>, findings: &mut Findings) {
    // Says of each stage whether it or a stage below it has a `WORKDIR`: the first one counts, whatever it says
    // (BuildKit: `dispatchWorkdir`, dockerfile2llb/convert.go).
    let mut has_workdir: Vec<bool> = Vec::new();
    for stage in input.stages() {
        let base = inherited(&has_workdir, &stage.evaluation.base);
        let mut is_set = base.unwrap_or(false);
        for command in commands(&stage) {
            let InstructionKind::Workdir(written) = command.kind else {
                continue;
            };
            let was_set = std::mem::replace(&mut is_set, true);
            let Some(path) = command.evaluated.words.first() else {
                continue;
            };
            if was_set || is_absolute(path, &system(input, &stage)) || command.is_silenced(&RULE) {
                continue;
            }
            let message = format!(
                "Relative workdir {} can have unexpected results if the base image changes",
                quoted(path)
            );
            let edits = absolute(input, &command, written);
            let is_on_scratch = is_on_scratch(input, stage.stage.index);
            let added = findings
                .add(command.at(&command.instruction.arguments), message)
                .hint("write an absolute path");
            if is_on_scratch {
                added.propose_as(
                    Applicability::Safe,
                    edits,
                    "the empty image's working directory is the root",
                );
            } else {
                added.propose(
                    edits,
                    "most images have the root as their working directory",
                );
            }
        }
        has_workdir.push(is_set);
    }
}

/// Writes the path with a `/` before it, if it is nothing but a path.
fn absolute(input: &CheckInput<'_>, command: &Command<'_>, written: &str) -> EditSet {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./+@".contains(c);
    let arguments = &command.instruction.arguments;
    let is_path = command.is_own
        && input.parse.text()[arguments.clone()] == *written
        && written.chars().all(is_plain)
        && !written.starts_with('.');
    if is_path {
        EditSet::replace(arguments.start..arguments.start, "/")
    } else {
        EditSet::new()
    }
}

/// Says whether a stage starts from nothing, directly or not.
fn is_on_scratch(input: &CheckInput<'_>, stage: usize) -> bool {
    let mut current = stage;
    loop {
        match input
            .evaluation
            .stages
            .get(current)
            .map(|stage| &stage.base)
        {
            Some(BaseImage::Scratch) => return true,
            Some(&BaseImage::Stage(base)) if base < current => current = base,
            Some(BaseImage::Stage(_) | BaseImage::Image(_) | BaseImage::Unknown) | None => {
                return false;
            }
        }
    }
}

/// What an earlier stage says, if the base is one.
fn inherited(earlier: &[bool], base: &BaseImage) -> Option<bool> {
    match base {
        BaseImage::Stage(index) => earlier.get(*index).copied(),
        BaseImage::Scratch | BaseImage::Image(_) | BaseImage::Unknown => None,
    }
}

/// The operating system that a stage is for: a stage has the platform of the stage that it is `FROM`.
fn system(input: &CheckInput<'_>, stage: &StageView<'_>) -> String {
    let mut evaluation = stage.evaluation;
    while let BaseImage::Stage(index) = &evaluation.base
        && let Some(base) = input.evaluation.stages.get(*index)
    {
        evaluation = base;
    }
    // The empty image is for the platform that the build is for, whatever its `FROM` says.
    let own = match &evaluation.base {
        BaseImage::Scratch => None,
        BaseImage::Stage(_) | BaseImage::Image(_) | BaseImage::Unknown => {
            evaluation.platform.as_ref()
        }
    };
    let platform = own.or(input.evaluation.target_platform.as_ref());
    let platform = platform.and_then(|platform| Platform::parse(platform, "").ok());
    platform.map_or_else(|| "linux".to_owned(), |platform| platform.os)
}

/// Says whether a path is absolute (BuildKit: `IsAbs`, util/system/path.go).
fn is_absolute(path: &str, system: &str) -> bool {
    if system != "windows" {
        return path.starts_with('/');
    }
    let path = path.replace('\\', "/");
    match path.split_once(':') {
        // Another drive, or only a drive, is an error.
        Some((drive, rest)) => drive.eq_ignore_ascii_case("c") && rest.starts_with('/'),
        None => path.starts_with('/') && !path.starts_with("//"),
    }
}
