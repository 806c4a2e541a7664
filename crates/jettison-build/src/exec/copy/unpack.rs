//! Unpacking archives where they belong, by the rules of moby/go-archive (`Unpack`, archive.go), which BuildKit calls with the
//! destination as its root: symbolic links mean there what they would mean if it were `/`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jettison_oci::{Entry, EntryContent, EntryKind, LayerError, TarFile};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::exec::attributes;
use crate::exec::copy::CopyFailure;
use crate::exec::copy::changes::{Draft, path_of};
use crate::exec::copy::owner::Owner;
use crate::exec::copy::place::{Placer, ROOT, write_error};
use crate::exec::files::{FileKind, Lookup, Meta, Node, Opened, Origin, resolve, shown};

/// How many bytes are copied at once.
const COPY_SIZE: usize = 128 << 10;

/// A file without a name that holds the contents of unpacked files until they are written where they belong.
#[derive(Debug)]
pub(crate) struct Spool {
    file: Arc<File>,
    end: u64,
}

impl Spool {
    /// Makes one in `directory`.
    fn new(directory: &Path) -> io::Result<Spool> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let opened = match rustix::fs::openat(CWD, directory, flags | OFlags::TMPFILE, mode) {
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
                let path = directory.join("unpacked");
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                let opened = rustix::fs::openat(CWD, &path, flags, mode)?;
                std::fs::remove_file(&path)?;
                opened
            }
            other => other?,
        };
        Ok(Spool {
            file: Arc::new(File::from(opened)),
            end: 0,
        })
    }

    /// Keeps the content of an entry. Holes stay holes.
    fn keep(&mut self, entry: &Entry, content: &mut EntryContent<'_>) -> io::Result<Origin> {
        let start = self.end;
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(start))?;
        let mut buffer = vec![0; COPY_SIZE];
        let mut kept = 0_u64;
        loop {
            let hole = content.skip_hole();
            file.seek_relative(i64::try_from(hole).unwrap_or(i64::MAX))?;
            kept = kept.saturating_add(hole);
            let length = content.read(&mut buffer)?;
            if length == 0 && hole == 0 {
                break;
            }
            file.write_all(&buffer[..length])?;
            kept = kept.saturating_add(u64::try_from(length).unwrap_or_default());
        }
        if kept != entry.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end = start.saturating_add(kept);
        self.file.set_len(self.end)?;
        Ok(Origin::Piece(Arc::clone(&self.file), start))
    }
}

/// A directory of a draft as a root of its own.
#[derive(Debug)]
struct Inner<'a> {
    draft: &'a Draft<'a>,
    root: &'a Path,
}

impl Lookup for Inner<'_> {
    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        self.draft.node(&self.root.join(path))
    }
}

impl Placer<'_> {
    /// Unpacks `opened` into `destination` if it is an archive; whether it was one.
    pub(crate) fn unpack(
        &mut self,
        opened: Opened,
        destination: &Path,
        scratch: &Path,
    ) -> Result<bool, CopyFailure> {
        let Some(archive) = TarFile::open(opened.content.take(opened.size)) else {
            return Ok(false);
        };
        let root = self.real(destination)?;
        self.make_directories(&root, 0o755, self.owner)?;
        let mut spool = Spool::new(scratch).map_err(write_error(scratch))?;
        // The archive's own errors and ours come the same way; ours is kept here.
        let mut failure = None;
        let read = archive.each_entry(|entry, content| {
            self.unpack_entry(&root, &entry, content, &mut spool)
                .map_err(|error| {
                    failure = Some(error);
                    LayerError::Truncated {
                        path: path_of(&entry.path),
                    }
                })
        });
        match (read, failure) {
            (Ok(()), _) => Ok(true),
            (Err(_), Some(failure)) => Err(failure),
            (Err(error), None) => Err(CopyFailure::Archive(error)),
        }
    }

    fn unpack_entry(
        &mut self,
        root: &Path,
        entry: &Entry,
        content: &mut EntryContent<'_>,
        spool: &mut Spool,
    ) -> Result<(), CopyFailure> {
        let path = path_of(&entry.path);
        let Some(name) = path.file_name() else {
            // The destination itself keeps what it has.
            return Ok(());
        };
        let parent = self.parent(root, &path)?;
        self.make_directories(&parent, 0o755, Some(ROOT))?;
        let target = parent.join(name);
        if let Some(gone) = name.as_bytes().strip_prefix(b".wh.") {
            // In a layer it would say that the other file is gone, and in BuildKit's it does.
            self.draft.remove(&parent.join(OsStr::from_bytes(gone)));
            return Ok(());
        }
        let failed = write_error(&target);
        let node = |meta: Meta, origin| Node {
            meta,
            origin,
            xattrs: Some(Arc::new(attributes::of_content(&entry.xattrs))),
        };
        let nothing = || Origin::Text(Arc::default());
        let (kind, origin) = match &entry.kind {
            EntryKind::Directory => {
                let node = node(self.meta_of(entry, FileKind::Directory), nothing());
                return self.unpack_directory(&target, node);
            }
            EntryKind::HardLink(first) => return self.unpack_link(root, entry, first, &target),
            EntryKind::File => {
                let origin = spool.keep(entry, content).map_err(failed)?;
                (FileKind::File, origin)
            }
            EntryKind::Symlink(target) => {
                (FileKind::Symlink, Origin::Text(target.as_slice().into()))
            }
            EntryKind::Fifo => (FileKind::Fifo, nothing()),
            EntryKind::CharDevice(..) => (FileKind::CharDevice, nothing()),
            EntryKind::BlockDevice(..) => (FileKind::BlockDevice, nothing()),
        };
        let number = self.draft.add(node(self.meta_of(entry, kind), origin));
        self.draft
            .name(&target, number)
            .map_err(write_error(&target))
    }

    fn unpack_directory(&mut self, target: &Path, node: Node) -> Result<(), CopyFailure> {
        let existing = self.node(target)?;
        let made = if existing.is_some_and(|existing| existing.meta.is_dir()) {
            self.draft.directory_mut(target).map(|directory| {
                if let Some(directory) = directory {
                    directory.node = node;
                }
            })
        } else {
            self.draft.make_directory(target, node)
        };
        made.map_err(write_error(target))
    }

    /// Gives a file one more name. The attributes that the archive has for it become those of the file.
    fn unpack_link(
        &mut self,
        root: &Path,
        entry: &Entry,
        first: &[u8],
        target: &Path,
    ) -> Result<(), CopyFailure> {
        let first = path_of(first);
        let missing = || {
            let inner = target.strip_prefix(root).unwrap_or(target);
            let (target, first) = (shown(inner), shown(&first));
            let message = format!("link {first} {target}: no such file or directory");
            CopyFailure::Refused(message)
        };
        let name = first.file_name().ok_or_else(missing)?;
        let directory = self.inside(root, first.parent().unwrap_or(Path::new("")))?;
        let first_path = directory.join(name);
        if first_path == target {
            return Err(missing());
        }
        let number = self.draft.file_at(&first_path);
        let number = number.map_err(write_error(&first_path))?;
        let number = number.ok_or_else(missing)?;
        let kind = self.draft.file_mut(number).meta.kind;
        let meta = self.meta_of(entry, kind);
        let file = self.draft.file_mut(number);
        let mode = match kind {
            FileKind::Symlink => file.meta.mode,
            FileKind::Directory
            | FileKind::File
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => meta.mode,
        };
        (file.meta.mode, file.meta.mtime) = (mode, meta.mtime);
        (file.meta.uid, file.meta.gid) = (meta.uid, meta.gid);
        self.draft.name(target, number).map_err(write_error(target))
    }

    /// The directory of `path`, which has no links in it then. It is made if it is missing, but not where a link leads to
    /// nothing (moby/go-archive: `createImpliedDirectories`).
    fn parent(&self, root: &Path, path: &Path) -> Result<PathBuf, CopyFailure> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let real = self.inside(root, parent)?;
        if let (Some(above), Some(name)) = (parent.parent(), parent.file_name())
            && self.node(&real)?.is_none()
        {
            let named = self.inside(root, above)?.join(name);
            if self.node(&named)?.is_some() {
                let message = format!("open {}: no such file or directory", shown(path));
                return Err(CopyFailure::Refused(message));
            }
        }
        Ok(real)
    }

    /// Where a path of the archive is, which has no links in it then.
    fn inside(&self, root: &Path, path: &Path) -> Result<PathBuf, CopyFailure> {
        let inner = Inner {
            draft: &self.draft,
            root,
        };
        let real = resolve(&inner, path).map_err(write_error(path))?;
        Ok(root.join(real))
    }

    fn meta_of(&self, entry: &Entry, kind: FileKind) -> Meta {
        let Owner { uid, gid } = self.owner.unwrap_or(Owner {
            uid: entry.uid,
            gid: entry.gid,
        });
        let device = match entry.kind {
            EntryKind::CharDevice(major, minor) | EntryKind::BlockDevice(major, minor) => {
                (major, minor)
            }
            EntryKind::File
            | EntryKind::HardLink(_)
            | EntryKind::Symlink(_)
            | EntryKind::Directory
            | EntryKind::Fifo => (0, 0),
        };
        let mode = match kind {
            FileKind::Symlink => 0o777,
            FileKind::Directory
            | FileKind::File
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => entry.mode & 0o7777,
        };
        Meta {
            uid,
            gid,
            // Times before 1970 are not kept (moby/go-archive: `boundTime`).
            mtime: if entry.mtime.0 < 0 {
                (0, 0)
            } else {
                entry.mtime
            },
            has_whole_seconds: true,
            size: match kind {
                FileKind::File => entry.size,
                FileKind::Directory
                | FileKind::Symlink
                | FileKind::Fifo
                | FileKind::CharDevice
                | FileKind::BlockDevice
                | FileKind::Socket => 0,
            },
            device,
            ..Meta::new(kind, mode)
        }
    }
}
