//! Running commands: a RUN's, and an image's own.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jettison_oci::ImageConfig;
use jettison_sandbox::{
    Entered, Exit, Input, KernelDirectories, Mount, MountKind, Network, OutputMode, Resources,
    Rootfs, Sandbox, SandboxError, Security, Terminal, Upper, User, mount_overlay, resolve_user,
};

use crate::error::BuildError;
use crate::plan::{RunDefinition, RunNetwork};
use crate::snapshot::{Active, Snapshot};
use crate::tree::Tree;

const HOSTNAME: &str = "buildkitsandbox";
const PASSWD_LIMIT: u64 = 10 << 20;

/// What the host lends to a command that reaches the network.
#[derive(Clone, Debug)]
pub struct RunHost {
    /// The host's resolver configuration.
    pub resolv_conf: PathBuf,
    /// The host's table of names.
    pub hosts: PathBuf,
    /// A file with settings for apt, mounted where only one user ID is mapped: apt cannot change
    /// to its own user there.
    pub apt_settings: Option<PathBuf>,
    /// Proxy settings for every command; in no key and no history.
    pub proxies: Vec<(String, String)>,
}

impl RunHost {
    fn mounts(&self, network: RunNetwork, lowers: &[PathBuf]) -> Vec<Mount> {
        let mut mounts = Vec::new();
        let mut file = |source: &Path, target: &str| {
            mounts.push(Mount {
                target: PathBuf::from(target),
                kind: MountKind::Bind {
                    source: source.to_path_buf(),
                    read_only: true,
                },
            });
        };
        if network != RunNetwork::None {
            file(&self.resolv_conf, "/etc/resolv.conf");
        }
        file(&self.hosts, "/etc/hosts");
        if let Some(settings) = &self.apt_settings
            && lowers
                .iter()
                .any(|lower| lower.join("etc/apt/apt.conf.d").is_dir())
        {
            file(settings, "/etc/apt/apt.conf.d/99single-user-id");
        }
        mounts
    }
}

/// Runs a RUN's command on `lowers`; what it writes ends up in `active`.
pub(crate) fn run_command(
    (entered, host): (&Entered, &RunHost),
    definition: &RunDefinition,
    lowers: &[PathBuf],
    active: &Snapshot<Active>,
    output: &mut dyn FnMut(&[u8]),
) -> Result<Exit, RunError> {
    let (user, home) = user(entered, lowers, &definition.user)?;
    let mut env = definition.env.clone();
    let known = |env: &[(String, String)], name: &str| env.iter().any(|(known, _)| known == name);
    for (name, value) in &host.proxies {
        if !known(&env, name) {
            env.push((name.clone(), value.clone()));
        }
    }
    for (name, value) in [("HOME", home.as_str()), ("HOSTNAME", HOSTNAME)] {
        if !known(&env, name) {
            env.push((name.to_string(), value.to_string()));
        }
    }
    let sandbox = Sandbox {
        rootfs: Rootfs {
            lowers: lowers.to_vec(),
            upper: Some(Upper {
                dir: active.fs(),
                work: active.work(),
            }),
        },
        mounts: host.mounts(definition.network, lowers),
        argv: definition.argv.clone(),
        env,
        cwd: PathBuf::from(&definition.working_dir),
        user,
        hostname: HOSTNAME.to_string(),
        network: match definition.network {
            RunNetwork::Default | RunNetwork::Host => Network::Host,
            RunNetwork::None => Network::None,
        },
        stdin: Input::Null,
        output: OutputMode::PipedMerged,
        terminal: Terminal::None,
        time_limit: None,
        read_only: false,
        security: Security::Confined,
        ulimits: Vec::new(),
        shm_size: None,
        resources: Resources::UNLIMITED,
        kernel_directories: KernelDirectories::Kept,
    };
    let mut child = sandbox.spawn(entered).map_err(RunError::Sandbox)?;
    if let Some(mut pipe) = child.stdout() {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match pipe.read(&mut buffer) {
                Ok(length @ 1..) => output(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
    }
    child.wait().map_err(RunError::Sandbox)
}

/// Why a command could not be run.
#[derive(Debug)]
pub(crate) enum RunError {
    Sandbox(SandboxError),
    User(String),
    Build(BuildError),
}

/// The user that `text` names in the file system of `lowers`, and its home directory.
fn user(entered: &Entered, lowers: &[PathBuf], text: &str) -> Result<(User, String), RunError> {
    let text = if text.is_empty() { "0" } else { text };
    let root =
        mount_overlay(entered, lowers, None).map_err(|e| RunError::Build(BuildError::Mount(e)))?;
    let read = |path: &str| -> Result<String, RunError> {
        let tree = Tree::open(&root.path())
            .map_err(|source| RunError::Build(BuildError::io("open", &root.path(), source)))?;
        tree.text(Path::new(path), PASSWD_LIMIT)
            .map_err(|source| RunError::Build(BuildError::io("read", Path::new(path), source)))
    };
    let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
    let found =
        resolve_user(text, &passwd, &group).map_err(|error| RunError::User(error.to_string()))?;
    Ok((found.user, found.home))
}

/// How an image's program is to be started.
#[derive(Clone, Debug)]
pub struct ImageProcess {
    /// Arguments that replace the image's `CMD`; `None` keeps it.
    pub arguments: Option<Vec<String>>,
    /// Replaces the image's `ENTRYPOINT`; an empty list removes it.
    pub entrypoint: Option<Vec<String>>,
    /// Variables on top of the image's.
    pub env: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Input,
    /// Where its output goes.
    pub output: OutputMode,
    /// Whether it gets the caller's terminal.
    pub terminal: Terminal,
    /// Whether it reaches the network.
    pub network: Network,
    /// After this time it is killed.
    pub time_limit: Option<Duration>,
}

/// The command line that `process` starts, after Docker's rules for `ENTRYPOINT` and `CMD`.
fn command_line(config: &ImageConfig, process: &ImageProcess) -> Vec<String> {
    let config = &config.config;
    let mut argv = match &process.entrypoint {
        Some(replaced) => replaced.clone(),
        None => config.entrypoint.clone().unwrap_or_default(),
    };
    match &process.arguments {
        Some(arguments) => argv.extend(arguments.iter().cloned()),
        // A replaced entry point does not get the image's CMD.
        None if process.entrypoint.is_none() => argv.extend(config.cmd.clone().unwrap_or_default()),
        None => {}
    }
    argv
}

/// A sandbox that runs an image's program on `lowers`. What the program writes is thrown away.
pub fn image_sandbox(
    entered: &Entered,
    host: &RunHost,
    config: &ImageConfig,
    lowers: &[PathBuf],
    process: &ImageProcess,
) -> Result<Sandbox, BuildError> {
    let argv = command_line(config, process);
    if argv.is_empty() {
        return Err(BuildError::NoCommand);
    }
    let (user, home) = match user(entered, lowers, &config.config.user) {
        Ok(found) => found,
        Err(RunError::User(reason)) => {
            return Err(BuildError::User {
                user: config.config.user.clone(),
                reason,
            });
        }
        Err(RunError::Build(error)) => return Err(error),
        Err(RunError::Sandbox(error)) => return Err(BuildError::Start(error)),
    };
    let mut env: Vec<(String, String)> = config
        .config
        .env
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => (name.to_string(), value.to_string()),
            None => (pair.clone(), String::new()),
        })
        .collect();
    for (name, value) in &process.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    for (name, value) in [
        ("HOME", home.as_str()),
        ("HOSTNAME", "jettison"),
        ("PATH", crate::lower::DEFAULT_PATH),
    ] {
        if !env.iter().any(|(known, _)| known == name) {
            env.push((name.to_string(), value.to_string()));
        }
    }
    let network = if matches!(process.network, Network::None) {
        RunNetwork::None
    } else {
        RunNetwork::Host
    };
    let working_dir = if config.config.working_dir.is_empty() {
        "/"
    } else {
        &config.config.working_dir
    };
    Ok(Sandbox {
        rootfs: Rootfs {
            lowers: lowers.to_vec(),
            upper: None,
        },
        mounts: host.mounts(network, &[]),
        argv,
        env,
        cwd: PathBuf::from(working_dir),
        user,
        hostname: "jettison".to_string(),
        network: process.network,
        stdin: process.stdin.clone(),
        output: process.output,
        terminal: process.terminal,
        time_limit: process.time_limit,
        read_only: false,
        security: Security::Confined,
        ulimits: Vec::new(),
        shm_size: None,
        resources: Resources::UNLIMITED,
        kernel_directories: KernelDirectories::Removed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_oci::RunConfig;

    fn check(
        entrypoint: Option<&[&str]>,
        cmd: &[&str],
        process: (Option<&[&str]>, Option<&[&str]>),
        expected: &[&str],
    ) {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let config = ImageConfig {
            config: RunConfig {
                entrypoint: entrypoint.map(owned),
                cmd: Some(owned(cmd)),
                ..RunConfig::default()
            },
            ..ImageConfig::default()
        };
        let process = ImageProcess {
            entrypoint: process.0.map(owned),
            arguments: process.1.map(owned),
            env: Vec::new(),
            stdin: Input::Null,
            output: OutputMode::Piped,
            terminal: Terminal::None,
            network: Network::None,
            time_limit: None,
        };
        assert_eq!(command_line(&config, &process), expected);
    }

    #[test]
    fn arguments_replace_cmd_and_not_entrypoint() {
        check(Some(&["app"]), &["serve"], (None, None), &["app", "serve"]);
        check(
            Some(&["app"]),
            &["serve"],
            (None, Some(&["help"])),
            &["app", "help"],
        );
        check(None, &["app"], (None, Some(&["sh"])), &["sh"]);
    }

    #[test]
    fn a_replaced_entrypoint_drops_cmd() {
        check(Some(&["app"]), &["serve"], (Some(&["sh"]), None), &["sh"]);
        check(
            Some(&["app"]),
            &["serve"],
            (Some(&["sh"]), Some(&["-c"])),
            &["sh", "-c"],
        );
    }
}
