//! Layers that are not in the store, fetched when their files are needed.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jettison_build::{Supplier, with_causes};
use jettison_oci::{Image, RegistryClient, Store, TransferObserver, Unwatched};

use crate::registry::hint;

/// Who is told how far they are.
type Watcher = Arc<dyn TransferObserver + Send>;

/// Fetches layers from the registries where they are said to be.
pub(crate) struct LayerSupplier<'s> {
    store: &'s Store,
    client: &'s RegistryClient<'s>,
    watcher: Mutex<Watcher>,
}

impl<'s> LayerSupplier<'s> {
    /// Fetches layers into `store`, and tells nobody.
    pub(crate) fn new(store: &'s Store, client: &'s RegistryClient<'s>) -> LayerSupplier<'s> {
        LayerSupplier {
            store,
            client,
            watcher: Mutex::new(Arc::new(Unwatched)),
        }
    }

    /// Tells `watcher` from now on, and nobody else.
    pub(crate) fn tell(&self, watcher: Watcher) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = watcher;
    }
}

impl Supplier for LayerSupplier<'_> {
    fn supply(&self, image: &Image) -> Result<Image, Box<dyn Error + Send + Sync>> {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        // Several may fetch at once.
        let watcher = Arc::clone(&watcher);
        let supplied = self.client.complete(self.store, image, &*watcher);
        supplied.map_err(|error| {
            let hint = hint(&error).map(|hint| format!("; {hint}"));
            format!("{}{}", with_causes(&error), hint.unwrap_or_default()).into()
        })
    }
}

impl fmt::Debug for LayerSupplier<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LayerSupplier")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
