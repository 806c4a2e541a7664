//! Images of which not everything is here: their layers are fetched when somebody looks at them.
//!
//! Such a layer has not been read, so its descriptor in our manifest does not say what is in it. Where it is says the note
//! of its blob's places.

use crate::digest::ManifestDigest;
use crate::image::{Image, Layer};
use crate::store::{Store, StoreError};

impl Store {
    /// Whether the blob of `layer` is there. One that a power failure cut off has another size.
    pub fn has_layer(&self, layer: &Layer) -> bool {
        self.size(&layer.blob.digest).ok() == Some(layer.blob.size)
    }

    /// Whether all layers of `image` are there and have been read.
    pub fn is_complete(&self, image: &Image) -> bool {
        let mut layers = image.layers().iter();
        layers.all(|layer| layer.measure.is_some() && self.has_layer(layer))
    }

    /// `image` with all that is known of its layers by now.
    pub fn refreshed(&self, image: &Image) -> Image {
        if image.layers().iter().all(|layer| layer.measure.is_some()) {
            return image.clone();
        }
        let stored = self.find_by_id(&image.id().0.to_string());
        // What cannot be read now is read again by whoever needs it.
        let Some(stored) = stored.ok().flatten() else {
            return image.clone();
        };
        let pairs = image.layers().iter().zip(stored.layers());
        let layers = pairs.map(|(own, stored)| Layer {
            measure: match own.measure {
                None if own.blob.digest == stored.blob.digest => stored.measure,
                known => known,
            },
            ..own.clone()
        });
        Image::from_config_json(image.config_json().to_vec(), layers.collect())
            .unwrap_or_else(|_| image.clone())
    }

    /// Stores `image`, and gives it the names and origins of the same image as it was known before.
    pub(crate) fn replace_image(
        &self,
        before: &ManifestDigest,
        image: &Image,
    ) -> Result<ManifestDigest, StoreError> {
        let manifest = self.put_image(image)?;
        if manifest == *before {
            return Ok(manifest);
        }
        for origin in self.origins(before).into_iter().rev() {
            self.add_origin(&manifest, origin)?;
        }
        self.rename(before, &manifest, image)?;
        Ok(manifest)
    }
}
