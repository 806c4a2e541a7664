//! Locks between processes. A process that is killed holds none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {}", .path.display())]
pub(crate) struct LockError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A lock that is held for as long as the value lives.
#[derive(Debug)]
#[must_use]
pub(crate) struct Lock {
    _file: File,
}

/// Waits for the lock at `path`.
pub(crate) fn lock(path: &Path) -> Result<Lock, LockError> {
    let fail = |source| LockError {
        path: path.to_path_buf(),
        source,
    };
    let file = File::create(path).map_err(fail)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| fail(error.into()))?;
    Ok(Lock { _file: file })
}

/// Takes the lock at `path` if nobody has it.
pub(crate) fn try_lock(path: &Path) -> Option<Lock> {
    let file = File::create(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(Lock { _file: file })
}
