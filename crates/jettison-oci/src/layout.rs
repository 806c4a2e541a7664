//! Images outside of the store: OCI image layouts, as directories and as tar files.
//!
//! What is written is complete or not there: a new layout directory and an archive appear by rename;
//! in a layout that exists, blobs appear one by one and `index.json` is replaced last. The same
//! image and options give the same bytes.
//!
//! See <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>.

mod archive;
mod clamp;
mod directory;
mod export;
mod import;
mod original;
mod prepare;
mod save;
mod watch;

pub(crate) use crate::layout::archive::write_to;
pub(crate) use crate::layout::export::check_content;
pub use crate::layout::export::{
    Annotations, ExportContent, ExportFormat, ExportImage, ExportSettings, Exported, ExportedImage,
    MediaTypes, PlatformAnnotations, Recompression, Sink, Timestamps, export,
};
pub use crate::layout::import::{
    ImportSelection, ImportSource, ImportedImage, import_archive, import_from_layout,
    import_images, import_layout, import_whole,
};
pub use crate::layout::original::{Original, export_original};
pub(crate) use crate::layout::prepare::{Blob, Prepared};
pub use crate::layout::save::{SavedImage, save_images};

use std::io;
use std::path::{Path, PathBuf};

use crate::changeset::LayerError;
use crate::compress::Compression;
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Digest, ManifestDigest};
use crate::image::{Image, ImageError};
use crate::reference::Reference;
use crate::store::{Store, StoreError};

/// Where an image is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An image layout directory; one that exists is added to.
    Layout(PathBuf),
    /// An image layout in one tar file; one that exists is replaced.
    Archive(PathBuf),
}

/// How an image is written.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// How layers are compressed. Those that are stored in another way are compressed anew.
    pub compression: Compression,
    /// The name that the image gets.
    pub reference: Option<Reference>,
}

/// What can go wrong when images are written or read outside of the store.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store refused.
    #[error("cannot {action} blobs of the image")]
    Store {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        source: Box<StoreError>,
    },
    /// A layer cannot be read or compressed.
    #[error("cannot read layer {diff_id}")]
    Layer {
        /// The layer.
        diff_id: DiffId,
        /// What is wrong with it.
        source: Box<LayerError>,
    },
    /// The directory holds something else.
    #[error("{} is not an image layout", .path.display())]
    NotALayout {
        /// The directory or file.
        path: PathBuf,
    },
    /// The file holds no images.
    #[error("{} is neither an archive of `docker save` nor one of an OCI layout", .path.display())]
    NotAnArchive {
        /// The file.
        path: PathBuf,
    },
    /// No image has the name.
    #[error("{} has no image called {name}", .path.display())]
    NoSuchName {
        /// The directory or file.
        path: PathBuf,
        /// The name, and those that there are.
        name: String,
    },
    /// Several images may be meant.
    #[error("{} has several images: {}", .path.display(), .names.join(", "))]
    Several {
        /// The directory or file.
        path: PathBuf,
        /// The names of those that have one.
        names: Vec<String>,
    },
    /// A file of the layout is not the JSON that it should be.
    #[error("cannot read {what} of the image layout")]
    Json {
        /// The file or blob.
        what: String,
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// The registry has it not, or cannot be reached.
    #[error("{0}")]
    Registry(Box<crate::registry::RegistryError>),
    /// The layout is not sound.
    #[error("the image layout is broken: {reason}")]
    Broken {
        /// In which way.
        reason: String,
    },
    /// The layers do not make a root filesystem, or it cannot be written.
    #[error("cannot write the root filesystem")]
    Rootfs {
        /// What is wrong.
        source: Box<LayerError>,
    },
    /// Two platforms have a file of the same name, and no directories of their own.
    #[error(
        "cannot overwrite {} from {first} with {second} when split option is disabled",
        .path.display()
    )]
    Overwritten {
        /// The file.
        path: PathBuf,
        /// The platform that has it.
        first: String,
        /// The other platform that has it.
        second: String,
    },
    /// Something is said about a platform that is not written out.
    #[error("invalid annotation: no platform {platform} found in source")]
    NoSuchPlatform {
        /// The platform.
        platform: String,
    },
    /// A layer is compressed to other bytes than it was before, by an older version of this program.
    #[error("layer {diff_id} is compressed otherwise now: try again")]
    Outdated {
        /// The layer.
        diff_id: DiffId,
    },
    /// What is asked for cannot be written in this form.
    #[error("{reason}")]
    Impossible {
        /// Why.
        reason: &'static str,
    },
    /// The parts of an image do not belong together.
    #[error("cannot read image {manifest}")]
    Image {
        /// The digest of its manifest.
        manifest: Digest,
        /// What is wrong.
        source: Box<ImageError>,
    },
}

/// Says that `action` on `path` failed.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    move |source| ExportError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

pub(crate) fn store_error(action: &'static str) -> impl FnOnce(StoreError) -> ExportError {
    move |source| ExportError::Store {
        action,
        source: Box::new(source),
    }
}

fn layer_error(diff_id: DiffId) -> impl FnOnce(LayerError) -> ExportError {
    move |source| ExportError::Layer {
        diff_id,
        source: Box::new(source),
    }
}

fn image_error(manifest: Digest) -> impl FnOnce(ImageError) -> ExportError {
    move |source| ExportError::Image {
        manifest,
        source: Box::new(source),
    }
}

/// Writes `image` to `destination`, and returns the digest of the manifest that is there now.
///
/// This is [`export`] of one image with nothing but a name and a compression.
pub fn export_image(
    store: &Store,
    image: &Image,
    destination: &Destination,
    options: &ExportOptions,
) -> Result<ManifestDigest, ExportError> {
    let content = ExportContent::Image(ExportImage {
        image: image.clone(),
        base: None,
        platform: None,
    });
    let settings = ExportSettings {
        names: options.reference.iter().cloned().collect(),
        compression: options.compression,
        recompression: Recompression::Different,
        media_types: MediaTypes::Oci,
        annotations: Annotations::default(),
        timestamps: Timestamps::Keep,
    };
    let format = match destination {
        Destination::Layout(path) => ExportFormat::Layout(path.clone()),
        Destination::Archive(path) => ExportFormat::OciArchive(Sink::File(path.clone())),
    };
    let exported = export(store, &content, &settings, format)?;
    Ok(ManifestDigest(exported.descriptor.digest))
}

/// Whether `descriptor` is of something that an image layout lists and that may be an image.
fn is_image(descriptor: &Descriptor) -> bool {
    let is_attestation = descriptor
        .annotations
        .contains_key("vnd.docker.reference.type");
    !is_attestation && (descriptor.media_type.is_manifest() || descriptor.media_type.is_index())
}
