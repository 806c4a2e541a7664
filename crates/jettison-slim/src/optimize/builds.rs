//! The builds of an optimization, and which images are left of them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use jettison_build::{BuildError, BuildRequest, Built};
use jettison_oci::{ImageId, Store};

use super::Run;

/// The images that were built on the way.
pub(super) struct Builds {
    /// Those that the store had before.
    known: BTreeSet<ImageId>,
    made: Mutex<BTreeSet<ImageId>>,
}

impl Builds {
    pub(super) fn new(store: &Store) -> Result<Builds, BuildError> {
        let known = store.image_ids().map_err(BuildError::Store)?;
        Ok(Builds {
            known: known.into_iter().collect(),
            made: Mutex::default(),
        })
    }

    /// Forgets the images that were built, but for those that were there before, have a name, or are `wanted`. Their steps stay
    /// in the cache.
    pub(super) fn forget(&self, store: &Store, wanted: &[ImageId]) -> Result<(), BuildError> {
        let unnamed = store.unnamed_images().map_err(BuildError::Store)?;
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_left =
            |id: &ImageId| made.contains(id) && !self.known.contains(id) && !wanted.contains(id);
        for (id, _) in unnamed.iter().filter(|(id, _)| is_left(id)) {
            store.forget_image(id).map_err(BuildError::Store)?;
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Builds what may become the answer.
    pub(super) fn build(&self, request: &BuildRequest<'_>) -> Result<Built, BuildError> {
        let built = self.engine.build(request, self.bases, self.observer)?;
        let mut made = self
            .builds
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        made.insert(built.image.id());
        Ok(built)
    }
}
