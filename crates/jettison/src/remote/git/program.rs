//! The `git` program: what it sees of the host, and what it says.
//!
//! It sees no configuration but what is given here and the user's credentials, runs no hooks, asks nobody, and goes to
//! other machines only by protocols that are known (BuildKit: `GitCLI.Run`, `util/gitutil/git_cli.go`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use jettison_build::{RemoteError, Secrets};

use crate::remote::address::redacted;
use crate::remote::agent::{Patience, Reach};
use jettison_oci::base64;

/// Protocols that lead to other machines.
const PROTOCOLS: &str = "http:https:ssh:git";

/// What a failure that may pass says.
const PASSING: &[&str] = &[
    "Could not resolve host",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Operation timed out",
    "Operation too slow",
    "early EOF",
    "RPC failed",
    "remote end hung up",
    "unexpected disconnect",
    "The requested URL returned error: 429",
    "The requested URL returned error: 5",
];

/// Why `git` did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// The host has no `git`.
    #[error("the program `git` is not installed, and repositories are fetched with it")]
    Missing,
    /// It cannot be started.
    #[error("cannot start `git`")]
    Start(#[source] io::Error),
    /// It failed.
    #[error("`git {command}` failed: {stderr}")]
    Failed {
        /// The subcommand.
        command: String,
        /// What it said, without credentials.
        stderr: String,
    },
}

impl ProgramError {
    /// Says whether the program said one of some texts.
    pub(crate) fn says(&self, texts: &[&str]) -> bool {
        match self {
            ProgramError::Failed { stderr, .. } => texts.iter().any(|text| stderr.contains(text)),
            ProgramError::Missing | ProgramError::Start(_) => false,
        }
    }
}

/// `git`, as it is run for one remote.
pub(crate) struct Program<'a> {
    remote: &'a str,
    patience: &'a Patience,
    environment: BTreeMap<String, String>,
    /// Settings, in order.
    config: Vec<(String, String)>,
}

/// Where a command works.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// In no repository.
    Nowhere,
    /// In a repository without files.
    Bare(&'a Path),
    /// In a repository and its files.
    Tree { git: &'a Path, files: &'a Path },
}

impl<'a> Program<'a> {
    /// `git` for the repository `remote`, with what it needs to keep in `dir`.
    pub(crate) fn new(
        remote: &'a str,
        dir: &Path,
        reach: &Reach,
        patience: &'a Patience,
        secrets: &dyn Secrets,
    ) -> Result<Program<'a>, RemoteError> {
        let path = reach
            .variables
            .get("PATH")
            .map_or("/usr/bin:/bin", String::as_str);
        if !std::env::split_paths(path).any(|dir| dir.join("git").is_file()) {
            return Err(ProgramError::Missing.into());
        }
        let mut environment: BTreeMap<String, String> = [
            ("PATH", path),
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let mut give = |name: &str, value: &str| {
            environment.insert(name.to_owned(), value.to_owned());
        };
        for (name, value) in reach.proxies() {
            give(name, value);
        }
        let home = reach.variables.get("HOME");
        // Helpers of credentials look there.
        if let Some(home) = home {
            give("HOME", home);
        }
        let agent = secrets.ssh_agent("default")?;
        let agent = agent.map(|path| path.display().to_string());
        if let Some(agent) = agent
            .as_ref()
            .or_else(|| reach.variables.get("SSH_AUTH_SOCK"))
        {
            give("SSH_AUTH_SOCK", agent);
        }
        give("GIT_SSH_COMMAND", &ssh_command(dir, home.map(Path::new)));
        if let Some(bundle) = bundle(reach, dir)? {
            give("GIT_SSL_CAINFO", &bundle.display().to_string());
        }
        let mut config = settings(patience);
        match authorization(remote, secrets)? {
            Some(setting) => config.push(setting),
            None => config.extend(credentials(path, &reach.variables)),
        }
        Ok(Program {
            remote,
            patience,
            environment,
            config,
        })
    }

    /// Runs a command that goes to another machine; what passes is waited for.
    pub(crate) fn far<S: AsRef<OsStr>>(
        &self,
        place: Place<'_>,
        arguments: &[S],
    ) -> Result<String, ProgramError> {
        let mut attempt = 1;
        loop {
            match self.run(PROTOCOLS, place, arguments) {
                Err(error) if attempt < self.patience.attempts && error.says(PASSING) => {
                    thread::sleep(self.patience.pause_after(attempt));
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Runs a command that stays on this machine.
    pub(crate) fn near<S: AsRef<OsStr>>(
        &self,
        place: Place<'_>,
        arguments: &[S],
    ) -> Result<String, ProgramError> {
        self.run("file", place, arguments)
    }

    /// Runs `git` and returns what it writes.
    fn run<S: AsRef<OsStr>>(
        &self,
        protocols: &str,
        place: Place<'_>,
        arguments: &[S],
    ) -> Result<String, ProgramError> {
        // Files are to have the modes that everybody expects.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "umask 022 && exec git \"$@\"", "git"])
            .env_clear()
            .envs(&self.environment)
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("GIT_CONFIG_COUNT", self.config.len().to_string())
            .stdin(Stdio::null());
        // The environment is for nobody else to see; a command line is.
        for (number, (key, value)) in self.config.iter().enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{number}"), key)
                .env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        match place {
            Place::Nowhere => command.current_dir("/"),
            Place::Bare(git) => command.current_dir(git).arg("--git-dir").arg(git),
            Place::Tree { git, files } => command
                .current_dir(files)
                .arg("--git-dir")
                .arg(git)
                .arg("--work-tree")
                .arg(files),
        };
        let output = command
            .args(arguments)
            .output()
            .map_err(ProgramError::Start)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let command = arguments
            .first()
            .map(|word| word.as_ref().to_string_lossy());
        Err(ProgramError::Failed {
            command: command.unwrap_or_default().into_owned(),
            stderr: self.shown(&String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// What `git` said, in one line and without credentials.
    fn shown(&self, stderr: &str) -> String {
        let mut stderr = stderr.replace(self.remote, &redacted(self.remote));
        // It may show them alone, too.
        let authority = self.remote.split_once("://").map(|(_, rest)| rest);
        let authority = authority.and_then(|rest| rest.split('/').next());
        if let Some((credentials, _)) = authority.and_then(|text| text.rsplit_once('@')) {
            stderr = stderr.replace(&format!("{credentials}@"), "xxxxx@");
        }
        let lines: Vec<&str> = stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
            .collect();
        // The last words are about the failure.
        let last = lines.len().saturating_sub(6);
        lines[last..].join("; ")
    }
}

/// Settings of every command.
fn settings(patience: &Patience) -> Vec<(String, String)> {
    let silence = patience.silence.as_secs().max(1).to_string();
    [
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"),
        ("core.logAllRefUpdates", "false"),
        ("core.askPass", "true"),
        ("advice.detachedHead", "false"),
        ("init.defaultBranch", "master"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", &silence),
        // All repositories that it works in are ours.
        ("safe.directory", "*"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// SSH without the user's settings and without questions. A host that has not been met is trusted and remembered.
fn ssh_command(dir: &Path, home: Option<&Path>) -> String {
    let mut known = vec![dir.join("known_hosts")];
    known.extend(home.map(|home| home.join(".ssh/known_hosts")));
    let known: Vec<String> = known
        .iter()
        .map(|path| format!("\"{}\"", path.display()))
        .collect();
    let known = format!("UserKnownHostsFile={}", known.join(" "));
    let quoted =
        shlex::try_quote(&known).map_or_else(|_| String::new(), |known| format!(" -o {known}"));
    format!(
        "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=20 \
         -o ServerAliveInterval=15{quoted}"
    )
}

/// A file with all certificates that are trusted, if there are others than the host's.
fn bundle(reach: &Reach, dir: &Path) -> Result<Option<PathBuf>, RemoteError> {
    let Some(ca) = &reach.ca else {
        return Ok(None);
    };
    let mut text =
        fs::read(ca).map_err(|error| format!("cannot read {}: {error}", ca.display()))?;
    if let Some(host) = reach.host_bundle() {
        text.push(b'\n');
        text.extend(fs::read(host).unwrap_or_default());
    }
    let path = dir.join("trusted.pem");
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(Some(path))
}

/// The setting that sends a secret to `remote` (BuildKit: `authSecretNames`, `getAuthToken`, source/git).
fn authorization(
    remote: &str,
    secrets: &dyn Secrets,
) -> Result<Option<(String, String)>, RemoteError> {
    let Some((_, rest)) = remote.split_once("://") else {
        return Ok(None);
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let names = [
        format!("GIT_AUTH_HEADER.{host}"),
        format!("GIT_AUTH_TOKEN.{host}"),
        "GIT_AUTH_HEADER".to_owned(),
        "GIT_AUTH_TOKEN".to_owned(),
    ];
    for name in names {
        let Some(secret) = secrets.secret(&name)? else {
            continue;
        };
        let secret = str::from_utf8(&secret).map_or("\n", str::trim_end);
        if secret.chars().any(char::is_control) {
            return Err(format!("the secret {name} is not one line of text").into());
        }
        let value = if name.contains("TOKEN") {
            let login = format!("x-access-token:{secret}");
            format!("basic {}", base64(login.as_bytes()))
        } else {
            secret.to_owned()
        };
        let key = format!("http.{}.extraheader", scope(remote));
        return Ok(Some((key, format!("Authorization: {value}"))));
    }
    Ok(None)
}

/// What a secret is sent to: the repository alone, but all of GitHub (BuildKit: `tokenScope`).
fn scope(remote: &str) -> &str {
    ["https://github.com/", "https://www.github.com/"]
        .into_iter()
        .find(|prefix| remote.starts_with(prefix))
        .unwrap_or(remote)
}

/// The user's settings about credentials.
fn credentials(path: &str, variables: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let names = [
        "HOME",
        "XDG_CONFIG_HOME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
    ];
    let seen = names
        .iter()
        .filter_map(|name| Some((*name, variables.get(*name)?)));
    let output = Command::new("git")
        .args(["config", "--null", "--get-regexp", "^credential\\."])
        .current_dir("/")
        .env_clear()
        .env("PATH", path)
        .envs(seen)
        .stdin(Stdio::null())
        .output();
    // Whoever has none, or none that can be read, does without.
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .split('\0')
        .filter_map(|entry| entry.split_once('\n'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
