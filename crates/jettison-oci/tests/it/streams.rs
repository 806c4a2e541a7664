//! Layers that are written entry by entry.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use jettison_oci::{
    Compression, Digest, Entry, EntryKind, KeptBlocks, Layer, LayerError, LayerOptions,
    LayerWriter, measure_layer, write_layer,
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

/// Bytes that are neither constant nor random, other ones for other seeds.
fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[usize::from(state.is_multiple_of(8))] & 0x3f
    };
    (0..length).map(|_| next()).collect()
}

/// Files on both sides of the sizes at which blocks end.
const SIZES: [usize; 9] = [
    0,
    700,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
    100_000,
    4 << 20,
    (9 << 20) + 77,
    3 << 20,
];

/// A layer of such files, those of `left_out` missing, written by `writer`.
fn layer_of(mut layer: LayerWriter, left_out: Option<usize>) -> Layer {
    for (number, size) in SIZES.iter().enumerate() {
        if left_out == Some(number) {
            continue;
        }
        let content = bytes(*size, u32::try_from(number).unwrap());
        let entry = file(&format!("file-{number}"), content.len() as u64);
        let digest = Digest::of(&content);
        layer
            .known_file(&entry, &digest, &mut content.as_slice())
            .unwrap();
    }
    layer.finish().unwrap()
}

#[test]
fn a_layer_is_the_same_whatever_blocks_are_kept() {
    let scratch = Scratch::new();
    let dir = scratch.dir("blocks");
    let kept = KeptBlocks::new(&dir);
    let options = LayerOptions {
        compression: Compression::Zstd { level: 1 },
        ..OPTIONS
    };
    let new = || LayerWriter::keeping(&scratch.store, &options, &kept).unwrap();
    let paths = || -> Vec<_> {
        let entries = fs::read_dir(&dir).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let first = layer_of(new(), None);
    let n_blocks = paths().len();
    assert!(n_blocks > SIZES.len() / 2, "{n_blocks}");
    assert_eq!(layer_of(new(), None), first);
    assert_eq!(paths().len(), n_blocks);
    for (number, path) in paths().iter().enumerate() {
        let whole = fs::read(path).unwrap();
        match number % 4 {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(path, &whole[..whole.len() / 2]).unwrap(),
            2 => fs::write(path, fs::read(&paths()[0]).unwrap()).unwrap(),
            _ => {}
        }
    }
    assert_eq!(layer_of(new(), None), first);
    // A large file's blocks do not depend on what is around it.
    let before = paths().len();
    let without = layer_of(new(), Some(1));
    assert_ne!(without, first);
    assert!(paths().len() - before <= 3);
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(layer_of(new(), Some(1)), without);
    // The tar is that of any other writer.
    let plain = LayerWriter::new(&scratch.store, &options).unwrap();
    let plain = layer_of(plain, None);
    assert_eq!(
        (plain.diff_id, plain.measure),
        (first.diff_id, first.measure)
    );
    let measured = measure_layer(&scratch.store, &first.blob, &first.diff_id).unwrap();
    assert_eq!(measured, first);
}

#[test]
fn formats_without_kept_blocks_are_written_all_the_same() {
    let scratch = Scratch::new();
    let dir = scratch.path("none");
    for compression in [Compression::None, Compression::Gzip { level: 1 }] {
        let options = LayerOptions {
            compression,
            ..OPTIONS
        };
        let kept = KeptBlocks::new(&dir);
        let new = || LayerWriter::keeping(&scratch.store, &options, &kept).unwrap();
        let first = layer_of(new(), None);
        assert_eq!(layer_of(new(), None), first);
        assert!(!dir.exists());
        let measured = measure_layer(&scratch.store, &first.blob, &first.diff_id).unwrap();
        assert_eq!(measured, first);
    }
}

/// A content that turns out to be another when it has been read, as that of a damaged file does.
struct Damaged<'a>(&'a [u8]);

impl std::io::Read for Damaged<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        if self.0.is_empty() {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}

#[test]
fn a_damaged_content_leaves_no_block_under_the_name_of_the_right_one() {
    let scratch = Scratch::new();
    let kept = KeptBlocks::new(&scratch.dir("blocks"));
    let right = bytes(9 << 20, 1);
    let mut wrong = right.clone();
    wrong[100] ^= 1;
    let digest = Digest::of(&right);
    let entry = file("file", right.len() as u64);
    let new = || LayerWriter::keeping(&scratch.store, &OPTIONS, &kept).unwrap();
    let mut layer = new();
    let failed = layer.known_file(&entry, &digest, &mut Damaged(&wrong));
    assert!(failed.is_err());
    drop(layer);
    let mut layer = new();
    layer
        .known_file(&entry, &digest, &mut right.as_slice())
        .unwrap();
    let layer = layer.finish().unwrap();
    let measured = measure_layer(&scratch.store, &layer.blob, &layer.diff_id).unwrap();
    assert_eq!(measured, layer);
}
