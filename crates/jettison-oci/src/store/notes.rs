//! What is known about blobs beside their bytes. Everything here can be lost: then something is done again, be it that
//! somebody pulls an image once more whose layers were not fetched.
//!
//! ```text
//! notes/origins/<manifest of ours>      where the image is in registries, and its manifests there
//! notes/places/<blob>                   the repositories that have the blob
//! notes/compressed/<blob of a layer>    what the layer becomes when it is compressed in other ways
//! notes/facts/<image ID>                why the image holds what it holds: whatever its maker has to say, compressed
//! ```
//!
//! Each but the last is a line of JSON that is replaced as a whole. The notes of a blob go when the blob goes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::compress::{Compression, Decoder, Encoder};
use crate::descriptor::Descriptor;
use crate::digest::{Digest, ImageId, ManifestDigest};
use crate::reference::Reference;
use crate::store::{Store, StoreError, io_error};
use crate::wire::to_json;

/// Changes when the same layer is compressed to other bytes than before.
const COMPRESSOR: &str = "1";
/// How many repositories are remembered of a blob.
const MOST_PLACES: usize = 8;
/// The most that is read of facts, in bytes.
const LARGEST_FACTS: u64 = 256 << 20;

/// Where an image is in registries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The registry and the repository: `docker.io/library/debian`.
    pub repository: String,
    /// What the image's name stood for there: its manifest, or an index.
    pub digest: Digest,
    /// The image's manifest there.
    pub manifest: Descriptor,
    /// The bytes of that manifest.
    pub manifest_json: String,
}

impl Origin {
    /// The name that always means this image: `debian@sha256:…`.
    pub fn pinned(&self) -> Option<Reference> {
        format!("{}@{}", self.repository, self.digest).parse().ok()
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Origins,
    Places,
    Compressed,
    Facts,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Origins, Kind::Places, Kind::Compressed, Kind::Facts];

    fn directory(self) -> &'static str {
        match self {
            Kind::Origins => "origins",
            Kind::Places => "places",
            Kind::Compressed => "compressed",
            Kind::Facts => "facts",
        }
    }
}

impl Store {
    /// Where the image with this manifest is in registries; what was told last comes first.
    pub fn origins(&self, manifest: &ManifestDigest) -> Vec<Origin> {
        self.note(Kind::Origins, &manifest.0)
    }

    /// Tells where the image with this manifest is. Of one repository what is told last counts.
    pub fn add_origin(&self, manifest: &ManifestDigest, origin: Origin) -> Result<(), StoreError> {
        let mut origins = self.origins(manifest);
        if origins.first() == Some(&origin) {
            return Ok(());
        }
        origins.retain(|other| other.repository != origin.repository);
        origins.insert(0, origin);
        self.put_note(Kind::Origins, &manifest.0, &origins)
    }

    /// The repositories that have a blob, each with its registry before it; what was told last comes first.
    pub(crate) fn places(&self, blob: &Digest) -> Vec<String> {
        self.note(Kind::Places, blob)
    }

    /// Tells that a repository, which has its registry before it, has a blob.
    pub(crate) fn add_place(&self, blob: &Digest, repository: &str) -> Result<(), StoreError> {
        let mut places = self.places(blob);
        if places.first().is_some_and(|place| place == repository) {
            return Ok(());
        }
        places.retain(|place| place != repository);
        places.insert(0, repository.to_owned());
        places.truncate(MOST_PLACES);
        self.put_note(Kind::Places, blob, &places)
    }

    /// What the layer with this blob became when it was compressed so.
    pub(crate) fn compressed(&self, blob: &Digest, compression: Compression) -> Option<Descriptor> {
        let mut known: BTreeMap<String, Descriptor> = self.note(Kind::Compressed, blob);
        known.remove(&key(compression))
    }

    /// Tells what the layer with this blob becomes when it is compressed so, or that it is not known after all.
    pub(crate) fn set_compressed(
        &self,
        blob: &Digest,
        compression: Compression,
        made: Option<&Descriptor>,
    ) -> Result<(), StoreError> {
        let mut known: BTreeMap<String, Descriptor> = self.note(Kind::Compressed, blob);
        match made {
            Some(made) => known.insert(key(compression), made.clone()),
            None => known.remove(&key(compression)),
        };
        self.put_note(Kind::Compressed, blob, &known)
    }

    /// What the maker of the image has told about it with [`Store::set_facts`]; `None` if it has not, or that cannot be read.
    pub fn facts(&self, image: &ImageId) -> Option<String> {
        let file = fs::File::open(self.note_path(Kind::Facts, &image.0)).ok()?;
        let mut text = String::new();
        let mut reader = Decoder::new(file).ok()?.take(LARGEST_FACTS);
        reader.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Keeps what the maker of the image has to tell about it, as long as the image is kept.
    pub fn set_facts(&self, image: &ImageId, facts: &str) -> Result<(), StoreError> {
        let path = self.note_path(Kind::Facts, &image.0);
        let directory = path.parent().unwrap_or(self.root());
        fs::create_dir_all(directory).map_err(io_error("create", directory))?;
        let mut encoder = Encoder::new(Vec::new(), Compression::STORE);
        let written = encoder.write_all(facts.as_bytes());
        let bytes = written
            .and_then(|()| encoder.finish())
            .map_err(io_error("compress", &path))?;
        self.write_file(&path, &bytes)
    }

    /// Removes all that is known about a blob.
    pub(crate) fn remove_notes(&self, blob: &Digest) {
        for kind in Kind::ALL {
            // One that stays does no harm.
            fs::remove_file(self.note_path(kind, blob)).unwrap_or_default();
        }
    }

    fn note_path(&self, kind: Kind, blob: &Digest) -> PathBuf {
        let directory = self.root().join("notes").join(kind.directory());
        directory.join(blob.hex())
    }

    fn note<T: DeserializeOwned + Default>(&self, kind: Kind, blob: &Digest) -> T {
        let json = fs::read(self.note_path(kind, blob)).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    fn put_note<T: Serialize>(
        &self,
        kind: Kind,
        blob: &Digest,
        value: &T,
    ) -> Result<(), StoreError> {
        let path = self.note_path(kind, blob);
        let directory = path.parent().unwrap_or(self.root());
        fs::create_dir_all(directory).map_err(io_error("create", directory))?;
        self.write_file(&path, &to_json(value))
    }
}

fn key(compression: Compression) -> String {
    let way = match compression {
        Compression::None => "none".to_owned(),
        Compression::Gzip { level } => format!("gzip {level}"),
        Compression::Zstd { level } => format!("zstd {level}"),
    };
    format!("{way} by {COMPRESSOR}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stay_as_long_as_their_image() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let image = ImageId(Digest::of(b"an image"));
        assert_eq!(store.facts(&image), None);
        store.set_facts(&image, "because").unwrap();
        assert_eq!(store.facts(&image).as_deref(), Some("because"));
        store.remove_blob(&image.0).unwrap();
        assert_eq!(store.facts(&image), None);
    }

    #[test]
    fn facts_that_cannot_be_read_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let image = ImageId(Digest::of(b"an image"));
        store.set_facts(&image, "because").unwrap();
        let path = store.note_path(Kind::Facts, &image.0);
        fs::write(path, b"\x28\xb5\x2f\xfd broken").unwrap();
        assert_eq!(store.facts(&image), None);
    }
}
