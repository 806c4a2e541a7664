//! Git repositories, fetched with the host's `git` and kept.
//!
//! ```text
//! git/mirrors/       what was fetched, see `mirror`
//! git/checkouts/     the files of commits, see `checkout`
//! git/known_hosts    SSH servers that have been met
//! ```

mod checkout;
mod mirror;
mod program;
mod resolve;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jettison_build::{Checkout, GitCommit, GitRequest, RemoteError, Secrets, causes};

use crate::remote::address::redacted;
use crate::remote::agent::{Patience, Reach};
use crate::remote::git::checkout::Making;
use crate::remote::git::program::{Program, ProgramError};
use crate::remote::git::resolve::{Resolved, check, resolve_here, resolve_there};
use crate::remote::lock::{LockError, try_lock};

/// Why files of a repository could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// What was asked for makes no sense, or is not there.
    #[error("{0}")]
    Reference(String),
    /// The program `git` failed.
    #[error("cannot {action} {remote}")]
    Program {
        action: &'static str,
        remote: String,
        #[source]
        source: ProgramError,
    },
    /// `git` cannot be set up.
    #[error("cannot fetch {remote}")]
    Setup {
        remote: String,
        #[source]
        source: RemoteError,
    },
    /// Somebody else is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl GitError {
    fn program(action: &'static str, remote: &str, source: ProgramError) -> GitError {
        GitError::Program {
            action,
            remote: redacted(remote),
            source,
        }
    }

    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GitError {
        let path = path.to_path_buf();
        move |source| GitError::Io {
            action,
            path,
            source,
        }
    }
}

/// Says whether an error, or what caused it, is that the host has no `git`.
pub(crate) fn lacks_git(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|error| matches!(error.downcast_ref(), Some(ProgramError::Missing)))
}

/// What a reference was when it was first asked about; whoever asks waits for the first one who did.
type Slot = Arc<Mutex<Option<Resolved>>>;

/// Fetches repositories and keeps them.
pub(crate) struct Repositories<'a> {
    dir: PathBuf,
    reach: &'a Reach,
    patience: Patience,
    secrets: &'a dyn Secrets,
    /// By remote and reference.
    slots: Mutex<BTreeMap<(String, Option<String>), Slot>>,
}

impl<'a> Repositories<'a> {
    /// Fetches to below `root`.
    pub(crate) fn open(
        root: &Path,
        reach: &'a Reach,
        patience: Patience,
        secrets: &'a dyn Secrets,
    ) -> Result<Repositories<'a>, GitError> {
        let dir = root.join("git");
        for part in ["mirrors", "checkouts"] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(GitError::io("create", &path))?;
        }
        remove_leftovers(&dir.join("checkouts"));
        Ok(Repositories {
            dir,
            reach,
            patience,
            secrets,
            slots: Mutex::default(),
        })
    }

    /// The commit that is asked for.
    pub(crate) fn commit(&self, request: &GitRequest) -> Result<GitCommit, GitError> {
        let resolved = self.resolve(request)?;
        Ok(GitCommit {
            commit: match resolved.peeled {
                // Two tags of one commit are the same files, but not the same `.git`.
                Some(commit) if !request.keep_git_dir => commit,
                Some(_) | None => resolved.object,
            },
            reference: resolved.reference,
        })
    }

    /// The files that are asked for.
    pub(crate) fn files(&self, request: &GitRequest) -> Result<Checkout, GitError> {
        let resolved = self.resolve(request)?;
        let dir = self
            .dir
            .join("checkouts")
            .join(checkout::key(request, &resolved));
        if let Some(checkout) = checkout::known(&dir) {
            checkout::touch(&dir);
            return Ok(checkout);
        }
        let program = self.program(request)?;
        let mirror = mirror::mirror(&program, &self.dir, &request.remote, &resolved)?;
        let making = Making {
            program: &program,
            mirror: &mirror,
            request,
            resolved: &resolved,
        };
        checkout::make(&making, &dir)
    }

    fn program<'p>(&'p self, request: &'p GitRequest) -> Result<Program<'p>, GitError> {
        let (reach, patience) = (self.reach, &self.patience);
        Program::new(&request.remote, &self.dir, reach, patience, self.secrets).map_err(|source| {
            GitError::Setup {
                remote: redacted(&request.remote),
                source,
            }
        })
    }

    fn resolve(&self, request: &GitRequest) -> Result<Resolved, GitError> {
        if let Some(resolved) = resolve_here(request)? {
            return Ok(resolved);
        }
        let slot = {
            let key = (request.remote.clone(), request.reference.clone());
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(key).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let resolved = if let Some(resolved) = &*slot {
            resolved.clone()
        } else {
            let program = self.program(request)?;
            resolve_there(&program, &request.remote, request.reference.as_deref())?
        };
        *slot = Some(resolved.clone());
        check(&resolved, request.checksum.as_deref())?;
        Ok(resolved)
    }
}

/// Removes what a process left that was killed. What cannot be removed does no harm.
fn remove_leftovers(checkouts: &Path) {
    let Ok(entries) = fs::read_dir(checkouts) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "new")
            && let Some(_lock) = try_lock(&path.with_extension("lock"))
        {
            fs::remove_dir_all(&path).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
