//! Reads image layouts, and archives of images, into the store.

mod docker;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::changeset::{Entry, EntryKind, TarFile, measure_layer};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::{Digest, ManifestDigest};
use crate::image::{Image, ImageError};
use crate::layout::import::docker::DockerArchive;
use crate::layout::{ExportError, image_error, io_error, is_image, layer_error, store_error};
use crate::manifest::{ImageIndex, Manifest};
use crate::store::{BlobWriter, IMAGE_NAME, REF_NAME, Store};

/// The largest JSON file that is read.
const LARGEST_JSON: u64 = 16 << 20;
/// How deep indexes may lie in indexes.
const DEEPEST: usize = 4;

/// Images, each with a name that it has where it comes from. One with several names is there several times.
type Imported = Vec<(Option<String>, Image)>;

/// Reads all images of the OCI layout at `path`, a directory or a tar file, into the store, with
/// the names that they have there. Blobs and layers are verified.
///
/// A tar file may be compressed, and may be one of `docker save` as well, see [`import_archive`].
pub fn import_layout(
    store: &Store,
    path: &Path,
) -> Result<Vec<(Option<String>, Image)>, ExportError> {
    import(store, path, None)
}

/// Reads all images of a tar file into the store, with the names that they have there: an OCI layout, or what
/// `docker save` writes. It may be compressed with gzip, bzip2, xz or zstd, and is read once, from start to end.
///
/// `path` is the archive's name, for messages.
pub fn import_archive(
    store: &Store,
    reader: &mut dyn Read,
    path: &Path,
) -> Result<Vec<(Option<String>, Image)>, ExportError> {
    read_archive(store, reader, (path, None))
}

/// Reads from the OCI layout at `path`, as [`import_layout`] does, the image whose manifest has the digest `wanted`, or
/// all images of the index that has it.
pub fn import_from_layout(
    store: &Store,
    path: &Path,
    wanted: &Digest,
) -> Result<Vec<(Option<String>, Image)>, ExportError> {
    import(store, path, Some(wanted))
}

fn import(store: &Store, path: &Path, wanted: Option<&Digest>) -> Result<Imported, ExportError> {
    let metadata = fs::metadata(path).map_err(io_error("open", path))?;
    if metadata.is_dir() {
        let index = directory_index(path)?;
        return read_index(store, &index, (Some(path.to_owned()), wanted));
    }
    let mut file = File::open(path).map_err(io_error("open", path))?;
    read_archive(store, &mut file, (path, wanted))
}

/// Reads what an `index.json` lists; blobs that are not in the store yet are in the directory.
fn read_index(
    store: &Store,
    index: &[u8],
    (directory, wanted): (Option<PathBuf>, Option<&Digest>),
) -> Result<Imported, ExportError> {
    let index = ImageIndex::from_json(index).map_err(json_error("index.json"))?;
    let mut import = Import {
        store,
        directory,
        images: Vec::new(),
    };
    for entry in &index.manifests {
        let name = entry
            .annotations
            .get(IMAGE_NAME)
            .or(entry.annotations.get(REF_NAME));
        import.entry(entry, name, (DEEPEST, wanted))?;
    }
    Ok(import.images)
}

/// The `index.json` of a layout directory.
fn directory_index(path: &Path) -> Result<Vec<u8>, ExportError> {
    if !path.join("oci-layout").is_file() {
        return Err(ExportError::NotALayout {
            path: path.to_owned(),
        });
    }
    let index = path.join("index.json");
    let file = File::open(&index).map_err(io_error("open", &index))?;
    read_json(file).map_err(io_error("read", &index))
}

/// Stores the blobs of an archive, and then its images.
fn read_archive(
    store: &Store,
    reader: &mut dyn Read,
    (path, wanted): (&Path, Option<&Digest>),
) -> Result<Imported, ExportError> {
    let strange = || ExportError::NotAnArchive {
        path: path.to_owned(),
    };
    let tar = TarFile::open(reader).ok_or_else(strange)?;
    let mut index = None;
    let mut docker = DockerArchive::default();
    let mut failure = None;
    let read = tar.each_entry(|entry, content| {
        if failure.is_none() {
            failure = match archive_entry(store, path, (&entry, content), &mut index) {
                Ok(true) => None,
                Ok(false) => docker.entry(store, path, &entry, content).err(),
                Err(error) => Some(error),
            };
        }
        Ok(())
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    read.map_err(|error| ExportError::Broken {
        reason: describe(&error),
    })?;
    match index {
        Some(index) => {
            let images = read_index(store, &index, (None, wanted))?;
            Ok(docker.named(images))
        }
        None => docker.images(store)?.ok_or_else(strange),
    }
}

/// An error with its causes, for a message that has no other place for them.
fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", describe(source)),
        None => error.to_string(),
    }
}

/// Takes what belongs to an OCI layout, and says whether the entry did.
fn archive_entry(
    store: &Store,
    path: &Path,
    (entry, content): (&Entry, &mut dyn Read),
    index: &mut Option<Vec<u8>>,
) -> Result<bool, ExportError> {
    if entry.kind != EntryKind::File {
        return Ok(false);
    }
    if entry.path == b"index.json" {
        *index = Some(read_json(content).map_err(io_error("read", path))?);
        return Ok(true);
    }
    match docker::blob_of(&entry.path) {
        Some(digest) => store_blob(store, &digest, content, path).map(|()| true),
        None => Ok(false),
    }
}

/// Reads a file that should not be large.
fn read_json(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    reader.take(LARGEST_JSON + 1).read_to_end(&mut json)?;
    if json.len() as u64 > LARGEST_JSON {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the file is too large",
        ));
    }
    Ok(json)
}

/// Stores the blob that `content` gives, if it is `digest`.
fn store_blob(
    store: &Store,
    digest: &Digest,
    content: &mut dyn Read,
    from: &Path,
) -> Result<(), ExportError> {
    let mut writer: BlobWriter = store.blob_writer().map_err(store_error("write"))?;
    io::copy(content, &mut writer).map_err(io_error("copy a blob from", from))?;
    writer.finish_as(digest).map_err(store_error("read"))?;
    Ok(())
}

fn json_error(what: &str) -> impl FnOnce(serde_json::Error) -> ExportError {
    let what = what.to_owned();
    move |source| ExportError::Json { what, source }
}

struct Import<'i> {
    store: &'i Store,
    /// Where blobs come from; an archive's are in the store already.
    directory: Option<PathBuf>,
    images: Vec<(Option<String>, Image)>,
}

impl Import<'_> {
    /// Reads what an index lists: an image, or another index, in which there may be `depth` more. What is not `wanted`
    /// and has nothing of that digest is left out.
    fn entry(
        &mut self,
        entry: &Descriptor,
        name: Option<&String>,
        (depth, wanted): (usize, Option<&Digest>),
    ) -> Result<(), ExportError> {
        if !is_image(entry) {
            return Ok(());
        }
        let wanted = wanted.filter(|wanted| **wanted != entry.digest);
        if wanted.is_some() && entry.media_type.is_manifest() {
            return Ok(());
        }
        if depth == 0 {
            let reason = "its indexes are nested too deep".to_owned();
            return Err(ExportError::Broken { reason });
        }
        let json = self.json(&entry.digest)?;
        if entry.media_type.is_manifest() {
            let image = self.image(&entry.digest, &json)?;
            if let Some(image) = image {
                self.images.push((name.cloned(), image));
            }
            return Ok(());
        }
        let what = format!("index {}", entry.digest);
        let index = ImageIndex::from_json(&json).map_err(json_error(&what))?;
        for entry in &index.manifests {
            self.entry(entry, name, (depth - 1, wanted))?;
        }
        Ok(())
    }

    /// Reads an image, or nothing if the manifest is of something else.
    fn image(&self, digest: &Digest, json: &[u8]) -> Result<Option<Image>, ExportError> {
        let what = format!("manifest {digest}");
        let manifest = Manifest::from_json(json).map_err(json_error(&what))?;
        if !manifest.config.media_type.is_config() {
            return Ok(None);
        }
        let config_json = self.json(&manifest.config.digest)?;
        let config = ImageConfig::from_json(&config_json).map_err(json_error(&format!(
            "configuration {}",
            manifest.config.digest
        )))?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
            let source = ImageError::LayerCount { diff_ids, layers };
            return Err(image_error(*digest)(source));
        }
        let mut layers = Vec::new();
        for (diff_id, blob) in diff_ids.iter().zip(&manifest.layers) {
            self.fetch(&blob.digest)?;
            let plain = Descriptor::new(blob.media_type.clone(), blob.digest, blob.size);
            let layer =
                measure_layer(self.store, &plain, diff_id).map_err(layer_error(*diff_id))?;
            layers.push(layer);
        }
        let image = Image::from_config_json(config_json, layers).map_err(image_error(*digest))?;
        let _stored: ManifestDigest = self.store.put_image(&image).map_err(store_error("write"))?;
        Ok(Some(image))
    }

    fn json(&self, digest: &Digest) -> Result<Vec<u8>, ExportError> {
        self.fetch(digest)?;
        self.store.read(digest).map_err(store_error("read"))
    }

    /// Makes sure that the blob is in the store.
    fn fetch(&self, digest: &Digest) -> Result<(), ExportError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        if self.store.has(digest) {
            return Ok(());
        }
        let path = directory.join("blobs/sha256").join(digest.hex());
        let mut file = File::open(&path).map_err(io_error("open", &path))?;
        store_blob(self.store, digest, &mut file, &path)
    }
}
