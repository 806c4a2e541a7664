//! The original as the oracle: asked once, for any number of candidates.
//!
//! The original runs before the candidate, and again beside it, so that what goes on between the two goes on in its runs as
//! well. If the candidate differs, the original is asked once more: it may be that what differs only seemed to be steady. A
//! question of ours needs but one run of the original as long as both agree.
//!
//! Every run is in a sandbox of its own, on files of its own, so that several go on at once. The first run of the original is
//! watched, as the candidate's are: what it looks up is learnt from the same run that is compared.

mod compared;
mod schedule;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jettison_build::{BuildError, Engine};
use jettison_oci::Image;
use jettison_sandbox::{IdMapKind, OverlayMount, Trace, Tracing, mount_overlay};

use crate::rootfs::RootDir;
use crate::verify::ailment::{Ailment, ailment_of, is_refuted, is_well};
use crate::verify::fallback::default_probes;
use crate::verify::health::{Check, difference, findings};
use crate::verify::observation::Observation;
use crate::verify::observe::{OTHER_USER, ProbeError, observe};
use crate::verify::oracle::compared::compared;
use crate::verify::oracle::schedule::{
    Task, Whose, has_more_time, is_asked_again, is_in_another_order, tasks, was_too_slow,
};
use crate::verify::own::{Known, OwnProbes, own_probes};
use crate::verify::pool;
use crate::verify::probe::{Probe, ProbeOrigin};
use crate::verify::runner::Runner;
use crate::verify::trail::{Trail, Trails};
use crate::verify::verdict::ProbeOutcome;

/// The most runs of the original for one probe.
const MOST_RUNS: usize = 3;
/// The most of them if all that differs may be an order: of two orders, as many runs have the same once in 2048 times, and a dozen probes may meet them.
const MOST_RUNS_FOR_AN_ORDER: usize = 12;

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
    second_build: OnceLock<RootDir>,
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
    /// What starts the original's program, and not the candidate's.
    runner: Option<Runner>,
}

/// A probe, and the runs of the original so far.
#[derive(Debug)]
struct Asked {
    probe: Probe,
    runs: Mutex<Vec<Observation>>,
    /// What the first of them looked up, if that was watched.
    trace: OnceLock<Trace>,
}

impl Asked {
    fn new(probe: Probe) -> Asked {
        Asked {
            probe,
            runs: Mutex::default(),
            trace: OnceLock::new(),
        }
    }

    fn runs(&self) -> MutexGuard<'_, Vec<Observation>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes notice of the first run. Of one that is well nobody asks what it looked up, but for who learns from it.
    fn began(&self, mut observed: Observation) {
        let is_well = self.probe.origin == ProbeOrigin::Own || is_well(&self.probe, &observed);
        let trace = if is_well {
            observed.trace.take()
        } else {
            observed.trace.clone()
        };
        if let Some(trace) = trace {
            // Whoever was first has seen the same.
            let _known = self.trace.set(trace);
        }
        self.runs().insert(0, observed);
    }

    /// How many runs of the original a comparison begins with.
    fn n_wanted(&self) -> usize {
        if self.probe.origin == ProbeOrigin::Own {
            1
        } else {
            2
        }
    }
}

/// What a candidate did.
struct Answered {
    observed: Observation,
    trace: Option<Trace>,
    trail: Trail,
}

/// What came of a task.
enum Run {
    Original(Box<Observation>),
    Candidate(Box<Answered>),
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
            second_build: OnceLock::new(),
            further,
            given: probes.into_iter().map(Asked::new).collect(),
            own: OnceLock::new(),
        }
    }

    /// Candidates are made of another build than the original, whose files are these: the same but for times.
    pub(crate) fn set_second_build(&self, files: RootDir) {
        // There is but one in a run of the optimizer.
        let _is_known = self.second_build.set(files);
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
        let candidate = &self.candidate(candidate, [&original_root, &candidate_root]);
        let mut outcomes = self.outcomes(&self.given, candidate, observer)?;
        if self.further == FurtherProbes::None || !outcomes.iter().all(ProbeOutcome::passed) {
            return Ok(outcomes);
        }
        outcomes.extend(self.outcomes(self.own(), candidate, observer)?);
        Ok(outcomes)
    }

    /// Asks both what was given, and tells nobody.
    pub(crate) fn ask_given(&self, candidate: &Image) -> Result<Vec<ProbeOutcome>, AskError> {
        let mounts = [self.mount(self.original)?, self.mount(candidate)?];
        let [original_root, candidate_root] = [self.root(&mounts[0])?, self.root(&mounts[1])?];
        let candidate = self.candidate(candidate, [&original_root, &candidate_root]);
        self.outcomes(&self.given, &candidate, &Nobody)
    }

    fn candidate<'c>(
        &'c self,
        image: &'c Image,
        [original, candidate]: [&'c RootDir; 2],
    ) -> Candidate<'c> {
        let configs = [self.original, image].map(|image| &image.config().config);
        Candidate {
            image,
            trails: Trails::new(original, candidate).with_second_build(self.second_build.get()),
            runner: Runner::between(original, configs[0], configs[1]),
        }
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

    /// Why the original shows nothing, whatever it is asked, or does not do what a probe expects; `None` if it shows something. It
    /// runs once for that.
    pub(crate) fn ailment(&self) -> Result<Option<Ailment>, AskError> {
        self.begin(&self.given)?;
        let (mut found, mut shows_something) = (None, false);
        for asked in &self.given {
            let runs = asked.runs();
            let Some(run) = runs.first() else {
                return Ok(None);
            };
            match ailment_of(&asked.probe, run) {
                Some(ailment) if ailment.is_of_all(&asked.probe, run) => return Ok(Some(ailment)),
                Some(ailment) => found = found.or(Some(ailment)),
                None => shows_something = true,
            }
        }
        Ok(found.filter(|_| !shows_something))
    }

    /// What `image` looks up when it is asked everything: the original, perhaps started in another way.
    pub(crate) fn learn(&self, image: &Image) -> Result<Vec<Watched>, AskError> {
        self.begin(&self.given)?;
        let is_original = image.config() == self.original.config();
        let mut learned = self.watch(&self.given, image, is_original)?;
        if self.further == FurtherProbes::Own {
            let own = self.own();
            if is_original {
                self.begin(own)?;
            }
            learned.extend(self.watch(own, image, is_original)?);
        }
        Ok(learned)
    }

    /// A run of `image` that is watched; a longer one, if it came to nothing within its time and those of the original did not.
    fn watched(
        &self,
        probe: &Probe,
        image: &Image,
        original: &[Observation],
    ) -> Result<Observation, AskError> {
        let observed = self.run(probe, image, Tracing::Lookups)?;
        if has_more_time(&observed, original) {
            return self.run(&probe.with_more_time(), image, Tracing::Lookups);
        }
        Ok(observed)
    }

    /// What `image` looks up for each probe. The original's first runs were watched.
    fn watch(
        &self,
        all: &[Asked],
        image: &Image,
        is_original: bool,
    ) -> Result<Vec<Watched>, AskError> {
        let watched = |asked: &Asked| -> Result<Watched, AskError> {
            let known = asked.trace.get().filter(|_| is_original);
            let trace = if let Some(trace) = known {
                Some(trace.clone())
            } else {
                let runs = asked.runs().clone();
                self.watched(&asked.probe, image, &runs)?.trace
            };
            Ok(Watched {
                probe: asked.probe.name.clone(),
                trace: trace.unwrap_or_default(),
            })
        };
        let mut found: Vec<Option<Result<Watched, AskError>>> = all.iter().map(|_| None).collect();
        pool::each(all, watched, |number, result| {
            if let Some(place) = found.get_mut(number) {
                *place = Some(result);
            }
        });
        found.into_iter().flatten().collect()
    }

    /// Runs the original once for each of `all`, if it has not, and watches it.
    fn begin(&self, all: &[Asked]) -> Result<(), AskError> {
        let new: Vec<&Asked> = all.iter().filter(|asked| asked.runs().is_empty()).collect();
        let mut failed = None;
        pool::each(
            &new,
            |asked| self.first_run(&asked.probe),
            |number, run| match (run, new.get(number)) {
                (Ok(observed), Some(asked)) => asked.began(observed),
                (Ok(_), None) => {}
                (Err(error), _) => failed = Some(error),
            },
        );
        failed.map_or(Ok(()), Err)
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

    /// A run of the original that nobody watches; a longer one, if its server did not listen in time: others may have kept the
    /// machine busy.
    fn run_again(&self, probe: &Probe) -> Result<Observation, AskError> {
        let observed = self.run(probe, self.original, Tracing::Off)?;
        if was_too_slow(probe, &observed) {
            return self.run(&probe.with_more_time(), self.original, Tracing::Off);
        }
        Ok(observed)
    }

    /// The first run of the original, watched: if it shows nothing, whom it tries to reach tells why. What cannot be watched
    /// whole may have failed because of that, and what is not as expected may be late; both run once more without.
    fn first_run(&self, probe: &Probe) -> Result<Observation, AskError> {
        let mut observed = self.run(probe, self.original, Tracing::Lookups)?;
        if was_too_slow(probe, &observed) {
            // Watched, it may only have been slow.
            observed = self.run(&probe.with_more_time(), self.original, Tracing::Lookups)?;
        }
        let has_gaps = |trace: &Trace| !trace.is_complete();
        let has_gaps = || observed.trace.as_ref().is_some_and(has_gaps);
        let is_doubtful = probe.origin != ProbeOrigin::Own
            && !is_well(probe, &observed)
            && (has_gaps() || is_refuted(probe, &observed));
        if !is_doubtful {
            return Ok(observed);
        }
        Ok(Observation {
            trace: observed.trace,
            ..self.run(probe, self.original, Tracing::Off)?
        })
    }

    /// The probes of our own. What was given has been asked.
    fn own(&self) -> &[Asked] {
        let (own, _) = self.own.get_or_init(|| {
            let OwnProbes { probes, left_out } = self.own_probes();
            (probes.into_iter().map(Asked::new).collect(), left_out)
        });
        own
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
            .filter_map(|asked| Some((&asked.probe, asked.runs().first()?.clone())))
            .collect();
        let asked: Vec<(&Probe, &Observation)> =
            runs.iter().map(|(probe, run)| (*probe, run)).collect();
        own_probes(Known {
            config: self.original.config(),
            asked: &asked,
            has_other_users: self.has_other_users(),
        })
    }

    /// Runs each probe in both images, and compares.
    fn outcomes(
        &self,
        all: &[Asked],
        candidate: &Candidate<'_>,
        observer: &dyn ProbeObserver,
    ) -> Result<Vec<ProbeOutcome>, AskError> {
        let tasks = tasks(all);
        let mut left: Vec<usize> = all.iter().map(|_| 0).collect();
        for task in &tasks {
            left[task.number] += 1;
        }
        let mut answered: Vec<Option<Box<Answered>>> = all.iter().map(|_| None).collect();
        let mut outcomes: Vec<Option<ProbeOutcome>> = all.iter().map(|_| None).collect();
        let mut n_told = 0;
        let mut failed = None;
        pool::each(
            &tasks,
            |task| self.done(*task, all, candidate),
            |index, run| {
                let task = tasks[index];
                let asked = &all[task.number];
                match run {
                    Ok(Run::Original(run)) if task.whose == Whose::First => asked.began(*run),
                    Ok(Run::Original(run)) => asked.runs().push(*run),
                    Ok(Run::Candidate(found)) => answered[task.number] = Some(found),
                    Err(error) => failed = Some(error),
                }
                left[task.number] -= 1;
                if left[task.number] > 0 || failed.is_some() {
                    return;
                }
                let answered = answered[task.number].take();
                let settled = answered.map(|found| self.settled(asked, *found, candidate));
                match settled.transpose() {
                    Ok(outcome) => outcomes[task.number] = outcome,
                    Err(error) => failed = Some(error),
                }
                while let Some(Some(outcome)) = outcomes.get(n_told) {
                    observer.probe(outcome);
                    n_told += 1;
                }
            },
        );
        match failed {
            Some(error) => Err(error),
            None => Ok(outcomes.into_iter().flatten().collect()),
        }
    }

    /// One run.
    fn done(&self, task: Task, all: &[Asked], candidate: &Candidate<'_>) -> Result<Run, AskError> {
        let probe = &all[task.number].probe;
        let observed = match task.whose {
            Whose::First if probe.origin != ProbeOrigin::Own => self.first_run(probe)?,
            Whose::First | Whose::Again => self.run_again(probe)?,
            Whose::Candidate => {
                let answered = self.answered(probe, candidate)?;
                return Ok(Run::Candidate(Box::new(answered)));
            }
        };
        Ok(Run::Original(Box::new(observed)))
    }

    /// What the candidate answers, and whether it could have been the original.
    fn answered(&self, probe: &Probe, candidate: &Candidate<'_>) -> Result<Answered, AskError> {
        let mut observed = self.run(probe, candidate.image, Tracing::Lookups)?;
        let trace = observed.trace.take();
        let judged = trace.as_ref().map(|trace| candidate.trails.judge(trace));
        Ok(Answered {
            observed,
            trace,
            trail: judged.unwrap_or(Trail::NotTraced),
        })
    }

    /// Compares; what differs is asked of the original again.
    fn settled(
        &self,
        asked: &Asked,
        mut answered: Answered,
        candidate: &Candidate<'_>,
    ) -> Result<ProbeOutcome, AskError> {
        let probe = &asked.probe;
        let mut runs = asked.runs();
        if has_more_time(&answered.observed, &runs) {
            answered = self.answered(&probe.with_more_time(), candidate)?;
        }
        let Answered {
            observed,
            trace,
            trail,
        } = answered;
        loop {
            if let Some(mut outcome) = compared(probe, &runs, &observed, candidate) {
                let is_settled = outcome.passed() || outcome.ailment().is_some();
                let most = match runs.first() {
                    Some(first) if is_in_another_order(first, &observed) => MOST_RUNS_FOR_AN_ORDER,
                    _ => MOST_RUNS,
                };
                if is_settled || runs.len() >= most {
                    if !is_settled && is_asked_again(&trail, &outcome.differences) {
                        outcome = self.asked_again(outcome, &runs, candidate)?;
                    }
                    outcome.trail = trail;
                    outcome.candidate.trace = trace;
                    return Ok(outcome);
                }
            }
            runs.push(self.run_again(probe)?);
        }
    }

    /// `outcome`, or that of another run of the candidate that does what the original does. What cuts its answer into pieces as
    /// they come may do so otherwise while it is watched, and a race may end otherwise once.
    fn asked_again(
        &self,
        outcome: ProbeOutcome,
        runs: &[Observation],
        candidate: &Candidate<'_>,
    ) -> Result<ProbeOutcome, AskError> {
        const MOST_AGAIN: usize = 2;
        let probe = &outcome.probe;
        for _ in 0..MOST_AGAIN {
            let observed = self.run(probe, candidate.image, Tracing::Off)?;
            let again = compared(probe, runs, &observed, candidate);
            if let Some(mut again) = again.filter(ProbeOutcome::passed) {
                again.volatile.push("the candidate's first run".to_owned());
                return Ok(again);
            }
        }
        Ok(outcome)
    }
}
