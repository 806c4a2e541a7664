//! Uploads in pieces.

use super::*;
use crate::registry::endpoint::HostOptions;

/// Pushes the image, whose large layer has some 60,000 bytes, in pieces of at most `chunk` bytes.
fn push(world: &World, chunk: u64) -> Result<Vec<Pushed>, RegistryError> {
    let mut options = RegistryOptions::new(1);
    let host = HostOptions {
        chunk: Some(chunk),
        ..HostOptions::default()
    };
    options.hosts.insert("other.test".to_owned(), host);
    let client = RegistryClient::new(&world.registry, &world.keys, &world.clock, options);
    let content = ExportContent::Image(ExportImage {
        image: world.local(),
        base: None,
        platform: None,
    });
    let settings = ExportSettings {
        names: vec!["other.test/app:1".parse().unwrap()],
        compression: GZIP,
        recompression: Recompression::Different,
        media_types: MediaTypes::Oci,
        annotations: Annotations::default(),
        timestamps: Timestamps::Keep,
    };
    let request = PushRequest {
        content: &content,
        settings: &settings,
        originals: Originals::Keep,
    };
    client.push(&world.store, &request, &Unwatched)
}

fn n_pieces(world: &World) -> usize {
    let log = world.registry.log();
    log.iter().filter(|line| line.starts_with("PATCH")).count()
}

#[test]
fn pieces_are_as_large_as_the_user_allows_and_the_registry_demands() {
    for (least, expected) in [
        (None, 4),
        (Some(10), 4),
        (Some(30_000), 3),
        (Some(90_000), 1),
    ] {
        let mut world = with_image();
        world.registry.least = least;
        push(&world, 17_000).unwrap();
        assert!(has_all(&world));
        assert_eq!(n_pieces(&world), expected, "{least:?}");
    }
}

#[test]
fn pieces_that_are_lost_or_refused_are_sent_again() {
    for accident in [
        Accident::Lost(9000),
        Accident::Unheard,
        Accident::Refused,
        Accident::Status(416, None),
        Accident::Status(404, None),
        Accident::Restarted,
    ] {
        let world = with_image();
        // A greeting, a question, an upload, and its first piece.
        let request = world.registry.log().len() + 4;
        world.registry.happen(request, accident.clone());
        push(&world, 17_000).unwrap();
        assert!(has_all(&world), "{accident:?}");
    }
}

#[test]
fn a_registry_that_keeps_nothing_is_given_up() {
    let mut world = with_image();
    world.registry.lacks.insert(Lack::Memory);
    let error = push(&world, 17_000).unwrap_err();
    expect!["cannot understand the answer of other.test: it keeps nothing of what is sent"]
        .assert_eq(&line(&error));
    assert_eq!(n_pieces(&world), 6);
}
