//! One line after the other, as `docker build --progress plain` prints them (BuildKit: `textMux`,
//! util/progress/progressui/printer.go).
//!
//! ```text
//! #1 [build 2/3] RUN make
//! #1 0.123 cc -c main.c
//! #1 ...
//!
//! #2 [stage-1 2/2] WORKDIR /srv
//! #2 DONE 0.0s
//!
//! #1 [build 2/3] RUN make
//! #1 DONE 1.4s
//! ```

use std::io::Write;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use jettison_build::Event;

use crate::printable::one_line;
use crate::progress::steps::{Shown, StepState, StepView, Steps};
use crate::progress::{seconds, warning};

const DIM: Style = Style::new().dimmed();
const CYAN: Style = AnsiColor::Cyan.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// How long output of other steps waits for the one that is shown (BuildKit: `antiFlicker`).
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of a title is shown where a block goes on, in characters: a `RUN` may be a whole program.
const TITLE: usize = 120;

/// Prints steps one after the other.
#[derive(Debug)]
pub(super) struct Plain<W: Write = anstream::AutoStream<std::io::Stderr>> {
    stream: W,
    /// The step whose block is open.
    current: Option<usize>,
    has_printed: bool,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(stream: W) -> Plain<W> {
        Plain {
            stream,
            current: None,
            has_printed: false,
        }
    }

    /// Prints what is no step: warnings, and tasks once they are done.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Warning { text } => self.note(&warning(text)),
            Event::BaseFound { title, .. } => self.note(&one_line(title)),
            Event::TaskFinished { title, elapsed } => {
                let time = seconds(*elapsed);
                self.note(&format!("   {title} {DIM}{time}{DIM:#}"));
            }
            Event::StepStarted { .. }
            | Event::StepExplained { .. }
            | Event::StepCached { .. }
            | Event::StepOutput { .. }
            | Event::StepFinished { .. }
            | Event::StepFailed { .. }
            | Event::TaskStarted { .. }
            | Event::TaskProgress { .. } => {}
        }
    }

    /// Prints a line that belongs to no step.
    pub(super) fn note(&mut self, text: &str) {
        self.leave();
        self.line(text);
        self.has_printed = false;
    }

    /// Prints all that need not wait.
    pub(super) fn show(&mut self, steps: &mut Steps, now: Instant) {
        if let Some(view) = self.current.and_then(|number| steps.0.get_mut(&number)) {
            self.print(self.current.unwrap_or_default(), view);
        }
        let is_over =
            |view: &StepView| view.state != StepState::Runs && view.shown != Shown::Closed;
        for (number, view) in &mut steps.0 {
            if is_over(view) {
                self.print(*number, view);
            }
        }
        let waits = |view: &StepView| {
            view.pending_since
                .is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
        };
        // Something is open, and it is up to date.
        let is_free = self.current.is_none();
        let next = steps
            .0
            .iter_mut()
            .filter(|(number, view)| {
                view.state == StepState::Runs && Some(**number) != self.current
            })
            .find(|(_, view)| is_free || waits(view));
        if let Some((number, view)) = next {
            self.print(*number, view);
        }
    }

    /// Prints how it ended for those that were running, and again the output that other steps' lines stand between.
    pub(super) fn fail(&mut self, steps: &mut Steps, now: Instant) {
        steps.cancel(now);
        self.show(steps, now);
        let is_torn = |view: &&StepView| view.is_torn && view.state == StepState::Failed;
        for line in steps.0.values().filter(is_torn).flat_map(last_lines) {
            self.line(&line);
        }
    }

    /// Prints all that there is of one step.
    fn print(&mut self, number: usize, view: &mut StepView) {
        let shown = number + 1;
        if self.current != Some(number) {
            self.leave();
            let goes_on = view.shown == Shown::Begun;
            view.is_torn |= goes_on;
            view.shown = Shown::Begun;
            if self.has_printed {
                self.line("");
            }
            let title = match view.title.char_indices().nth(TITLE) {
                Some((end, _)) if goes_on => format!("{}…", &view.title[..end]),
                _ => view.title.clone(),
            };
            self.line(&format!("{CYAN}#{shown}{CYAN:#} {title}"));
            self.has_printed = true;
            self.current = Some(number);
            if let Some(reason) = view.reason.take() {
                self.line(&format!("#{shown} {DIM}because{DIM:#} {reason}"));
            }
        }
        for (since, line) in view.pending.drain(..) {
            let time = since.as_secs_f64();
            let decimals = match time {
                ..10.0 => 3,
                10.0..100.0 => 2,
                _ => 1,
            };
            self.line(&format!("#{shown} {DIM}{time:.decimals$}{DIM:#} {line}"));
        }
        view.pending_since = None;
        let end = match view.state {
            StepState::Runs => return,
            StepState::Cached => "CACHED".to_string(),
            StepState::Done(elapsed) => format!("DONE {:.1}s", elapsed.as_secs_f64()),
            StepState::Failed => format!("{RED}ERROR{RED:#}: {}", view.error),
            StepState::Canceled => "CANCELED".to_string(),
        };
        self.line(&format!("{CYAN}#{shown}{CYAN:#} {end}"));
        view.shown = Shown::Closed;
        self.current = None;
    }

    /// Says that the open block is not at its end.
    fn leave(&mut self) {
        if let Some(number) = self.current.take() {
            self.line(&format!("{CYAN}#{}{CYAN:#} ...", number + 1));
        }
    }

    fn line(&mut self, text: &str) {
        // Nobody is left to be told that standard error is closed.
        writeln!(self.stream, "{text}").unwrap_or_default();
    }
}

/// The last lines of the output of a step, in one piece.
pub(super) fn last_lines(view: &StepView) -> Vec<String> {
    const EDGE: &str = "------";
    let mut lines = vec![EDGE.to_owned(), format!(" > {}:", view.title)];
    lines.extend(view.tail.iter().cloned());
    lines.push(EDGE.to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::steps::Reasons;
    use expect_test::{Expect, expect};
    use jettison_build::KeyChange;

    /// What is printed for events at given milliseconds.
    #[track_caller]
    fn check(events: &[(u64, Event<'_>)], expected: Expect) {
        let start = Instant::now();
        let mut plain = Plain::new(Vec::new());
        let mut steps = Steps::new(Reasons::Untold);
        for (milliseconds, event) in events {
            let now = start + Duration::from_millis(*milliseconds);
            steps.event(event, now);
            plain.event(event);
            plain.show(&mut steps, now);
        }
        plain.fail(&mut steps, start + Duration::from_mins(1));
        let text = String::from_utf8_lossy(&plain.stream).into_owned();
        expected.assert_eq(&anstream::adapter::strip_str(&text).to_string());
    }

    fn started(step: usize, title: &str) -> Event<'_> {
        Event::StepStarted {
            step,
            title,
            change: Some(&KeyChange::New),
        }
    }

    fn wrote(step: usize, bytes: &[u8]) -> Event<'_> {
        Event::StepOutput { step, bytes }
    }

    fn finished(step: usize, milliseconds: u64) -> Event<'static> {
        let elapsed = Duration::from_millis(milliseconds);
        Event::StepFinished { step, elapsed }
    }

    fn failed(step: usize) -> Event<'static> {
        let error = "it did not complete successfully";
        Event::StepFailed { step, error }
    }

    #[test]
    fn output_of_a_failed_step_is_printed_in_one_piece() {
        check(
            &[
                (0, started(0, "RUN a")),
                (0, started(1, "RUN b")),
                (10, wrote(0, b"a 1\n")),
                (20, wrote(1, b"b 1\n")),
                (30, finished(1, 30)),
                (40, wrote(0, b"a 2\n")),
                (50, started(2, "RUN c")),
                (60, failed(0)),
            ],
            expect![[r"
                #1 RUN a
                #1 0.010 a 1
                #1 ...

                #2 RUN b
                #2 0.020 b 1
                #2 DONE 0.0s

                #1 RUN a
                #1 0.040 a 2
                #1 ERROR: it did not complete successfully

                #3 RUN c
                #3 CANCELED
                ------
                 > RUN a:
                a 1
                a 2
                ------
            "]],
        );
    }

    #[test]
    fn a_long_title_is_shown_once() {
        let title = format!("RUN {}", "a && ".repeat(40));
        check(
            &[
                (0, started(0, &title)),
                (10, wrote(0, b"a\n")),
                (20, started(1, "RUN b")),
                (30, finished(1, 10)),
                (40, finished(0, 40)),
            ],
            expect![[r"
                #1 RUN a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && 
                #1 0.010 a
                #1 ...

                #2 RUN b
                #2 DONE 0.0s

                #1 RUN a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a && a…
                #1 DONE 0.0s
            "]],
        );
    }

    #[test]
    fn steps_are_printed_as_docker_prints_them() {
        let cached = Event::StepCached {
            step: 0,
            title: "[1/3] COPY a b",
        };
        check(
            &[
                (0, cached),
                (1, started(1, "[2/3] RUN make")),
                (124, wrote(1, b"one\ntwo\n")),
                (12_340, wrote(1, b"three")),
                (12_345, finished(1, 12_344)),
                (12_346, started(2, "[3/3] RUN false")),
                (12_400, wrote(2, b"no\n")),
                (12_500, failed(2)),
            ],
            expect![[r"
                #1 [1/3] COPY a b
                #1 CACHED

                #2 [2/3] RUN make
                #2 0.123 one
                #2 0.123 two
                #2 12.34 three
                #2 DONE 12.3s

                #3 [3/3] RUN false
                #3 0.054 no
                #3 ERROR: it did not complete successfully
            "]],
        );
    }

    #[test]
    fn output_of_other_steps_waits_until_it_has_waited_too_long() {
        check(
            &[
                (0, started(0, "RUN a")),
                (0, started(1, "RUN b")),
                (10, wrote(1, b"b 1\n")),
                (20, wrote(0, b"a 1\n")),
                (5_000, wrote(0, b"a 2\n")),
                (5_010, wrote(0, b"a 3\n")),
                (6_000, finished(0, 6_000)),
                (7_000, finished(1, 7_000)),
            ],
            expect![[r"
                #1 RUN a
                #1 0.020 a 1
                #1 5.000 a 2
                #1 5.010 a 3
                #1 ...

                #2 RUN b
                #2 0.010 b 1
                #2 ...

                #1 RUN a
                #1 DONE 6.0s

                #2 RUN b
                #2 DONE 7.0s
            "]],
        );
    }

    #[test]
    fn a_step_that_is_over_does_not_wait() {
        check(
            &[
                (0, started(0, "RUN a")),
                (0, started(1, "RUN b")),
                (10, wrote(1, b"b\n")),
                (20, finished(1, 20)),
                (30, wrote(0, b"a\n")),
                (40, finished(0, 40)),
            ],
            expect![[r"
                #1 RUN a
                #1 ...

                #2 RUN b
                #2 0.010 b
                #2 DONE 0.0s

                #1 RUN a
                #1 0.030 a
                #1 DONE 0.0s
            "]],
        );
    }

    #[test]
    fn a_second_build_begins_anew() {
        let elapsed = Duration::from_millis(250);
        let title = "configure 88 packages";
        check(
            &[
                (0, started(0, "RUN a")),
                (10, finished(0, 10)),
                (10, Event::TaskStarted { title }),
                (260, Event::TaskFinished { title, elapsed }),
                (270, started(0, "RUN b")),
                (280, finished(0, 10)),
            ],
            expect![[r"
                #1 RUN a
                #1 DONE 0.0s
                   configure 88 packages 250 ms
                #1 RUN b
                #1 DONE 0.0s
            "]],
        );
    }
}
