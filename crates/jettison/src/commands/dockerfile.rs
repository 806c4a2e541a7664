//! Dockerfiles for commands that read them and do not build: where they are, their ignore file, what is given.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    CheckInput, Diagnostic, Given, IgnoreError, IgnoreFile, KnownImage, Parse, Rule, Severity,
    StageGraph, check, find_rule, ignore_file_names, parse, platform_args, stages,
};

use crate::commands::world;
use crate::failure::Failure;
use crate::report::Checked;
use crate::source::{STDIN, Source};
use crate::surroundings::Surroundings;
use crate::text_file;

/// The largest ignore file that is read.
const IGNORE_LIMIT: u64 = 16 << 20;

/// A Dockerfile, and the directory that it is built in; standard input may have none.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) dockerfile: PathBuf,
    pub(super) context: Option<PathBuf>,
}

impl Location {
    /// The Dockerfile that `path` names: itself, or the one in that directory.
    pub(super) fn of(path: &Path) -> Location {
        if path == Path::new(STDIN) {
            return Location {
                dockerfile: path.to_path_buf(),
                context: None,
            };
        }
        if path.is_dir() {
            return Location {
                dockerfile: in_directory(path),
                context: Some(path.to_path_buf()),
            };
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        Location {
            dockerfile: path.to_path_buf(),
            context: Some(parent.unwrap_or(Path::new(".")).to_path_buf()),
        }
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.dockerfile == Path::new(STDIN)
    }

    /// Reads the Dockerfile.
    pub(super) fn read(&self) -> Result<Source, Failure> {
        let text = if self.is_stdin() {
            text_file::read_stdin(world::DOCKERFILE_LIMIT)?
        } else {
            text_file::read(&self.dockerfile, world::DOCKERFILE_LIMIT)?
        };
        Ok(Source::new(self.dockerfile.display().to_string(), text))
    }

    /// Reads the ignore file that belongs to the Dockerfile, if there is one.
    pub(super) fn read_ignore(&self) -> Result<Option<Source>, Failure> {
        let Some(context) = &self.context else {
            return Ok(None);
        };
        let name = self.dockerfile.file_name().unwrap_or_default();
        let [own, general] = ignore_file_names(&name.to_string_lossy());
        for path in [self.dockerfile.with_file_name(own), context.join(general)] {
            match path.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => {
                    let text = text_file::read(&path, IGNORE_LIMIT)?;
                    return Ok(Some(Source::new(path.display().to_string(), text)));
                }
            }
        }
        Ok(None)
    }
}

/// The Dockerfile of a directory: of either name the one that is there.
pub(crate) fn in_directory(directory: &Path) -> PathBuf {
    // The current directory goes without saying.
    let directory = directory.strip_prefix(".").unwrap_or(directory);
    ["Dockerfile", "dockerfile"]
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| directory.join("Dockerfile"))
}

/// What a check runs, and what it is given from outside.
pub(super) struct CheckRequest<'a> {
    pub(super) rules: &'a [&'static Rule],
    /// `--build-arg`.
    pub(super) build_args: &'a BTreeMap<String, String>,
    pub(super) target: Option<&'a str>,
    pub(super) without_target: WithoutTarget,
    pub(super) images: &'a dyn Fn(&str) -> Option<KnownImage>,
    pub(super) ignore: Ignore<'a>,
}

/// Which stages have to be right if no target is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithoutTarget {
    /// The last one, and what it needs.
    LastStage,
    AllStages,
}

/// What is known of the ignore file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ignore<'a> {
    /// There is none.
    Absent,
    Present(&'a IgnoreFile),
    /// There is no context, or the file cannot be understood.
    Unknown,
}

impl<'a> Ignore<'a> {
    pub(super) fn file(self) -> Option<&'a IgnoreFile> {
        match self {
            Ignore::Present(file) => Some(file),
            Ignore::Absent | Ignore::Unknown => None,
        }
    }
}

/// A Dockerfile that has been read.
pub(super) struct Read {
    pub(super) parse: Parse,
    pub(super) graph: StageGraph,
    /// The stage that is built.
    pub(super) target: usize,
    /// The predefined arguments.
    pub(super) platform: BTreeMap<String, String>,
}

/// Reads a text. A target that does not exist is the user's mistake, a text without stages is not: it has errors.
pub(super) fn read(source: &Source, target: Option<&str>) -> Result<Read, Failure> {
    let parse = parse(&source.text);
    let graph = stages(&parse);
    let stage = match (graph.target(target), target) {
        (Ok(stage), _) => Some(stage),
        (Err(_), None) => None,
        (Err(diagnostic), Some(_)) => {
            let failure = Failure::user(format!("{}: {}", source.path, diagnostic.message));
            return Err(diagnostic.hints.into_iter().fold(failure, Failure::hint));
        }
    };
    let mut platform = platform_args("linux", &Surroundings::architecture());
    if let Some(name) = stage.and_then(|stage| stage.name.clone()) {
        platform.insert("TARGETSTAGE".to_string(), name);
    }
    let target = stage.map_or(0, |stage| stage.index);
    Ok(Read {
        parse,
        graph,
        target,
        platform,
    })
}

/// What is given to a Dockerfile's words: what is predefined and what the command line says.
pub(super) fn all_args(
    read: &Read,
    build_args: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut args = read.platform.clone();
    args.extend(build_args.clone());
    args
}

/// Checks a text.
pub(super) fn check_text(
    source: Source,
    request: &CheckRequest<'_>,
) -> Result<(Checked, FailsBuild), Failure> {
    let read = read(&source, request.target)?;
    let args = all_args(&read, request.build_args);
    let images = Given {
        args: &args,
        images: request.images,
    };
    let mut input = CheckInput::new(&read.parse, &read.graph, &images);
    input = match (request.target, request.without_target) {
        (None, WithoutTarget::AllStages) => input.with_all_stages(),
        (Some(_), _) | (None, WithoutTarget::LastStage) => input.with_target(read.target),
    };
    input = match request.ignore {
        Ignore::Absent => input.without_ignore_file(),
        Ignore::Present(file) => input.with_ignore_file(Some(file)),
        Ignore::Unknown => input,
    };
    let mut report = check(&input, request.rules);
    // The parser says what a rule says, too, and the rule can be skipped.
    if find_rule("NoEmptyContinuation").is_some() {
        report.diagnostics.retain(|diagnostic| {
            diagnostic.severity == Severity::Error
                || !diagnostic.message.starts_with("Empty continuation line")
        });
    }
    let fails_build = FailsBuild(report.fails_build);
    let checked = Checked {
        source,
        diagnostics: report.diagnostics,
        first_error: report.first_error,
        findings: report.findings,
        fixed: BTreeMap::new(),
    };
    Ok((checked, fails_build))
}

/// Says whether findings of BuildKit's rules fail the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FailsBuild(pub(super) bool);

/// An ignore file that cannot be understood, as a file with one error.
pub(super) fn broken_ignore(source: Source, error: &IgnoreError) -> Checked {
    let line = match error {
        IgnoreError::LoneExclamationMark { line }
        | IgnoreError::BadPattern { line, .. }
        | IgnoreError::LongLine { line, .. } => *line,
    };
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        range: source.line(line),
        message: error.to_string(),
        hints: Vec::new(),
    };
    Checked {
        source,
        first_error: Some(diagnostic.clone()),
        diagnostics: vec![diagnostic],
        findings: Vec::new(),
        fixed: BTreeMap::new(),
    }
}
