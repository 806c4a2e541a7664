//! The step cache on disk.
//!
//! ```text
//! cache/v1/
//! ├── steps/<cache key>        what the step produced, as `name value` lines
//! ├── aliases/<definition key>  the text of the content key that a copy turned out to have
//! ├── preimages/<cache key>    the text whose digest the key is, to explain a miss
//! └── locks/<cache key>        held while the step executes
//! ```
//!
//! An entry is written last, by rename. A missing or unreadable entry is a miss, never an error.

mod key;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jettison_oci::{Descriptor, DiffId, Digest, Layer, MediaType};

pub(crate) use crate::cache::key::{CacheKey, KeyText, definition_key, with_contents};
use crate::error::BuildError;

/// What a step left behind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheEntry {
    /// The layer that it made.
    pub(crate) layer: Layer,
    /// The name of its snapshot.
    pub(crate) snapshot: String,
    /// Wall time of its execution, layer included.
    pub(crate) elapsed: Duration,
}

/// The cache below one store's root.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn open(store_root: &Path) -> Result<Cache, BuildError> {
        let root = store_root.join("cache").join("v1");
        for name in ["steps", "aliases", "preimages", "locks"] {
            let path = root.join(name);
            fs::create_dir_all(&path).map_err(|source| BuildError::io("create", &path, source))?;
        }
        Ok(Cache { root })
    }

    /// The entry of `key`, or `None` if there is none that can be read.
    pub(crate) fn get(&self, key: &CacheKey) -> Option<CacheEntry> {
        decode(&fs::read_to_string(self.root.join("steps").join(key.to_string())).ok()?)
    }

    /// Writes an entry, replacing any former one.
    pub(crate) fn put(
        &self,
        key: &CacheKey,
        text: &KeyText,
        entry: &CacheEntry,
    ) -> Result<(), BuildError> {
        self.write("preimages", key, text.as_str())?;
        self.write("steps", key, &encode(entry))
    }

    /// The text of the content key that the definition key `alias` turned out to have.
    pub(crate) fn alias(&self, alias: &CacheKey) -> Option<KeyText> {
        let key = fs::read_to_string(self.root.join("aliases").join(alias.to_string())).ok()?;
        let text = KeyText::read(&fs::read_to_string(self.root.join("preimages").join(&key)).ok()?);
        (text.key().to_string() == key).then_some(text)
    }

    /// Remembers that the definition key `alias` has the content key `key`.
    pub(crate) fn put_alias(&self, alias: &CacheKey, key: &CacheKey) -> Result<(), BuildError> {
        self.write("aliases", alias, &key.to_string())
    }

    /// Waits until no other process executes the step of `key`.
    pub(crate) fn lock(&self, key: &CacheKey) -> Result<File, BuildError> {
        let path = self.root.join("locks").join(key.to_string());
        let lock = || -> io::Result<File> {
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| BuildError::io("lock", &path, source))
    }

    fn write(&self, folder: &str, key: &CacheKey, text: &str) -> Result<(), BuildError> {
        let folder = self.root.join(folder);
        let path = folder.join(key.to_string());
        let write = || -> io::Result<()> {
            let (temporary, mut file) = new_file(&folder, &key.to_string())?;
            let written = file
                .write_all(text.as_bytes())
                .and_then(|()| fs::rename(&temporary, &path));
            if written.is_err() {
                // Nothing is left behind where there is no room; that it failed is reported.
                fs::remove_file(&temporary).unwrap_or_default();
            }
            written
        };
        write().map_err(|source| BuildError::io("write", &path, source))
    }
}

/// A file of our own in `folder` whose name begins with a dot.
pub(crate) fn new_file(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let mut number = 0_u64;
    loop {
        let path = folder.join(format!(".{name}.{}.{number}", std::process::id()));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn encode(entry: &CacheEntry) -> String {
    let CacheEntry {
        layer,
        snapshot,
        elapsed,
    } = entry;
    format!(
        "diff-id {}\nblob {}\nmedia-type {}\nsize {}\nunpacked-size {}\nfiles {}\nsnapshot {snapshot}\nmicroseconds {}\n",
        layer.diff_id.0,
        layer.blob.digest,
        layer.blob.media_type,
        layer.blob.size,
        layer.unpacked_size,
        layer.files,
        elapsed.as_micros(),
    )
}

fn decode(text: &str) -> Option<CacheEntry> {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
        })
    };
    let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
    let digest = |name: &str| field(name).and_then(|value| Digest::from_str(value).ok());
    // The last line is there only if the whole entry is.
    let elapsed = Duration::from_micros(number("microseconds")?);
    let blob = Descriptor::new(
        MediaType::from(field("media-type")?),
        digest("blob")?,
        number("size")?,
    );
    let layer = Layer {
        diff_id: DiffId(digest("diff-id")?),
        blob,
        unpacked_size: number("unpacked-size")?,
        files: number("files")?,
    };
    let snapshot = field("snapshot").filter(|name| !name.is_empty() && !name.contains('/'))?;
    Some(CacheEntry {
        layer,
        snapshot: snapshot.to_string(),
        elapsed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_oci::Compression;

    fn entry() -> CacheEntry {
        let layer = Layer {
            diff_id: DiffId(Digest::of(b"tar")),
            blob: Descriptor::new(
                Compression::Zstd { level: 1 }.media_type(),
                Digest::of(b"blob"),
                12,
            ),
            unpacked_size: 34,
            files: 5,
        };
        CacheEntry {
            layer,
            snapshot: "abc".to_string(),
            elapsed: Duration::from_micros(1_234_567),
        }
    }

    #[test]
    fn an_entry_survives_being_written() {
        assert_eq!(decode(&encode(&entry())), Some(entry()));
    }

    #[test]
    fn a_cut_entry_is_a_miss() {
        let text = encode(&entry());
        for length in 0..text.len() - 1 {
            let cut = decode(&text[..length]);
            assert!(cut.is_none() || cut.as_ref().map(|c| &c.layer) == Some(&entry().layer));
        }
        assert_eq!(decode(""), None);
    }
}
