//! Steps on a terminal: those that are over stay, those that run are shown below them and change in place.
//!
//! ```text
//!  => CACHED [build 2/4] COPY go.mod .
//!  => [build 3/4] RUN go build                   12.3s
//!  => => compiling main
//! ```

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use jettison_build::Event;
use jettison_slim::size_text;

use crate::printable::one_line;
use crate::progress::carried::Carried;
use crate::progress::steps::{Shown, StepState, StepView, Steps};
use crate::progress::{seconds, warning};

const DIM: Style = Style::new().dimmed();
const CYAN: Style = AnsiColor::Cyan.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// Shows steps in place.
#[derive(Debug)]
pub(super) struct Live {
    has_colours: bool,
    /// How many lines above the cursor change.
    n_drawn: usize,
    /// Lines that are to stay, and have not been printed.
    kept: Vec<String>,
    task: Option<Task>,
}

/// A piece of work that is no step.
#[derive(Debug)]
struct Task {
    title: String,
    progress: String,
}

impl Live {
    pub(super) fn new() -> Live {
        Live {
            has_colours: anstream::stderr().current_choice() != ColorChoice::Never,
            n_drawn: 0,
            kept: Vec::new(),
            task: None,
        }
    }

    pub(super) fn event(&mut self, event: &Event<'_>, steps: &mut Steps) {
        match event {
            Event::StepCached { step, .. } | Event::StepFinished { step, .. } => {
                if let Some(view) = steps.0.get_mut(step) {
                    self.close(view);
                }
            }
            Event::StepOutput { step, .. } => {
                if let Some(view) = steps.0.get_mut(step) {
                    // Only the last line is shown, which is in the tail.
                    view.pending.clear();
                }
            }
            Event::StepStarted { .. } | Event::StepExplained { .. } | Event::StepFailed { .. } => {}
            Event::Warning { text } => self.kept.push(warning(text)),
            Event::BaseFound { title, .. } => {
                let title = one_line(title);
                self.kept.push(format!("{CYAN} =>{CYAN:#} {title}"));
            }
            Event::TaskStarted { title } => {
                self.task = Some(Task {
                    title: (*title).to_string(),
                    progress: "…".to_string(),
                });
            }
            Event::TaskProgress { done, total } => {
                if let Some(task) = &mut self.task {
                    task.progress = format!("{} of {}", size_text(*done), size_text(*total));
                }
            }
            Event::TaskFinished { title, elapsed } => {
                self.task = None;
                let time = seconds(*elapsed);
                self.kept.push(format!("   {title} {DIM}{time}{DIM:#}"));
            }
        }
    }

    /// Prints a line that stays.
    pub(super) fn note(&mut self, text: &str) {
        self.kept.push(text.to_string());
        self.settle();
    }

    /// Keeps a line that is printed when something is drawn next.
    pub(super) fn keep(&mut self, text: &str) {
        self.kept.push(format!("   {text}"));
    }

    /// Draws what runs, below what has been kept.
    pub(super) fn redraw(&mut self, steps: &Steps, carried: &Carried, now: Instant) {
        let (width, height) = size();
        let mut lines = self.region(steps, now, width);
        for line in carried.lines(now) {
            let line = cut(&line, width.saturating_sub(4));
            lines.push(format!("{DIM}   {line}{DIM:#}"));
        }
        // What scrolled away could not be taken back.
        let room = height.saturating_sub(2).max(1);
        let shown = &lines[..lines.len().min(room)];
        self.draw(shown);
    }

    /// Takes away what changes, and prints what stays.
    pub(super) fn settle(&mut self) {
        self.draw(&[]);
    }

    /// Shows how it ended for those that were running.
    pub(super) fn fail(&mut self, steps: &mut Steps, now: Instant) {
        steps.cancel(now);
        for view in steps
            .0
            .values_mut()
            .filter(|view| view.shown != Shown::Closed)
        {
            self.close(view);
            if view.state == StepState::Failed {
                for line in &view.tail {
                    self.kept.push(format!("{DIM} => => {line}{DIM:#}"));
                }
            }
        }
        self.settle();
    }

    /// Keeps a line for a step that is over.
    fn close(&mut self, view: &mut StepView) {
        let title = &view.title;
        self.kept.push(match view.state {
            StepState::Cached => format!("{CYAN} => {DIM}CACHED{DIM:#}{CYAN:#} {title}"),
            StepState::Done(elapsed) => {
                format!("{CYAN} =>{CYAN:#} {title} {DIM}{}{DIM:#}", time(elapsed))
            }
            StepState::Failed => format!("{RED} => ERROR{RED:#} {title}"),
            StepState::Canceled => format!("{DIM} => CANCELED {title}{DIM:#}"),
            StepState::Runs => return,
        });
        if let Some(reason) = &view.reason {
            self.kept
                .push(format!("{DIM} => => because {reason}{DIM:#}"));
        }
        view.shown = Shown::Closed;
    }

    /// The lines that change.
    fn region(&self, steps: &Steps, now: Instant, width: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for (_, view) in steps.running() {
            let time = time(view.elapsed(now));
            let title = cut(&view.title, width.saturating_sub(time.len() + 6));
            let filled = 4 + cells(&title) + time.len();
            let gap = " ".repeat(width.saturating_sub(filled + 1).max(1));
            lines.push(format!("{CYAN} =>{CYAN:#} {title}{gap}{DIM}{time}{DIM:#}"));
            if let Some(line) = view.tail.last() {
                let line = cut(line, width.saturating_sub(8));
                lines.push(format!("{DIM} => => {line}{DIM:#}"));
            }
        }
        if let Some(Task { title, progress }) = &self.task {
            let line = cut(&format!("{title} {progress}"), width.saturating_sub(4));
            lines.push(format!("{DIM}   {line}{DIM:#}"));
        }
        lines
    }

    /// Replaces what was drawn by what is to stay and by `lines`, at one blow.
    fn draw(&mut self, lines: &[String]) {
        if lines.is_empty() && self.kept.is_empty() && self.n_drawn == 0 {
            return;
        }
        let mut text = String::new();
        for line in self.kept.drain(..).chain(lines.iter().cloned()) {
            text.push_str(&line);
            text.push('\n');
        }
        if !self.has_colours {
            text = strip_str(&text).to_string();
        }
        let mut drawing = String::new();
        if self.n_drawn > 0 {
            // Writing to a `String` cannot fail.
            write!(drawing, "\x1b[{}A\r\x1b[J", self.n_drawn).unwrap_or_default();
        }
        drawing.push_str(&text);
        self.n_drawn = lines.len();
        let mut stderr = io::stderr().lock();
        // Nobody is left to be told that standard error is closed.
        stderr.write_all(drawing.as_bytes()).unwrap_or_default();
        stderr.flush().unwrap_or_default();
    }
}

/// How many columns and lines the terminal has. Some do not know: they count as the usual ones.
fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let (width, height) = size.map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let usual = |number: u16, usual: usize| match number {
        0 => usual,
        number => usize::from(number),
    };
    (usual(width, 80).max(20), usual(height, 24))
}

fn time(elapsed: Duration) -> String {
    format!("{:.1}s", elapsed.as_secs_f64())
}

/// At most how many cells a text fills: what is not ASCII may fill two.
fn cells(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

/// The beginning of `text` that surely fits into `width` cells.
fn cut(text: &str, width: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += if c.is_ascii() { 1 } else { 2 };
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_build::KeyChange;

    #[test]
    fn lines_never_fill_the_terminal() {
        for (text, width, expected) in [
            ("abc", 2, "ab"),
            ("abc", 9, "abc"),
            ("日本", 3, "日"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, width), expected);
        }
        let start = Instant::now();
        let mut steps = Steps::new(crate::progress::steps::Reasons::Told);
        let title = "日本 RUN make everything that can be made, and more than that";
        let change = Some(&KeyChange::New);
        steps.event(
            &Event::StepStarted {
                step: 0,
                title,
                change,
            },
            start,
        );
        let bytes = "x".repeat(500) + "\n";
        let output = Event::StepOutput {
            step: 0,
            bytes: bytes.as_bytes(),
        };
        steps.event(&output, start);
        for width in 20..90 {
            let lines = Live::new().region(&steps, start + Duration::from_secs(100), width);
            assert_eq!(lines.len(), 2);
            for line in lines {
                let line = strip_str(&line).to_string();
                assert!(cells(&line) < width, "{width}: {line}");
            }
        }
    }
}
