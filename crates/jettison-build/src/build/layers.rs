//! Writing layers beside the build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use jettison_oci::{Compression, Layer, LayerOptions, write_layer};

use crate::build::{Engine, Keep};
use crate::cache::{CacheEntry, CacheKey};
use crate::error::BuildError;
use crate::plan::{Plan, StepId};

/// A level that keeps up with what package managers write; exports compress anew.
const LEVEL: i32 = 1;

/// The form that layers have in the store.
pub(crate) const LAYER_OPTIONS: LayerOptions = LayerOptions {
    compression: Compression::Zstd { level: LEVEL },
    clamp_mtime: None,
};

/// A snapshot whose layer is to be written.
#[derive(Debug)]
pub(crate) struct LayerJob {
    pub(crate) step: StepId,
    pub(crate) key: CacheKey,
    pub(crate) entry: CacheEntry,
    pub(crate) upper: PathBuf,
    pub(crate) lowers: Vec<PathBuf>,
}

/// The way to the thread that writes layers.
pub(crate) struct LayerQueue {
    /// The steps whose layers are wanted.
    wanted: BTreeSet<StepId>,
    sender: Mutex<Option<Sender<LayerJob>>>,
    has_failed: AtomicBool,
}

impl LayerQueue {
    /// A queue for the layers of the target's own steps, or of all of them.
    pub(crate) fn new(plan: &Plan, keep: Keep) -> (LayerQueue, Receiver<LayerJob>) {
        let wanted = match keep {
            Keep::Image | Keep::Files => plan.chain(plan.target.result).1.into_iter().collect(),
            Keep::Everything => (0..plan.steps.len()).map(StepId).collect(),
        };
        let (sender, receiver) = channel();
        let queue = LayerQueue {
            wanted,
            sender: Mutex::new(Some(sender)),
            has_failed: AtomicBool::new(false),
        };
        (queue, receiver)
    }

    /// Whether a step's layer has to be there at the end.
    pub(crate) fn wants(&self, step: StepId) -> bool {
        self.wanted.contains(&step)
    }

    /// How many layers have to be there.
    pub(crate) fn n_wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Has a layer written. An error is reported when the writer is joined; until then steps that know of it stop.
    pub(crate) fn send(&self, job: LayerJob) -> Result<(), BuildError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let is_sent = sender
            .as_ref()
            .is_some_and(|sender| sender.send(job).is_ok());
        if is_sent && !self.has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(BuildError::Internal("the layer writer has stopped"))
    }

    /// Says that nothing more comes.
    fn close(&self) {
        drop(
            self.sender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

/// Closes a queue when it is dropped.
pub(crate) struct Closing<'a>(pub(crate) &'a LayerQueue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Writes the layers of `jobs` in order, and notes them in the cache. Gives the layers.
///
/// If one cannot be written, that result and those after it are forgotten when no step runs on them any more, unless
/// somebody else uses the store at that time: the disk may be full, and they are large.
pub(crate) fn write_layers(
    engine: &Engine<'_>,
    jobs: Receiver<LayerJob>,
    queue: &LayerQueue,
) -> Result<BTreeMap<StepId, Layer>, BuildError> {
    let mut written = BTreeMap::new();
    let mut failure = None;
    let mut lost = Vec::new();
    for job in jobs {
        if failure.is_some() {
            lost.push(job);
            continue;
        }
        match write(engine, &job) {
            Ok(layer) => drop(written.insert(job.step, layer)),
            Err(error) => {
                queue.has_failed.store(true, Ordering::Relaxed);
                failure = Some(error);
                lost.push(job);
            }
        }
    }
    let Some(error) = failure else {
        return Ok(written);
    };
    let forget = || {
        for job in lost.iter().rev() {
            // That it could not be written counts.
            engine
                .cache
                .remove(&job.key.to_string())
                .unwrap_or_default();
            let removed = engine.snapshots.remove(&job.entry.snapshot);
            removed.unwrap_or_default();
        }
    };
    // Whether they are forgotten or not, the layer's error counts.
    engine.in_use.alone(forget).unwrap_or_default();
    Err(error)
}

fn write(engine: &Engine<'_>, job: &LayerJob) -> Result<Layer, BuildError> {
    let layer = write_layer(engine.store, &job.upper, &job.lowers, &LAYER_OPTIONS)
        .map_err(BuildError::Layer)?;
    let entry = CacheEntry {
        layer: Some(layer.clone()),
        ..job.entry.clone()
    };
    engine.cache.put(&job.key, &entry)?;
    Ok(layer)
}
