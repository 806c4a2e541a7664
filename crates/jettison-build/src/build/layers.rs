//! Writing layers beside the build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jettison_oci::{Compression, LayerOptions, Store, write_layer};

use crate::cache::{Cache, CacheEntry, CacheKey, KeyText};
use crate::error::BuildError;
use crate::plan::StepId;
use crate::snapshot::Snapshots;

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
    pub(crate) _lock: std::fs::File,
}

/// Writes layers and their cache entries.
pub(crate) struct LayerWriter<'a> {
    pub(crate) store: &'a Store,
    pub(crate) cache: &'a Cache,
    pub(crate) snapshots: &'a Snapshots,
    /// Set as soon as something cannot be written: the build has failed.
    pub(crate) has_failed: &'a AtomicBool,
}

impl LayerWriter<'_> {
    /// Does the jobs of `queue` in order. Gives the new cache entries.
    ///
    /// If one fails, its snapshot and those after it are removed when no step runs on them any more:
    /// without an entry nobody would find them, and the disk may be full.
    pub(crate) fn run(
        &self,
        queue: Receiver<WriteJob>,
    ) -> Result<BTreeMap<StepId, CacheEntry>, BuildError> {
        let mut written = BTreeMap::new();
        let mut failure = None;
        let mut lost = Vec::new();
        for job in queue {
            match (job, &failure) {
                (WriteJob::Layer(job), None) => match self.write(&job) {
                    Ok(entry) => drop(written.insert(job.step, entry)),
                    Err(error) => {
                        self.has_failed.store(true, Ordering::Relaxed);
                        failure = Some(error);
                        lost.push(job);
                    }
                },
                (WriteJob::Alias { alias, key }, None) => {
                    if let Err(error) = self.cache.put_alias(&alias, &key) {
                        self.has_failed.store(true, Ordering::Relaxed);
                        failure = Some(error);
                    }
                }
                (WriteJob::Layer(job), Some(_)) => lost.push(job),
                (WriteJob::Alias { .. }, Some(_)) => {}
            }
        }
        for job in lost.iter().rev() {
            // That it could not be written counts, and the next process that makes it removes it.
            self.snapshots.remove(&job.snapshot).unwrap_or_default();
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(written),
        }
    }

    fn write(&self, job: &LayerJob) -> Result<CacheEntry, BuildError> {
        let options = LayerOptions {
            compression: Compression::Zstd { level: LEVEL },
            clamp_mtime: None,
        };
        let start = Instant::now();
        let layer = write_layer(self.store, &job.upper, &job.lowers, &options)
            .map_err(BuildError::Layer)?;
        let entry = CacheEntry {
            layer,
            snapshot: job.snapshot.clone(),
            elapsed: job.executed + start.elapsed(),
        };
        self.cache.put(&job.key, &job.text, &entry)?;
        Ok(entry)
    }
}
