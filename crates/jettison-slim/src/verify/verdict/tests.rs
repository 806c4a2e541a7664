use std::time::Duration;

use jettison_sandbox::Signal;

use super::*;
use crate::verify::http::HttpResponse;
use crate::verify::observation::Served;
use crate::verify::probe::{Ending, HttpRequest, Ready, Server};
use crate::verify::trail::MissKind;

fn probe() -> Probe {
    Probe::run("version", ProbeOrigin::Given, Duration::from_secs(1))
}

fn ran(exit: ExitKind, stdout: &str) -> Observation {
    Observation {
        stdout: stdout.as_bytes().to_vec(),
        ..Observation::ended(exit)
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
    assert_eq!(verdict(outcomes), expected, "{outcomes:#?}");
}

#[test]
fn the_same_output_and_success_is_proof() {
    check(&[good()], Verdict::Proven);
}

#[test]
fn no_outcome_is_a_failure() {
    check(&[], Verdict::Failed);
}

#[test]
fn one_failure_among_successes_is_a_failure() {
    let other = ProbeOutcome::of(
        probe(),
        ran(ExitKind::Code(0), "a"),
        ran(ExitKind::Code(0), "b"),
    );
    check(&[good(), other, good()], Verdict::Failed);
}

#[test]
fn two_runs_that_were_stopped_are_a_failure() {
    check(
        &[good(), same(ExitKind::TimedOut, "listening\n")],
        Verdict::Failed,
    );
}

#[test]
fn only_probes_of_the_user_are_proof() {
    for origin in [ProbeOrigin::Default, ProbeOrigin::Own] {
        let mut outcome = good();
        outcome.probe.origin = origin;
        check(&[outcome], Verdict::Weak);
    }
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
            "original: stdout is not \"2.0\", but \"1.0\\n\"",
            "candidate: expected exit code 0, not exit code 1",
            "candidate: stdout is not \"2.0\", but \"1.0\\n\"",
        ]
    );
    check(&[outcome], Verdict::Failed);
}

#[test]
fn an_original_that_does_not_do_what_one_probe_expects_is_ailing() {
    let refuting = |origin| {
        let probe = Probe {
            origin,
            expect_stdout: Some("3".to_owned()),
            ..probe()
        };
        let run = ran(ExitKind::Code(0), "2");
        ProbeOutcome::of(probe, run.clone(), run)
    };
    let ailment = |outcomes: &[ProbeOutcome]| overall_ailment(outcomes);
    assert_eq!(ailment(&[good()]), None);
    assert_eq!(ailment(&[good(), refuting(ProbeOrigin::Own)]), None);
    let found = ailment(&[good(), refuting(ProbeOrigin::Given)]);
    assert!(matches!(found, Some(Ailment::Unmet(_))), "{found:?}");
    // What the candidate alone does otherwise is its own matter.
    let mut outcome = refuting(ProbeOrigin::Given);
    outcome.original.stdout = b"3".to_vec();
    assert_eq!(ailment(&[outcome]), None);
}

#[test]
fn an_original_that_disagrees_with_itself_proves_nothing() {
    let [first, again] = ["17:01\n", "17:02\n"].map(|text| ran(ExitKind::Code(0), text));
    // What is left is the hour alone, which says something.
    let outcome = ProbeOutcome::of_repeated(
        probe(),
        (first.clone(), std::slice::from_ref(&again)),
        first.clone(),
    );
    assert_eq!(outcome.problem(), None);
    assert_eq!(outcome.volatile, ["1 line of stdout"]);
    let [first, again] = ["1701\n", "1702\n"].map(|text| ran(ExitKind::Code(0), text));
    let outcome = ProbeOutcome::of_repeated(probe(), (first.clone(), &[again]), first);
    assert_eq!(outcome.ailment(), Some(Ailment::Flaky));
    assert!(
        outcome
            .problem()
            .unwrap()
            .contains("something else each time")
    );
    assert!(outcome.differences[0].describe().contains("-1701\n+1702"));
    check(&[good(), outcome.clone()], Verdict::Failed);
    let mut own = outcome;
    own.probe.origin = ProbeOrigin::Own;
    check(&[good(), own], Verdict::Proven);
}

#[test]
fn an_exit_that_changes_is_not_repeatable() {
    let [first, again] = [0, 1].map(|code| ran(ExitKind::Code(code), "done\n"));
    let outcome = ProbeOutcome::of_repeated(probe(), (first.clone(), &[again]), first);
    assert_eq!(outcome.ailment(), Some(Ailment::Flaky));
    check(&[outcome], Verdict::Failed);
}

#[test]
fn an_original_that_agrees_with_itself_is_compared() {
    let first = ran(ExitKind::Code(0), "1.0\n");
    let runs = (first.clone(), std::slice::from_ref(&first));
    let outcome = ProbeOutcome::of_repeated(probe(), runs, first.clone());
    assert_eq!(outcome.problem(), None);
    check(&[outcome], Verdict::Proven);
    let stopped = ran(ExitKind::TimedOut, "");
    let runs = (stopped.clone(), std::slice::from_ref(&stopped));
    let outcome = ProbeOutcome::of_repeated(probe(), runs, stopped.clone());
    assert_eq!(outcome.ailment(), Some(Ailment::NeverEnds));
    check(&[outcome], Verdict::Failed);
}

/// A server that answers `GET /` like this.
fn served(status: u16, header: &str, body: &str) -> Observation {
    let response = HttpResponse {
        status,
        headers: vec![
            ("date".to_owned(), header.to_owned()),
            ("x-a".to_owned(), header.to_owned()),
        ],
        body: body.as_bytes().to_vec(),
        cut: None,
    };
    let mut run = Observation::ended(ExitKind::Killed);
    run.served = Some(Served {
        port: Some(80),
        answers: vec![("GET /".to_owned(), Answer::Response(response))],
        ..Served::default()
    });
    run
}

fn http_probe(expect_status: Option<u16>, expect_body: Option<&str>) -> Probe {
    let request = HttpRequest {
        expect_status,
        expect_body: expect_body.map(str::to_owned),
        ..HttpRequest::new("GET", "/")
    };
    Probe {
        action: Action::Serve(Server {
            port: None,
            ready: Ready::Listening(Duration::from_secs(1)),
            talk: Talk::Http(vec![request]),
            ending: Ending::by(Signal::TERM),
        }),
        ..probe()
    }
}

/// The differences between two servers, in one line each.
#[track_caller]
fn check_served(original: Observation, candidate: Observation, expected: &[&str]) {
    let outcome = ProbeOutcome::of(http_probe(None, None), original, candidate);
    let described: Vec<String> = outcome
        .differences
        .iter()
        .map(|difference| {
            difference
                .describe()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(described, expected);
    assert_eq!(outcome.passed(), expected.is_empty());
}

#[test]
fn a_server_that_ends_where_the_original_had_to_be_killed_is_better() {
    let ended = |exit, body| Observation {
        exit,
        stderr: format!("{exit}").into_bytes(),
        ..served(200, "a", body)
    };
    let killed = || ended(ExitKind::Killed, "hello\n");
    for (candidate, is_better) in [
        (ended(ExitKind::Code(0), "hello\n"), true),
        (ended(ExitKind::Code(143), "hello\n"), true),
        // A failure of its own, a crash, and another answer are none the less what they are.
        (ended(ExitKind::Code(1), "hello\n"), false),
        (ended(ExitKind::Signal(11), "hello\n"), false),
        (ended(ExitKind::Code(0), "hullo\n"), false),
    ] {
        let exit = candidate.exit;
        let outcome = ProbeOutcome::of(http_probe(None, None), killed(), candidate);
        assert_eq!(outcome.passed(), is_better, "{exit}: {outcome:#?}");
    }
    let well = ended(ExitKind::Code(0), "hello\n");
    let outcome = ProbeOutcome::of(http_probe(None, None), well, killed());
    assert!(!outcome.passed(), "{outcome:#?}");
}

#[test]
fn each_part_of_an_answer_is_compared() {
    let original = || served(200, "a", "hello\n");
    check_served(original(), original(), &[]);
    check_served(
        original(),
        served(404, "a", "hello\n"),
        &["the status of GET / differs: original `200`, candidate `404`"],
    );
    check_served(
        original(),
        served(200, "b", "hello\n"),
        &["header x-a of GET / differs: original `a`, candidate `b`"],
    );
    check_served(
        original(),
        served(200, "a", "hullo\n"),
        &["the body of GET / differs (6 and 6 bytes):"],
    );
    let mut silent = original();
    silent.served.as_mut().unwrap().answers[0].1 = Answer::Nothing("it was late".to_owned());
    let outcome = ProbeOutcome::of(http_probe(None, None), original(), silent);
    assert!(
        outcome.differences[0]
            .describe()
            .contains("candidate `none: it was late`")
    );
    let mut elsewhere = original();
    elsewhere
        .served
        .as_mut()
        .unwrap()
        .listening
        .push("0.0.0.0:81".parse().unwrap());
    check_served(
        original(),
        elsewhere,
        &["listening on 0.0.0.0:81 differs: original none, candidate `it listens`"],
    );
}

#[test]
fn what_is_expected_of_an_answer_is_held_against_both() {
    let run = || served(200, "a", "hello\n");
    let outcome = ProbeOutcome::of(http_probe(Some(200), Some("ell")), run(), run());
    assert!(outcome.passed());
    check(&[outcome], Verdict::Proven);
    let outcome = ProbeOutcome::of(http_probe(Some(201), Some("x")), run(), run());
    assert_eq!(
        outcome.unmet[..2],
        [
            "original: GET /: expected status 201, not 200",
            "original: GET /: \"x\" is not in the body, which is \"hello\\n\"",
        ]
    );
    check(&[outcome], Verdict::Failed);
    let outcome = ProbeOutcome::of(http_probe(Some(201), None), run(), run());
    assert_eq!(
        outcome.unmet[..1],
        ["original: GET /: expected status 201, not 200, and the body is \"hello\\n\""]
    );
}

#[test]
fn a_server_that_only_fails_shows_nothing() {
    let run = || served(500, "a", "");
    check(
        &[ProbeOutcome::of(http_probe(None, None), run(), run())],
        Verdict::Weak,
    );
    check(
        &[ProbeOutcome::of(http_probe(Some(500), None), run(), run())],
        Verdict::Proven,
    );
}

#[test]
fn a_server_that_is_not_there_proves_nothing() {
    let mut run = Observation::ended(ExitKind::Code(0));
    run.served = Some(Served {
        trouble: Some("it ended before it listened".to_owned()),
        ..Served::default()
    });
    let outcome = ProbeOutcome::of(http_probe(None, None), run.clone(), run.clone());
    assert_eq!(
        outcome.problem().unwrap(),
        "the original cannot be talked to: it ended before it listened"
    );
    assert!(overall_ailment(std::slice::from_ref(&outcome)).is_some());
    check(&[outcome], Verdict::Failed);
}

#[test]
fn times_to_the_end_are_compared_coarsely() {
    let ends = |seconds: f64| {
        let mut run = served(200, "a", "x");
        let served = run.served.as_mut().unwrap();
        served.ended_after = Some(Duration::from_secs_f64(seconds));
        run
    };
    check_served(ends(0.1), ends(1.5), &[]);
    check_served(
        ends(0.1),
        ends(5.0),
        &["the time from the signal to the end differs: original `0.1 s`, candidate `5.0 s`"],
    );
    check_served(
        ends(10.0),
        ends(0.1),
        &["the time from the signal to the end differs: original `10.0 s`, candidate `0.1 s`"],
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

#[test]
fn lookups_in_vain_are_no_proof() {
    let with = |trail: Trail| {
        let mut outcome = good();
        outcome.trail = trail;
        outcome
    };
    check(&[good(), with(Trail::Same)], Verdict::Proven);
    let alike = Trail::LoadedAlike(vec!["/app/main".into()]);
    check(&[good(), with(alike)], Verdict::Proven);
    let directories = || {
        with(Trail::But {
            directories: vec!["/etc".into()],
            files: Vec::new(),
        })
    };
    check(&[good(), directories()], Verdict::ProvenBut);
    let gap = || with(Trail::Incomplete(vec!["x".to_owned()]));
    check(&[good(), directories(), gap()], Verdict::Weak);
    let miss = OwnedMiss {
        path: "/etc/hosts".into(),
        kind: MissKind::Missing,
        aspects: Vec::new(),
        owner: None,
    };
    let mut own = with(Trail::Misses(vec![miss]));
    own.probe.origin = ProbeOrigin::Own;
    let outcomes = [good(), directories(), gap(), own.clone(), own];
    check(&outcomes, Verdict::Missed);
    assert_eq!(all_misses(&outcomes).len(), 1);
}

#[test]
fn an_exception_is_a_proof_but_for_it() {
    let mut outcome = ProbeOutcome::of(
        probe(),
        ran(ExitKind::Code(1), "a"),
        ran(ExitKind::Code(0), "a"),
    );
    outcome.except(None);
    check(&[good(), outcome.clone()], Verdict::Failed);
    outcome.except(Some("it is started without npm".to_owned()));
    check(&[good(), outcome], Verdict::ProvenBut);
}

#[test]
fn a_gap_makes_a_proof_weak_and_nothing_better() {
    for (verdict, expected) in [
        (Verdict::Proven, Verdict::Weak),
        (Verdict::ProvenBut, Verdict::Weak),
        (Verdict::Weak, Verdict::Weak),
        (Verdict::Missed, Verdict::Missed),
        (Verdict::Failed, Verdict::Failed),
    ] {
        assert_eq!(verdict.weakened(), expected, "{verdict:?}");
    }
}
