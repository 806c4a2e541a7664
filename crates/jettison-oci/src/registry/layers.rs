//! Layers on their way into the store, several at a time: fetched where they are missing, and read.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::changeset::{LayerError, LayerMeter, measure_layer};
use crate::descriptor::Descriptor;
use crate::digest::DiffId;
use crate::image::Layer;
use crate::registry::client::{Endpoint, RegistryClient, lock};
use crate::registry::download::{Downloads, Witness, line};
use crate::registry::error::{RegistryError, store_error};
use crate::registry::pull::readable;
use crate::registry::transfers::{Transfer, TransferObserver};
use crate::store::Store;

/// A layer that is to be in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'w> {
    pub(crate) blob: &'w Descriptor,
    pub(crate) diff_id: &'w DiffId,
    /// Where it is, in the order in which they are tried.
    pub(crate) sources: &'w [Endpoint],
}

/// The work of getting layers.
pub(crate) struct LayerPull<'l> {
    pub(crate) client: &'l RegistryClient<'l>,
    pub(crate) store: &'l Store,
    pub(crate) observer: &'l dyn TransferObserver,
    /// The image, for messages.
    pub(crate) reference: &'l str,
}

impl LayerPull<'_> {
    /// Fetches and reads layers.
    pub(crate) fn all(&self, work: &[Wanted<'_>]) -> Result<Vec<Layer>, RegistryError> {
        let blobs: Vec<Descriptor> = work.iter().map(|wanted| wanted.blob.clone()).collect();
        self.observer.transfer(Transfer::Planned { blobs: &blobs });
        // A layer that is there twice is carried once: its second place waits for the first.
        let mut seen = BTreeSet::new();
        let (first, again): (Vec<_>, Vec<_>) = (0..work.len())
            .partition(|index| seen.insert((work[*index].blob.digest, work[*index].diff_id.0)));
        let layers = Mutex::new(vec![None; work.len()]);
        let failure = Mutex::new(None);
        let is_stopped = AtomicBool::new(false);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.client.options.parallel.min(first.len()) {
                scope.spawn(|| {
                    while let Some(index) = first.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.one(work[*index], &is_stopped) {
                            Ok(layer) => lock(&layers)[*index] = Some(layer),
                            Err(error) => {
                                lock(&failure).get_or_insert(error);
                                is_stopped.store(true, Ordering::Relaxed);
                                next.store(first.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = failure.into_inner().unwrap_or_default() {
            return Err(error);
        }
        let mut layers = layers.into_inner().unwrap_or_default();
        for index in again {
            layers[index] = Some(self.one(work[index], &is_stopped)?);
        }
        let complete: Option<Vec<Layer>> = layers.into_iter().collect();
        complete.ok_or(RegistryError::Stopped)
    }

    /// Fetches one layer and reads it: its tar has to be the one that the configuration lists.
    fn one(&self, wanted: Wanted<'_>, is_stopped: &AtomicBool) -> Result<Layer, RegistryError> {
        let Wanted { blob, diff_id, .. } = wanted;
        let digest = blob.digest;
        let plain = Descriptor::new(readable(&blob.media_type).to_oci(), digest, blob.size);
        let downloads = Downloads {
            client: self.client,
            store: self.store,
            sources: wanted.sources,
            observer: self.observer,
            is_stopped,
        };
        let started = self.client.clock.now();
        let mut meter = Meter(None);
        let is_fetched = downloads.fetch_before(blob, &mut meter)?;
        let layer = if let Some(meter) = meter.0 {
            self.observer.transfer(Transfer::Checks { digest });
            meter.finish(&plain, diff_id)
        } else {
            match measure_layer(self.store, &plain, diff_id) {
                // What lay there was damaged: it is fetched anew.
                Err(error) if !is_fetched && is_damage(&error) => {
                    self.forget(blob)?;
                    downloads.fetch(blob)?;
                    measure_layer(self.store, &plain, diff_id)
                }
                measured => measured,
            }
        };
        let layer = layer.map_err(|source| RegistryError::Layer {
            reference: self.reference.to_owned(),
            digest,
            source: Box::new(source),
        })?;
        self.observer.transfer(if is_fetched {
            let elapsed = self.client.clock.now().saturating_sub(started);
            Transfer::Done { digest, elapsed }
        } else {
            Transfer::Exists { digest }
        });
        Ok(layer)
    }

    /// Removes a damaged blob, and keeps in mind where it is.
    fn forget(&self, blob: &Descriptor) -> Result<(), RegistryError> {
        let places = self.store.places(&blob.digest);
        let removed = self.store.remove_blob(&blob.digest);
        let mut places = places.iter().rev();
        removed
            .and_then(|()| places.try_for_each(|place| self.store.add_place(&blob.digest, place)))
            .map_err(store_error("replace a blob"))
    }
}

/// Measures a layer that arrives, if any of it does.
struct Meter(Option<LayerMeter>);

impl Witness for Meter {
    fn add(&mut self, bytes: &[u8]) {
        self.0.get_or_insert_with(LayerMeter::start).add(bytes);
    }

    fn restart(&mut self) {
        self.0 = None;
    }
}

/// Whether a blob of the store is not what it should be.
fn is_damage(error: &LayerError) -> bool {
    let text = line(error);
    text.contains("is corrupt") || text.contains("there is no blob")
}
