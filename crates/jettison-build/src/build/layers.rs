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

/// Writes the layers of `queue` in order, each with its cache entry.
pub(crate) fn write_layers(
    store: &Store,
    cache: &Cache,
    queue: Receiver<LayerJob>,
) -> Result<BTreeMap<StepId, CacheEntry>, BuildError> {
    let options = LayerOptions {
        compression: Compression::Zstd { level: LEVEL },
        clamp_mtime: None,
    };
    let mut written = BTreeMap::new();
    for job in queue {
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
