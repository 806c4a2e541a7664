//! The original as the oracle: asked once, for any number of candidates.
//!
//! The original runs before and after the candidate, so that what goes on between the two goes on in its runs as well. If the
//! candidate differs, the original is asked again: it may be that what differs only seemed to be steady. A question of
//! ours needs but one run of the original as long as both agree.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use jettison_build::{BuildError, Engine};
use jettison_oci::Image;
use jettison_sandbox::{IdMapKind, OverlayMount, Trace, Tracing, mount_overlay};

use crate::rootfs::RootDir;
use crate::verify::ailment::{Ailment, ailment_of, is_well};
use crate::verify::fallback::default_probes;
use crate::verify::health::{Check, difference, findings};
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::observe::{OTHER_USER, ProbeError, observe};
use crate::verify::own::{Known, OwnProbes, own_probes};
use crate::verify::probe::{Action, Probe, ProbeOrigin};
use crate::verify::trail::{Trail, Trails};
use crate::verify::verdict::ProbeOutcome;

/// The most runs of the original for one probe.
const MOST_RUNS: usize = 3;
/// The most probes of ours that run at once.
const MOST_AT_ONCE: usize = 4;

/// What images are asked beyond what the user gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FurtherProbes {
    /// Probes of our own.
    Own,
    /// Nothing.
    None,
}

/// Told how each probe went.
pub trait ProbeObserver {
    /// A probe was run in both images.
    fn probe(&self, outcome: &ProbeOutcome);
}

/// Is told, and does nothing.
struct Nobody;

impl ProbeObserver for Nobody {
    fn probe(&self, _outcome: &ProbeOutcome) {}
}

/// A probe that could not be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run probe `{probe}`")]
pub struct AskError {
    /// The probe's name.
    pub probe: String,
    /// Why.
    pub source: Box<ProbeError>,
}

/// The original image, and what it has answered.
#[derive(Debug)]
pub struct Oracle<'o> {
    engine: &'o Engine<'o>,
    original: &'o Image,
    /// See [`Trails`].
    second_build: Option<&'o RootDir>,
    further: FurtherProbes,
    given: Vec<Asked>,
    own: OnceLock<(Vec<Asked>, Vec<String>)>,
}

/// A probe, and what was looked up when it ran.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) probe: String,
    pub(crate) trace: Trace,
}

/// What is compared with the original.
struct Candidate<'c> {
    image: &'c Image,
    trails: Trails<'c>,
}

/// A probe, and the runs of the original so far.
#[derive(Debug)]
struct Asked {
    probe: Probe,
    runs: Mutex<Vec<Observation>>,
}

impl Asked {
    fn new(probe: Probe) -> Asked {
        Asked {
            probe,
            runs: Mutex::default(),
        }
    }
}

impl<'o> Oracle<'o> {
    /// An original that will be asked `probes`; if there are none, what its configuration suggests.
    pub fn new(
        engine: &'o Engine<'o>,
        original: &'o Image,
        probes: &[Probe],
        further: FurtherProbes,
    ) -> Oracle<'o> {
        let probes = if probes.is_empty() {
            default_probes(original.config())
        } else {
            probes.to_vec()
        };
        Oracle {
            engine,
            original,
            second_build: None,
            further,
            given: probes.into_iter().map(Asked::new).collect(),
            own: OnceLock::new(),
        }
    }

    /// Candidates are made of another build than the original, whose files are these: the same but for times.
    pub(crate) fn set_second_build(&mut self, files: &'o RootDir) {
        self.second_build = Some(files);
    }

    /// Asks the original and `candidate`, whose lookups are watched. Probes of our own come last, and only if all others have
    /// passed.
    pub fn ask(
        &self,
        candidate: &Image,
        observer: &dyn ProbeObserver,
    ) -> Result<Vec<ProbeOutcome>, AskError> {
        let mounts = [self.mount(self.original)?, self.mount(candidate)?];
        let [original_root, candidate_root] = [self.root(&mounts[0])?, self.root(&mounts[1])?];
        let candidate = Candidate {
            image: candidate,
            trails: Trails::new(&original_root, &candidate_root)
                .with_second_build(self.second_build),
        };
        let candidate = &candidate;
        let mut outcomes = self.given_outcomes(candidate, observer)?;
        if self.further == FurtherProbes::None || !outcomes.iter().all(ProbeOutcome::passed) {
            return Ok(outcomes);
        }
        for outcome in self.with_own(|asked| self.outcome(asked, candidate)) {
            let outcome = outcome?;
            observer.probe(&outcome);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Asks both what was given, and tells nobody.
    pub(crate) fn ask_given(&self, candidate: &Image) -> Result<Vec<ProbeOutcome>, AskError> {
        let mounts = [self.mount(self.original)?, self.mount(candidate)?];
        let [original_root, candidate_root] = [self.root(&mounts[0])?, self.root(&mounts[1])?];
        let candidate = Candidate {
            image: candidate,
            trails: Trails::new(&original_root, &candidate_root)
                .with_second_build(self.second_build),
        };
        self.given_outcomes(&candidate, &Nobody)
    }

    fn given_outcomes(
        &self,
        candidate: &Candidate<'_>,
        observer: &dyn ProbeObserver,
    ) -> Result<Vec<ProbeOutcome>, AskError> {
        let mut outcomes = Vec::new();
        for asked in &self.given {
            let outcome = self.outcome(asked, candidate)?;
            observer.probe(&outcome);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    fn mount(&self, image: &Image) -> Result<OverlayMount, AskError> {
        let lowers = self.engine.lowers(image).map_err(ProbeError::Image);
        let mount = lowers.and_then(|lowers| {
            mount_overlay(self.engine.entered, &lowers, None)
                .map_err(|error| ProbeError::Image(BuildError::Mount(error)))
        });
        mount.map_err(|error| self.before_all(error))
    }

    fn root(&self, mount: &OverlayMount) -> Result<RootDir, AskError> {
        RootDir::open(&mount.path()).map_err(|error| self.before_all(ProbeError::Root(error)))
    }

    /// An error that comes before the first probe.
    fn before_all(&self, source: ProbeError) -> AskError {
        let first = self.given.first();
        AskError {
            probe: first.map_or_else(String::new, |asked| asked.probe.name.clone()),
            source: Box::new(source),
        }
    }

    /// The names of probes of our own that were left out, because the original takes long.
    pub fn left_out(&self) -> &[String] {
        self.own.get().map_or(&[], |(_, left_out)| left_out)
    }

    /// Why the original shows nothing, whatever it is asked; `None` if it shows something. It runs once for that.
    pub(crate) fn ailment(&self) -> Result<Option<Ailment>, AskError> {
        let mut found = None;
        for asked in &self.given {
            let mut runs = asked.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if runs.is_empty() {
                runs.push(self.first_run(&asked.probe)?);
            }
            match runs.first().and_then(|run| ailment_of(&asked.probe, run)) {
                Some(ailment) => found = found.or(Some(ailment)),
                None => return Ok(None),
            }
        }
        Ok(found)
    }

    /// What `image` looks up when it is asked everything: the original, perhaps started in another way.
    pub(crate) fn learn(&self, image: &Image) -> Result<Vec<Watched>, AskError> {
        let watch = |probe: &Probe, original: &[Observation]| -> Result<Watched, AskError> {
            let observed = self.watched(probe, image, original)?;
            Ok(Watched {
                probe: probe.name.clone(),
                trace: observed.trace.unwrap_or_default(),
            })
        };
        let mut learned = Vec::new();
        for asked in &self.given {
            let mut runs = asked.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if runs.is_empty() {
                runs.push(self.first_run(&asked.probe)?);
            }
            learned.push(watch(&asked.probe, &runs)?);
        }
        if self.further == FurtherProbes::Own {
            for watched in self.with_own(|asked| watch(&asked.probe, &[])) {
                learned.push(watched?);
            }
        }
        Ok(learned)
    }

    /// A run of `image` that is watched; a longer one, if it came to nothing within its time and those of the original did not: to
    /// be watched takes time, and so do others on this machine.
    fn watched(
        &self,
        probe: &Probe,
        image: &Image,
        original: &[Observation],
    ) -> Result<Observation, AskError> {
        let observed = self.run(probe, image, Tracing::Lookups)?;
        let was_in_time = original.iter().all(|run| !is_late(run));
        if is_late(&observed) && was_in_time && !original.is_empty() {
            return self.run(&probe.with_more_time(), image, Tracing::Lookups);
        }
        Ok(observed)
    }

    /// What the command of `image` looks up when it runs by itself, for a few seconds at most.
    pub(crate) fn learn_command(&self, image: &Image) -> Result<Trace, AskError> {
        const TIME: Duration = Duration::from_secs(10);
        let probe = Probe::run("health check", ProbeOrigin::Own, TIME);
        let observed = self.run(&probe, image, Tracing::Lookups)?;
        Ok(observed.trace.unwrap_or_default())
    }

    /// Why the health check of `candidate`, another command, does not say of its server what the original's says of that one;
    /// nothing if it does. Both ask `port`.
    pub(crate) fn health_difference(
        &self,
        original: &[String],
        (candidate, argv): (&Image, &[String]),
        port: u16,
    ) -> Result<Option<String>, AskError> {
        for Asked { probe, .. } in &self.given {
            // With other variables it may ask another port, which nobody has told us.
            if !probe.env.is_empty() {
                continue;
            }
            let checks = [(self.original, original), (candidate, argv)];
            let mut found = Vec::new();
            for (image, argv) in checks {
                let check = Check { image, argv, port };
                let findings = findings(self.engine, &check, probe).map_err(|source| AskError {
                    probe: probe.name.clone(),
                    source: Box::new(source),
                })?;
                found.extend(findings);
            }
            if let [original, candidate] = found.as_slice() {
                return Ok(difference(original, candidate));
            }
        }
        let reason = "no probe starts a server that both health checks could ask";
        Ok(Some(reason.to_owned()))
    }

    fn run(&self, probe: &Probe, image: &Image, tracing: Tracing) -> Result<Observation, AskError> {
        observe(self.engine, image, probe, tracing).map_err(|source| AskError {
            probe: probe.name.clone(),
            source: Box::new(source),
        })
    }

    /// The first run of the original. If that shows nothing, it runs once more and is watched: whom it tries to reach tells
    /// why.
    fn first_run(&self, probe: &Probe) -> Result<Observation, AskError> {
        let mut observed = self.run(probe, self.original, Tracing::Off)?;
        if probe.origin != ProbeOrigin::Own && !is_well(probe, &observed) {
            observed.trace = self.run(probe, self.original, Tracing::Lookups)?.trace;
        }
        Ok(observed)
    }

    /// Does something with each probe of our own, several at once; what came of it is in their order.
    fn with_own<T: Send>(&self, work: impl Fn(&Asked) -> T + Sync) -> Vec<T> {
        let (own, _) = self.own.get_or_init(|| {
            let OwnProbes { probes, left_out } = self.own_probes();
            (probes.into_iter().map(Asked::new).collect(), left_out)
        });
        let n_workers = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_AT_ONCE)
            .min(own.len());
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Option<T>>> = own.iter().map(|_| Mutex::default()).collect();
        thread::scope(|scope| {
            for _ in 0..n_workers {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(asked), Some(result)) = (own.get(index), results.get(index))
                        else {
                            return;
                        };
                        let done = work(asked);
                        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                    }
                });
            }
        });
        results
            .into_iter()
            .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    /// Whether programs can run here as a user without rights.
    pub(crate) fn has_other_users(&self) -> bool {
        match self.engine.entered.ids {
            IdMapKind::Root => true,
            IdMapKind::SubordinateIds { count } => count >= OTHER_USER,
            IdMapKind::SingleId => false,
        }
    }

    fn own_probes(&self) -> OwnProbes {
        let runs: Vec<(&Probe, Observation)> = self
            .given
            .iter()
            .filter_map(|asked| {
                let runs = asked.runs.lock().unwrap_or_else(PoisonError::into_inner);
                Some((&asked.probe, runs.first()?.clone()))
            })
            .collect();
        let asked: Vec<(&Probe, &Observation)> =
            runs.iter().map(|(probe, run)| (*probe, run)).collect();
        own_probes(Known {
            config: self.original.config(),
            asked: &asked,
            has_other_users: self.has_other_users(),
        })
    }

    /// Runs one probe in both images.
    fn outcome(&self, asked: &Asked, candidate: &Candidate<'_>) -> Result<ProbeOutcome, AskError> {
        let probe = &asked.probe;
        let mut runs = asked.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.is_empty() {
            runs.push(self.first_run(probe)?);
        }
        let mut observed = self.watched(probe, candidate.image, &runs)?;
        let trace = observed.trace.take();
        let judged = trace.as_ref().map(|trace| candidate.trails.judge(trace));
        let trail = judged.unwrap_or(Trail::NotTraced);
        if runs.len() < 2 && probe.origin != ProbeOrigin::Own {
            runs.push(self.run(probe, self.original, Tracing::Off)?);
        }
        loop {
            if let Some((first, again)) = runs.split_first() {
                let runs_so_far = (first.clone(), again);
                let mut outcome =
                    ProbeOutcome::of_repeated(probe.clone(), runs_so_far, observed.clone());
                let is_settled = outcome.passed() || outcome.ailment().is_some();
                if is_settled || runs.len() >= MOST_RUNS {
                    outcome.trail = trail;
                    outcome.candidate.trace = trace;
                    return Ok(outcome);
                }
            }
            runs.push(self.run(probe, self.original, Tracing::Off)?);
        }
    }
}

/// Whether a run came to nothing within its time.
fn is_late(run: &Observation) -> bool {
    let did_not_listen = run
        .served
        .as_ref()
        .is_some_and(|served| served.port.is_none());
    run.exit == ExitKind::TimedOut || (did_not_listen && run.trouble().is_some())
}
