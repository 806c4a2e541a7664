//! Image layouts: written, read, and read by others.

use std::fs;
use std::path::Path;

use expect_test::expect;
use jettison_oci::{
    Compression, Destination, Digest, ExportError, ExportOptions, Image, MediaType, Reference,
    export_image, import_from_layout, import_layout,
};

use crate::scratch::{Scratch, chain, files, image_of, listing};

fn options(name: Option<&str>) -> ExportOptions {
    let reference = name.map(|name| name.parse::<Reference>().unwrap());
    ExportOptions {
        compression: Compression::INTEROPERABLE,
        reference,
    }
}

fn diff_ids(image: &Image) -> Vec<Digest> {
    image.layers().iter().map(|layer| layer.diff_id.0).collect()
}

/// Exports, and imports into another store.
#[track_caller]
fn check_round_trip(destination: impl Fn(&Scratch) -> Destination, path: &str) {
    let (here, there) = (Scratch::new(), Scratch::new());
    let image = here.image("content");
    let destination = destination(&here);
    let manifest =
        export_image(&here.store, &image, &destination, &options(Some("app:1"))).unwrap();
    let imported = import_layout(&there.store, &here.path(path)).unwrap();
    let [(name, again)] = &imported[..] else {
        panic!("one image: {imported:?}")
    };
    assert_eq!(name.as_deref(), Some("docker.io/library/app:1"));
    assert_eq!(again.id(), image.id());
    assert_eq!(diff_ids(again), diff_ids(&image));
    // What we know beyond it is not in what others get.
    assert!(there.store.has(&manifest.0));
    assert_ne!(again.manifest_digest(), manifest);
    assert_eq!(
        again.layers()[0].blob.media_type,
        MediaType::OciLayerTarGzip
    );
    assert_eq!(again.unpacked_size(), image.unpacked_size());
    assert_eq!(again.files(), image.files());
    let id = image.id().to_string();
    assert_eq!(there.store.find_by_id(&id).unwrap().as_ref(), Some(again));
}

#[test]
fn an_archive_is_read_back() {
    check_round_trip(
        |scratch| Destination::Archive(scratch.path("out.tar")),
        "out.tar",
    );
}

#[test]
fn a_layout_is_read_back() {
    check_round_trip(|scratch| Destination::Layout(scratch.path("out")), "out");
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let export = |destination| {
        export_image(&scratch.store, &image, &destination, &options(Some("app"))).unwrap()
    };
    let relative = |directory: &Path| -> Vec<_> {
        let found = files(directory).into_iter();
        found
            .map(|(path, bytes)| (path.strip_prefix(directory).unwrap().to_owned(), bytes))
            .collect()
    };
    for name in ["one", "two"] {
        export(Destination::Layout(scratch.path(name)));
        export(Destination::Archive(scratch.path(&format!("{name}.tar"))));
    }
    // Once more into a layout that exists.
    export(Destination::Layout(scratch.path("two")));
    assert_eq!(
        relative(&scratch.path("one")),
        relative(&scratch.path("two"))
    );
    assert_eq!(
        fs::read(scratch.path("one.tar")).unwrap(),
        fs::read(scratch.path("two.tar")).unwrap()
    );
}

#[test]
fn an_archive_is_a_layout_that_docker_can_load_too() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let destination = Destination::Archive(scratch.path("out.tar"));
    let options = ExportOptions {
        compression: Compression::STORE,
        ..options(Some("app"))
    };
    let manifest = export_image(&scratch.store, &image, &destination, &options).unwrap();
    let tar = fs::read(scratch.path("out.tar")).unwrap();
    let mut listed = listing(&tar);
    for (n, digest) in [image.id().0, manifest.0, image.layers()[0].blob.digest]
        .iter()
        .enumerate()
    {
        assert!(listed.contains(&digest.hex()));
        listed = listed.replace(&digest.hex(), &format!("[{n}]"));
    }
    let mut lines: Vec<_> = listed
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .collect();
    lines.sort_unstable();
    let lines: Vec<_> = lines.into_iter().map(|(line, _)| line).collect();
    expect![[r"
        0 0644 blobs/sha256/[0]
        0 0644 blobs/sha256/[1]
        0 0644 blobs/sha256/[2]
        0 0644 index.json
        0 0644 manifest.json
        0 0644 oci-layout
        5 0755 blobs/
        5 0755 blobs/sha256/"]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_layout_that_exists_is_added_to() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.image("one"), scratch.image("two"));
    let destination = Destination::Layout(scratch.path("out"));
    for (image, name) in [
        (&one, Some("app:1")),
        (&two, Some("app:2")),
        (&two, Some("app:1")),
        (&two, None),
        (&one, None),
    ] {
        export_image(&scratch.store, image, &destination, &options(name)).unwrap();
    }
    let there = Scratch::new();
    let imported = import_layout(&there.store, &scratch.path("out")).unwrap();
    let names: Vec<_> = imported
        .iter()
        .map(|(name, image)| (name.as_deref(), image.id()))
        .collect();
    assert_eq!(
        names,
        [
            (Some("docker.io/library/app:2"), two.id()),
            (Some("docker.io/library/app:1"), two.id()),
            (Some("latest"), one.id())
        ]
    );
}

#[test]
fn other_directories_are_left_alone() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let home = scratch.dir("home");
    fs::write(home.join("letter"), "dear").unwrap();
    let destination = Destination::Layout(home.clone());
    let result = export_image(&scratch.store, &image, &destination, &options(None));
    assert!(
        matches!(result, Err(ExportError::NotALayout { .. })),
        "{result:?}"
    );
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    assert!(matches!(
        import_layout(&scratch.store, &home),
        Err(ExportError::NotALayout { .. })
    ));
    let empty = scratch.dir("empty");
    let destination = Destination::Layout(empty);
    export_image(&scratch.store, &image, &destination, &options(None)).unwrap();
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    fs::write(
        scratch.store.blob_path(&image.layers()[0].blob.digest),
        b"damaged",
    )
    .unwrap();
    let directory = scratch.dir("destination");
    for (compression, destination) in [
        (
            Compression::INTEROPERABLE,
            Destination::Archive(directory.join("a.tar")),
        ),
        (
            Compression::STORE,
            Destination::Archive(directory.join("a.tar")),
        ),
        (
            Compression::STORE,
            Destination::Layout(directory.join("layout")),
        ),
    ] {
        let options = ExportOptions {
            compression,
            reference: None,
        };
        assert!(export_image(&scratch.store, &image, &destination, &options).is_err());
        assert_eq!(
            fs::read_dir(&directory).unwrap().count(),
            0,
            "{destination:?}"
        );
    }
}

#[test]
fn a_damaged_layout_is_refused() {
    let (here, there) = (Scratch::new(), Scratch::new());
    let image = here.image("content");
    let layout = here.path("out");
    let destination = Destination::Layout(layout.clone());
    let manifest = export_image(&here.store, &image, &destination, &options(None)).unwrap();
    let blob = layout.join("blobs/sha256").join(image.id().0.hex());
    fs::write(blob, b"{}").unwrap();
    let error = import_layout(&there.store, &layout).unwrap_err();
    assert!(
        chain(&error).contains("is corrupt: its bytes hash to"),
        "{error}"
    );
    let blob = layout.join("blobs/sha256").join(manifest.0.hex());
    fs::remove_file(blob).unwrap();
    assert!(import_layout(&there.store, &layout).is_err());
    fs::write(layout.join("index.json"), b"[").unwrap();
    assert!(matches!(
        import_layout(&there.store, &layout),
        Err(ExportError::Json { .. })
    ));
}

#[test]
fn indexes_in_indexes_are_followed_and_attestations_are_not() {
    let (here, there) = (Scratch::new(), Scratch::new());
    let image = here.image("content");
    let layout = here.path("out");
    let destination = Destination::Layout(layout.clone());
    export_image(&here.store, &image, &destination, &options(None)).unwrap();
    let inner = fs::read_to_string(layout.join("index.json")).unwrap();
    let attestation = format!(
        r#",{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1,"annotations":{{"vnd.docker.reference.type":"attestation-manifest"}}}}]"#,
        Digest::of(b"not there")
    );
    let inner = inner.replace(']', &attestation);
    let digest = Digest::of(inner.as_bytes());
    fs::write(layout.join("blobs/sha256").join(digest.hex()), &inner).unwrap();
    let outer = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{digest}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"latest"}}}}]}}"#,
        inner.len()
    );
    fs::write(layout.join("index.json"), outer).unwrap();
    let imported = import_layout(&there.store, &layout).unwrap();
    assert_eq!(imported.len(), 1);
    assert_eq!(imported[0].0.as_deref(), Some("latest"));
    assert_eq!(imported[0].1.id(), image.id());
    // An index is named by its digest as a manifest is.
    let by_digest = import_from_layout(&there.store, &layout, &digest).unwrap();
    assert_eq!(by_digest, imported);
    let other = Digest::of(b"not there");
    assert_eq!(
        import_from_layout(&there.store, &layout, &other).unwrap(),
        []
    );
}

#[test]
fn an_image_without_layers_is_an_image() {
    let (here, there) = (Scratch::new(), Scratch::new());
    let image = image_of(Vec::new());
    here.store.put_image(&image).unwrap();
    let path = here.path("out.tar");
    let destination = Destination::Archive(path.clone());
    export_image(&here.store, &image, &destination, &options(None)).unwrap();
    let imported = import_layout(&there.store, &path).unwrap();
    assert_eq!(imported, [(None, image)]);
}
