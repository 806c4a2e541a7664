//! Sizes and ages of what is on disk, and removing it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::BuildError;
use crate::snapshot::remove_all;

/// The bytes of disk that a tree takes, every file counted once. What vanishes meanwhile takes none.
pub(super) fn disk_use(path: &Path) -> Result<u64, BuildError> {
    let mut seen = BTreeSet::new();
    let mut rest = vec![path.to_path_buf()];
    let mut total = 0;
    while let Some(path) = rest.pop() {
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|source| BuildError::io("examine", &path, source))?,
        };
        let is_new = metadata.nlink() < 2 || seen.insert((metadata.dev(), metadata.ino()));
        if is_new || metadata.is_dir() {
            total += metadata.blocks() * 512;
        }
        if metadata.is_dir() {
            rest.extend(entries(&path)?);
        }
    }
    Ok(total)
}

/// When something was last changed; 1970 if that cannot be told.
pub(super) fn changed(path: &Path) -> SystemTime {
    fs::symlink_metadata(path)
        .and_then(|metadata| metadata.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What is in a directory, sorted; nothing if it does not exist.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let failed = |source| BuildError::io("list", folder, source);
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in listing {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Removes a file or a tree. A missing one is fine.
pub(super) fn remove_tree(path: &Path) -> Result<(), BuildError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| BuildError::io("remove", path, source)),
    }
}
