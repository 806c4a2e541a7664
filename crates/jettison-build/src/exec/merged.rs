//! A stack of overlay directories seen as one tree, without a mount.
//!
//! The rules are overlayfs's (Documentation/filesystems/overlayfs.rst): the uppermost file of a name is seen; a character
//! device 0/0 says that the name is gone; directories of one name are merged down to the first that is opaque, and to the first
//! layer that has something else there. `user.overlay.opaque` is the note that counts, as in mounts with `userxattr`.
//!
//! A layer may also be planned: changes that are on no disk yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use crate::exec::copy::Changes;
use crate::exec::files::{FileKind, Files, Lookup, Meta, Node, Origin, Root};
use crate::tree::names;

/// One layer of a stack.
#[derive(Clone, Debug)]
pub(crate) enum MergedLayer {
    /// An overlay upper directory.
    Disk(Arc<Root>),
    /// What will become one.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "steps on top of a copy still want its files on disk"
        )
    )]
    Planned(Arc<Changes>),
}

/// The layers of a file system, merged.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// The uppermost first.
    layers: Vec<MergedLayer>,
    /// Which layers are merged in the directories that were looked at.
    known: Mutex<BTreeMap<PathBuf, Arc<[usize]>>>,
}

/// What one layer has at a path.
enum Found {
    Nothing,
    /// The name is gone.
    Whiteout,
    Node(Node),
}

impl Merged {
    /// The merged layers, the uppermost first. Without any, an empty tree.
    pub(crate) fn new(layers: Vec<MergedLayer>) -> Merged {
        Merged {
            layers,
            known: Mutex::default(),
        }
    }

    /// The directories `lowers`, the uppermost first.
    pub(crate) fn open(lowers: &[PathBuf]) -> io::Result<Merged> {
        let open = |path: &PathBuf| Ok(MergedLayer::Disk(Arc::new(Root::open(path)?)));
        let layers = lowers.iter().map(open).collect::<io::Result<_>>()?;
        Ok(Merged::new(layers))
    }

    /// The layers whose directories are merged at `path`; none if no directory is seen there.
    fn merged(&self, path: &Path) -> io::Result<Arc<[usize]>> {
        let (Some(parent), Some(_)) = (path.parent(), path.file_name()) else {
            return Ok((0..self.layers.len()).collect());
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(path) {
            return Ok(Arc::clone(known));
        }
        drop(known);
        let mut merged = Vec::new();
        for &index in self.merged(parent)?.iter() {
            match self.layers[index].find(path)? {
                Found::Nothing => {}
                Found::Node(node) if node.meta.is_dir() => {
                    merged.push(index);
                    if self.layers[index].is_opaque(path)? {
                        break;
                    }
                }
                Found::Whiteout | Found::Node(_) => break,
            }
        }
        let merged: Arc<[usize]> = merged.into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_path_buf(), Arc::clone(&merged));
        Ok(merged)
    }
}

impl Lookup for Merged {
    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        let Some(parent) = path.parent() else {
            return self.top().map(Some);
        };
        for &index in self.merged(parent)?.iter() {
            match self.layers[index].find(path)? {
                Found::Nothing => {}
                Found::Whiteout => return Ok(None),
                Found::Node(node) => return Ok(Some(node)),
            }
        }
        Ok(None)
    }
}

impl Files for Merged {
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Node)>> {
        let mut seen = BTreeSet::new();
        let mut listed = Vec::new();
        for &index in self.merged(path)?.iter() {
            for (name, found) in self.layers[index].list(path)? {
                if !seen.insert(name.clone()) {
                    continue;
                }
                if let Found::Node(node) = found {
                    listed.push((name, node));
                }
            }
        }
        listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(listed)
    }
}

impl Merged {
    fn top(&self) -> io::Result<Node> {
        for layer in &self.layers {
            if let Found::Node(node) = layer.find(Path::new(""))? {
                return Ok(node);
            }
        }
        let meta = Meta::new(FileKind::Directory, 0o755);
        let xattrs = Some(Arc::default());
        let origin = Origin::Text(Arc::default());
        Ok(Node {
            meta,
            origin,
            xattrs,
        })
    }
}

impl MergedLayer {
    /// What the layer has at `path`, whose parent is a directory of the layer.
    fn find(&self, path: &Path) -> io::Result<Found> {
        match self {
            MergedLayer::Disk(root) => Ok(match root.stat(path)? {
                Some(stat) => on_disk(root, path.to_path_buf(), &stat),
                None => Found::Nothing,
            }),
            MergedLayer::Planned(changes) => Ok(match changes.node(path) {
                Some(node) => Found::Node(node),
                None => Found::Nothing,
            }),
        }
    }

    /// Whether the directory `path` hides what is below.
    fn is_opaque(&self, path: &Path) -> io::Result<bool> {
        match self {
            MergedLayer::Disk(root) => {
                let mut value = [0; 2];
                let directory = root.directory(path)?;
                let read = rustix::fs::fgetxattr(directory, "user.overlay.opaque", &mut value[..]);
                match read {
                    Ok(length) => Ok(value[..length] == *b"y"),
                    Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            MergedLayer::Planned(changes) => Ok(changes.is_opaque(path)),
        }
    }

    /// What the layer has in its directory `path`.
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Found)>> {
        match self {
            MergedLayer::Disk(root) => {
                let directory = root.directory(path)?;
                let mut listed = Vec::new();
                for name in names(&directory)? {
                    if let Some(stat) = stat_in(&directory, &name)? {
                        let found = on_disk(root, path.join(&name), &stat);
                        listed.push((name, found));
                    }
                }
                Ok(listed)
            }
            MergedLayer::Planned(changes) => {
                let children = changes.children(path).into_iter();
                Ok(children
                    .map(|(name, node)| (name, Found::Node(node)))
                    .collect())
            }
        }
    }
}

/// What is known of `name` in an open directory, if it is still there.
pub(crate) fn stat_in(
    directory: impl std::os::fd::AsFd,
    name: &OsStr,
) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn on_disk(root: &Arc<Root>, path: PathBuf, stat: &Stat) -> Found {
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if is_device && stat.st_rdev == 0 {
        Found::Whiteout
    } else {
        Found::Node(Node::on_disk(root, path, Meta::of(stat)))
    }
}

#[cfg(test)]
mod tests;
