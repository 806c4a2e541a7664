//! Runs the tests and counts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jettison_sandbox::{EnterOptions, Entered, IdChoice, IdMapKind, enter};

use crate::{
    arguments, caching, copying, failures, instructions, mounts, processes, pruning, reading,
    reproducible, running, travel,
};

/// A test: its name, and what it does.
pub(crate) type Test = (&'static str, fn(&Entered));

/// Names functions as tests.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), $name as fn(&jettison_sandbox::Entered))),*]
    };
}

const SUBJECTS: [(&str, &[Test]); 12] = [
    ("arguments", arguments::TESTS),
    ("caching", caching::TESTS),
    ("copying", copying::TESTS),
    ("failures", failures::TESTS),
    ("instructions", instructions::TESTS),
    ("mounts", mounts::TESTS),
    ("processes", processes::TESTS),
    ("pruning", pruning::TESTS),
    ("reading", reading::TESTS),
    ("reproducible", reproducible::TESTS),
    ("running", running::TESTS),
    ("travel", travel::TESTS),
];

/// Unwinds out of a test that cannot be tried here.
struct Skipped(String);

/// Skips the test, saying why.
pub(crate) fn skip(reason: impl Into<String>) -> ! {
    std::panic::resume_unwind(Box::new(Skipped(reason.into())))
}

/// Skips the test where files cannot be given to others.
pub(crate) fn needs_other_ids(entered: &Entered) {
    if entered.ids == IdMapKind::SingleId {
        skip("it needs more than one ID");
    }
}

/// Becomes root of a user namespace, as well as the host permits.
pub(crate) fn entered() -> Result<Entered, String> {
    let ids = IdChoice::Best;
    enter(&EnterOptions { ids }).map_err(|error| format!("{error}: {error:?}"))
}

/// Runs the tests whose titles contain `filter`; gives the exit code.
pub(crate) fn run_all(filter: &str) -> i32 {
    let entered = entered();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (subject, tests) in SUBJECTS {
        for (name, test) in tests {
            let title = format!("{subject}::{name}");
            if !title.contains(filter) {
                continue;
            }
            let verdict = match &entered {
                Ok(entered) => verdict(entered, *test),
                Err(reason) => format!("skipped: {reason}"),
            };
            println!("test {title} ... {verdict}");
            match verdict.as_str() {
                "ok" => passed += 1,
                "FAILED" => failed += 1,
                _ => skipped += 1,
            }
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed; {skipped} skipped");
    i32::from(failed > 0)
}

fn verdict(entered: &Entered, test: fn(&Entered)) -> String {
    match catch_unwind(AssertUnwindSafe(|| test(entered))) {
        Ok(()) => "ok".to_owned(),
        Err(payload) => match payload.downcast::<Skipped>() {
            Ok(skipped) => format!("skipped: {}", skipped.0),
            Err(_) => "FAILED".to_owned(),
        },
    }
}
