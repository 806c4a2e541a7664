//! Putting sources where they belong, by the rules of BuildKit's copier (tonistiigi/fsutil, copy/copy.go).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::exec::copy::CopyFailure;
use crate::exec::copy::changes::Draft;
use crate::exec::copy::mode::ModeRule;
use crate::exec::copy::owner::Owner;
use crate::exec::copy::select::{Inner, Selected, read_error};
use crate::exec::files::{FileKind, Lookup, Meta, Node, Origin, clean, resolve, shown};

pub(super) const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// A copy in the making.
#[derive(Debug)]
pub(crate) struct Placer<'a> {
    pub(crate) draft: Draft<'a>,
    /// Whose the copies become; if nobody is named, those of the files' owners.
    pub(crate) owner: Option<Owner>,
    pub(crate) mode: ModeRule,
    /// The time of directories that are made, in seconds since 1970.
    pub(crate) time: i64,
}

impl Placer<'_> {
    /// Copies one source to `destination`, an absolute path. What is unpacked is kept in a file below `scratch`.
    pub(crate) fn place(
        &mut self,
        selected: &Selected,
        destination: &str,
        scratch: &Path,
    ) -> Result<(), CopyFailure> {
        let path = Path::new(destination);
        if selected.unpacks && selected.node.meta.kind == FileKind::File {
            let opened = selected.node.open();
            let opened = opened.map_err(read_error(&selected.node.shown()))?;
            if self.unpack(opened, path, scratch)? {
                return Ok(());
            }
        }
        let is_dir = destination.ends_with('/') || destination.ends_with("/.");
        let directory = match path.parent() {
            Some(parent) if !is_dir => parent,
            Some(_) | None => path,
        };
        let directory = self.real(directory)?;
        self.make_directories(&directory, self.mode.of_parents(), self.owner)?;
        let mut target = self.real(path)?;
        let existing = self.node(&target)?;
        let is_existing_dir = existing.as_ref().is_some_and(|node| node.meta.is_dir());
        if selected.node.meta.is_dir() {
            // A directory that does not give its contents is the top of its tree, and has no name to be called by.
            let is_made = existing.is_none() && selected.gives_contents;
            let first = if is_made {
                Some(target.as_path())
            } else {
                target.parent()
            };
            if let Some(first) = first {
                self.make_directories(first, self.mode.of_parents(), self.owner)?;
            }
            return self.directory(selected, &target);
        }
        if is_existing_dir && let Some(name) = selected.named.file_name() {
            target.push(name);
        }
        if let Some(parent) = target.parent() {
            self.make_directories(parent, self.mode.of_parents(), self.owner)?;
        }
        let mut links = BTreeMap::new();
        self.file(&selected.node, &target, &mut links)
    }

    /// Makes `path`, which has no links in it, and the directories that it is in, as directories of `owner` or root.
    pub(crate) fn make_directories(
        &mut self,
        path: &Path,
        mode: u32,
        owner: Option<Owner>,
    ) -> Result<(), CopyFailure> {
        let mut missing: Vec<&Path> = Vec::new();
        for at in path.ancestors() {
            match self.node(at)? {
                Some(node) if node.meta.is_dir() => break,
                Some(_) => {
                    // The resolution of a path finds what is below a file, and the making of directories the file itself
                    // (continuity, fs: `RootPath`).
                    let message = match missing.last() {
                        Some(below) => format!("lstat {}: not a directory", shown(below)),
                        None => format!("mkdir {}: not a directory", shown(at)),
                    };
                    return Err(CopyFailure::Refused(message));
                }
                None => missing.push(at),
            }
        }
        let Owner { uid, gid } = owner.unwrap_or(ROOT);
        for path in missing.into_iter().rev() {
            let meta = Meta {
                uid,
                gid,
                mtime: (self.time, 0),
                ..Meta::new(FileKind::Directory, mode)
            };
            let node = Node {
                meta,
                origin: Origin::Text(Arc::default()),
                xattrs: Some(Arc::default()),
            };
            self.draft
                .make_directory(path, node)
                .map_err(write_error(path))?;
        }
        Ok(())
    }

    /// Copies what is in a directory into `target`.
    fn directory(&mut self, selected: &Selected, target: &Path) -> Result<(), CopyFailure> {
        match self.node(target)? {
            None => {
                let node = self.copy_of(&selected.node);
                self.draft
                    .make_directory(target, node)
                    .map_err(write_error(target))?;
            }
            Some(node) if node.meta.is_dir() => {
                // It keeps all but its time (fsutil: `restoreFileTimestamp`). The top of a context or a stage has no time of
                // its own: the context's says no more than when something was last made or removed beside the copied files.
                let directory = self.draft.directory_mut(target);
                let directory = directory.map_err(write_error(target))?;
                if let Some(directory) = directory
                    && !is_top(&selected.node)
                {
                    directory.node.meta.mtime = selected.node.meta.mtime;
                }
            }
            Some(_) => return Err(not_a_directory(target)),
        }
        // The first copy of every file that has several names.
        let mut links = BTreeMap::new();
        selected.inside.each(|found| {
            let target = target.join(found.relative);
            if found.node.meta.is_dir() {
                self.inner_directory(found, &target)
            } else {
                self.file(found.node, &target, &mut links)
            }
        })
    }

    fn inner_directory(&mut self, found: Inner<'_>, target: &Path) -> Result<(), CopyFailure> {
        let node = self.copy_of(found.node);
        match self.node(target)? {
            None => self.draft.make_directory(target, node),
            Some(existing) if existing.meta.is_dir() => {
                let directory = self.draft.directory_mut(target);
                directory.map(|directory| {
                    let Some(directory) = directory else { return };
                    if found.is_wanted {
                        directory.node = node;
                    } else {
                        directory.node.meta.mode = found.node.meta.mode;
                    }
                })
            }
            Some(_) => return Err(not_a_directory(target)),
        }
        .map_err(write_error(target))
    }

    /// Copies anything but a directory to `target`, whose directory exists.
    fn file(
        &mut self,
        node: &Node,
        target: &Path,
        links: &mut BTreeMap<(u64, u64), usize>,
    ) -> Result<(), CopyFailure> {
        let existing = self.node(target)?;
        if existing.is_some_and(|existing| existing.meta.is_dir()) {
            let message = format!("cannot replace to directory {} with file", shown(target));
            return Err(CopyFailure::Refused(message));
        }
        let has_names = node.meta.n_names > 1 && node.meta.kind == FileKind::File;
        let number = match links.get(&node.meta.inode) {
            Some(number) if has_names => *number,
            _ => {
                let copy = self.copy_of(node);
                let number = self.draft.add(copy);
                if has_names {
                    links.insert(node.meta.inode, number);
                }
                number
            }
        };
        self.draft.name(target, number).map_err(write_error(target))
    }

    /// The copy of a file: with the owner and the mode that were asked for.
    fn copy_of(&self, node: &Node) -> Node {
        let mut copy = node.clone();
        if let Some(Owner { uid, gid }) = self.owner {
            (copy.meta.uid, copy.meta.gid) = (uid, gid);
        }
        copy.meta.mode = match node.meta.kind {
            FileKind::Symlink => 0o777,
            FileKind::Directory
            | FileKind::File
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => self.mode.apply(node.meta.mode, node.meta.is_dir()),
        };
        copy
    }

    pub(crate) fn node(&self, path: &Path) -> Result<Option<Node>, CopyFailure> {
        self.draft.node(path).map_err(write_error(path))
    }

    /// Where `path` leads to.
    pub(crate) fn real(&self, path: &Path) -> Result<PathBuf, CopyFailure> {
        let path = clean(path);
        resolve(&self.draft, &path).map_err(write_error(&path))
    }
}

/// Whether a directory is the top of its tree.
fn is_top(node: &Node) -> bool {
    match &node.origin {
        Origin::Disk(_, path, _) => path.as_os_str().is_empty(),
        Origin::Text(_) | Origin::Piece(..) => true,
    }
}

fn not_a_directory(path: &Path) -> CopyFailure {
    CopyFailure::Refused(format!("cannot copy to non-directory: {}", shown(path)))
}

pub(crate) fn write_error(path: &Path) -> impl FnOnce(io::Error) -> CopyFailure + '_ {
    move |source| CopyFailure::Write {
        path: path.to_path_buf(),
        source,
    }
}
