//! Makes all that an export consists of: layers as they are asked for, configurations, manifests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::changeset::{LayerError, recompress, retime};
use crate::compress::Compression;
use crate::config::ImageConfig;
use crate::descriptor::{Descriptor, Platform};
use crate::digest::{DiffId, Digest, Hasher};
use crate::image::{Image, Layer};
use crate::layout::clamp::clamp_config;
use crate::layout::export::{
    ExportContent, ExportImage, ExportSettings, Exported, ExportedImage, MediaTypes, Recompression,
    Timestamps,
};
use crate::layout::save::SavedImage;
use crate::layout::watch::compressing;
use crate::layout::{ExportError, image_error, io_error, layer_error, store_error};
use crate::manifest::{ImageIndex, Manifest};
use crate::media_type::MediaType;
use crate::reference::Reference;
use crate::registry::{TransferObserver, Unwatched};
use crate::store::{BlobReader, CREATED, IMAGE_NAME, REF_NAME, Store, temporary_in};

/// Everything that an export consists of.
pub(crate) struct Prepared {
    pub(crate) exported: Exported,
    /// The entries of the layout's `index.json`: one for each name, or one.
    pub(super) entries: Vec<Descriptor>,
    pub(crate) blobs: BTreeMap<Digest, Blob>,
    /// What `docker load` reads where the image store is not containerd's.
    pub(super) docker_manifest: Option<Vec<u8>>,
}

impl Prepared {
    /// Makes the parts of an export. Layers that are compressed anew go to files in the directory `scratch`.
    pub(crate) fn of(
        store: &Store,
        content: &ExportContent,
        settings: &ExportSettings,
        scratch: &Path,
    ) -> Result<Prepared, ExportError> {
        let mut preparation = Preparation {
            store,
            settings,
            scratch,
            blobs: BTreeMap::new(),
            layers: BTreeMap::new(),
            observer: &Unwatched,
        };
        let mut images = Vec::new();
        let mut docker_manifest = None;
        let mut descriptor = match content {
            ExportContent::Image(image) => {
                let (image, written) = preparation.image(image)?;
                docker_manifest = Some(docker_manifest_of(&image, &settings.names));
                images.push(written.clone());
                written.manifest
            }
            ExportContent::Index(list) => {
                for image in list {
                    images.push(preparation.image(image)?.1);
                }
                preparation.index(&images)
            }
        };
        let annotations = match content {
            ExportContent::Image(image) => settings.annotations.of_descriptor(&image.platform()),
            ExportContent::Index(_) => settings.annotations.index_descriptor.clone(),
        };
        descriptor.annotations.extend(annotations);
        Ok(Prepared {
            entries: named(&descriptor, &settings.names),
            exported: Exported { descriptor, images },
            blobs: preparation.blobs,
            docker_manifest,
        })
    }
}

impl Prepared {
    /// Makes the parts of several images, each with its names. What they share is there once.
    pub(super) fn of_several(
        store: &Store,
        images: &[SavedImage],
        settings: &ExportSettings,
        observer: &dyn TransferObserver,
    ) -> Result<Prepared, ExportError> {
        let mut preparation = Preparation {
            store,
            settings,
            scratch: &store.tmp(),
            blobs: BTreeMap::new(),
            layers: BTreeMap::new(),
            observer,
        };
        let (mut entries, mut docker, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for saved in images {
            let export = ExportImage {
                image: saved.image.clone(),
                base: None,
                platform: None,
            };
            let (image, one) = preparation.image(&export)?;
            entries.extend(named_in_full(&one.manifest, &saved.names));
            docker.push(docker_entry_of(&image, &saved.names));
            written.push(one);
        }
        let first = written.first().map(|one| one.manifest.clone());
        let Some(descriptor) = first else {
            let reason = "there is no image to be written";
            return Err(ExportError::Impossible { reason });
        };
        Ok(Prepared {
            exported: Exported {
                descriptor,
                images: written,
            },
            entries,
            blobs: preparation.blobs,
            docker_manifest: Some(serde_json::Value::from(docker).to_string().into_bytes()),
        })
    }
}

/// Where the bytes of a blob come from.
pub(crate) enum Blob {
    Bytes(Vec<u8>),
    Stored(u64),
    File(NamedTempFile, u64),
    /// A layer that was compressed so before. It is done again only if somebody wants the bytes.
    Later(Box<Later>),
}

/// What a layer will be.
pub(crate) struct Later {
    layer: Layer,
    compression: Compression,
    size: u64,
    scratch: PathBuf,
}

impl Blob {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Blob::Bytes(bytes) => length(bytes),
            Blob::Stored(size) | Blob::File(_, size) => *size,
            Blob::Later(later) => later.size,
        }
    }

    /// Makes the bytes, if they are still to be made.
    pub(crate) fn make(&mut self, store: &Store, digest: &Digest) -> Result<(), ExportError> {
        let Blob::Later(later) = &*self else {
            return Ok(());
        };
        let Later {
            layer, compression, ..
        } = &**later;
        let writer = Measured::in_directory(&later.scratch)?;
        let written =
            recompress(store, layer, *compression, writer).map_err(layer_error(layer.diff_id))?;
        let actual = written.hasher.finish();
        if actual != *digest {
            let blob = &layer.blob.digest;
            store
                .set_compressed(blob, *compression, None)
                .map_err(store_error("compress"))?;
            return Err(ExportError::Outdated {
                diff_id: layer.diff_id,
            });
        }
        *self = Blob::File(written.file, written.size);
        Ok(())
    }

    /// Opens the bytes from `offset` on. A blob that is read from its beginning is verified.
    pub(crate) fn open_at(
        &self,
        (store, digest): (&Store, &Digest),
        offset: u64,
    ) -> io::Result<Box<dyn Read + '_>> {
        let seek = |mut file: File| -> io::Result<Box<dyn Read>> {
            file.seek(SeekFrom::Start(offset))?;
            Ok(Box::new(file))
        };
        match self {
            Blob::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                Ok(Box::new(bytes.get(start..).unwrap_or_default()))
            }
            Blob::Stored(_) if offset == 0 => {
                let blob = store.open_blob(digest).map_err(io::Error::other)?;
                Ok(Box::new(blob))
            }
            Blob::Stored(_) => seek(File::open(store.blob_path(digest))?),
            Blob::File(file, _) => seek(file.reopen()?),
            Blob::Later(_) => Err(io::Error::other("the layer has not been compressed")),
        }
    }

    /// Opens the blob `digest`; stored blobs are verified as they are read.
    pub(super) fn open(
        &mut self,
        store: &Store,
        digest: &Digest,
    ) -> Result<BlobSource<'_>, ExportError> {
        self.make(store, digest)?;
        Ok(match self {
            Blob::Bytes(bytes) => BlobSource::Bytes(bytes),
            Blob::Stored(_) => {
                BlobSource::Stored(store.open_blob(digest).map_err(store_error("read"))?)
            }
            Blob::File(file, _) => {
                let rewound = file.as_file_mut().rewind();
                rewound.map_err(io_error("read a compressed layer in", store.root()))?;
                BlobSource::File(file.as_file_mut())
            }
            // It has just been made.
            Blob::Later(later) => {
                return Err(ExportError::Outdated {
                    diff_id: later.layer.diff_id,
                });
            }
        })
    }
}

/// An open blob.
pub(super) enum BlobSource<'b> {
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

struct Preparation<'p> {
    store: &'p Store,
    settings: &'p ExportSettings,
    scratch: &'p Path,
    blobs: BTreeMap<Digest, Blob>,
    /// What became of layers already: platforms often share some.
    layers: BTreeMap<(DiffId, Digest, bool), Layer>,
    observer: &'p dyn TransferObserver,
}

impl Preparation<'_> {
    /// Makes the parts of one image, as it is then.
    fn image(&mut self, export: &ExportImage) -> Result<(Image, ExportedImage), ExportError> {
        let broken = image_error(export.image.manifest_digest().0);
        let base = export.base.as_ref();
        let base_layers = base.map_or(0, |base| {
            let pairs = base.layers().iter().zip(export.image.layers());
            let shared = pairs.take_while(|(below, own)| below.diff_id == own.diff_id);
            shared.count()
        });
        let mut layers = Vec::new();
        for (index, layer) in export.image.layers().iter().enumerate() {
            layers.push(self.layer(layer, index < base_layers)?);
        }
        let config_json = self.config_json(&export.image, base.map(Image::config), &layers);
        let image = Image::from_config_json(config_json, layers).map_err(broken)?;
        let written = self.manifest(&image, export.platform());
        Ok((image, written))
    }

    /// The configuration: the same bytes, unless something in it changes.
    fn config_json(&self, image: &Image, base: Option<&ImageConfig>, layers: &[Layer]) -> Vec<u8> {
        let mut config = image.config().clone();
        config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id).collect();
        match self.settings.timestamps {
            Timestamps::Keep => {}
            Timestamps::ClampConfig(epoch) | Timestamps::ClampAll(epoch) => {
                clamp_config(&mut config, base, epoch);
            }
        }
        if config == *image.config() {
            image.config_json().to_vec()
        } else {
            config.to_json()
        }
    }

    /// Makes the manifest and the configuration blobs.
    fn manifest(&mut self, image: &Image, platform: Platform) -> ExportedImage {
        let media_types = self.settings.media_types;
        let config_json = image.config_json();
        let config = Descriptor::new(
            media_types.of(&MediaType::OciConfig),
            image.id().0,
            length(config_json),
        );
        let layers = image.layers().iter().map(|layer| {
            let mut blob = layer.blob.clone();
            blob.media_type = media_types.of(&blob.media_type);
            if media_types == MediaTypes::Docker {
                blob.annotations.clear();
            }
            blob
        });
        let mut manifest = Manifest::new(config.clone(), layers.collect());
        manifest.media_type = Some(media_types.of(&MediaType::OciManifest));
        manifest.annotations = self.settings.annotations.of_manifest(&platform);
        self.put(image.id().0, config_json.to_vec());
        let json = manifest.to_json();
        let (digest, size) = (Digest::of(&json), length(&json));
        self.put(digest, json);
        let media_type = media_types.of(&MediaType::OciManifest);
        let mut descriptor = Descriptor::new(media_type, digest, size);
        descriptor.platform = Some(platform);
        if let Some(created) = &image.config().created {
            let created = (CREATED.to_owned(), created.clone());
            descriptor.annotations.extend([created]);
        }
        ExportedImage {
            manifest: descriptor,
            config,
        }
    }

    /// Makes the index of `images`.
    fn index(&mut self, images: &[ExportedImage]) -> Descriptor {
        let media_type = self.settings.media_types.of(&MediaType::OciIndex);
        let annotations = &self.settings.annotations;
        let manifests = images.iter().map(|image| {
            let mut manifest = image.manifest.clone();
            let own = manifest.platform.as_ref();
            manifest.annotations =
                own.map_or_else(BTreeMap::new, |own| annotations.of_descriptor(own));
            manifest
        });
        let mut index = ImageIndex::new(manifests.collect());
        index.media_type = Some(media_type.clone());
        index.annotations = annotations.index.clone();
        let created = images
            .iter()
            .filter_map(|image| image.manifest.annotations.get(CREATED))
            .max();
        let json = index.to_json();
        let mut descriptor = Descriptor::new(media_type, Digest::of(&json), length(&json));
        let created = created.map(|created| (CREATED.to_owned(), created.clone()));
        descriptor.annotations.extend(created);
        self.put(descriptor.digest, json);
        descriptor
    }

    fn put(&mut self, digest: Digest, bytes: Vec<u8>) {
        self.blobs.insert(digest, Blob::Bytes(bytes));
    }

    /// `layer` as the export has it.
    fn layer(&mut self, layer: &Layer, is_base: bool) -> Result<Layer, ExportError> {
        let key = (layer.diff_id, layer.blob.digest, is_base);
        if let Some(made) = self.layers.get(&key) {
            return Ok(made.clone());
        }
        let (made, blob) = self.new_layer(layer, is_base)?;
        self.blobs.entry(made.blob.digest).or_insert(blob);
        self.layers.insert(key, made.clone());
        Ok(made)
    }

    fn new_layer(&self, layer: &Layer, is_base: bool) -> Result<(Layer, Blob), ExportError> {
        let settings = self.settings;
        if layer.measure.is_none() && settings.recompression != Recompression::All {
            // It came from a registry, and may still be there alone: it stays what it is, as in BuildKit.
            return Ok((layer.clone(), Blob::Stored(layer.blob.size)));
        }
        if let Timestamps::ClampAll(epoch) = settings.timestamps
            && !is_base
        {
            let retimed = self.compressed(layer, |writer| {
                retime(self.store, layer, epoch, settings.compression, writer)
            })?;
            if let Some(retimed) = retimed {
                return Ok(retimed);
            }
        }
        if self.stays(layer, is_base) {
            return Ok((layer.clone(), Blob::Stored(layer.blob.size)));
        }
        let (source, compression) = (&layer.blob.digest, settings.compression);
        if let Some(blob) = self.store.compressed(source, compression) {
            let to_make = Later {
                layer: layer.clone(),
                compression,
                size: blob.size,
                scratch: self.scratch.to_owned(),
            };
            let made = Layer {
                blob,
                ..layer.clone()
            };
            return Ok((made, Blob::Later(Box::new(to_make))));
        }
        let made = compressing(self.observer, (*source, layer.blob.size), || {
            self.compressed(layer, |writer| {
                let writer = recompress(self.store, layer, compression, writer)?;
                Ok(Some((layer.diff_id, writer)))
            })
        })?;
        if let Some((made, _)) = &made {
            // Where it cannot be written down, it is done again next time.
            self.store
                .set_compressed(source, compression, Some(&made.blob))
                .unwrap_or_default();
        }
        Ok(made.unwrap_or_else(|| (layer.clone(), Blob::Stored(layer.blob.size))))
    }

    /// Whether the stored blob of a layer is what is asked for.
    fn stays(&self, layer: &Layer, is_base: bool) -> bool {
        let stored = layer.blob.media_type.to_oci();
        let wanted = self.settings.compression;
        match self.settings.recompression {
            Recompression::All => return false,
            Recompression::Plain if stored != MediaType::OciLayerTar => return true,
            Recompression::Plain | Recompression::Different => {}
        }
        // BuildKit leaves a base as it is. Bases of ours are stored as zstd for speed alone, which not every tool reads;
        // what a registry has was meant so.
        let is_in_registry = || !self.store.places(&layer.blob.digest).is_empty();
        if is_base && (stored != MediaType::OciLayerTarZstd || is_in_registry()) {
            return true;
        }
        if stored != wanted.media_type() {
            return false;
        }
        match wanted {
            Compression::None | Compression::Gzip { .. } => true,
            // What was built is stored in a hurry.
            Compression::Zstd { .. } => is_base || wanted == Compression::STORE,
        }
    }

    /// Lets `write` write the blob of a layer, and returns its diff ID.
    fn compressed(
        &self,
        layer: &Layer,
        write: impl FnOnce(Measured) -> Result<Option<(DiffId, Measured)>, LayerError>,
    ) -> Result<Option<(Layer, Blob)>, ExportError> {
        let measured = Measured::in_directory(self.scratch)?;
        let Some((diff_id, written)) = write(measured).map_err(layer_error(layer.diff_id))? else {
            return Ok(None);
        };
        let media_type = self.settings.compression.media_type();
        let blob = Descriptor::new(media_type, written.hasher.finish(), written.size);
        let made = Layer {
            diff_id,
            blob,
            ..layer.clone()
        };
        Ok(Some((made, Blob::File(written.file, written.size))))
    }
}

impl MediaTypes {
    /// The media type that is used for what `media_type` is.
    fn of(self, media_type: &MediaType) -> MediaType {
        match self {
            MediaTypes::Oci => media_type.to_oci(),
            MediaTypes::Docker => media_type.to_docker(),
        }
    }
}

/// The entries of `index.json` for what `descriptor` is, one for each name.
fn named(descriptor: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    if names.is_empty() {
        return vec![descriptor.clone()];
    }
    let entries = names.iter().map(|name| {
        let mut entry = descriptor.clone();
        // containerd: `addNameAnnotation` and `ociReferenceName`, core/images/archive/exporter.go.
        let digest = name.digest().map(|digest| digest.to_string());
        let short = name.tag().map(str::to_owned).or(digest);
        let short = short.unwrap_or_else(|| "latest".to_owned());
        entry.annotations.extend([
            (IMAGE_NAME.to_owned(), name.to_string()),
            (REF_NAME.to_owned(), short),
        ]);
        entry
    });
    entries.collect()
}

/// As [`named`], with names in full also where other tools look for a word: tags alone do not tell several images apart
/// (podman writes its archives so).
fn named_in_full(descriptor: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    let mut entries = named(descriptor, names);
    for entry in &mut entries {
        if let Some(name) = entry.annotations.get(IMAGE_NAME).cloned() {
            entry.annotations.insert(REF_NAME.to_owned(), name);
        }
    }
    entries
}

/// The list of images in the form of `docker save`, with one image.
fn docker_manifest_of(image: &Image, names: &[Reference]) -> Vec<u8> {
    let entry = docker_entry_of(image, names);
    serde_json::json!([entry]).to_string().into_bytes()
}

/// An image in the list of `docker save`.
fn docker_entry_of(image: &Image, names: &[Reference]) -> serde_json::Value {
    let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let layers: Vec<String> = image
        .layers()
        .iter()
        .map(|layer| path(&layer.blob.digest))
        .collect();
    let tags: Vec<String> = names
        .iter()
        .filter(|name| name.tag().is_some() && name.digest().is_none())
        .map(Reference::familiar)
        .collect();
    serde_json::json!({
        "Config": path(&image.id().0),
        "Layers": layers,
        "RepoTags": tags,
    })
}

/// A file whose bytes are hashed and counted as they are written.
struct Measured {
    file: NamedTempFile,
    hasher: Hasher,
    size: u64,
}

impl Measured {
    fn in_directory(scratch: &Path) -> Result<Measured, ExportError> {
        Ok(Measured {
            file: temporary_in(scratch).map_err(store_error("compress"))?,
            hasher: Hasher::new(),
            size: 0,
        })
    }
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
