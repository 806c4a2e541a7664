//! What later steps of an image overwrite or delete: bytes that are in a layer and that nobody can see.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::exec::{ChangedPath, Changes};

/// The paths of what a step has written to its layer alone. Reading the layer would tell them too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerPaths(Vec<(Box<[u8]>, ChangedPath)>);

impl LayerPaths {
    pub(crate) fn of(changes: &Changes) -> LayerPaths {
        let paths = changes.paths();
        LayerPaths(paths.map(|(path, kind)| (path.into(), kind)).collect())
    }
}

/// The files of an image so far, and what was lost of each step.
#[derive(Debug, Default)]
pub(super) struct Overwritten {
    /// Path, size and step of every file that can be seen.
    live: BTreeMap<Vec<u8>, (u64, usize)>,
    lost: BTreeMap<usize, u64>,
}

impl Overwritten {
    /// Puts the files of a step on top, which are in an overlay upper directory.
    pub(super) fn directory(&mut self, step: usize, upper: &Path) -> io::Result<()> {
        let mut rest = vec![upper.to_path_buf()];
        while let Some(directory) = rest.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                let metadata = fs::symlink_metadata(&path)?;
                let name = path.strip_prefix(upper).unwrap_or(&path);
                let name = name.as_os_str().as_bytes();
                let kind = metadata.file_type();
                if kind.is_char_device() && metadata.rdev() == 0 {
                    self.remove(name);
                } else if kind.is_dir() {
                    if is_opaque(&path) {
                        self.remove_below(name);
                    }
                    self.remove_file(name);
                    rest.push(path);
                } else {
                    let size = if kind.is_file() { metadata.len() } else { 0 };
                    self.file(step, name, size);
                }
            }
        }
        Ok(())
    }

    /// Puts what a step has written to its layer alone on top. Nothing comes after it.
    pub(super) fn paths(&mut self, paths: &LayerPaths) {
        for (path, kind) in &paths.0 {
            match kind {
                ChangedPath::File => self.remove(path),
                ChangedPath::Directory => self.remove_file(path),
                ChangedPath::Emptied => {
                    self.remove_file(path);
                    self.remove_below(path);
                }
            }
        }
    }

    /// Puts a file of a step on top.
    pub(super) fn file(&mut self, step: usize, path: &[u8], size: u64) {
        self.remove(path);
        self.live.insert(path.to_vec(), (size, step));
    }

    /// Takes a name away, and everything below it.
    pub(super) fn remove(&mut self, path: &[u8]) {
        self.remove_file(path);
        self.remove_below(path);
    }

    /// Takes away what is below a directory.
    pub(super) fn remove_below(&mut self, path: &[u8]) {
        let start = if path.is_empty() {
            Vec::new()
        } else {
            [path, b"/"].concat()
        };
        let below: Vec<Vec<u8>> = self
            .live
            .range(start.clone()..)
            .take_while(|(path, _)| path.starts_with(&start))
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.remove_file(&path);
        }
    }

    fn remove_file(&mut self, path: &[u8]) {
        if let Some((size, step)) = self.live.remove(path) {
            *self.lost.entry(step).or_default() += size;
        }
    }

    /// The bytes of each step that cannot be seen any more; nothing for those that have lost none.
    pub(super) fn into_lost(self) -> BTreeMap<usize, u64> {
        self.lost
    }
}

fn is_opaque(directory: &Path) -> bool {
    let mut value = [0; 1];
    ["user.overlay.opaque", "trusted.overlay.opaque"]
        .iter()
        .any(|name| {
            rustix::fs::lgetxattr(directory, *name, &mut value[..]) == Ok(1) && value == *b"y"
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_or_removed_counts_for_the_step_that_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, size: usize| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; size]).unwrap();
        };
        write("1/a", 10);
        write("1/d/b", 20);
        write("1/d/sub/c", 30);
        write("1/d-not", 40);
        write("2/a", 1);
        write("2/d", 2);
        let mut overwritten = Overwritten::default();
        overwritten.directory(1, &dir.path().join("1")).unwrap();
        overwritten.directory(2, &dir.path().join("2")).unwrap();
        overwritten.remove(b"d");
        let lost = overwritten.into_lost();
        assert_eq!(lost, BTreeMap::from([(1, 60), (2, 2)]));
    }
}
