//! Looking at single files of an image.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;

use crate::changeset::{Entry, EntryKind, LayerError, each_entry, with_blob};
use crate::image::Layer;
use crate::rootfs::tree::{Place, Tree};
use crate::store::Store;

/// As many links as Linux follows in one look-up.
const MAX_LINKS: usize = 40;

/// The files of an image, read from its layers: nothing is unpacked, mounted or run.
#[derive(Debug)]
pub struct RootfsFiles<'s> {
    store: &'s Store,
    layers: Vec<Layer>,
    tree: Tree,
    /// What layers leave out.
    root: Entry,
}

impl<'s> RootfsFiles<'s> {
    /// Reads what `layers` hold, bottom first, but for the contents of files.
    pub fn read(store: &'s Store, layers: &[Layer]) -> Result<RootfsFiles<'s>, LayerError> {
        let root = Entry {
            mode: 0o755,
            ..Entry::new(b"", EntryKind::Directory)
        };
        Ok(RootfsFiles {
            store,
            layers: layers.to_vec(),
            tree: Tree::read(store, layers)?,
            root,
        })
    }

    /// What is at a path as [`RootfsFiles::resolve`] gives it.
    pub fn entry(&self, path: &[u8]) -> Option<&Entry> {
        if path.is_empty() {
            return Some(&self.root);
        }
        self.tree.entry(path)
    }

    /// Where `path` leads inside of the image: symbolic links on the way are followed, and the last one if
    /// `follows_last` says so. `None` if nothing is there. The result has no slash at either end; `/` is empty.
    pub fn resolve(&self, path: &[u8], follows_last: bool) -> Option<Vec<u8>> {
        let mut pending: VecDeque<Vec<u8>> = parts(path).collect();
        let mut real: Vec<u8> = Vec::new();
        let mut n_links = 0;
        while let Some(name) = pending.pop_front() {
            // Only a directory has a `..`, and only in a directory something can be found.
            if self.entry(&real)?.kind != EntryKind::Directory {
                return None;
            }
            if name == b".." {
                let end = real.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                real.truncate(end);
                continue;
            }
            let mut below = real.clone();
            if !below.is_empty() {
                below.push(b'/');
            }
            below.extend_from_slice(&name);
            let is_last = pending.is_empty();
            match &self.entry(&below)?.kind {
                EntryKind::Symlink(target) if !is_last || follows_last => {
                    n_links += 1;
                    if n_links > MAX_LINKS {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        real.clear();
                    }
                    for name in parts(target).collect::<Vec<_>>().into_iter().rev() {
                        pending.push_front(name);
                    }
                }
                EntryKind::Symlink(_)
                | EntryKind::File
                | EntryKind::HardLink(_)
                | EntryKind::CharDevice(..)
                | EntryKind::BlockDevice(..)
                | EntryKind::Directory
                | EntryKind::Fifo => real = below,
            }
        }
        Some(real)
    }

    /// The paths of what is in the directory at `path`, sorted.
    pub fn children(&self, path: &[u8]) -> Vec<&[u8]> {
        let is_child = |other: &[u8]| match path {
            b"" => !other.contains(&b'/'),
            path => other
                .strip_prefix(path)
                .and_then(|rest| rest.strip_prefix(b"/"))
                .is_some_and(|name| !name.contains(&b'/')),
        };
        let paths = self.tree.paths().map(|(path, _)| path);
        paths.filter(|other| is_child(other)).collect()
    }

    /// The contents of the regular files at `paths`, which are as [`RootfsFiles::resolve`] gives them. Each layer is read
    /// once. What is no regular file, or has more than `limit` bytes, is left out.
    pub fn contents(
        &self,
        paths: &[Vec<u8>],
        limit: u64,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, LayerError> {
        let mut wanted: BTreeMap<Place, Vec<&Vec<u8>>> = BTreeMap::new();
        for path in paths {
            let is_small = self.entry(path).is_some_and(|entry| entry.size <= limit);
            if let Some(place) = self.tree.place(path).filter(|_| is_small) {
                wanted.entry(place).or_default().push(path);
            }
        }
        let mut found = BTreeMap::new();
        for (number, layer) in self.layers.iter().enumerate() {
            if wanted.range((number, 0)..(number + 1, 0)).next().is_none() {
                continue;
            }
            let mut index = 0;
            with_blob(self.store, &layer.blob, |tar| {
                each_entry(tar, |entry, content| {
                    if let Some(names) = wanted.get(&(number, index)) {
                        let mut bytes = Vec::new();
                        content
                            .read_to_end(&mut bytes)
                            .map_err(|source| LayerError::Archive { source })?;
                        drop(entry);
                        for name in names {
                            found.insert((*name).clone(), bytes.clone());
                        }
                    }
                    index += 1;
                    Ok(())
                })
            })?;
        }
        Ok(found)
    }
}

/// The names in a path, without empty ones and `.`.
fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
}
