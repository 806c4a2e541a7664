//! The runs that comparing needs, and how much time they get.

use super::Asked;
use crate::verify::compare::{Difference, words};
use crate::verify::http::Answer;
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::probe::{Action, Probe, Ready};
use crate::verify::trail::Trail;

/// Of longer texts, in bytes, the order of words is not asked for.
const LARGEST_ORDER: usize = 1 << 20;

/// One run that a comparison needs.
#[derive(Clone, Copy)]
pub(super) struct Task {
    /// The number of its probe.
    pub(super) number: usize,
    pub(super) whose: Whose,
}

/// Which image runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The original, for the first time.
    First,
    /// The original, again.
    Again,
    Candidate,
}

/// Whether a run that was watched is given more time: it was late with something with which no run of the original was. To be
/// watched takes time, and so do others on this machine.
pub(super) fn has_more_time(observed: &Observation, original: &[Observation]) -> bool {
    LATE.iter()
        .any(|is_late| is_late(observed) && !original.is_empty() && !original.iter().any(is_late))
}

/// With what a run may be late: it did not listen, it did not answer, it did not end.
const LATE: [fn(&Observation) -> bool; 3] = [
    did_not_listen,
    |run| {
        let mut answers = run.served.iter().flat_map(|served| &served.answers);
        answers.any(|(_, answer)| answer.is_late())
    },
    |run| matches!(run.exit, ExitKind::TimedOut | ExitKind::Killed),
];

/// Whether a run of a server used up its time without listening: to be watched takes time.
pub(super) fn was_too_slow(probe: &Probe, run: &Observation) -> bool {
    let Action::Serve(server) = &probe.action else {
        return false;
    };
    let within = match server.ready {
        Ready::Listening(within) | Ready::Anywhere(within) => within,
        Ready::After(_) => return false,
    };
    did_not_listen(run) && run.took >= within
}

/// Whether a server could not be talked to, since it did not listen.
fn did_not_listen(run: &Observation) -> bool {
    let mut served = run.served.iter();
    served.any(|served| served.port.is_none()) && run.trouble().is_some()
}

/// Whether a candidate that answered differently is asked again: all that it looked up was found as the original has it, so that
/// what is different is no difference of the images, or it has only taken longer.
pub(super) fn is_asked_again(trail: &Trail, differences: &[Difference]) -> bool {
    if !differences.is_empty() && differences.iter().all(Difference::is_of_time) {
        return true;
    }
    match trail {
        Trail::Same | Trail::LoadedAlike(_) => true,
        Trail::NotTraced | Trail::But { .. } | Trail::Misses(_) | Trail::Incomplete(_) => false,
    }
}

/// Whether the candidate says something with the words of the original in another order: a program that prints a hash table has
/// one of a few orders in each run, so that a few runs may have the same by chance.
pub(super) fn is_in_another_order(original: &Observation, candidate: &Observation) -> bool {
    let sorted = |text| {
        let mut words = words(text);
        words.sort_unstable();
        words
    };
    let (ours, theirs) = (said(original), said(candidate));
    let mut pairs = ours.into_iter().zip(theirs);
    pairs.any(|(ours, theirs)| {
        let may_be = ours != theirs && ours.len() == theirs.len() && ours.len() <= LARGEST_ORDER;
        may_be && sorted(ours) == sorted(theirs)
    })
}

/// What a run said on the standard output and in each answer.
fn said(run: &Observation) -> Vec<&[u8]> {
    let answers = run.served.iter().flat_map(|served| &served.answers);
    let answers = answers.map(|(_, answer)| match answer {
        Answer::Response(response) => response.body.as_slice(),
        Answer::Bytes(bytes) => bytes,
        Answer::Nothing(_) => b"",
    });
    [run.stdout.as_slice()].into_iter().chain(answers).collect()
}

/// The runs that comparing needs, in the order in which they begin: first what may take its whole time to end.
pub(super) fn tasks(all: &[Asked]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (number, asked) in all.iter().enumerate() {
        let n_known = asked.runs().len();
        if n_known == 0 {
            let whose = Whose::First;
            tasks.push(Task { number, whose });
        }
        let whose = Whose::Candidate;
        tasks.push(Task { number, whose });
        let whose = Whose::Again;
        tasks.extend((n_known.max(1)..asked.n_wanted()).map(|_| Task { number, whose }));
    }
    let is_watched = |task: &Task| match &all[task.number].probe.action {
        Action::Serve(server) => server.ending.is_watched,
        Action::Run => false,
    };
    tasks.sort_by_key(|task| !is_watched(task));
    tasks
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jettison_sandbox::Signal;

    use super::*;
    use crate::verify::observation::Served;
    use crate::verify::probe::{Ending, ProbeOrigin, Server, Talk};

    #[track_caller]
    fn check(took: u64, port: Option<u16>, expected: bool) {
        let mut probe = Probe::run("it", ProbeOrigin::Given, Duration::from_mins(1));
        probe.action = Action::Serve(Server {
            port: Some(80),
            ready: Ready::Listening(Duration::from_secs(30)),
            talk: Talk::Nothing,
            ending: Ending::by(Signal::TERM),
        });
        let mut run = Observation::ended(ExitKind::Killed);
        run.took = Duration::from_secs(took);
        run.served = Some(Served {
            port,
            trouble: port.is_none().then(|| "it did not listen".to_owned()),
            ..Served::default()
        });
        assert_eq!(was_too_slow(&probe, &run), expected);
    }

    #[test]
    fn only_who_used_up_its_time_was_too_slow() {
        check(31, None, true);
        // It has ended before.
        check(2, None, false);
        check(31, Some(80), false);
    }

    #[test]
    fn the_same_words_in_another_order_are_known() {
        let saying = |text: &str| {
            let mut run = Observation::ended(ExitKind::Code(0));
            run.stdout = text.as_bytes().to_vec();
            run
        };
        let original = saying(r#"{"a":1,"b":2}"#);
        for (text, expected) in [
            (r#"{"b":2,"a":1}"#, true),
            (r#"{"a":1,"b":2}"#, false),
            (r#"{"b":2,"a":3}"#, false),
        ] {
            assert_eq!(
                is_in_another_order(&original, &saying(text)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn only_who_found_all_that_the_original_has_is_asked_again() {
        let path = || vec!["/lib/a.so".into()];
        for (trail, expected) in [
            (Trail::Same, true),
            (Trail::LoadedAlike(path()), true),
            (Trail::NotTraced, false),
            (Trail::Incomplete(Vec::new()), false),
            (
                Trail::But {
                    directories: path(),
                    files: Vec::new(),
                },
                false,
            ),
            (Trail::Misses(Vec::new()), false),
        ] {
            assert_eq!(is_asked_again(&trail, &[]), expected, "{trail:?}");
        }
    }

    #[test]
    fn who_only_took_longer_to_end_is_asked_again() {
        let value = |part: &str| Difference::Value {
            part: part.to_owned(),
            original: Some("0.1 s".to_owned()),
            candidate: Some("3.3 s".to_owned()),
        };
        let time = value("the time from the signal to the end");
        let trail = Trail::Misses(Vec::new());
        assert!(is_asked_again(&trail, std::slice::from_ref(&time)));
        assert!(!is_asked_again(&trail, &[time, value("the status")]));
    }

    #[test]
    fn who_is_late_with_what_the_original_was_not_gets_more_time() {
        let ran = |exit, port: Option<u16>| {
            let mut run = Observation::ended(exit);
            run.served = Some(Served {
                port,
                trouble: port.is_none().then(|| "it did not listen".to_owned()),
                ..Served::default()
            });
            run
        };
        let killed = ExitKind::Killed;
        for (candidate, original, expected) in [
            // An original that has to be killed is late to end, and not to listen.
            (ran(killed, None), ran(killed, Some(80)), true),
            (ran(killed, Some(80)), ran(killed, Some(80)), false),
            (ran(killed, None), ran(killed, None), false),
            (
                ran(killed, Some(80)),
                ran(ExitKind::Code(0), Some(80)),
                true,
            ),
            (
                ran(ExitKind::Code(0), Some(80)),
                ran(killed, Some(80)),
                false,
            ),
        ] {
            assert_eq!(
                has_more_time(&candidate, std::slice::from_ref(&original)),
                expected,
                "{candidate:?}"
            );
            assert!(!has_more_time(&candidate, &[]));
        }
    }
}
