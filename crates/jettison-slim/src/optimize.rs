//! The optimizer: build the original, collect evidence, propose, build, compare, report.

mod advice;
mod anew;
mod aside;
mod base;
mod build_stage;
mod builds;
mod climbed;
mod compiled;
mod config;
mod differences;
mod division;
mod facts;
mod gains;
mod ladder;
mod late;
mod moments;
mod read_set;
mod relinked;
mod settled;
mod sources;
mod user;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use jettison_build::{Bases, BuildError, BuildRequest, Built, CacheUse, Engine, Event, Reporter};
use jettison_dockerfile::parse;
use jettison_oci::{Image, ImageId};
use jettison_sandbox::{OverlayMount, Trace, mount_overlay};

use crate::audit::{Audit, AuditError, audit};
use crate::evidence::steps;
use crate::optimize::advice::advice;
use crate::optimize::anew::Anew;
use crate::optimize::base::Base;
use crate::optimize::build_stage::{build_stage, ignorable};
use crate::optimize::builds::Builds;
use crate::optimize::climbed::Climbed;
use crate::optimize::compiled::compiled;
use crate::optimize::facts::{Found as FoundFiles, Sources};
use crate::optimize::ladder::{Attempt, Ladder};
use crate::optimize::relinked::relinked;
use crate::optimize::user::{NONROOT, is_root, obstacle};
use crate::refactor::{Candidate, EmitError, Rung};
use crate::report::{Facts, ImageFacts, Maker, Report};
use crate::rootfs::{RootDir, RootError};
use crate::verify::{
    Ailment, AskError, FurtherProbes, Oracle, Probe, ProbeObserver, ProbeOutcome, Verdict, sought,
    verdict,
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
    /// The highest rung that is tried; [`Rung::Slim`] for all.
    pub max_rung: Rung,
    /// The image that the final stage starts from; else it starts from nothing.
    pub base: Option<&'a str>,
    /// Who the program runs as.
    pub user: UserChoice,
    /// The name of the original image.
    pub original_name: &'a str,
    /// The name of the optimized image.
    pub optimized_name: &'a str,
}

/// Who an optimized program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserChoice {
    /// The original's user.
    AsBefore,
    /// A user without rights in place of root.
    Nonroot,
}

/// Told what the optimizer does.
pub trait Observer: Reporter + ProbeObserver {
    /// A phase begins.
    fn phase(&self, title: &str);
    /// The original was built and measured.
    fn original(&self, facts: &ImageFacts);
    /// A candidate was written, the first or the next one; `original` is the Dockerfile's text.
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
    /// The base that was asked for could not be had.
    #[error("cannot use the base of the final stage")]
    Base(#[source] BuildError),
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
        anew: Anew::new(request.build.cache),
        builds: Builds::new(engine.store).map_err(OptimizeError::Look)?,
    };
    let result = run.whole();
    let wanted: Vec<ImageId> = result
        .iter()
        .flat_map(|result| [Some(&result.original), result.optimized.as_ref()])
        .flatten()
        .map(Image::id)
        .collect();
    let forgotten = run.builds.forget(engine.store, &wanted);
    let result = result?;
    forgotten.map_err(OptimizeError::Look)?;
    Ok(result)
}

/// What all phases share.
struct Run<'a> {
    engine: &'a Engine<'a>,
    bases: &'a dyn Bases,
    request: &'a OptimizeRequest<'a>,
    observer: &'a dyn Observer,
    anew: Anew,
    builds: Builds,
}

impl Run<'_> {
    /// Builds the original, asks it, and improves it.
    fn whole(&self) -> Result<Optimized, OptimizeError> {
        let Run {
            engine,
            bases,
            request,
            observer,
            ..
        } = *self;
        observer.phase("Build the original");
        let built = engine
            .build(&request.build, bases, observer)
            .map_err(OptimizeError::Original)?;
        let oracle = Oracle::new(engine, &built.image, request.probes, request.further);
        // Programs mostly wait when they are asked; meanwhile their files are counted.
        let (before, ailment) = thread::scope(|scope| {
            let audited = scope.spawn(|| audited(engine, &built));
            let rebuild_time = self
                .rebuild(&request.build)
                .map_err(OptimizeError::Original)?;
            let ailment = oracle.ailment().map_err(OptimizeError::Probe)?;
            let audit = joined(audited)?;
            let facts = facts(&built, request.original_name, (rebuild_time, audit));
            Ok((facts, ailment))
        })?;
        let mut result = Optimized {
            original: built.image.clone(),
            optimized: None,
            report: Report {
                verdict: Verdict::Failed,
                before,
                after: None,
                outcomes: Vec::new(),
                dockerfile: None,
                notes: Vec::new(),
                facts: None,
                gaps: Vec::new(),
            },
            reason: None,
            ailment,
            left_out: Vec::new(),
        };
        observer.original(&result.report.before);
        result.reason = self.improve(&built, &oracle, &mut result)?;
        Ok(result)
    }

    /// Everything after the original was built; the answer is why there is no smaller image.
    fn improve(
        &self,
        built: &Built,
        oracle: &Oracle<'_>,
        result: &mut Optimized,
    ) -> Result<Option<String>, OptimizeError> {
        self.observer.phase("Collect evidence and rewrite");
        let view = self.view(&built.image)?;
        if let Some(ailment) = &result.ailment {
            return Ok(Some(ailment.to_string()));
        }
        let base = self.request.base.map(|base| self.base(base)).transpose()?;
        let stage = build_stage(self, built, &view)?;
        let mut better = stage.built;
        let better_view = self.view_of_second_build(better.as_ref(), oracle)?;
        let rungs = |built, view, parsed| Ladder {
            run: self,
            built,
            root: view,
            oracle,
            parsed,
            base: base.as_ref().map(|(base, _)| base),
            others: BTreeSet::new(),
            without_times: BTreeSet::new(),
        };
        let from = better.clone().zip(better_view.as_ref());
        let from = from
            .as_ref()
            .map_or((built, &view.root), |(built, view)| (built, &view.root));
        let mut notes = stage.left_out;
        let compiled = noted(compiled(self, from, &stage.parse)?, &mut notes);
        let (from, parsed) = match &compiled {
            Some(made) => ((&made.built, &made.view.root), made.parse.clone()),
            None => (from, stage.parse),
        };
        let without_c = noted(relinked(self, from, &parsed)?, &mut notes);
        let mut ladder = rungs(from.0, from.1, parsed);
        let mut reached = None;
        if let Some(without) = &without_c {
            let higher = rungs(&without.built, &without.view.root, without.parse.clone());
            let higher = without.with_others(higher, from.1);
            match without.climb(&higher, from.1)? {
                Ok((climbed, note)) => {
                    notes.push(note);
                    ladder = higher;
                    reached = Some(climbed);
                }
                Err(reason) => notes.push(reason),
            }
        }
        let mut climbed = match reached {
            Some(climbed) => climbed,
            None => ladder.climb()?,
        };
        // What is mounted over may have been of use to the program after all, and so may what compiles it.
        if (better.is_some() || compiled.is_some()) && !climbed.has_passed() {
            self.anew.distrust();
            notes.push(climbed.left_out(compiled.is_some()));
            better = None;
            ladder = rungs(built, &view.root, parse(self.request.build.dockerfile));
            climbed = ladder.climb()?;
        }
        let Climbed {
            attempt,
            refused,
            gaps,
        } = climbed;
        result.report.gaps = gaps;
        result.left_out = oracle.left_out().to_vec();
        let Some(mut attempt) = attempt else {
            return Ok(Some(refused.join("; ")));
        };
        if attempt.problem.is_none() && self.request.user == UserChoice::Nonroot {
            attempt = match as_other_user(&ladder, attempt)? {
                Ok(attempt) => attempt,
                Err(reason) => return Ok(Some(reason)),
            };
        }
        if let Some(better) = &better {
            let ignorable = ignorable(self, better, &attempt.built.image)?;
            notes.extend(stage.notes.into_iter().chain(ignorable));
        }
        self.conclude((built, &view, oracle), attempt, notes, result)
    }

    /// The files of the build with a faster build stage, of which the oracle is told.
    fn view_of_second_build(
        &self,
        better: Option<&Built>,
        oracle: &Oracle<'_>,
    ) -> Result<Option<View>, OptimizeError> {
        let Some(built) = better else {
            return Ok(None);
        };
        let view = self.view(&built.image)?;
        let files = RootDir::open(&view.mount.path()).map_err(OptimizeError::Root)?;
        oracle.set_second_build(files);
        Ok(Some(view))
    }

    /// Notes what came of it; the answer is why that is no smaller image.
    fn conclude(
        &self,
        (built, view, oracle): (&Built, &View, &Oracle<'_>),
        attempt: Attempt,
        notes: Vec<String>,
        result: &mut Optimized,
    ) -> Result<Option<String>, OptimizeError> {
        result.report.outcomes.clone_from(&attempt.outcomes);
        result.report.notes.clone_from(&attempt.candidate.reasons);
        result.ailment.clone_from(&attempt.ailment);
        if let Some(problem) = &attempt.problem {
            return Ok(Some(problem.clone()));
        }
        let (further, facts, after) = self.conclusion((built, view), oracle, &attempt)?;
        result.report.notes.extend(notes.into_iter().chain(further));
        result.report.verdict = verdict(&result.report.outcomes);
        // What could not be watched may have needed more.
        if !result.report.gaps.is_empty() {
            result.report.verdict = result.report.verdict.weakened();
        }
        result.report.after = Some(after);
        result.report.facts = Some(facts);
        result.report.dockerfile = Some(attempt.candidate.dockerfile);
        result.optimized = Some(attempt.built.image);
        Ok(None)
    }

    /// What there is to say about a candidate that has passed, all looked for at once: notes, why its files are there, and
    /// what it consists of.
    fn conclusion(
        &self,
        (built, view): (&Built, &View),
        oracle: &Oracle<'_>,
        attempt: &Attempt,
    ) -> Result<(Vec<String>, Facts, ImageFacts), OptimizeError> {
        let (engine, dockerfile) = (self.engine, self.request.build.dockerfile);
        let rewritten = self.rewritten(&attempt.candidate.dockerfile);
        thread::scope(|scope| {
            let reasons = scope.spawn(move || reasons(engine, (built, view, dockerfile), attempt));
            let audited = scope.spawn(move || audited(engine, &attempt.built));
            let notes = self.notes(oracle, (built, attempt))?;
            let rebuild_time = self.rebuild(&rewritten).map_err(OptimizeError::Candidate)?;
            let name = self.request.optimized_name;
            let after = facts(&attempt.built, name, (rebuild_time, joined(audited)?));
            let FoundFiles { kept, left_out } = joined(reasons)?;
            let facts = Facts {
                source: format!("{} ({})", self.request.original_name, built.image.id().0),
                maker: Maker::Optimizer(attempt.candidate.rung),
                kept,
                left_out,
            };
            Ok((notes, facts, after))
        })
    }

    /// The base that the user has chosen, and the view that holds its files.
    fn base(&self, reference: &str) -> Result<(Base, OverlayMount), OptimizeError> {
        let text = format!("FROM {reference}\n");
        let request = self.rewritten(&text);
        let built = self.build(&request).map_err(OptimizeError::Base)?;
        let View { mount, root } = self.view(&built.image)?;
        let base = Base {
            reference: reference.to_owned(),
            image: built.image,
            root,
        };
        Ok((base, mount))
    }

    /// What the user may want to know besides.
    fn notes(
        &self,
        oracle: &Oracle<'_>,
        (built, attempt): (&Built, &Attempt),
    ) -> Result<Vec<String>, OptimizeError> {
        let mut notes = Vec::new();
        let reached = sought(attempt.outcomes.iter().filter_map(trace_of));
        if !reached.is_empty() {
            notes.push(format!(
                "it tries to reach {}, and nobody is there: what it does with an answer is not known",
                reached.join(", ")
            ));
        }
        if let Some(base) = &attempt.evidence.runtime.base {
            let own = &built.image.config().config.env;
            let new: Vec<&str> = base
                .env
                .iter()
                .filter(|pair| !own.contains(pair))
                .map(String::as_str)
                .collect();
            if !new.is_empty() {
                notes.push(format!(
                    "the base sets variables that the original does not have: {}",
                    new.join(", ")
                ));
            }
        }
        let small = self.view(&attempt.built.image)?;
        notes.extend(advice((built, attempt), &small.root));
        notes.extend(self.nonroot(oracle, (built, attempt))?);
        Ok(notes)
    }

    /// The line that takes root's rights away, if the given probes pass without them.
    fn nonroot(
        &self,
        oracle: &Oracle<'_>,
        (built, attempt): (&Built, &Attempt),
    ) -> Result<Option<String>, OptimizeError> {
        let config = &built.image.config().config;
        let is_wanted = is_root(&config.user) && self.request.user == UserChoice::AsBefore;
        let has_obstacle = obstacle(config, &attempt.outcomes).is_some();
        let is_other_possible =
            self.request.further == FurtherProbes::Own && oracle.has_other_users();
        if !is_wanted || has_obstacle || !is_other_possible {
            return Ok(None);
        }
        let image = &attempt.built.image;
        let mut config = image.config().clone();
        NONROOT.clone_into(&mut config.config.user);
        let without_rights = Image::new(config, image.layers().to_vec())
            .map_err(|error| OptimizeError::Look(BuildError::Image(error)))?;
        let outcomes = oracle
            .ask_given(&without_rights)
            .map_err(OptimizeError::Probe)?;
        let shows = |outcome: &ProbeOutcome| outcome.passed() && outcome.shows_behavior();
        let passes = !outcomes.is_empty() && outcomes.iter().all(shows);
        Ok(passes.then(|| {
            format!(
                "the program needs no rights of root: the same probes pass as {NONROOT}; `--nonroot` adds the line `USER {NONROOT}` and proves it"
            )
        }))
    }

    /// The files of `image`, to be looked at.
    fn view(&self, image: &Image) -> Result<View, OptimizeError> {
        view(self.engine, image)
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

    /// How long a build takes when nothing has changed. One that takes long has waited for the disk, which writes what was built
    /// just before: it is made again.
    fn rebuild(&self, build: &BuildRequest<'_>) -> Result<Duration, BuildError> {
        const LONG: Duration = Duration::from_millis(100);
        const TIMES: usize = 3;
        let build = BuildRequest {
            cache: CacheUse::Use,
            ..build.clone()
        };
        let mut shortest = Duration::MAX;
        for _ in 0..TIMES {
            let start = Instant::now();
            self.engine.build(&build, self.bases, &Quiet)?;
            shortest = shortest.min(start.elapsed());
            if shortest < LONG {
                break;
            }
        }
        Ok(shortest)
    }
}

/// The files of `image`, to be looked at.
fn view(engine: &Engine<'_>, image: &Image) -> Result<View, OptimizeError> {
    let lowers = engine.lowers(image).map_err(OptimizeError::Look)?;
    let mount = mount_overlay(engine.entered, &lowers, None)
        .map_err(|error| OptimizeError::Look(BuildError::Mount(error)))?;
    let root = RootDir::open(&mount.path()).map_err(OptimizeError::Root)?;
    Ok(View { mount, root })
}

/// Why the files of the new image are there, and others are not.
fn reasons(
    engine: &Engine<'_>,
    (built, original, dockerfile): (&Built, &View, &str),
    attempt: &Attempt,
) -> Result<FoundFiles, OptimizeError> {
    let candidate = view(engine, &attempt.built.image)?;
    let sources = Sources {
        original: &original.root,
        candidate: &candidate.root,
        steps: &steps(built),
        dockerfile,
        kept: &attempt.evidence.kept,
        outcomes: &attempt.outcomes,
    };
    sources.find().map_err(OptimizeError::Root)
}

/// What is counted in an image.
fn audited(engine: &Engine<'_>, built: &Built) -> Result<Audit, OptimizeError> {
    let view = view(engine, &built.image)?;
    audit(&view.mount.path(), &built.image.config().config.user).map_err(OptimizeError::Audit)
}

fn facts(built: &Built, name: &str, (rebuild_time, audit): (Duration, Audit)) -> ImageFacts {
    ImageFacts {
        reference: name.to_string(),
        image_id: built.image.id().0.to_string(),
        unpacked_size: built.image.unpacked_size(),
        stored_size: built.image.stored_size(),
        audit,
        build_time: built.cold_time(),
        rebuild_time,
    }
}

/// What was made; why something was not is noted.
fn noted<T>(made: Option<Result<T, String>>, notes: &mut Vec<String>) -> Option<T> {
    match made? {
        Ok(made) => Some(made),
        Err(reason) => {
            notes.push(reason);
            None
        }
    }
}

/// What came of work beside ours.
fn joined<T>(work: ScopedJoinHandle<'_, T>) -> T {
    work.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The same as another user than root, if that is proven.
fn as_other_user(
    ladder: &Ladder<'_>,
    attempt: Attempt,
) -> Result<Result<Attempt, String>, OptimizeError> {
    if !ladder.oracle.has_other_users() {
        let reason =
            "this host lets us use one user ID alone, so that nothing can be tried as another";
        return Ok(Err(reason.to_owned()));
    }
    ladder.with_nonroot(attempt)
}

/// An image's merged files.
struct View {
    /// The files are there as long as this is.
    mount: OverlayMount,
    root: RootDir,
}

/// What the candidate's run looked up.
fn trace_of(outcome: &ProbeOutcome) -> Option<&Trace> {
    outcome.candidate.trace.as_ref()
}

/// A reporter that keeps quiet, for builds that are only timed.
struct Quiet;

impl Reporter for Quiet {
    fn event(&self, _event: Event<'_>) {}
}
