//! The optimizer: build the original, collect evidence, propose, build, compare, report.

use std::path::Path;
use std::time::{Duration, Instant};

use jettison_build::{
    Bases, BuildError, BuildRequest, Built, CacheUse, Engine, Event, ImageProcess, Reporter,
    image_sandbox,
};
use jettison_dockerfile::parse;
use jettison_oci::{Image, RunConfig};
use jettison_sandbox::{Input, Network, OutputMode, SandboxError, Status, Terminal, mount_overlay};

use crate::audit::{AuditError, audit};
use crate::evidence::{Evidence, NotApplicable, collect};
use crate::refactor::{Candidate, EmitError, multi_stage};
use crate::report::{ImageFacts, Report};
use crate::rootfs::{RootDir, RootError};
use crate::verify::{ExitKind, Observation, Probe, ProbeOutcome, ProbeSource, Verdict, verdict};

/// What to optimize, and how to compare.
#[derive(Clone, Debug)]
pub struct OptimizeRequest<'a> {
    /// The original's build.
    pub build: BuildRequest<'a>,
    /// What both images are asked.
    pub probes: &'a [Probe],
    /// Where the probes come from.
    pub source: ProbeSource,
    /// The name of the original image.
    pub original_name: &'a str,
    /// The name of the optimized image.
    pub optimized_name: &'a str,
}

/// Told what the optimizer does.
pub trait Observer: Reporter {
    /// A phase begins.
    fn phase(&self, title: &str);
    /// A candidate was written; `original` is the Dockerfile's text.
    fn candidate(&self, original: &str, candidate: &Candidate);
    /// A probe was run in both images.
    fn probe(&self, outcome: &ProbeOutcome);
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
    #[error("cannot run probe `{probe}`")]
    Probe {
        /// The probe's name.
        probe: String,
        /// Why.
        source: ProbeError,
    },
}

/// Why a probe could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The sandbox could not be described.
    #[error("cannot set up the image's program")]
    Image(#[source] BuildError),
    /// The sandbox failed.
    #[error("cannot use the sandbox")]
    Sandbox(#[source] SandboxError),
}

/// Optimizes the image of `request`.
pub fn optimize(
    engine: &Engine<'_>,
    bases: &dyn Bases,
    request: &OptimizeRequest<'_>,
    observer: &dyn Observer,
) -> Result<Optimized, OptimizeError> {
    observer.phase("Build the original");
    let built = engine
        .build(&request.build, bases, observer)
        .map_err(OptimizeError::Original)?;
    let rebuild_time = rebuild(engine, bases, &request.build).map_err(OptimizeError::Original)?;
    let before = facts(engine, &built, request.original_name, rebuild_time)?;
    let answer = |reason: String, notes: Vec<String>, outcomes, before| Optimized {
        original: built.image.clone(),
        optimized: None,
        report: Report {
            verdict: Verdict::Failed,
            before,
            after: None,
            outcomes,
            dockerfile: None,
            notes,
        },
        reason: Some(reason),
    };

    observer.phase("Collect evidence and rewrite");
    let parsed = parse(request.build.dockerfile);
    let evidence = {
        let lowers = engine.lowers(&built.image).map_err(OptimizeError::Look)?;
        let mount = mount_overlay(engine.entered, &lowers, None)
            .map_err(|error| OptimizeError::Look(BuildError::Mount(error)))?;
        let root = RootDir::open(&mount.path()).map_err(OptimizeError::Root)?;
        match collect(&parsed, &built, &root) {
            Ok(evidence) => evidence,
            Err(NotApplicable::Reason(reason) | NotApplicable::Read(reason)) => {
                return Ok(answer(reason, Vec::new(), Vec::new(), before));
            }
        }
    };
    let mut notes: Vec<String> = evidence.facts.iter().map(ToString::to_string).collect();
    notes.extend(evidence.advice.iter().cloned());
    let candidate = match multi_stage(&parsed, &evidence.runtime, notes.clone()) {
        Ok(candidate) => candidate,
        Err(error @ EmitError::Stages(_)) => {
            return Ok(answer(error.to_string(), notes, Vec::new(), before));
        }
        Err(error) => return Err(OptimizeError::Emit(error)),
    };
    observer.candidate(request.build.dockerfile, &candidate);

    observer.phase("Build the rewritten Dockerfile");
    // The build stage is the original's: its steps are in the cache, whatever the first build was told.
    let build = BuildRequest {
        dockerfile: &candidate.dockerfile,
        cache: CacheUse::Use,
        ..request.build.clone()
    };
    let small = engine
        .build(&build, bases, observer)
        .map_err(OptimizeError::Candidate)?;
    if let Some(difference) = config_difference(
        &built.image.config().config,
        &small.image.config().config,
        &evidence,
    ) {
        return Ok(answer(
            format!("the rewritten image is configured differently: {difference}"),
            notes,
            Vec::new(),
            before,
        ));
    }

    observer.phase("Run both and compare");
    let outcomes = compare_images(engine, request, (&built.image, &small.image), observer)?;
    let verdict = verdict(&outcomes, request.source);
    if verdict == Verdict::Failed {
        let names: Vec<&str> = outcomes
            .iter()
            .filter(|outcome| !outcome.passed())
            .map(|outcome| outcome.probe.name.as_str())
            .collect();
        let reason = format!(
            "the rewritten image does not behave the same: {}",
            names.join(", ")
        );
        return Ok(answer(reason, notes, outcomes, before));
    }
    if small.image.unpacked_size() >= built.image.unpacked_size() {
        return Ok(answer(
            "the rewritten image is not smaller".to_string(),
            notes,
            outcomes,
            before,
        ));
    }
    let rebuild_time = rebuild(engine, bases, &build).map_err(OptimizeError::Candidate)?;
    let after = facts(engine, &small, request.optimized_name, rebuild_time)?;
    Ok(Optimized {
        original: built.image.clone(),
        optimized: Some(small.image.clone()),
        report: Report {
            verdict,
            before,
            after: Some(after),
            outcomes,
            dockerfile: Some(candidate.dockerfile),
            notes,
        },
        reason: None,
    })
}

/// A reporter that keeps quiet, for builds that are only timed.
struct Quiet;

impl Reporter for Quiet {
    fn event(&self, _event: Event<'_>) {}
}

/// How long a build takes when nothing has changed.
fn rebuild(
    engine: &Engine<'_>,
    bases: &dyn Bases,
    build: &BuildRequest<'_>,
) -> Result<Duration, BuildError> {
    let start = Instant::now();
    engine.build(
        &BuildRequest {
            cache: CacheUse::Use,
            ..build.clone()
        },
        bases,
        &Quiet,
    )?;
    Ok(start.elapsed())
}

fn facts(
    engine: &Engine<'_>,
    built: &Built,
    name: &str,
    rebuild_time: Duration,
) -> Result<ImageFacts, OptimizeError> {
    let lowers = engine.lowers(&built.image).map_err(OptimizeError::Look)?;
    let mount = mount_overlay(engine.entered, &lowers, None)
        .map_err(|error| OptimizeError::Look(BuildError::Mount(error)))?;
    let audit =
        audit(&mount.path(), &built.image.config().config.user).map_err(OptimizeError::Audit)?;
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

/// What the two configurations disagree on, if they do. The command may have lost its shell and
/// the user its name; both are in the evidence.
fn config_difference(
    original: &RunConfig,
    candidate: &RunConfig,
    evidence: &Evidence,
) -> Option<String> {
    let expected = RunConfig {
        entrypoint: evidence.runtime.entrypoint.clone(),
        cmd: evidence.runtime.cmd.clone(),
        user: evidence.runtime.user.clone(),
        // Whether CMD was written down says nothing on Linux.
        args_escaped: candidate.args_escaped,
        // A shell of the build is of no use where none is left.
        shell: candidate.shell.clone(),
        working_dir: if original.working_dir.is_empty() {
            "/".to_string()
        } else {
            original.working_dir.clone()
        },
        env: sorted(&original.env),
        ..original.clone()
    };
    let actual = RunConfig {
        env: sorted(&candidate.env),
        ..candidate.clone()
    };
    (expected != actual).then(|| format!("{expected:?} became {actual:?}"))
}

fn sorted(env: &[String]) -> Vec<String> {
    let mut env = env.to_vec();
    env.sort();
    env
}

fn compare_images(
    engine: &Engine<'_>,
    request: &OptimizeRequest<'_>,
    (original, candidate): (&Image, &Image),
    observer: &dyn Observer,
) -> Result<Vec<ProbeOutcome>, OptimizeError> {
    let mut outcomes = Vec::new();
    for probe in request.probes {
        let run = |image: &Image| {
            observe(engine, image, probe).map_err(|source| OptimizeError::Probe {
                probe: probe.name.clone(),
                source,
            })
        };
        let outcome = ProbeOutcome::of(probe.clone(), run(original)?, run(candidate)?);
        observer.probe(&outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Runs an image's program as `probe` says, without network; what it writes is thrown away.
pub fn observe(
    engine: &Engine<'_>,
    image: &Image,
    probe: &Probe,
) -> Result<Observation, ProbeError> {
    let lowers = engine.lowers(image).map_err(ProbeError::Image)?;
    let process = ImageProcess {
        arguments: probe.arguments.clone(),
        entrypoint: None,
        env: probe.env.clone(),
        stdin: Input::Bytes(probe.stdin.clone()),
        output: OutputMode::Piped,
        terminal: Terminal::None,
        network: Network::None,
        time_limit: Some(probe.time_limit),
    };
    let sandbox = image_sandbox(
        engine.entered,
        engine.host,
        image.config(),
        &lowers,
        &process,
    )
    .map_err(ProbeError::Image)?;
    let output = sandbox
        .spawn(engine.entered)
        .and_then(jettison_sandbox::Child::wait_with_output)
        .map_err(ProbeError::Sandbox)?;
    let exit = match output.exit.status {
        Status::Code(code) => ExitKind::Code(code),
        Status::Signal(signal) => ExitKind::Signal(signal),
        Status::TimedOut => ExitKind::TimedOut,
    };
    let mut stderr = output.stderr;
    if let Some(failure) = &output.exit.exec_failure {
        let reason = std::io::Error::from_raw_os_error(failure.errno);
        stderr.extend_from_slice(
            format!(
                "cannot start {}: {reason}\n",
                Path::new(&failure.program).display()
            )
            .as_bytes(),
        );
    }
    Ok(Observation {
        exit,
        stdout: output.stdout,
        stderr,
    })
}
