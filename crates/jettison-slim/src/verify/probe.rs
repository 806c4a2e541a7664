//! What to ask the original and the candidate.

use std::path::PathBuf;
use std::time::Duration;

use jettison_sandbox::Signal;

use crate::verify::ignore::Ignore;

/// One question to an image's program, and what the user says about the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What reports call it.
    pub name: String,
    /// Who asks it.
    pub origin: ProbeOrigin,
    /// The arguments in place of the image's `CMD`; `None` keeps that.
    pub arguments: Option<Vec<String>>,
    /// What the program reads on its standard input.
    pub stdin: ProbeInput,
    /// Variables on top of the image's environment; a later one wins.
    pub env: Vec<(String, String)>,
    /// Files and directories of the host that the program finds in its file system.
    pub files: Vec<ProbeFile>,
    /// What else is not as usual.
    pub setting: Setting,
    /// What is done with the program.
    pub action: Action,
    /// How long the program may run; for a server, how long each of its answers may take.
    pub time_limit: Duration,
    /// The exit code that both images have to give.
    pub expect_exit: Option<i32>,
    /// What both images have to write to their standard output.
    ///
    /// The whole output has to be equal to it. If it does not end in a newline, the output may still end in one.
    pub expect_stdout: Option<String>,
    /// What is not compared.
    pub ignore: Ignore,
    /// Below which paths it is compared what was written; everywhere if there is none.
    pub written: Vec<PathBuf>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOrigin {
    /// The user.
    Given,
    /// Nobody gave one: it follows from the image's configuration, and knows nothing about the program.
    Default,
    /// Every image is asked this, whatever its program is: both have to agree, and may both refuse.
    Own,
}

/// What a program reads on its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeInput {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is in this file of the host.
    File(PathBuf),
}

/// A file or directory of the host that is mounted read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFile {
    /// Where the program finds it.
    pub target: PathBuf,
    /// Where it is on the host.
    pub source: PathBuf,
}

/// Surroundings that are not as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// As `jettison run` has them.
    Usual,
    /// The program runs as a user without a name, number 65532.
    OtherUser,
    /// The root file system cannot be written.
    ReadOnly,
    /// The program was started once before on the same files; the second start is what counts.
    SecondStart,
    /// None of the image's variables is there but `PATH`.
    BareEnvironment,
}

/// What is done with the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It runs to its end.
    Run,
    /// It is talked to once it listens, then ended by a signal.
    Serve(Server),
}

/// How a server is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; `None` for a port that the image exposes, else for whichever comes first.
    pub port: Option<u16>,
    /// When it is ready.
    pub ready: Ready,
    /// What is said.
    pub talk: Talk,
    /// What ends it.
    pub ending: Ending,
}

/// When a server is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Once it listens. If it does not within this time, that is what is observed.
    Listening(Duration),
    /// The same, but if it has nothing to do and listens elsewhere only, that is where it is.
    Anywhere(Duration),
    /// After this time.
    After(Duration),
}

/// What is said to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talk {
    /// Nothing.
    Nothing,
    /// These requests, one after the other, each over a connection of its own.
    Http(Vec<HttpRequest>),
    /// These steps, over one connection.
    Tcp(Vec<TcpStep>),
}

/// What ends a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The signal that it gets.
    pub signal: Signal,
    /// Whether that is what the probe is about: it may take its whole time limit then, and times are compared.
    pub is_watched: bool,
    /// How long it may take otherwise, before it is killed.
    pub patience: Duration,
}

impl Ending {
    /// The end of a server that is asked to end by `signal`, in a probe that is about something else.
    pub fn by(signal: Signal) -> Ending {
        Ending {
            signal,
            is_watched: false,
            patience: Duration::from_secs(3),
        }
    }
}

/// One HTTP request, and what the user says about the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// What is sent.
    pub message: HttpMessage,
    /// The status that both images have to answer with.
    pub expect_status: Option<u16>,
    /// What has to be somewhere in both bodies.
    pub expect_body: Option<String>,
}

/// What is sent to a server that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpMessage {
    /// A request.
    Request {
        /// Its method, such as `GET`.
        method: String,
        /// Its target, such as `/`.
        path: String,
        /// Its headers, beyond those that every request has.
        headers: Vec<(String, String)>,
        /// Its body.
        body: Vec<u8>,
    },
    /// These bytes, which need not be a request.
    Raw(Vec<u8>),
}

/// One step of a conversation over TCP: something is sent, then something is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpStep {
    /// What is sent; nothing if it is empty.
    pub send: Vec<u8>,
    /// What both images have to answer: it is read until this was said. Without it, until there is silence.
    pub expect: Option<Vec<u8>>,
}

impl Probe {
    /// A probe that runs the program as the image does, and leaves all else open.
    pub fn run(name: &str, origin: ProbeOrigin, time_limit: Duration) -> Probe {
        Probe {
            name: name.to_owned(),
            origin,
            arguments: None,
            stdin: ProbeInput::Bytes(Vec::new()),
            env: Vec::new(),
            files: Vec::new(),
            setting: Setting::Usual,
            action: Action::Run,
            time_limit,
            expect_exit: None,
            expect_stdout: None,
            ignore: Ignore::default(),
            written: Vec::new(),
        }
    }

    /// The same, for a program that is slower: it gets four times as long.
    pub(crate) fn with_more_time(&self) -> Probe {
        const LONGER: u32 = 4;
        let mut probe = self.clone();
        probe.time_limit = probe.time_limit.saturating_mul(LONGER);
        if let Action::Serve(server) = &mut probe.action {
            server.ending.patience = server.ending.patience.saturating_mul(LONGER);
            if let Ready::Listening(within) | Ready::Anywhere(within) = &mut server.ready {
                *within = within.saturating_mul(LONGER);
            }
        }
        probe
    }

    /// What kind of probe it is, in one word.
    pub fn kind(&self) -> &'static str {
        match &self.action {
            Action::Run => "run",
            Action::Serve(Server {
                talk: Talk::Http(_),
                ..
            }) => "http",
            Action::Serve(Server {
                talk: Talk::Tcp(_), ..
            }) => "tcp",
            Action::Serve(Server {
                talk: Talk::Nothing,
                ..
            }) => "signal",
        }
    }
}

impl ProbeOrigin {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            ProbeOrigin::Given => "given",
            ProbeOrigin::Default => "default",
            ProbeOrigin::Own => "own",
        }
    }
}

impl HttpRequest {
    /// A request without headers, a body or expectations.
    pub fn new(method: &str, path: &str) -> HttpRequest {
        HttpRequest {
            message: HttpMessage::Request {
                method: method.to_owned(),
                path: path.to_owned(),
                headers: Vec::new(),
                body: Vec::new(),
            },
            expect_status: None,
            expect_body: None,
        }
    }

    /// What reports call it: `GET /`.
    pub fn title(&self) -> String {
        match &self.message {
            HttpMessage::Request { method, path, .. } => format!("{method} {path}"),
            HttpMessage::Raw(bytes) => {
                let start = bytes.get(..bytes.len().min(40)).unwrap_or_default();
                format!("raw {:?}", String::from_utf8_lossy(start))
            }
        }
    }
}
