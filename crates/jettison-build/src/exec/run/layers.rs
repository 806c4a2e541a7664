//! Finding files in a stack of layers without mounting it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use jettison_sandbox::{Entered, mount_overlay};

use crate::error::BuildError;
use crate::tree::Tree;

/// The text of the file `path` of the file system of `lowers`; empty if there is none. At most `limit` bytes are read.
pub(super) fn text_of(
    entered: &Entered,
    lowers: &[PathBuf],
    path: &Path,
    limit: u64,
) -> Result<String, BuildError> {
    match find(lowers, path) {
        Found::Missing => Ok(String::new()),
        Found::At(found) => read(Path::new("/"), &found, limit),
        Found::Unclear => {
            let root = mount_overlay(entered, lowers, None).map_err(BuildError::Mount)?;
            read(&root.path(), path, limit)
        }
    }
}

fn read(root: &Path, path: &Path, limit: u64) -> Result<String, BuildError> {
    let tree = Tree::open(root).map_err(|source| BuildError::io("open", root, source))?;
    tree.text(path, limit)
        .map_err(|source| BuildError::io("read", path, source))
}

/// Where a file is.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Missing,
    At(PathBuf),
    /// Only the kernel can say.
    Unclear,
}

/// Looks for a file by the rules of overlayfs, as long as no symlinks are on the way.
fn find(lowers: &[PathBuf], path: &Path) -> Found {
    let path = path.strip_prefix("/").unwrap_or(path);
    let names: Vec<_> = path.iter().collect();
    for lower in lowers {
        let mut here = lower.clone();
        let mut is_opaque = false;
        for (position, name) in names.iter().enumerate() {
            here.push(name);
            let is_last = position + 1 == names.len();
            match look(&here) {
                Ok(None) => break,
                Ok(Some(Kind::Whiteout)) => return Found::Missing,
                Ok(Some(Kind::File)) if is_last => return Found::At(here),
                Ok(Some(Kind::Directory)) if !is_last => is_opaque |= hides_what_is_below(&here),
                Ok(Some(Kind::File | Kind::Directory | Kind::Other)) | Err(_) => {
                    return Found::Unclear;
                }
            }
        }
        if is_opaque {
            return Found::Missing;
        }
    }
    Found::Missing
}

fn hides_what_is_below(directory: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::lgetxattr(directory, "user.overlay.opaque", &mut value[..]).is_ok()
}

#[derive(Debug)]
enum Kind {
    Directory,
    File,
    Whiteout,
    Other,
}

fn look(path: &Path) -> io::Result<Option<Kind>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    let kind = metadata.file_type();
    Ok(Some(if kind.is_dir() {
        Kind::Directory
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_char_device() && metadata.rdev() == 0 {
        Kind::Whiteout
    } else {
        Kind::Other
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(setup: impl Fn(&Path), expected: impl Fn(&Path) -> Found) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["top", "middle", "bottom"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        setup(dir.path());
        let lowers = ["top", "middle", "bottom"].map(|name| dir.path().join(name));
        assert_eq!(
            find(&lowers, Path::new("/etc/passwd")),
            expected(dir.path())
        );
    }

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn the_upmost_file_counts() {
        check(|_dir| {}, |_dir| Found::Missing);
        let setup = |dir: &Path| {
            fs::create_dir(dir.join("top/etc")).unwrap();
            write(&dir.join("middle/etc/passwd"));
            write(&dir.join("bottom/etc/passwd"));
        };
        check(setup, |dir| Found::At(dir.join("middle/etc/passwd")));
    }

    #[test]
    fn an_opaque_directory_hides_what_is_below() {
        let setup = |dir: &Path| {
            fs::create_dir(dir.join("middle/etc")).unwrap();
            let flags = rustix::fs::XattrFlags::empty();
            let path = dir.join("middle/etc");
            rustix::fs::lsetxattr(&path, "user.overlay.opaque", b"y", flags).unwrap();
            write(&dir.join("bottom/etc/passwd"));
        };
        check(setup, |_dir| Found::Missing);
    }

    #[test]
    fn symlinks_are_left_to_the_kernel() {
        let setup = |dir: &Path| {
            fs::create_dir(dir.join("top/etc")).unwrap();
            std::os::unix::fs::symlink("shadow", dir.join("top/etc/passwd")).unwrap();
        };
        check(setup, |_dir| Found::Unclear);
        let setup = |dir: &Path| std::os::unix::fs::symlink("x", dir.join("top/etc")).unwrap();
        check(setup, |_dir| Found::Unclear);
    }
}
