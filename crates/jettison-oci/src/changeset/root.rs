//! A directory that paths cannot lead out of.
//!
//! Everything is opened below a directory's handle by the kernel's own rules (`openat2`), never by
//! a path that a symlink could bend.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::changeset::{LayerError, io_error};

/// How often an opening is tried again when directories are being renamed meanwhile.
const TRIES: usize = 16;

/// A directory, and where it is for messages.
#[derive(Debug)]
pub(crate) struct Root {
    handle: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the directory at `path`.
    pub(crate) fn open(path: &Path) -> Result<Root, LayerError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(io_error("open directory", path))?;
        Ok(Root {
            handle,
            path: path.to_owned(),
        })
    }

    /// Opens `path` if there is no symlink on the way to it, nor at its end.
    pub(crate) fn open_exact(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        self.open_resolving(path, flags | OFlags::NOFOLLOW, resolve)
    }

    /// Opens `path` where symlinks mean what they would mean if this directory were `/`.
    pub(crate) fn open_inside(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        self.open_resolving(path, flags, resolve)
    }

    fn open_resolving(
        &self,
        path: &[u8],
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = flags | OFlags::CLOEXEC;
        let mut result = Err(Errno::AGAIN);
        for _ in 0..TRIES {
            result = rustix::fs::openat2(&self.handle, path, flags, Mode::empty(), resolve);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// Says that `action` on `path` in this directory failed.
    pub(crate) fn error<E: Into<io::Error>>(
        &self,
        action: &'static str,
        path: &[u8],
    ) -> impl FnOnce(E) -> LayerError {
        let path = self.path.join(to_path(path));
        move |source| LayerError::Io {
            action,
            path,
            source: source.into(),
        }
    }
}

/// The bytes of a name as a path.
pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A file in a directory.
pub(crate) struct Child {
    pub(crate) name: Vec<u8>,
    /// The file's type, unless the filesystem keeps it to itself.
    pub(crate) file_type: FileType,
}

/// The files in an open directory, in no order.
pub(crate) fn list(directory: impl AsFd) -> Result<Vec<Child>, Errno> {
    let mut children = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            children.push(Child {
                name: name.to_vec(),
                file_type: entry.file_type(),
            });
        }
    }
    Ok(children)
}

/// What is known about `name` in `directory`, which may be a symlink.
pub(crate) fn stat(directory: impl AsFd, name: &[u8]) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Whether overlayfs takes the file for the absence of one: character device 0/0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Removes the directory `name` in `directory` with all that is in it.
pub(crate) fn remove_tree(directory: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(&directory, name, flags, Mode::empty())?;
    for child in list(&handle)? {
        match rustix::fs::unlinkat(&handle, child.name.as_slice(), AtFlags::empty()) {
            Err(Errno::ISDIR) => remove_tree(&handle, &child.name)?,
            removed => removed?,
        }
    }
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}
