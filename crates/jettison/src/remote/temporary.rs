//! Directories that last as long as a command.
//!
//! ```text
//! <root>/contexts/<number>.<number>    one of them; locked by the process that made it
//! <root>/contexts/lock                 held while one is made, or removed because its process is gone
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, flock};

use crate::remote::lock::lock;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A directory that is removed at the end.
#[derive(Debug)]
#[must_use]
pub(crate) struct TemporaryDir {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl TemporaryDir {
    /// Makes an empty directory below `root`, which only this user can see, and removes those of processes that are
    /// gone.
    pub(crate) fn create(root: &Path) -> io::Result<TemporaryDir> {
        let parent = root.join("contexts");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&parent)?;
        let _lock = lock(&parent.join("lock")).map_err(io::Error::other)?;
        remove_leftovers(&parent);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{}.{number}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        let file = File::open(&path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(TemporaryDir { path, _file: file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        // Whoever comes next removes what stays.
        remove(&self.path).unwrap_or_default();
    }
}

/// Removes directories that nobody holds. What cannot be removed does no harm.
fn remove_leftovers(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir()
            && let Ok(file) = File::open(&path)
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            remove(&path).unwrap_or_default();
        }
    }
}

/// Removes a directory, even if an archive gave directories in it modes that keep their owner out.
fn remove(path: &Path) -> io::Result<()> {
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    make_writable(path)?;
    fs::remove_dir_all(path)
}

fn make_writable(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_is_removed_at_the_end_whatever_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = TemporaryDir::create(root.path()).unwrap();
        let other = TemporaryDir::create(root.path()).unwrap();
        let path = dir.path().to_path_buf();
        fs::create_dir_all(path.join("closed/more")).unwrap();
        fs::set_permissions(path.join("closed"), fs::Permissions::from_mode(0o0)).unwrap();
        drop(dir);
        assert!(!path.exists());
        assert!(other.path().exists());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_is_not() {
        let root = tempfile::tempdir().unwrap();
        let dir = TemporaryDir::create(root.path()).unwrap();
        let left = root.path().join("contexts/1.0");
        fs::create_dir(&left).unwrap();
        let other = TemporaryDir::create(root.path()).unwrap();
        assert!(!left.exists());
        assert!(dir.path().exists() && other.path().exists());
    }
}
