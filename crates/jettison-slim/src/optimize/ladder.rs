//! The candidates, smallest first, until one behaves as the original does.
//!
//! The first one holds what a compiled program itself says it needs. The next holds the packages and other units of which the
//! runs of the original used a file. What a candidate turns out to miss is added, and it is built again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jettison_build::{BuildError, Built};
use jettison_dockerfile::Parse;
use jettison_oci::{Image, RunConfig};
use jettison_sandbox::Trace;

use super::{OptimizeError, Run};
use crate::evidence::{
    Evidence, NotApplicable, OtherHealth, PlainStart, Traced, UseKind, Used, collect, other_health,
    plain_start, steps, used_in_all, wants_tool,
};
use crate::optimize::base::Base;
use crate::optimize::climbed::Climbed;
use crate::optimize::config::{config_difference, health_command};
use crate::optimize::division::{Divided, division};
use crate::optimize::user::as_nonroot;
use crate::refactor::{Candidate, Division, EmitError, Rung, Writing, rung_of, write_stages};
use crate::rootfs::RootDir;
use crate::verify::{
    Ailment, Oracle, ProbeOutcome, Trail, Verdict, Watched, all_misses, overall_ailment, verdict,
};

/// How often something is added to a candidate.
const ROUNDS: usize = 8;

/// What climbing needs.
pub(super) struct Ladder<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) built: &'a Built,
    pub(super) root: &'a RootDir,
    pub(super) oracle: &'a Oracle<'a>,
    pub(super) parsed: Parse,
    /// What the final stage starts from, if that is not nothing.
    pub(super) base: Option<&'a Base>,
    /// Programs of `built` that are knowingly others than the original's.
    pub(super) others: BTreeSet<PathBuf>,
    /// Those of which it is known that they tell no times of places, although what is linked into them could.
    pub(super) without_times: BTreeSet<PathBuf>,
}

/// A candidate that was built and asked.
pub(super) struct Attempt {
    /// What it was made from.
    pub(super) evidence: Evidence,
    pub(super) candidate: Candidate,
    pub(super) built: Built,
    pub(super) outcomes: Vec<ProbeOutcome>,
    pub(super) ailment: Option<Ailment>,
    /// Why it is not the answer; nothing if it is.
    pub(super) problem: Option<String>,
    /// What it missed.
    pub(super) missed: Vec<Used>,
}

/// A candidate that was built, and not asked yet.
pub(super) struct Draft {
    pub(super) attempt: Attempt,
    rung: Rung,
    is_divided: bool,
    /// Whether its build stage is divided so that sources are copied later.
    copies_sources: bool,
}

impl Ladder<'_> {
    /// Tries one rung after the other; what passes may become smaller still.
    pub(super) fn climb(&self) -> Result<Climbed, OptimizeError> {
        let mut climbed = Climbed {
            attempt: None,
            refused: Vec::new(),
            gaps: Vec::new(),
        };
        match collect(self.built, self.root) {
            Ok(evidence) => match self.attempt_to_gain(&evidence, None)? {
                Ok(attempt) if attempt.is_final() => {
                    climbed.attempt = Some(attempt);
                    return Ok(climbed);
                }
                Ok(attempt) => climbed.refused.extend(attempt.problem),
                Err(reason) => climbed.refused.push(reason),
            },
            Err(NotApplicable::Reason(reason) | NotApplicable::Read(reason)) => {
                climbed.refused.push(reason);
            }
        }
        self.climb_traced(&mut climbed)?;
        Ok(climbed)
    }

    /// `attempt` with a user without rights, or why that cannot be.
    pub(super) fn with_nonroot(
        &self,
        attempt: Attempt,
    ) -> Result<Result<Attempt, String>, OptimizeError> {
        let config = &self.built.image.config().config;
        let evidence = match as_nonroot(&attempt.evidence, config, &attempt.outcomes) {
            Ok(Some(evidence)) => evidence,
            Ok(None) => return Ok(Ok(attempt)),
            Err(reason) => return Ok(Err(reason)),
        };
        let attempt = self.attempt(&evidence)?;
        Ok(attempt.and_then(|attempt| match &attempt.problem {
            None => Ok(attempt),
            Some(problem) => Err(format!("as a user without rights: {problem}")),
        }))
    }

    /// The rung of whole packages and units, as the runs of the original show them: first without npm or uv, if that only starts
    /// the program.
    fn climb_traced(&self, climbed: &mut Climbed) -> Result<(), OptimizeError> {
        let config = &self.built.image.config().config;
        let Some(start) = plain_start(self.root, config) else {
            return self.climb_from(config, None, climbed);
        };
        self.climb_from(&start.config, Some(&start), climbed)?;
        let reason = match &climbed.attempt {
            Some(attempt) if attempt.is_final() => return Ok(()),
            Some(attempt) => attempt.problem.clone().unwrap_or_default(),
            None => climbed.refused.pop().unwrap_or_default(),
        };
        climbed.attempt = None;
        self.climb_from(config, None, climbed)?;
        if let Some(attempt) = &mut climbed.attempt {
            let tool = &start.tool;
            let note = format!("{tool} is kept, which starts the program: without it, {reason}");
            attempt.candidate.reasons.push(note);
        }
        Ok(())
    }

    /// The same for one way of starting the program.
    fn climb_from(
        &self,
        config: &RunConfig,
        start: Option<&PlainStart>,
        climbed: &mut Climbed,
    ) -> Result<(), OptimizeError> {
        let steps = steps(self.built);
        let traced = match Traced::new(config, &steps, self.root, &self.without_times) {
            Ok(traced) => traced,
            Err(error) => {
                climbed.refused.push(error.to_string());
                return Ok(());
            }
        };
        let learned = self.learn(&traced)?;
        let Some(other) = other_health(self.root, config, &started(&learned)) else {
            return self.climb_learned((config, start, None), learned, climbed);
        };
        let with = (&other.config, start, Some(&other));
        self.climb_learned(with, learned.clone(), climbed)?;
        let reason = match &climbed.attempt {
            Some(attempt) if attempt.is_final() => return Ok(()),
            Some(attempt) => attempt.problem.clone().unwrap_or_default(),
            None => climbed.refused.pop().unwrap_or_default(),
        };
        climbed.attempt = None;
        self.climb_learned((config, start, None), learned, climbed)?;
        if let Some(attempt) = &mut climbed.attempt {
            let program = other.argv.first().map_or("", String::as_str);
            let note = format!("HEALTHCHECK keeps curl: with {program} in its place, {reason}");
            attempt.candidate.reasons.push(note);
        }
        Ok(())
    }

    /// The same for what the original's runs have shown, and one way of asking after its health.
    fn climb_learned(
        &self,
        (config, start, other): (&RunConfig, Option<&PlainStart>, Option<&OtherHealth>),
        mut learned: Vec<Watched>,
        climbed: &mut Climbed,
    ) -> Result<(), OptimizeError> {
        let steps = steps(self.built);
        let mut traced = match Traced::new(config, &steps, self.root, &self.without_times) {
            Ok(traced) => traced,
            Err(error) => {
                climbed.refused.push(error.to_string());
                return Ok(());
            }
        };
        learned.extend(self.learn_health(config)?);
        if let Some(other) = other {
            traced.note(other.fact.clone());
        }
        let mut used = used_in_all(learned.iter().map(|watched| {
            let by = format!("the original, in probe `{}`", watched.probe);
            (&watched.trace, by)
        }));
        let all = learned.into_iter().map(|watched| watched.trace);
        let whole = all.fold(Trace::default(), Trace::merge);
        climbed.gaps = gaps(&whole);
        if let Some(start) = start {
            let wants = wants_tool(self.root, start, &used).map_err(OptimizeError::Root)?;
            if let Some(reason) = wants {
                climbed.refused.push(reason);
                return Ok(());
            }
            traced.note(start.fact.clone());
        }
        let mut before = None;
        for _ in 0..ROUNDS {
            let evidence = traced.add(&used).and_then(|()| traced.evidence());
            let attempt = match evidence {
                // What is missed cannot be kept: it is not there.
                Ok(evidence) if before.as_ref() == Some(&evidence.runtime) => return Ok(()),
                Ok(evidence) => {
                    let mut attempt = self.attempt_to_gain(&evidence, Some(&whole))?;
                    if let (Ok(attempt), Some(other)) = (&mut attempt, other) {
                        self.prove_health(attempt, other)?;
                    }
                    before = Some(evidence.runtime);
                    attempt
                }
                Err(error) => Err(error.to_string()),
            };
            let attempt = match attempt {
                Ok(attempt) => attempt,
                Err(reason) => {
                    climbed.refused.push(reason);
                    return Ok(());
                }
            };
            used.clone_from(&attempt.missed);
            let is_final = attempt.is_final() || used.is_empty();
            climbed.attempt = Some(attempt);
            if is_final {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What the original uses when it is asked everything, started without a shell where that does nothing.
    fn learn(&self, traced: &Traced<'_>) -> Result<Vec<Watched>, OptimizeError> {
        self.run.observer.phase("Watch the original");
        let original = &self.built.image;
        let (entrypoint, cmd) = traced.commands();
        let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
        let mut config = original.config().clone();
        config.config.entrypoint = some(entrypoint);
        config.config.cmd = some(cmd);
        let started = Image::new(config, original.layers().to_vec())
            .map_err(|error| OptimizeError::Look(BuildError::Image(error)))?;
        self.oracle.learn(&started).map_err(OptimizeError::Probe)
    }

    /// What the health check of `config` uses in the original, if there is one.
    fn learn_health(&self, config: &RunConfig) -> Result<Option<Watched>, OptimizeError> {
        let original = &self.built.image;
        let Some(argv) = health_command(config.healthcheck.as_ref()) else {
            return Ok(None);
        };
        // Alone it finds nobody to ask, but it shows which programs and libraries it is made of.
        let mut config = original.config().clone();
        config.config.entrypoint = Some(argv);
        config.config.cmd = None;
        let health = Image::new(config, original.layers().to_vec())
            .map_err(|error| OptimizeError::Look(BuildError::Image(error)))?;
        let trace = self
            .oracle
            .learn_command(&health)
            .map_err(OptimizeError::Probe)?;
        Ok(Some(Watched {
            probe: "HEALTHCHECK".to_owned(),
            trace,
        }))
    }

    /// Asks after the health of the servers of the original and of `attempt`, which has another command for that; what they do not
    /// agree on is a reason to refuse it.
    fn prove_health(
        &self,
        attempt: &mut Attempt,
        other: &OtherHealth,
    ) -> Result<(), OptimizeError> {
        if attempt.problem.is_some() {
            return Ok(());
        }
        self.run.observer.phase("Compare the health checks");
        let config = &self.built.image.config().config;
        let own = health_command(config.healthcheck.as_ref());
        attempt.problem = match (own, other.check.port(&config.env)) {
            (Some(own), Some(port)) => {
                let candidate = (&attempt.built.image, other.argv.as_slice());
                let difference = self.oracle.health_difference(&own, candidate, port);
                difference.map_err(OptimizeError::Probe)?
            }
            (Some(_), None) | (None, _) => Some("nobody knows the port that it asks".to_owned()),
        };
        Ok(())
    }

    /// Builds and asks the candidate that follows from `evidence`; else says why there is none.
    pub(super) fn attempt(
        &self,
        evidence: &Evidence,
    ) -> Result<Result<Attempt, String>, OptimizeError> {
        match self.draft(evidence)? {
            Ok(draft) => self.asked(draft),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Builds the candidate that follows from `evidence`; else says why there is none.
    pub(super) fn draft(
        &self,
        evidence: &Evidence,
    ) -> Result<Result<Draft, String>, OptimizeError> {
        let evidence = match self.base.map(|base| base.without(evidence, self.root)) {
            None => evidence.clone(),
            Some(Ok(reduced)) => reduced,
            Some(Err(reason)) => return Ok(Err(reason)),
        };
        let evidence = &evidence;
        let max = self.run.request.max_rung;
        let (rung, holds) = rung_of(&evidence.runtime);
        if rung > max {
            return Ok(Err(format!(
                "it needs the rung `{rung}`, for {}, and --max-rung is {max}",
                some_of(&holds)
            )));
        }
        let division = division(
            self.run,
            Divided {
                built: self.built,
                parse: &self.parsed,
                runtime: &evidence.runtime,
                root: self.root,
            },
        )?;
        let division = division.filter(|division| division.suits(&evidence.runtime));
        let mut copies_sources = division.as_ref().is_some_and(Division::copies_sources);
        let mut is_divided = division.is_some();
        let mut drafted = self.draft_divided(evidence, (rung, division.as_ref()))?;
        if is_divided && let Err(reason) = &drafted {
            let note = format!("dividing the build stage was tried and is left out: {reason}");
            (is_divided, copies_sources) = (false, false);
            drafted = self.draft_divided(evidence, (rung, None))?;
            if let Ok(attempt) = &mut drafted {
                attempt.candidate.reasons.push(note);
            }
        }
        Ok(drafted.map(|attempt| Draft {
            attempt,
            rung,
            is_divided,
            copies_sources,
        }))
    }

    /// Asks a candidate that was built.
    pub(super) fn asked(&self, draft: Draft) -> Result<Result<Attempt, String>, OptimizeError> {
        let attempt = self.compared(draft.attempt)?;
        let has_failed = attempt.problem.is_some() && attempt.ailment.is_none();
        // Sources that are copied later have the times of today, which the original's need not have.
        if draft.copies_sources && has_failed {
            self.run.anew.distrust();
            return match self.draft_divided(&attempt.evidence, (draft.rung, None))? {
                Ok(undivided) => self.compared(undivided).map(Ok),
                Err(reason) => Ok(Err(reason)),
            };
        }
        // What a divided stage builds anew has times of its own, which the program has seen.
        if draft.is_divided && attempt.differs_by_the_build() {
            self.run.anew.distrust();
            let undivided = self.draft_divided(&attempt.evidence, (draft.rung, None))?;
            let undivided = undivided
                .ok()
                .map(|draft| self.compared(draft))
                .transpose()?;
            let is_proven = |whole: &Attempt| {
                whole.problem.is_none() && verdict(&whole.outcomes) == Verdict::Proven
            };
            return Ok(Ok(undivided.filter(is_proven).unwrap_or(attempt)));
        }
        Ok(Ok(attempt))
    }

    /// Builds the candidate of `evidence`, whose build stage is divided so.
    fn draft_divided(
        &self,
        evidence: &Evidence,
        (rung, division): (Rung, Option<&Division>),
    ) -> Result<Result<Attempt, String>, OptimizeError> {
        let reasons = evidence.facts.iter().map(ToString::to_string);
        let reasons = reasons.chain(evidence.advice.iter().cloned()).collect();
        let lower = &self.run.request.build.lower;
        let taken: Vec<String> = lower.contexts.keys().cloned().collect();
        let writing = Writing {
            division,
            target: lower.target.as_deref(),
            taken: &taken,
        };
        let candidate = match write_stages(&self.parsed, &evidence.runtime, writing, reasons) {
            Ok(candidate) => Candidate { rung, ..candidate },
            Err(
                error @ (EmitError::NoStage
                | EmitError::Path(_)
                | EmitError::Value(_)
                | EmitError::Escape),
            ) => return Ok(Err(error.to_string())),
            Err(error) => return Err(OptimizeError::Emit(error)),
        };
        let run = self.run;
        run.observer
            .candidate(run.request.build.dockerfile, &candidate);
        run.observer.phase("Build the rewritten Dockerfile");
        let mut request = run.rewritten(&candidate.dockerfile);
        request.lower.uncached_stages = run.anew.stages(&candidate);
        let built = match run.build(&request) {
            Ok(built) => built,
            // What is collected takes programs that a build stage may not have.
            Err(error @ BuildError::Command { .. }) => {
                let reason = "a command of the rewritten Dockerfile fails";
                return Ok(Err(format!("{reason}: {}", shortened(&error))));
            }
            Err(error) => return Err(OptimizeError::Candidate(error)),
        };
        let mut attempt = Attempt {
            evidence: evidence.clone(),
            candidate,
            built,
            outcomes: Vec::new(),
            ailment: None,
            problem: None,
            missed: Vec::new(),
        };
        attempt.problem = unfit(self.built, &attempt.built, evidence);
        Ok(Ok(attempt))
    }

    /// Runs both, unless it is known already that it is not the answer.
    fn compared(&self, mut attempt: Attempt) -> Result<Attempt, OptimizeError> {
        if attempt.problem.is_some() {
            return Ok(attempt);
        }
        let run = self.run;
        run.observer.phase("Run both and compare");
        let asked = self.oracle.ask(&attempt.built.image, run.observer);
        attempt.outcomes = asked.map_err(OptimizeError::Probe)?;
        attempt.ailment = overall_ailment(&attempt.outcomes);
        attempt.missed = missed(&attempt.outcomes);
        attempt.problem = match (&attempt.ailment, verdict(&attempt.outcomes)) {
            (Some(ailment), _) => Some(ailment.to_string()),
            (None, Verdict::Proven | Verdict::ProvenBut | Verdict::Weak) => None,
            (None, Verdict::Missed | Verdict::Failed) => Some(failure(&attempt.outcomes)),
        };
        Ok(attempt)
    }
}

/// What of `trace` is missing, each reason once.
fn gaps(trace: &Trace) -> Vec<String> {
    let mut reasons: Vec<String> = trace
        .gaps()
        .map(|gap| gap.reason.text().to_owned())
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

/// An error without the texts of commands that take many lines.
fn shortened(error: &BuildError) -> String {
    const LONGEST: usize = 300;
    let text = error.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let end: Vec<char> = text.chars().rev().take(LONGEST).collect();
    format!("…{}", end.into_iter().rev().collect::<String>())
}

/// The first of some names.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Attempt {
    /// Whether nothing is to be gained by trying anything else: it passed, or the original shows nothing.
    pub(super) fn is_final(&self) -> bool {
        self.problem.is_none() || self.ailment.is_some()
    }

    /// Whether it passed but for files, and none of these is another one on purpose.
    fn differs_by_the_build(&self) -> bool {
        let remade = &self.evidence.runtime.remade;
        let is_meant = |path: &Path| remade.iter().any(|made| path.starts_with(made));
        let is_excepted = self
            .outcomes
            .iter()
            .any(|outcome| outcome.exception.is_some());
        let mut files = self
            .outcomes
            .iter()
            .filter_map(|outcome| match &outcome.trail {
                Trail::But { files, .. } => Some(files),
                Trail::NotTraced
                | Trail::Same
                | Trail::LoadedAlike(_)
                | Trail::Misses(_)
                | Trail::Incomplete(_) => None,
            })
            .flatten();
        // Another build stage cannot make a proof of it.
        !is_excepted
            && self.problem.is_none()
            && verdict(&self.outcomes) == Verdict::ProvenBut
            && !files.any(|file| is_meant(&file.path))
    }
}

/// The programs that runs have started, by their real paths, interpreters of scripts among them.
fn started(learned: &[Watched]) -> Vec<PathBuf> {
    let starts = learned.iter().flat_map(|watched| watched.trace.starts());
    let programs = starts.flat_map(|start| [&start.program].into_iter().chain(&start.interpreters));
    programs.cloned().collect()
}

/// Why the rewritten image need not even be run.
fn unfit(built: &Built, small: &Built, evidence: &Evidence) -> Option<String> {
    let configs = [built, small].map(|built| &built.image.config().config);
    if let Some(difference) = config_difference(configs[0], configs[1], evidence) {
        return Some(format!(
            "the rewritten image is configured differently: {difference}"
        ));
    }
    (small.image.unpacked_size() >= built.image.unpacked_size())
        .then(|| "the rewritten image is not smaller".to_string())
}

/// What went wrong, by the probes' names.
fn failure(outcomes: &[ProbeOutcome]) -> String {
    if outcomes.is_empty() {
        return "nothing was tried, so nothing is known".to_string();
    }
    let reason =
        |outcome: &ProbeOutcome| Some(format!("{}: {}", outcome.probe.name, outcome.problem()?));
    let mut reasons: Vec<String> = outcomes.iter().filter_map(reason).collect();
    let misses = all_misses(outcomes).into_iter();
    reasons.extend(misses.map(|miss| format!("{miss}: {}", miss.cure())));
    reasons.join("; ")
}

/// What a candidate looked up in vain, to be kept in the next one.
fn missed(outcomes: &[ProbeOutcome]) -> Vec<Used> {
    let misses = all_misses(outcomes).into_iter();
    misses
        .map(|miss| Used {
            path: miss.path.clone(),
            kind: UseKind::Looked,
            by: "a candidate without it missed it".to_owned(),
        })
        .collect()
}
