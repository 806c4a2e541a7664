//! Running a RUN's command.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use jettison_sandbox::{
    Entered, Exit, Input as StandardInput, KernelDirectories, MemoryFile, MissingCwd, Mount,
    MountKind, Network, OutputMode, ResolvedUser, Rootfs, Sandbox, SandboxError, Security, Signal,
    Status, Terminal, Tracing, Ulimit, Upper,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cache::MountImports;
use crate::cache_mounts::CacheMounts;
use crate::error::BuildError;
use crate::exec::run::certificates::Variable;
use crate::exec::run::host::RunHost;
use crate::exec::run::mounts::prepare;
use crate::exec::run::names::{self, HOSTNAME, Loopback};
use crate::exec::run::user::find_user_among;
use crate::plan::{Input, RunDefinition, RunNetwork, RunSecurity};
use crate::secrets::Secrets;
use crate::snapshot::{Active, Snapshot, Snapshots};

/// What a command's mounts come from.
#[derive(Clone, Copy)]
pub(crate) struct RunSurroundings<'a> {
    pub(crate) entered: &'a Entered,
    pub(crate) host: &'a RunHost,
    pub(crate) secrets: &'a dyn Secrets,
    pub(crate) cache_mounts: &'a CacheMounts,
    /// Where there is room for what is thrown away.
    pub(crate) snapshots: &'a Snapshots,
    /// The directories of a file system, top first.
    pub(crate) lowers_of: &'a dyn Fn(Input) -> Result<Vec<PathBuf>, BuildError>,
    /// What a file system is called in keys.
    pub(crate) key_of: &'a dyn Fn(Input) -> String,
    /// Where cache mounts that are missing may come from.
    pub(crate) mount_imports: MountImports<'a>,
    /// Whether nobody wants the result any more, because another step has failed.
    pub(crate) is_cancelled: &'a dyn Fn() -> bool,
    /// Whether the user gets a shell where a command failed.
    pub(crate) shell: bool,
    /// Whether it is noted what commands look up.
    pub(crate) tracing: Tracing,
}

impl fmt::Debug for RunSurroundings<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RunSurroundings")
            .field("host", self.host)
            .finish_non_exhaustive()
    }
}

/// Why a command could not be run.
#[derive(Debug)]
pub(crate) enum RunError {
    Sandbox(SandboxError),
    User(String),
    /// What is to be mounted is not there.
    Missing(String),
    /// What the instruction asks for is not there.
    Refused(String),
    Build(BuildError),
}

/// Runs a RUN's command on `lowers`; what it writes ends up in `active`.
pub(crate) fn run_command(
    surroundings: &RunSurroundings<'_>,
    definition: &RunDefinition,
    lowers: &[PathBuf],
    active: &Snapshot<Active>,
    output: &mut dyn FnMut(&[u8]),
) -> Result<Exit, RunError> {
    let found = find_user_among(surroundings.snapshots, lowers, &definition.user);
    let ResolvedUser { user, home } = found
        .map_err(RunError::Build)?
        .map_err(|error| RunError::User(error.to_string()))?;
    let mut prepared = prepare(surroundings, definition)?;
    let mut mounts = name_mounts(surroundings.host, definition);
    mounts.extend(surroundings.host.apt_mount(lowers));
    let mut env = Variables(definition.env.clone());
    if let Some(certificates) = &surroundings.host.certificates {
        let lent = certificates.lend(lowers);
        let (mount, variables) = lent.map_err(RunError::Build)?;
        mounts.push(mount);
        for (name, variable) in variables {
            env.adapt(&name, variable);
        }
    }
    mounts.append(&mut prepared.mounts);
    if let Some(socket) = &prepared.agent {
        env.set_default("SSH_AUTH_SOCK", socket);
    }
    env.set_proxies(&surroundings.host.proxies);
    env.set_default("PATH", crate::lower::DEFAULT_PATH);
    for (name, value) in &prepared.env {
        env.set(name, value);
    }
    env.set_home(&home);
    let sandbox = Sandbox {
        rootfs: Rootfs {
            lowers: lowers.to_vec(),
            upper: Some(Upper {
                dir: active.fs(),
                work: active.work(),
            }),
        },
        mounts,
        argv: definition.argv.clone(),
        env: env.0,
        cwd: PathBuf::from(&definition.working_dir),
        missing_cwd: MissingCwd::Created,
        user,
        hostname: hostname(definition).to_owned(),
        network: match definition.network {
            RunNetwork::Default | RunNetwork::Host => Network::Host,
            RunNetwork::None => Network::None,
        },
        stdin: StandardInput::Null,
        output: OutputMode::PipedMerged,
        terminal: Terminal::None,
        time_limit: None,
        read_only: false,
        security: match definition.security {
            RunSecurity::Sandbox => Security::Confined,
            RunSecurity::Insecure => Security::Unconfined,
        },
        ulimits: ulimits(definition)?,
        shm_size: definition.limits.shm_size,
        resources: surroundings.host.resources.clone(),
        kernel_directories: KernelDirectories::Kept,
        tracing: surroundings.tracing,
    };
    let exit = follow(&sandbox, surroundings, output);
    let has_failed = |exit: &Exit| exit.status != Status::Code(0);
    if surroundings.shell && exit.as_ref().is_ok_and(has_failed) {
        give_shell(&sandbox, surroundings, output);
    }
    let finished = prepared.finish(surroundings);
    let exit = exit.map_err(RunError::Sandbox)?;
    finished.map_err(RunError::Build)?;
    Ok(exit)
}

fn hostname(definition: &RunDefinition) -> &str {
    definition.limits.hostname.as_deref().unwrap_or(HOSTNAME)
}

/// `/etc/hosts` and `/etc/resolv.conf`.
fn name_mounts(host: &RunHost, definition: &RunDefinition) -> Vec<Mount> {
    let loopback = match definition.network {
        RunNetwork::Default | RunNetwork::Host => Loopback::Reachable,
        RunNetwork::None => Loopback::Unreachable,
    };
    let resolver = names::resolver(&host.resolv_conf, loopback);
    let hosts = names::hosts(hostname(definition), &definition.limits.extra_hosts);
    [("/etc/resolv.conf", resolver), ("/etc/hosts", hosts)]
        .map(|(target, text)| Mount {
            target: PathBuf::from(target),
            kind: MountKind::File(MemoryFile {
                content: text.into_bytes(),
                mode: 0o644,
                uid: 0,
                gid: 0,
            }),
        })
        .to_vec()
}

fn ulimits(definition: &RunDefinition) -> Result<Vec<Ulimit>, RunError> {
    // A negative number is no limit, as in Docker.
    let value = |limit: i64| u64::try_from(limit).ok();
    let limit = |(name, soft, hard): &(String, i64, i64)| {
        let kind = name
            .parse()
            .map_err(|error| RunError::Refused(format!("{error}")))?;
        Ok(Ulimit {
            kind,
            soft: value(*soft),
            hard: value(*hard),
        })
    };
    definition.limits.ulimits.iter().map(limit).collect()
}

/// Runs a shell on the terminal where a command has failed, with its files, mounts and variables. What comes of it does
/// not count.
fn give_shell(
    sandbox: &Sandbox,
    surroundings: &RunSurroundings<'_>,
    output: &mut dyn FnMut(&[u8]),
) {
    output(b"the command failed: this is a shell in its file system; leave it with `exit`\n");
    let shell = Sandbox {
        argv: vec!["/bin/sh".to_owned(), "-i".to_owned()],
        stdin: StandardInput::Inherit,
        output: OutputMode::Inherit,
        terminal: Terminal::Inherit,
        tracing: Tracing::Off,
        ..sandbox.clone()
    };
    let ended = shell
        .spawn(surroundings.entered)
        .and_then(jettison_sandbox::Child::wait);
    match ended {
        Ok(Exit {
            exec_failure: Some(failure),
            ..
        }) => output(format!("there is no shell: {failure}\n").as_bytes()),
        Ok(_) => {}
        Err(error) => output(format!("there is no shell: {error}\n").as_bytes()),
    }
}

/// So often is it asked whether the result is still wanted.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// Starts the process and hands on what it writes, to its end. It may close its output long before, or write without
/// end: whether it is cancelled is asked all the time.
fn follow(
    sandbox: &Sandbox,
    surroundings: &RunSurroundings<'_>,
    output: &mut dyn FnMut(&[u8]),
) -> Result<Exit, SandboxError> {
    let is_cancelled = surroundings.is_cancelled;
    let mut child = sandbox.spawn(surroundings.entered)?;
    if let Some(mut pipe) = child.stdout() {
        let interval = Timespec::try_from(CANCEL_INTERVAL).ok();
        let mut buffer = vec![0; 16 << 10];
        loop {
            if is_cancelled() {
                child.signal(Signal::KILL);
            }
            let mut ready = [PollFd::new(&pipe, PollFlags::IN)];
            if let Ok(0) = poll(&mut ready, interval.as_ref()) {
                continue;
            }
            match pipe.read(&mut buffer) {
                Ok(length @ 1..) => output(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
    }
    child.wait_unless(CANCEL_INTERVAL, is_cancelled)
}

/// A command's environment.
struct Variables(Vec<(String, String)>);

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    fn adapt(&mut self, name: &str, variable: Variable) {
        match variable {
            Variable::Default(value) => self.set_default(name, &value),
            Variable::Appended(addition) => {
                let value = match self.get(name) {
                    Some(value) if !value.is_empty() => format!("{value} {addition}"),
                    _ => addition,
                };
                self.set(name, &value);
            }
        }
    }

    /// Each proxy in capitals and in small letters, even if the image says otherwise (BuildKit: `proxyEnvList`,
    /// solver/llbsolver/ops/exec.go).
    fn set_proxies(&mut self, proxies: &[(String, String)]) {
        for (name, value) in proxies.iter().filter(|(_, value)| !value.is_empty()) {
            self.set(&name.to_ascii_uppercase(), value);
            self.set(&name.to_ascii_lowercase(), value);
        }
    }

    /// An empty home is none (runc: `prepareEnv`).
    fn set_home(&mut self, home: &str) {
        if self.get("HOME").is_none_or(str::is_empty) {
            self.set("HOME", home);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_win_and_come_in_both_cases() {
        let own = [("HTTP_PROXY", "image"), ("no_proxy", "image")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut env = Variables(own.to_vec());
        env.set_proxies(&[
            ("http_proxy".to_owned(), "build".to_owned()),
            ("no_proxy".to_owned(), String::new()),
        ]);
        assert_eq!(env.get("HTTP_PROXY"), Some("build"));
        assert_eq!(env.get("http_proxy"), Some("build"));
        assert_eq!(env.get("no_proxy"), Some("image"));
        assert_eq!(env.get("NO_PROXY"), None);
    }

    #[test]
    fn an_empty_home_is_none() {
        for (home, expected) in [(None, "/root"), (Some(""), "/root"), (Some("/x"), "/x")] {
            let mut env = Variables(Vec::new());
            if let Some(home) = home {
                env.set("HOME", home);
            }
            env.set_home("/root");
            assert_eq!(env.get("HOME"), Some(expected));
            assert_eq!(env.0.len(), 1);
        }
    }
}
