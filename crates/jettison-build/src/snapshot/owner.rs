//! The directory in which one process writes its snapshots, and the lock that says that it lives.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::snapshot::remove::remove_all;

/// What every owner's directory is called first.
pub(super) const PREFIX: &str = "active-";
/// In an owner's directory: locked as long as the owner lives.
const LOCK: &str = "lock";

/// A directory of this process alone, removed with everything in it when this is dropped.
#[derive(Debug)]
pub(super) struct Owner {
    dir: PathBuf,
    next: AtomicU64,
    // Held as long as the directory is in use. The kernel releases it however the process ends.
    _lock: File,
}

impl Owner {
    /// Makes a directory below `root`, and removes those whose owners have ended.
    ///
    /// Process IDs are used again and differ between PID namespaces, so only the locks say who lives.
    pub(super) fn open(root: &Path) -> io::Result<Owner> {
        // Nobody takes a directory for abandoned between its creation and its locking.
        let guard = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("owners.lock"))?;
        guard.lock()?;
        let abandoned = abandoned(root)?;
        let owner = create(root)?;
        drop(guard);
        for (path, lock) in abandoned {
            // What cannot be removed now is tried again by the next process.
            remove_all(&path).unwrap_or_default();
            drop(lock);
        }
        Ok(owner)
    }

    /// A name in this directory that was never used.
    pub(super) fn path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.dir.join(number.to_string())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process.
        remove_all(&self.dir).unwrap_or_default();
    }
}

fn create(root: &Path) -> io::Result<Owner> {
    let mut number = 0_u64;
    let dir = loop {
        let dir = root.join(format!("{PREFIX}{}-{number}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => break dir,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    };
    let lock = File::create(dir.join(LOCK))?;
    lock.lock()?;
    Ok(Owner {
        dir,
        next: AtomicU64::new(0),
        _lock: lock,
    })
}

/// The directories whose owners have ended, each with its lock, so that nobody else removes it too.
fn abandoned(root: &Path) -> io::Result<Vec<(PathBuf, Option<File>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        match File::open(path.join(LOCK)) {
            // An owner that was killed while it made its directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => found.push((path, None)),
            Err(error) => return Err(error),
            Ok(lock) => match lock.try_lock() {
                Ok(()) => found.push((path, Some(lock))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            },
        }
    }
    Ok(found)
}
