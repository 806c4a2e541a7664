//! A program that aborts, behind a shell and as the first process.
//!
//! A shell that waits for the program says `Aborted` and exits with 134, as of any program that `SIGABRT` has ended. The first
//! process is not ended by a signal that it sends itself: `abort` goes on to an instruction that is not allowed, and the
//! program ends with `SIGSEGV` (glibc, abort(3)). What it had to say it has said before. So ends a program of C++ that nobody
//! catches an exception of, for a user without rights, or where nothing can be written.

use crate::verify::compare::compare_with;
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::probe::Probe;

/// How a shell exits after a program that has aborted.
const ABORTED: ExitKind = ExitKind::Code(128 + 6);
/// What it says of it, in a line of its own.
const SAID: [&[u8]; 2] = [b"Aborted", b"Aborted (core dumped)"];
/// `SIGABRT` and `SIGSEGV`.
const SIGNALS: [ExitKind; 2] = [ExitKind::Signal(6), ExitKind::Signal(11)];

/// What is different because the original's shell tells that the program has aborted, if all else is the same; `None` if anything
/// else differs as well.
pub(super) fn exception(
    probe: &Probe,
    originals: &[Observation],
    candidate: &Observation,
) -> Option<String> {
    if !SIGNALS.contains(&candidate.exit) {
        return None;
    }
    let bare: Vec<Observation> = originals
        .iter()
        .map(|run| {
            let stderr = before_the_shell(&run.stderr).filter(|_| run.exit == ABORTED)?;
            Some(Observation {
                exit: candidate.exit,
                stderr: stderr.to_vec(),
                ..run.clone()
            })
        })
        .collect::<Option<_>>()?;
    let bare: Vec<&Observation> = bare.iter().collect();
    let comparison = compare_with(&bare, candidate, &probe.ignore);
    let is_same = !bare.is_empty() && comparison.differences.is_empty();
    is_same.then(|| {
        format!(
            "where the program aborts, the original's shell says `Aborted` and exits with 134; without the shell it is the first process, which ends with {}",
            candidate.exit
        )
    })
}

/// What was said before a shell said that the program had aborted; nothing if none did.
fn before_the_shell(stderr: &[u8]) -> Option<&[u8]> {
    let text = stderr.strip_suffix(b"\n")?;
    let start = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (before, last) = text.split_at_checked(start)?;
    SAID.contains(&last.trim_ascii_end()).then_some(before)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verify::probe::ProbeOrigin;

    #[track_caller]
    fn check(original: (i32, &str), candidate: (ExitKind, &str), expected: bool) {
        let probe = Probe::run("as user 7", ProbeOrigin::Own, Duration::from_secs(1));
        let run = |exit, stderr: &str| Observation {
            stderr: stderr.as_bytes().to_vec(),
            ..Observation::ended(exit)
        };
        let originals = [run(ExitKind::Code(original.0), original.1)];
        let found = exception(&probe, &originals, &run(candidate.0, candidate.1));
        assert_eq!(found.is_some(), expected, "{found:?}");
    }

    #[test]
    fn what_a_shell_says_of_a_program_that_aborts_is_told_as_an_exception() {
        let (said, segv) = ("terminate called\n", ExitKind::Signal(11));
        let shown = "terminate called\nAborted\n";
        check((134, shown), (segv, said), true);
        check(
            (134, "Aborted (core dumped)\n"),
            (ExitKind::Signal(6), ""),
            true,
        );
    }

    #[test]
    fn a_program_that_ends_otherwise_stays_a_difference() {
        let (said, segv) = ("terminate called\n", ExitKind::Signal(11));
        let shown = "terminate called\nAborted\n";
        // It aborts, and the original failed in another way, or the other way round.
        check((139, shown), (segv, said), false);
        check((134, shown), (ExitKind::Code(1), said), false);
        // Something else was said, or by the program itself.
        check((134, shown), (segv, "no memory\n"), false);
        check((134, said), (segv, said), false);
        check((134, ""), (segv, ""), false);
    }
}
