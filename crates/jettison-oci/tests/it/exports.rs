//! Exports with all their settings.

use std::collections::BTreeMap;
use std::fs;

use expect_test::{Expect, expect};
use jettison_oci::{
    Annotations, Compression, Digest, ExportContent, ExportError, ExportFormat, ExportImage,
    ExportSettings, Exported, HistoryEntry, Image, ImageConfig, LayerOptions, Manifest, MediaType,
    MediaTypes, Platform, PlatformAnnotations, Recompression, RootFs, Sink, Timestamps, export,
    import_layout, write_layer,
};

use crate::scratch::{Scratch, chain, image_of, listing};

fn settings(names: &[&str]) -> ExportSettings {
    ExportSettings {
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        compression: Compression::INTEROPERABLE,
        recompression: Recompression::Different,
        media_types: MediaTypes::Oci,
        annotations: Annotations::default(),
        timestamps: Timestamps::Keep,
    }
}

fn only(image: &Image) -> ExportImage {
    ExportImage {
        image: image.clone(),
        base: None,
        platform: None,
    }
}

/// Exports as an OCI archive, and returns its files too.
fn archive(
    scratch: &Scratch,
    content: &ExportContent,
    settings: &ExportSettings,
) -> (Exported, BTreeMap<String, Vec<u8>>) {
    let mut tar = Vec::new();
    let sink = ExportFormat::OciArchive(Sink::Stream(&mut tar));
    let exported = export(&scratch.store, content, settings, sink).unwrap();
    (exported, members(&tar))
}

fn members(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    let read = entries.map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    });
    read.collect()
}

fn blob<'m>(members: &'m BTreeMap<String, Vec<u8>>, digest: &Digest) -> &'m [u8] {
    let bytes = &members[&format!("blobs/sha256/{}", digest.hex())];
    assert_eq!(Digest::of(bytes), *digest);
    bytes
}

fn manifest(members: &BTreeMap<String, Vec<u8>>, exported: &Exported) -> Manifest {
    Manifest::from_json(blob(members, &exported.images[0].manifest.digest)).unwrap()
}

/// JSON in which digests and sizes are left out.
fn shape(json: &[u8]) -> String {
    fn hide(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(object) => {
                for (key, value) in object {
                    match key.as_str() {
                        "digest" => *value = "…".into(),
                        "size" => *value = 0.into(),
                        _ => hide(value),
                    }
                }
            }
            serde_json::Value::Array(array) => array.iter_mut().for_each(hide),
            _ => {}
        }
    }
    let mut value: serde_json::Value = serde_json::from_slice(json).unwrap();
    hide(&mut value);
    value.to_string()
}

#[test]
fn every_name_has_an_entry() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let content = ExportContent::Image(only(&image));
    let (exported, files) = archive(&scratch, &content, &settings(&["app:1", "example.org/x/y"]));
    expect![[r#"{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/library/app:1","org.opencontainers.image.created":"2026-01-02T03:04:05Z","org.opencontainers.image.ref.name":"1"},"digest":"…","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"amd64","os":"linux"},"size":0},{"annotations":{"io.containerd.image.name":"example.org/x/y:latest","org.opencontainers.image.created":"2026-01-02T03:04:05Z","org.opencontainers.image.ref.name":"latest"},"digest":"…","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"amd64","os":"linux"},"size":0}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#]]
    .assert_eq(&shape(&files["index.json"]));
    assert_eq!(exported.images[0].config.digest, image.id().0);
    assert_eq!(
        exported.descriptor.digest,
        exported.images[0].manifest.digest
    );
    let docker = String::from_utf8(files["manifest.json"].clone()).unwrap();
    assert!(
        docker.contains(r#""RepoTags":["app:1","example.org/x/y:latest"]"#),
        "{docker}"
    );
}

#[test]
fn dockers_media_types_are_written_on_request() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let settings = ExportSettings {
        media_types: MediaTypes::Docker,
        ..settings(&[])
    };
    let path = scratch.path("docker.tar");
    let format = ExportFormat::DockerArchive(Sink::File(path.clone()));
    let content = ExportContent::Image(only(&image));
    let exported = export(&scratch.store, &content, &settings, format).unwrap();
    let files = members(&fs::read(&path).unwrap());
    let manifest = blob(&files, &exported.descriptor.digest);
    expect![[r#"{"config":{"digest":"…","mediaType":"application/vnd.docker.container.image.v1+json","size":0},"layers":[{"digest":"…","mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":0}],"mediaType":"application/vnd.docker.distribution.manifest.v2+json","schemaVersion":2}"#]]
    .assert_eq(&shape(manifest));
    // An archive of Docker's is a layout too, and read back as one.
    let there = Scratch::new();
    let imported = import_layout(&there.store, &path).unwrap();
    assert_eq!(imported[0].1.id(), image.id());
}

#[test]
fn an_index_has_an_image_for_each_platform_and_shared_layers_once() {
    let scratch = Scratch::new();
    let amd64 = scratch.image("content");
    let config = ImageConfig {
        architecture: "arm".to_owned(),
        ..amd64.config().clone()
    };
    let arm = Image::new(config, amd64.layers().to_vec()).unwrap();
    let v7 = Platform {
        variant: Some("v7".to_owned()),
        ..arm.platform()
    };
    let arm = ExportImage {
        platform: Some(v7.clone()),
        ..only(&arm)
    };
    let content = ExportContent::Index(vec![only(&amd64), arm]);
    let mut settings = settings(&["app"]);
    let say = |key: &str| BTreeMap::from([(key.to_owned(), "yes".to_owned())]);
    settings.annotations = Annotations {
        manifest: say("manifest"),
        manifest_descriptor: say("manifest-descriptor"),
        index: say("index"),
        index_descriptor: say("index-descriptor"),
        platforms: vec![PlatformAnnotations {
            platform: v7,
            manifest: say("arm"),
            manifest_descriptor: say("arm"),
        }],
    };
    let (exported, files) = archive(&scratch, &content, &settings);
    expect![[r#"{"manifests":[{"annotations":{"index-descriptor":"yes","io.containerd.image.name":"docker.io/library/app:latest","org.opencontainers.image.created":"2026-01-02T03:04:05Z","org.opencontainers.image.ref.name":"latest"},"digest":"…","mediaType":"application/vnd.oci.image.index.v1+json","size":0}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#]]
    .assert_eq(&shape(&files["index.json"]));
    expect![[r#"{"annotations":{"index":"yes"},"manifests":[{"annotations":{"manifest-descriptor":"yes"},"digest":"…","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"amd64","os":"linux"},"size":0},{"annotations":{"arm":"yes","manifest-descriptor":"yes"},"digest":"…","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"arm","os":"linux","variant":"v7"},"size":0}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#]]
    .assert_eq(&shape(blob(&files, &exported.descriptor.digest)));
    assert_eq!(manifest(&files, &exported).annotations, say("manifest"));
    let arm = Manifest::from_json(blob(&files, &exported.images[1].manifest.digest)).unwrap();
    let mut both = say("manifest");
    both.extend(say("arm"));
    assert_eq!(arm.annotations, both);
    // Two manifests, two configurations, one layer, one index.
    let blobs = files.keys().filter(|name| name.len() > 64).count();
    assert_eq!(blobs, 6);
    assert!(!files.contains_key("manifest.json"));
}

#[track_caller]
fn refuses(content: fn(ExportImage) -> ExportContent, settings: &ExportSettings, expected: Expect) {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let sink = ExportFormat::DockerArchive(Sink::File(scratch.path("out.tar")));
    let content = content(only(&image));
    let error = export(&scratch.store, &content, settings, sink).unwrap_err();
    assert!(matches!(error, ExportError::Impossible { .. }));
    expected.assert_eq(&chain(&error));
    assert!(!scratch.path("out.tar").exists());
}

#[test]
fn what_a_form_cannot_say_is_refused() {
    let mut annotated = settings(&[]);
    annotated
        .annotations
        .index
        .insert("a".to_owned(), "b".to_owned());
    refuses(
        ExportContent::Image,
        &annotated,
        expect!["index annotations not supported for single platform export"],
    );
    annotated.media_types = MediaTypes::Docker;
    refuses(
        ExportContent::Image,
        &annotated,
        expect![[r#"cannot export annotations with "oci-mediatypes=false""#]],
    );
    refuses(
        |image| ExportContent::Index(vec![image]),
        &settings(&[]),
        expect!["docker exporter does not currently support exporting manifest lists"],
    );
}

#[test]
fn what_is_said_about_a_platform_that_is_not_there_is_refused() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let mut settings = settings(&[]);
    settings.annotations.platforms = vec![PlatformAnnotations {
        platform: Platform {
            architecture: "riscv64".to_owned(),
            ..image.platform()
        },
        manifest: BTreeMap::new(),
        manifest_descriptor: BTreeMap::new(),
    }];
    let content = ExportContent::Image(only(&image));
    let format = ExportFormat::Layout(scratch.path("out"));
    let error = export(&scratch.store, &content, &settings, format).unwrap_err();
    assert_eq!(
        chain(&error),
        "invalid annotation: no platform linux/riscv64 found in source"
    );
}

/// An image of two layers on an image of the first, which is stored as `compression` says.
fn derived(scratch: &Scratch, compression: Compression) -> ExportImage {
    let options = LayerOptions {
        compression,
        clamp_mtime: None,
    };
    let bottom = scratch.dir("bottom");
    fs::write(bottom.join("below"), "below").unwrap();
    let below = write_layer(&scratch.store, &bottom, &[], &options).unwrap();
    let top = scratch.dir("top");
    fs::create_dir(top.join("dir")).unwrap();
    fs::write(top.join("dir/own"), "own").unwrap();
    let own = scratch_layer(scratch, "top");
    let base = image_of(vec![below.clone()]);
    let history = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"];
    let config = ImageConfig {
        history: history
            .map(|created| HistoryEntry {
                created: Some(created.to_owned()),
                ..HistoryEntry::default()
            })
            .to_vec(),
        rootfs: RootFs::new(vec![below.diff_id, own.diff_id]),
        ..base.config().clone()
    };
    let image = Image::new(config, vec![below, own]).unwrap();
    let base_config = ImageConfig {
        history: image.config().history[..1].to_vec(),
        ..base.config().clone()
    };
    let base = Image::new(base_config, base.layers().to_vec()).unwrap();
    ExportImage {
        base: Some(base),
        ..only(&image)
    }
}

fn scratch_layer(scratch: &Scratch, directory: &str) -> jettison_oci::Layer {
    let options = LayerOptions {
        compression: Compression::STORE,
        clamp_mtime: None,
    };
    write_layer(&scratch.store, &scratch.path(directory), &[], &options).unwrap()
}

#[track_caller]
fn check_layers(
    base: Compression,
    compression: Compression,
    recompression: Recompression,
    expected: [MediaType; 2],
) {
    let scratch = Scratch::new();
    let settings = ExportSettings {
        compression,
        recompression,
        ..settings(&[])
    };
    let content = ExportContent::Image(derived(&scratch, base));
    let (exported, files) = archive(&scratch, &content, &settings);
    let manifest = manifest(&files, &exported);
    let media_types: Vec<_> = manifest
        .layers
        .iter()
        .map(|layer| &layer.media_type)
        .collect();
    assert_eq!(media_types, expected.iter().collect::<Vec<_>>());
    for layer in &manifest.layers {
        assert_eq!(blob(&files, &layer.digest).len() as u64, layer.size);
        assert!(layer.annotations.is_empty());
    }
}

#[test]
fn a_base_that_every_tool_reads_stays_as_it_is_unless_forced() {
    let (gzip, zstd) = (Compression::INTEROPERABLE, Compression::Zstd { level: 3 });
    let (gzipped, zstded) = (MediaType::OciLayerTarGzip, MediaType::OciLayerTarZstd);
    let plain = MediaType::OciLayerTar;
    let different = Recompression::Different;
    check_layers(gzip, zstd, different, [gzipped.clone(), zstded.clone()]);
    check_layers(
        gzip,
        zstd,
        Recompression::All,
        [zstded.clone(), zstded.clone()],
    );
    check_layers(zstd, gzip, different, [gzipped.clone(), gzipped.clone()]);
    check_layers(Compression::None, gzip, different, [plain.clone(), gzipped]);
    check_layers(zstd, Compression::None, different, [plain.clone(), plain]);
}

#[test]
fn later_times_become_the_epoch_but_for_those_of_the_base() {
    let scratch = Scratch::new();
    let export = derived(&scratch, Compression::STORE);
    let image = export.image.clone();
    let settings = ExportSettings {
        timestamps: Timestamps::ClampAll(1_000_000_000),
        compression: Compression::None,
        ..settings(&[])
    };
    let content = ExportContent::Image(export.clone());
    let (exported, files) = archive(&scratch, &content, &settings);
    let times = |digest: &Digest| -> Vec<u64> {
        let mut tar = tar::Archive::new(blob(&files, digest));
        let entries = tar.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().header().mtime().unwrap())
            .collect()
    };
    let layers = manifest(&files, &exported).layers;
    assert!(times(&layers[0].digest)[0] > 1_000_000_000);
    assert_eq!(times(&layers[1].digest), [1_000_000_000; 2]);
    let config = blob(&files, &exported.images[0].config.digest);
    let config = ImageConfig::from_json(config).unwrap();
    // Without compression a layer's digest is its diff ID.
    assert_eq!(config.rootfs.diff_ids[0], image.layers()[0].diff_id);
    assert_eq!(config.rootfs.diff_ids[1].0, layers[1].digest);
    let created = |entry: &HistoryEntry| entry.created.clone().unwrap();
    assert_eq!(created(&config.history[0]), "2026-01-02T03:04:05Z");
    assert_eq!(created(&config.history[1]), "2001-09-09T01:46:40Z");
    assert_eq!(config.created.as_deref(), Some("2001-09-09T01:46:40Z"));
    // All is early enough now, so that the second time changes nothing.
    let again = ExportSettings {
        timestamps: Timestamps::ClampAll(i64::MAX),
        ..settings
    };
    let (unchanged, _) = archive(&scratch, &content, &again);
    assert_eq!(unchanged.images[0].config.digest, image.id().0);
}

#[test]
fn times_are_clamped_wherever_an_archive_says_them() {
    // Names, owners and content stay, in all the ways in which archives write them.
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o640);
    header.set_uid(7);
    header.set_gid(8);
    header.set_mtime(2_000_000_000);
    let long = format!("{}/file", "long".repeat(50));
    tar.append_data(&mut header, &long, &b"abc"[..]).unwrap();
    let records = [("mtime", &b"2000000000.5"[..]), ("path", b"renamed")];
    tar.append_pax_extensions(records).unwrap();
    header.set_mtime(5);
    tar.append_data(&mut header, "b", &b"def"[..]).unwrap();
    tar.append_pax_extensions([("mtime", &b"4.5"[..])]).unwrap();
    tar.append_data(&mut header, "c", &b"ghi"[..]).unwrap();
    let tar = tar.into_inner().unwrap();

    let scratch = Scratch::new();
    let (digest, size) = scratch.store.put(&tar).unwrap();
    let diff_id = jettison_oci::DiffId(digest);
    let blob_descriptor = jettison_oci::Descriptor::new(MediaType::OciLayerTar, digest, size);
    let layer = jettison_oci::measure_layer(&scratch.store, &blob_descriptor, &diff_id).unwrap();
    let settings = ExportSettings {
        timestamps: Timestamps::ClampAll(1_000_000_000),
        compression: Compression::None,
        ..settings(&[])
    };
    let content = ExportContent::Image(only(&image_of(vec![layer])));
    let (exported, files) = archive(&scratch, &content, &settings);
    let written = blob(&files, &manifest(&files, &exported).layers[0].digest).to_vec();
    assert_eq!(listing(&written), listing(&tar));
    let mut times = Vec::new();
    jettison_oci::each_entry(written.as_slice(), |entry, content| {
        let mut text = String::new();
        std::io::Read::read_to_string(content, &mut text).unwrap();
        times.push((entry.mtime, entry.uid, text));
        Ok(())
    })
    .unwrap();
    let expected = [
        ((1_000_000_000, 0), 7, "abc".to_owned()),
        ((1_000_000_000, 0), 7, "def".to_owned()),
        ((4, 500_000_000), 7, "ghi".to_owned()),
    ];
    assert_eq!(times, expected);
}
