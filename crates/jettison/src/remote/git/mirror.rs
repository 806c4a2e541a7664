//! What has been fetched of a remote repository.
//!
//! ```text
//! git/mirrors/<SHA-256 of the address>/         a repository without files; as shallow as it can be
//! git/mirrors/<SHA-256 of the address>.lock     held by whoever fetches into it
//! ```
//!
//! Its references are `refs/jettison/…` and there only to keep what was fetched.

use std::fs;
use std::path::{Path, PathBuf};

use jettison_oci::Digest;

use crate::remote::git::GitError;
use crate::remote::git::program::{Place, Program, ProgramError};
use crate::remote::git::resolve::{Resolved, is_commit};
use crate::remote::lock::{Lock, lock};

/// What servers and protocols say that cannot give a part of a history.
const NOT_SHALLOW: &[&str] = &["--depth", "shallow"];

/// A repository that has what was asked for, locked.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) dir: PathBuf,
    _lock: Lock,
}

/// Fetches what `resolved` says, unless it is here.
pub(crate) fn mirror(
    program: &Program<'_>,
    git_dir: &Path,
    remote: &str,
    resolved: &Resolved,
) -> Result<Mirror, GitError> {
    let name = Digest::of(remote.as_bytes()).hex();
    let mirrors = git_dir.join("mirrors");
    let lock = lock(&mirrors.join(format!("{name}.lock")))?;
    let mirror = Mirror {
        dir: mirrors.join(&name),
        _lock: lock,
    };
    let fail = |source| GitError::program("fetch", remote, source);
    mirror.prepare(program, &resolved.object).map_err(fail)?;
    if !mirror.has(program, &resolved.object) {
        mirror.fetch(program, remote, resolved).map_err(fail)?;
    }
    if mirror.has(program, &resolved.object) {
        return Ok(mirror);
    }
    Err(GitError::Reference(format!(
        "fetched ref {} does not match expected commit {} and commit can not be found in the repository",
        resolved.reference, resolved.object
    )))
}

impl Mirror {
    pub(crate) fn place(&self) -> Place<'_> {
        Place::Bare(&self.dir)
    }

    /// Makes the repository, if there is none that is whole.
    fn prepare(&self, program: &Program<'_>, object: &str) -> Result<(), ProgramError> {
        let is_whole = self.dir.join("whole");
        if is_whole.exists() {
            // What a killed process may have left.
            fs::remove_file(self.dir.join("shallow.lock")).unwrap_or_default();
            return Ok(());
        }
        fs::remove_dir_all(&self.dir).unwrap_or_default();
        fs::create_dir_all(&self.dir).map_err(ProgramError::Start)?;
        let mut arguments = vec!["init", "--bare", "--quiet", "--template="];
        arguments.extend(format_of(object));
        program.near(self.place(), &arguments)?;
        let setting = ["config", "uploadpack.allowAnySHA1InWant", "true"];
        program.near(self.place(), &setting)?;
        fs::write(is_whole, "").map_err(ProgramError::Start)
    }

    fn has(&self, program: &Program<'_>, object: &str) -> bool {
        let commit = format!("{object}^{{commit}}");
        program
            .near(self.place(), &["cat-file", "-e", &commit])
            .is_ok()
    }

    fn fetch(
        &self,
        program: &Program<'_>,
        remote: &str,
        resolved: &Resolved,
    ) -> Result<(), ProgramError> {
        if !is_commit(&resolved.reference) {
            let kept = Digest::of(resolved.reference.as_bytes()).hex();
            let what = format!("+{}:refs/jettison/named/{kept}", resolved.reference);
            match self.fetch_some(program, remote, &what) {
                // The reference may have moved since it was asked about.
                Ok(()) if self.has(program, &resolved.object) => return Ok(()),
                Ok(()) => {}
                // With `fetch-by-commit`, it need not be there.
                Err(error) if error.says(&["couldn't find remote ref"]) => {}
                Err(error) => return Err(error),
            }
        }
        let what = format!("+{0}:refs/jettison/commits/{0}", resolved.object);
        match self.fetch_some(program, remote, &what) {
            Ok(()) => Ok(()),
            // Not every server gives commits by their names: it may be in the history of something that has one.
            Err(_) => self.fetch_all(program, remote),
        }
    }

    /// Fetches one commit without its history, or with it if it must be.
    fn fetch_some(
        &self,
        program: &Program<'_>,
        remote: &str,
        what: &str,
    ) -> Result<(), ProgramError> {
        let fetch = |depth: &[&str]| {
            let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
            arguments.extend(depth);
            arguments.extend(["--", remote, what]);
            program.far(self.place(), &arguments).map(drop)
        };
        match fetch(&["--depth=1"]) {
            Err(error) if error.says(NOT_SHALLOW) => fetch(&[]),
            result => result,
        }
    }

    /// Fetches all branches and tags with their histories.
    fn fetch_all(&self, program: &Program<'_>, remote: &str) -> Result<(), ProgramError> {
        let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        if self.dir.join("shallow").exists() {
            arguments.push("--unshallow");
        }
        arguments.extend([
            "--",
            remote,
            "+refs/heads/*:refs/jettison/heads/*",
            "+refs/tags/*:refs/jettison/tags/*",
        ]);
        program.far(self.place(), &arguments).map(drop)
    }
}

/// The option for a repository whose objects have names like `object`.
pub(crate) fn format_of(object: &str) -> Option<&'static str> {
    (object.len() == 64).then_some("--object-format=sha256")
}
