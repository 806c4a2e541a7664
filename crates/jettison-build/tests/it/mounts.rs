//! Cache mounts that are taken from one store to another.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jettison_build::CacheMounts;
use jettison_oci::{ArtifactLayout, Compression, Digest, LayerWriter, Manifest, MediaType, Store};
use jettison_oci::{Descriptor, Entry, EntryKind, LayerOptions};
use jettison_sandbox::Entered;

use crate::runner::Test;
use crate::scene::{Scene, Wishes};

pub(crate) const TESTS: &[Test] = crate::tests![
    another_store_starts_with_what_is_in_the_cache,
    what_is_there_already_stays_and_what_is_empty_does_not,
    mounts_travel_only_if_both_sides_ask,
    mounts_of_another_machine_stay_and_those_of_another_build_go,
    what_a_cache_was_made_from_belongs_to_its_name_everywhere,
    hostile_layouts_change_nothing,
];

/// The key of the cache mount `/c`: its name, behind that of no namespace.
const KEY: &str = "//c";

fn taking(path: &Path) -> Wishes {
    Wishes {
        cache_from: vec![path.to_owned()],
        with_mounts: true,
        ..Wishes::default()
    }
}

fn giving(path: &Path) -> Wishes {
    Wishes {
        cache_to: Some(path.to_owned()),
        with_mounts: true,
        ..Wishes::default()
    }
}

fn run(command: &str) -> String {
    format!("FROM base\nRUN --mount=type=cache,target=/c {command}\n")
}

/// The cache directories of a scene: their keys, and what is in them.
fn caches(scene: &Scene) -> Vec<(String, Vec<String>)> {
    let list = CacheMounts::new(&scene.store()).list().unwrap();
    let names = |key: &str| {
        let dir = cache_dir(scene, key);
        let entries = fs::read_dir(dir.join("0/fs")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    list.into_iter()
        .map(|entry| (entry.key.clone(), names(&entry.key)))
        .collect()
}

fn cache_dir(scene: &Scene, key: &str) -> PathBuf {
    let digest = Digest::of(key.as_bytes());
    scene.store().join("cache-mounts").join(digest.hex())
}

fn another_store_starts_with_what_is_in_the_cache(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("layout");
    let make = "umask 0; echo one >/c/marker; : >/c/.wh; set -C; read x </c/marker; exec >/c/dir 2>&1; echo $x";
    let first = here.build_as(entered, &run(make), &giving(&layout));
    assert!(first.result.is_ok(), "{}", first.output);
    let second = run("read x </c/marker; echo got $x; echo two >>/c/marker; echo /c/*");
    let second = there.build_as(entered, &second, &taking(&layout));
    assert!(second.result.is_ok());
    assert_eq!(
        second.output, "got one\n/c/dir /c/marker\n",
        "{:?} {:?}",
        first.steps, second.steps
    );
    let file = |scene: &Scene| {
        let path = cache_dir(scene, KEY).join("0/fs/dir");
        let metadata = fs::metadata(path).unwrap();
        (metadata.mode(), metadata.uid(), metadata.mtime())
    };
    assert_eq!(file(&here), file(&there));
    // From now on the directory is that of this store.
    let third = run("read x </c/marker; : again; echo /c/*; echo $x");
    fs::remove_dir_all(&layout).unwrap();
    let third = there.build_as(entered, &third, &Wishes::default());
    assert_eq!(third.output, "/c/dir /c/marker\none\n");
    let left = fs::read_dir(there.store().join("tmp")).unwrap().count();
    assert_eq!(left, 0);
}

fn what_is_there_already_stays_and_what_is_empty_does_not(entered: &Entered) {
    let (here, there, empty) = (Scene::new(), Scene::new(), Scene::new());
    let layout = here.root().join("layout");
    let first = here.build_as(entered, &run("echo >/c/theirs"), &giving(&layout));
    assert!(first.result.is_ok());
    for (scene, make, expected) in [
        (&there, "echo >/c/own", "/c/own\n"),
        (&empty, "true", "/c/theirs\n"),
    ] {
        let made = scene.build_as(entered, &run(make), &Wishes::default());
        assert!(made.result.is_ok());
        let looked = scene.build_as(entered, &run("echo /c/*"), &taking(&layout));
        assert_eq!(looked.output, expected);
    }
}

fn mounts_travel_only_if_both_sides_ask(entered: &Entered) {
    let here = Scene::new();
    let (with, without) = (here.root().join("with"), here.root().join("without"));
    let text = run("echo >/c/f");
    let giving_none = Wishes {
        with_mounts: false,
        ..giving(&without)
    };
    assert!(here.build_as(entered, &text, &giving_none).result.is_ok());
    assert!(here.build_as(entered, &text, &giving(&with)).result.is_ok());
    let taking_none = Wishes {
        with_mounts: false,
        ..taking(&with)
    };
    for wishes in [taking_none, taking(&without)] {
        let there = Scene::new();
        let looked = there.build_as(entered, &run("echo /c/*"), &wishes);
        assert_eq!(looked.output, "/c/*\n");
    }
}

fn mounts_of_another_machine_stay_and_those_of_another_build_go(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("layout");
    let text = run("echo >/c/f");
    assert!(
        here.build_as(entered, &text, &giving(&layout))
            .result
            .is_ok()
    );
    // There everything comes from the cache, and the directory is not made.
    let both = Wishes {
        cache_to: Some(layout.clone()),
        ..taking(&layout)
    };
    let cached = there.build_as(entered, &text, &both);
    assert!(cached.steps.iter().all(|step| step.starts_with("cached")));
    assert_eq!(caches(&there), []);
    let looked = there.build_as(entered, &run("echo /c/*"), &taking(&layout));
    assert_eq!(looked.output, "/c/f\n");
    // A build of that name which has no such mount does not keep it.
    let other = here.build_as(entered, "FROM base\nRUN true\n", &giving(&layout));
    assert!(other.result.is_ok());
    let fresh = Scene::new();
    let looked = fresh.build_as(entered, &run("echo /c/*"), &taking(&layout));
    assert_eq!(looked.output, "/c/*\n");
}

fn what_a_cache_was_made_from_belongs_to_its_name_everywhere(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("layout");
    let text = |command: &str| {
        format!(
            "FROM base AS one\nCOPY a.txt /seed/\nFROM base\n\
             RUN --mount=type=cache,target=/c,from=one,source=/seed {command}\n\
             RUN --mount=type=cache,target=/c,mode=0750 {command}\n"
        )
    };
    let first = here.build_as(entered, &text("echo >/c/f"), &giving(&layout));
    assert!(first.result.is_ok());
    let second = there.build_as(entered, &text("echo /c/*"), &taking(&layout));
    assert_eq!(second.output, "/c/a.txt /c/f\n/c/f\n");
    let modes = caches(&there).into_iter().map(|(key, _)| {
        let fs = cache_dir(&there, &key).join("0/fs");
        fs::metadata(fs).unwrap().mode() & 0o7777
    });
    let mut modes: Vec<u32> = modes.collect();
    modes.sort_unstable();
    assert_eq!(modes, [0o750, 0o755]);
}

/// A layout with a cache mount `/c` that has these files.
fn layout_with(root: &Path, entries: &[Entry], configuration: &str) -> (PathBuf, Descriptor) {
    let path = root.join("hostile");
    let store = Store::open(&root.join("hostile-store")).unwrap();
    let options = LayerOptions {
        compression: Compression::Zstd { level: 1 },
        clamp_mtime: None,
    };
    let mut layer = LayerWriter::new(&store, &options).unwrap();
    for entry in entries {
        layer.entry(entry).unwrap();
    }
    let layer = layer.finish().unwrap().blob;
    let layout = ArtifactLayout::create(&path).unwrap();
    layout.put_stored(&layer, &store).unwrap();
    let kind = MediaType::from("application/vnd.jettison.cache-mount.v1+text");
    let config = layout.put(kind, configuration.as_bytes()).unwrap();
    let manifest = Manifest::new(config, vec![layer.clone()]).to_json();
    let mut manifest = layout.put(MediaType::OciManifest, &manifest).unwrap();
    manifest.annotations.insert(
        "dev.jettison.cache-mount.key".to_owned(),
        Digest::of(KEY.as_bytes()).to_string(),
    );
    layout.update(|index| *index = vec![manifest]).unwrap();
    (path, layer)
}

fn hostile_layouts_change_nothing(entered: &Entered) {
    let link = |target: &str| EntryKind::Symlink(target.as_bytes().to_vec());
    let file = |path: &str| Entry::new(path.as_bytes(), EntryKind::File);
    let good = "directory 755 0 0\n\n//c";
    let outside = "/tmp/jettison-hostile-cache-mount";
    // Links are files like others; what goes through them stays inside.
    let through = [
        Entry::new(b"a", link("/tmp")),
        Entry::new(b"b", link("../../../../../..")),
        file("b-file"),
    ];
    let scene = Scene::new();
    let (layout, _) = layout_with(scene.root(), &through, good);
    let looked = scene.build_as(entered, &run("echo /c/*"), &taking(&layout));
    assert_eq!(looked.output, "/c/a /c/b /c/b-file\n", "{:?}", looked.steps);

    for (configuration, why) in [
        ("directory 755 0 0\n\n/other", "not understood"),
        ("directory 755 0 0", "not understood"),
        ("directory x 0 0\n\n//c", "not understood"),
    ] {
        let scene = Scene::new();
        let (layout, _) = layout_with(scene.root(), &[file("f")], configuration);
        let looked = scene.build_as(entered, &run("echo /c/*"), &taking(&layout));
        assert_eq!(looked.output, "/c/*\n");
        let told = looked.steps.join("\n");
        assert!(told.contains(why), "{told}");
    }

    // Bytes that are not those of the name, an archive that is cut off, one that leads out.
    let escape = tar_with_name(&format!("../../../../../../../..{outside}"));
    let absolute = tar_with_link_and_file(outside);
    for bytes in [b"garbage".to_vec(), Vec::new(), escape, absolute] {
        let scene = Scene::new();
        let (layout, layer) = layout_with(scene.root(), &[file("f")], good);
        let blob = layout.join("blobs/sha256").join(layer.digest.hex());
        fs::write(blob, &bytes).unwrap();
        let looked = scene.build_as(entered, &run("echo /c/*"), &taking(&layout));
        assert!(looked.result.is_ok());
        assert_eq!(looked.output, "/c/*\n");
        let is_told = looked.steps.iter().any(|step| step.starts_with("warning"));
        assert!(is_told, "{:?}", looked.steps);
        assert!(!Path::new(outside).exists());
        let names: Vec<_> = fs::read_dir(cache_dir(&scene, KEY))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(!names.iter().any(|name| name == ".new"), "{names:?}");
    }
}

/// A tar with one file of this name.
fn tar_with_name(name: &str) -> Vec<u8> {
    let mut bytes = header(name, b'0', "");
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A tar with a link to `outside`, and a file through it.
fn tar_with_link_and_file(outside: &str) -> Vec<u8> {
    let directory = Path::new(outside).parent().unwrap().to_str().unwrap();
    let name = Path::new(outside).file_name().unwrap().to_str().unwrap();
    let mut bytes = header("link", b'2', directory);
    bytes.extend(header(&format!("link/{name}"), b'0', ""));
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn header(name: &str, kind: u8, link: &str) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, "00000000000\0");
    put(136, "00000000000\0");
    put(148, "        ");
    put(157, link);
    put(257, "ustar\0");
    put(263, "00");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
