//! A world of its own for one test: home, images and build contexts, and no environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expect_test::Expect;
use tempfile::TempDir;

use crate::outcome::Outcome;

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
    /// If it cannot be started.
    #[track_caller]
    pub fn outcome(&self, command: &mut Command) -> Outcome {
        let output = command.output().unwrap_or_else(|error| {
            panic!("cannot start {}: {error}", command.get_program().display())
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
