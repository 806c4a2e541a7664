//! Images in the store: by name, by ID, and all of them.

use std::fs;
use std::io;

use crate::descriptor::Descriptor;
use crate::digest::{Digest, ImageId, ManifestDigest};
use crate::image::{Image, Layer};
use crate::manifest::{ImageIndex, Manifest};
use crate::media_type::MediaType;
use crate::reference::Reference;
use crate::store::{Store, StoreError, io_error};

/// The annotation that names an image, as the image layout specification has it.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that names an image, as containerd has it.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";
/// The annotation that says when an image was made.
pub(crate) const CREATED: &str = "org.opencontainers.image.created";
const IMAGE_ID: &str = "dev.jettison.image-id";
const UNPACKED_SIZE: &str = "dev.jettison.unpacked-size";
const STORED_SIZE: &str = "dev.jettison.stored-size";
const FILES: &str = "dev.jettison.files";

/// What a list of images says about one.
#[derive(Debug, Clone, PartialEq)]
pub struct TaggedImage {
    /// Its name.
    pub reference: Reference,
    /// The digest of its manifest.
    pub manifest: ManifestDigest,
    /// The digest of its configuration.
    pub id: ImageId,
    /// When it was made, as RFC 3339 has it.
    pub created: Option<String>,
    /// The sum of its layers' unpacked sizes.
    pub unpacked_size: u64,
    /// The size of its blobs.
    pub stored_size: u64,
}

impl Store {
    /// Stores the manifest and the configuration of `image`, whose layers are there already. Those that nobody has read
    /// may come later.
    pub fn put_image(&self, image: &Image) -> Result<ManifestDigest, StoreError> {
        let is_missing = |layer: &&Layer| layer.measure.is_some() && !self.has(&layer.blob.digest);
        if let Some(layer) = image.layers().iter().find(is_missing) {
            return Err(StoreError::Missing {
                digest: layer.blob.digest,
            });
        }
        self.put(image.config_json())?;
        let (manifest, _) = self.put(&image.manifest().to_json())?;
        let pointer = self.root().join("images").join(image.id().0.hex());
        self.write_file(&pointer, manifest.to_string().as_bytes())?;
        Ok(ManifestDigest(manifest))
    }

    /// Makes `reference` the name of `image`, and of nothing else.
    ///
    /// `manifest` is what [`Store::put_image`] returned.
    pub fn tag(
        &self,
        reference: &Reference,
        manifest: &ManifestDigest,
        image: &Image,
    ) -> Result<(), StoreError> {
        let mut descriptor = index_entry(manifest, self.size(&manifest.0)?, image);
        for name in [REF_NAME, IMAGE_NAME] {
            descriptor
                .annotations
                .insert(name.to_owned(), reference.to_string());
        }
        self.update_index(|manifests| {
            manifests.retain(|entry| !is_named(entry, reference));
            manifests.push(descriptor);
            manifests.sort_by(|a, b| {
                a.annotations
                    .get(REF_NAME)
                    .cmp(&b.annotations.get(REF_NAME))
            });
        })?;
        Ok(())
    }

    /// Gives the names of the image whose manifest is `before` to `image`.
    pub(super) fn rename(
        &self,
        before: &ManifestDigest,
        manifest: &ManifestDigest,
        image: &Image,
    ) -> Result<(), StoreError> {
        let descriptor = index_entry(manifest, self.size(&manifest.0)?, image);
        self.update_index(|manifests| {
            for entry in manifests
                .iter_mut()
                .filter(|entry| entry.digest == before.0)
            {
                let mut renamed = descriptor.clone();
                for name in [REF_NAME, IMAGE_NAME] {
                    let value = entry.annotations.get(name).cloned();
                    renamed
                        .annotations
                        .extend(value.map(|value| (name.to_owned(), value)));
                }
                *entry = renamed;
            }
        })
    }

    /// Takes the name `reference` away, and says whether there was one. The blobs stay.
    pub fn untag(&self, reference: &Reference) -> Result<bool, StoreError> {
        let mut found = false;
        self.update_index(|manifests| {
            let before = manifests.len();
            manifests.retain(|entry| !is_named(entry, reference));
            found = manifests.len() < before;
        })?;
        Ok(found)
    }

    /// The images that have names, sorted by name.
    pub fn images(&self) -> Result<Vec<TaggedImage>, StoreError> {
        let mut images = Vec::new();
        for entry in self.read_index()?.manifests {
            // Only what we have tagged is an image of ours; another tool may have added more.
            let Some(name) = entry.annotations.get(REF_NAME) else {
                continue;
            };
            let Ok(reference) = name.parse() else {
                continue;
            };
            images.push(match listed(&reference, &entry) {
                Some(image) => image,
                None => self.inspect(reference, &entry)?,
            });
        }
        images.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(images)
    }

    /// The image that is called `reference`.
    pub fn find(&self, reference: &Reference) -> Result<Option<Image>, StoreError> {
        let entries = self.read_index()?.manifests;
        match entries.iter().find(|entry| is_named(entry, reference)) {
            Some(entry) => self.load(&ManifestDigest(entry.digest)).map(Some),
            None => Ok(None),
        }
    }

    /// The image whose ID is `id`: a digest, its hex digits, or the start of these if no other
    /// image's ID starts so.
    pub fn find_by_id(&self, id: &str) -> Result<Option<Image>, StoreError> {
        let prefix = id.strip_prefix("sha256:").unwrap_or(id);
        if prefix.is_empty() {
            return Ok(None);
        }
        let mut found: Vec<ImageId> = self.image_ids()?;
        found.retain(|candidate| candidate.0.hex().starts_with(prefix));
        match found[..] {
            [] => Ok(None),
            [only] => self.load_id(&only),
            [first, second, ..] => Err(StoreError::Ambiguous {
                prefix: id.to_owned(),
                first,
                second,
            }),
        }
    }

    /// The image whose manifest is `manifest`.
    pub fn load(&self, manifest: &ManifestDigest) -> Result<Image, StoreError> {
        let json = self.read(&manifest.0)?;
        let parsed = Manifest::from_json(&json).map_err(json_error(manifest.0))?;
        let config_json = self.read(&parsed.config.digest)?;
        Image::from_manifest(&parsed, config_json).map_err(|source| StoreError::Image {
            manifest: manifest.0,
            source: Box::new(source),
        })
    }

    /// The IDs of all stored images, named or not, sorted.
    pub fn image_ids(&self) -> Result<Vec<ImageId>, StoreError> {
        let directory = self.root().join("images");
        let mut ids = Vec::new();
        for entry in fs::read_dir(&directory).map_err(io_error("list", &directory))? {
            let entry = entry.map_err(io_error("list", &directory))?;
            let id = entry.file_name().to_str().and_then(Digest::from_hex);
            ids.extend(id.map(ImageId));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// The digests that `index.json` lists.
    pub(crate) fn index_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let entries = self.read_index()?.manifests;
        Ok(entries.into_iter().map(|entry| entry.digest).collect())
    }

    fn load_id(&self, id: &ImageId) -> Result<Option<Image>, StoreError> {
        let path = self.root().join("images").join(id.0.hex());
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(io_error("read", &path))?,
        };
        let manifest = text.parse().map_err(|error| {
            io_error("read", &path)(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        self.load(&ManifestDigest(manifest)).map(Some)
    }

    /// What a list says about an image that was not tagged by us.
    fn inspect(&self, reference: Reference, entry: &Descriptor) -> Result<TaggedImage, StoreError> {
        let manifest = ManifestDigest(entry.digest);
        let image = self.load(&manifest)?;
        Ok(TaggedImage {
            reference,
            manifest,
            id: image.id(),
            created: image.config().created.clone(),
            unpacked_size: image.unpacked_size(),
            stored_size: image.stored_size(),
        })
    }

    /// Writes an empty `index.json` if there is none.
    pub(crate) fn create_index(&self) -> Result<(), StoreError> {
        self.update_index(|_| ())
    }

    fn read_index(&self) -> Result<ImageIndex, StoreError> {
        let path = self.root().join("index.json");
        let json = fs::read(&path).map_err(io_error("read", &path))?;
        ImageIndex::from_json(&json).map_err(|source| StoreError::Json {
            what: path.display().to_string(),
            source,
        })
    }

    /// Replaces `index.json` by a changed one while no other process can.
    fn update_index(&self, change: impl FnOnce(&mut Vec<Descriptor>)) -> Result<(), StoreError> {
        let (lock, lock_path) = self.open_lock("index.lock")?;
        lock.lock().map_err(io_error("lock", &lock_path))?;
        let path = self.root().join("index.json");
        let mut index = if path.exists() {
            self.read_index()?
        } else {
            ImageIndex::new(Vec::new())
        };
        change(&mut index.manifests);
        self.write_file(&path, &index.to_json())
    }
}

/// Says that the JSON of the blob `digest` cannot be read.
fn json_error(digest: Digest) -> impl FnOnce(serde_json::Error) -> StoreError {
    move |source| StoreError::Json {
        what: format!("blob {digest}"),
        source,
    }
}

fn is_named(entry: &Descriptor, reference: &Reference) -> bool {
    entry
        .annotations
        .get(REF_NAME)
        .is_some_and(|name| *name == reference.to_string())
}

/// An index's descriptor of `image`, with all that a list of images shows.
fn index_entry(manifest: &ManifestDigest, size: u64, image: &Image) -> Descriptor {
    let mut descriptor = manifest_descriptor(manifest, size, image);
    let mut note = |name: &str, value: String| {
        descriptor.annotations.insert(name.to_owned(), value);
    };
    note(IMAGE_ID, image.id().to_string());
    note(UNPACKED_SIZE, image.unpacked_size().to_string());
    note(
        STORED_SIZE,
        image.stored_size().saturating_add(size).to_string(),
    );
    note(FILES, image.files().to_string());
    descriptor
}

/// An index's descriptor of `image`, as every tool writes it.
fn manifest_descriptor(manifest: &ManifestDigest, size: u64, image: &Image) -> Descriptor {
    let mut descriptor = Descriptor::new(MediaType::OciManifest, manifest.0, size);
    descriptor.platform = Some(image.platform());
    if let Some(created) = &image.config().created {
        descriptor
            .annotations
            .insert(CREATED.to_owned(), created.clone());
    }
    descriptor
}

/// What a list says about an image that we have tagged.
fn listed(reference: &Reference, entry: &Descriptor) -> Option<TaggedImage> {
    let note = |name: &str| entry.annotations.get(name);
    Some(TaggedImage {
        reference: reference.clone(),
        manifest: ManifestDigest(entry.digest),
        id: ImageId(note(IMAGE_ID)?.parse().ok()?),
        created: note(CREATED).cloned(),
        unpacked_size: note(UNPACKED_SIZE)?.parse().ok()?,
        stored_size: note(STORED_SIZE)?.parse().ok()?,
    })
}
