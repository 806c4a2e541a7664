//! Docker's `config.json` and Podman's `auth.json`: where credentials are, or who keeps them.
//!
//! ```text
//! {
//!   "auths": {"HOST[/REPOSITORY…]": {"auth": "Base64 of NAME:PASSWORD", "identitytoken": "…"}},
//!   "credHelpers": {"HOST": "HELPER"},
//!   "credsStore": "HELPER"
//! }
//! ```
//!
//! Other members are other programs', and stay as they are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jettison_oci::{Credentials, from_base64};
use serde_json::{Map, Value};

/// The largest file that is read.
const LARGEST: u64 = 4 << 20;

/// What went wrong with a file of credentials. Nothing that is in it is shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    #[error("cannot {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{}: {reason}", .path.display())]
    Broken { path: PathBuf, reason: String },
}

/// One file.
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    members: Map<String, Value>,
}

impl ConfigFile {
    /// Reads a file; one that does not exist is empty.
    pub(crate) fn read(path: &Path) -> Result<ConfigFile, ConfigFileError> {
        let io_error = |source| ConfigFileError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let broken = |reason: String| ConfigFileError::Broken {
            path: path.to_owned(),
            reason,
        };
        let text = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io_error(error)),
            Ok(metadata) if metadata.len() > LARGEST => {
                return Err(broken("the file is too large".to_owned()));
            }
            Ok(_) => fs::read_to_string(path).map_err(io_error)?,
        };
        if text.trim().is_empty() {
            return Ok(ConfigFile {
                path: path.to_owned(),
                members: Map::new(),
            });
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(members)) => Ok(ConfigFile {
                path: path.to_owned(),
                members,
            }),
            Ok(_) => Err(broken("it is not a JSON object".to_owned())),
            // The text of an error has no secrets in it, but for unknown words; the place is enough.
            Err(error) => Err(broken(format!(
                "it is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ))),
        }
    }

    pub(crate) fn members_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.members
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Who keeps the credentials of a registry, if not the file: its own helper, or that of all.
    pub(crate) fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.members.get("credHelpers").and_then(Value::as_object);
        let own = own.and_then(|helpers| {
            let mut helpers = helpers.iter();
            helpers.find(|(key, _)| host_of(key) == registry)
        });
        let name = match own {
            Some((_, name)) => name,
            None => self.members.get("credsStore")?,
        };
        name.as_str().filter(|name| !name.is_empty())
    }

    /// The credentials in the file for a repository. The key that says most counts (containers-auth.json(5)).
    pub(crate) fn credentials(&self, registry: &str, repository: &str) -> Option<Credentials> {
        let auths = self.members.get("auths")?.as_object()?;
        let full = format!("{registry}/{repository}");
        let mut keys: Vec<(&String, &Value)> = auths
            .iter()
            .filter(|(key, _)| is_for(key, registry, &full))
            .collect();
        // An entry without credentials says that a helper keeps them.
        keys.sort_by_key(|(key, _)| std::cmp::Reverse(specific(key)));
        keys.iter().find_map(|(_, entry)| credentials_of(entry))
    }
}

/// Whether a key is for a repository: it is the registry's host, or the beginning of the repository's name.
fn is_for(key: &str, registry: &str, full: &str) -> bool {
    if specific(key) == 0 {
        return host_of(key) == registry;
    }
    let rest = full.strip_prefix(key);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How much a key says beyond a host.
fn specific(key: &str) -> usize {
    if key.contains("://")
        || key
            .split('/')
            .nth(1)
            .is_none_or(|word| word == "v1" || word == "v2")
    {
        0
    } else {
        key.len()
    }
}

/// The registry that a key names, as references have it (docker/cli: `ConvertToHostname`, `credentials/file_store.go`).
pub(crate) fn host_of(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = key.split('/').next().unwrap_or(key);
    // The default registry had another name once, under which its credentials are kept to this day.
    match host.strip_prefix("index.") {
        Some("docker.io") => "docker.io",
        _ => host,
    }
}

/// The key under which Docker keeps the credentials of a registry (docker/cli: `GetAuthConfigKey`, moby: `IndexServer`).
pub(crate) fn key_of(registry: &str) -> String {
    match registry {
        "docker.io" => format!("https://index.{registry}/v1/"),
        other => other.to_owned(),
    }
}

fn credentials_of(entry: &Value) -> Option<Credentials> {
    let text = |name: &str| {
        let value = entry.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    if let Some(token) = text("registrytoken") {
        return Some(Credentials::RegistryToken(token));
    }
    if let Some(token) = text("identitytoken") {
        return Some(Credentials::IdentityToken(token));
    }
    if let Some(auth) = text("auth") {
        let pair = String::from_utf8(from_base64(&auth)?).ok()?;
        // Docker ends passwords with zeros at times (docker/cli: `decodeAuth`).
        let (username, password) = pair.trim_end_matches('\0').split_once(':')?;
        return Some(Credentials::Password {
            username: username.to_owned(),
            password: password.to_owned(),
        });
    }
    Some(Credentials::Password {
        username: text("username")?,
        password: text("password")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: &str) -> ConfigFile {
        let Ok(Value::Object(members)) = serde_json::from_str(json) else {
            panic!("the test's JSON is an object");
        };
        ConfigFile {
            path: PathBuf::from("config.json"),
            members,
        }
    }

    #[track_caller]
    fn check(file: &ConfigFile, (registry, repository): (&str, &str), expected: Option<&str>) {
        let found = file.credentials(registry, repository);
        let name = found.map(|credentials| match credentials {
            Credentials::Password { username, password } => format!("{username} {password}"),
            Credentials::IdentityToken(token) => format!("identity {token}"),
            Credentials::RegistryToken(token) => format!("registry {token}"),
            Credentials::Anonymous => "anonymous".to_owned(),
        });
        assert_eq!(name.as_deref(), expected, "{registry}/{repository}");
    }

    #[test]
    fn the_key_that_says_most_counts() {
        let file = file(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "aHViOmE6Yg=="},
                "quay.example": {"auth": "YWxsOng="},
                "quay.example/team": {"auth": "dGVhbTp4"},
                "quay.example/team/app": {},
                "http://old.example/v2/": {"username": "u", "password": "p"},
                "a.example": {"identitytoken": "t"},
                "b.example": {"auth": "!"},
                "c.example": {"registrytoken": "r", "auth": "YWxsOng="}
            }}"#,
        );
        check(&file, ("docker.io", "library/debian"), Some("hub a:b"));
        check(&file, ("quay.example", "other"), Some("all x"));
        check(&file, ("quay.example", "teams/app"), Some("all x"));
        check(&file, ("quay.example", "team/app"), Some("team x"));
        check(&file, ("old.example", "x"), Some("u p"));
        check(&file, ("a.example", "x"), Some("identity t"));
        check(&file, ("b.example", "x"), None);
        check(&file, ("c.example", "x"), Some("registry r"));
        check(&file, ("evil-quay.example", "team/app"), None);
    }

    #[test]
    fn a_registry_may_have_a_helper_of_its_own() {
        let file = file(
            r#"{"credsStore": "all", "credHelpers": {"a.example": "own", "https://b.example": "b", "c.example": ""}}"#,
        );
        assert_eq!(file.helper("a.example"), Some("own"));
        assert_eq!(file.helper("b.example"), Some("b"));
        assert_eq!(file.helper("c.example"), None);
        assert_eq!(file.helper("d.example"), Some("all"));
    }
}
