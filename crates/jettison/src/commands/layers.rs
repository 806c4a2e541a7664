//! Images of the store whose layers may be in a registry alone.

use jettison_oci::{Image, RegistryClient, Store};

use crate::cli::ProgressKind;
use crate::commands::world;
use crate::failure::Failure;
use crate::progress::{Progress, Reasons};
use crate::registry::{PARALLEL, Registries, registry_failure};
use crate::surroundings::Surroundings;

/// The image that the user calls `name` with all of its layers in the store, with the user's registries.
pub(super) fn complete(
    store: &Store,
    image: &Image,
    name: &str,
    (kind, surroundings): (ProgressKind, &Surroundings),
) -> Result<Image, Failure> {
    if store.is_complete(image) {
        return Ok(image.clone());
    }
    let settings = world::user_settings(surroundings)?;
    let registries = Registries::new(&settings.registries, surroundings, PARALLEL);
    complete_by(&registries.client(), store, (image, name), kind)
}

/// The same, with these registries.
pub(super) fn complete_by(
    client: &RegistryClient<'_>,
    store: &Store,
    (image, name): (&Image, &str),
    kind: ProgressKind,
) -> Result<Image, Failure> {
    if store.is_complete(image) {
        return Ok(image.clone());
    }
    let progress = Progress::new(kind, Reasons::Untold);
    let complete = client.complete(store, image, &progress);
    drop(progress);
    complete.map_err(|error| {
        registry_failure(format!("cannot get the layers of {name}"), &error)
            .hint("what they belong to was used without them so far; pull or build it again")
    })
}
