//! Lending the host's SSH agent to a command.
//!
//! An agent speaks only to its own user, and its socket is in a directory of that user. So the command gets a socket of
//! ours, with the owner and mode that were asked for, and we pass on what is said (BuildKit: `MountSSHSocket`,
//! session/sshforward).

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::plan::MountAttributes;

/// A socket behind which there is an agent, as long as this value lives.
#[derive(Debug)]
pub(super) struct Agent {
    path: PathBuf,
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Makes the socket `path`, behind which is the agent at `agent`.
    pub(super) fn start(
        path: &Path,
        agent: PathBuf,
        attributes: MountAttributes,
    ) -> io::Result<Agent> {
        let listener = listen(path)?;
        std::os::unix::fs::chown(path, Some(attributes.uid), Some(attributes.gid)).or_else(
            // An ID that does not exist here.
            |error| match error.kind() {
                io::ErrorKind::InvalidInput => Ok(()),
                _ => Err(error),
            },
        )?;
        fs::set_permissions(path, fs::Permissions::from_mode(attributes.mode & 0o777))?;
        let has_ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_ended);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    break;
                }
                // Whoever comes while the agent is away is turned away, as by the agent itself.
                if let (Ok(stream), Ok(agent)) = (stream, UnixStream::connect(&agent)) {
                    thread::spawn(move || pass_on(stream, agent));
                }
            }
        });
        Ok(Agent {
            path: path.to_path_buf(),
            has_ended,
            thread: Some(thread),
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Release);
        // Wakes the thread. If it cannot be woken, it ends with the process.
        let is_awake = reach(&self.path, |path| UnixStream::connect(path)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_thread| is_awake) {
            let _panicked = thread.join();
        }
        let _already_gone = fs::remove_file(&self.path);
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    reach(path, |path| UnixListener::bind(path))
}

/// A socket's address has 108 bytes; a path may be longer. So the directory is reached through a descriptor.
fn reach<T>(path: &Path, with: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = fs::File::open(directory)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    with(&short)
}

fn pass_on(command: UnixStream, agent: UnixStream) {
    let (Ok(from_agent), Ok(to_command)) = (agent.try_clone(), command.try_clone()) else {
        return;
    };
    let answers = thread::spawn(move || copy(from_agent, to_command));
    copy(command, agent);
    let _panicked = answers.join();
}

/// Copies until one side ends, and tells the other.
fn copy(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(length @ 1..) if to.write_all(&buffer[..length]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    let _already_closed = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_said_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let real = dir.path().join("agent");
        let listener = UnixListener::bind(&real).unwrap();
        let answering = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = String::new();
                stream.read_to_string(&mut question).unwrap();
                stream
                    .write_all(question.to_uppercase().as_bytes())
                    .unwrap();
            }
        });
        let own = fs::metadata(dir.path()).unwrap();
        let attributes = MountAttributes {
            mode: 0o640,
            uid: own.uid(),
            gid: own.gid(),
        };
        let path = deep.join("socket");
        let agent = Agent::start(&path, real, attributes).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        for word in ["one", "two"] {
            let mut stream = reach(&path, |path| UnixStream::connect(path)).unwrap();
            stream.write_all(word.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, word.to_uppercase());
        }
        answering.join().unwrap();
        drop(agent);
        assert!(!path.exists());
    }
}
