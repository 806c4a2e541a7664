//! What the outcomes of all probes say together.

use crate::verify::compare::{Difference, ExitKind, Observation, compare};
use crate::verify::probe::Probe;

/// Where the probes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeSource {
    /// The user gave them.
    Given,
    /// There is only the default one, which knows nothing about the program.
    DefaultOnly,
}

/// One probe, run in both images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// What was run.
    pub probe: Probe,
    /// What the original did.
    pub original: Observation,
    /// What the candidate did.
    pub candidate: Observation,
    /// How the candidate differs from the original.
    pub differences: Vec<Difference>,
    /// The probe's expectations that were not met, and by which image.
    pub unmet: Vec<String>,
}

impl ProbeOutcome {
    /// Compares the two runs with each other and with what `probe` expects.
    pub fn of(probe: Probe, original: Observation, candidate: Observation) -> ProbeOutcome {
        let differences = compare(&original, &candidate);
        let unmet = [("original", &original), ("candidate", &candidate)]
            .into_iter()
            .flat_map(|(image, observation)| unmet(&probe, image, observation))
            .collect();
        ProbeOutcome {
            probe,
            original,
            candidate,
            differences,
            unmet,
        }
    }

    /// Compares a run of the candidate with two of the original, which have to agree with each other.
    pub fn of_repeated(
        probe: Probe,
        (original, again): (Observation, &Observation),
        candidate: Observation,
    ) -> ProbeOutcome {
        let between_runs = match compare(&original, again) {
            differences if differences == [Difference::BothTimedOut] => Vec::new(),
            differences => differences,
        };
        let mut outcome = ProbeOutcome::of(probe, original, candidate);
        if !between_runs.is_empty() {
            outcome.differences = vec![Difference::NotRepeatable { between_runs }];
        }
        outcome
    }

    /// Why this outcome is no proof that both behave the same, in a few words; `None` if it passed.
    pub fn problem(&self) -> Option<&'static str> {
        match self.differences.as_slice() {
            [] if self.unmet.is_empty() => None,
            [] => Some("not what the probe expects"),
            [Difference::BothTimedOut, ..] => Some(
                "both images ran into the time limit, so nothing was compared; a server needs a probe that ends",
            ),
            [Difference::NotRepeatable { .. }, ..] => Some(
                "not repeatable, two runs of the original differ from each other, so nothing can be proven",
            ),
            _ => Some("the rewritten image behaves differently"),
        }
    }

    /// Whether the candidate did what the original did, and both did what the probe expects.
    pub fn passed(&self) -> bool {
        self.differences.is_empty() && self.unmet.is_empty()
    }

    /// Whether the original did something here that a broken candidate could not do just as well.
    ///
    /// That is not so if its program did not start (exit codes 126 and 127), was killed or stopped, failed without the
    /// probe expecting that exit code, or succeeded without writing anything.
    pub fn shows_behavior(&self) -> bool {
        match self.original.exit {
            ExitKind::Code(0) => {
                !self.original.stdout.is_empty()
                    || !self.original.stderr.is_empty()
                    || !self.original.written.is_empty()
            }
            ExitKind::Code(126 | 127) | ExitKind::Signal(_) | ExitKind::TimedOut => false,
            ExitKind::Code(code) => self.probe.expect_exit == Some(code),
        }
    }
}

/// What is known about a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did what the original did, in probes that say something.
    Proven,
    /// It did what the original did, but that says little.
    Weak,
    /// It did something else, or nothing was tried.
    Failed,
}

/// What `outcomes` say together.
///
/// One failure is enough for [`Verdict::Failed`], and so is having no outcome. For [`Verdict::Proven`] at least one of
/// the probes has to be the user's and to [show behavior](ProbeOutcome::shows_behavior) of the original.
pub fn verdict(outcomes: &[ProbeOutcome], source: ProbeSource) -> Verdict {
    if outcomes.is_empty() || !outcomes.iter().all(ProbeOutcome::passed) {
        return Verdict::Failed;
    }
    match source {
        ProbeSource::Given if outcomes.iter().any(ProbeOutcome::shows_behavior) => Verdict::Proven,
        ProbeSource::Given | ProbeSource::DefaultOnly => Verdict::Weak,
    }
}

fn unmet(probe: &Probe, image: &str, observation: &Observation) -> Vec<String> {
    let mut unmet = Vec::new();
    if let Some(code) = probe.expect_exit
        && observation.exit != ExitKind::Code(code)
    {
        unmet.push(format!(
            "{image}: expected exit code {code}, not {}",
            observation.exit
        ));
    }
    if let Some(text) = &probe.expect_stdout
        && !is_stdout(text, &observation.stdout)
    {
        unmet.push(format!("{image}: stdout is not {text:?}"));
    }
    unmet
}

fn is_stdout(expected: &str, stdout: &[u8]) -> bool {
    let expected = expected.as_bytes();
    stdout == expected
        || (!expected.ends_with(b"\n") && stdout.strip_suffix(b"\n") == Some(expected))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn probe() -> Probe {
        Probe {
            name: "version".to_owned(),
            arguments: None,
            stdin: Vec::new(),
            env: Vec::new(),
            time_limit: Duration::from_secs(1),
            expect_exit: None,
            expect_stdout: None,
        }
    }

    fn ran(exit: ExitKind, stdout: &str) -> Observation {
        Observation {
            exit,
            stdout: stdout.as_bytes().to_vec(),
            stderr: Vec::new(),
            written: Vec::new(),
        }
    }

    /// The outcome of a candidate that does what the original does.
    fn same(exit: ExitKind, stdout: &str) -> ProbeOutcome {
        ProbeOutcome::of(probe(), ran(exit, stdout), ran(exit, stdout))
    }

    fn good() -> ProbeOutcome {
        same(ExitKind::Code(0), "1.0\n")
    }

    fn check(outcomes: &[ProbeOutcome], expected: Verdict) {
        assert_eq!(
            verdict(outcomes, ProbeSource::Given),
            expected,
            "{outcomes:#?}"
        );
    }

    #[test]
    fn the_same_output_and_success_is_proof() {
        check(&[good()], Verdict::Proven);
    }

    #[test]
    fn no_outcome_is_a_failure() {
        check(&[], Verdict::Failed);
        assert_eq!(verdict(&[], ProbeSource::DefaultOnly), Verdict::Failed);
    }

    #[test]
    fn one_failure_among_successes_is_a_failure() {
        let other = ProbeOutcome::of(
            probe(),
            ran(ExitKind::Code(0), "a"),
            ran(ExitKind::Code(0), "b"),
        );
        check(&[good(), other.clone(), good()], Verdict::Failed);
        assert_eq!(verdict(&[other], ProbeSource::DefaultOnly), Verdict::Failed);
    }

    #[test]
    fn two_runs_that_were_stopped_are_a_failure() {
        check(
            &[good(), same(ExitKind::TimedOut, "listening\n")],
            Verdict::Failed,
        );
    }

    #[test]
    fn the_default_probe_is_never_proof() {
        assert_eq!(verdict(&[good()], ProbeSource::DefaultOnly), Verdict::Weak);
    }

    #[test]
    fn a_program_that_never_started_is_not_proof() {
        for code in [126, 127] {
            check(&[same(ExitKind::Code(code), "not found")], Verdict::Weak);
            let expected = Probe {
                expect_exit: Some(code),
                ..probe()
            };
            let run = ran(ExitKind::Code(code), "not found");
            check(
                &[ProbeOutcome::of(expected, run.clone(), run)],
                Verdict::Weak,
            );
        }
    }

    #[test]
    fn a_program_that_was_killed_is_not_proof() {
        check(
            &[same(ExitKind::Signal(11), "half of its out")],
            Verdict::Weak,
        );
    }

    #[test]
    fn silent_success_is_not_proof() {
        check(
            &[same(ExitKind::Code(0), ""), same(ExitKind::Code(0), "")],
            Verdict::Weak,
        );
    }

    #[test]
    fn different_kinds_of_nothing_are_not_proof_together() {
        let nothing = [
            same(ExitKind::Code(0), ""),
            same(ExitKind::Code(127), "not found"),
            same(ExitKind::Signal(9), ""),
        ];
        check(&nothing, Verdict::Weak);
    }

    #[test]
    fn one_probe_that_shows_something_is_enough_beside_silent_ones() {
        check(&[same(ExitKind::Code(0), ""), good()], Verdict::Proven);
    }

    #[test]
    fn a_failing_original_is_proof_only_if_that_is_expected() {
        let run = ran(ExitKind::Code(2), "usage: tool FILE\n");
        check(
            &[ProbeOutcome::of(probe(), run.clone(), run.clone())],
            Verdict::Weak,
        );
        let expected = Probe {
            expect_exit: Some(2),
            ..probe()
        };
        check(
            &[ProbeOutcome::of(expected, run.clone(), run)],
            Verdict::Proven,
        );
    }

    #[test]
    fn output_to_standard_error_shows_behavior_too() {
        let run = Observation {
            stderr: b"tool 1.0\n".to_vec(),
            ..ran(ExitKind::Code(0), "")
        };
        check(
            &[ProbeOutcome::of(probe(), run.clone(), run)],
            Verdict::Proven,
        );
    }

    #[test]
    fn expectations_are_held_against_both_images() {
        let expecting = Probe {
            expect_exit: Some(0),
            expect_stdout: Some("2.0".to_owned()),
            ..probe()
        };
        let outcome = ProbeOutcome::of(
            expecting,
            ran(ExitKind::Code(1), "1.0\n"),
            ran(ExitKind::Code(1), "1.0\n"),
        );
        assert!(outcome.differences.is_empty() && !outcome.passed());
        assert_eq!(
            outcome.unmet,
            [
                "original: expected exit code 0, not exit code 1",
                "original: stdout is not \"2.0\"",
                "candidate: expected exit code 0, not exit code 1",
                "candidate: stdout is not \"2.0\"",
            ]
        );
        check(&[outcome], Verdict::Failed);
    }

    #[test]
    fn only_the_last_newline_may_be_left_out_of_expected_output() {
        let cases = [
            ("a", "a", true),
            ("a", "a\n", true),
            ("a\n", "a\n", true),
            ("a\n", "a", false),
            ("a", "a\n\n", false),
            ("a", " a", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (expected, stdout, is_met) in cases {
            assert_eq!(
                is_stdout(expected, stdout.as_bytes()),
                is_met,
                "{expected:?} {stdout:?}"
            );
        }
    }

    #[test]
    fn an_original_that_disagrees_with_itself_proves_nothing() {
        let [first, again] = ["17:01\n", "17:02\n"].map(|text| ran(ExitKind::Code(0), text));
        let outcome = ProbeOutcome::of_repeated(probe(), (first.clone(), &again), first);
        assert!(outcome.problem().unwrap().starts_with("not repeatable"));
        assert!(outcome.differences[0].describe().contains("-17:01\n+17:02"));
        check(&[good(), outcome], Verdict::Failed);
    }

    #[test]
    fn an_original_that_agrees_with_itself_is_compared() {
        let first = ran(ExitKind::Code(0), "1.0\n");
        let outcome = ProbeOutcome::of_repeated(probe(), (first.clone(), &first), first.clone());
        assert_eq!(outcome.problem(), None);
        check(&[outcome], Verdict::Proven);
        let stopped = ran(ExitKind::TimedOut, "");
        let outcome =
            ProbeOutcome::of_repeated(probe(), (stopped.clone(), &stopped), stopped.clone());
        assert!(
            outcome
                .problem()
                .unwrap()
                .starts_with("both images ran into")
        );
    }

    #[test]
    fn a_file_that_only_one_of_them_wrote_is_a_difference() {
        let mut wrote = ran(ExitKind::Code(0), "done\n");
        wrote.written.push(crate::verify::WrittenFile {
            path: "/var/log/app".into(),
            mode: 0o644,
            owner: (0, 0),
            content: "1 bytes".to_owned(),
        });
        let outcome = ProbeOutcome::of(probe(), wrote, ran(ExitKind::Code(0), "done\n"));
        assert_eq!(
            outcome.differences[0].describe(),
            "written files differ:\n-/var/log/app (mode 644, owner 0:0, 1 bytes)"
        );
        check(&[outcome], Verdict::Failed);
    }
}
