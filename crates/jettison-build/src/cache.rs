//! The step cache on disk.
//!
//! ```text
//! cache/v1/
//! ├── steps/<cache key>        what the step produced, as `name value` lines
//! ├── aliases/<definition key>  the text of the content key that a copy turned out to have
//! ├── preimages/<cache key>    the text whose digest the key is, to explain a miss
//! ├── lineages/<digest>        the steps of the last build from one place; of the last 128 places
//! └── locks/<cache key>        held while the step executes
//! ```
//!
//! An entry is written last, by rename. A missing or unreadable entry is a miss, never an error. The time of an entry's
//! file is when it was last used.

mod change;
mod key;
mod travel;

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, SystemTime};

use jettison_oci::{Descriptor, DiffId, Digest, Layer, Measure, MediaType};

pub use crate::cache::change::{FileChange, KeyChange, KeyPart};
pub(crate) use crate::cache::change::{changed, not_cached};
pub(crate) use crate::cache::key::{CacheKey, KeyText, definition_key, with_contents, with_shape};
pub use crate::cache::travel::{
    ArtifactPlace, ArtifactSource, FoundMount, FoundStep, MountArtifacts, MountSource,
    StepArtifacts, StepSource,
};
pub(crate) use crate::cache::travel::{
    Journey, MountImports, TravelStep, give, mount_artifact, mount_name, step_name,
};
use crate::error::BuildError;

/// How often it is looked whether another process is done with a step.
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

/// Of so many places the last build is known.
const MOST_LINEAGES: usize = 128;

/// What a step left behind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheEntry {
    /// The name of its snapshot, which is there or can be made of the layer. No two results share one.
    pub(crate) snapshot: String,
    /// The layer that it made, if somebody wanted it.
    pub(crate) layer: Option<Layer>,
    /// Wall time of its execution.
    pub(crate) elapsed: Duration,
    /// Processor time of its command.
    pub(crate) processor_time: Option<Duration>,
    /// The most memory that one of its processes had, in bytes.
    pub(crate) peak_memory: Option<u64>,
    /// How the step is shown.
    pub(crate) title: String,
}

/// The cache below one store's root.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn open(store_root: &Path) -> Result<Cache, BuildError> {
        let root = store_root.join("cache").join("v1");
        for name in ["steps", "aliases", "preimages", "lineages", "locks"] {
            let path = root.join(name);
            fs::create_dir_all(&path).map_err(|source| BuildError::io("create", &path, source))?;
        }
        Ok(Cache { root })
    }

    /// The entry of `key`, or `None` if there is none that can be read.
    pub(crate) fn get(&self, key: &CacheKey) -> Option<CacheEntry> {
        self.entry(&key.to_string())
    }

    /// The same, by the key's digits.
    pub(crate) fn entry(&self, key: &str) -> Option<CacheEntry> {
        decode(&fs::read_to_string(self.root.join("steps").join(key)).ok()?)
    }

    /// Notes that an entry was used just now.
    pub(crate) fn touch(&self, key: &CacheKey) {
        self.touch_file("steps", &key.to_string());
    }

    /// Notes that a lineage was used just now.
    pub(crate) fn touch_lineage(&self, name: &str) {
        self.touch_file("lineages", name);
    }

    fn touch_file(&self, folder: &str, name: &str) {
        let path = self.root.join(folder).join(name);
        let times = fs::FileTimes::new().set_modified(std::time::SystemTime::now());
        let touched = File::options()
            .append(true)
            .open(path)
            .and_then(|file| file.set_times(times));
        // It looks a little older than it is.
        touched.unwrap_or_default();
    }

    /// Writes an entry, replacing any former one. Its text must have been written.
    pub(crate) fn put(&self, key: &CacheKey, entry: &CacheEntry) -> Result<(), BuildError> {
        self.write("steps", &key.to_string(), &encode(entry))
    }

    /// Forgets an entry.
    pub(crate) fn remove(&self, key: &str) -> Result<(), BuildError> {
        let path = self.root.join("steps").join(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| BuildError::io("remove", &path, source)),
        }
    }

    /// All entries, with their keys and when they were last used.
    pub(crate) fn entries(&self) -> Result<Vec<(String, CacheEntry, SystemTime)>, BuildError> {
        let folder = self.root.join("steps");
        let mut entries = Vec::new();
        for (name, path) in files_in(&folder)? {
            let entry = fs::read_to_string(&path)
                .ok()
                .and_then(|text| decode(&text));
            let used = fs::metadata(&path).and_then(|metadata| metadata.modified());
            if let (Some(entry), Ok(used)) = (entry, used) {
                entries.push((name, entry, used));
            }
        }
        Ok(entries)
    }

    /// The name of the snapshot that the step of `key` started from, if it started from one.
    pub(crate) fn parent(&self, key: &str) -> Option<String> {
        let file = File::open(self.root.join("preimages").join(key)).ok()?;
        // The version, the kind, the parent.
        let line = BufReader::new(file).lines().nth(2)?.ok()?;
        let name = line.strip_prefix("parent \"step ")?.strip_suffix('"')?;
        Some(name.to_owned())
    }

    /// Removes what no entry needs: texts, other names, locks, and what killed processes left. Nobody may be using the cache.
    pub(crate) fn tidy(&self) -> Result<(), BuildError> {
        let steps = self.root.join("steps");
        let is_known = |key: &str| steps.join(key).exists();
        for (folder, is_needed) in [
            (
                "steps",
                &(|name: &str, _: &Path| !name.starts_with('.')) as &dyn Fn(&str, &Path) -> bool,
            ),
            ("preimages", &|name: &str, _: &Path| is_known(name)),
            ("aliases", &|_: &str, path: &Path| {
                fs::read_to_string(path).is_ok_and(|key| is_known(&key))
            }),
            ("lineages", &|name: &str, path: &Path| {
                let text = fs::read_to_string(path).unwrap_or_default();
                let mut keys = text.lines().filter_map(|line| line.split(' ').next());
                !name.starts_with('.') && keys.any(is_known)
            }),
            ("locks", &|_: &str, _: &Path| false),
        ] {
            for (name, path) in files_in(&self.root.join(folder))? {
                if !is_needed(&name, &path) {
                    fs::remove_file(&path)
                        .map_err(|source| BuildError::io("remove", &path, source))?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the text of a key.
    pub(crate) fn put_text(&self, key: &CacheKey, text: &KeyText) -> Result<(), BuildError> {
        self.write("preimages", &key.to_string(), text.as_str())
    }

    /// The text of a key, if it is here.
    pub(crate) fn text(&self, key: &str) -> Option<KeyText> {
        let text = KeyText::read(&fs::read_to_string(self.root.join("preimages").join(key)).ok()?);
        (text.key().to_string() == key).then_some(text)
    }

    /// What was kept of the last build called `name`.
    pub(crate) fn lineage(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.root.join("lineages").join(name)).ok()
    }

    /// Keeps something of the build called `name`, and forgets those that were built longest ago.
    pub(crate) fn put_lineage(&self, name: &str, text: &str) -> Result<(), BuildError> {
        self.write("lineages", name, text)?;
        let files = files_in(&self.root.join("lineages"))?;
        if files.len() <= MOST_LINEAGES {
            return Ok(());
        }
        let age = |path: PathBuf| Some((fs::metadata(&path).ok()?.modified().ok()?, path));
        let mut by_age: Vec<(SystemTime, PathBuf)> = files
            .into_iter()
            .filter_map(|(_, path)| age(path))
            .collect();
        by_age.sort();
        let n_extra = by_age.len().saturating_sub(MOST_LINEAGES);
        for (_, path) in by_age.into_iter().take(n_extra) {
            // Another process may have been faster.
            fs::remove_file(path).unwrap_or_default();
        }
        Ok(())
    }

    /// The text of the content key that the definition key `alias` turned out to have.
    pub(crate) fn alias(&self, alias: &CacheKey) -> Option<KeyText> {
        let key = fs::read_to_string(self.root.join("aliases").join(alias.to_string())).ok()?;
        self.text(&key)
    }

    /// Remembers that the definition key `alias` has the content key `key`.
    pub(crate) fn put_alias(&self, alias: &CacheKey, key: &CacheKey) -> Result<(), BuildError> {
        self.write("aliases", &alias.to_string(), &key.to_string())
    }

    /// Waits until no other process executes the step of `key`; `None` if `is_cancelled` says meanwhile that nobody wants
    /// it any more.
    pub(crate) fn lock(
        &self,
        key: &CacheKey,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<File>, BuildError> {
        let path = self.root.join("locks").join(key.to_string());
        let fail = |source| BuildError::io("lock", &path, source);
        let file = File::create(&path).map_err(fail)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if is_cancelled() => return Ok(None),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_INTERVAL),
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
    }

    fn write(&self, folder: &str, name: &str, text: &str) -> Result<(), BuildError> {
        let folder = self.root.join(folder);
        let path = folder.join(name);
        let write = || -> io::Result<()> {
            let (temporary, mut file) = new_file(&folder, name)?;
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

/// The files of a directory of ours, sorted by name.
fn files_in(folder: &Path) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let failed = |source| BuildError::io("list", folder, source);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string() {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
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
        snapshot,
        layer,
        elapsed,
        processor_time,
        peak_memory,
        title,
    } = entry;
    let mut text = format!("snapshot {snapshot}\ntitle {}\n", title.replace('\n', " "));
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let written = writeln!(text, "{name} {value}");
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    if let Some(layer) = layer {
        line("diff-id", &layer.diff_id.0);
        line("blob", &layer.blob.digest);
        line("media-type", &layer.blob.media_type);
        line("size", &layer.blob.size);
        line("unpacked-size", &layer.unpacked_size());
        line("files", &layer.files());
    }
    if let Some(time) = processor_time {
        line("processor-microseconds", &time.as_micros());
    }
    if let Some(memory) = peak_memory {
        line("peak-memory", memory);
    }
    line("microseconds", &elapsed.as_micros());
    text
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
    let layer = match digest("diff-id") {
        Some(diff_id) => Some(Layer {
            diff_id: DiffId(diff_id),
            blob: Descriptor::new(
                MediaType::from(field("media-type")?),
                digest("blob")?,
                number("size")?,
            ),
            measure: Some(Measure {
                unpacked_size: number("unpacked-size")?,
                files: number("files")?,
            }),
        }),
        None => None,
    };
    let snapshot = field("snapshot").filter(|name| !name.is_empty() && !name.contains('/'))?;
    Some(CacheEntry {
        snapshot: snapshot.to_string(),
        layer,
        elapsed,
        processor_time: number("processor-microseconds").map(Duration::from_micros),
        peak_memory: number("peak-memory"),
        title: field("title").unwrap_or_default().to_string(),
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
            measure: Some(Measure {
                unpacked_size: 34,
                files: 5,
            }),
        };
        CacheEntry {
            snapshot: "abc".to_string(),
            layer: Some(layer),
            elapsed: Duration::from_micros(1_234_567),
            processor_time: Some(Duration::from_micros(7)),
            peak_memory: None,
            title: "[1/2] RUN make".to_string(),
        }
    }

    #[test]
    fn an_entry_survives_being_written() {
        assert_eq!(decode(&encode(&entry())), Some(entry()));
        let without = CacheEntry {
            layer: None,
            ..entry()
        };
        assert_eq!(decode(&encode(&without)), Some(without));
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
