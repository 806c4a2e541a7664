//! The network of the host, as the build engine sees it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use jettison_build::{
    Checkout, FileRequest, GitCommit, GitRequest, RemoteError, RemoteFile, Remotes, Secrets,
};

use crate::remote::agent::{Patience, Reach};
use crate::remote::download::Downloads;
use crate::remote::git::{GitError, Repositories, lacks_git};

/// Fetches to below a root. Nothing is touched before something is asked for.
pub(crate) struct HostRemotes<'a> {
    root: PathBuf,
    reach: &'a Reach,
    secrets: &'a dyn Secrets,
    downloads: OnceLock<Downloads<'a>>,
    repositories: OnceLock<Repositories<'a>>,
    opening: Mutex<()>,
    lacks_git: AtomicBool,
}

impl<'a> HostRemotes<'a> {
    /// Fetches to below `root`, with secrets for those who ask for a name.
    pub(crate) fn new(root: &Path, reach: &'a Reach, secrets: &'a dyn Secrets) -> HostRemotes<'a> {
        HostRemotes {
            root: root.to_path_buf(),
            reach,
            secrets,
            downloads: OnceLock::new(),
            repositories: OnceLock::new(),
            opening: Mutex::new(()),
            lacks_git: AtomicBool::new(false),
        }
    }

    /// Whether something could not be fetched because this host has no `git`.
    pub(crate) fn lacks_git(&self) -> bool {
        self.lacks_git.load(Ordering::Relaxed)
    }

    fn note(&self, error: &GitError) {
        if lacks_git(error) {
            self.lacks_git.store(true, Ordering::Relaxed);
        }
    }

    fn downloads(&self) -> Result<&Downloads<'a>, RemoteError> {
        let open = || Downloads::open(&self.root, self.reach, Patience::USUAL, self.secrets);
        self.open_once(&self.downloads, || Ok(open()?))
    }

    fn repositories(&self) -> Result<&Repositories<'a>, RemoteError> {
        let open = || Repositories::open(&self.root, self.reach, Patience::USUAL, self.secrets);
        self.open_once(&self.repositories, || Ok(open()?))
    }

    fn open_once<'s, T>(
        &'s self,
        slot: &'s OnceLock<T>,
        open: impl FnOnce() -> Result<T, RemoteError>,
    ) -> Result<&'s T, RemoteError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = slot.get() {
            return Ok(value);
        }
        let value = open()?;
        Ok(slot.get_or_init(|| value))
    }
}

impl Remotes for HostRemotes<'_> {
    fn file(&self, request: &FileRequest) -> Result<RemoteFile, RemoteError> {
        Ok(self.downloads()?.file(request)?)
    }

    fn commit(&self, request: &GitRequest) -> Result<GitCommit, RemoteError> {
        let commit = self.repositories()?.commit(request);
        Ok(commit.inspect_err(|error| self.note(error))?)
    }

    fn git(&self, request: &GitRequest) -> Result<Checkout, RemoteError> {
        let checkout = self.repositories()?.files(request);
        Ok(checkout.inspect_err(|error| self.note(error))?)
    }
}

/// Says whether a build failed for want of a program that this host does not have.
pub(crate) fn is_hosts_fault(error: &(dyn Error + 'static)) -> bool {
    lacks_git(error)
}
