//! Whether a file in an upper is as the lowers have it: overlayfs copies a file up for a `chown` to the owner that it has,
//! or for an `open` that writes nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, Stat};

use crate::changeset::root::{is_whiteout, stat};
use crate::changeset::xattr;

/// How much of two files is compared at once.
const BLOCK: usize = 64 << 10;

/// What the lowers have where a file of an upper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    /// Nothing, or for a directory nothing that is merged with it.
    Nothing,
    /// Another file.
    Other,
    /// The same file.
    Same,
}

/// A name in an open directory, and what is known of the file.
pub(crate) struct Named<'a> {
    pub(crate) directory: &'a OwnedFd,
    pub(crate) name: &'a [u8],
    pub(crate) stat: &'a Stat,
}

impl Named<'_> {
    /// Compares with what `lowers` have by this name, which are the directories below this one, top first.
    ///
    /// The rules are BuildKit's (`sameDirent`, util/overlay), but contents are compared whenever all else is the same.
    pub(crate) fn below(&self, lowers: &[OwnedFd]) -> Below {
        let found = lowers.iter().find_map(|lower| {
            let found = stat(lower, self.name).ok()?;
            Some((lower, found))
        });
        let Some((directory, found)) = found.filter(|(_, found)| !is_whiteout(found)) else {
            return Below::Nothing;
        };
        let lower = Named {
            directory,
            name: self.name,
            stat: &found,
        };
        let is_directory =
            |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if is_directory(self.stat) && !is_directory(&found) {
            Below::Nothing
        } else if self.is_same(&lower) {
            Below::Same
        } else {
            Below::Other
        }
    }

    fn is_same(&self, other: &Named<'_>) -> bool {
        let (ours, theirs) = (self.stat, other.stat);
        if (ours.st_mode, ours.st_uid, ours.st_gid, ours.st_rdev)
            != (theirs.st_mode, theirs.st_uid, theirs.st_gid, theirs.st_rdev)
        {
            return false;
        }
        let is_timed = (ours.st_mtime, ours.st_mtime_nsec, ours.st_size)
            == (theirs.st_mtime, theirs.st_mtime_nsec, theirs.st_size);
        match FileType::from_raw_mode(ours.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => is_timed && has_same_content(self, other).unwrap_or(false),
            FileType::Symlink => {
                is_timed
                    && self
                        .target()
                        .is_some_and(|ours| other.target() == Some(ours))
            }
            _ => is_timed,
        }
    }

    fn target(&self) -> Option<Vec<u8>> {
        let target = rustix::fs::readlinkat(self.directory, self.name, Vec::new());
        target.ok().map(std::ffi::CString::into_bytes)
    }

    fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = OsStr::from_bytes(self.name);
        Ok(rustix::fs::openat(self.directory, name, flags, Mode::empty())?.into())
    }
}

/// Whether two files have the same bytes and capabilities.
fn has_same_content(ours: &Named<'_>, theirs: &Named<'_>) -> io::Result<bool> {
    let (ours, theirs) = (ours.open()?, theirs.open()?);
    if xattr::capability(ours.as_fd())? != xattr::capability(theirs.as_fd())? {
        return Ok(false);
    }
    let mut ours = BufReader::with_capacity(BLOCK, ours);
    let mut theirs = BufReader::with_capacity(BLOCK, theirs);
    loop {
        let (some, other) = (ours.fill_buf()?, theirs.fill_buf()?);
        let length = some.len().min(other.len());
        if some[..length] != other[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(some.len() == other.len());
        }
        ours.consume(length);
        theirs.consume(length);
    }
}
