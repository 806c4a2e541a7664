//! Pulls that go on with what earlier ones have left.

use std::fs;

use super::*;

/// Pulls until the connection is lost for good, in the middle of the first layer; then there are no more accidents.
fn interrupted(end: usize) -> World {
    let registry = filled();
    registry.happen(FIRST_LAYER, Accident::Cut(end));
    // What gets further is tried as often again.
    for request in FIRST_LAYER + 1..FIRST_LAYER + 6 {
        registry.happen(request, Accident::Refused);
    }
    let world = World::new(registry);
    world.pull("r.test/app:1").unwrap_err();
    world
}

fn pulling(world: &World) -> Vec<std::path::PathBuf> {
    let directory = fs::read_dir(world.store.root().join("pulling")).unwrap();
    directory.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_next_pull_goes_on_where_the_last_one_ended() {
    let world = interrupted(20_000);
    assert_eq!(pulling(&world).len(), 1);
    let before = world.registry.ranges().len();
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    assert_eq!(world.registry.ranges()[before..], ["bytes=20000-"]);
    assert!(pulling(&world).is_empty());
    assert_eq!(pulled.image.layers()[0].unpacked_size(), 60_000);
}

#[test]
fn what_was_left_and_is_wrong_is_fetched_anew() {
    for change in [
        |bytes: &mut Vec<u8>| bytes[7] ^= 1,
        |bytes: &mut Vec<u8>| {
            bytes.resize(100_000, 7);
        },
    ] {
        let world = interrupted(20_000);
        let path = pulling(&world).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let pulled = world.pull("r.test/app:1").unwrap();
        assert_sound(&world, &pulled);
        assert!(pulling(&world).is_empty());
    }
}

#[test]
fn what_lacks_nothing_but_its_name_is_not_fetched() {
    let world = interrupted(20_000);
    let path = pulling(&world).remove(0);
    fs::write(&path, tar(60_000)).unwrap();
    let before = world.registry.log().len();
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    // The greeting, the manifest and the second layer.
    let log = world.registry.log().split_off(before);
    assert_eq!(log.len(), 3, "{log:?}");
}

#[test]
fn nothing_is_left_of_what_did_not_begin_or_was_wrong() {
    for accident in [Accident::Refused, Accident::Flipped(9), Accident::Longer(1)] {
        let world = World::new(always(FIRST_LAYER, &accident));
        world.pull("r.test/app:1").unwrap_err();
        assert!(pulling(&world).is_empty(), "{accident:?}");
    }
}
