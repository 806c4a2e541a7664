//! A directory as a source of copies: the build context, less what its ignore file takes away, or a checkout.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jettison_dockerfile::IgnoreFile;

use crate::exec::files::{FileKind, Files, Lookup, Meta, Node, Root};
use crate::exec::merged::stat_in;
use crate::tree::names;

/// A directory on disk.
#[derive(Debug)]
pub(crate) struct PlainFiles<'a> {
    root: Arc<Root>,
    ignore: Option<&'a IgnoreFile>,
}

impl<'a> PlainFiles<'a> {
    /// Opens the directory `path`, from which `ignore` leaves things out.
    pub(crate) fn open(path: &Path, ignore: Option<&'a IgnoreFile>) -> io::Result<PlainFiles<'a>> {
        let root = Arc::new(Root::open(path)?);
        Ok(PlainFiles { root, ignore })
    }

    /// Whether a file is to be seen. An ignored directory is, if something in it is.
    fn is_seen(&self, path: &Path, meta: &Meta) -> io::Result<bool> {
        let Some(ignore) = self.ignore else {
            return Ok(true);
        };
        let text = path.to_string_lossy();
        if text.is_empty() || !ignore.is_ignored(&text) {
            return Ok(true);
        }
        if !meta.is_dir() || !ignore.may_reinclude_below(&text) {
            return Ok(false);
        }
        Ok(!self.list(path)?.is_empty())
    }
}

impl Lookup for PlainFiles<'_> {
    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        let Some(stat) = self.root.stat(path)? else {
            return Ok(None);
        };
        let meta = Meta::of(&stat);
        let is_seen = self.is_seen(path, &meta)?;
        Ok(is_seen.then(|| stub(Node::on_disk(&self.root, path.to_path_buf(), meta))))
    }
}

impl Files for PlainFiles<'_> {
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Node)>> {
        let directory = self.root.directory(path)?;
        let mut listed = Vec::new();
        for name in names(&directory)? {
            let Some(stat) = stat_in(&directory, &name)? else {
                continue;
            };
            let (at, meta) = (path.join(&name), Meta::of(&stat));
            if self.is_seen(&at, &meta)? {
                listed.push((name, stub(Node::on_disk(&self.root, at, meta))));
            }
        }
        Ok(listed)
    }
}

/// The file, or an empty one for a socket (fsutil: `copyDevice`).
fn stub(node: Node) -> Node {
    match node.meta.kind {
        FileKind::Socket => Node {
            meta: Meta {
                kind: FileKind::File,
                ..node.meta
            },
            ..Node::of_text(b"", 0)
        },
        FileKind::Directory
        | FileKind::File
        | FileKind::Symlink
        | FileKind::Fifo
        | FileKind::CharDevice
        | FileKind::BlockDevice => node,
    }
}
