//! Running an image's program, and what can be seen of it from outside.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_build::{Active, Engine, ImageProcess, Snapshot, image_sandbox};
use jettison_oci::{Digest, Image};
use jettison_sandbox::{
    Child, Input, Network, Output, OutputMode, Sandbox, Status, Terminal, Upper,
};

use crate::optimize::ProbeError;
use crate::verify::{ExitKind, Observation, Probe, WrittenFile};

/// Runs an image's program as `probe` says, without network; what it writes is looked at, then
/// thrown away.
pub fn observe(
    engine: &Engine<'_>,
    image: &Image,
    probe: &Probe,
) -> Result<Observation, ProbeError> {
    let lowers = engine.lowers(image).map_err(ProbeError::Image)?;
    let process = ImageProcess {
        arguments: probe.arguments.clone(),
        entrypoint: None,
        env: probe.env.clone(),
        stdin: Input::Bytes(probe.stdin.clone()),
        output: OutputMode::Piped,
        terminal: Terminal::None,
        network: Network::None,
        time_limit: Some(probe.time_limit),
    };
    let mut sandbox =
        image_sandbox(engine.host, image.config(), &lowers, &process).map_err(ProbeError::Image)?;
    let active = engine.snapshots().prepare().map_err(ProbeError::Image)?;
    sandbox.rootfs.upper = Some(Upper {
        dir: active.fs(),
        work: active.work(),
    });
    let observed = run(engine, &sandbox, &active);
    engine
        .snapshots()
        .discard(active)
        .map_err(ProbeError::Image)?;
    observed
}

fn run(
    engine: &Engine<'_>,
    sandbox: &Sandbox,
    active: &Snapshot<Active>,
) -> Result<Observation, ProbeError> {
    let output = sandbox
        .spawn(engine.entered)
        .and_then(Child::wait_with_output)
        .map_err(ProbeError::Sandbox)?;
    let upper = active.fs();
    let written = written(&upper).map_err(|source| ProbeError::Written {
        path: upper.clone(),
        source,
    })?;
    Ok(observation(output, written))
}

fn observation(output: Output, written: Vec<WrittenFile>) -> Observation {
    let exit = match output.exit.status {
        Status::Code(code) => ExitKind::Code(code),
        Status::Signal(signal) => ExitKind::Signal(signal),
        Status::TimedOut => ExitKind::TimedOut,
    };
    let mut stderr = output.stderr;
    if let Some(failure) = &output.exit.exec_failure {
        let reason = io::Error::from_raw_os_error(failure.errno);
        let program = Path::new(&failure.program).display();
        stderr.extend_from_slice(format!("cannot start {program}: {reason}\n").as_bytes());
    }
    Observation {
        exit,
        stdout: output.stdout,
        stderr,
        written,
    }
}

/// The files that were changed, made or removed in the overlay's upper directory, sorted.
///
/// Directories are not counted: which of them have to be made depends on what was there.
fn written(upper: &Path) -> io::Result<Vec<WrittenFile>> {
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
                format!(
                    "{} bytes, {}",
                    metadata.len(),
                    Digest::of(&fs::read(&on_disk)?)
                )
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_file_below_the_upper_directory_was_written() {
        let upper = tempfile::tempdir().unwrap();
        fs::create_dir_all(upper.path().join("var/log/empty")).unwrap();
        fs::write(upper.path().join("var/log/app"), "x").unwrap();
        symlink("app", upper.path().join("a")).unwrap();
        let found = written(upper.path()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|file| format!("{}: {}", file.path.display(), file.content))
            .collect();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0], "/a: a link to app");
        assert!(shown[1].starts_with("/var/log/app: 1 bytes, sha256:"));
    }
}
