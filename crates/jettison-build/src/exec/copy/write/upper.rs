//! Making files in an overlay upper directory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::exec::attributes;
use crate::exec::copy::CopyFailure;
use crate::exec::copy::changes::{Below, ChangedDirectory};
use crate::exec::copy::place::write_error;
use crate::exec::files::{FileKind, Meta, Node, Root, Xattrs};

/// What is done about owners that files cannot be given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owners {
    /// The copy fails.
    Exact,
    /// The files stay with whoever makes them.
    Squashed,
}

/// The directory that changes are written into.
#[derive(Debug)]
pub(super) struct Upper {
    root: Root,
    owners: Owners,
    /// Whose new files are by themselves.
    own: (u32, u32),
    is_squashed: AtomicBool,
}

impl Upper {
    pub(super) fn open(path: &Path, owners: Owners) -> Result<Upper, CopyFailure> {
        let root = Root::open(path).map_err(write_error(path))?;
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        Ok(Upper {
            root,
            owners,
            own: (uid, gid),
            is_squashed: AtomicBool::new(false),
        })
    }

    /// Whether every file got its owner.
    pub(super) fn has_owners(&self) -> bool {
        !self.is_squashed.load(Ordering::Relaxed)
    }

    /// Makes a directory that files can be made in.
    pub(super) fn make_directory(
        &self,
        path: &Path,
        directory: &ChangedDirectory,
    ) -> Result<(), CopyFailure> {
        let make = || -> io::Result<()> {
            let (parent, name) = self.parent(path)?;
            rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700))?;
            match directory.below {
                Below::Hidden(_) => {
                    let made = self.root.directory(path)?;
                    let flags = XattrFlags::empty();
                    Ok(rustix::fs::fsetxattr(
                        made,
                        "user.overlay.opaque",
                        b"y",
                        flags,
                    )?)
                }
                Below::Seen | Below::Nothing => Ok(()),
            }
        };
        make().map_err(write_error(path))
    }

    /// Gives a directory its attributes, after everything in it was made.
    pub(super) fn finish_directory(&self, path: &Path, node: &Node) -> Result<(), CopyFailure> {
        let finish = || -> io::Result<()> {
            let xattrs = node.read_xattrs(None)?;
            let made = self.root.directory(path)?;
            self.dress(&made, &node.meta, &xattrs)
        };
        finish().map_err(write_error(path))
    }

    /// Makes a file to write its content to.
    pub(super) fn create(&self, path: &Path) -> Result<File, CopyFailure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || -> io::Result<File> {
            let (parent, name) = self.parent(path)?;
            let mode = Mode::from_raw_mode(0o600);
            Ok(File::from(rustix::fs::openat(parent, name, flags, mode)?))
        };
        create().map_err(write_error(path))
    }

    /// Gives a file its attributes.
    pub(super) fn dress_file(
        &self,
        path: &Path,
        file: &File,
        meta: &Meta,
        xattrs: &Xattrs,
    ) -> Result<(), CopyFailure> {
        self.dress(file, meta, xattrs).map_err(write_error(path))
    }

    pub(super) fn symlink(
        &self,
        path: &Path,
        meta: &Meta,
        target: &[u8],
    ) -> Result<(), CopyFailure> {
        let make = || -> io::Result<()> {
            let (parent, name) = self.parent(path)?;
            rustix::fs::symlinkat(target, &parent, name)?;
            self.dress_at(&parent, name, meta)
        };
        make().map_err(write_error(path))
    }

    /// Makes a named pipe or a device.
    pub(super) fn special(&self, path: &Path, meta: &Meta) -> Result<(), CopyFailure> {
        let file_type = match meta.kind {
            FileKind::Fifo => FileType::Fifo,
            FileKind::CharDevice => FileType::CharacterDevice,
            FileKind::BlockDevice => FileType::BlockDevice,
            FileKind::Directory | FileKind::File | FileKind::Symlink | FileKind::Socket => {
                FileType::RegularFile
            }
        };
        let make = || -> io::Result<()> {
            let (parent, name) = self.parent(path)?;
            let (major, minor) = meta.device;
            let device = rustix::fs::makedev(major, minor);
            let mode = Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(&parent, name, file_type, mode, device)?;
            let mode = Mode::from_raw_mode(meta.mode);
            self.dress_at(&parent, name, meta)?;
            Ok(rustix::fs::chmodat(&parent, name, mode, AtFlags::empty())?)
        };
        make().map_err(write_error(path))
    }

    /// Gives the file `first` the name `path` too.
    pub(super) fn link(&self, first: &Path, path: &Path) -> Result<(), CopyFailure> {
        let make = || -> io::Result<()> {
            let (from, first) = self.parent(first)?;
            let (to, name) = self.parent(path)?;
            let flags = AtFlags::empty();
            Ok(rustix::fs::linkat(from, first, to, name, flags)?)
        };
        make().map_err(write_error(path))
    }

    /// The directory that `path` is in, opened, and its name there.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p Path)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let parent = self.root.exact(parent, OFlags::PATH | OFlags::DIRECTORY)?;
        Ok((parent, Path::new(name)))
    }

    fn dress(&self, made: impl AsFd, meta: &Meta, xattrs: &Xattrs) -> io::Result<()> {
        if let Some((uid, gid)) = self.other_owner(meta) {
            self.owned(rustix::fs::fchown(&made, Some(uid), Some(gid)), meta)?;
        }
        rustix::fs::fchmod(&made, Mode::from_raw_mode(meta.mode))?;
        attributes::write(&made, xattrs)?;
        Ok(rustix::fs::futimens(&made, &times(meta))?)
    }

    /// Gives something that cannot be opened its owner and time.
    fn dress_at(&self, parent: &OwnedFd, name: &Path, meta: &Meta) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((uid, gid)) = self.other_owner(meta) {
            let changed = rustix::fs::chownat(parent, name, Some(uid), Some(gid), flags);
            self.owned(changed, meta)?;
        }
        Ok(rustix::fs::utimensat(parent, name, &times(meta), flags)?)
    }

    fn other_owner(&self, meta: &Meta) -> Option<(Uid, Gid)> {
        let owner = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        ((meta.uid, meta.gid) != self.own).then_some(owner)
    }

    fn owned(&self, changed: Result<(), Errno>, meta: &Meta) -> io::Result<()> {
        match (changed, self.owners) {
            (Ok(()), _) => Ok(()),
            (Err(Errno::INVAL | Errno::PERM), Owners::Squashed) => {
                self.is_squashed.store(true, Ordering::Relaxed);
                Ok(())
            }
            // The user namespace has no such ID.
            (Err(Errno::INVAL), Owners::Exact) => {
                let Meta { uid, gid, .. } = meta;
                let message =
                    format!("cannot give files to {uid}:{gid}, which are not mapped on this host");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

/// The times of a copy. Files of a step have fractions of seconds, and a copy is as old as they are: caches of fonts say how old a
/// directory is to the nanosecond.
fn times(meta: &Meta) -> Timestamps {
    let (seconds, nanoseconds) = meta.mtime;
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: if meta.has_whole_seconds {
            0
        } else {
            nanoseconds.into()
        },
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
