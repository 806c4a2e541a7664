//! Other tools read what we export.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use jettison_oci::{
    Annotations, Compression, ExportContent, ExportFormat, ExportImage, ExportSettings, Image,
    LayerOptions, MediaTypes, Recompression, Sink, Timestamps, export, write_layer,
};

use crate::scratch::{Scratch, image_of};

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: {program} is not here");
    }
    found
}

#[track_caller]
fn succeeded(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// An image whose layer has several blocks in every compression.
fn large(scratch: &Scratch) -> Image {
    let upper = scratch.dir("large");
    let mut file = fs::File::create(upper.join("numbers")).unwrap();
    let mut state = 1_u32;
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        writeln!(file, "{state:032b}").unwrap();
    }
    let options = LayerOptions {
        compression: Compression::STORE,
        clamp_mtime: None,
    };
    image_of(vec![
        write_layer(&scratch.store, &upper, &[], &options).unwrap(),
    ])
}

fn settings(compression: Compression, media_types: MediaTypes) -> ExportSettings {
    ExportSettings {
        names: vec!["example.org/app:1".parse().unwrap()],
        compression,
        recompression: Recompression::Different,
        media_types,
        annotations: Annotations::default(),
        timestamps: Timestamps::Keep,
    }
}

/// Exports the image in every form, each with the transport by which skopeo reads it.
fn exports(scratch: &Scratch, image: &Image, settings: &ExportSettings) -> [String; 3] {
    let content = ExportContent::Image(ExportImage {
        image: image.clone(),
        base: None,
        platform: None,
    });
    let path = |name: &str| scratch.path(name);
    for format in [
        ExportFormat::Layout(path("layout")),
        ExportFormat::OciArchive(Sink::File(path("oci.tar"))),
        ExportFormat::DockerArchive(Sink::File(path("docker.tar"))),
    ] {
        export(&scratch.store, &content, settings, format).unwrap();
    }
    [
        format!("oci:{}", path("layout").display()),
        format!("oci-archive:{}", path("oci.tar").display()),
        format!("docker-archive:{}", path("docker.tar").display()),
    ]
}

#[test]
fn skopeo_reads_every_form_compression_and_media_type() {
    if !is_installed("skopeo") {
        return;
    }
    for media_types in [MediaTypes::Oci, MediaTypes::Docker] {
        for compression in [
            Compression::None,
            Compression::INTEROPERABLE,
            Compression::MODERN,
        ] {
            // Old tools do not know Docker's name for zstd.
            if (compression, media_types) == (Compression::MODERN, MediaTypes::Docker) {
                continue;
            }
            let scratch = Scratch::new();
            let image = large(&scratch);
            for (number, source) in exports(&scratch, &image, &settings(compression, media_types))
                .iter()
                .enumerate()
            {
                // It uncompresses and checks all layers, to be written as a directory of plain ones.
                let target = scratch.path(&format!("copy-{number}"));
                let mut copy = Command::new("skopeo");
                copy.args(["--insecure-policy", "copy", "--dest-decompress", source]);
                copy.arg(format!("dir:{}", target.display()));
                succeeded(copy.output().unwrap());
                let layer = target.join(image.layers()[0].diff_id.0.hex());
                assert!(layer.is_file(), "{source} {compression:?} {media_types:?}");
            }
        }
    }
}

#[test]
fn podman_loads_archives() {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !is_installed("podman") {
        return;
    }
    for (name, media_types) in [
        ("docker.tar", MediaTypes::Docker),
        ("oci.tar", MediaTypes::Oci),
    ] {
        let scratch = Scratch::new();
        let image = large(&scratch);
        exports(
            &scratch,
            &image,
            &settings(Compression::INTEROPERABLE, media_types),
        );
        let load = podman(&scratch.path("podman"), &["load", "--input"])
            .arg(scratch.path(name))
            .output();
        let said = succeeded(load.unwrap());
        assert!(said.contains("example.org/app:1"), "{said}");
        let inspect = [
            "image",
            "inspect",
            "--format",
            "{{.Id}}",
            "example.org/app:1",
        ];
        let id = succeeded(podman(&scratch.path("podman"), &inspect).output().unwrap());
        assert_eq!(id.trim(), image.id().0.hex(), "{name}");
    }
}

/// podman with a storage of its own.
fn podman(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    command.arg("--root").arg(directory.join("storage"));
    command.arg("--runroot").arg(directory.join("state"));
    command.args(["--storage-driver", "vfs"]).args(arguments);
    command
}

#[test]
fn gzip_and_zstd_themselves_read_our_layers() {
    for (program, compression) in [
        ("gzip", Compression::INTEROPERABLE),
        ("zstd", Compression::MODERN),
        ("python3", Compression::INTEROPERABLE),
    ] {
        if !is_installed(program) {
            continue;
        }
        let scratch = Scratch::new();
        let image = large(&scratch);
        exports(&scratch, &image, &settings(compression, MediaTypes::Oci));
        let mut largest = fs::read_dir(scratch.path("layout/blobs/sha256"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>();
        largest.sort_by_key(|path| fs::metadata(path).unwrap().len());
        let mut command = Command::new(program);
        if program == "python3" {
            let script = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())";
            command.args(["-c", script]).arg(largest.last().unwrap());
        } else {
            let file = fs::File::open(largest.last().unwrap()).unwrap();
            command.arg("-dc").stdin(file);
        }
        let output = command.output().unwrap();
        let digest = jettison_oci::Digest::of(&output.stdout);
        assert_eq!(digest, image.layers()[0].diff_id.0, "{program}");
    }
}
