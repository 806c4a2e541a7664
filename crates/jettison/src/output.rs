//! What the program prints: data on standard output, everything else on standard error.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();

/// How a line is shown where colours are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Heading,
    Good,
    Bad,
    Note,
}

impl Look {
    fn style(self) -> Style {
        match self {
            Look::Plain => Style::new(),
            Look::Heading => BOLD,
            Look::Good => GREEN,
            Look::Bad => RED,
            Look::Note => DIM,
        }
    }
}

/// The program's two streams.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: anstream::AutoStream<io::Stdout>,
    stderr: anstream::AutoStream<io::Stderr>,
}

impl Output {
    pub(crate) fn new() -> Output {
        Output {
            stdout: anstream::stdout(),
            stderr: anstream::stderr(),
        }
    }

    /// Prints a line of data.
    pub(crate) fn line(&mut self, text: &str) {
        self.styled(Look::Plain, text);
    }

    /// Prints a line of data in a style.
    pub(crate) fn styled(&mut self, look: Look, text: &str) {
        let style = look.style();
        // A reader that went away has seen enough.
        writeln!(self.stdout, "{style}{text}{style:#}").unwrap_or_default();
    }

    /// Prints a line for people.
    pub(crate) fn note(&mut self, look: Look, text: &str) {
        let style = look.style();
        writeln!(self.stderr, "{style}{text}{style:#}").unwrap_or_default();
    }

    /// Prints why the command did not succeed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        for (label, text) in failure.lines() {
            let style = if label == "error" { RED.bold() } else { BOLD };
            writeln!(self.stderr, "{style}{label}{style:#}: {text}").unwrap_or_default();
        }
    }
}
