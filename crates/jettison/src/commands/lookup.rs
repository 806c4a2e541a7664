//! Finds images by what users call them.

use jettison_oci::{Image, ImageId, Origin, Reference, Store, StoreError, TaggedImage};

use crate::failure::Failure;

/// An image, and how it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) image: Image,
    /// The name by which it was found; `None` if that was its ID.
    pub(super) reference: Option<Reference>,
}

/// The image that `name` means: its name, a repository with its digest, its ID or the beginning of that.
///
/// A name counts before the beginning of an ID, as in docker (moby: `GetImage`, daemon/images/image.go).
pub(super) fn look_up(store: &Store, name: &str) -> Result<Option<Found>, Failure> {
    let failed =
        |error: &StoreError| Failure::user(format!("cannot read image {name}")).because(error);
    let reference: Option<Reference> = name.parse().ok();
    if let Some(reference) = reference {
        if let Some(image) = store.find(&reference).map_err(|error| failed(&error))? {
            let reference = Some(reference);
            return Ok(Some(Found { image, reference }));
        }
        if let Some(image) = pinned(store, &reference).map_err(|error| failed(&error))? {
            let reference = None;
            return Ok(Some(Found { image, reference }));
        }
    }
    match store.find_by_id(name) {
        Ok(image) => Ok(image.map(|image| Found {
            image,
            reference: None,
        })),
        Err(error @ StoreError::Ambiguous { .. }) => Err(Failure::user(error.to_string())
            .hint("give more digits; `jettison images --no-trunc` shows all of them")),
        Err(error) => Err(failed(&error)),
    }
}

/// The image of a repository whose manifest has the reference's digest.
fn pinned(store: &Store, reference: &Reference) -> Result<Option<Image>, StoreError> {
    let Some(digest) = reference.digest() else {
        return Ok(None);
    };
    let is_it = |image: &TaggedImage| {
        let named = &image.reference;
        let is_same = (named.registry(), named.repository())
            == (reference.registry(), reference.repository());
        is_same && (image.manifest.0 == digest || is_from(store, image, reference))
    };
    match store.images()?.iter().find(|image| is_it(image)) {
        Some(image) => store.load(&image.manifest).map(Some),
        None => Ok(None),
    }
}

/// Whether an image is what a repository's digest stands for in its registry.
fn is_from(store: &Store, image: &TaggedImage, reference: &Reference) -> bool {
    let origins = store.origins(&image.manifest);
    let pinned = origins.iter().filter_map(Origin::pinned);
    let is_same = |other: Reference| {
        other.registry() == reference.registry()
            && other.repository() == reference.repository()
            && other.digest() == reference.digest()
    };
    pinned.into_iter().any(is_same)
}

/// As [`look_up`]; that there is no such image is the answer no.
pub(super) fn find(store: &Store, name: &str) -> Result<Found, Failure> {
    look_up(store, name)?.ok_or_else(|| no_such_image(name))
}

/// There is no image of this name.
pub(super) fn no_such_image(name: &str) -> Failure {
    Failure::no(format!("no such image: {name}"))
        .hint("`jettison images` lists those that there are")
}

/// All images that have names.
pub(super) fn named(store: &Store) -> Result<Vec<TaggedImage>, Failure> {
    store
        .images()
        .map_err(|error| Failure::user("cannot list the images").because(&error))
}

/// The names of an image.
pub(super) fn names_of(named: &[TaggedImage], id: &ImageId) -> Vec<Reference> {
    let own = named.iter().filter(|image| image.id == *id);
    own.map(|image| image.reference.clone()).collect()
}

/// The repository of a name, as short as it can be: `app`, `host:5000/app`.
pub(super) fn repository(reference: &Reference) -> String {
    let familiar = reference.familiar();
    let without_digest = familiar.split('@').next().unwrap_or_default();
    match (without_digest.rsplit_once(':'), reference.tag()) {
        (Some((repository, _)), Some(_)) => repository.to_string(),
        _ => without_digest.to_string(),
    }
}

/// The first 12 digits of an ID.
pub(super) fn short_id(id: &ImageId) -> String {
    id.0.hex().chars().take(12).collect()
}
