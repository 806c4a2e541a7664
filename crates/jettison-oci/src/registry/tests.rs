//! Whole conversations with a registry in memory: what arrives is right, or there is an error, whatever happens on the way.

mod absent;
mod elsewhere;
mod lists;
mod referrers;
mod resumed;
mod tokens;
mod uploads;

use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::compress::Compression;
use crate::config::{ImageConfig, RootFs};
use crate::descriptor::{Descriptor, Platform};
use crate::digest::{DiffId, Digest};
use crate::image::Image;
use crate::layout::{
    Annotations, ExportContent, ExportImage, ExportSettings, MediaTypes, Recompression, Timestamps,
};
use crate::manifest::{ImageIndex, Manifest};
use crate::media_type::MediaType;
use crate::reference::Reference;
use crate::registry::auth::Credentials;
use crate::registry::client::{RegistryClient, lock};
use crate::registry::download::line;
use crate::registry::endpoint::RegistryOptions;
use crate::registry::error::RegistryError;
use crate::registry::memory::{Accident, Lack, MemoryRegistry, TestClock, TestKeys};
use crate::registry::pull::{LayerNeed, Naming, PlatformNeed, PullRequest, Pulled};
use crate::registry::push::{Originals, PushRequest, Pushed};
use crate::registry::transfers::Unwatched;
use crate::store::Store;

/// A registry, a store, and someone who talks to one for the other.
struct World {
    registry: MemoryRegistry,
    clock: TestClock,
    keys: TestKeys,
    store: Store,
    _directory: TempDir,
}

impl World {
    fn new(registry: MemoryRegistry) -> World {
        let directory = tempfile::tempdir().unwrap();
        World {
            registry,
            clock: TestClock::default(),
            keys: TestKeys(Credentials::Anonymous),
            store: Store::open(directory.path()).unwrap(),
            _directory: directory,
        }
    }

    fn client(&self) -> RegistryClient<'_> {
        // One at a time, so that requests have their numbers.
        let options = RegistryOptions::new(1);
        RegistryClient::new(&self.registry, &self.keys, &self.clock, options)
    }

    fn pull(&self, name: &str) -> Result<Pulled, RegistryError> {
        self.pull_for(name, "amd64")
    }

    fn pull_for(&self, name: &str, architecture: &str) -> Result<Pulled, RegistryError> {
        self.pull_with(name, architecture, LayerNeed::Now)
    }

    fn pull_with(
        &self,
        name: &str,
        architecture: &str,
        layers: LayerNeed,
    ) -> Result<Pulled, RegistryError> {
        let request = PullRequest {
            reference: &name.parse().unwrap(),
            platform: &platform(architecture),
            platform_need: PlatformNeed::Exact,
            naming: Naming::Named,
            layers,
        };
        self.client().pull(&self.store, &request, &Unwatched)
    }

    /// The image that is called `local`.
    fn local(&self) -> Image {
        let local: Reference = "local:1".parse().unwrap();
        self.store.find(&local).unwrap().unwrap()
    }

    fn push(&self, name: &str, originals: Originals) -> Result<Vec<Pushed>, RegistryError> {
        let content = ExportContent::Image(ExportImage {
            image: self.local(),
            base: None,
            platform: None,
        });
        let settings = ExportSettings {
            names: vec![name.parse().unwrap()],
            compression: GZIP,
            recompression: Recompression::Different,
            media_types: MediaTypes::Oci,
            annotations: Annotations::default(),
            timestamps: Timestamps::Keep,
        };
        let request = PushRequest {
            content: &content,
            settings: &settings,
            originals,
        };
        self.client().push(&self.store, &request, &Unwatched)
    }
}

const GZIP: Compression = Compression::Gzip { level: 1 };

fn platform(architecture: &str) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        variant: None,
        extra: std::collections::BTreeMap::new(),
    }
}

/// A tar with one file of so many bytes that do not repeat.
fn tar(size: u16) -> Vec<u8> {
    let mut state = u32::from(size) | 1;
    let content: Vec<u8> = (0..size)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::from(size));
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, "file", content.as_slice())
        .unwrap();
    builder.into_inner().unwrap()
}

/// Puts an image of plain layers into the registry as `repository:1`, and returns its manifest.
fn serve(
    registry: &MemoryRegistry,
    repository: &str,
    sizes: &[u16],
    architecture: &str,
) -> Vec<u8> {
    let tars: Vec<Vec<u8>> = sizes.iter().map(|size| tar(*size)).collect();
    let config = ImageConfig {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        rootfs: RootFs::new(tars.iter().map(|tar| DiffId(Digest::of(tar))).collect()),
        ..ImageConfig::default()
    };
    let put = |media_type, bytes: &[u8]| {
        let digest = registry.put_blob(repository, bytes);
        Descriptor::new(media_type, digest, bytes.len() as u64)
    };
    let layers = tars.iter().map(|tar| put(MediaType::DockerLayerTar, tar));
    let layers = layers.collect();
    let mut manifest = Manifest::new(put(MediaType::DockerConfig, &config.to_json()), layers);
    manifest.media_type = Some(MediaType::DockerManifest);
    let json = manifest.to_json();
    let kind = MediaType::DockerManifest;
    registry.put_manifest(repository, "1", kind.as_str(), &json);
    json
}

/// A registry that has `app:1` with two layers.
fn filled() -> MemoryRegistry {
    let registry = MemoryRegistry::default();
    serve(&registry, "app", &[60_000, 2000], "amd64");
    registry
}

/// A world in whose store `local:1` is. One of its layers is too large for one request.
fn with_image() -> World {
    let registry = MemoryRegistry::default();
    serve(&registry, "seed", &[60_000, 10], "amd64");
    let world = World::new(registry);
    let pulled = world.pull("r.test/seed:1").unwrap();
    let local = "local:1".parse().unwrap();
    world
        .store
        .tag(&local, &pulled.manifest, &pulled.image)
        .unwrap();
    world
}

/// Every blob of the image is in the store, and all of them are right.
#[track_caller]
fn assert_sound(world: &World, pulled: &Pulled) {
    let image = world.store.load(&pulled.manifest).unwrap();
    assert_eq!(image.id(), pulled.image.id());
    assert_eq!(image.manifest_digest(), pulled.manifest);
    for layer in image.layers() {
        // Reading verifies.
        world.store.read(&layer.blob.digest).unwrap();
    }
    assert_eq!(
        world.store.origins(&pulled.manifest)[0].digest,
        pulled.digest
    );
}

/// Pulls `app:1`, and says what became of it.
#[track_caller]
fn check_pull(registry: MemoryRegistry, expected: Expect) {
    let world = World::new(registry);
    let pulled = world.pull("r.test/app:1");
    expected.assert_eq(&match pulled {
        Ok(pulled) => {
            assert_sound(&world, &pulled);
            let requests = world.registry.log().len();
            let pauses = lock(&world.clock.0).len();
            format!("right: {requests} requests, {pauses} pauses")
        }
        Err(error) => {
            assert!(world.store.images().unwrap().is_empty());
            line(&error)
        }
    });
}

/// The requests before are the greeting, the manifest and the configuration.
const FIRST_LAYER: usize = 3;

/// Lets the same happen to all requests from one on.
fn always(first: usize, accident: &Accident) -> MemoryRegistry {
    let registry = filled();
    for request in first..first + 20 {
        registry.happen(request, accident.clone());
    }
    registry
}

#[test]
fn an_image_is_pulled_and_known_afterwards() {
    let world = World::new(filled());
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    assert!(pulled.is_new);
    assert_eq!(world.registry.log().len(), FIRST_LAYER + 2);
    // The second time nothing is fetched but the manifest.
    let again = world.pull("r.test/app:1").unwrap();
    assert!(!again.is_new);
    assert_eq!(again.manifest, pulled.manifest);
    assert_eq!(world.registry.log().len(), FIRST_LAYER + 4);
    let name: Reference = "r.test/app:1".parse().unwrap();
    let found = world.store.find(&name).unwrap().unwrap();
    assert_eq!(found.id(), pulled.image.id());
}

#[test]
fn what_breaks_off_is_continued_where_it_ended() {
    let registry = filled();
    registry.happen(FIRST_LAYER, Accident::Cut(20_000));
    registry.happen(FIRST_LAYER + 1, Accident::Cut(20_000));
    check_pull(registry, expect!["right: 7 requests, 2 pauses"]);
    let mut registry = filled();
    registry.lacks.insert(Lack::Ranges);
    registry.happen(FIRST_LAYER, Accident::Cut(20_000));
    check_pull(registry, expect!["right: 6 requests, 1 pauses"]);
}

#[test]
fn a_blob_that_is_not_the_right_one_is_fetched_anew_and_refused_in_the_end() {
    let registry = filled();
    registry.happen(FIRST_LAYER, Accident::Flipped(7000));
    check_pull(registry, expect!["right: 6 requests, 1 pauses"]);
    check_pull(
        always(FIRST_LAYER, &Accident::Flipped(7)),
        expect![
            "blob sha256:410c8b2b3484b1e55295a03af3a0fa4d31e22131e20b29709ac731cc7980d219 is wrong: it should be the bytes of that digest, and is sha256:b2064868858ddb129c5c615f1f7faf8383cf1b670ce59614ea318a7710bc639e"
        ],
    );
    check_pull(
        always(FIRST_LAYER, &Accident::Longer(1)),
        expect![
            "blob sha256:410c8b2b3484b1e55295a03af3a0fa4d31e22131e20b29709ac731cc7980d219 is wrong: it should be 61952 bytes, as its descriptor says, and is longer"
        ],
    );
}

#[test]
fn a_server_that_is_busy_is_given_the_time_it_asks_for() {
    let registry = filled();
    registry.happen(FIRST_LAYER, Accident::Status(429, Some(7)));
    registry.happen(FIRST_LAYER + 1, Accident::Status(503, None));
    let world = World::new(registry);
    world.pull("r.test/app:1").unwrap();
    // The dice show the middle: half of the first pause on top of what was asked for, three quarters of the second.
    let expected = [Duration::from_millis(7200), Duration::from_millis(600)];
    assert_eq!(*lock(&world.clock.0), expected);
    let registry = filled();
    registry.happen(1, Accident::Until("Sun, 06 Nov 1994 08:49:37 GMT"));
    registry.happen(2, Accident::Until("Sun, 06 Nov 1994 00:00:00 GMT"));
    let world = World::new(registry);
    world.pull("r.test/app:1").unwrap();
    assert_eq!(*lock(&world.clock.0), expected);
    check_pull(
        always(1, &Accident::Until("Sun, 06 Nov 1994 08:59:30 GMT")),
        expect!["r.test asks to wait for 600 seconds"],
    );
    check_pull(
        always(1, &Accident::Status(429, Some(3600))),
        expect!["r.test asks to wait for 3600 seconds"],
    );
}

#[test]
fn patience_ends() {
    check_pull(
        always(FIRST_LAYER, &Accident::Status(500, None)),
        expect!["r.test answers with status 500 after 6 attempts"],
    );
    check_pull(
        always(FIRST_LAYER, &Accident::Status(404, None)),
        expect![
            "r.test has no blob sha256:410c8b2b3484b1e55295a03af3a0fa4d31e22131e20b29709ac731cc7980d219 of app"
        ],
    );
    check_pull(
        always(FIRST_LAYER, &Accident::Cut(0)),
        expect![
            "cannot reach the rest of blob sha256:410c8b2b3484b1e55295a03af3a0fa4d31e22131e20b29709ac731cc7980d219 after 6 attempts: it ended after 0 of 61952 bytes"
        ],
    );
    check_pull(
        always(1, &Accident::Status(403, None)),
        expect!["r.test refuses app:1"],
    );
    check_pull(
        always(1, &Accident::Status(404, None)),
        expect!["r.test has no app:1"],
    );
    check_pull(
        always(0, &Accident::Refused),
        expect!["cannot reach r.test after 3 attempts: connection refused"],
    );
}

#[test]
fn a_manifest_that_is_cut_or_changed_is_asked_for_again() {
    for accident in [Accident::Cut(20), Accident::Flipped(20)] {
        let registry = filled();
        registry.happen(1, accident);
        check_pull(registry, expect!["right: 6 requests, 1 pauses"]);
    }
    // Without a digest beside it JSON that is none is found out all the same.
    let mut registry = filled();
    registry.lacks.insert(Lack::Digests);
    registry.happen(1, Accident::Flipped(0));
    check_pull(registry, expect!["right: 6 requests, 1 pauses"]);
}

fn password() -> TestKeys {
    TestKeys(Credentials::Password {
        username: "me".to_owned(),
        password: "secret".to_owned(),
    })
}

#[test]
fn tokens_are_for_the_registry_alone() {
    let mut registry = filled();
    registry.token = Some("t0ken".to_owned());
    registry.blob_host = Some("blobs.test".to_owned());
    let mut world = World::new(registry);
    let refused = world.pull("r.test/app:1").unwrap_err();
    expect!["r.test refuses the login"].assert_eq(&line(&refused));
    world.keys = password();
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    let log = world.registry.log();
    for line in &log {
        let has_token = line.ends_with("Bearer t0ken");
        assert!(
            !has_token || line.contains("https://r.test/v2/app/"),
            "{line}"
        );
        let is_question = line.contains("https://auth.test/token?");
        assert!(!line.contains("Basic") || is_question, "{line}");
    }
    assert!(log.iter().any(|line| line.contains("https://blobs.test/")));
    // One token for all of it.
    let asked = log.iter().filter(|line| line.contains("account=me"));
    assert_eq!(asked.count(), 1);
}

#[test]
fn an_index_gives_the_image_of_the_platform() {
    let registry = MemoryRegistry::default();
    let mut entries = Vec::new();
    for (architecture, size) in [("arm64", 10), ("amd64", 20)] {
        let json = serve(&registry, "app", &[size], architecture);
        let digest = Digest::of(&json);
        let mut entry = Descriptor::new(MediaType::DockerManifest, digest, json.len() as u64);
        entry.platform = Some(platform(architecture));
        entries.push(entry);
    }
    let json = ImageIndex::new(entries).to_json();
    registry.put_manifest("app", "all", MediaType::OciIndex.as_str(), &json);
    let world = World::new(registry);
    for architecture in ["amd64", "arm64"] {
        let pulled = world.pull_for("r.test/app:all", architecture).unwrap();
        assert_eq!(pulled.digest, Digest::of(&json));
        assert_eq!(pulled.image.config().architecture, architecture);
    }
    let missing = world.pull_for("r.test/app:all", "s390x").unwrap_err();
    expect!["r.test/app:all is not there for linux/s390x, but for linux/arm64, linux/amd64"]
        .assert_eq(&line(&missing));
    let other = world.pull_for("r.test/app:1", "arm64").unwrap_err();
    expect!["r.test/app:1 is not there for linux/arm64, but for linux/amd64"]
        .assert_eq(&line(&other));
}

/// Whether the registry has what is tagged `app:1` with all that it needs.
fn has_all(world: &World) -> bool {
    let Some(json) = world.registry.manifest("app", "1") else {
        return false;
    };
    let manifest = Manifest::from_json(&json).unwrap();
    let mut blobs = manifest.layers.iter().chain([&manifest.config]);
    blobs.all(|blob| {
        let bytes = world.registry.blob("app", &blob.digest);
        bytes.is_some_and(|bytes| Digest::of(&bytes) == blob.digest)
    })
}

#[test]
fn an_image_keeps_its_digest_wherever_it_goes() {
    let world = with_image();
    let seed = world.registry.manifest("seed", "1").unwrap();
    // To another registry's name, so that nothing can be mounted.
    let pushed = world.push("other.test/app:1", Originals::Keep).unwrap();
    assert_eq!(pushed[0].descriptor.digest, Digest::of(&seed));
    assert_eq!(world.registry.manifest("app", "1"), Some(seed));
    assert!(has_all(&world));
    let requests = world.registry.log().len();
    world.push("other.test/app:2", Originals::Keep).unwrap();
    let log = world.registry.log().split_off(requests);
    assert!(log.iter().all(|line| !line.starts_with("POST")), "{log:#?}");
}

#[test]
fn blobs_are_taken_from_repositories_of_the_same_registry() {
    let world = with_image();
    let requests = world.registry.log().len();
    world.push("r.test/app:1", Originals::Keep).unwrap();
    assert!(has_all(&world));
    let log = world.registry.log().split_off(requests);
    assert!(log.iter().any(|line| line.contains("from=seed")));
    assert!(
        log.iter().all(|line| !line.starts_with("PATCH")),
        "{log:#?}"
    );
}

#[test]
fn an_upload_goes_on_where_it_broke_off() {
    for (lack, restarts) in [(None, false), (Some(Lack::Offsets), false), (None, true)] {
        let mut world = with_image();
        world.registry.lacks.extend(lack);
        let requests = world.registry.log().len();
        // A greeting, a question, an upload, and its bytes.
        world.registry.happen(requests + 3, Accident::Lost(30_000));
        if restarts {
            world.registry.happen(requests + 4, Accident::Restarted);
        }
        world.push("other.test/app:1", Originals::Keep).unwrap();
        assert!(has_all(&world));
        let log = world.registry.log().split_off(requests);
        let begun = log.iter().filter(|line| line.starts_with("POST")).count();
        let again = usize::from(lack.is_some() || restarts);
        assert_eq!(begun, 3 + again, "{log:#?}");
    }
}

#[test]
fn what_is_compressed_once_is_not_compressed_again() {
    let world = with_image();
    let push = |name| {
        let pushed = world.push(name, Originals::Ignore).unwrap();
        pushed[0].descriptor.digest
    };
    let first = push("other.test/app:1");
    let layer = world.local().layers()[0].blob.digest;
    let known = world.store.compressed(&layer, GZIP).unwrap();
    assert!(world.registry.blob("app", &known.digest).is_some());
    assert_eq!(push("other.test/app:2"), first);
    // What is noted, and is not so, is found out.
    let wrong = Descriptor {
        digest: Digest::of(b"wrong"),
        ..known
    };
    let noted = world.store.set_compressed(&layer, GZIP, Some(&wrong));
    noted.unwrap();
    assert_eq!(push("other.test/app:3"), first);
}

fn accident() -> impl Strategy<Value = Accident> {
    let status = prop_oneof![
        Just(429_u16),
        Just(500),
        Just(502),
        Just(404),
        Just(416),
        Just(400),
        Just(403)
    ];
    let wait = prop_oneof![Just(None), (0_u64..200).prop_map(Some)];
    prop_oneof![
        Just(Accident::Refused),
        (0_usize..70_000).prop_map(Accident::Cut),
        (0_usize..70_000).prop_map(Accident::Flipped),
        (1_usize..5000).prop_map(Accident::Longer),
        (0_usize..70_000).prop_map(Accident::Lost),
        Just(Accident::Unheard),
        Just(Accident::Restarted),
        Just(Accident::Expired),
        (status, wait).prop_map(|(status, wait)| Accident::Status(status, wait)),
    ]
}

fn accidents() -> impl Strategy<Value = Vec<(usize, Accident)>> {
    proptest::collection::vec((0_usize..14, accident()), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn a_pull_gives_the_right_image_or_an_error(accidents in accidents(), has_ranges in any::<bool>()) {
        let mut registry = filled();
        if !has_ranges {
            registry.lacks.insert(Lack::Ranges);
        }
        let digest = Digest::of(&registry.manifest("app", "1").unwrap());
        for (request, accident) in &accidents {
            registry.happen(*request, accident.clone());
        }
        let world = World::new(registry);
        match world.pull("r.test/app:1") {
            Ok(pulled) => {
                assert_sound(&world, &pulled);
                prop_assert_eq!(pulled.digest, digest);
            }
            Err(_) => prop_assert!(world.store.images().unwrap().is_empty()),
        }
    }

    #[test]
    fn a_push_gives_the_right_image_or_an_error(accidents in accidents(), has_offsets in any::<bool>()) {
        let mut world = with_image();
        if !has_offsets {
            world.registry.lacks.insert(Lack::Offsets);
        }
        let requests = world.registry.log().len();
        for (request, accident) in &accidents {
            world.registry.happen(requests + request, accident.clone());
        }
        let pushed = world.push("other.test/app:1", Originals::Keep);
        // The tag is written last: where it is, all is.
        prop_assert!(pushed.is_err() || has_all(&world));
        prop_assert!(world.registry.manifest("app", "1").is_none() || has_all(&world));
    }
}
