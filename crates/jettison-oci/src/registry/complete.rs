//! What is missing of images in the store, from where their layers are said to be.

use std::sync::atomic::AtomicBool;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::image::Image;
use crate::reference::Reference;
use crate::registry::client::{Endpoint, RegistryClient};
use crate::registry::download::Downloads;
use crate::registry::error::{RegistryError, store_error};
use crate::registry::layers::{LayerPull, Wanted};
use crate::registry::transfers::TransferObserver;
use crate::store::Store;

impl RegistryClient<'_> {
    /// Gets the layers of a stored image that are not in the store, and reads those that nobody has read. Gives the same
    /// image with all that is known then; the store has it in the old one's place. Where nothing is missing, nobody is
    /// asked.
    pub fn complete(
        &self,
        store: &Store,
        image: &Image,
        observer: &dyn TransferObserver,
    ) -> Result<Image, RegistryError> {
        let image = store.refreshed(image);
        if store.is_complete(&image) {
            return Ok(image);
        }
        let _lock = store.lock_shared().map_err(store_error("work"))?;
        let manifest = image.manifest_digest();
        let mut layers = image.layers().to_vec();
        let mut sources = Vec::new();
        for layer in &layers {
            sources.push(if store.has_layer(layer) {
                Vec::new()
            } else {
                self.sources_of(store, &layer.blob.digest)?
            });
        }
        let is_left = |index: &usize| {
            let layer = &image.layers()[*index];
            layer.measure.is_none() || !store.has_layer(layer)
        };
        let left: Vec<usize> = (0..layers.len()).filter(is_left).collect();
        let wanted: Vec<Wanted<'_>> = left
            .iter()
            .map(|&index| Wanted {
                blob: &image.layers()[index].blob,
                diff_id: &image.layers()[index].diff_id,
                sources: &sources[index],
            })
            .collect();
        let id = image.id().0.to_string();
        let pull = LayerPull {
            client: self,
            store,
            observer,
            reference: &id,
        };
        for (index, layer) in left.iter().zip(pull.all(&wanted)?) {
            layers[*index] = layer;
        }
        let broken = |source| RegistryError::Image {
            reference: id.clone(),
            source: Box::new(source),
        };
        let complete =
            Image::from_config_json(image.config_json().to_vec(), layers).map_err(broken)?;
        store
            .replace_image(&manifest, &complete)
            .map_err(store_error("write the image"))?;
        Ok(complete)
    }

    /// Gets a blob that is in a registry and not in the store.
    pub(crate) fn fetch_blob(
        &self,
        store: &Store,
        blob: &Descriptor,
        observer: &dyn TransferObserver,
    ) -> Result<(), RegistryError> {
        let downloads = Downloads {
            client: self,
            store,
            sources: &self.sources_of(store, &blob.digest)?,
            observer,
            is_stopped: &AtomicBool::new(false),
        };
        downloads.fetch(blob)?;
        Ok(())
    }

    /// Those who have a blob. An error if none of those who are said to have it can be spoken to.
    fn sources_of(&self, store: &Store, blob: &Digest) -> Result<Vec<Endpoint>, RegistryError> {
        let mut sources = Vec::new();
        let mut failure = None;
        for place in store.places(blob) {
            // It was made of a reference.
            let Ok(reference) = place.parse::<Reference>() else {
                continue;
            };
            for source in self.sources(&reference) {
                match source {
                    Ok(source) => sources.push(source),
                    Err(error) => failure = Some(error),
                }
            }
        }
        match failure {
            Some(error) if sources.is_empty() => Err(error),
            _ => Ok(sources),
        }
    }
}
