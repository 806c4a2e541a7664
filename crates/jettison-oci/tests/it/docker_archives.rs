//! Archives of `docker save`, as its versions and other tools have written them, and damaged ones.

use std::path::Path;

use expect_test::{Expect, expect};
use jettison_oci::{Compression, Image, SavedImage, Sink, Unwatched, import_archive, save_images};

use crate::scratch::{Made, Scratch, chain, made, tar_of};

/// A layer's tar, and a configuration that lists it twice.
fn parts() -> (String, String) {
    let layer = String::from_utf8(tar_of(&[made(b'0', "file", "content")])).unwrap();
    let diff_id = jettison_oci::Digest::of(layer.as_bytes());
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","docker_version":"1.10","rootfs":{{"type":"layers","diff_ids":["{diff_id}","{diff_id}"]}}}}"#
    );
    (layer, config)
}

/// What is in the archive: names, IDs' kinds and numbers of layers; or why it cannot be read.
fn load(entries: &[Made<'_>]) -> (Scratch, String) {
    let scratch = Scratch::new();
    let tar = tar_of(entries);
    let shown = match import_archive(&scratch.store, &mut tar.as_slice(), Path::new("x.tar")) {
        Ok(images) => images
            .iter()
            .map(|(name, image)| line(name.as_deref(), image))
            .collect(),
        Err(error) => format!("error: {}\n", chain(&error)),
    };
    (scratch, shown)
}

fn line(name: Option<&str>, image: &Image) -> String {
    let name = name.unwrap_or("-");
    format!(
        "{name} {} layers, {} bytes\n",
        image.layers().len(),
        image.unpacked_size()
    )
}

#[track_caller]
fn check(entries: &[Made<'_>], expected: Expect) {
    expected.assert_eq(&load(entries).1);
}

const LIST: &str =
    r#"[{"Config":"c.json","RepoTags":["app:1","app:2"],"Layers":["a/layer.tar","b/layer.tar"]}]"#;

#[test]
fn a_layer_that_an_image_has_twice_may_be_a_link() {
    let (layer, config) = parts();
    for link in [
        made(b'2', "b/layer.tar", "../a/layer.tar"),
        made(b'1', "b/layer.tar", "a/layer.tar"),
    ] {
        check(
            &[
                made(b'0', "a/VERSION", "1.0"),
                made(b'0', "a/json", "{}"),
                made(b'0', "a/layer.tar", &layer),
                link,
                made(b'0', "c.json", &config),
                made(b'0', "repositories", "{}"),
                made(b'0', "manifest.json", LIST),
            ],
            expect![[r"
                app:1 2 layers, 14 bytes
                app:2 2 layers, 14 bytes
            "]],
        );
    }
}

#[test]
fn an_image_keeps_its_id_and_the_list_may_come_first() {
    let (layer, config) = parts();
    let list = r#"[{"Config":"./c.json","RepoTags":null,"Layers":["l.tar","./l.tar"]}]"#;
    let (scratch, shown) = load(&[
        made(b'0', "manifest.json", list),
        made(b'0', "c.json", &config),
        made(b'0', "l.tar", &layer),
    ]);
    assert_eq!(shown, "- 2 layers, 14 bytes\n");
    let ids = scratch.store.image_ids().unwrap();
    assert_eq!(ids[0].0, jettison_oci::Digest::of(config.as_bytes()));
}

#[test]
fn what_is_wrong_with_an_archive_is_said() {
    let (layer, config) = parts();
    let list =
        |config: &str, layers: &str| format!(r#"[{{"Config":"{config}","Layers":[{layers}]}}]"#);
    let both = r#""l.tar","l.tar""#;
    check(
        &[made(b'0', "readme", "nothing")],
        expect![[r"
        error: x.tar is neither an archive of `docker save` nor one of an OCI layout
    "]],
    );
    check(
        &[made(b'0', "manifest.json", "{")],
        expect![[r"
            error: cannot read manifest.json of the image layout: invalid type: map, expected a sequence at line 1 column 0
        "]],
    );
    check(
        &[made(b'0', "manifest.json", &list("gone.json", both))],
        expect![[r"
        error: the image layout is broken: it has no file gone.json
    "]],
    );
    check(
        &[
            made(b'0', "c.json", &config),
            made(b'0', "manifest.json", &list("c.json", both)),
        ],
        expect![[r"
            error: the image layout is broken: it has no file l.tar
        "]],
    );
    check(
        &[
            made(b'0', "l.tar", &layer),
            made(b'0', "c.json", &config),
            made(b'0', "manifest.json", &list("c.json", r#""l.tar""#)),
        ],
        expect![[r"
            error: cannot read image sha256:bfd68ecdaa199661696e5a33c7e715ca4c81d5f31f16e2efd616c744f15ed102: the configuration lists 2 layers, but there are 1
        "]],
    );
    check(
        &[
            made(b'0', "l.tar", "this is no tar at all"),
            made(b'0', "c.json", &config),
            made(b'0', "manifest.json", &list("c.json", both)),
        ],
        expect![[r"
            error: the image layout is broken: its layer l.tar cannot be read: cannot read archive: unexpected end of file
        "]],
    );
    // A link that leads to itself, and one that leads out.
    check(
        &[
            made(b'2', "l.tar", "l.tar"),
            made(b'2', "o.tar", "../../../etc/passwd"),
            made(b'0', "c.json", &config),
            made(b'0', "manifest.json", &list("c.json", r#""o.tar","l.tar""#)),
        ],
        expect![[r"
            error: the image layout is broken: it has no file etc/passwd
        "]],
    );
}

#[test]
fn layers_of_another_image_are_refused() {
    let (_, config) = parts();
    let other = String::from_utf8(tar_of(&[made(b'0', "file", "changed")])).unwrap();
    let (_, shown) = load(&[
        made(b'0', "a/layer.tar", &other),
        made(b'2', "b/layer.tar", "../a/layer.tar"),
        made(b'0', "c.json", &config),
        made(b'0', "manifest.json", LIST),
    ]);
    assert!(shown.contains("but the configuration lists"), "{shown}");
}

#[test]
fn several_images_are_written_once_and_read_again() {
    let scratch = Scratch::new();
    let images: Vec<SavedImage> = ["one", "two", "one"]
        .iter()
        .zip([&["app:1", "app:2"][..], &[], &["other"]])
        .map(|(content, names)| SavedImage {
            image: scratch.image(content),
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
        })
        .collect();
    for compression in [
        Compression::None,
        Compression::INTEROPERABLE,
        Compression::MODERN,
    ] {
        let mut archive = Vec::new();
        save_images(
            &scratch.store,
            &images,
            compression,
            Sink::Stream(&mut archive),
            &Unwatched,
        )
        .unwrap();
        let there = Scratch::new();
        let loaded =
            import_archive(&there.store, &mut archive.as_slice(), Path::new("x.tar")).unwrap();
        let shown: Vec<String> = loaded
            .iter()
            .map(|(name, image)| {
                let original = images
                    .iter()
                    .position(|saved| saved.image.id() == image.id());
                format!("{} {}", name.as_deref().unwrap_or("-"), original.unwrap())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "docker.io/library/app:1 0",
                "docker.io/library/app:2 0",
                "- 1",
                "docker.io/library/other:latest 0"
            ]
        );
    }
    let error = save_images(
        &scratch.store,
        &[],
        Compression::None,
        Sink::Stream(&mut Vec::new()),
        &Unwatched,
    );
    assert!(error.is_err());
}
