//! Images that are written out as they came.

use std::collections::{BTreeMap, BTreeSet};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::image::Image;
use crate::layout::export::{ExportFormat, Exported};
use crate::layout::prepare::{Blob, Prepared};
use crate::layout::{ExportError, archive, directory};
use crate::manifest::Manifest;
use crate::media_type::MediaType;
use crate::registry::Unwatched;
use crate::store::{REF_NAME, Store};

/// An image, or an index of images, to the byte as it is elsewhere, so that digests stay. Its blobs are in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Original {
    top: Descriptor,
    // Invariant: the manifest or index of `top` is the last one, and what an index lists comes before it.
    manifests: Vec<(Descriptor, Vec<u8>)>,
    blobs: Vec<Descriptor>,
}

impl Original {
    /// An image of the store by the manifest with the digest `manifest`, which it has in a registry or a layout that it
    /// came from. `None` if the store does not have that manifest, or not all of its blobs.
    pub fn of_image(store: &Store, image: &Image, manifest: &Digest) -> Option<Original> {
        let origins = store.origins(&image.manifest_digest()).into_iter();
        let mut origins = origins.filter(|origin| origin.manifest.digest == *manifest);
        let (media_type, json) = match origins.next() {
            Some(origin) => (
                Some(origin.manifest.media_type),
                origin.manifest_json.into_bytes(),
            ),
            None => (None, store.read(manifest).ok()?),
        };
        let read = Manifest::from_json(&json).ok()?;
        let is_sound = Digest::of(&json) == *manifest && read.config.digest == image.id().0;
        let media_type = media_type
            .or(read.media_type)
            .unwrap_or(MediaType::OciManifest);
        let size = u64::try_from(json.len()).ok()?;
        let top = Descriptor::new(media_type, *manifest, size);
        let original = Original::new(vec![(top, json)])?;
        let is_whole = original.blobs.iter().all(|blob| store.has(&blob.digest));
        (is_sound && is_whole).then_some(original)
    }

    /// What consists of these, the last of which lists or holds all others. `None` if one is none, or if there are none.
    pub(crate) fn new(manifests: Vec<(Descriptor, Vec<u8>)>) -> Option<Original> {
        let (top, _) = manifests.last()?;
        let top = top.clone();
        let (mut blobs, mut seen) = (Vec::new(), BTreeSet::new());
        for (descriptor, json) in &manifests {
            if descriptor.media_type.is_manifest() {
                let manifest = Manifest::from_json(json).ok()?;
                let parts = manifest.layers.into_iter().chain([manifest.config]);
                blobs.extend(parts.filter(|blob| seen.insert(blob.digest)));
            }
        }
        Some(Original {
            top,
            manifests,
            blobs,
        })
    }

    /// The manifest of the image, or the index.
    pub fn descriptor(&self) -> &Descriptor {
        &self.top
    }

    pub(crate) fn manifests(&self) -> &[(Descriptor, Vec<u8>)] {
        &self.manifests
    }

    /// Layers and configurations, each once.
    pub(crate) fn blobs(&self) -> Vec<Descriptor> {
        self.blobs.clone()
    }
}

/// Writes `original` into a layout, with the short name `name` if there is one. Docker's archives have no place for it.
pub fn export_original(
    store: &Store,
    original: &Original,
    name: Option<&str>,
    format: ExportFormat<'_>,
) -> Result<Exported, ExportError> {
    let mut blobs = BTreeMap::new();
    for blob in &original.blobs {
        blobs.insert(blob.digest, Blob::Stored(blob.size));
    }
    for (descriptor, json) in &original.manifests {
        blobs.insert(descriptor.digest, Blob::Bytes(json.clone()));
    }
    let mut entry = original.top.clone();
    entry
        .annotations
        .extend(name.map(|name| (REF_NAME.to_owned(), name.to_owned())));
    let prepared = Prepared {
        exported: Exported {
            descriptor: original.top.clone(),
            images: Vec::new(),
        },
        entries: vec![entry],
        blobs,
        docker_manifest: None,
    };
    match format {
        ExportFormat::Layout(path) => directory::write(store, &path, |_| Ok(prepared)),
        ExportFormat::OciArchive(sink) => archive::write(store, prepared, sink, &Unwatched),
        ExportFormat::DockerArchive(_) => Err(ExportError::Impossible {
            reason: "an archive for `docker load` has manifests of its own",
        }),
    }
}
