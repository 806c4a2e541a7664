//! Several images in one archive, as `docker save` writes them.

use crate::compress::Compression;
use crate::image::Image;
use crate::layout::ExportError;
use crate::layout::archive;
use crate::layout::export::{
    Annotations, ExportSettings, ExportedImage, MediaTypes, Recompression, Sink, Timestamps,
};
use crate::layout::prepare::Prepared;
use crate::reference::Reference;
use crate::registry::TransferObserver;
use crate::store::Store;

/// An image that goes into an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedImage {
    /// The image.
    pub image: Image,
    /// The names that it has there.
    pub names: Vec<Reference>,
}

/// Writes images into one tar file, which readers of `docker save`'s archives and those of OCI layouts take. What images
/// share is in it once.
pub fn save_images(
    store: &Store,
    images: &[SavedImage],
    compression: Compression,
    sink: Sink<'_>,
    observer: &dyn TransferObserver,
) -> Result<Vec<ExportedImage>, ExportError> {
    let settings = ExportSettings {
        names: Vec::new(),
        compression,
        recompression: Recompression::Different,
        media_types: MediaTypes::Oci,
        annotations: Annotations::default(),
        timestamps: Timestamps::Keep,
    };
    let prepared = Prepared::of_several(store, images, &settings, observer)?;
    Ok(archive::write(store, prepared, sink, observer)?.images)
}
