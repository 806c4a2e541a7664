//! Opening what is below the context's root, without following links, however long the path is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// How much of a path goes to the kernel at once; it takes 4095 bytes.
const LONGEST: usize = 3800;

/// How a directory is opened that is read.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens `path` below `root`. A link on the way or at the end is an error (`ELOOP`), but not with `O_PATH` and
/// `O_NOFOLLOW` at the end.
pub(super) fn open_below(root: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut rest = path.as_os_str().as_bytes();
    let mut held: Option<OwnedFd> = None;
    while rest.len() > LONGEST {
        let Some(slash) = rest[..=LONGEST].iter().rposition(|byte| *byte == b'/') else {
            return Err(rustix::io::Errno::NAMETOOLONG.into());
        };
        let dir = held.as_ref().map_or(root.as_fd(), |fd| fd.as_fd());
        held = Some(open(dir, &rest[..slash], OFlags::PATH | OFlags::DIRECTORY)?);
        rest = &rest[slash + 1..];
    }
    let dir = held.as_ref().map_or(root.as_fd(), |fd| fd.as_fd());
    open(dir, rest, flags)
}

fn open(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    Ok(rustix::fs::openat2(
        dir,
        path,
        flags,
        Mode::empty(),
        resolve,
    )?)
}
