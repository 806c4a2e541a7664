//! The directories of what is being unpacked.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::changeset::LayerError;
use crate::changeset::entry::Entry;
use crate::changeset::lowers::Lowers;
use crate::changeset::root::{Root, is_whiteout, stat};
use crate::changeset::unpack::{Owners, UnpackOptions, Whiteouts};
use crate::changeset::xattr::{self, Xattrs};

/// What is set on a file after it was made.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: (i64, u32),
    xattrs: Xattrs,
}

impl Attributes {
    pub(crate) fn of(entry: &Entry) -> Attributes {
        let Entry {
            path: _,
            kind: _,
            mode,
            uid,
            gid,
            mtime,
            size: _,
            xattrs,
        } = entry;
        let mut xattrs = xattrs.clone();
        // Overlayfs would take its own attributes from an archive for its own.
        xattrs.retain(|name, _| xattr::is_kept(name));
        Attributes {
            mode: *mode,
            uid: *uid,
            gid: *gid,
            mtime: *mtime,
            xattrs,
        }
    }

    fn of_directory(stat: &Stat, xattrs: Xattrs) -> Attributes {
        Attributes {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (
                stat.st_mtime,
                u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
            ),
            xattrs: xattr::portable(xattrs),
        }
    }

    /// Sets them on an open file, and says whether the owner is the right one. The owner is first, since a change of it
    /// clears the others.
    pub(crate) fn set(&self, file: impl AsFd, owners: Owners) -> Result<bool, Errno> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let is_owned = owned(owners, || rustix::fs::fchown(&file, Some(uid), Some(gid)))?;
        for (name, value) in &self.xattrs {
            match rustix::fs::fsetxattr(&file, name.as_slice(), value, XattrFlags::empty()) {
                // As moby does it, where not all can be as the archive says.
                Err(Errno::PERM | Errno::OPNOTSUPP) if owners != Owners::Preserve => {}
                set => set?,
            }
        }
        rustix::fs::fchmod(&file, self.permissions(owners, is_owned))?;
        rustix::fs::futimens(&file, &self.times())?;
        Ok(is_owned)
    }

    /// Sets them on a file that cannot be opened, and that was made just now.
    pub(crate) fn set_at(
        &self,
        directory: impl AsFd,
        name: &[u8],
        owners: Owners,
        is_symlink: bool,
    ) -> Result<bool, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let is_owned = owned(owners, || {
            rustix::fs::chownat(&directory, name, Some(uid), Some(gid), flags)
        })?;
        if !is_symlink {
            let mode = self.permissions(owners, is_owned);
            rustix::fs::chmodat(&directory, name, mode, AtFlags::empty())?;
        }
        rustix::fs::utimensat(directory, name, &self.times(), flags)?;
        Ok(is_owned)
    }

    /// The mode. A program must not run as a user that it was not meant for.
    fn permissions(&self, owners: Owners, is_owned: bool) -> Mode {
        let is_squashed = owners == Owners::WhereMapped && !is_owned;
        let dropped = if is_squashed { 0o6000 } else { 0 };
        Mode::from_raw_mode(self.mode & !dropped)
    }

    fn times(&self) -> Timestamps {
        let time = Timespec {
            tv_sec: self.mtime.0,
            tv_nsec: i64::from(self.mtime.1),
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }
}

/// Calls `change_owner` where `owners` asks for it, and says whether the owner is the one that was asked for.
fn owned(owners: Owners, change_owner: impl FnOnce() -> Result<(), Errno>) -> Result<bool, Errno> {
    match owners {
        Owners::Preserve => change_owner().map(|()| true),
        Owners::Squash => Ok(true),
        // An ID that the namespace does not have is invalid; another user's is not permitted.
        Owners::WhereMapped => match change_owner() {
            Err(Errno::INVAL | Errno::PERM) => Ok(false),
            changed => changed.map(|()| true),
        },
    }
}

/// Splits a safe path into its directory and its last name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

pub(crate) struct Tree<'t> {
    root: &'t Root,
    lowers: &'t Lowers,
    options: &'t UnpackOptions<'t>,
    /// The directory that the last entry was in; the next is mostly in the same.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// What is set on directories at the end.
    later: BTreeMap<Vec<u8>, Attributes>,
}

impl<'t> Tree<'t> {
    pub(crate) fn new(
        root: &'t Root,
        lowers: &'t Lowers,
        options: &'t UnpackOptions<'t>,
    ) -> Tree<'t> {
        Tree {
            root,
            lowers,
            options,
            last: None,
            later: BTreeMap::new(),
        }
    }

    /// The directory at `path`, which is made if it is missing.
    pub(crate) fn parent(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, LayerError> {
        if let Some((last, handle)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(handle));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let handle = match self.root.open_inside(path, flags) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_missing(path)?,
            opened => opened.map_err(self.root.error("open directory", path))?,
        };
        let handle = Rc::new(handle);
        self.last = Some((path.to_vec(), Rc::clone(&handle)));
        Ok(handle)
    }

    /// Makes the directories on the way to `path` that the archive does not list.
    fn make_missing(&mut self, path: &[u8]) -> Result<OwnedFd, LayerError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let open = |path: &[u8]| self.root.open_inside(path, flags);
        let mut handle = open(b"").map_err(self.root.error("open directory", b""))?;
        let mut ends: Vec<usize> = (0..path.len()).filter(|&end| path[end] == b'/').collect();
        ends.push(path.len());
        for end in ends {
            let prefix = &path[..end];
            handle = match open(prefix) {
                Ok(next) => next,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let implied = self.implied(prefix)?;
                    let (_, name) = split(prefix);
                    let is_opaque = make_directory(&handle, name, self.options)
                        .map_err(self.root.error("create directory", prefix))?;
                    if is_opaque {
                        set_opaque(self.root, prefix)?;
                    }
                    self.later.insert(prefix.to_vec(), implied);
                    open(prefix).map_err(self.root.error("open directory", prefix))?
                }
                Err(error) => return Err(self.root.error("open directory", prefix)(error)),
            };
        }
        Ok(handle)
    }

    /// The attributes of a directory that the archive does not list.
    fn implied(&self, path: &[u8]) -> Result<Attributes, LayerError> {
        let Some(lower) = self.lowers.directory(path)? else {
            // What the process may do with its own files is all that is known here.
            let uid = rustix::process::geteuid().as_raw();
            let gid = rustix::process::getegid().as_raw();
            let xattrs = Xattrs::new();
            return Ok(Attributes {
                mode: 0o755,
                uid,
                gid,
                mtime: (0, 0),
                xattrs,
            });
        };
        let stat = rustix::fs::fstat(&lower).map_err(self.root.error("inspect", path))?;
        let xattrs = xattr::read(&lower).map_err(self.root.error("inspect", path))?;
        Ok(Attributes::of_directory(&stat, xattrs))
    }

    /// Makes the directory at `path`, in `parent`, or takes over the one that is there.
    pub(crate) fn directory(
        &mut self,
        path: &[u8],
        parent: &OwnedFd,
        attributes: Attributes,
    ) -> Result<(), LayerError> {
        let (_, name) = split(path);
        let error = |action| self.root.error::<Errno>(action, path);
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) => {}
            made => {
                made.map_err(error("create directory"))?;
                self.later.insert(path.to_vec(), attributes);
                return Ok(());
            }
        }
        let found = stat(parent, name).map_err(error("inspect"))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {}
            FileType::Symlink if self.options.keep_directory_symlinks && self.leads_on(path) => {
                return Ok(());
            }
            _ => {
                let is_opaque = self.replaces_whiteout(&found);
                rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(error("remove"))?;
                rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))
                    .map_err(error("create directory"))?;
                if is_opaque {
                    set_opaque(self.root, path)?;
                }
            }
        }
        self.later.insert(path.to_vec(), attributes);
        Ok(())
    }

    /// Whether the symlink at `path` leads to a directory in the root.
    fn leads_on(&self, path: &[u8]) -> bool {
        self.root
            .open_inside(path, OFlags::PATH | OFlags::DIRECTORY)
            .is_ok()
    }

    fn replaces_whiteout(&self, found: &Stat) -> bool {
        self.options.whiteouts == Whiteouts::Overlay && is_whiteout(found)
    }

    /// Sets attributes when nothing is made in the directory any more.
    pub(crate) fn set_later(&mut self, path: &[u8], attributes: Attributes) {
        self.later.insert(path.to_vec(), attributes);
    }

    /// Hides what is below the directory at `path`.
    pub(crate) fn make_opaque(&mut self, path: &[u8]) -> Result<(), LayerError> {
        if path.is_empty() {
            // Overlayfs does not look for the attribute here.
            return Err(LayerError::OpaqueRoot);
        }
        set_opaque(self.root, path)
    }

    /// Drops what is known of `path` and of all that is in it.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        self.last = None;
        let below = [path, b"/"].concat();
        self.later
            .retain(|directory, _| directory != path && !directory.starts_with(&below));
    }

    /// Sets the attributes of the directories, those in others first, and says how many have other owners.
    pub(crate) fn finish(self) -> Result<u64, LayerError> {
        let mut squashed = 0;
        for (path, attributes) in self.later.iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            match self.root.open_inside(path, flags) {
                Ok(handle) => {
                    let is_owned = attributes.set(handle, self.options.owners);
                    let is_owned = is_owned.map_err(self.root.error("set the attributes of", path));
                    squashed += u64::from(!is_owned?);
                }
                // A later entry has replaced it.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(self.root.error("open directory", path)(error)),
            }
        }
        Ok(squashed)
    }
}

/// Makes a directory where there is none, and says whether it replaced a whiteout.
fn make_directory(
    parent: &OwnedFd,
    name: &[u8],
    options: &UnpackOptions<'_>,
) -> Result<bool, Errno> {
    let mode = Mode::from_raw_mode(0o700);
    match rustix::fs::mkdirat(parent, name, mode) {
        Err(Errno::EXIST) if options.whiteouts == Whiteouts::Overlay => {}
        result => return result.map(|()| false),
    }
    if !is_whiteout(&stat(parent, name)?) {
        return Err(Errno::NOTDIR);
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
    rustix::fs::mkdirat(parent, name, mode)?;
    Ok(true)
}

/// Notes for overlayfs that the directory at `path` hides what is below.
fn set_opaque(root: &Root, path: &[u8]) -> Result<(), LayerError> {
    let handle = root
        .open_inside(path, OFlags::RDONLY | OFlags::DIRECTORY)
        .map_err(root.error("open directory", path))?;
    rustix::fs::fsetxattr(handle, xattr::USER_OPAQUE, b"y", XattrFlags::empty())
        .map_err(root.error("make opaque the directory", path))
}
