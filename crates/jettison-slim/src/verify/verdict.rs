//! What the outcomes of all probes say together.

use std::collections::BTreeSet;

use crate::verify::ailment::{Ailment, ailment_of};
use crate::verify::compare::{Comparison, Difference, compare_with};
use crate::verify::expectations::unmet;
use crate::verify::http::Answer;
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::probe::{Action, Probe, ProbeOrigin, Talk};
use crate::verify::trail::{OwnedMiss, Trail};

/// One probe, run in both images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// What was asked.
    pub probe: Probe,
    /// What the original did.
    pub original: Observation,
    /// What the candidate did.
    pub candidate: Observation,
    /// How the candidate differs from the original.
    pub differences: Vec<Difference>,
    /// What differs between runs of the original, and was not counted.
    pub volatile: Vec<String>,
    /// What the candidate does better, for which what follows from it was not counted.
    pub improvement: Option<String>,
    /// What is different and was accepted, because it comes of starting the program without what only starts it.
    pub exception: Option<String>,
    /// The probe's expectations that were not met, and by which image.
    pub unmet: Vec<String>,
    /// What the candidate's lookups say.
    pub trail: Trail,
}

impl ProbeOutcome {
    /// Compares the two runs with each other and with what `probe` expects.
    pub fn of(probe: Probe, original: Observation, candidate: Observation) -> ProbeOutcome {
        let comparison = compare_with(&[&original], &candidate, &probe.ignore);
        ProbeOutcome::compared(probe, (original, candidate), comparison)
    }

    /// Compares a run of the candidate with several of the original, `original` being the first.
    pub fn of_repeated(
        probe: Probe,
        (original, again): (Observation, &[Observation]),
        candidate: Observation,
    ) -> ProbeOutcome {
        let runs: Vec<&Observation> = [&original].into_iter().chain(again).collect();
        let comparison = compare_with(&runs, &candidate, &probe.ignore);
        ProbeOutcome::compared(probe, (original, candidate), comparison)
    }

    fn compared(
        probe: Probe,
        (original, candidate): (Observation, Observation),
        mut comparison: Comparison,
    ) -> ProbeOutcome {
        let improvement = improvement(&probe, &original, &candidate);
        if improvement.is_some() {
            comparison.differences.retain(is_answer);
        }
        let unmet = [("original", &original), ("candidate", &candidate)]
            .into_iter()
            .flat_map(|(image, observation)| {
                let unmet = unmet(&probe, observation).into_iter();
                unmet.map(move |what| format!("{image}: {what}"))
            })
            .collect();
        ProbeOutcome {
            probe,
            original,
            candidate,
            differences: comparison.differences,
            volatile: comparison.volatile,
            improvement,
            exception: None,
            unmet,
            trail: Trail::NotTraced,
        }
    }

    /// Accepts all differences, if they are `exception` and nothing else.
    pub(super) fn except(&mut self, exception: Option<String>) {
        if exception.is_some() {
            self.differences.clear();
            self.exception = exception;
        }
    }

    /// Why this outcome is no proof that both behave the same, in a few words; `None` if it passed.
    pub fn problem(&self) -> Option<String> {
        if self.passed() {
            return None;
        }
        if let Some(ailment) = self.ailment() {
            return Some(ailment.to_string());
        }
        Some(
            if self.differences.is_empty() {
                "not what the probe expects"
            } else {
                "the new image behaves differently"
            }
            .to_owned(),
        )
    }

    /// Whether the candidate did what the original did, and both did what the probe expects.
    ///
    /// To a question of ours both may have no answer in time, or another one each time; then it says nothing.
    pub fn passed(&self) -> bool {
        let is_difference = |difference: &Difference| match difference {
            Difference::BothTimedOut | Difference::NotRepeatable { .. } => {
                self.probe.origin != ProbeOrigin::Own
            }
            Difference::Exit { .. }
            | Difference::Value { .. }
            | Difference::Text { .. }
            | Difference::Written { .. } => true,
        };
        !self.differences.iter().any(is_difference) && self.unmet.is_empty() && !self.is_unserved()
    }

    /// Whether the user has asked a server that was not there.
    fn is_unserved(&self) -> bool {
        self.probe.origin == ProbeOrigin::Given && self.original.trouble().is_some()
    }

    /// Why the original shows nothing of itself, if that is so.
    pub fn ailment(&self) -> Option<Ailment> {
        if self.probe.origin == ProbeOrigin::Own {
            return None;
        }
        let is_flaky =
            |difference: &Difference| matches!(difference, Difference::NotRepeatable { .. });
        if self.differences.iter().any(is_flaky) {
            return Some(Ailment::Flaky);
        }
        ailment_of(&self.probe, &self.original)
    }

    /// Whether the original did something here that a broken candidate could not do just as well.
    ///
    /// That is not so if its program did not start (exit codes 126 and 127), was killed or stopped, failed without the
    /// probe expecting that exit code, or succeeded without writing anything. A server has to answer something other than
    /// that it has an error, unless that is expected.
    pub fn shows_behavior(&self) -> bool {
        if let (Action::Serve(server), Some(served)) = (&self.probe.action, &self.original.served)
            && served.trouble.is_none()
        {
            return match &server.talk {
                Talk::Nothing => self.probe.origin == ProbeOrigin::Given,
                Talk::Http(requests) => {
                    served
                        .answers
                        .iter()
                        .zip(requests)
                        .any(|((_, answer), request)| match answer {
                            Answer::Response(response) => {
                                response.status < 500 || request.expect_status.is_some()
                            }
                            Answer::Bytes(_) | Answer::Nothing(_) => false,
                        })
                }
                Talk::Tcp(_) => served
                    .answers
                    .iter()
                    .any(|(_, answer)| matches!(answer, Answer::Bytes(_))),
            };
        }
        match self.original.exit {
            ExitKind::Code(0) => {
                !self.original.stdout.is_empty()
                    || !self.original.stderr.is_empty()
                    || !self.original.written.is_empty()
            }
            ExitKind::Code(126 | 127)
            | ExitKind::Signal(_)
            | ExitKind::Killed
            | ExitKind::TimedOut => false,
            ExitKind::Code(code) => self.probe.expect_exit == Some(code),
        }
    }
}

/// What is known about a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did what the original did, in probes that say something.
    Proven,
    /// The same, but for directories that were listed and have other names in it, files that were read and are others, or how
    /// a program ends that is started without what only starts it.
    ProvenBut,
    /// It did what the original did, but that says little.
    Weak,
    /// It did what the original did, but looked something up in vain that the original has: it was luck.
    Missed,
    /// It did something else, or nothing was tried.
    Failed,
}

impl Verdict {
    /// The same, if it is known that what it rests on has gaps.
    pub(crate) fn weakened(self) -> Verdict {
        match self {
            Verdict::Proven | Verdict::ProvenBut | Verdict::Weak => Verdict::Weak,
            Verdict::Missed | Verdict::Failed => self,
        }
    }
}

/// What `outcomes` say together.
///
/// One failure is enough for [`Verdict::Failed`], and so is having no outcome; one miss for [`Verdict::Missed`]. For
/// [`Verdict::Proven`] at least one of the probes has to be the user's and to
/// [show behavior](ProbeOutcome::shows_behavior) of the original, and what was watched has to have been watched whole.
pub fn verdict(outcomes: &[ProbeOutcome]) -> Verdict {
    if outcomes.is_empty() || !outcomes.iter().all(ProbeOutcome::passed) {
        return Verdict::Failed;
    }
    let has_trail =
        |is_such: fn(&Trail) -> bool| outcomes.iter().any(|outcome| is_such(&outcome.trail));
    if has_trail(|trail| matches!(trail, Trail::Misses(_))) {
        return Verdict::Missed;
    }
    let is_proof = |outcome: &ProbeOutcome| {
        outcome.probe.origin == ProbeOrigin::Given && outcome.shows_behavior()
    };
    let is_watched = !has_trail(|trail| matches!(trail, Trail::Incomplete(_)));
    if !is_watched || !outcomes.iter().any(is_proof) {
        Verdict::Weak
    } else if has_trail(|trail| matches!(trail, Trail::But { .. }))
        || outcomes.iter().any(|outcome| outcome.exception.is_some())
    {
        Verdict::ProvenBut
    } else {
        Verdict::Proven
    }
}

/// What was looked up in vain, in all probes, each path once.
pub fn all_misses(outcomes: &[ProbeOutcome]) -> Vec<&OwnedMiss> {
    let misses = outcomes.iter().filter_map(|outcome| match &outcome.trail {
        Trail::Misses(misses) => Some(misses),
        Trail::NotTraced
        | Trail::Same
        | Trail::LoadedAlike(_)
        | Trail::But { .. }
        | Trail::Incomplete(_) => None,
    });
    let misses: BTreeSet<&OwnedMiss> = misses.flatten().collect();
    misses.into_iter().collect()
}

/// Why the original showed nothing at all, whatever it was asked, or does not do what a probe expects; `None` if it showed
/// something.
pub fn overall_ailment(outcomes: &[ProbeOutcome]) -> Option<Ailment> {
    let asked = || {
        outcomes
            .iter()
            .filter(|outcome| outcome.probe.origin != ProbeOrigin::Own)
    };
    let of_all = asked().find_map(|outcome| {
        let ailment = outcome.ailment()?;
        let is_of_all = ailment.is_of_all(&outcome.probe, &outcome.original);
        is_of_all.then_some(ailment)
    });
    if of_all.is_some() {
        return of_all;
    }
    if asked().any(|outcome| outcome.ailment().is_none()) {
        return None;
    }
    asked().find_map(ProbeOutcome::ailment)
}

/// That a candidate ends when it is asked to, where the original had to be killed: a shell that waits for its program as
/// the first process does not pass signals on. What programs say and write when they end is then said by one of them alone.
fn improvement(probe: &Probe, original: &Observation, candidate: &Observation) -> Option<String> {
    // A program that ends well, or as a shell says of one that SIGTERM has ended; any other code is a failure of its own.
    const ENDED: [i32; 2] = [0, 128 + 15];
    let Action::Serve(_) = &probe.action else {
        return None;
    };
    let ExitKind::Code(code) = candidate.exit else {
        return None;
    };
    (original.exit == ExitKind::Killed && ENDED.contains(&code)).then(|| {
        format!(
            "it ends when it is asked to (exit code {code}), where the original has to be killed"
        )
    })
}

/// Whether a difference is one of what a server answers, not of how it ends.
fn is_answer(difference: &Difference) -> bool {
    match difference {
        Difference::Value { part, .. } | Difference::Text { part, .. } => {
            !["stdout", "stderr", "time"]
                .iter()
                .any(|ending| part.starts_with(ending))
        }
        Difference::Exit { .. } | Difference::Written { .. } => false,
        Difference::BothTimedOut | Difference::NotRepeatable { .. } => true,
    }
}

#[cfg(test)]
mod tests;
