//! One run of the candidate beside those of the original.

use super::Candidate;
use crate::verify::aborted;
use crate::verify::observation::Observation;
use crate::verify::probe::Probe;
use crate::verify::verdict::ProbeOutcome;

/// What a run of the candidate says beside those of the original, if there are any.
pub(super) fn compared(
    probe: &Probe,
    runs: &[Observation],
    observed: &Observation,
    candidate: &Candidate<'_>,
) -> Option<ProbeOutcome> {
    let (first, again) = runs.split_first()?;
    let mut outcome =
        ProbeOutcome::of_repeated(probe.clone(), (first.clone(), again), observed.clone());
    if !outcome.passed() && outcome.ailment().is_none() {
        let runner = candidate.runner.as_ref();
        let by_runner = runner.and_then(|runner| runner.exception(probe, runs, observed));
        outcome.except(by_runner.or_else(|| aborted::exception(probe, runs, observed)));
    }
    Some(outcome)
}
