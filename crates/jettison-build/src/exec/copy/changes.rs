//! What a copy changes, before it is written anywhere.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::Bound;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exec::files::{Files, Lookup, Node, bytes};
use crate::exec::merged::Merged;

/// Tells the inodes of different changes apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A layer that is on no disk yet.
#[derive(Debug)]
pub(crate) struct Changes {
    // Invariant: every directory of a key but the top is a key too. The key of a directory ends in a slash, so that
    // the keys are in the order of a layer's entries.
    entries: BTreeMap<Vec<u8>, Change>,
    files: Vec<Node>,
    number: u64,
}

/// What is at one path.
#[derive(Debug)]
pub(crate) enum Change {
    // Hardly one in a hundred is one, and there may be a million.
    Directory(Box<ChangedDirectory>),
    /// A name of the file of this number.
    File(usize),
}

/// What a path is in the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangedPath {
    /// Anything but a directory.
    File,
    Directory,
    /// A directory that hides what the layers below have in it.
    Emptied,
}

/// A directory of the changes.
#[derive(Debug)]
pub(crate) struct ChangedDirectory {
    /// Its attributes, and where its extended attributes are.
    pub(crate) node: Node,
    pub(crate) below: Below,
}

/// What is seen in a changed directory beside the changes.
#[derive(Debug)]
pub(crate) enum Below {
    /// What the layers below have in it.
    Seen,
    /// Nothing: they have no directory there.
    Nothing,
    /// Nothing, though they have a directory there, with these names in it.
    Hidden(Vec<OsString>),
}

impl Changes {
    fn new() -> Changes {
        Changes {
            entries: BTreeMap::new(),
            files: Vec::new(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The changes in the order of a layer's entries. The path of a directory ends in a slash.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], &Change)> {
        self.entries
            .iter()
            .map(|(path, change)| (path.as_slice(), change))
    }

    /// Every path that is changed, without a slash at its end.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&[u8], ChangedPath)> {
        self.entries().map(|(path, change)| match change {
            Change::File(_) => (path, ChangedPath::File),
            Change::Directory(directory) => {
                let kind = match directory.below {
                    Below::Hidden(_) => ChangedPath::Emptied,
                    Below::Seen | Below::Nothing => ChangedPath::Directory,
                };
                (path.strip_suffix(b"/").unwrap_or(path), kind)
            }
        })
    }

    /// The file of a number.
    pub(crate) fn file(&self, number: usize) -> &Node {
        &self.files[number]
    }

    /// What there is at `path`.
    pub(crate) fn node(&self, path: &Path) -> Option<Node> {
        if let Some(change) = self.entries.get(bytes(path)) {
            return Some(self.node_of(change));
        }
        let change = self.entries.get(&directory_key(path))?;
        Some(self.node_of(change))
    }

    /// Whether the directory `path` hides what is below.
    pub(crate) fn is_opaque(&self, path: &Path) -> bool {
        match self.entries.get(&directory_key(path)) {
            Some(Change::Directory(directory)) => match directory.below {
                Below::Hidden(_) => true,
                Below::Seen | Below::Nothing => false,
            },
            Some(Change::File(_)) | None => false,
        }
    }

    /// What is in the directory `path`, in no certain order.
    pub(crate) fn children(&self, path: &Path) -> Vec<(OsString, Node)> {
        let start = match bytes(path) {
            b"" => Vec::new(),
            _ => directory_key(path),
        };
        let mut children = Vec::new();
        let mut from = Bound::Excluded(start.clone());
        loop {
            let mut rest: Range<'_, _, _> = self
                .entries
                .range::<Vec<u8>, _>((from.as_ref(), Bound::Unbounded));
            let Some((key, change)) = rest.next() else {
                return children;
            };
            let Some(name) = key.strip_prefix(start.as_slice()) else {
                return children;
            };
            let (name, after) = match name.strip_suffix(b"/") {
                // `0` is what follows the slash.
                Some(name) => (name, [&key[..key.len() - 1], b"0"].concat()),
                None => (name, [key, &[0][..]].concat()),
            };
            children.push((OsStr::from_bytes(name).to_owned(), self.node_of(change)));
            from = Bound::Included(after);
        }
    }

    fn node_of(&self, change: &Change) -> Node {
        match change {
            Change::Directory(directory) => directory.node.clone(),
            Change::File(number) => {
                let mut node = self.files[*number].clone();
                let number = u64::try_from(*number).unwrap_or(u64::MAX);
                node.meta.inode = (u64::MAX - self.number, number);
                node
            }
        }
    }
}

/// Changes in the making, on top of the layers that they change.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    below: &'a Merged,
    changes: Changes,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(below: &'a Merged) -> Draft<'a> {
        Draft {
            below,
            changes: Changes::new(),
        }
    }

    pub(crate) fn finish(self) -> Changes {
        self.changes
    }

    /// Adds a file without a name.
    pub(crate) fn add(&mut self, mut node: Node) -> usize {
        node.meta.n_names = 0;
        self.changes.files.push(node);
        self.changes.files.len() - 1
    }

    /// The file of a number, to be changed.
    pub(crate) fn file_mut(&mut self, number: usize) -> &mut Node {
        &mut self.changes.files[number]
    }

    /// The file that `path` is a name of. A file of the layers below becomes one of the changes.
    pub(crate) fn file_at(&mut self, path: &Path) -> io::Result<Option<usize>> {
        if let Some(Change::File(number)) = self.changes.entries.get(bytes(path)) {
            return Ok(Some(*number));
        }
        match self.node(path)? {
            Some(node) if !node.meta.is_dir() => {
                let number = self.add(node);
                self.name(path, number)?;
                Ok(Some(number))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Gives a file the name `path`, in the place of what has it. The directory of the name has to exist.
    pub(crate) fn name(&mut self, path: &Path, number: usize) -> io::Result<()> {
        self.keep_parents(path)?;
        self.remove(path);
        self.changes.files[number].meta.n_names += 1;
        let key = bytes(path).to_vec();
        self.changes.entries.insert(key, Change::File(number));
        Ok(())
    }

    /// Makes a directory in the place of what is at `path`. The directory that it is made in has to exist.
    pub(crate) fn make_directory(&mut self, path: &Path, node: Node) -> io::Result<()> {
        self.keep_parents(path)?;
        let may_cover = match self.nearest(path) {
            Below::Seen | Below::Hidden(_) => true,
            Below::Nothing => false,
        };
        let covered = if may_cover {
            self.below.node(path)?
        } else {
            None
        };
        let below = match covered {
            Some(covered) if covered.meta.is_dir() => {
                let names = self.below.list(path)?.into_iter();
                Below::Hidden(names.map(|(name, _)| name).collect())
            }
            Some(_) | None => Below::Nothing,
        };
        self.remove(path);
        let directory = ChangedDirectory { node, below };
        let change = Change::Directory(Box::new(directory));
        self.changes.entries.insert(directory_key(path), change);
        Ok(())
    }

    /// The directory `path`, to be changed; nothing for the top, which no layer says anything of. It has to exist.
    pub(crate) fn directory_mut(
        &mut self,
        path: &Path,
    ) -> io::Result<Option<&mut ChangedDirectory>> {
        self.keep(path)?;
        match self.changes.entries.get_mut(&directory_key(path)) {
            Some(Change::Directory(directory)) => Ok(Some(directory)),
            Some(Change::File(_)) | None => Ok(None),
        }
    }

    fn keep_parents(&mut self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.keep(parent))
    }

    /// Takes the directory `path` and those that it is in over from the layers below.
    fn keep(&mut self, path: &Path) -> io::Result<()> {
        let key = directory_key(path);
        if bytes(path).is_empty() || self.changes.entries.contains_key(&key) {
            return Ok(());
        }
        self.keep_parents(path)?;
        let node = match self.node(path)? {
            Some(node) if node.meta.is_dir() => node,
            Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let directory = ChangedDirectory {
            node,
            below: Below::Seen,
        };
        let change = Change::Directory(Box::new(directory));
        self.changes.entries.insert(key, change);
        Ok(())
    }

    /// Forgets the changes at `path` and below it.
    pub(crate) fn remove(&mut self, path: &Path) {
        self.forget(bytes(path));
        let start = directory_key(path);
        if !self.changes.entries.contains_key(&start) {
            return;
        }
        let keys = self.changes.entries.range(start.clone()..);
        let inside = keys.take_while(|(key, _)| key.starts_with(&start));
        let inside: Vec<Vec<u8>> = inside.map(|(key, _)| key.clone()).collect();
        for key in inside {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(Change::File(number)) = self.changes.entries.remove(key) {
            self.changes.files[number].meta.n_names -= 1;
        }
    }

    /// What is seen of the layers below in the directory that `path` is in.
    fn nearest(&self, path: &Path) -> &Below {
        for parent in path.ancestors().skip(1) {
            if self.changes.entries.contains_key(bytes(parent)) {
                return &Below::Nothing;
            }
            if let Some(Change::Directory(directory)) =
                self.changes.entries.get(&directory_key(parent))
            {
                return &directory.below;
            }
        }
        &Below::Seen
    }
}

impl Lookup for Draft<'_> {
    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        if let Some(node) = self.changes.node(path) {
            return Ok(Some(node));
        }
        match self.nearest(path) {
            Below::Seen => self.below.node(path),
            Below::Nothing | Below::Hidden(_) => Ok(None),
        }
    }
}

/// The key of the directory `path`.
fn directory_key(path: &Path) -> Vec<u8> {
    [bytes(path), b"/"].concat()
}

/// The path of a key.
pub(crate) fn path_of(key: &[u8]) -> PathBuf {
    let path = key.strip_suffix(b"/").unwrap_or(key);
    PathBuf::from(OsString::from_vec(path.to_vec()))
}
