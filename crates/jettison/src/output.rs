//! What the program prints: data on standard output, everything else on standard error.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};

use crate::failure::Failure;
use crate::printable::printable;

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
    /// Whether lines of data are for people, too: the data is something else.
    is_aside: bool,
}

impl Output {
    pub(crate) fn new() -> Output {
        Output {
            stdout: anstream::stdout(),
            stderr: anstream::stderr(),
            is_aside: false,
        }
    }

    /// Lines of data go to the standard error: the standard output is for something else.
    pub(crate) fn aside() -> Output {
        Output {
            is_aside: true,
            ..Output::new()
        }
    }

    /// Prints a line of data.
    pub(crate) fn line(&mut self, text: &str) {
        self.styled(Look::Plain, text);
    }

    /// Prints a line of data in a style.
    pub(crate) fn styled(&mut self, look: Look, text: &str) {
        if self.is_aside {
            return self.note(look, text);
        }
        let style = look.style();
        // A reader that went away has seen enough.
        writeln!(self.stdout, "{style}{text}{style:#}").unwrap_or_default();
    }

    /// Prints data with styles in it, which has line breaks of its own.
    pub(crate) fn text(&mut self, text: &str) {
        // At once: the stream would write every line, and every style in it, by itself.
        if self.stdout.current_choice() == anstream::ColorChoice::Never {
            self.raw(&strip_str(text).to_string());
        } else {
            self.raw(text);
        }
    }

    /// Prints data to the byte, whatever is in it.
    pub(crate) fn raw(&mut self, text: &str) {
        // What was printed before comes first.
        self.stdout.flush().unwrap_or_default();
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).unwrap_or_default();
        stdout.flush().unwrap_or_default();
    }

    /// Prints something for people that has line breaks of its own.
    pub(crate) fn notice(&mut self, text: &str) {
        write!(self.stderr, "{text}").unwrap_or_default();
    }

    /// Prints a line for people.
    pub(crate) fn note(&mut self, look: Look, text: &str) {
        let style = look.style();
        writeln!(self.stderr, "{style}{text}{style:#}").unwrap_or_default();
    }

    /// Prints why the command did not succeed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if let Some(drawing) = failure.drawing() {
            return self.notice(drawing);
        }
        for (label, text) in failure.lines() {
            let text = printable(text);
            let style = if label == "error" { RED.bold() } else { BOLD };
            writeln!(self.stderr, "{style}{label}{style:#}: {text}").unwrap_or_default();
        }
    }
}
