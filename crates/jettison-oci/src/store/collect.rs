//! What a store holds and what of it is needed, for whoever clears it up.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::SystemTime;

use crate::digest::{Digest, ImageId, ManifestDigest};
use crate::manifest::Manifest;
use crate::store::{Store, StoreError, io_error};

/// A blob on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name. Its bytes have not been looked at.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub written: SystemTime,
}

impl Store {
    /// All blobs, sorted by digest.
    pub fn blobs(&self) -> Result<Vec<StoredBlob>, StoreError> {
        let directory = self.root().join("blobs/sha256");
        let mut blobs = Vec::new();
        for entry in fs::read_dir(&directory).map_err(io_error("list", &directory))? {
            let entry = entry.map_err(io_error("list", &directory))?;
            let Some(digest) = entry.file_name().to_str().and_then(Digest::from_hex) else {
                continue;
            };
            let path = entry.path();
            let metadata = entry.metadata().map_err(io_error("examine", &path))?;
            let written = metadata.modified().map_err(io_error("examine", &path))?;
            blobs.push(StoredBlob {
                digest,
                size: metadata.len(),
                written,
            });
        }
        blobs.sort_by_key(|blob| blob.digest);
        Ok(blobs)
    }

    /// The images without a name, and when each was stored; sorted by ID.
    pub fn unnamed_images(&self) -> Result<Vec<(ImageId, SystemTime)>, StoreError> {
        let named: BTreeSet<ImageId> = self.images()?.into_iter().map(|image| image.id).collect();
        let mut images = Vec::new();
        for id in self.image_ids()? {
            if named.contains(&id) {
                continue;
            }
            let path = self.root().join("images").join(id.0.hex());
            let metadata = fs::metadata(&path).map_err(io_error("examine", &path))?;
            let stored = metadata.modified().map_err(io_error("examine", &path))?;
            images.push((id, stored));
        }
        Ok(images)
    }

    /// Forgets an image that has no name. Its blobs stay until they are collected.
    pub fn forget_image(&self, id: &ImageId) -> Result<(), StoreError> {
        let path = self.root().join("images").join(id.0.hex());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The blobs that images need, those which another tool has put into `index.json` included.
    ///
    /// An image whose manifest cannot be read needs at least that manifest.
    pub fn needed_blobs(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let mut needed = self.named_blobs()?;
        for id in self.image_ids()? {
            needed.extend(self.blobs_of(&id)?);
        }
        Ok(needed)
    }

    /// Those of the images that have a name, with what another tool has put into `index.json`.
    pub fn named_blobs(&self) -> Result<BTreeSet<Digest>, StoreError> {
        Ok(self.closure(self.index_digests()?.into_iter().collect()))
    }

    /// Those of one image; none if it is not there.
    pub fn blobs_of(&self, id: &ImageId) -> Result<BTreeSet<Digest>, StoreError> {
        let manifest = self.manifest_of(id)?.map(|manifest| manifest.0);
        Ok(self.closure(manifest.into_iter().collect()))
    }

    /// Manifests, and all that they name.
    fn closure(&self, mut roots: BTreeSet<Digest>) -> BTreeSet<Digest> {
        let mut needed = BTreeSet::new();
        while let Some(digest) = roots.pop_first() {
            if !needed.insert(digest) {
                continue;
            }
            let Ok(json) = self.read(&digest) else {
                continue;
            };
            if let Ok(manifest) = Manifest::from_json(&json) {
                needed.insert(manifest.config.digest);
                needed.extend(manifest.layers.iter().map(|layer| layer.digest));
            } else if let Ok(index) = crate::manifest::ImageIndex::from_json(&json) {
                roots.extend(index.manifests.iter().map(|entry| entry.digest));
            }
        }
        needed
    }

    fn manifest_of(&self, id: &ImageId) -> Result<Option<ManifestDigest>, StoreError> {
        let path = self.root().join("images").join(id.0.hex());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.parse().ok().map(ManifestDigest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }
}
