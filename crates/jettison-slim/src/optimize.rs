//! The optimizer: build the original, collect evidence, propose, build, compare, report.

mod build_stage;
mod config;
mod differences;
mod division;
mod ladder;
mod moments;
mod read_set;
mod sources;

use std::time::{Duration, Instant};

use jettison_build::{Bases, BuildError, BuildRequest, Built, CacheUse, Engine, Event, Reporter};
use jettison_dockerfile::parse;
use jettison_oci::Image;
use jettison_sandbox::{OverlayMount, mount_overlay};

use crate::audit::{AuditError, audit};
use crate::optimize::build_stage::{build_stage, ignorable};
use crate::optimize::ladder::{Climbed, Ladder};
use crate::refactor::{Candidate, EmitError};
use crate::report::{ImageFacts, Report};
use crate::rootfs::{RootDir, RootError};
use crate::verify::{
    Ailment, AskError, FurtherProbes, Oracle, Probe, ProbeObserver, Verdict, verdict,
};

/// What to optimize, and how to compare.
#[derive(Clone, Debug)]
pub struct OptimizeRequest<'a> {
    /// The original's build.
    pub build: BuildRequest<'a>,
    /// What both images are asked; if there are none, what the original's configuration suggests.
    pub probes: &'a [Probe],
    /// What they are asked besides.
    pub further: FurtherProbes,
    /// The name of the original image.
    pub original_name: &'a str,
    /// The name of the optimized image.
    pub optimized_name: &'a str,
}

/// Told what the optimizer does.
pub trait Observer: Reporter + ProbeObserver {
    /// A phase begins.
    fn phase(&self, title: &str);
    /// A candidate was written; `original` is the Dockerfile's text.
    fn candidate(&self, original: &str, candidate: &Candidate);
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Optimized {
    /// The original image.
    pub original: Image,
    /// The optimized image, if one behaves the same.
    pub optimized: Option<Image>,
    /// Everything that was measured.
    pub report: Report,
    /// Why there is no optimized image.
    pub reason: Option<String>,
    /// Why the original showed nothing of itself, if that is so.
    pub ailment: Option<Ailment>,
    /// The probes of our own that were left out, because the original takes long.
    pub left_out: Vec<String>,
}

/// Why the optimizer could not come to an answer.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// The original could not be built.
    #[error("cannot build the original image")]
    Original(#[source] BuildError),
    /// The candidate could not be built.
    #[error("cannot build the rewritten Dockerfile")]
    Candidate(#[source] BuildError),
    /// An image's files could not be mounted or measured.
    #[error("cannot look into an image")]
    Look(#[source] BuildError),
    /// An image's files could not be opened.
    #[error("cannot open an image's files")]
    Root(#[source] RootError),
    /// An image's files could not be counted.
    #[error("cannot audit an image")]
    Audit(#[source] AuditError),
    /// The rewritten Dockerfile could not be written down.
    #[error("cannot rewrite the Dockerfile")]
    Emit(#[source] EmitError),
    /// A probe could not be run.
    #[error("cannot compare the images")]
    Probe(#[source] AskError),
}

/// Optimizes the image of `request`.
pub fn optimize(
    engine: &Engine<'_>,
    bases: &dyn Bases,
    request: &OptimizeRequest<'_>,
    observer: &dyn Observer,
) -> Result<Optimized, OptimizeError> {
    let run = Run {
        engine,
        bases,
        request,
        observer,
    };
    observer.phase("Build the original");
    let built = engine
        .build(&request.build, bases, observer)
        .map_err(OptimizeError::Original)?;
    let rebuild_time = run
        .rebuild(&request.build)
        .map_err(OptimizeError::Original)?;
    let mut result = Optimized {
        original: built.image.clone(),
        optimized: None,
        report: Report {
            verdict: Verdict::Failed,
            before: run.facts(&built, request.original_name, rebuild_time)?,
            after: None,
            outcomes: Vec::new(),
            dockerfile: None,
            notes: Vec::new(),
        },
        reason: None,
        ailment: None,
        left_out: Vec::new(),
    };
    result.reason = run.improve(&built, &mut result)?;
    Ok(result)
}

/// What all phases share.
struct Run<'a> {
    engine: &'a Engine<'a>,
    bases: &'a dyn Bases,
    request: &'a OptimizeRequest<'a>,
    observer: &'a dyn Observer,
}

impl Run<'_> {
    /// Everything after the original was built; the answer is why there is no smaller image.
    fn improve(
        &self,
        built: &Built,
        result: &mut Optimized,
    ) -> Result<Option<String>, OptimizeError> {
        self.observer.phase("Collect evidence and rewrite");
        let mut view = self.view(&built.image)?;
        let mut stage = build_stage(self, built, &view)?;
        if let Some(better) = &stage.built {
            view = self.view(&better.image)?;
        }
        let oracle = Oracle::new(
            self.engine,
            &built.image,
            self.request.probes,
            self.request.further,
        );
        let ladder = Ladder {
            run: self,
            built: stage.built.as_ref().unwrap_or(built),
            root: &view.root,
            oracle: &oracle,
            parsed: stage.parse,
        };
        let mut climbed = ladder.climb()?;
        // What is mounted over may have been of use to the program after all.
        if stage.built.is_some() && !climbed.has_passed() {
            let view = self.view(&built.image)?;
            let ladder = Ladder {
                built,
                root: &view.root,
                parsed: parse(self.request.build.dockerfile),
                ..ladder
            };
            climbed = ladder.climb()?;
            stage.notes.clear();
        }
        result.left_out = oracle.left_out().to_vec();
        let Climbed { attempt, refused } = climbed;
        let Some(attempt) = attempt else {
            return Ok(Some(refused.join("; ")));
        };
        result.report.outcomes = attempt.outcomes;
        result.report.notes = attempt.candidate.reasons;
        result.report.notes.extend(stage.notes);
        if let Some(better) = &stage.built {
            let note = ignorable(self, better, &attempt.built.image)?;
            result.report.notes.extend(note);
        }
        result.ailment = attempt.ailment;
        if let Some(problem) = attempt.problem {
            return Ok(Some(problem));
        }
        result.report.verdict = verdict(&result.report.outcomes);
        let rewritten = self.rewritten(&attempt.candidate.dockerfile);
        let rebuild_time = self.rebuild(&rewritten).map_err(OptimizeError::Candidate)?;
        let after = self.facts(&attempt.built, self.request.optimized_name, rebuild_time)?;
        result.report.after = Some(after);
        result.report.dockerfile = Some(attempt.candidate.dockerfile);
        result.optimized = Some(attempt.built.image);
        Ok(None)
    }

    /// The files of `image`, to be looked at.
    fn view(&self, image: &Image) -> Result<View, OptimizeError> {
        let lowers = self.engine.lowers(image).map_err(OptimizeError::Look)?;
        let mount = mount_overlay(self.engine.entered, &lowers, None)
            .map_err(|error| OptimizeError::Look(BuildError::Mount(error)))?;
        let root = RootDir::open(&mount.path()).map_err(OptimizeError::Root)?;
        Ok(View {
            _mount: mount,
            root,
        })
    }

    /// The build of a rewritten Dockerfile, whose last stage is what was asked for. Its build stage is the original's: its steps
    /// are in the cache, whatever the first build was told.
    fn rewritten<'d>(&'d self, dockerfile: &'d str) -> BuildRequest<'d> {
        let mut build = BuildRequest {
            dockerfile,
            cache: CacheUse::Use,
            ..self.request.build.clone()
        };
        build.lower.target = None;
        build
    }

    /// How long a build takes when nothing has changed.
    fn rebuild(&self, build: &BuildRequest<'_>) -> Result<Duration, BuildError> {
        let start = Instant::now();
        let build = BuildRequest {
            cache: CacheUse::Use,
            ..build.clone()
        };
        self.engine.build(&build, self.bases, &Quiet)?;
        Ok(start.elapsed())
    }

    fn facts(
        &self,
        built: &Built,
        name: &str,
        rebuild_time: Duration,
    ) -> Result<ImageFacts, OptimizeError> {
        let lowers = self
            .engine
            .lowers(&built.image)
            .map_err(OptimizeError::Look)?;
        let mount = mount_overlay(self.engine.entered, &lowers, None)
            .map_err(|error| OptimizeError::Look(BuildError::Mount(error)))?;
        let audit = audit(&mount.path(), &built.image.config().config.user)
            .map_err(OptimizeError::Audit)?;
        Ok(ImageFacts {
            reference: name.to_string(),
            image_id: built.image.id().0.to_string(),
            unpacked_size: built.image.unpacked_size(),
            stored_size: built.image.stored_size(),
            audit,
            build_time: built.cold_time(),
            rebuild_time,
        })
    }
}

/// An image's merged files.
struct View {
    _mount: OverlayMount,
    root: RootDir,
}

/// A reporter that keeps quiet, for builds that are only timed.
struct Quiet;

impl Reporter for Quiet {
    fn event(&self, _event: Event<'_>) {}
}
