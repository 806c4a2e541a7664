//! Tests that cannot run here.

use std::env;
use std::io::Write;

/// Says loudly that a test cannot run, and why. Where `JETTISON_TEST_NO_SKIPS` is 1 that is a failure.
///
/// # Panics
///
/// If no test may be skipped.
pub fn skip(reason: &str) {
    assert!(
        env::var("JETTISON_TEST_NO_SKIPS").as_deref() != Ok("1"),
        "skipped: {reason}; JETTISON_TEST_NO_SKIPS=1 makes this a failure"
    );
    // The test harness captures what goes through `print!`; this passes it by, so that a run without
    // `--nocapture` shows it too.
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap_or_default();
}
