//! Writes layers from overlay uppers.

use std::path::{Path, PathBuf};

use crate::changeset::LayerError;
use crate::changeset::lowers::Lowers;
use crate::changeset::root::Root;
use crate::changeset::stream::LayerWriter;
use crate::changeset::upper::write_changes;
use crate::compress::Compression;
use crate::image::Layer;
use crate::store::Store;

/// How a layer is written.
#[derive(Debug, Clone)]
pub struct LayerOptions {
    /// How the blob is compressed.
    pub compression: Compression,
    /// The latest time of modification, in seconds since 1970; later ones become it.
    pub clamp_mtime: Option<i64>,
}

/// Writes the changes that the overlay upper directory `upper` holds as a layer blob.
///
/// `lowers` are the directories below it, top first. They are read only where the upper hides all
/// that is below a directory: the layer then says which names that removes.
pub fn write_layer(
    store: &Store,
    upper: &Path,
    lowers: &[PathBuf],
    options: &LayerOptions,
) -> Result<Layer, LayerError> {
    let root = Root::open(upper)?;
    let lowers = Lowers::open(lowers)?;
    let mut layer = LayerWriter::new(store, options)?;
    write_changes(&root, &lowers, &mut layer)?;
    layer.finish()
}
