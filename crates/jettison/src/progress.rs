//! What happens, while it happens, on standard error.
//!
//! On a terminal a running step shows its last line of output below its title; elsewhere every line
//! is printed with the step's number, as `docker build --progress plain` does.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jettison_build::{Event, Reporter};
use jettison_slim::size_text;

use crate::cli::ProgressKind;
use crate::printable::printable;

const DIM: Style = Style::new().dimmed();
const CYAN: Style = AnsiColor::Cyan.on_default();
/// How many lines of a step's output are shown again if it fails.
const TAIL: usize = 30;
/// A longer line is shown in pieces.
const LINE_LIMIT: usize = 32 << 10;

/// Prints events.
#[derive(Debug)]
pub(crate) struct Progress {
    kind: ProgressKind,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stream: anstream::AutoStream<io::Stderr>,
    /// Output of the current step that no line break has ended yet.
    open_line: Vec<u8>,
    tail: Vec<String>,
    /// Whether the line under the cursor is one that changes.
    live: bool,
}

impl Progress {
    pub(crate) fn new(kind: ProgressKind) -> Progress {
        let kind = match kind {
            ProgressKind::Auto if io::stderr().is_terminal() => ProgressKind::Tty,
            ProgressKind::Auto => ProgressKind::Plain,
            chosen => chosen,
        };
        let state = State {
            stream: anstream::stderr(),
            open_line: Vec::new(),
            tail: Vec::new(),
            live: false,
        };
        Progress {
            kind,
            state: Mutex::new(state),
        }
    }

    /// Prints the end of the last step's output, if it has not been shown.
    pub(crate) fn show_tail(&self) {
        let mut state = self.lock();
        state.clear();
        if self.kind != ProgressKind::Plain {
            for line in std::mem::take(&mut state.tail) {
                state.print(&format!("  {DIM}{line}{DIM:#}"));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn print(&mut self, line: &str) {
        self.clear();
        // Nobody is left to be told that standard error is closed.
        writeln!(self.stream, "{line}").unwrap_or_default();
    }

    /// Shows a line that the next one replaces.
    fn show(&mut self, line: &str) {
        let width = rustix::termios::tcgetwinsize(io::stderr())
            .map_or(80, |size| usize::from(size.ws_col).max(20));
        let cut: String = line
            .chars()
            .filter(|c| !c.is_control())
            .take(width - 1)
            .collect();
        write!(self.stream, "\r\x1b[2K{DIM}{cut}{DIM:#}").unwrap_or_default();
        self.stream.flush().unwrap_or_default();
        self.live = true;
    }

    fn clear(&mut self) {
        if self.live {
            write!(self.stream, "\r\x1b[2K").unwrap_or_default();
            self.live = false;
        }
    }

    /// The whole lines that `bytes` completes.
    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.open_line.push(*byte);
            }
            if *byte == b'\n' || self.open_line.len() >= LINE_LIMIT {
                let line = String::from_utf8_lossy(&self.open_line);
                lines.push(line.trim_end_matches('\r').to_string());
                self.open_line.clear();
            }
        }
        self.tail.extend(lines.iter().cloned());
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        lines
    }
}

impl Reporter for Progress {
    fn event(&self, event: Event<'_>) {
        if matches!(self.kind, ProgressKind::Quiet | ProgressKind::None) {
            return;
        }
        let is_tty = self.kind == ProgressKind::Tty;
        let mut state = self.lock();
        match event {
            Event::StepStarted { step, title, .. } => {
                let title = printable(title);
                state.tail.clear();
                state.open_line.clear();
                state.print(&format!("{CYAN}#{}{CYAN:#} {title}", step + 1));
            }
            Event::StepCached { step, title } => {
                let title = printable(title);
                state.print(&format!(
                    "{CYAN}#{}{CYAN:#} {title} {DIM}CACHED{DIM:#}",
                    step + 1
                ));
            }
            Event::StepOutput { step, bytes } => {
                for line in state.lines(bytes) {
                    if is_tty {
                        state.show(&format!("   {line}"));
                    } else {
                        state.print(&format!("#{} {line}", step + 1));
                    }
                }
            }
            Event::StepFinished { step, elapsed } => {
                state.print(&format!(
                    "{CYAN}#{}{CYAN:#} {DIM}done in {}{DIM:#}",
                    step + 1,
                    seconds(elapsed)
                ));
            }
            Event::Warning { text } => {
                state.print(&printable(&format!("warning: {text}")));
            }
            Event::TaskStarted { title } => {
                if is_tty {
                    state.show(&format!("   {title} …"));
                }
            }
            Event::TaskProgress { done, total } => {
                if is_tty {
                    state.show(&format!("   {} of {}", size_text(done), size_text(total)));
                }
            }
            Event::TaskFinished { title, elapsed } => {
                state.print(&format!("   {title} {DIM}{}{DIM:#}", seconds(elapsed)));
            }
        }
    }
}

/// A duration as people read it.
pub(crate) fn seconds(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            stream: anstream::stderr(),
            open_line: Vec::new(),
            tail: Vec::new(),
            live: false,
        }
    }

    #[test]
    fn a_line_that_never_ends_is_shown_in_pieces() {
        let mut state = state();
        let lines = state.lines(&vec![b'x'; 3 * LINE_LIMIT + 5]);
        assert_eq!(lines.iter().map(String::len).sum::<usize>(), 3 * LINE_LIMIT);
        assert_eq!(state.open_line.len(), 5);
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut state = state();
        assert!(state.lines(b"one").is_empty());
        assert_eq!(state.lines(b" line\r\ntwo\nth"), ["one line", "two"]);
        assert_eq!(state.tail, ["one line", "two"]);
    }
}
