//! Mirrors, token servers and indexes.

use super::{GZIP, World, assert_sound, filled, platform, serve, with_image};
use crate::digest::Digest;
use crate::layout::{
    Annotations, ExportContent, ExportImage, ExportSettings, MediaTypes, Recompression, Timestamps,
};
use crate::manifest::ImageIndex;
use crate::registry::auth::Credentials;
use crate::registry::client::RegistryClient;
use crate::registry::endpoint::{HostOptions, RegistryOptions};
use crate::registry::memory::{MemoryRegistry, TestKeys};
use crate::registry::pull::{LayerNeed, Naming, PlatformNeed, PullRequest};
use crate::registry::push::{Originals, PushRequest};
use crate::registry::transfers::Unwatched;

#[test]
fn a_mirror_is_asked_first_and_the_registry_where_it_has_nothing() {
    // All hosts have the same content; below `hub/` there is nothing.
    for (mirror, expected) in [("m.test/cache", "m.test"), ("m.test/hub", "r.test")] {
        let world = World::new(filled());
        let registry = &world.registry;
        serve(registry, "cache/app", &[60_000, 2000], "amd64");
        let mut options = RegistryOptions::new(1);
        let host = HostOptions {
            mirrors: vec![mirror.parse().unwrap()],
            ..HostOptions::default()
        };
        options.hosts.insert("r.test".to_owned(), host);
        let client = RegistryClient::new(registry, &world.keys, &world.clock, options);
        let request = PullRequest {
            reference: &"r.test/app:1".parse().unwrap(),
            platform: &platform("amd64"),
            platform_need: PlatformNeed::Preferred,
            naming: Naming::Named,
            layers: LayerNeed::Now,
        };
        let pulled = client.pull(&world.store, &request, &Unwatched).unwrap();
        assert_sound(&world, &pulled);
        // It is the registry's image, wherever it came from.
        let origin = &world.store.origins(&pulled.manifest)[0];
        assert_eq!(origin.repository, "r.test/app");
        let log = registry.log();
        let blobs = log.iter().filter(|line| line.contains("/blobs/"));
        for line in blobs {
            assert!(
                line.contains(&format!("https://{expected}/")),
                "{mirror}: {line}"
            );
        }
    }
}

#[test]
fn an_identity_token_is_sent_in_the_body_alone() {
    let mut registry = filled();
    registry.token = Some("t0ken".to_owned());
    let mut world = World::new(registry);
    world.keys = TestKeys(Credentials::IdentityToken("who/I am".to_owned()));
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    let log = world.registry.log();
    assert!(
        log.iter()
            .any(|line| line == "POST https://auth.test/token -"),
        "{log:#?}"
    );
    assert!(log.iter().all(|line| !line.contains("who")), "{log:#?}");
}

#[test]
fn images_of_several_platforms_are_pushed_as_an_index() {
    let world = with_image();
    let image = world.local();
    let images = ["amd64", "arm64"].map(|architecture| ExportImage {
        image: image.clone(),
        base: None,
        platform: Some(platform(architecture)),
    });
    let content = ExportContent::Index(images.to_vec());
    let settings = ExportSettings {
        names: vec![
            "other.test/app:1".parse().unwrap(),
            "other.test/app:2".parse().unwrap(),
        ],
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
    let pushed = world
        .client()
        .push(&world.store, &request, &Unwatched)
        .unwrap();
    assert_eq!(pushed.len(), 2);
    let json = world.registry.manifest("app", "2").unwrap();
    assert_eq!(world.registry.manifest("app", "1").unwrap(), json);
    assert_eq!(Digest::of(&json), pushed[0].descriptor.digest);
    let index = ImageIndex::from_json(&json).unwrap();
    for entry in &index.manifests {
        assert!(
            world
                .registry
                .manifest("app", &entry.digest.to_string())
                .is_some()
        );
    }
    let platforms: Vec<String> = index
        .manifests
        .iter()
        .filter_map(|entry| Some(entry.platform.as_ref()?.id()))
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
}

#[test]
fn tags_come_in_pages() {
    let world = World::new(MemoryRegistry::default());
    let client = world.client();
    let reference = "r.test/paged".parse().unwrap();
    assert_eq!(client.tags(&reference).unwrap(), ["1", "2", "3"]);
}
