//! The one error of the program. Its kind is the exit status.

use std::error::Error;
use std::path::Path;

use jettison_build::messages;

/// The exit status where a program was to be run and cannot be, as in docker, podman and env(1).
pub(crate) const RUN_FAILED: u8 = 125;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    /// Lines to print as they are, in place of the message.
    drawing: Option<String>,
    causes: Vec<String>,
    hints: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The tool worked; the answer is no.
    No,
    /// The user can mend it.
    User,
    /// This host cannot.
    Host,
    /// A program could not be run. Its own exit status could be any of the others.
    Run,
}

impl Failure {
    /// The tool worked and the answer is no.
    pub(crate) fn no(message: impl Into<String>) -> Failure {
        Failure::new(Kind::No, message.into())
    }

    /// Something that the user can mend.
    pub(crate) fn user(message: impl Into<String>) -> Failure {
        Failure::new(Kind::User, message.into())
    }

    /// Something that this host does not offer.
    pub(crate) fn host(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Host, message.into())
    }

    fn new(kind: Kind, message: String) -> Failure {
        Failure {
            kind,
            message,
            drawing: None,
            causes: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Shows `drawing`, which has the message in it, in place of the message.
    pub(crate) fn drawn(mut self, drawing: String) -> Failure {
        self.drawing = Some(drawing);
        self
    }

    /// Blames this host.
    pub(crate) fn of_host(mut self) -> Failure {
        self.kind = Kind::Host;
        self
    }

    /// Blames the user, also for an answer that is no elsewhere.
    pub(crate) fn of_user(mut self) -> Failure {
        self.kind = Kind::User;
        self
    }

    /// Tells it from a failure of the program that was to be run.
    pub(crate) fn of_run(mut self) -> Failure {
        self.kind = Kind::Run;
        self
    }

    /// Says which file it is about.
    pub(crate) fn in_file(mut self, path: &Path) -> Failure {
        self.message = format!("{}: {}", path.display(), self.message);
        self
    }

    /// Adds `error` and what caused it.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Failure {
        let causes = messages(error).into_iter();
        self.causes
            .extend(causes.filter(|text| *text != self.message));
        self.causes.dedup();
        self
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// The exit status.
    pub(crate) fn code(&self) -> u8 {
        match self.kind {
            Kind::No => 1,
            Kind::User => 2,
            Kind::Host => 3,
            Kind::Run => RUN_FAILED,
        }
    }

    /// What to print as it is, if anything.
    pub(crate) fn drawing(&self) -> Option<&str> {
        self.drawing.as_deref()
    }

    /// The lines to print: the message, its causes, then the hints.
    pub(crate) fn lines(&self) -> Vec<(&'static str, &str)> {
        let mut lines = vec![("error", self.message.as_str())];
        lines.extend(self.causes.iter().map(|cause| ("  cause", cause.as_str())));
        lines.extend(self.hints.iter().map(|hint| ("hint", hint.as_str())));
        lines
    }
}
