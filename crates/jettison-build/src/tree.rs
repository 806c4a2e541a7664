//! Reading a directory tree whose symbolic links must not lead out of it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat};

/// A directory that is treated as `/`: absolute symbolic links and `..` stay inside.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

impl Tree {
    pub(crate) fn open(path: &Path) -> io::Result<Tree> {
        let root = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Tree { root })
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let inside = inside(path);
        let fd = rustix::fs::openat2(
            &self.root,
            &inside,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )?;
        Ok(fd)
    }

    /// Opens a regular file, symbolic links followed. Devices and pipes are refused.
    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        if kind(&rustix::fs::fstat(&fd)?) != rustix::fs::FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(File::from(fd))
    }

    /// The text of a small file, or nothing if it does not exist.
    pub(crate) fn text(&self, path: &Path, limit: u64) -> io::Result<String> {
        use std::io::Read;
        let file = match self.file(path) {
            Err(error) if is_missing(&error) => return Ok(String::new()),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether a path leads to nothing, or through something that is not a directory.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The names in a directory, sorted by their bytes.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn kind(stat: &Stat) -> rustix::fs::FileType {
    rustix::fs::FileType::from_raw_mode(stat.st_mode)
}

/// A path as openat2 wants it below a directory.
fn inside(path: &Path) -> PathBuf {
    let relative: PathBuf = path
        .components()
        .filter(|c| !matches!(c, Component::RootDir | Component::Prefix(_)))
        .collect();
    if relative.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        relative
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "inside").unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        (dir, tree)
    }

    #[test]
    fn an_absolute_link_stays_inside() {
        let (dir, tree) = tree();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        assert_eq!(tree.text(Path::new("/link"), 100).unwrap(), "inside");
    }

    #[test]
    fn dots_stay_inside() {
        let (dir, tree) = tree();
        symlink("../../../../etc/passwd", dir.path().join("link")).unwrap();
        assert_eq!(tree.text(Path::new("link"), 100).unwrap(), "inside");
        assert_eq!(
            tree.text(Path::new("../../etc/passwd"), 100).unwrap(),
            "inside"
        );
    }
}
