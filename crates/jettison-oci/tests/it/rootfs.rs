//! Root filesystems as tar files and as directories.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use jettison_oci::{
    DiffId, Digest, ExportError, Image, ImageConfig, Layer, LocalMode, MediaType, RootfsImage,
    RootfsSettings, Sink, Store, export_rootfs_directory, export_rootfs_tar, measure_layer,
    platform_directory,
};

use crate::scratch::{Made, Scratch, chain, image_of, listing, made, tar_of, tree};

const SETTINGS: RootfsSettings = RootfsSettings { mtime: None };

/// The layer that a tar is.
fn layer(store: &Store, tar: &[u8]) -> Layer {
    let (digest, size) = store.put(tar).unwrap();
    let blob = jettison_oci::Descriptor::new(MediaType::OciLayerTar, digest, size);
    measure_layer(store, &blob, &DiffId(Digest::of(tar))).unwrap()
}

fn image(scratch: &Scratch, layers: &[&[Made<'_>]]) -> Image {
    let layers = layers
        .iter()
        .map(|entries| layer(&scratch.store, &tar_of(entries)));
    image_of(layers.collect())
}

fn only(image: Image) -> Vec<RootfsImage> {
    vec![RootfsImage {
        image,
        directory: None,
    }]
}

fn tar(
    scratch: &Scratch,
    images: &[RootfsImage],
    settings: &RootfsSettings,
) -> Result<Vec<u8>, ExportError> {
    let mut tar = Vec::new();
    let sink = Sink::Stream(&mut tar);
    export_rootfs_tar(&scratch.store, images, settings, sink)?;
    Ok(tar)
}

/// Layers with everything that makes a difference.
fn layers() -> [Vec<Made<'static>>; 3] {
    [
        vec![
            made(b'5', "bin", ""),
            made(b'0', "bin/tool", "old"),
            made(b'1', "bin/alias", "bin/tool"),
            made(b'2', "link", "bin"),
            made(b'5', "gone", ""),
            made(b'0', "gone/file", "gone"),
            made(b'5', "opaque", ""),
            made(b'0', "opaque/old", "old"),
            made(b'6', "pipe", ""),
        ],
        vec![
            made(b'0', ".wh.gone", ""),
            made(b'5', "opaque", ""),
            made(b'0', "opaque/.wh..wh..opq", ""),
            made(b'0', "opaque/new", "new"),
            made(b'0', "bin/tool", "new"),
        ],
        vec![
            made(b'1', "another", "bin/alias"),
            made(b'0', "bin/.wh.alias", ""),
            made(b'0', "implied/file", "content"),
        ],
    ]
}

fn layered(scratch: &Scratch) -> Image {
    let [first, second, third] = layers();
    image(scratch, &[&first, &second, &third])
}

#[test]
fn layers_lie_on_each_other() {
    let scratch = Scratch::new();
    let tar = tar(&scratch, &only(layered(&scratch)), &SETTINGS).unwrap();
    expect![[r"
        5 0755 bin/ 0
        5 0755 implied/ 0
        2 0644 link -> bin 0
        5 0755 opaque/ 0
        6 0644 pipe 0
        0 0644 another 3
        0 0644 opaque/new 3
        0 0644 bin/tool 3
        0 0644 implied/file 7
    "]]
    .assert_eq(&listing(&tar));
}

#[test]
fn a_directory_gets_the_same_files() {
    let scratch = Scratch::new();
    let images = only(layered(&scratch));
    let path = scratch.path("deep/out");
    let store = &scratch.store;
    export_rootfs_directory(store, &images, &SETTINGS, &path, LocalMode::Copy).unwrap();
    expect![[r#"
        0644 another "old"
        0755 bin/
          0644 tool "new"
        0755 implied/
          0644 file "content"
        link -> bin
        0755 opaque/
          0644 new "new"
        0644 special pipe
    "#]]
    .assert_eq(&tree(&path));
    let metadata = fs::metadata(path.join("bin/tool")).unwrap();
    assert_eq!(metadata.mtime(), 1);
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
}

#[test]
fn names_of_one_file_stay_together() {
    let scratch = Scratch::new();
    let image = image(
        &scratch,
        &[
            &[
                made(b'0', "a", "x"),
                made(b'1', "b", "a"),
                made(b'1', "c", "a"),
            ],
            &[made(b'0', ".wh.a", "")],
        ],
    );
    let images = only(image);
    let tar = tar(&scratch, &images, &SETTINGS).unwrap();
    assert_eq!(listing(&tar), "0 0644 b 1\n1 0644 c -> b 0\n");
    let path = scratch.path("out");
    export_rootfs_directory(&scratch.store, &images, &SETTINGS, &path, LocalMode::Copy).unwrap();
    assert_eq!(fs::metadata(path.join("b")).unwrap().nlink(), 2);
}

#[test]
fn an_epoch_is_the_time_of_all_files() {
    let scratch = Scratch::new();
    let settings = RootfsSettings { mtime: Some(12) };
    let tar = tar(&scratch, &only(layered(&scratch)), &settings).unwrap();
    let mut archive = tar::Archive::new(tar.as_slice());
    for entry in archive.entries().unwrap() {
        assert_eq!(entry.unwrap().header().mtime().unwrap(), 12);
    }
}

#[track_caller]
fn check_local(mode: LocalMode, expected: Expect) {
    let scratch = Scratch::new();
    let outside = scratch.dir("outside");
    fs::write(outside.join("kept"), "untouched").unwrap();
    let out = scratch.dir("out");
    fs::write(out.join("other"), "other").unwrap();
    fs::create_dir_all(out.join("link/was/a/directory")).unwrap();
    fs::create_dir_all(out.join("implied")).unwrap();
    fs::write(out.join("implied/other"), "other").unwrap();
    // Links that a careless writer would follow, and a remover too.
    symlink(&outside, out.join("bin")).unwrap();
    symlink(&outside, out.join("linked")).unwrap();
    symlink(outside.join("kept"), out.join("another")).unwrap();
    let images = only(layered(&scratch));
    export_rootfs_directory(&scratch.store, &images, &SETTINGS, &out, mode).unwrap();
    assert_eq!(tree(&outside), "0644 kept \"untouched\"\n");
    let shown = tree(&out).replace(&outside.display().to_string(), "[OUTSIDE]");
    expected.assert_eq(&shown);
}

#[test]
fn other_files_stay_or_go_and_links_are_not_followed() {
    check_local(
        LocalMode::Copy,
        expect![[r#"
            0644 another "old"
            0755 bin/
              0644 tool "new"
            0755 implied/
              0644 file "content"
              0644 other "other"
            link -> bin
            linked -> [OUTSIDE]
            0755 opaque/
              0644 new "new"
            0644 other "other"
            0644 special pipe
        "#]],
    );
    check_local(
        LocalMode::Delete,
        expect![[r#"
            0644 another "old"
            0755 bin/
              0644 tool "new"
            0755 implied/
              0644 file "content"
            link -> bin
            0755 opaque/
              0644 new "new"
            0644 special pipe
        "#]],
    );
}

/// Images for two platforms with a file of the same name each.
fn platforms(scratch: &Scratch) -> [Image; 2] {
    let amd64 = image(scratch, &[&[made(b'0', "tool", "amd64")]]);
    let arm = image(scratch, &[&[made(b'0', "tool", "arm")]]);
    let config = ImageConfig {
        architecture: "arm".to_owned(),
        variant: Some("v7".to_owned()),
        ..arm.config().clone()
    };
    let arm = Image::new(config, arm.layers().to_vec()).unwrap();
    [amd64, arm]
}

#[test]
fn platforms_have_directories_of_their_own() {
    let scratch = Scratch::new();
    let images = platforms(&scratch).map(|image| RootfsImage {
        directory: Some(platform_directory(&image.platform())),
        image,
    });
    let tar = tar(&scratch, &images, &SETTINGS).unwrap();
    expect![[r"
        5 0755 linux_amd64/ 0
        0 0644 linux_amd64/tool 5
        5 0755 linux_arm_v7/ 0
        0 0644 linux_arm_v7/tool 3
    "]]
    .assert_eq(&listing(&tar));
    let path = scratch.dir("out");
    fs::create_dir(path.join("linux_s390x")).unwrap();
    let store = &scratch.store;
    export_rootfs_directory(store, &images, &SETTINGS, &path, LocalMode::Delete).unwrap();
    expect![[r#"
        0755 linux_amd64/
          0644 tool "amd64"
        0755 linux_arm_v7/
          0644 tool "arm"
    "#]]
    .assert_eq(&tree(&path));
}

#[test]
fn platforms_in_one_directory_must_not_meet() {
    let scratch = Scratch::new();
    let images = platforms(&scratch).map(|image| RootfsImage {
        directory: None,
        image,
    });
    let error = tar(&scratch, &images, &SETTINGS).unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot overwrite tool from linux/amd64 with linux/arm/v7 when split option is disabled"
    );
}

#[test]
fn images_that_mean_harm_do_not_get_out() {
    for (name, layers) in [
        ("name", &[&[made(b'0', "../../outside", "x")][..]][..]),
        (
            "through a link",
            &[&[made(b'2', "up", "../.."), made(b'0', "up/outside", "x")]],
        ),
        (
            "through a link of another layer",
            &[
                &[made(b'2', "up", "../..")],
                &[made(b'0', "up/outside", "x")],
            ],
        ),
        ("a link to it", &[&[made(b'1', "link", "../../outside")]]),
        (
            "everything gone",
            &[&[made(b'0', "a", "x")], &[made(b'0', ".wh..wh..opq", "")]],
        ),
        ("a whiteout of the top", &[&[made(b'0', ".wh..", "")]]),
        (
            "a whiteout of what is above",
            &[&[made(b'0', ".wh...", "")]],
        ),
        ("a device", &[&[made(b'4', "disk", "")]]),
    ] {
        let scratch = Scratch::new();
        fs::write(scratch.path("outside"), "untouched").unwrap();
        let mut made_layers = Vec::new();
        for entries in layers {
            let tar = tar_of(entries);
            let (digest, size) = scratch.store.put(&tar).unwrap();
            made_layers.push(Layer {
                diff_id: DiffId(digest),
                blob: jettison_oci::Descriptor::new(MediaType::OciLayerTar, digest, size),
                measure: None,
            });
        }
        let images = only(image_of(made_layers));
        let path = scratch.path("a/b");
        // Refused or not: nothing outside is touched.
        drop(export_rootfs_directory(
            &scratch.store,
            &images,
            &SETTINGS,
            &path,
            LocalMode::Delete,
        ));
        assert_eq!(names(&scratch.path("a")), ["b"], "{name}");
        let outside = fs::read_to_string(scratch.path("outside")).unwrap();
        assert_eq!(outside, "untouched", "{name}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
