//! Writing layers beside the build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jettison_oci::{Compression, LayerOptions, Store, write_layer};

use crate::cache::{Cache, CacheEntry, CacheKey, KeyText};
use crate::error::BuildError;
use crate::plan::StepId;

/// A level that keeps up with what package managers write; exports compress anew.
const LEVEL: i32 = 1;

/// What the writer is asked for, in the order of the steps: nothing about a step is remembered
/// before everything that it was made from is.
#[derive(Debug)]
pub(crate) enum WriteJob {
    /// A snapshot is to become a layer.
    Layer(LayerJob),
    /// A definition key turned out to stand for a content key.
    Alias {
        /// The definition key.
        alias: CacheKey,
        /// The content key.
        key: CacheKey,
    },
}

/// A snapshot whose layer is to be written.
#[derive(Debug)]
pub(crate) struct LayerJob {
    pub(crate) step: StepId,
    pub(crate) key: CacheKey,
    pub(crate) text: KeyText,
    pub(crate) snapshot: String,
    pub(crate) upper: PathBuf,
    pub(crate) lowers: Vec<PathBuf>,
    pub(crate) executed: Duration,
    /// Kept until the entry is written, so that another process waits for it.
    pub(crate) lock: std::fs::File,
}

/// Does the jobs of `queue` in order. Gives the new cache entries.
pub(crate) fn write_layers(
    store: &Store,
    cache: &Cache,
    queue: Receiver<WriteJob>,
) -> Result<BTreeMap<StepId, CacheEntry>, BuildError> {
    let options = LayerOptions {
        compression: Compression::Zstd { level: LEVEL },
        clamp_mtime: None,
    };
    let mut written = BTreeMap::new();
    for job in queue {
        let job = match job {
            WriteJob::Layer(job) => job,
            WriteJob::Alias { alias, key } => {
                cache.put_alias(&alias, &key)?;
                continue;
            }
        };
        let start = Instant::now();
        let layer =
            write_layer(store, &job.upper, &job.lowers, &options).map_err(BuildError::Layer)?;
        let entry = CacheEntry {
            layer,
            snapshot: job.snapshot,
            elapsed: job.executed + start.elapsed(),
        };
        cache.put(&job.key, &job.text, &entry)?;
        drop(job.lock);
        written.insert(job.step, entry);
    }
    Ok(written)
}
