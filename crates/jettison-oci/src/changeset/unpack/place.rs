//! Puts entries where they belong.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dev, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::changeset::LayerError;
use crate::changeset::entry::{Entry, EntryContent, EntryKind, WHITEOUT};
use crate::changeset::lowers::Lowers;
use crate::changeset::root::{Root, is_whiteout, remove_tree, stat, to_path};
use crate::changeset::unpack::tree::{Attributes, Tree, split};
use crate::changeset::unpack::{Devices, UnpackOptions, UnpackSummary, Whiteouts};
use crate::changeset::whiteout::{AUFS, OPAQUE};

/// How many bytes are copied at once.
const COPY_SIZE: usize = 128 << 10;
pub(crate) struct Unpacker<'u> {
    root: &'u Root,
    options: &'u UnpackOptions<'u>,
    tree: Tree<'u>,
    summary: UnpackSummary,
    buffer: Vec<u8>,
}

impl<'u> Unpacker<'u> {
    pub(crate) fn new(
        root: &'u Root,
        lowers: &'u Lowers,
        options: &'u UnpackOptions<'u>,
    ) -> Unpacker<'u> {
        let tree = Tree::new(root, lowers, options);
        let buffer = vec![0; COPY_SIZE];
        Unpacker {
            root,
            options,
            tree,
            summary: UnpackSummary::default(),
            buffer,
        }
    }

    /// Puts one entry where it belongs.
    pub(crate) fn entry(
        &mut self,
        entry: &Entry,
        content: &mut EntryContent<'_>,
    ) -> Result<(), LayerError> {
        if entry.path.is_empty() {
            return self.top(entry);
        }
        let (directory, name) = split(&entry.path);
        let parent = self.tree.parent(directory)?;
        if self.options.whiteouts == Whiteouts::Overlay && name.starts_with(WHITEOUT) {
            return self.whiteout(directory, &parent, name);
        }
        let attributes = Attributes::of(entry);
        if entry.kind == EntryKind::Directory {
            self.summary.directories += 1;
            return self.tree.directory(&entry.path, &parent, attributes);
        }
        let is_device = matches!(
            entry.kind,
            EntryKind::CharDevice(..) | EntryKind::BlockDevice(..)
        );
        if is_device && self.options.devices == Devices::Skip
            || self.keeps_directory(entry, &parent, name)?
        {
            return Ok(());
        }
        self.summary.files += 1;
        match &entry.kind {
            EntryKind::File => {
                self.summary.unpacked_size = self.summary.unpacked_size.saturating_add(entry.size);
                let handle = self.create(&entry.path, &parent, || create_file(&parent, name))?;
                let mut file = File::from(handle);
                self.copy(entry, content, &mut file)?;
                let is_owned = attributes.set(&file, self.options.owners);
                return self.count_owner(entry, is_owned);
            }
            EntryKind::HardLink(target) => return self.hard_link(entry, &parent, target),
            EntryKind::Symlink(target) => self.create(&entry.path, &parent, || {
                rustix::fs::symlinkat(target.as_slice(), &parent, name)
            })?,
            EntryKind::Fifo => self.node(&entry.path, &parent, FileType::Fifo, 0)?,
            EntryKind::CharDevice(major, minor) => {
                self.device(entry, &parent, FileType::CharacterDevice, (*major, *minor))?;
            }
            EntryKind::BlockDevice(major, minor) => {
                self.device(entry, &parent, FileType::BlockDevice, (*major, *minor))?;
            }
            EntryKind::Directory => {}
        }
        let is_symlink = matches!(entry.kind, EntryKind::Symlink(_));
        let is_owned = attributes.set_at(&parent, name, self.options.owners, is_symlink);
        self.count_owner(entry, is_owned)
    }

    /// Sets the attributes of all directories, which must wait until nothing is made in them.
    pub(crate) fn finish(self) -> Result<UnpackSummary, LayerError> {
        let squashed = self.summary.squashed + self.tree.finish()?;
        Ok(UnpackSummary {
            squashed,
            ..self.summary
        })
    }

    fn count_owner(
        &mut self,
        entry: &Entry,
        is_owned: Result<bool, Errno>,
    ) -> Result<(), LayerError> {
        let is_owned = is_owned.map_err(self.root.error("set the attributes of", &entry.path))?;
        self.summary.squashed += u64::from(!is_owned);
        Ok(())
    }

    /// The entry for the directory itself.
    fn top(&mut self, entry: &Entry) -> Result<(), LayerError> {
        if entry.kind != EntryKind::Directory {
            return Err(LayerError::UnsafeName {
                path: to_path(b"/"),
            });
        }
        self.summary.directories += 1;
        self.tree.set_later(b"", Attributes::of(entry));
        Ok(())
    }

    /// Whether a symlink is left out because there is a directory, as dpkg does it.
    fn keeps_directory(
        &self,
        entry: &Entry,
        parent: &OwnedFd,
        name: &[u8],
    ) -> Result<bool, LayerError> {
        if !self.options.keep_directory_symlinks || !matches!(entry.kind, EntryKind::Symlink(_)) {
            return Ok(false);
        }
        match stat(parent, name) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.root.error("inspect", &entry.path)(error)),
        }
    }

    /// Calls `make`, and again after it removed what was there.
    fn create<T>(
        &mut self,
        path: &[u8],
        parent: &OwnedFd,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, LayerError> {
        match make() {
            Err(Errno::EXIST) => {}
            result => return result.map_err(self.root.error("create", path)),
        }
        let (_, name) = split(path);
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {
                self.tree.forget(path);
                remove_tree(parent, name).map_err(self.root.error("remove", path))?;
            }
            removed => removed.map_err(self.root.error("remove", path))?,
        }
        make().map_err(self.root.error("create", path))
    }

    fn copy(
        &mut self,
        entry: &Entry,
        content: &mut EntryContent<'_>,
        file: &mut File,
    ) -> Result<(), LayerError> {
        let mut place = 0_u64;
        loop {
            let hole = content.skip_hole();
            if hole > 0 {
                place = place.saturating_add(hole);
                file.seek(SeekFrom::Start(place))
                    .map_err(self.root.error("write", &entry.path))?;
            }
            let n_read = match content.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|source| LayerError::Archive { source })?,
            };
            if n_read == 0 {
                // The file ends with a hole.
                if hole > 0 {
                    file.set_len(place)
                        .map_err(self.root.error("write", &entry.path))?;
                }
                break;
            }
            file.write_all(&self.buffer[..n_read])
                .map_err(self.root.error("write", &entry.path))?;
            place = place.saturating_add(u64::try_from(n_read).unwrap_or(u64::MAX));
        }
        if place == entry.size {
            Ok(())
        } else {
            Err(LayerError::Truncated {
                path: entry.to_path(),
            })
        }
    }

    fn hard_link(
        &mut self,
        entry: &Entry,
        parent: &OwnedFd,
        target: &[u8],
    ) -> Result<(), LayerError> {
        let missing = || LayerError::MissingTarget {
            path: entry.to_path(),
        };
        let (target_directory, target_name) = split(target);
        if target_name.is_empty() || target == entry.path {
            return Err(missing());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let target_parent = self
            .root
            .open_inside(target_directory, flags)
            .map_err(|_| missing())?;
        let found = stat(&target_parent, target_name).map_err(|_| missing())?;
        let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        if is_directory || is_whiteout(&found) {
            return Err(missing());
        }
        let (_, name) = split(&entry.path);
        self.create(&entry.path, parent, || {
            rustix::fs::linkat(&target_parent, target_name, parent, name, AtFlags::empty())
        })
    }

    fn device(
        &mut self,
        entry: &Entry,
        parent: &OwnedFd,
        file_type: FileType,
        (major, minor): (u32, u32),
    ) -> Result<(), LayerError> {
        if self.options.devices == Devices::Refuse {
            return Err(LayerError::Device {
                path: entry.to_path(),
            });
        }
        self.node(
            &entry.path,
            parent,
            file_type,
            rustix::fs::makedev(major, minor),
        )
    }

    fn node(
        &mut self,
        path: &[u8],
        parent: &OwnedFd,
        file_type: FileType,
        device: Dev,
    ) -> Result<(), LayerError> {
        let (_, name) = split(path);
        self.create(path, parent, || {
            rustix::fs::mknodat(parent, name, file_type, Mode::from_raw_mode(0o600), device)
        })
    }

    /// Removes `.wh.<name>`'s name from what is below, in overlayfs' way.
    fn whiteout(
        &mut self,
        directory: &[u8],
        parent: &OwnedFd,
        whiteout: &[u8],
    ) -> Result<(), LayerError> {
        if whiteout == OPAQUE {
            self.summary.whiteouts += 1;
            return self.tree.make_opaque(directory);
        }
        if whiteout.starts_with(AUFS) {
            return Ok(());
        }
        let name = &whiteout[WHITEOUT.len()..];
        let path = [directory, b"/", name].concat();
        if matches!(name, b"" | b"." | b"..") {
            return Err(LayerError::UnsafeName {
                path: to_path(&path),
            });
        }
        self.summary.whiteouts += 1;
        let kind = FileType::CharacterDevice;
        match rustix::fs::mknodat(parent, name, kind, Mode::empty(), 0) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => self.whiteout_below(&path, parent, name),
            Err(error) => Err(self.root.error("create the whiteout", &path)(error)),
        }
    }

    /// A layer's own files are not removed by its whiteouts; only what is below them is.
    fn whiteout_below(
        &mut self,
        path: &[u8],
        parent: &OwnedFd,
        name: &[u8],
    ) -> Result<(), LayerError> {
        let found = stat(parent, name).map_err(self.root.error("inspect", path))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return self
                .tree
                .make_opaque(path.strip_prefix(b"/").unwrap_or(path));
        }
        Ok(())
    }
}

fn create_file(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
}
