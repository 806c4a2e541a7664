//! Unpacks several layers at once.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::available_parallelism;

use crate::changeset::LayerError;
use crate::changeset::unpack::{Owners, UnpackSummary, unpack_layer_as};
use crate::image::Layer;
use crate::store::Store;

/// How many layers are unpacked at once: each has a thread for uncompressing, and disks do not get faster.
const MOST_AT_ONCE: usize = 4;

/// Unpacks each of `layers` into its directory, several at a time, with owners as `owners` says.
///
/// If one fails, the others stop before their next layer, and what is in the directories is of no use.
pub fn unpack_layers(
    store: &Store,
    layers: &[(Layer, PathBuf)],
    owners: Owners,
) -> Result<UnpackSummary, LayerError> {
    let cores = available_parallelism().map_or(1, usize::from);
    let n_threads = cores.min(MOST_AT_ONCE).min(layers.len());
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::new());
    let work = || {
        while !has_failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((layer, directory)) = layers.get(index) else {
                break;
            };
            let result = unpack_layer_as(store, layer, &[], directory, owners);
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Of several errors the lowest layer's is told.
    results.sort_unstable_by_key(|(index, _)| *index);
    let mut sum = UnpackSummary::default();
    for (_, result) in results {
        let summary = result?;
        sum.files += summary.files;
        sum.unpacked_size = sum.unpacked_size.saturating_add(summary.unpacked_size);
        sum.directories += summary.directories;
        sum.whiteouts += summary.whiteouts;
        sum.squashed += summary.squashed;
    }
    Ok(sum)
}
