//! Results for people, in the form that container-structure-test prints.

use std::path::Path;
use std::time::Duration;

use jettison_slim::{TestResult, TestSummary};

use crate::output::{Look, Output};
use crate::printable::{one_line, printable};

/// How wide the summary is.
const WIDTH: usize = 27;

/// Says which file comes.
pub(super) fn banner(path: &Path, output: &mut Output) {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let title = format!(
        "====== Test file: {} ======",
        one_line(&name.to_string_lossy())
    );
    let line = "=".repeat(title.chars().count());
    output.line("");
    for text in [&line, &title, &line] {
        output.styled(Look::Heading, text);
    }
}

/// Says what came of a test.
pub(super) fn result(result: &TestResult, output: &mut Output) {
    output.line(&format!("=== RUN: {}", one_line(&result.name)));
    if result.has_passed() {
        output.styled(Look::Good, "--- PASS");
    } else {
        output.styled(Look::Bad, "--- FAIL");
    }
    output.line(&format!("duration: {}", shown(result.elapsed)));
    for (name, text) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
        if !text.is_empty() {
            output.line(&format!("{name}: {}", printable(text)));
        }
    }
    for error in &result.errors {
        output.line(&format!("Error: {}", printable(error)));
    }
}

/// Says what all tests together came to.
pub(super) fn summary(summary: &TestSummary, output: &mut Output) {
    if summary.total == 0 {
        output.styled(Look::Bad, "No tests run: there are none in these files");
        return;
    }
    let (line, half) = ("=".repeat(WIDTH), "=".repeat((WIDTH - 9) / 2));
    output.line("");
    output.line(&line);
    output.line(&format!("{half} RESULTS {half}"));
    output.line(&line);
    output.line(&format!("Passes:      {}", summary.pass));
    output.line(&format!("Failures:    {}", summary.fail));
    let total = Duration::from_nanos(summary.duration);
    output.line(&format!("Duration:    {}", shown(total)));
    output.line(&format!("Total tests: {}", summary.total));
    output.line("");
    if summary.fail == 0 {
        output.styled(Look::Good, "PASS");
    } else {
        output.styled(Look::Bad, "FAIL");
    }
}

/// A duration as Go writes it, but for what is less than a microsecond.
fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        let minutes = seconds / 60;
        return format!("{minutes}m{}s", seconds % 60);
    }
    if duration.is_zero() {
        return "0s".to_owned();
    }
    if seconds > 0 {
        return format!("{}s", duration.as_secs_f64());
    }
    let micros = duration.as_micros();
    if micros >= 1000 {
        return format!("{}.{:03}ms", micros / 1000, micros % 1000);
    }
    format!("{micros}µs")
}
