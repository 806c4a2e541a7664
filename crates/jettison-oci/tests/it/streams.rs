//! Layers that are written entry by entry.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use jettison_oci::{
    Compression, Entry, EntryKind, Layer, LayerError, LayerOptions, LayerWriter, write_layer,
};

use crate::scratch::{Scratch, chain, has_overlay_features, listing, make_opaque, make_whiteout};

const OPTIONS: LayerOptions = LayerOptions {
    compression: Compression::STORE,
    clamp_mtime: Some(1_000_000_000),
};

fn directory(path: &str) -> Entry {
    Entry {
        mode: 0o755,
        ..Entry::new(path.as_bytes(), EntryKind::Directory)
    }
}

fn file(path: &str, size: u64) -> Entry {
    Entry {
        mode: 0o644,
        size,
        ..Entry::new(path.as_bytes(), EntryKind::File)
    }
}

fn whole(
    scratch: &Scratch,
    write: impl FnOnce(&mut LayerWriter) -> Result<(), LayerError>,
) -> Result<Layer, LayerError> {
    let mut layer = LayerWriter::new(&scratch.store, &OPTIONS)?;
    write(&mut layer)?;
    layer.finish()
}

/// The entry of a file on disk.
fn entry_of(path: &[u8], file: &Path) -> Entry {
    let metadata = fs::symlink_metadata(file).unwrap();
    let kind = if metadata.is_symlink() {
        EntryKind::Symlink(fs::read_link(file).unwrap().as_os_str().as_bytes().to_vec())
    } else if metadata.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    Entry {
        path: path.to_vec(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: (metadata.mtime(), 7),
        size: if kind == EntryKind::File {
            metadata.size()
        } else {
            0
        },
        xattrs: [(b"trusted.no-layers".to_vec(), Vec::new())].into(),
        kind,
    }
}

#[test]
fn a_streamed_layer_is_the_one_that_is_written_from_a_directory() {
    let scratch = Scratch::new();
    if !has_overlay_features(&scratch) {
        return;
    }
    let upper = scratch.dir("upper");
    let lower = scratch.dir("lower");
    fs::create_dir_all(lower.join("new")).unwrap();
    fs::write(lower.join("new/hidden"), "").unwrap();
    for directory in ["a", "new"] {
        fs::create_dir(upper.join(directory)).unwrap();
    }
    fs::write(upper.join("a-file"), "between").unwrap();
    fs::write(upper.join("a/large"), vec![b'x'; 3 << 20]).unwrap();
    fs::hard_link(upper.join("a/large"), upper.join("a/same")).unwrap();
    fs::write(upper.join("a/empty"), "").unwrap();
    fs::set_permissions(upper.join("a/empty"), fs::Permissions::from_mode(0o4711)).unwrap();
    symlink("../a", upper.join("new/link")).unwrap();
    make_whiteout(&upper.join("gone"));
    make_opaque(&upper.join("new"));
    let written = write_layer(&scratch.store, &upper, &[lower], &OPTIONS).unwrap();

    let streamed = whole(&scratch, |layer| {
        let entry = |path: &str| entry_of(path.as_bytes(), &upper.join(path));
        layer.whiteout(b"gone")?;
        layer.file(&entry("a-file"), &mut b"between".as_slice())?;
        layer.entry(&entry("a"))?;
        layer.entry(&entry("a/empty"))?;
        layer.entry(&entry("a/large"))?;
        for piece in vec![b'x'; 3 << 20].chunks(100_000) {
            layer.write_all(piece).unwrap();
        }
        let target = EntryKind::HardLink(b"a/large".to_vec());
        layer.entry(&Entry {
            kind: target,
            ..entry("a/same")
        })?;
        layer.entry(&entry("new"))?;
        layer.whiteout(b"new/hidden")?;
        layer.entry(&entry("new/link"))
    })
    .unwrap();
    assert_eq!(streamed, written);
    expect![[r"
        0 0000 .wh.gone 0
        0 0644 a-file 7
        5 0755 a/ 0
        0 4711 a/empty 0
        0 0644 a/large 3145728
        1 0644 a/same -> a/large 0
        5 0755 new/ 0
        0 0000 new/.wh.hidden 0
        2 0777 new/link -> ../a 0
    "]]
    .assert_eq(&listing(&scratch.tar(&streamed)));
}

#[track_caller]
fn check(write: impl FnOnce(&mut LayerWriter) -> Result<(), LayerError>, expected: Expect) {
    let scratch = Scratch::new();
    let error = whole(&scratch, write).unwrap_err();
    expected.assert_eq(&chain(&error));
    // Nothing is left, not even for a while.
    for directory in ["store/tmp", "store/blobs/sha256"] {
        let left = fs::read_dir(scratch.path(directory)).unwrap().count();
        assert_eq!(left, 0, "{directory}");
    }
}

#[test]
fn entries_that_are_not_sorted_are_refused() {
    check(
        |layer| {
            layer.entry(&directory("b"))?;
            layer.entry(&directory("a"))
        },
        expect!["layer entry `a/` does not come after `b/`"],
    );
    check(
        |layer| {
            layer.entry(&directory("a"))?;
            layer.entry(&file("a-b", 0))
        },
        expect!["layer entry `a-b` does not come after `a/`"],
    );
    check(
        |layer| {
            layer.entry(&file("a", 0))?;
            layer.entry(&file("a", 0))
        },
        expect!["layer entry `a` does not come after `a`"],
    );
    check(
        |layer| {
            layer.entry(&file("a", 0))?;
            layer.whiteout(b"b")
        },
        expect!["layer entry `.wh.b` does not come after `a`"],
    );
}

#[test]
fn content_of_another_length_is_refused() {
    check(
        |layer| layer.file(&file("short", 4), &mut b"abc".as_slice()),
        expect!["`short` was changed while it was read"],
    );
    check(
        |layer| layer.file(&file("long", 4), &mut b"abcde".as_slice()),
        expect!["`long` was changed while it was read"],
    );
    check(
        |layer| layer.entry(&file("none", 4)),
        expect!["`none` was changed while it was read"],
    );
    check(
        |layer| {
            layer.entry(&file("none", 4))?;
            layer.entry(&file("other", 0))
        },
        expect!["`none` was changed while it was read"],
    );
    check(
        |layer| {
            layer.entry(&file("full", 1))?;
            let error = layer.write_all(b"ab").unwrap_err();
            let message = "an entry has more content than its size says";
            assert_eq!(error.to_string(), message);
            Ok(())
        },
        expect!["`full` was changed while it was read"],
    );
}

#[test]
fn names_that_are_none_are_refused() {
    check(
        |layer| layer.entry(&directory("")),
        expect!["the archive has an entry with the unsafe name ``"],
    );
    check(
        |layer| layer.entry(&directory("a/../b")),
        expect!["the archive has an entry with the unsafe name `a/../b`"],
    );
    check(
        |layer| layer.entry(&directory("/a")),
        expect!["the archive has an entry with the unsafe name `/a`"],
    );
    check(
        |layer| layer.whiteout(b"a/"),
        expect!["the archive has an entry with the unsafe name `a/`"],
    );
    check(
        |layer| layer.entry(&file("etc/.wh.passwd", 0)),
        expect![
            "cannot write `etc/.wh.passwd` in a layer: its name would mean that a file was removed"
        ],
    );
}
