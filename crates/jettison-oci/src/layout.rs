//! Images outside of the store: OCI image layouts, as directories and as tar files.
//!
//! What is written is complete or not there: a new layout directory and an archive appear by rename;
//! in a layout that exists, blobs appear one by one and `index.json` is replaced last. The same
//! image and options give the same bytes.
//!
//! See <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>.

mod archive;
mod directory;
mod import;

pub use crate::layout::import::import_layout;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::changeset::{LayerError, recompress};
use crate::compress::Compression;
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Digest, Hasher, ManifestDigest};
use crate::image::{Image, ImageError, Layer};
use crate::reference::Reference;
use crate::store::{BlobReader, IMAGE_NAME, REF_NAME, Store, StoreError, manifest_descriptor};

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
    /// A file of the layout is not the JSON that it should be.
    #[error("cannot read {what} of the image layout")]
    Json {
        /// The file or blob.
        what: String,
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// The layout is not sound.
    #[error("the image layout is broken: {reason}")]
    Broken {
        /// In which way.
        reason: String,
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
pub fn export_image(
    store: &Store,
    image: &Image,
    destination: &Destination,
    options: &ExportOptions,
) -> Result<ManifestDigest, ExportError> {
    let export = Export::of(store, image, options)?;
    let manifest = ManifestDigest(export.manifest.digest);
    match destination {
        Destination::Layout(path) => directory::write(store, export, path)?,
        Destination::Archive(path) => archive::write(store, export, path)?,
    }
    Ok(manifest)
}

/// Everything that an export consists of.
struct Export {
    /// The index's entry for the image.
    manifest: Descriptor,
    blobs: BTreeMap<Digest, Blob>,
    /// What `docker load` reads where the image store is not containerd's.
    docker_manifest: Vec<u8>,
}

/// Where the bytes of a blob come from.
enum Blob {
    Bytes(Vec<u8>),
    Stored(u64),
    File(File, u64),
}

impl Blob {
    fn size(&self) -> u64 {
        match self {
            Blob::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Blob::Stored(size) | Blob::File(_, size) => *size,
        }
    }

    /// Opens the blob `digest`; stored blobs are verified as they are read.
    fn open(&mut self, store: &Store, digest: &Digest) -> Result<BlobSource<'_>, ExportError> {
        Ok(match self {
            Blob::Bytes(bytes) => BlobSource::Bytes(bytes),
            Blob::Stored(_) => {
                BlobSource::Stored(store.open_blob(digest).map_err(store_error("read"))?)
            }
            Blob::File(file, _) => {
                file.rewind()
                    .map_err(io_error("read a compressed layer in", store.root()))?;
                BlobSource::File(file)
            }
        })
    }
}

/// An open blob.
enum BlobSource<'b> {
    Bytes(&'b [u8]),
    Stored(BlobReader),
    File(&'b mut File),
}

impl Read for BlobSource<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            BlobSource::Bytes(bytes) => bytes.read(buffer),
            BlobSource::Stored(blob) => blob.read(buffer),
            BlobSource::File(file) => file.read(buffer),
        }
    }
}

impl Export {
    fn of(store: &Store, image: &Image, options: &ExportOptions) -> Result<Export, ExportError> {
        let mut blobs = BTreeMap::new();
        let mut layers = Vec::new();
        for layer in image.layers() {
            let (layer, blob) = compressed(store, layer, options.compression)?;
            blobs.insert(layer.blob.digest, blob);
            layers.push(layer);
        }
        let config_json = image.config_json().to_vec();
        let image = Image::from_config_json(config_json.clone(), layers)
            .map_err(image_error(image.manifest_digest().0))?;
        let manifest_json = image.manifest().to_json();
        let digest = ManifestDigest(Digest::of(&manifest_json));
        let docker_manifest = docker_manifest(&image, options.reference.as_ref());
        let manifest = Blob::Bytes(manifest_json);
        let mut descriptor = manifest_descriptor(&digest, manifest.size(), &image);
        for name in [REF_NAME, IMAGE_NAME] {
            let reference = options.reference.as_ref().map(Reference::to_string);
            descriptor
                .annotations
                .extend(reference.map(|reference| (name.to_owned(), reference)));
        }
        blobs.insert(digest.0, manifest);
        blobs.insert(image.id().0, Blob::Bytes(config_json));
        Ok(Export {
            manifest: descriptor,
            blobs,
            docker_manifest,
        })
    }
}

/// `layer` as the export has it, and its blob.
fn compressed(
    store: &Store,
    layer: &Layer,
    compression: Compression,
) -> Result<(Layer, Blob), ExportError> {
    let stored = layer.blob.media_type.to_oci();
    if stored == compression.media_type() {
        return Ok((layer.clone(), Blob::Stored(layer.blob.size)));
    }
    let file = store.scratch_file().map_err(store_error("compress"))?;
    let writer = Measured {
        file,
        hasher: Hasher::new(),
        size: 0,
    };
    let written =
        recompress(store, layer, compression, writer).map_err(layer_error(layer.diff_id))?;
    let digest = written.hasher.finish();
    let blob = Descriptor::new(compression.media_type(), digest, written.size);
    Ok((
        Layer {
            blob,
            ..layer.clone()
        },
        Blob::File(written.file, written.size),
    ))
}

/// The list of images in the form of `docker save`.
fn docker_manifest(image: &Image, reference: Option<&Reference>) -> Vec<u8> {
    let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let layers: Vec<String> = image
        .layers()
        .iter()
        .map(|layer| path(&layer.blob.digest))
        .collect();
    let tags: Vec<String> = reference
        .filter(|reference| reference.tag().is_some() && reference.digest().is_none())
        .map(Reference::familiar)
        .into_iter()
        .collect();
    let entry = serde_json::json!([{
        "Config": path(&image.id().0),
        "Layers": layers,
        "RepoTags": tags,
    }]);
    entry.to_string().into_bytes()
}

/// A file whose bytes are hashed and counted as they are written.
struct Measured {
    file: File,
    hasher: Hasher,
    size: u64,
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether `descriptor` is of something that an image layout lists and that may be an image.
fn is_image(descriptor: &Descriptor) -> bool {
    let is_attestation = descriptor
        .annotations
        .contains_key("vnd.docker.reference.type");
    !is_attestation && (descriptor.media_type.is_manifest() || descriptor.media_type.is_index())
}
