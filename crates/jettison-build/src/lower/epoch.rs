//! `SOURCE_DATE_EPOCH` (BuildKit: `resolveSourceDateEpochValue`, dockerfile2llb/epoch.go).

use std::collections::BTreeMap;

use jettison_dockerfile::{CopySource, InstructionKind, SourceAddress, Stage};

use crate::lower::copy::digest;
use crate::lower::words::expand;
use crate::lower::{LowerError, Lowering, error_at};
use crate::plan::EpochSource;
use crate::remotes::{FileRequest, GitRequest};

const NAME: &str = "SOURCE_DATE_EPOCH";

impl Lowering<'_> {
    /// Finds out the time that the image is to have, and gives the argument that value.
    pub(super) fn take_epoch(&mut self) -> Result<(), LowerError> {
        let given = self.arguments.given.get(NAME);
        let global = || self.arguments.global.get(NAME).filter(|v| !v.is_empty());
        let Some(value) = given.or_else(global).cloned() else {
            return Ok(());
        };
        self.epoch = match (value.as_str(), value.parse()) {
            ("", _) => None,
            (_, Ok(seconds)) => Some(seconds),
            (_, Err(_)) => {
                let source = self.epoch_source(&value)?;
                let known = self.bases.epoch(&source);
                known.map_err(|source| LowerError::Epoch { value, source })?
            }
        };
        let shown = self.epoch.map(|seconds| seconds.to_string());
        self.arguments.replace(NAME, shown.as_deref());
        Ok(())
    }

    /// What a value that is no number stands for. What is wrong with it has been said before.
    fn epoch_source(&self, value: &str) -> Result<EpochSource, LowerError> {
        if value == "context" {
            return Ok(EpochSource::Context);
        }
        if let Some(name) = self.contexts.by_name(value) {
            return Ok(EpochSource::Named(name.to_owned()));
        }
        let is_named = |stage: &&Stage| {
            let name = stage.name.as_deref().unwrap_or_default();
            name.eq_ignore_ascii_case(value)
        };
        let source = self.graph.stages.iter().find(is_named).and_then(|stage| {
            let place = &self.parse.instructions()[stage.from];
            let problem = |message: String| error_at(self.parse, place, &message);
            self.downloaded(stage).map(|found| found.map_err(problem))
        });
        source.unwrap_or_else(|| {
            let place = &self.parse.instructions()[0];
            let message = format!("invalid {NAME}: {value}");
            Err(error_at(self.parse, place, &message))
        })
    }

    /// The one thing that a stage downloads.
    fn downloaded(&self, stage: &Stage) -> Option<Result<EpochSource, String>> {
        let mut values: BTreeMap<String, String> = self.arguments.global.clone();
        values.remove(NAME);
        let escape = self.parse.escape();
        for instruction in &self.parse.instructions()[stage.instructions.clone()] {
            if let InstructionKind::Arg(declarations) = &instruction.kind {
                for declaration in declarations {
                    let name: &str = &declaration.name;
                    let lookup = |name: &str| values.get(name).cloned();
                    let default = declaration.default.as_deref();
                    let default = default.and_then(|word| expand(word, escape, &lookup).ok());
                    let given = self.arguments.given.get(name).cloned();
                    if let Some(value) = given.or(default) {
                        values.insert(name.to_owned(), value);
                    }
                }
                continue;
            }
            let InstructionKind::Add(add) = &instruction.kind else {
                continue;
            };
            let CopySource::Path(source) = add.sources.first()? else {
                return None;
            };
            let word = |word: &str| expand(word, escape, &|name| values.get(name).cloned());
            let checksum = add.checksum.as_deref().map(word).transpose();
            let keep = add.keep_git_dir == Some(true);
            return Some(word(source).and_then(|source| remote(&source, checksum?, keep)));
        }
        None
    }
}

/// What the one source of such a stage names.
fn remote(
    source: &str,
    checksum: Option<String>,
    keep_git_dir: bool,
) -> Result<EpochSource, String> {
    match SourceAddress::of(source) {
        SourceAddress::Url { .. } => Ok(EpochSource::File(FileRequest {
            url: source.to_owned(),
            checksum: checksum.as_deref().map(digest).transpose()?,
        })),
        SourceAddress::Git(git) => {
            let mut request = GitRequest::of(&git);
            request.keep_git_dir |= keep_git_dir;
            request.checksum = checksum.or(request.checksum);
            Ok(EpochSource::Git(request))
        }
        SourceAddress::Broken { problem, .. } => Err(problem),
        SourceAddress::Path { .. } => Err(format!(
            "{NAME} stage source must be a single HTTP(S) or Git ADD"
        )),
    }
}
