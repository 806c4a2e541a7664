//! Removing the mount points that were made for a run, so that no trace of them is left in the layer.
//!
//! The same is done by BuildKit (executor/stubs.go). Beyond that, a directory that overlayfs copied up only because a
//! mount point was made in it is removed from the upper directory too.
//!
//! The process in the sandbox may have put symlinks anywhere. So nothing here follows one.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timestamps};
use rustix::io::Errno;

use crate::sandbox::SandboxError;
use crate::wire::Stub;

/// Removes those of `stubs` that are still empty from the directory `upper`, which is on top of `lowers`.
pub(crate) fn remove(upper: &Path, lowers: &[PathBuf], stubs: &[Stub]) -> Result<(), SandboxError> {
    for stub in stubs.iter().rev() {
        let path = Path::new(&stub.path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        let removed = remove_one(upper, parent, &name.to_owned(), stub).and_then(|removed| {
            if removed {
                forget_copies(upper, lowers, parent)
            } else {
                Ok(())
            }
        });
        removed.map_err(|error| SandboxError::Stub {
            path: path.to_owned(),
            source: error.into(),
        })?;
    }
    Ok(())
}

/// Whether the stub was removed. If it has become something else, or has moved, it stays.
fn remove_one(
    upper: &Path,
    parent: &Path,
    name: &OsString,
    stub: &Stub,
) -> rustix::io::Result<bool> {
    let Some(parent) = open_directory(upper, parent)? else {
        return Ok(false);
    };
    let stat = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error),
    };
    let flags = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if stub.is_directory => AtFlags::REMOVEDIR,
        FileType::RegularFile if !stub.is_directory && stat.st_size == 0 => AtFlags::empty(),
        _ => return Ok(false),
    };
    let times = times(parent.as_fd())?;
    match rustix::fs::unlinkat(&parent, name, flags) {
        Ok(()) => {}
        Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(false),
        Err(error) => return Err(error),
    }
    if stub.over_whiteout {
        rustix::fs::mknodat(&parent, name, FileType::CharacterDevice, Mode::empty(), 0)?;
    }
    set_times(parent.as_fd(), &times)?;
    Ok(!stub.over_whiteout)
}

/// Removes `directory` from the upper directory, and then its parent and so on, as long as it is empty and says nothing
/// that the layers below do not say.
fn forget_copies(upper: &Path, lowers: &[PathBuf], directory: &Path) -> rustix::io::Result<()> {
    for directory in directory.ancestors() {
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
            break;
        };
        let Some(copy) = open_directory(upper, directory)? else {
            break;
        };
        if !is_empty(copy.as_fd())? {
            break;
        }
        let Some(original) = first_original(lowers, directory)? else {
            break;
        };
        if !is_same(copy.as_fd(), original.as_fd())? {
            break;
        }
        let Some(parent) = open_directory(upper, parent)? else {
            break;
        };
        let times = times(parent.as_fd())?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Ok(()) => set_times(parent.as_fd(), &times)?,
            Err(Errno::NOTEMPTY | Errno::EXIST) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn first_original(lowers: &[PathBuf], directory: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    for lower in lowers {
        // In a long chain of layers most have nothing there, which is found out by less than by opening it.
        let path = lower.join(directory);
        let found = rustix::fs::statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_err_and(|error| error == Errno::NOENT) {
            continue;
        }
        if let Some(original) = open_directory(lower, directory)? {
            return Ok(Some(original));
        }
    }
    Ok(None)
}

fn is_empty(directory: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Opens a directory below `root`; `None` if there is none, or something in between is a symlink.
fn open_directory(root: &Path, path: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    if path.as_os_str().is_empty() {
        return Ok(Some(root));
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_same(copy: BorrowedFd<'_>, original: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let facts = |stat: &Stat| {
        (
            stat.st_mode,
            stat.st_uid,
            stat.st_gid,
            stat.st_mtime,
            stat.st_mtime_nsec,
        )
    };
    let (ours, theirs) = (rustix::fs::fstat(copy)?, rustix::fs::fstat(original)?);
    if facts(&ours) != facts(&theirs) {
        return Ok(false);
    }
    Ok(attributes(copy)? == attributes(original)?)
}

/// The extended attributes, sorted, without those by which overlayfs keeps its books. An opaque directory has one more,
/// so that it is never the same as another.
fn attributes(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    const BOOK_KEEPING: [&[u8]; 4] = [
        b"user.overlay.origin",
        b"user.overlay.impure",
        b"user.overlay.uuid",
        b"user.overlay.nlink",
    ];
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(directory, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    let mut attributes = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if name.is_empty() || BOOK_KEEPING.contains(&name) {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let name = std::ffi::OsStr::from_bytes(name);
        let length = rustix::fs::fgetxattr(directory, name, &mut value[..])?;
        value.truncate(length);
        attributes.push((name.as_bytes().to_owned(), value));
    }
    attributes.sort();
    Ok(attributes)
}

/// When `directory` was last read and changed.
pub(crate) fn times(directory: BorrowedFd<'_>) -> rustix::io::Result<Timestamps> {
    let stat = rustix::fs::statat(directory, "", AtFlags::EMPTY_PATH)?;
    let time = |seconds, nanoseconds: u64| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Ok(Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    })
}

/// Undoes what [`times`] would notice.
pub(crate) fn set_times(directory: BorrowedFd<'_>, times: &Timestamps) -> rustix::io::Result<()> {
    rustix::fs::utimensat(directory, ".", times, AtFlags::empty())
}

/// Whether there is a whiteout at `path` below `upper`.
pub(crate) fn is_whiteout(upper: &Path, path: &Path) -> bool {
    let stat = rustix::fs::statat(CWD, upper.join(path), AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
    })
}
