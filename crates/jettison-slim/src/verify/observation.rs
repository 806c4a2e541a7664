//! All that one run of a probe shows to the outside.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::verify::http::Answer;
use crate::verify::visible;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was asked to end, did not, and was killed.
    Killed,
    /// It was stopped, because it ran longer than its probe allows.
    TimedOut,
}

impl fmt::Display for ExitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitKind::Code(code) => write!(formatter, "exit code {code}"),
            ExitKind::Signal(signal) => write!(formatter, "signal {signal}"),
            ExitKind::Killed => formatter.write_str("killed, because it did not end by itself"),
            ExitKind::TimedOut => formatter.write_str("timed out"),
        }
    }
}

/// All that one run of a probe shows to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// How the program ended.
    pub exit: ExitKind,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// The files that it changed, made or removed, sorted.
    pub written: Vec<WrittenFile>,
    /// What was seen of it as a server, if it is one.
    pub served: Option<Served>,
    /// How long it ran. Nothing is compared with it.
    pub took: Duration,
}

/// What was seen of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Why it was not talked to.
    pub trouble: Option<String>,
    /// The port that it was talked to on.
    pub port: Option<u16>,
    /// What was said to it and what it answered, in order.
    pub answers: Vec<(String, Answer)>,
    /// Where it listened in the end, sorted.
    pub listening: Vec<SocketAddr>,
    /// How long it took to end after the signal, if the probe is about that.
    pub ended_after: Option<Duration>,
}

impl Observation {
    /// A run that ended like this, and showed nothing else.
    pub fn ended(exit: ExitKind) -> Observation {
        Observation {
            exit,
            stdout: Vec::new(),
            stderr: Vec::new(),
            written: Vec::new(),
            served: None,
            took: Duration::ZERO,
        }
    }

    /// Why a server was not talked to.
    pub fn trouble(&self) -> Option<&str> {
        self.served.as_ref()?.trouble.as_deref()
    }
}

/// One file that a run changed, made or removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenFile {
    /// Its path inside the image.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// Its user and its group.
    pub owner: (u32, u32),
    /// What it holds, in a few words: its size and digest, or a link's target.
    pub content: String,
}

impl fmt::Display for WrittenFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrittenFile {
            path,
            mode,
            owner: (user, group),
            content,
        } = self;
        let path = visible(&path.display().to_string());
        let content = visible(content);
        write!(
            formatter,
            "{path} (mode {mode:o}, owner {user}:{group}, {content})"
        )
    }
}
