//! Files as a copy sees them: what they are, and where their contents are read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::context::{Entry, EntryKind, FileIdentity, FileTime};
use crate::exec::attributes;

/// As many links as BuildKit follows in one path (containerd/continuity, fs/path.go: `walkLink`).
const MOST_LINKS: usize = 255;
/// How often an opening is tried again when directories are being renamed meanwhile.
const TRIES: usize = 16;

/// Extended attributes by name.
pub(crate) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Directory,
    File,
    Symlink,
    Fifo,
    CharDevice,
    BlockDevice,
    Socket,
}

/// What is known of a file without opening it.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(crate) kind: FileKind,
    /// Permissions, at most `0o7777`.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970, and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// Whether a copy has whole seconds, as the layer has them: what comes from outside is then the same before and after a push.
    /// What a step has made has more until then, and so has a copy of it.
    pub(crate) has_whole_seconds: bool,
    /// When anything of it was changed, as the disk says.
    pub(crate) ctime: (i64, u32),
    /// The size of a regular file in bytes.
    pub(crate) size: u64,
    /// The numbers of a device, major and minor.
    pub(crate) device: (u32, u32),
    /// What is the same for all names of one file: the numbers of the disk and of the file.
    pub(crate) inode: (u64, u64),
    /// How many names the file has; 2 stands for more.
    pub(crate) n_names: u64,
}

/// Where the content of a file, or the target of a symbolic link, is.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// In a directory on disk, at this path without symbolic links, as this file.
    Disk(Arc<Root>, PathBuf, Expected),
    /// Here.
    Text(Arc<[u8]>),
    /// In a piece of a file, from this position on.
    Piece(Arc<File>, u64),
}

/// What a file on disk must be when it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The numbers of the disk and of the file.
    inode: (u64, u64),
    /// When anything of it was changed, if it must not change any more: a key may already say what it holds.
    ctime: Option<(i64, u32)>,
}

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) meta: Meta,
    pub(crate) origin: Origin,
    /// Its extended attributes, if they are not to be read from the origin.
    pub(crate) xattrs: Option<Arc<Xattrs>>,
}

/// Where files are found by their paths, which are relative to a top, have no symbolic links in their directories,
/// and are empty for the top.
pub(crate) trait Lookup: Debug + Sync {
    /// What is at `path`, if anything; a symbolic link is not followed.
    fn node(&self, path: &Path) -> io::Result<Option<Node>>;
}

/// A tree of files that can be walked through.
pub(crate) trait Files: Lookup {
    /// What is in the directory `path`, sorted by the bytes of the names.
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Node)>>;
}

/// A directory that nothing is opened outside of.
#[derive(Debug)]
pub(crate) struct Root {
    handle: OwnedFd,
}

impl Root {
    /// Opens the directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Root { handle })
    }

    /// Opens `path` if there is no symbolic link on the way to it, nor at its end.
    pub(crate) fn exact(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let empty = path.as_os_str().is_empty();
        let path = if empty { Path::new(".") } else { path };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let mut result = Err(Errno::AGAIN);
        for _ in 0..TRIES {
            result = rustix::fs::openat2(&self.handle, path, flags, Mode::empty(), resolve);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// Opens the directory `path` to look into it.
    pub(crate) fn directory(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.exact(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// What is at `path`; nothing if a directory on the way is missing or none.
    pub(crate) fn stat(&self, path: &Path) -> Result<Option<Stat>, Errno> {
        let found = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self
                .exact(parent, OFlags::PATH | OFlags::DIRECTORY)
                .and_then(|parent| rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)),
            _ => rustix::fs::fstat(&self.handle),
        };
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Meta {
    pub(crate) fn of(stat: &Stat) -> Meta {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::CharacterDevice => FileKind::CharDevice,
            FileType::BlockDevice => FileKind::BlockDevice,
            FileType::Socket => FileKind::Socket,
            FileType::RegularFile | FileType::Unknown => FileKind::File,
        };
        let size = match kind {
            FileKind::File => u64::try_from(stat.st_size).unwrap_or_default(),
            FileKind::Directory
            | FileKind::Symlink
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => 0,
        };
        Meta {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (
                stat.st_mtime,
                u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
            ),
            has_whole_seconds: false,
            ctime: (
                stat.st_ctime,
                u32::try_from(stat.st_ctime_nsec).unwrap_or_default(),
            ),
            size,
            device: (
                rustix::fs::major(stat.st_rdev),
                rustix::fs::minor(stat.st_rdev),
            ),
            inode: (stat.st_dev, stat.st_ino),
            n_names: if stat.st_nlink > 1 { 2 } else { 1 },
        }
    }

    /// A file of root that has one name and is from 1970.
    pub(crate) fn new(kind: FileKind, mode: u32) -> Meta {
        Meta {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            has_whole_seconds: false,
            ctime: (0, 0),
            size: 0,
            device: (0, 0),
            inode: (0, 0),
            n_names: 1,
        }
    }

    /// What a walk through the context has found.
    pub(crate) fn of_entry(entry: &Entry<'_>) -> Meta {
        let kind = match entry.kind() {
            EntryKind::Directory => FileKind::Directory,
            EntryKind::File | EntryKind::Socket => FileKind::File,
            EntryKind::Link => FileKind::Symlink,
            EntryKind::Fifo => FileKind::Fifo,
            EntryKind::CharacterDevice => FileKind::CharDevice,
            EntryKind::BlockDevice => FileKind::BlockDevice,
        };
        let identity = entry.identity();
        let device = entry.device_number().unwrap_or_default();
        Meta {
            kind,
            mode: entry.mode(),
            uid: 0,
            gid: 0,
            mtime: (identity.mtime.seconds, identity.mtime.nanoseconds),
            has_whole_seconds: true,
            ctime: (identity.ctime.seconds, identity.ctime.nanoseconds),
            size: match kind {
                FileKind::File if entry.kind() == EntryKind::Socket => 0,
                FileKind::File => entry.size(),
                FileKind::Directory
                | FileKind::Symlink
                | FileKind::Fifo
                | FileKind::CharDevice
                | FileKind::BlockDevice
                | FileKind::Socket => 0,
            },
            device: (rustix::fs::major(device), rustix::fs::minor(device)),
            inode: (identity.device, identity.inode),
            n_names: 1 + u64::from(entry.has_other_names()),
        }
    }

    /// What a regular file on disk is known by.
    pub(crate) fn identity(&self) -> FileIdentity {
        let time = |(seconds, nanoseconds)| FileTime {
            seconds,
            nanoseconds,
        };
        FileIdentity {
            device: self.inode.0,
            inode: self.inode.1,
            size: self.size,
            mtime: time(self.mtime),
            ctime: time(self.ctime),
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

impl Node {
    /// What a context has at `path` below `root`, which must stay as it is.
    pub(crate) fn in_context(root: &Arc<Root>, path: PathBuf, meta: Meta) -> Node {
        let expected = Expected {
            inode: meta.inode,
            ctime: Some(meta.ctime),
        };
        Node {
            origin: Origin::Disk(Arc::clone(root), path, expected),
            meta,
            xattrs: None,
        }
    }

    /// What is at `path` below `root`.
    pub(crate) fn on_disk(root: &Arc<Root>, path: PathBuf, meta: Meta) -> Node {
        Node {
            origin: Origin::Disk(
                Arc::clone(root),
                path,
                Expected {
                    inode: meta.inode,
                    ctime: None,
                },
            ),
            meta,
            xattrs: None,
        }
    }

    /// A file that has its content here.
    pub(crate) fn of_text(text: &[u8], mode: u32) -> Node {
        let size = u64::try_from(text.len()).unwrap_or_default();
        Node {
            meta: Meta {
                size,
                ..Meta::new(FileKind::File, mode)
            },
            origin: Origin::Text(text.into()),
            xattrs: Some(Arc::default()),
        }
    }

    /// Where it is, for messages: a path below some top.
    pub(crate) fn shown(&self) -> PathBuf {
        match &self.origin {
            Origin::Disk(_, path, _) => path.clone(),
            Origin::Text(_) | Origin::Piece(..) => PathBuf::new(),
        }
    }

    /// The target of a symbolic link.
    pub(crate) fn target(&self) -> io::Result<Vec<u8>> {
        match &self.origin {
            Origin::Disk(root, path, _) => {
                let link = root.exact(path, OFlags::PATH)?;
                Ok(rustix::fs::readlinkat(link, "", Vec::new())?.into_bytes())
            }
            Origin::Text(target) => Ok(target.to_vec()),
            Origin::Piece(..) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Opens a regular file. Gives its content, which has exactly the size that is given too.
    pub(crate) fn open(&self) -> io::Result<Opened> {
        match &self.origin {
            Origin::Disk(root, path, expected) => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let handle = root.exact(path, flags)?;
                let meta = Meta::of(&rustix::fs::fstat(&handle)?);
                let is_same = expected.ctime.is_none_or(|ctime| ctime == meta.ctime);
                if meta.kind != FileKind::File || meta.inode != expected.inode || !is_same {
                    return Err(was_changed());
                }
                Ok(Opened {
                    size: meta.size,
                    content: Content::File(File::from(handle)),
                    stays: expected.ctime.map(|_| meta.identity()),
                })
            }
            Origin::Text(text) => Ok(Opened {
                size: self.meta.size,
                content: Content::Text(Arc::clone(text), 0),
                stays: None,
            }),
            Origin::Piece(file, start) => Ok(Opened {
                size: self.meta.size,
                content: Content::Piece {
                    file: Arc::clone(file),
                    at: *start,
                    end: start.saturating_add(self.meta.size),
                },
                stays: None,
            }),
        }
    }

    /// The extended attributes of a directory, or of a file that was opened as `opened`.
    pub(crate) fn read_xattrs(&self, opened: Option<&Opened>) -> io::Result<Arc<Xattrs>> {
        if let Some(xattrs) = &self.xattrs {
            return Ok(Arc::clone(xattrs));
        }
        if let Some(Opened {
            content: Content::File(file),
            ..
        }) = opened
        {
            return Ok(Arc::new(attributes::read(file)?));
        }
        match &self.origin {
            Origin::Disk(root, path, _) if self.meta.is_dir() => {
                Ok(Arc::new(attributes::read(root.directory(path)?)?))
            }
            Origin::Disk(..) | Origin::Text(_) | Origin::Piece(..) => Ok(Arc::default()),
        }
    }
}

/// A regular file that is being read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// How many bytes it has.
    pub(crate) size: u64,
    pub(crate) content: Content,
    /// What it was known by when it was opened, if it must stay so.
    stays: Option<FileIdentity>,
}

impl Opened {
    /// What a file of a context was known by when it was opened.
    pub(crate) fn identity(&self) -> Option<FileIdentity> {
        self.stays
    }

    /// Fails if the file was changed while it was read and must not be.
    pub(crate) fn check(&self) -> io::Result<()> {
        let (Content::File(file), Some(identity)) = (&self.content, self.stays) else {
            return Ok(());
        };
        if Meta::of(&rustix::fs::fstat(file)?).identity() == identity {
            Ok(())
        } else {
            Err(was_changed())
        }
    }
}

fn was_changed() -> io::Error {
    io::Error::other(
        "it was changed while the build was reading it; build again when nothing writes to it, or leave it out with `.dockerignore`",
    )
}

/// The content of a regular file.
#[derive(Debug)]
pub(crate) enum Content {
    File(File),
    Text(Arc<[u8]>, usize),
    Piece { file: Arc<File>, at: u64, end: u64 },
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::File(file) => file.read(buffer),
            Content::Text(text, at) => {
                let mut rest = text.get(*at..).unwrap_or_default();
                let length = rest.read(buffer)?;
                *at += length;
                Ok(length)
            }
            Content::Piece { file, at, end } => {
                let left = usize::try_from(end.saturating_sub(*at)).unwrap_or(usize::MAX);
                let wanted = left.min(buffer.len());
                let length = file.read_at(&mut buffer[..wanted], *at)?;
                *at += u64::try_from(length).unwrap_or_default();
                Ok(length)
            }
        }
    }
}

/// Where `path` leads to with every symbolic link followed. It need not exist: what is missing is taken for
/// no link (containerd/continuity, fs/path.go: `RootPath`).
pub(crate) fn resolve(files: &dyn Lookup, path: &Path) -> io::Result<PathBuf> {
    let mut real = PathBuf::new();
    // What is still to be looked at, the last first.
    let mut rest = names_of(path);
    let mut n_links = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            real.pop();
            continue;
        }
        let at = real.join(&name);
        match files.node(&at)? {
            Some(node) if node.meta.kind == FileKind::Symlink => {
                n_links += 1;
                if n_links > MOST_LINKS {
                    return Err(io::Error::other("too many links"));
                }
                let target = PathBuf::from(OsString::from_vec(node.target()?));
                if target.is_absolute() {
                    real = PathBuf::new();
                }
                rest.extend(names_of(&target));
            }
            _ => real = at,
        }
    }
    Ok(real)
}

/// The names in a path, the last first.
fn names_of(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    names
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// The names in a path below the top; `..` stops there.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

/// A path below the top as users write it.
pub(crate) fn shown(path: &Path) -> String {
    format!("/{}", path.display())
}

/// The bytes of a path.
pub(crate) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
