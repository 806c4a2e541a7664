//! What a walk has found: a table, sorted, small.
//!
//! Invariant of a table: the nodes are in the order of a walk that lists a directory's names by their bytes and goes
//! into each directory at once, so that everything below a node stands right behind it, up to the node's `end`.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::file_digest::FileDigest;
use rustix::fs::{FileType, Stat};

use crate::context::identity::{FileIdentity, FileTime};

/// A file or directory of the context, and all that the context has below it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Entries {
    table: Arc<Table>,
    first: usize,
}

/// What a walk knows of a path.
#[derive(Debug)]
pub(super) enum Walked {
    /// It has not come by there.
    Elsewhere,
    /// The context has nothing there.
    Nothing,
    Found(Entries),
}

/// What one walk has found.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Where the walk began: a path below the context's root, without a slash at its start.
    pub(super) base: Vec<u8>,
    pub(super) nodes: Vec<Node>,
    /// All names, one after the other.
    pub(super) names: Vec<u8>,
    /// The targets of links.
    pub(super) targets: Vec<Box<[u8]>>,
    /// What the extended attributes of directories hash to.
    pub(super) attributes: Vec<FileDigest>,
}

/// A file or directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// In bytes; of a device its number.
    pub(super) size: u64,
    // The seconds and nanoseconds of both times, apart, because there are many nodes.
    pub(super) mtime: i64,
    pub(super) ctime: i64,
    pub(super) mtime_nanoseconds: u32,
    pub(super) ctime_nanoseconds: u32,
    pub(super) parent: u32,
    /// The node after all that is below this one.
    pub(super) end: u32,
    pub(super) name: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Where a link's target or a directory's attributes are, counted from 1.
    pub(super) extra: u32,
    pub(super) name_length: u16,
    pub(super) mode: u16,
    pub(super) kind: EntryKind,
    pub(super) has_other_names: bool,
}

/// What something in the context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A socket, which is copied as an empty file (fsutil: `mkstat`, stat.go).
    Socket,
}

impl EntryKind {
    /// `None` if the kernel has not told.
    pub fn of(kind: FileType) -> Option<EntryKind> {
        Some(match kind {
            FileType::Directory => EntryKind::Directory,
            FileType::RegularFile => EntryKind::File,
            FileType::Symlink => EntryKind::Link,
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharacterDevice,
            FileType::BlockDevice => EntryKind::BlockDevice,
            FileType::Socket => EntryKind::Socket,
            FileType::Unknown => return None,
        })
    }
}

/// One line of [`Entries`].
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    entries: &'a Entries,
    node: usize,
}

impl Node {
    pub(super) fn new(kind: EntryKind, stat: &Stat) -> Node {
        let identity = FileIdentity::of(stat);
        let is_device = matches!(kind, EntryKind::CharacterDevice | EntryKind::BlockDevice);
        Node {
            device: identity.device,
            inode: identity.inode,
            size: if is_device {
                stat.st_rdev
            } else {
                identity.size
            },
            mtime: identity.mtime.seconds,
            ctime: identity.ctime.seconds,
            mtime_nanoseconds: identity.mtime.nanoseconds,
            ctime_nanoseconds: identity.ctime.nanoseconds,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: (stat.st_mode & 0o7777) as u16,
            kind,
            has_other_names: kind == EntryKind::File && stat.st_nlink > 1,
            ..Node::unknown_directory()
        }
    }

    /// A directory that has not been looked at.
    pub(super) fn unknown_directory() -> Node {
        Node {
            device: 0,
            inode: 0,
            size: 0,
            mtime: 0,
            ctime: 0,
            mtime_nanoseconds: 0,
            ctime_nanoseconds: 0,
            parent: 0,
            end: 0,
            name: 0,
            uid: 0,
            gid: 0,
            extra: 0,
            name_length: 0,
            mode: 0,
            kind: EntryKind::Directory,
            has_other_names: false,
        }
    }

    fn mtime(&self) -> FileTime {
        FileTime {
            seconds: self.mtime,
            nanoseconds: self.mtime_nanoseconds,
        }
    }

    fn ctime(&self) -> FileTime {
        FileTime {
            seconds: self.ctime,
            nanoseconds: self.ctime_nanoseconds,
        }
    }
}

impl Table {
    pub(super) fn name(&self, node: usize) -> &[u8] {
        let Node {
            name, name_length, ..
        } = self.nodes[node];
        &self.names[name as usize..][..usize::from(name_length)]
    }

    /// The node at a path below `base`.
    fn find(&self, path: &Path) -> Option<usize> {
        let mut at = 0;
        for name in path {
            at = self.child(at, name.as_bytes())?;
        }
        Some(at)
    }

    fn child(&self, parent: usize, name: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (parent + 1, self.nodes[parent].end as usize);
        while low < high {
            let mut child = low.midpoint(high);
            while self.nodes[child].parent as usize != parent {
                child = self.nodes[child].parent as usize;
            }
            match self.name(child).cmp(name) {
                Ordering::Less => low = self.nodes[child].end as usize,
                Ordering::Equal => return Some(child),
                Ordering::Greater => high = child,
            }
        }
        None
    }
}

impl Entries {
    /// All of a table, which is not empty.
    pub(super) fn of(table: Arc<Table>) -> Entries {
        Entries { table, first: 0 }
    }

    /// What `path`, below the context's root, is in these entries.
    pub(super) fn at(&self, path: &Path) -> Walked {
        let base = Path::new(OsStr::from_bytes(&self.table.base));
        let Ok(below) = path.strip_prefix(base) else {
            return Walked::Elsewhere;
        };
        match self.table.find(below) {
            Some(first) => Walked::Found(Entries {
                table: Arc::clone(&self.table),
                first,
            }),
            None => Walked::Nothing,
        }
    }

    /// How many there are, the first included.
    pub fn n_entries(&self) -> usize {
        self.end() - self.first
    }

    /// What the walk was asked for; its own path is empty.
    pub fn root(&self) -> Entry<'_> {
        self.get(0)
    }

    /// The entry `index`, which is below [`Entries::n_entries`].
    pub fn get(&self, index: usize) -> Entry<'_> {
        let node = self.first + index;
        Entry {
            entries: self,
            node,
        }
    }

    /// Everything, each directory before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.n_entries()).map(|index| self.get(index))
    }

    /// Calls `see` with everything and its path below the first, which costs less than asking each for it.
    pub fn each<E>(&self, mut see: impl FnMut(Entry<'_>, &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut path: Vec<u8> = Vec::new();
        // The directories that the walk is in: the node after each, and the length of its path.
        let mut open: Vec<(usize, usize)> = Vec::new();
        for entry in self.iter() {
            while open.pop_if(|(end, _)| entry.node >= *end).is_some() {}
            path.truncate(open.last().map_or(0, |(_, length)| *length));
            if entry.node != self.first {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend(self.table.name(entry.node));
            }
            see(entry, &path)?;
            if entry.kind() == EntryKind::Directory {
                open.push((entry.node().end as usize, path.len()));
            }
        }
        Ok(())
    }

    fn end(&self) -> usize {
        self.table.nodes[self.first].end as usize
    }
}

impl<'a> Entry<'a> {
    fn node(&self) -> &'a Node {
        &self.entries.table.nodes[self.node]
    }

    /// Its number among the entries; what is in a directory comes after it.
    pub fn index(&self) -> usize {
        self.node - self.entries.first
    }

    /// The number after all that is below it.
    pub fn end(&self) -> usize {
        self.node().end as usize - self.entries.first
    }

    /// What it was when the walk came by.
    pub fn kind(&self) -> EntryKind {
        self.node().kind
    }

    /// Its name; that of the context's root is empty.
    pub fn name(&self) -> &'a OsStr {
        OsStr::from_bytes(self.entries.table.name(self.node))
    }

    /// Permissions, set-ID and sticky bits. The context's root has 0755, whatever it has on disk, as it has in BuildKit,
    /// which receives only what is below it.
    pub fn mode(&self) -> u32 {
        u32::from(self.node().mode)
    }

    /// The owner's user and group IDs.
    pub fn owner(&self) -> (u32, u32) {
        (self.node().uid, self.node().gid)
    }

    /// In bytes, as it was when the walk came by.
    pub fn size(&self) -> u64 {
        self.node().size
    }

    /// The number of a device.
    pub fn device_number(&self) -> Option<u64> {
        let is_device = matches!(
            self.kind(),
            EntryKind::CharacterDevice | EntryKind::BlockDevice
        );
        is_device.then_some(self.node().size)
    }

    /// When it was modified.
    pub fn mtime(&self) -> FileTime {
        self.node().mtime()
    }

    /// What a link points to; empty for anything else.
    pub fn target(&self) -> &'a OsStr {
        let extra = self.node().extra as usize;
        let target = match self.kind() {
            EntryKind::Link => self.entries.table.targets.get(extra.wrapping_sub(1)),
            EntryKind::Directory
            | EntryKind::File
            | EntryKind::Fifo
            | EntryKind::CharacterDevice
            | EntryKind::BlockDevice
            | EntryKind::Socket => None,
        };
        OsStr::from_bytes(target.map_or(&[], |target| target))
    }

    /// What a directory's extended attributes hash to, if it has some that belong to its content.
    pub(crate) fn directory_attributes(&self) -> Option<FileDigest> {
        if self.kind() != EntryKind::Directory {
            return None;
        }
        let extra = self.node().extra as usize;
        self.entries
            .table
            .attributes
            .get(extra.wrapping_sub(1))
            .copied()
    }

    /// What it is known by as long as its content stays.
    pub fn identity(&self) -> FileIdentity {
        let node = self.node();
        FileIdentity {
            device: node.device,
            inode: node.inode,
            size: node.size,
            mtime: node.mtime(),
            ctime: node.ctime(),
        }
    }

    /// Whether a regular file has more names than this one, in the context or elsewhere.
    pub fn has_other_names(&self) -> bool {
        self.node().has_other_names
    }

    /// Its path below the first entry, which has none itself.
    pub fn path(&self) -> PathBuf {
        self.path_from(self.entries.first, Vec::new())
    }

    /// Its path below the context's root.
    pub fn context_path(&self) -> PathBuf {
        let base = self.entries.table.base.clone();
        self.path_from(0, base)
    }

    fn path_from(&self, first: usize, mut path: Vec<u8>) -> PathBuf {
        let table = &self.entries.table;
        let mut names = Vec::new();
        let mut at = self.node;
        while at != first {
            names.push(table.name(at));
            at = table.nodes[at].parent as usize;
        }
        for name in names.into_iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(name);
        }
        PathBuf::from(OsString::from_vec(path))
    }
}
