//! What builds have left in a store, and clearing it up.
//!
//! ```text
//! named images ─need─► blobs            never removed
//! step ─► snapshot, layer               a step that is removed is executed again
//! snapshot of an image's layer          unpacked again from its layer
//! downloads, checkouts, indexes         fetched or made again
//! volumes                               removed only if they are asked for by their kind
//! ```

mod disk;
mod unneeded;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jettison_oci::{Digest, ImageId, Store};

use crate::cache::Cache;
use crate::error::BuildError;
use crate::prune::disk::{disk_use, remove_tree};
use crate::snapshot::{Aside, Snapshots};

pub use crate::prune::unneeded::{Freed, free_blobs, free_unneeded};

/// What a thing in the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// The result of a step.
    Step,
    /// The files of a layer, unpacked, or of a build that was killed.
    Snapshot,
    /// A blob that no image and no step needs, or a part of one whose fetching was broken off.
    Blob,
    /// An image without a name.
    Image,
    /// A directory of a `RUN --mount=type=cache`.
    CacheMount,
    /// Something that was downloaded: packages, files, repositories.
    Download,
    /// What is known of the files of a build context.
    ContextIndex,
    /// A directory with a name that programs keep data in.
    Volume,
}

impl ItemKind {
    /// All kinds.
    pub const ALL: [ItemKind; 8] = [
        ItemKind::Step,
        ItemKind::Snapshot,
        ItemKind::Blob,
        ItemKind::Image,
        ItemKind::CacheMount,
        ItemKind::Download,
        ItemKind::ContextIndex,
        ItemKind::Volume,
    ];

    /// Its name on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            ItemKind::Step => "step",
            ItemKind::Snapshot => "snapshot",
            ItemKind::Blob => "blob",
            ItemKind::Image => "image",
            ItemKind::CacheMount => "cache-mount",
            ItemKind::Download => "download",
            ItemKind::ContextIndex => "context-index",
            ItemKind::Volume => "volume",
        }
    }
}

/// A thing in the store that could be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreItem {
    /// What it is.
    pub kind: ItemKind,
    /// Its name, which no other of its kind has.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What removing it gives back, in bytes on disk.
    pub size: u64,
    /// When a build last used it.
    pub used: SystemTime,
}

/// What is to be removed.
#[derive(Clone, Debug)]
pub struct PruneRequest {
    /// Only things of these kinds.
    pub kinds: BTreeSet<ItemKind>,
    /// Only what no build has used for so long.
    pub unused_for: Duration,
    /// Only as much as is needed for what is left to be no larger than this, in bytes; what was used last is kept.
    pub most_space: Option<u64>,
    /// Say what would be removed, and remove nothing.
    pub is_trial: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The things, those that were used longest ago first.
    pub removed: Vec<StoreItem>,
    /// Bytes on disk that are free now, or would be.
    pub freed: u64,
    /// Bytes on disk that things which could be removed still take.
    pub left: u64,
}

/// Everything in the store that could be removed, sorted by when it was last used, oldest first.
pub fn store_items(store: &Store) -> Result<Vec<StoreItem>, BuildError> {
    let _in_use = store.lock_shared().map_err(BuildError::Store)?;
    Inventory::open(store)?.items()
}

/// Removes what `request` describes. If builds use the store, calls `waiting` and waits until none does.
pub fn prune(
    store: &Store,
    request: &PruneRequest,
    waiting: &dyn Fn(),
) -> Result<Pruned, BuildError> {
    let alone = store.lock_exclusive(waiting).map_err(BuildError::Store)?;
    let inventory = Inventory::open(store)?;
    let mut items = inventory.items()?;
    // What programs keep there is nobody's cache, and takes none of its space.
    // Nor is what somebody has built.
    let is_cache = |kind| ![ItemKind::Volume, ItemKind::Image].contains(&kind);
    items.retain(|item| is_cache(item.kind) || request.kinds.contains(&item.kind));
    let now = SystemTime::now();
    let mut total: u64 = items.iter().map(|item| item.size).sum();
    let mut pruned = Pruned::default();
    for item in items {
        let age = now.duration_since(item.used).unwrap_or_default();
        let fits = request.most_space.is_some_and(|most| total <= most);
        if fits || age < request.unused_for || !request.kinds.contains(&item.kind) {
            continue;
        }
        if !request.is_trial {
            inventory.remove(&item)?;
        }
        total = total.saturating_sub(item.size);
        pruned.freed += item.size;
        pruned.removed.push(item);
    }
    pruned.left = total;
    if !request.is_trial && !pruned.removed.is_empty() {
        let orphans = inventory.remove_orphans()?;
        pruned.freed += orphans;
        pruned.left = pruned.left.saturating_sub(orphans);
        inventory.tidy()?;
    }
    // Nobody finds them any more, so that builds need not wait until they are gone.
    drop(alone);
    for aside in inventory.aside.take() {
        aside.remove()?;
    }
    Ok(pruned)
}

/// The directories of downloads below a store's root.
const DOWNLOADS: [&str; 2] = ["downloads", "git"];
/// The directory of blobs that were not fetched to their end. Whoever fetches some has the store's lock.
const PARTS: &str = "pulling";
const CONTEXT_INDEXES: &str = "context-index";
const CACHE_MOUNTS: &str = "cache-mounts";
const VOLUMES: &str = "volumes";

/// Everything that is kept below a store's root.
struct Inventory<'a> {
    store: &'a Store,
    cache: Cache,
    snapshots: Snapshots,
    /// What images need.
    needed: BTreeSet<Digest>,
    /// Snapshots that are still to be removed.
    aside: RefCell<Vec<Aside>>,
}

impl<'a> Inventory<'a> {
    fn open(store: &'a Store) -> Result<Inventory<'a>, BuildError> {
        Ok(Inventory {
            store,
            cache: Cache::open(store.root())?,
            snapshots: Snapshots::open(store.root())?,
            needed: store.needed_blobs().map_err(BuildError::Store)?,
            aside: RefCell::default(),
        })
    }

    fn items(&self) -> Result<Vec<StoreItem>, BuildError> {
        let mut items = self.steps_and_snapshots()?;
        items.extend(self.images()?);
        for folder in DOWNLOADS {
            items.extend(self.files(folder, ItemKind::Download)?);
        }
        items.extend(self.files(PARTS, ItemKind::Blob)?);
        items.extend(self.files(CONTEXT_INDEXES, ItemKind::ContextIndex)?);
        items.extend(self.files(CACHE_MOUNTS, ItemKind::CacheMount)?);
        items.extend(self.files(VOLUMES, ItemKind::Volume)?);
        items.sort_by(|a, b| (a.used, a.kind, &a.name).cmp(&(b.used, b.kind, &b.name)));
        Ok(items)
    }

    fn steps_and_snapshots(&self) -> Result<Vec<StoreItem>, BuildError> {
        let mut items = Vec::new();
        let mut snapshots: BTreeSet<String> = self.snapshots.names()?.into_iter().collect();
        let mut blobs: BTreeMap<Digest, (u64, SystemTime)> = BTreeMap::new();
        for blob in self.store.blobs().map_err(BuildError::Store)? {
            if !self.needed.contains(&blob.digest) {
                blobs.insert(blob.digest, (blob.size, blob.written));
            }
        }
        for (key, entry, used) in self.cache.entries()? {
            let mut size = 0;
            if snapshots.remove(&entry.snapshot) {
                size += disk_use(&self.snapshots.path_of(&entry.snapshot))?;
            }
            let blob = entry.layer.as_ref().map(|layer| layer.blob.digest);
            size += blob
                .and_then(|blob| blobs.remove(&blob))
                .map_or(0, |(size, _)| size);
            items.push(StoreItem {
                kind: ItemKind::Step,
                name: key,
                title: entry.title,
                size,
                used,
            });
        }
        for name in snapshots {
            let path = self.snapshots.path_of(&name);
            items.push(StoreItem {
                kind: ItemKind::Snapshot,
                title: name.clone(),
                size: disk_use(&path)?,
                used: disk::changed(path.parent().unwrap_or(&path)),
                name,
            });
        }
        items.extend(blobs.into_iter().map(|(digest, (size, used))| StoreItem {
            kind: ItemKind::Blob,
            name: digest.to_string(),
            title: digest.to_string(),
            size,
            used,
        }));
        Ok(items)
    }

    /// Images without a name. A blob that several of them have counts for the one that would be removed last.
    fn images(&self) -> Result<Vec<StoreItem>, BuildError> {
        let mut images = self.store.unnamed_images().map_err(BuildError::Store)?;
        images.sort_by_key(|(id, stored)| (*stored, *id));
        let mut counted = self.store.named_blobs().map_err(BuildError::Store)?;
        let blobs = self.store.blobs().map_err(BuildError::Store)?;
        let sizes: BTreeMap<Digest, u64> = blobs
            .into_iter()
            .map(|blob| (blob.digest, blob.size))
            .collect();
        let mut items = Vec::new();
        for (id, used) in images.into_iter().rev() {
            let blobs = self.store.blobs_of(&id).map_err(BuildError::Store)?;
            let own = blobs.into_iter().filter(|blob| counted.insert(*blob));
            items.push(StoreItem {
                kind: ItemKind::Image,
                name: id.0.to_string(),
                title: "image without a name".to_owned(),
                size: own.filter_map(|blob| sizes.get(&blob)).sum(),
                used,
            });
        }
        Ok(items)
    }

    /// What is directly in a directory, or in those of its directories that hold many such things. Locks stay, for
    /// somebody may hold them, and so does what is small and says how things are to be had again.
    fn files(&self, folder: &str, kind: ItemKind) -> Result<Vec<StoreItem>, BuildError> {
        let mut items = Vec::new();
        for path in disk::entries(&self.store.root().join(folder))? {
            let is = |names: &[&str]| names.iter().any(|name| path.ends_with(name));
            let inner = if is(&["sha256", "mirrors", "checkouts"]) {
                disk::entries(&path)?
            } else if is(&["urls", "partial", "known_hosts", "trusted.pem"]) {
                Vec::new()
            } else {
                vec![path]
            };
            let is_lock = |path: &PathBuf| path.extension().is_some_and(|end| end == "lock");
            for path in inner.into_iter().filter(|path| !is_lock(path)) {
                let relative = path.strip_prefix(self.store.root()).unwrap_or(&path);
                let name = relative.display().to_string();
                items.push(StoreItem {
                    kind,
                    title: name.clone(),
                    size: disk_use(&path)?,
                    used: disk::changed(&path),
                    name,
                });
            }
        }
        Ok(items)
    }

    fn remove(&self, item: &StoreItem) -> Result<(), BuildError> {
        match item.kind {
            ItemKind::Step => {
                let entry = self.cache.entry(&item.name);
                self.cache.remove(&item.name)?;
                entry.map_or(Ok(()), |entry| self.set_aside(&entry.snapshot))
            }
            ItemKind::Snapshot => self.set_aside(&item.name),
            ItemKind::Blob if Path::new(&item.name).starts_with(PARTS) => {
                remove_tree(&self.path(item))
            }
            // The blobs that nobody needs any more go when everything else has gone.
            ItemKind::Blob => Ok(()),
            ItemKind::Image => match item.name.parse() {
                Ok(id) => self
                    .store
                    .forget_image(&ImageId(id))
                    .map_err(BuildError::Store),
                Err(_) => Ok(()),
            },
            ItemKind::CacheMount
            | ItemKind::Download
            | ItemKind::ContextIndex
            | ItemKind::Volume => remove_tree(&self.path(item)),
        }
    }

    /// Removes the results that no build can find any more, because what they were made on top of is gone. Gives the bytes
    /// on disk that this frees.
    fn remove_orphans(&self) -> Result<u64, BuildError> {
        let mut freed = 0;
        loop {
            let entries = self.cache.entries()?;
            let names: BTreeSet<&str> = entries
                .iter()
                .map(|(_, entry, _)| entry.snapshot.as_str())
                .collect();
            let mut has_removed = false;
            for (key, entry, _) in &entries {
                let parent = self.cache.parent(key);
                if parent.is_some_and(|parent| !names.contains(parent.as_str())) {
                    freed += disk_use(&self.snapshots.path_of(&entry.snapshot))?;
                    self.cache.remove(key)?;
                    self.set_aside(&entry.snapshot)?;
                    has_removed = true;
                }
            }
            if !has_removed {
                return Ok(freed);
            }
        }
    }

    fn set_aside(&self, snapshot: &str) -> Result<(), BuildError> {
        let aside = self.snapshots.set_aside(snapshot)?;
        self.aside.borrow_mut().extend(aside);
        Ok(())
    }

    fn path(&self, item: &StoreItem) -> PathBuf {
        self.store.root().join(Path::new(&item.name))
    }

    /// Removes what belonged to what was removed.
    fn tidy(&self) -> Result<(), BuildError> {
        self.cache.tidy()?;
        self.snapshots.tidy()?;
        self.remove_blobs().map(drop)
    }

    /// Removes the blobs that nobody needs, and gives their size.
    fn remove_blobs(&self) -> Result<u64, BuildError> {
        let mut freed = 0;
        let mut needed = self.store.needed_blobs().map_err(BuildError::Store)?;
        for (_, entry, _) in self.cache.entries()? {
            needed.extend(entry.layer.map(|layer| layer.blob.digest));
        }
        for blob in self.store.blobs().map_err(BuildError::Store)? {
            if !needed.contains(&blob.digest) {
                let removed = self.store.remove_blob(&blob.digest);
                removed.map_err(BuildError::Store)?;
                freed += blob.size;
            }
        }
        Ok(freed)
    }
}
