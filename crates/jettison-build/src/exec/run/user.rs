//! Who a step or an image runs as.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use jettison_sandbox::{Entered, ResolvedUser, UserError, mount_overlay, resolve_user};

use crate::error::BuildError;
use crate::tree::Tree;

const PASSWD_LIMIT: u64 = 10 << 20;

/// The user that `text` names in the file system of `lowers`, and its home directory.
pub(super) fn find_user(
    entered: &Entered,
    lowers: &[PathBuf],
    text: &str,
) -> Result<Result<ResolvedUser, UserError>, BuildError> {
    let mut texts = Vec::new();
    for name in ["passwd", "group"] {
        texts.push(match in_layers(lowers, name) {
            Found::Missing => String::new(),
            Found::At(path) => read(Path::new("/"), &path)?,
            Found::Unclear => {
                let root = mount_overlay(entered, lowers, None).map_err(BuildError::Mount)?;
                read(&root.path(), &Path::new("/etc").join(name))?
            }
        });
    }
    Ok(resolve_user(text, &texts[0], &texts[1]))
}

fn read(root: &Path, path: &Path) -> Result<String, BuildError> {
    let tree = Tree::open(root).map_err(|source| BuildError::io("open", root, source))?;
    tree.text(path, PASSWD_LIMIT)
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

/// Looks for a file of `/etc` by the rules of overlayfs, without a mount, as long as no symlinks are on the way.
fn in_layers(lowers: &[PathBuf], name: &str) -> Found {
    for lower in lowers {
        let directory = lower.join("etc");
        match look(&directory) {
            Ok(None) => continue,
            Ok(Some(Kind::Directory)) => {}
            Ok(Some(Kind::Whiteout)) => return Found::Missing,
            Ok(Some(Kind::File | Kind::Other)) | Err(_) => return Found::Unclear,
        }
        let path = directory.join(name);
        match look(&path) {
            Ok(None) => {}
            Ok(Some(Kind::Whiteout)) => return Found::Missing,
            Ok(Some(Kind::File)) => return Found::At(path),
            Ok(Some(Kind::Directory | Kind::Other)) | Err(_) => return Found::Unclear,
        }
        let mut opaque = [0; 1];
        if rustix::fs::lgetxattr(&directory, "user.overlay.opaque", &mut opaque[..]).is_ok() {
            return Found::Missing;
        }
    }
    Found::Missing
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
        assert_eq!(in_layers(&lowers, "passwd"), expected(dir.path()));
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
