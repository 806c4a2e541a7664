//! Running an image's program, and what can be seen of it from outside.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jettison_build::{Active, BuildError, Engine, ImageProcess, Snapshot, image_sandbox};
use jettison_oci::{Digest, Image, ImageConfig};
use jettison_sandbox::{
    Child, Exit, Input, Mount, MountKind, Network, OutputMode, Sandbox, SandboxError, Status,
    Terminal, Tracing, Upper,
};

use crate::rootfs::RootError;
use crate::verify::ignore::{Ignore, Subject};
use crate::verify::observation::{ExitKind, Observation, WrittenFile};
use crate::verify::probe::{Action, Probe, ProbeInput, Ready, Server, Setting, Talk};
use crate::verify::serve;

/// The user that [`Setting::OtherUser`] means.
pub(super) const OTHER_USER: u32 = 65532;

/// How long a server may take beyond what its probe says, before the sandbox kills it.
const MARGIN: Duration = Duration::from_secs(20);

/// The largest file whose content rules are applied to, in bytes.
const RULES_LIMIT: u64 = 16 << 20;

/// Why a probe could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The sandbox could not be described.
    #[error("cannot set up the image's program")]
    Image(#[source] BuildError),
    /// The sandbox failed.
    #[error("cannot use the sandbox")]
    Sandbox(#[source] SandboxError),
    /// What the program is to read could not be read.
    #[error("cannot read {}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image's files could not be looked at.
    #[error("cannot look at the image's files")]
    Root(#[source] RootError),
    /// What the program wrote could not be looked at.
    #[error("cannot read the files that the program wrote in {}", path.display())]
    Written {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Runs an image's program as `probe` says, in a network that has nobody else in it; what it writes is looked at, then
/// thrown away.
pub fn observe(
    engine: &Engine<'_>,
    image: &Image,
    probe: &Probe,
    tracing: Tracing,
) -> Result<Observation, ProbeError> {
    let mut sandbox = describe(engine, image, probe)?;
    sandbox.tracing = tracing;
    let active = engine.snapshots().prepare().map_err(ProbeError::Image)?;
    sandbox.rootfs.upper = Some(Upper {
        dir: active.fs(),
        work: active.work(),
    });
    let mut observed = Ok(None);
    let n_starts = if probe.setting == Setting::SecondStart {
        2
    } else {
        1
    };
    for _ in 0..n_starts {
        if observed.is_ok() {
            observed = run(engine, &sandbox, (image.config(), probe)).map(Some);
        }
    }
    let written = look(&active, probe);
    engine
        .snapshots()
        .discard(active)
        .map_err(ProbeError::Image)?;
    let mut observation = observed?.unwrap_or_else(|| Observation::ended(ExitKind::TimedOut));
    observation.written = written?;
    Ok(observation)
}

pub(super) fn describe(
    engine: &Engine<'_>,
    image: &Image,
    probe: &Probe,
) -> Result<Sandbox, ProbeError> {
    let lowers = engine.lowers(image).map_err(ProbeError::Image)?;
    let stdin = match &probe.stdin {
        ProbeInput::Bytes(bytes) => bytes.clone(),
        ProbeInput::File(path) => fs::read(path).map_err(|source| ProbeError::Input {
            path: path.clone(),
            source,
        })?,
    };
    let process = ImageProcess {
        arguments: probe.arguments.clone(),
        entrypoint: None,
        env: probe.env.clone(),
        stdin: Input::Bytes(stdin),
        output: OutputMode::Piped,
        terminal: Terminal::None,
        network: Network::None,
        time_limit: Some(longest(probe)),
    };
    let config = changed(image.config(), probe.setting);
    let mut sandbox =
        image_sandbox(engine.host, &config, &lowers, &process).map_err(ProbeError::Image)?;
    sandbox.read_only = probe.setting == Setting::ReadOnly;
    let mut files: Vec<Mount> = Vec::new();
    for file in &probe.files {
        let source = fs::canonicalize(&file.source).map_err(|source| ProbeError::Input {
            path: file.source.clone(),
            source,
        })?;
        files.push(Mount {
            target: file.target.clone(),
            kind: MountKind::Bind {
                source,
                read_only: true,
            },
        });
    }
    // A mount below another must come after it.
    files.sort_by_key(|mount| mount.target.components().count());
    sandbox
        .mounts
        .retain(|known| !files.iter().any(|mount| mount.target == known.target));
    sandbox.mounts.append(&mut files);
    Ok(sandbox)
}

/// The image's configuration as the setting has it.
fn changed(config: &ImageConfig, setting: Setting) -> ImageConfig {
    let mut config = config.clone();
    match setting {
        Setting::OtherUser => config.config.user = format!("{OTHER_USER}:{OTHER_USER}"),
        Setting::BareEnvironment => config.config.env.retain(|pair| pair.starts_with("PATH=")),
        Setting::Usual | Setting::ReadOnly | Setting::SecondStart => {}
    }
    config
}

/// After this time the sandbox is killed, whatever happens.
fn longest(probe: &Probe) -> Duration {
    let Action::Serve(server) = &probe.action else {
        return probe.time_limit;
    };
    let ready = match server.ready {
        Ready::Listening(time) | Ready::Anywhere(time) | Ready::After(time) => time,
    };
    let n_answers = match &server.talk {
        Talk::Nothing => 1,
        Talk::Http(requests) => requests.len(),
        Talk::Tcp(steps) => steps.len(),
    };
    let n_answers = u32::try_from(n_answers.max(1)).unwrap_or(u32::MAX);
    let talk = probe.time_limit.saturating_mul(n_answers.saturating_add(1));
    ready.saturating_add(talk).saturating_add(MARGIN)
}

fn run(
    engine: &Engine<'_>,
    sandbox: &Sandbox,
    (config, probe): (&ImageConfig, &Probe),
) -> Result<Observation, ProbeError> {
    let start = Instant::now();
    let child = sandbox.spawn(engine.entered).map_err(ProbeError::Sandbox)?;
    let mut observation = match &probe.action {
        Action::Run => {
            let output = Child::wait_with_output(child).map_err(ProbeError::Sandbox)?;
            ended(&output.exit, (output.stdout, output.stderr))
        }
        Action::Serve(server) => {
            let server = with_port(server, config);
            let outcome =
                serve::serve(child, &server, probe.time_limit).map_err(ProbeError::Sandbox)?;
            let mut observation = ended(&outcome.exit, (outcome.stdout, outcome.stderr));
            if outcome.was_killed {
                observation.exit = ExitKind::Killed;
            }
            observation.served = Some(outcome.served);
            observation
        }
    };
    observation.took = start.elapsed();
    Ok(observation)
}

/// A server whose port is the one that the image exposes, if it exposes one.
pub(super) fn with_port(server: &Server, config: &ImageConfig) -> Server {
    let exposed = exposed_ports(config);
    let port = match (server.port, exposed.as_slice()) {
        (Some(port), _) => Some(port),
        (None, [port]) => Some(*port),
        (None, _) => None,
    };
    Server {
        port,
        ..server.clone()
    }
}

/// The TCP ports that an image exposes, sorted.
pub(super) fn exposed_ports(config: &ImageConfig) -> Vec<u16> {
    let mut ports: Vec<u16> = config
        .config
        .exposed_ports
        .iter()
        .filter_map(|port| match port.split_once('/') {
            Some((number, "tcp")) => number.parse().ok(),
            Some(_) => None,
            None => port.parse().ok(),
        })
        .collect();
    ports.sort_unstable();
    ports
}

fn ended(exit: &Exit, (stdout, mut stderr): (Vec<u8>, Vec<u8>)) -> Observation {
    let kind = match exit.status {
        Status::Code(code) => ExitKind::Code(code),
        Status::Signal(signal) => ExitKind::Signal(signal),
        Status::TimedOut => ExitKind::TimedOut,
    };
    if let Some(failure) = &exit.exec_failure {
        let reason = io::Error::from_raw_os_error(failure.errno);
        let program = Path::new(&failure.program).display();
        stderr.extend_from_slice(format!("cannot start {program}: {reason}\n").as_bytes());
    }
    Observation {
        stdout,
        stderr,
        trace: exit.trace.clone(),
        ..Observation::ended(kind)
    }
}

/// What was written, as far as the probe is about it.
fn look(active: &Snapshot<Active>, probe: &Probe) -> Result<Vec<WrittenFile>, ProbeError> {
    let upper = active.fs();
    let mut found = written(&upper, &probe.ignore).map_err(|source| ProbeError::Written {
        path: upper.clone(),
        source,
    })?;
    if !probe.written.is_empty() {
        found.retain(|file| probe.written.iter().any(|path| file.path.starts_with(path)));
    }
    Ok(found)
}

/// The files that were changed, made or removed in the overlay's upper directory, sorted.
///
/// Directories are not counted: which of them have to be made depends on what was there.
fn written(upper: &Path, ignore: &Ignore) -> io::Result<Vec<WrittenFile>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(upper.join(&folder))? {
            let path = folder.join(entry?.file_name());
            let on_disk = upper.join(&path);
            let metadata = fs::symlink_metadata(&on_disk)?;
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let content = if metadata.is_file() {
                content_of(&on_disk, metadata.len(), ignore)?
            } else if metadata.is_symlink() {
                format!("a link to {}", fs::read_link(&on_disk)?.display())
            } else {
                "removed, or a special file".to_string()
            };
            found.push(WrittenFile {
                path: Path::new("/").join(path),
                mode: metadata.mode() & 0o7777,
                owner: (metadata.uid(), metadata.gid()),
                content,
            });
        }
    }
    found.sort();
    Ok(found)
}

/// A file's content in a few words.
fn content_of(path: &Path, size: u64, ignore: &Ignore) -> io::Result<String> {
    if !ignore.has(Subject::Written) || size > RULES_LIMIT {
        return Ok(format!("{size} bytes, {}", Digest::of(&fs::read(path)?)));
    }
    let bytes = fs::read(path)?;
    let compared = ignore.applied(Subject::Written, &bytes);
    Ok(format!(
        "{} bytes, {}",
        compared.len(),
        Digest::of(&compared)
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_file_below_the_upper_directory_was_written() {
        let upper = tempfile::tempdir().unwrap();
        fs::create_dir_all(upper.path().join("var/log/empty")).unwrap();
        fs::write(upper.path().join("var/log/app"), "x7").unwrap();
        symlink("app", upper.path().join("a")).unwrap();
        let found = written(upper.path(), &Ignore::default()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|file| format!("{}: {}", file.path.display(), file.content))
            .collect();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0], "/a: a link to app");
        assert!(shown[1].starts_with("/var/log/app: 2 bytes, sha256:"));
        let ignore = Ignore {
            rules: vec!["written:[0-9]+".parse().unwrap()],
        };
        let found = written(upper.path(), &ignore).unwrap();
        let expected = format!("10 bytes, {}", Digest::of(b"x<ignored>"));
        assert_eq!(found[1].content, expected);
    }

    #[test]
    fn ports_of_tcp_are_exposed() {
        let mut config = ImageConfig::default();
        for port in ["80/tcp", "53/udp", "443"] {
            config.config.exposed_ports.insert(port.to_owned());
        }
        assert_eq!(exposed_ports(&config), [80, 443]);
    }
}
