//! What pruning removes, and what it leaves.

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jettison_build::{ItemKind, PruneRequest, Pruned, prune, store_items};
use jettison_oci::Store;
use jettison_sandbox::Entered;

use crate::runner::Test;
use crate::scene::{Scene, Wishes};

pub(crate) const TESTS: &[Test] = crate::tests![
    named_images_outlive_everything,
    what_was_used_last_is_kept,
    a_trial_removes_nothing,
    what_was_made_on_something_that_is_gone_goes_too,
    a_running_build_is_waited_for_and_that_is_said,
    blobs_of_images_without_names_count_once,
    what_explains_builds_is_bounded_and_goes_with_their_steps,
];

const TEXT: &str = "FROM base AS build\nRUN echo 1 > /one\nRUN echo 2 > /two\n\
    FROM base\nCOPY --from=build /one /two /\n";

fn everything() -> PruneRequest {
    PruneRequest {
        kinds: BTreeSet::from(ItemKind::ALL),
        unused_for: Duration::ZERO,
        most_space: None,
        is_trial: false,
    }
}

fn little() -> Wishes {
    Wishes {
        keeps_little: true,
        ..Wishes::default()
    }
}

fn removed(pruned: &Pruned) -> Vec<String> {
    let steps = pruned.removed.iter();
    let steps = steps.filter(|item| item.kind == ItemKind::Step);
    let mut titles: Vec<String> = steps.map(|item| item.title.clone()).collect();
    titles.sort();
    titles
}

fn named_images_outlive_everything(entered: &Entered) {
    let scene = Scene::new();
    let built = scene.build_as(entered, TEXT, &little()).result.unwrap();
    let store = Store::open(&scene.store()).unwrap();
    let manifest = store.put_image(&built.image).unwrap();
    store
        .tag(&"app".parse().unwrap(), &manifest, &built.image)
        .unwrap();
    let pruned = prune(&store, &everything(), &|| ()).unwrap();
    assert_eq!(removed(&pruned).len(), 3, "{pruned:?}");
    let image = store.find(&"app".parse().unwrap()).unwrap().unwrap();
    assert_eq!(image.id(), built.image.id());
    for layer in image.layers() {
        assert!(store.read(&layer.blob.digest).is_ok());
    }
    let left = fs::read_dir(scene.store().join("cache/v1/preimages")).unwrap();
    assert_eq!(left.count(), 0);
    let again = scene.build_as(entered, TEXT, &little());
    assert!(again.steps.iter().all(|step| step.starts_with("run")));
    assert!(again.result.is_ok());
}

fn blobs_of_images_without_names_count_once(entered: &Entered) {
    let scene = Scene::new();
    scene.build(entered, TEXT);
    scene.build(entered, &format!("{TEXT}LABEL a=b\n"));
    let store = Store::open(&scene.store()).unwrap();
    let needed = store.needed_blobs().unwrap();
    let blobs = store.blobs().unwrap().into_iter();
    let needed = blobs.filter(|blob| needed.contains(&blob.digest));
    let size: u64 = needed.map(|blob| blob.size).sum();
    let items = store_items(&store).unwrap().into_iter();
    let images: Vec<u64> = items
        .filter(|item| item.kind == ItemKind::Image)
        .map(|item| item.size)
        .collect();
    assert_eq!(images.len(), 2);
    assert_eq!(images.iter().sum::<u64>(), size);
    // They are none of the cache, and nothing of it has to go for them.
    let request = PruneRequest {
        kinds: BTreeSet::from([ItemKind::Step]),
        most_space: Some(
            prune(
                &store,
                &PruneRequest {
                    is_trial: true,
                    kinds: BTreeSet::new(),
                    ..everything()
                },
                &|| (),
            )
            .unwrap()
            .left,
        ),
        ..everything()
    };
    assert_eq!(
        removed(&prune(&store, &request, &|| ()).unwrap()),
        Vec::<String>::new()
    );
}

fn what_was_used_last_is_kept(entered: &Entered) {
    let scene = Scene::new();
    scene.build_as(entered, TEXT, &little()).result.unwrap();
    let store = Store::open(&scene.store()).unwrap();
    let request = PruneRequest {
        unused_for: Duration::from_hours(1),
        ..everything()
    };
    assert_eq!(prune(&store, &request, &|| ()).unwrap().removed, []);
    let total: u64 = store_items(&store)
        .unwrap()
        .iter()
        .map(|item| item.size)
        .sum();
    let request = PruneRequest {
        most_space: Some(total - 1),
        ..everything()
    };
    let pruned = prune(&store, &request, &|| ()).unwrap();
    assert!(pruned.left < total);
    assert!(!pruned.removed.is_empty());
    let request = PruneRequest {
        most_space: Some(total),
        ..everything()
    };
    assert_eq!(prune(&store, &request, &|| ()).unwrap().removed, []);
}

fn a_trial_removes_nothing(entered: &Entered) {
    let scene = Scene::new();
    scene.build_as(entered, TEXT, &little()).result.unwrap();
    let store = Store::open(&scene.store()).unwrap();
    let request = PruneRequest {
        is_trial: true,
        ..everything()
    };
    let before = store_items(&store).unwrap();
    assert_eq!(prune(&store, &request, &|| ()).unwrap().removed, before);
    assert_eq!(store_items(&store).unwrap(), before);
}

fn what_was_made_on_something_that_is_gone_goes_too(entered: &Entered) {
    let scene = Scene::new();
    scene.build_as(entered, TEXT, &little()).result.unwrap();
    let store = Store::open(&scene.store()).unwrap();
    let steps = |store: &Store| -> Vec<String> {
        let items = store_items(store).unwrap().into_iter();
        let steps = items.filter(|item| item.kind == ItemKind::Step);
        steps.map(|item| item.title).collect()
    };
    let first = store_items(&store).unwrap().into_iter();
    let first = first
        .filter(|item| item.title.contains("/one") && item.title.contains("RUN"))
        .map(|item| item.name)
        .next()
        .unwrap();
    // Long ago.
    let path = scene.store().join("cache/v1/steps").join(first);
    let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    fs::File::open(path).unwrap().set_times(times).unwrap();
    let request = PruneRequest {
        unused_for: Duration::from_hours(1),
        ..everything()
    };
    let pruned = prune(&store, &request, &|| ()).unwrap();
    assert_eq!(removed(&pruned), ["[build 2/3] RUN echo 1 > /one"]);
    assert_eq!(
        steps(&store),
        ["[stage-1 2/2] COPY --from=build /one /two /"]
    );
}

fn a_running_build_is_waited_for_and_that_is_said(entered: &Entered) {
    let scene = Scene::new();
    assert!(scene.build_as(entered, TEXT, &little()).result.is_ok());
    let store = Store::open(&scene.store()).unwrap();
    let in_use = store.lock_shared().unwrap();
    let (said, heard) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let waiting = || said.send("waits").unwrap();
            let pruned = prune(&store, &everything(), &waiting).unwrap();
            assert_eq!(removed(&pruned).len(), 3);
            said.send("is done").unwrap();
        });
        assert_eq!(heard.recv().unwrap(), "waits");
        assert!(heard.recv_timeout(Duration::from_millis(100)).is_err());
        drop(in_use);
        assert_eq!(heard.recv().unwrap(), "is done");
    });
    let never = || panic!("nobody has to be waited for");
    prune(&store, &everything(), &never).unwrap();
}

/// The files that say what builds did.
fn lineages(scene: &Scene) -> usize {
    let folder = scene.store().join("cache/v1/lineages");
    fs::read_dir(folder).unwrap().count()
}

fn what_explains_builds_is_bounded_and_goes_with_their_steps(entered: &Entered) {
    let scene = Scene::new();
    let text = "FROM base\nRUN echo 1 >/one\n";
    let in_place = |place: String| Wishes {
        place: Some(place),
        ..little()
    };
    for number in 0..140 {
        let wishes = in_place(format!("place {number}"));
        assert!(scene.build_as(entered, text, &wishes).result.is_ok());
    }
    assert_eq!(lineages(&scene), 128);
    let store = Store::open(&scene.store()).unwrap();
    let snapshots = PruneRequest {
        kinds: BTreeSet::from([ItemKind::Snapshot]),
        ..everything()
    };
    prune(&store, &snapshots, &|| ()).unwrap();
    assert_eq!(lineages(&scene), 128);
    prune(&store, &everything(), &|| ()).unwrap();
    assert_eq!(lineages(&scene), 0);
}
