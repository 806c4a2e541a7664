//! Images whose layers are fetched when somebody looks at them.

use super::{World, assert_sound, filled};
use crate::image::Image;
use crate::registry::download::line;
use crate::registry::memory::{Accident, Lack};
use crate::registry::pull::{LayerNeed, Pulled};
use crate::registry::push::Originals;
use crate::registry::transfers::Unwatched;

/// A world whose store has `app:1` without its layers, called `local:1` as well.
fn without_layers(lack: Option<Lack>) -> (World, Pulled) {
    let mut registry = filled();
    registry.lacks.extend(lack);
    let world = World::new(registry);
    let pulled = world
        .pull_with("r.test/app:1", "amd64", LayerNeed::Later)
        .unwrap();
    let local = "local:1".parse().unwrap();
    world
        .store
        .tag(&local, &pulled.manifest, &pulled.image)
        .unwrap();
    (world, pulled)
}

fn has_layers(world: &World, image: &Image) -> bool {
    let mut layers = image.layers().iter();
    layers.any(|layer| world.store.has(&layer.blob.digest))
}

/// The requests for blobs after the first `before`, without credentials.
fn blobs(world: &World, before: usize) -> Vec<String> {
    let log = world.registry.log().split_off(before);
    let blobs = log
        .into_iter()
        .filter(|line| line.starts_with("GET") && line.contains("/blobs/"));
    blobs.collect()
}

#[test]
fn layers_come_when_they_are_needed() {
    let (world, pulled) = without_layers(None);
    assert!(!has_layers(&world, &pulled.image));
    // The configuration.
    assert_eq!(blobs(&world, 0).len(), 1);
    assert!(!world.store.is_complete(&pulled.image));
    let listed = world.store.images().unwrap();
    assert_eq!(listed.len(), 2);
    let before = world.registry.log().len();
    let complete = |image| world.client().complete(&world.store, image, &Unwatched);
    let image = complete(&pulled.image).unwrap();
    assert_eq!(blobs(&world, before).len(), 2);
    // All of its names mean the image as it is known now, and where it came from is not forgotten.
    assert_eq!(world.local(), image);
    let app = world.pull("r.test/app:1").unwrap();
    assert!(!app.is_new);
    assert_eq!(app.image, image);
    assert_sound(&world, &app);
    let before = world.registry.log().len();
    assert_eq!(complete(&pulled.image).unwrap(), image);
    assert_eq!(world.registry.log().len(), before);
    // What is known stays known.
    let again = world.pull_with("r.test/app:1", "amd64", LayerNeed::Later);
    assert_eq!(again.unwrap().image, image);
    assert_eq!(world.store.refreshed(&pulled.image), image);
}

#[test]
fn a_pull_brings_the_layers_that_were_left_out() {
    let (world, _) = without_layers(None);
    let pulled = world.pull("r.test/app:1").unwrap();
    assert!(pulled.is_new);
    assert_sound(&world, &pulled);
    assert!(world.store.is_complete(&pulled.image));
}

#[test]
fn what_fails_leaves_the_image_as_it_was() {
    let (world, pulled) = without_layers(None);
    let requests = world.registry.log().len();
    // After the greeting and the first layer: the second one is another one each time.
    for number in requests + 2..requests + 10 {
        world.registry.happen(number, Accident::Flipped(700));
    }
    let failed = world
        .client()
        .complete(&world.store, &pulled.image, &Unwatched);
    let error = line(&failed.unwrap_err());
    assert!(error.contains("is wrong: it should be"), "{error}");
    assert_eq!(world.local(), pulled.image);
    let world = World {
        registry: filled(),
        ..world
    };
    let complete = world
        .client()
        .complete(&world.store, &pulled.image, &Unwatched);
    assert_eq!(world.local(), complete.unwrap());
    // Only the one that was missing.
    assert_eq!(blobs(&world, 0).len(), 1);
}

#[test]
fn nobody_knows_where_a_layer_is_whose_note_is_lost() {
    let (world, pulled) = without_layers(None);
    for layer in pulled.image.layers() {
        world.store.remove_notes(&layer.blob.digest);
    }
    let failed = world
        .client()
        .complete(&world.store, &pulled.image, &Unwatched);
    let error = line(&failed.unwrap_err());
    assert!(error.ends_with("nobody is said to have it"), "{error}");
}

#[test]
fn layers_that_are_not_here_are_pushed_within_their_registry() {
    for originals in [Originals::Keep, Originals::Ignore] {
        let (world, pulled) = without_layers(None);
        let before = world.registry.log().len();
        world.push("r.test/other:1", originals).unwrap();
        assert_eq!(blobs(&world, before), Vec::<String>::new());
        assert!(!has_layers(&world, &pulled.image));
        for layer in pulled.image.layers() {
            let blob = world.registry.blob("other", &layer.blob.digest);
            assert!(blob.is_some());
        }
    }
}

#[test]
fn layers_that_are_not_here_are_fetched_for_those_who_cannot_take_them() {
    for (name, lack, originals) in [
        ("r.test/other:1", Some(Lack::Mounts), Originals::Keep),
        ("r.test/other:1", Some(Lack::Mounts), Originals::Ignore),
        ("else.test/other:1", None, Originals::Keep),
    ] {
        let (world, pulled) = without_layers(lack);
        let before = world.registry.log().len();
        world.push(name, originals).unwrap();
        assert_eq!(blobs(&world, before).len(), 2, "{name} {lack:?}");
        for layer in pulled.image.layers() {
            let blob = world.registry.blob("other", &layer.blob.digest);
            assert!(blob.is_some());
        }
        // They were not read, so the image is still what it was.
        assert_eq!(world.local(), pulled.image);
        let complete = world
            .client()
            .complete(&world.store, &pulled.image, &Unwatched);
        assert!(world.store.is_complete(&complete.unwrap()));
    }
}
