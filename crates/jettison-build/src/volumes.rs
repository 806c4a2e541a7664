//! Directories with names, which outlive the programs that write to them.
//!
//! ```text
//! volumes/<name>/fs      the files
//! volumes/<name>/lock    held while a volume is filled
//! ```

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jettison_sandbox::{Entered, mount_overlay};

use crate::cache_mounts::copy_tree;
use crate::error::BuildError;
use crate::exec::{Merged, resolve};
use crate::snapshot::remove_all;

/// The volumes of a store.
#[derive(Clone, Debug)]
pub struct Volumes {
    root: PathBuf,
}

/// What a new volume is filled with.
#[derive(Clone, Copy, Debug)]
pub struct VolumeSeed<'s> {
    /// The layers of an image, top first.
    pub lowers: &'s [PathBuf],
    /// The directory in them; the volume is empty if there is none.
    pub path: &'s Path,
}

/// Whether volumes can be called so (moby: `RestrictedNamePattern`, daemon/names/names.go).
pub fn is_volume_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins_well = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins_well
        && name.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl Volumes {
    /// The volumes of the store at `store_root`. Nothing is written before one is needed.
    pub fn new(store_root: &Path) -> Volumes {
        Volumes {
            root: store_root.join("volumes"),
        }
    }

    /// The directory of a volume. One that is missing is made; one that is empty is filled from `seed`, with owners and modes,
    /// as in docker (moby: `populateVolume`, `daemon/volumes_unix.go`).
    ///
    /// The name has to be one by [`is_volume_name`].
    pub fn directory(
        &self,
        entered: &Entered,
        name: &str,
        seed: Option<VolumeSeed<'_>>,
    ) -> Result<PathBuf, BuildError> {
        let volume = self.root.join(name);
        let files = volume.join("fs");
        let failed = |source| BuildError::io("use the volume in", &volume, source);
        fs::create_dir_all(&volume).map_err(failed)?;
        let lock = File::create(volume.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if fs::read_dir(&files).is_ok_and(|mut entries| entries.next().is_some()) {
            return Ok(files);
        }
        if let Some(seed) = seed
            && fill(entered, &volume, seed)?
        {
            return Ok(files);
        }
        if !files.is_dir() {
            fs::create_dir(&files)
                .and_then(|()| fs::set_permissions(&files, fs::Permissions::from_mode(0o755)))
                .map_err(failed)?;
        }
        Ok(files)
    }
}

/// Copies a directory of an image into an empty volume. Says whether there is one.
fn fill(entered: &Entered, volume: &Path, seed: VolumeSeed<'_>) -> Result<bool, BuildError> {
    let failed = |source| BuildError::io("fill the volume in", volume, source);
    let root = mount_overlay(entered, seed.lowers, None).map_err(BuildError::Mount)?;
    let real = Merged::open(seed.lowers).and_then(|files| resolve(&files, seed.path));
    let real = real.map_err(failed)?;
    let source = root.path().join(real.strip_prefix("/").unwrap_or(&real));
    if !fs::symlink_metadata(&source).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(false);
    }
    // It appears whole or not at all.
    let new = volume.join("new");
    let copied = remove_all(&new)
        .and_then(|()| copy_tree(&source, &new))
        .and_then(|()| replace(&new, &volume.join("fs")));
    copied.map_err(failed)?;
    Ok(true)
}

/// Puts a directory where an empty one may be.
fn replace(new: &Path, empty: &Path) -> io::Result<()> {
    match fs::remove_dir(empty) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(new, empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dockers() {
        for name in ["data", "a1", "My_data.v2-x", "0a"] {
            assert!(is_volume_name(name), "{name}");
        }
        for name in ["", "a", ".data", "-a", "a/b", "a b", "..", "\u{e9}a"] {
            assert!(!is_volume_name(name), "{name}");
        }
    }
}
