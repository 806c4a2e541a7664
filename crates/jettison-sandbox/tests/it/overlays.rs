//! Overlays without sandboxes.

use std::fs;
use std::path::{Path, PathBuf};

use jettison_sandbox::{Mount, MountKind, mount_overlay};

use crate::runner::Test;
use crate::world::{Scene, World, run, text};

pub(crate) const TESTS: &[Test] = crate::tests![
    an_overlay_is_usable_by_its_path,
    the_top_layer_wins,
    two_hundred_layers_are_not_too_many,
    one_layer_alone_is_read_only,
    no_layers_are_an_empty_directory_or_the_upper_one,
    the_same_directories_can_be_mounted_again,
    odd_names_are_fine,
    a_missing_layer_is_named,
    an_overlay_can_be_mounted_into_a_sandbox,
];

fn upper(scene: &Scene) -> (PathBuf, PathBuf) {
    (scene.path("upper"), scene.path("work"))
}

fn layer(scene: &Scene, name: &str, content: &str) -> PathBuf {
    let path = scene.path(name);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("which"), content).unwrap();
    fs::write(path.join(format!("only-{content}")), "").unwrap();
    path
}

fn an_overlay_is_usable_by_its_path(world: &World) {
    let scene = Scene::new();
    let (upper, work) = upper(&scene);
    let overlay = mount_overlay(
        &world.entered,
        &[scene.path("lower")],
        Some((&upper, &work)),
    )
    .unwrap();
    fs::write(overlay.path().join("etc/new"), "text").unwrap();
    fs::remove_dir_all(overlay.path().join("old")).unwrap();
    assert_eq!(fs::read_to_string(upper.join("etc/new")).unwrap(), "text");
    assert!(scene.path("lower/old/sub").exists());
    assert!(!overlay.path().join("old").exists());
    let path = overlay.path();
    drop(overlay);
    assert!(!path.join("etc/new").exists());
}

fn the_top_layer_wins(world: &World) {
    let scene = Scene::new();
    let lowers = [layer(&scene, "a", "a"), layer(&scene, "b", "b")];
    let overlay = mount_overlay(&world.entered, &lowers, None).unwrap();
    assert_eq!(
        fs::read_to_string(overlay.path().join("which")).unwrap(),
        "a"
    );
    assert!(overlay.path().join("only-b").exists());
    assert!(fs::write(overlay.path().join("new"), "").is_err());
}

fn two_hundred_layers_are_not_too_many(world: &World) {
    let scene = Scene::new();
    let lowers: Vec<_> = (0..200)
        .map(|n| layer(&scene, &format!("layer-{n:0100}"), &n.to_string()))
        .collect();
    let (upper, work) = upper(&scene);
    let overlay = mount_overlay(&world.entered, &lowers, Some((&upper, &work))).unwrap();
    assert_eq!(
        fs::read_to_string(overlay.path().join("which")).unwrap(),
        "0"
    );
    assert!(overlay.path().join("only-199").exists());
}

fn one_layer_alone_is_read_only(world: &World) {
    let scene = Scene::new();
    let view = mount_overlay(&world.entered, &[scene.path("lower")], None).unwrap();
    assert!(view.path().join("old/sub").exists());
    assert!(fs::write(view.path().join("new"), "").is_err());
    fs::write(scene.path("lower/new"), "").unwrap();
}

fn no_layers_are_an_empty_directory_or_the_upper_one(world: &World) {
    let scene = Scene::new();
    let empty = mount_overlay(&world.entered, &[], None).unwrap();
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    let (upper, work) = upper(&scene);
    let plain = mount_overlay(&world.entered, &[], Some((&upper, &work))).unwrap();
    fs::write(plain.path().join("new"), "").unwrap();
    assert_eq!(scene.changes(), ["new"]);
}

fn the_same_directories_can_be_mounted_again(world: &World) {
    let scene = Scene::new();
    let (upper, work) = upper(&scene);
    for n in 0..3 {
        let lowers = [scene.path("lower")];
        let overlay = mount_overlay(&world.entered, &lowers, Some((&upper, &work))).unwrap();
        fs::write(overlay.path().join(format!("file-{n}")), "").unwrap();
    }
    assert_eq!(scene.changes(), ["file-0", "file-1", "file-2"]);
}

fn odd_names_are_fine(world: &World) {
    let scene = Scene::new();
    let lowers = [
        layer(&scene, "a:b,c\\d e", "odd"),
        layer(&scene, "plain", "plain"),
    ];
    let overlay = mount_overlay(&world.entered, &lowers, None).unwrap();
    assert_eq!(
        fs::read_to_string(overlay.path().join("which")).unwrap(),
        "odd"
    );
}

fn a_missing_layer_is_named(world: &World) {
    let scene = Scene::new();
    let error = mount_overlay(
        &world.entered,
        &[scene.path("nope"), scene.path("lower")],
        None,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open {}", scene.path("nope").display())
    );
}

fn an_overlay_can_be_mounted_into_a_sandbox(world: &World) {
    let scene = Scene::new();
    let lowers = [layer(&scene, "a", "a"), layer(&scene, "b", "b")];
    let overlay = mount_overlay(&world.entered, &lowers, None).unwrap();
    let mut sandbox = scene.sandbox("cat /from/which /file");
    for (source, target) in [
        (overlay.path(), "/from"),
        (overlay.path().join("which"), "/file"),
    ] {
        let kind = MountKind::Bind {
            source,
            read_only: true,
        };
        sandbox.mounts.push(Mount {
            target: Path::new(target).to_owned(),
            kind,
        });
    }
    assert_eq!(text(&run(world, &sandbox)), "aa");
}
