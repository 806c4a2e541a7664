//! A world of its own for one test: home, images and build contexts, and no environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use expect_test::Expect;
use tempfile::TempDir;

use crate::outcome::Outcome;

/// No run of the program takes longer, however busy the machine is.
const LIMIT: Duration = Duration::from_mins(25);

/// Where the programs are that the tests and the program start.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory in which the program runs as if nothing else were there.
///
/// ```text
/// <dir>/          the current directory, shown as [DIR]
/// <dir>/home      HOME
/// <dir>/root      JETTISON_ROOT, unless another was given
/// ```
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    program: PathBuf,
    root: PathBuf,
}

impl Scratch {
    /// An empty world for `program`, which the caller's `env!("CARGO_BIN_EXE_…")` names.
    ///
    /// # Panics
    ///
    /// If there is no place for temporary files.
    pub fn new(program: &str) -> Scratch {
        let dir = tempfile::tempdir().expect("there is a place for temporary files");
        fs::create_dir(dir.path().join("home")).expect("a new directory is empty");
        let root = dir.path().join("root");
        Scratch {
            dir,
            program: PathBuf::from(program),
            root,
        }
    }

    /// An empty world whose images are those below `root`.
    pub fn with_root(program: &str, root: &Path) -> Scratch {
        let mut scratch = Scratch::new(program);
        scratch.root = root.to_path_buf();
        scratch
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where images, the build cache and downloads are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes the file `path` below the directory, and the directories above it.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[track_caller]
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> &Scratch {
        let path = self.dir().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("the scratch directory is writable");
        }
        fs::write(&path, contents).expect("the scratch directory is writable");
        self
    }

    /// The text of the file `path` below the directory.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.dir().join(path);
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Whether there is anything called `path` below the directory.
    pub fn exists(&self, path: &str) -> bool {
        self.dir().join(path).symlink_metadata().is_ok()
    }

    /// Another program in this world.
    pub fn tool<S: AsRef<OsStr>>(&self, program: S, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir().join("home"))
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("JETTISON_ROOT", &self.root)
            .current_dir(self.dir())
            .stdin(Stdio::null());
        command
    }

    /// The program with `arguments`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.tool(&self.program, arguments)
    }

    /// What `command` gives.
    ///
    /// # Panics
    ///
    /// If it cannot be started, and if it, or something that it has left behind with its output, does not end.
    #[track_caller]
    pub fn outcome(&self, command: &mut Command) -> Outcome {
        let program = command.get_program().display().to_string();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let output = ended(child, LIMIT).unwrap_or_else(|| {
            // What still runs goes to the output of the tests, if this machine has the program that shows it.
            drop(Command::new("ps").args(["-ef", "--forest"]).status());
            panic!("no end after {} s: {command:?}", LIMIT.as_secs())
        });
        let places = vec![
            (self.root.clone(), "[ROOT]"),
            (self.dir().to_path_buf(), "[DIR]"),
        ];
        Outcome::new(&output, places)
    }

    /// What the program gives for `arguments`.
    #[track_caller]
    pub fn jettison(&self, arguments: &[&str]) -> Outcome {
        self.outcome(&mut self.command(arguments))
    }

    /// Runs the program with `arguments` and compares everything that it gives.
    #[track_caller]
    pub fn check(&self, arguments: &[&str], expected: Expect) {
        expected.assert_eq(&self.jettison(arguments).to_string());
    }
}

/// What `child` gives; nothing, and it is killed, if it has not ended after `limit`.
fn ended(child: Child, limit: Duration) -> Option<Output> {
    let id = child.id().to_string();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more if it was too late.
        drop(send.send(child.wait_with_output()));
    });
    if let Ok(output) = receive.recv_timeout(limit) {
        return Some(output.expect("a child can be waited for"));
    }
    // It is this process's own child, so that the number is still its.
    drop(Command::new("kill").args(["-9", &id]).status());
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_given_up() {
        let start = |script: &str| {
            let mut command = Command::new("sh");
            let command = command.args(["-c", script]).stdin(Stdio::null());
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let output = ended(start("echo out; echo err >&2; exit 3"), LIMIT).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
        assert!(ended(start("exec sleep 60"), Duration::from_millis(10)).is_none());
    }
}
