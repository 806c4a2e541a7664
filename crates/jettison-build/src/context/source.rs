//! Contexts as sources of copies.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jettison_oci::Digest;
use rustix::fs::{major, minor};

use crate::context::BuildContext;
use crate::context::entries::{Entry, EntryKind, Walked};
use crate::context::error::ContextError;
use crate::context::identity::{FileIdentity, FileTime};
use crate::context::index::{Content, ContentIndex};
use crate::context::tree::ContextTree;
use crate::error::BuildError;
use crate::exec::{Digests, FileKind, Files, Lookup, Meta, Node, Root, Xattrs};

/// The contexts of one build, each opened when it is needed first.
#[derive(Debug)]
pub(crate) struct OpenContexts<'a> {
    store_root: &'a Path,
    open: Mutex<Vec<Arc<OpenContext<'a>>>>,
}

/// A context that copies are made from.
#[derive(Debug)]
pub(crate) struct OpenContext<'a> {
    tree: ContextTree<'a>,
    index: ContentIndex,
    root: Arc<Root>,
    /// Before anything of it was looked at.
    opened: SystemTime,
    no_attributes: Arc<Xattrs>,
    /// What was read of files that the index does not take, because a change could go unseen.
    unsettled: Mutex<BTreeMap<(u64, u64), Digest>>,
}

impl<'a> OpenContexts<'a> {
    /// None is open yet. The indexes are below `store_root`.
    pub(crate) fn new(store_root: &'a Path) -> OpenContexts<'a> {
        OpenContexts {
            store_root,
            open: Mutex::default(),
        }
    }

    /// The open `context`.
    pub(crate) fn get(
        &self,
        context: &'a BuildContext,
    ) -> Result<Arc<OpenContext<'a>>, BuildError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |open: &&Arc<OpenContext<'_>>| std::ptr::eq(open.tree.context(), context);
        if let Some(known) = open.iter().find(is_it) {
            return Ok(Arc::clone(known));
        }
        let opened = OpenContext::open(context, self.store_root)
            .map_err(|source| BuildError::io("open", context.root(), source))?;
        let opened = Arc::new(opened);
        open.push(Arc::clone(&opened));
        Ok(opened)
    }

    /// Keeps what was found out about the contexts. Without that, the next build reads more.
    pub(crate) fn save(&self) -> io::Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = open.iter().map(|context| context.index.save());
        saved.fold(Ok(()), io::Result::and)
    }
}

impl<'a> OpenContext<'a> {
    fn open(context: &'a BuildContext, store_root: &Path) -> io::Result<OpenContext<'a>> {
        let opened = SystemTime::now();
        let tree = ContextTree::open(context)?;
        Ok(OpenContext {
            index: ContentIndex::open(store_root, context.root(), tree.root())?,
            root: Arc::new(Root::open(context.root())?),
            tree,
            opened,
            no_attributes: Arc::default(),
            unsettled: Mutex::default(),
        })
    }

    /// Something that a walk has found.
    fn node(&self, path: &Path, entry: &Entry<'_>) -> Node {
        let identity = entry.identity();
        let (uid, gid) = entry.owner();
        let number = entry.device_number().unwrap_or_default();
        let meta = Meta {
            kind: kind(entry.kind()),
            mode: entry.mode(),
            uid,
            gid,
            mtime: pair(identity.mtime),
            changed: Some(pair(identity.ctime)),
            size: identity.size,
            device: (major(number), minor(number)),
            inode: (identity.device, identity.inode),
            n_names: if entry.has_other_names() { 2 } else { 1 },
        };
        let has_none = match entry.kind() {
            EntryKind::Directory => entry.directory_attributes().is_none(),
            EntryKind::File
            | EntryKind::Link
            | EntryKind::Fifo
            | EntryKind::CharacterDevice
            | EntryKind::BlockDevice
            | EntryKind::Socket => false,
        };
        self.finish(path, meta, entry.kind(), has_none)
    }

    /// Makes a node of what is known of a file.
    fn finish(&self, path: &Path, meta: Meta, kind: EntryKind, has_no_attributes: bool) -> Node {
        let mut meta = meta;
        if path.as_os_str().is_empty() {
            // What BuildKit receives is in a new directory.
            (meta.mode, meta.mtime) = (0o755, (0, 0));
        }
        match kind {
            EntryKind::Socket => {
                let empty = Node::of_text(b"", meta.mode);
                let kind = FileKind::File;
                return Node {
                    meta: Meta {
                        kind,
                        size: 0,
                        ..meta
                    },
                    ..empty
                };
            }
            EntryKind::File
            | EntryKind::Directory
            | EntryKind::Link
            | EntryKind::Fifo
            | EntryKind::CharacterDevice
            | EntryKind::BlockDevice => {}
        }
        let is_plain = kind == EntryKind::File
            && self
                .index
                .get(&identity(&meta))
                .is_some_and(|content| content.attributes.is_none());
        let xattrs = (is_plain || has_no_attributes).then(|| Arc::clone(&self.no_attributes));
        Node {
            xattrs,
            ..Node::on_disk(&self.root, path.to_path_buf(), meta)
        }
    }
}

impl Lookup for OpenContext<'_> {
    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        match self.tree.walked(path) {
            Walked::Found(entries) => {
                return Ok(Some(OpenContext::node(self, path, &entries.root())));
            }
            Walked::Nothing => return Ok(None),
            Walked::Elsewhere => {}
        }
        let Some((kind, stat)) = self.tree.stat(path).map_err(io_error)? else {
            return Ok(None);
        };
        let meta = Meta {
            changed: Some(pair(FileIdentity::of(&stat).ctime)),
            ..Meta::of(&stat)
        };
        Ok(Some(self.finish(path, meta, kind, false)))
    }
}

impl Files for OpenContext<'_> {
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Node)>> {
        let mut listed = Vec::new();
        match self.tree.walked(path) {
            Walked::Found(entries) => {
                for child in entries.children() {
                    let entry = child.root();
                    let name = entry.name().to_os_string();
                    let node = OpenContext::node(self, &path.join(&name), &entry);
                    listed.push((name, node));
                }
                return Ok(listed);
            }
            Walked::Nothing => return Ok(listed),
            Walked::Elsewhere => {}
        }
        for name in self.tree.names(path).map_err(io_error)? {
            if let Some(node) = Lookup::node(self, &path.join(&name))? {
                listed.push((name, node));
            }
        }
        Ok(listed)
    }

    fn prepare(&self, path: &Path) -> io::Result<()> {
        self.tree.walk(path).map(drop).map_err(io_error)
    }

    fn is_left_out(&self, path: &Path) -> bool {
        matches!(self.root.stat(path), Ok(Some(_)))
    }
}

impl Digests for OpenContext<'_> {
    fn known(&self, node: &Node) -> Option<Digest> {
        node.meta.changed?;
        Some(self.index.get(&identity(&node.meta))?.digest)
    }

    fn learned(&self, node: &Node, digest: Digest, xattrs: &Xattrs) -> io::Result<()> {
        if node.meta.changed.is_none() {
            return Ok(());
        }
        let identity = identity(&node.meta);
        let attributes = (!xattrs.is_empty()).then(|| attributes_of(xattrs));
        let content = Content { digest, attributes };
        if self.index.record(&identity, content, self.opened) {
            return Ok(());
        }
        let mut unsettled = self
            .unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let former = unsettled.insert(node.meta.inode, digest);
        match former {
            Some(former) if former != digest => {
                let path = node.shown();
                Err(io_error(ContextError::Changed { path }))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What attributes hash to. It has to be nothing but different for different ones.
fn attributes_of(xattrs: &Xattrs) -> Digest {
    let lines = xattrs.iter().map(|(name, value)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        format!("attribute \"{name}\" \"{value}\"")
    });
    Digest::of(lines.collect::<Vec<_>>().join("\n").as_bytes())
}

fn identity(meta: &Meta) -> FileIdentity {
    let time = |(seconds, nanoseconds)| FileTime {
        seconds,
        nanoseconds,
    };
    FileIdentity {
        device: meta.inode.0,
        inode: meta.inode.1,
        size: meta.size,
        mtime: time(meta.mtime),
        ctime: time(meta.changed.unwrap_or_default()),
    }
}

fn pair(time: FileTime) -> (i64, u32) {
    (time.seconds, time.nanoseconds)
}

fn kind(kind: EntryKind) -> FileKind {
    match kind {
        EntryKind::Directory => FileKind::Directory,
        EntryKind::File | EntryKind::Socket => FileKind::File,
        EntryKind::Link => FileKind::Symlink,
        EntryKind::Fifo => FileKind::Fifo,
        EntryKind::CharacterDevice => FileKind::CharDevice,
        EntryKind::BlockDevice => FileKind::BlockDevice,
    }
}

/// The same error, which says for itself what it is about.
fn io_error(error: ContextError) -> io::Error {
    match error {
        ContextError::Io { source, .. } => source,
        error @ (ContextError::NotFound { .. }
        | ContextError::LeftOut { .. }
        | ContextError::Vanished { .. }
        | ContextError::Changed { .. }) => io::Error::other(match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        }),
    }
}
