//! What is of no use any more when an image has gone.

use std::collections::BTreeSet;

use jettison_oci::{ChainId, DiffId, ImageId, Store};

use crate::error::BuildError;
use crate::prune::Inventory;
use crate::prune::disk::disk_use;
use crate::snapshot::layer_snapshot_name;

/// What was removed because nothing needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// The stacks of layers whose files had been unpacked, each named by its chain ID; the highest first.
    pub layers: Vec<ChainId>,
    /// Bytes on disk that are free now.
    pub bytes: u64,
}

/// Removes the blobs that no image and no step needs, unless another process uses the store. Gives the bytes on disk
/// that this frees; `None` if nothing could be done now.
pub fn free_blobs(store: &Store) -> Result<Option<u64>, BuildError> {
    let freed = free_unneeded(store, &[])?;
    Ok(freed.map(|freed| freed.bytes))
}

/// Removes what no image and no step needs of the images whose layers are `gone`: unpacked files, and all blobs. `None` if
/// another process uses the store, so that nothing could be done now.
pub fn free_unneeded(store: &Store, gone: &[Vec<DiffId>]) -> Result<Option<Freed>, BuildError> {
    let lock = store.lock_shared().map_err(BuildError::Store)?;
    let freed = lock.alone(|| {
        let inventory = Inventory::open(store)?;
        let mut freed = inventory.remove_layers(gone)?;
        freed.bytes += inventory.remove_blobs()?;
        Ok(freed)
    });
    let freed = freed.map_err(|source| BuildError::io("lock", store.root(), source))?;
    freed.transpose()
}

/// Every stack of layers that an image consists of, the lowest first.
fn chains(layers: &[DiffId]) -> impl Iterator<Item = ChainId> + '_ {
    (1..=layers.len()).filter_map(|height| ChainId::of(&layers[..height]))
}

impl Inventory<'_> {
    /// Removes the unpacked layers of images that are gone, but for those that other images have, too. The results of steps
    /// are not named by stacks, and stay.
    fn remove_layers(&self, gone: &[Vec<DiffId>]) -> Result<Freed, BuildError> {
        let mut freed = Freed::default();
        if gone.is_empty() {
            return Ok(freed);
        }
        let mut kept = BTreeSet::new();
        for ImageId(id) in self.store.image_ids().map_err(BuildError::Store)? {
            let image = self.store.find_by_id(&id.hex());
            if let Some(image) = image.map_err(BuildError::Store)? {
                let layers = image.layers().iter().map(|layer| layer.diff_id);
                let layers: Vec<DiffId> = layers.collect();
                kept.extend(chains(&layers));
            }
        }
        for chain in gone.iter().flat_map(|layers| chains(layers)) {
            let name = layer_snapshot_name(&chain);
            if kept.contains(&chain) || self.snapshots.get(&name).is_none() {
                continue;
            }
            freed.bytes += disk_use(&self.snapshots.path_of(&name))?;
            self.snapshots.remove(&name)?;
            freed.layers.insert(0, chain);
        }
        if !freed.layers.is_empty() {
            self.snapshots.tidy()?;
        }
        Ok(freed)
    }
}
