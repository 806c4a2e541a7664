//! A running Docker or Podman that images are loaded into, over its HTTP interface.
//!
//! The interface is Docker's Engine API (`POST /images/load`), which Podman serves too.

mod find;
mod socket;

use std::io::{self, PipeReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use jettison_oci::ExportError;
use serde::Deserialize;
use ureq::Agent;
use ureq::SendBody;
use ureq::unversioned::resolver::DefaultResolver;

use crate::daemon::socket::SocketConnector;
use crate::failure::Failure;

pub(crate) use crate::daemon::find::find;

/// As much of an answer is read.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Where images are loaded into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// At the socket with this path.
    Socket(String),
    /// At this host and port, without TLS.
    Tcp(String),
    /// Behind this program, whose `load` command reads an archive.
    Program(String),
}

/// A line of a daemon's answer.
#[derive(Debug, Deserialize)]
struct Line {
    stream: Option<String>,
    error: Option<String>,
    message: Option<String>,
    cause: Option<String>,
}

impl Daemon {
    /// How it is shown.
    pub(crate) fn name(&self) -> String {
        match self {
            Daemon::Socket(path) => format!("unix://{path}"),
            Daemon::Tcp(address) => format!("tcp://{address}"),
            Daemon::Program(program) => format!("{program} load"),
        }
    }

    /// Loads the archive that `write` writes. Gives what the daemon says, in lines.
    ///
    /// Nothing is kept: the archive goes through a pipe, as fast as the daemon takes it.
    pub(crate) fn load<T: Send>(
        &self,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, ExportError> + Send,
    ) -> Result<(T, Vec<String>), Failure> {
        let (reader, mut writer) = io::pipe().map_err(|error| self.failed(&error))?;
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let written = write(&mut writer);
                // The reader sees the end of what was written only if nobody could write more.
                drop(writer);
                written
            });
            let answer = match self {
                Daemon::Socket(_) | Daemon::Tcp(_) => self.post(reader),
                Daemon::Program(program) => run(program, reader),
            };
            let written = writing
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (written, answer) {
                // A daemon that gives up closes the pipe: its own reason counts.
                (_, Err(reason)) => Err(self.failed(&*reason)),
                (Err(error), Ok(_)) => Err(self.failed(&error)),
                (Ok(written), Ok(lines)) => Ok((written, lines)),
            }
        })
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let message = format!("the image cannot be loaded into {}", self.name());
        Failure::host(message)
            .because(error)
            .hint("the image is in jettison's store; `-o type=docker,dest=FILE` writes what `docker load -i FILE` takes")
    }

    fn post(&self, archive: PipeReader) -> Result<Vec<String>, BoxError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(20)))
            .user_agent(concat!("jettison/", env!("CARGO_PKG_VERSION")))
            .build();
        let host = match self {
            Daemon::Tcp(address) => address.clone(),
            Daemon::Socket(_) | Daemon::Program(_) => "localhost".to_string(),
        };
        let url = format!("http://{host}/images/load?quiet=1");
        let agent = match self {
            Daemon::Socket(path) => {
                let connector = SocketConnector::new(path);
                Agent::with_parts(config, connector, socket::NoResolver)
            }
            Daemon::Tcp(_) | Daemon::Program(_) => {
                let connector = ureq::unversioned::transport::TcpConnector::default();
                Agent::with_parts(config, connector, DefaultResolver::default())
            }
        };
        let mut archive = archive;
        let response = agent
            .post(&url)
            .content_type("application/x-tar")
            .send(SendBody::from_reader(&mut archive));
        // The writer must not wait for a daemon that has gone.
        drop(archive);
        let mut response = response?;
        let status = response.status().as_u16();
        let mut text = String::new();
        let body = response.body_mut().as_reader();
        body.take(LONGEST_ANSWER).read_to_string(&mut text)?;
        lines_of(status, &text)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What an answer says: lines for the user, or why the image was not loaded.
fn lines_of(status: u16, text: &str) -> Result<Vec<String>, BoxError> {
    let mut lines = Vec::new();
    for line in serde_json::Deserializer::from_str(text).into_iter::<Line>() {
        let Ok(line) = line else {
            break;
        };
        let Line {
            stream,
            error,
            message,
            cause,
        } = line;
        if let Some(reason) = error.or(message).or(cause) {
            return Err(reason.into());
        }
        let stream = stream.unwrap_or_default();
        lines.extend(stream.lines().map(str::to_owned));
    }
    if status == 200 {
        Ok(lines)
    } else {
        Err(format!("it answered with status {status}: {}", text.trim()).into())
    }
}

/// Runs `PROGRAM load` with an archive as its standard input.
fn run(program: &str, archive: PipeReader) -> Result<Vec<String>, BoxError> {
    let child: Child = Command::new(program)
        .arg("load")
        .stdin(archive)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = child.wait_with_output()?;
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().map(str::to_owned).collect())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: {}", output.status, text.trim()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, text: &str, expected: Result<&[&str], &str>) {
        let found = lines_of(status, text).map_err(|error| error.to_string());
        let expected = expected
            .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect())
            .map_err(str::to_owned);
        assert_eq!(found, expected);
    }

    #[test]
    fn an_answer_is_understood() {
        check(
            200,
            "{\"stream\":\"Loaded image: app:latest\\n\"}\r\n",
            Ok(&["Loaded image: app:latest"]),
        );
        check(
            200,
            "{\"stream\":\"a\\n\"}{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}",
            Err("no space"),
        );
        check(500, "{\"message\":\"broken\"}", Err("broken"));
        check(502, "gone", Err("it answered with status 502: gone"));
        check(200, "", Ok(&[]));
    }
}
