//! Programs that keep credentials: `docker-credential-NAME` (docker/docker-credential-helpers, README).

use std::io::Write;
use std::process::{Command, Stdio};

use jettison_oci::Credentials;
use serde::{Deserialize, Serialize};

/// The name that stands for an identity token (docker/docker-credential-helpers: `tokenUsername`).
const TOKEN: &str = "<token>";
/// What a helper says that has no credentials for a server.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Why a helper does not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    #[error("`{name}` is not the name of a credential helper")]
    Name { name: String },
    #[error("cannot start {program}, which keeps credentials")]
    Start {
        program: String,
        source: std::io::Error,
    },
    #[error("{program} {action} says: {message}")]
    Failed {
        program: String,
        action: &'static str,
        message: String,
    },
}

/// What helpers are told and tell.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

/// A helper, and the directories that programs are looked for in.
#[derive(Debug)]
pub(crate) struct Helper {
    program: String,
    path: Option<String>,
}

impl Helper {
    /// The helper of this name.
    pub(crate) fn new(name: &str, path: Option<&String>) -> Result<Helper, HelperError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(HelperError::Name {
                name: name.to_owned(),
            });
        }
        Ok(Helper {
            program: format!("docker-credential-{name}"),
            path: path.cloned(),
        })
    }

    /// The credentials for a server, if it has any.
    pub(crate) fn get(&self, server: &str) -> Result<Option<Credentials>, HelperError> {
        let output = match self.run("get", server.as_bytes()) {
            Ok(output) => output,
            Err(HelperError::Failed { message, .. }) if message.contains(NOT_FOUND) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let entry: Entry = serde_json::from_slice(&output).map_err(|_| HelperError::Failed {
            program: self.program.clone(),
            action: "get",
            message: "something that is not JSON".to_owned(),
        })?;
        if entry.username.is_empty() && entry.secret.is_empty() {
            return Ok(None);
        }
        Ok(Some(if entry.username == TOKEN {
            Credentials::IdentityToken(entry.secret)
        } else {
            Credentials::Password {
                username: entry.username,
                password: entry.secret,
            }
        }))
    }

    /// Lets it keep a name and a password.
    pub(crate) fn store(
        &self,
        server: &str,
        (username, password): (&str, &str),
    ) -> Result<(), HelperError> {
        let entry = Entry {
            server_url: server.to_owned(),
            username: username.to_owned(),
            secret: password.to_owned(),
        };
        let json = serde_json::to_vec(&entry).unwrap_or_default();
        self.run("store", &json).map(|_| ())
    }

    /// Lets it forget the credentials for a server.
    pub(crate) fn erase(&self, server: &str) -> Result<(), HelperError> {
        match self.run("erase", server.as_bytes()) {
            Err(HelperError::Failed { message, .. }) if message.contains(NOT_FOUND) => Ok(()),
            erased => erased.map(|_| ()),
        }
    }

    fn run(&self, action: &'static str, input: &[u8]) -> Result<Vec<u8>, HelperError> {
        let start = |source| HelperError::Start {
            program: self.program.clone(),
            source,
        };
        let mut command = Command::new(&self.program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let mut child = command
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(start)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not want to know everything says so by its status.
            stdin.write_all(input).unwrap_or_default();
        }
        let output = child.wait_with_output().map_err(start)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        // On failure there is a message where the secret would be.
        let text = String::from_utf8_lossy(&output.stdout);
        let message = text.lines().next().unwrap_or_default().trim();
        Err(HelperError::Failed {
            program: self.program.clone(),
            action,
            message: if message.is_empty() {
                output.status.to_string()
            } else {
                message.to_owned()
            },
        })
    }
}
