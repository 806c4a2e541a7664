//! Reads image layouts, and archives of images, into the store.

mod docker;
mod whole;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::changeset::{Entry, EntryKind, TarFile, measure_layer};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::{Digest, ManifestDigest};
use crate::image::{Image, ImageError};
use crate::layout::import::docker::DockerArchive;
use crate::layout::watch::watched;
use crate::layout::{ExportError, image_error, io_error, is_image, layer_error, store_error};
use crate::manifest::{ImageIndex, Manifest};
use crate::reference::Reference;
use crate::registry::{TransferObserver, Unwatched};
use crate::store::{BlobWriter, IMAGE_NAME, REF_NAME, Store};

pub use crate::layout::import::whole::import_whole;

/// The largest JSON file that is read.
const LARGEST_JSON: u64 = 16 << 20;
/// How deep indexes may lie in indexes.
const DEEPEST: usize = 4;

/// An image that was read. One with several names is there several times.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedImage {
    /// A name that it has where it comes from: the full one, if there are a full and a short one.
    pub name: Option<String>,
    /// The short name beside a full one, often a tag.
    pub short_name: Option<String>,
    /// The image.
    pub image: Image,
    /// The digest of its manifest where it comes from. `None` if it has none there, as in Docker's archives of old.
    pub manifest: Option<Digest>,
}

/// Where images are read from.
pub enum ImportSource<'s> {
    /// The OCI layout at this path, a directory or a tar file; or a tar file of `docker save`.
    Path(&'s Path),
    /// A tar file of one of these kinds, and what it is called in messages.
    Stream(&'s mut dyn Read, &'s Path),
}

impl std::fmt::Debug for ImportSource<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportSource::Path(path) => formatter.debug_tuple("Path").field(path).finish(),
            ImportSource::Stream(_, path) => formatter.debug_tuple("Stream").field(path).finish(),
        }
    }
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportSelection<'s> {
    /// All images.
    All,
    /// Those whose manifest has this digest, or that the index with this digest lists.
    Digest(&'s Digest),
    /// Those of this name, in full or as short as it is there.
    Name(&'s str),
}

type Imported = Vec<ImportedImage>;

/// Reads all images of the OCI layout at `path`, a directory or a tar file, into the store, with
/// the names that they have there. Blobs and layers are verified.
///
/// A tar file may be compressed, and may be one of `docker save` as well, see [`import_archive`].
pub fn import_layout(
    store: &Store,
    path: &Path,
) -> Result<Vec<(Option<String>, Image)>, ExportError> {
    import(store, path, ImportSelection::All, &Unwatched).map(pairs)
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
    read_archive(store, reader, (path, ImportSelection::All), &Unwatched).map(pairs)
}

/// Reads from the OCI layout at `path`, as [`import_layout`] does, the image whose manifest has the digest `wanted`, or
/// all images of the index that has it.
pub fn import_from_layout(
    store: &Store,
    path: &Path,
    wanted: &Digest,
) -> Result<Vec<(Option<String>, Image)>, ExportError> {
    import(store, path, ImportSelection::Digest(wanted), &Unwatched).map(pairs)
}

/// Reads images of a layout or an archive into the store, as [`import_layout`] does. That there are none of the name that
/// is asked for is an error; in a directory it is found before anything is read.
pub fn import_images(
    store: &Store,
    source: ImportSource<'_>,
    selection: ImportSelection<'_>,
    observer: &dyn TransferObserver,
) -> Result<Vec<ImportedImage>, ExportError> {
    let (images, path) = match source {
        ImportSource::Path(path) => (import(store, path, selection, observer)?, path),
        ImportSource::Stream(reader, path) => {
            let images = read_archive(store, reader, (path, selection), observer)?;
            (images, path)
        }
    };
    let ImportSelection::Name(wanted) = selection else {
        return Ok(images);
    };
    let (called, others): (Imported, Imported) = images
        .into_iter()
        .partition(|image| is_called(image.name.as_ref(), image.short_name.as_ref(), wanted));
    if called.is_empty() {
        let names = others.into_iter().filter_map(|image| image.name);
        return Err(no_such_name(path, wanted, names.collect()));
    }
    Ok(called)
}

fn no_such_name(path: &Path, name: &str, mut names: Vec<String>) -> ExportError {
    names.dedup();
    let others = if names.is_empty() {
        String::new()
    } else {
        format!(", but {}", names.join(", "))
    };
    ExportError::NoSuchName {
        path: path.to_owned(),
        name: format!("{name}{others}"),
    }
}

/// Whether an image with these names is meant by `wanted`: to the letter, or as the name of an image.
fn is_called(name: Option<&String>, short_name: Option<&String>, wanted: &str) -> bool {
    let reference = |name: &str| name.parse::<Reference>().ok();
    let means = |name: &String| {
        name == wanted || reference(name).is_some_and(|name| reference(wanted) == Some(name))
    };
    name.is_some_and(means) || short_name.is_some_and(|name| name == wanted)
}

fn pairs(images: Imported) -> Vec<(Option<String>, Image)> {
    let pairs = images.into_iter().map(|image| (image.name, image.image));
    pairs.collect()
}

fn import(
    store: &Store,
    path: &Path,
    selection: ImportSelection<'_>,
    observer: &dyn TransferObserver,
) -> Result<Imported, ExportError> {
    let metadata = fs::metadata(path).map_err(io_error("open", path))?;
    if metadata.is_dir() {
        let index = directory_index(path)?;
        let directory = Some(path.to_owned());
        return read_index(store, &index, (directory, selection), observer);
    }
    let mut file = File::open(path).map_err(io_error("open", path))?;
    read_archive(store, &mut file, (path, selection), observer)
}

/// Reads what an `index.json` lists; blobs that are not in the store yet are in the directory.
fn read_index(
    store: &Store,
    index: &[u8],
    (directory, selection): (Option<PathBuf>, ImportSelection<'_>),
    observer: &dyn TransferObserver,
) -> Result<Imported, ExportError> {
    let index = ImageIndex::from_json(index).map_err(json_error("index.json"))?;
    let mut import = Import {
        store,
        directory,
        images: Vec::new(),
        observer,
    };
    let wanted = match selection {
        ImportSelection::Digest(digest) => Some(digest),
        ImportSelection::All | ImportSelection::Name(_) => None,
    };
    let mut entries: Vec<&Descriptor> = index.manifests.iter().collect();
    if let ImportSelection::Name(wanted) = selection {
        let is_wanted = |entry: &&Descriptor| {
            let (name, short_name) = names(entry);
            is_called(name.as_ref(), short_name.as_ref(), wanted)
        };
        // An archive's images may have their names in Docker's list alone.
        if entries.iter().any(is_wanted) {
            entries.retain(is_wanted);
        } else if let Some(directory) = &import.directory {
            let names = entries.iter().filter_map(|entry| names(entry).0);
            return Err(no_such_name(directory, wanted, names.collect()));
        }
    }
    for entry in entries {
        import.entry(entry, &names(entry), (DEEPEST, wanted))?;
    }
    Ok(import.images)
}

/// The name of what an index lists, the full one if there is one, and the short one beside it.
fn names(entry: &Descriptor) -> (Option<String>, Option<String>) {
    let full = entry.annotations.get(IMAGE_NAME).cloned();
    let short = entry.annotations.get(REF_NAME).cloned();
    match full {
        Some(_) => (full, short),
        None => (short, None),
    }
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
    (path, selection): (&Path, ImportSelection<'_>),
    observer: &dyn TransferObserver,
) -> Result<Imported, ExportError> {
    let (index, docker) = archive_blobs(store, reader, path, observer)?;
    match index {
        Some(index) => {
            let images = read_index(store, &index, (None, selection), observer)?;
            Ok(docker.named(images))
        }
        None => docker.images(store)?.ok_or_else(|| strange(path)),
    }
}

fn strange(path: &Path) -> ExportError {
    ExportError::NotAnArchive {
        path: path.to_owned(),
    }
}

/// Stores the blobs of an archive. Gives its `index.json`, if there is one, and what is Docker's in it.
fn archive_blobs(
    store: &Store,
    reader: &mut dyn Read,
    path: &Path,
    observer: &dyn TransferObserver,
) -> Result<(Option<Vec<u8>>, DockerArchive), ExportError> {
    let tar = TarFile::open(reader).ok_or_else(|| strange(path))?;
    let mut index = None;
    let mut docker = DockerArchive::default();
    let mut failure = None;
    let read = tar.each_entry(|entry, content| {
        if failure.is_none() {
            // Files that are not called by a digest are shown by one of their name.
            let shown = docker::blob_of(&entry.path).unwrap_or_else(|| Digest::of(&entry.path));
            let stored = watched(observer, (shown, entry.size), content, |content| {
                if archive_entry(store, path, (&entry, content), &mut index)? {
                    return Ok(());
                }
                docker.entry(store, path, &entry, content)
            });
            failure = stored.err();
        }
        Ok(())
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    read.map_err(|error| ExportError::Broken {
        reason: describe(&error),
    })?;
    Ok((index, docker))
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
    images: Imported,
    observer: &'i dyn TransferObserver,
}

impl Import<'_> {
    /// Reads what an index lists: an image, or another index, in which there may be `depth` more. What is not `wanted`
    /// and has nothing of that digest is left out.
    fn entry(
        &mut self,
        entry: &Descriptor,
        names: &(Option<String>, Option<String>),
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
            let (name, short_name) = names.clone();
            self.images.extend(image.map(|image| ImportedImage {
                name,
                short_name,
                image,
                manifest: Some(entry.digest),
            }));
            return Ok(());
        }
        let what = format!("index {}", entry.digest);
        let index = ImageIndex::from_json(&json).map_err(json_error(&what))?;
        for entry in &index.manifests {
            self.entry(entry, names, (depth - 1, wanted))?;
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
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        watched(self.observer, (*digest, size), &mut file, |content| {
            store_blob(self.store, digest, content, &path)
        })
    }
}
