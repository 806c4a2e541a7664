//! Layers from overlay uppers, and back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use jettison_oci::{
    BlobSync, Compression, LayerError, LayerOptions, Owners, Store, StoreOptions, measure_layer,
    unpack_layer, unpack_layer_over, unpack_layers, write_layer,
};

use crate::scratch::{Scratch, has_overlay_features, listing, make_opaque, make_whiteout, tree};

fn write(path: PathBuf, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A tree with all that an ordinary user can make.
fn ordinary(scratch: &Scratch) -> PathBuf {
    let upper = scratch.dir("ordinary");
    write(upper.join("usr/bin/tool"), "tool");
    write(upper.join("usr-local"), "sorts between");
    write(
        upper.join(format!("deep/{}/{}", "d".repeat(120), "f".repeat(120))),
        "long",
    );
    write(upper.join("empty"), "");
    symlink("usr/bin", upper.join("bin")).unwrap();
    fs::hard_link(upper.join("usr/bin/tool"), upper.join("usr/bin/alias")).unwrap();
    fs::hard_link(upper.join("usr/bin/tool"), upper.join("another")).unwrap();
    drop(UnixListener::bind(upper.join("socket")).unwrap());
    for (path, mode) in [
        ("usr", 0o755),
        ("usr/bin", 0o755),
        ("deep", 0o700),
        ("empty", 0o4750),
    ] {
        set_mode(&upper.join(path), mode);
    }
    for path in ["usr/bin/tool", "usr-local"] {
        set_mode(&upper.join(path), 0o644);
    }
    upper
}

#[test]
fn entries_are_sorted_and_hard_links_are_kept() {
    let scratch = Scratch::new();
    let upper = scratch.dir("upper");
    write(upper.join("b/x"), "1234");
    write(upper.join("b-c"), "");
    fs::hard_link(upper.join("b/x"), upper.join("a")).unwrap();
    symlink("/b", upper.join("z")).unwrap();
    drop(UnixListener::bind(upper.join("socket")).unwrap());
    set_mode(&upper.join("b"), 0o755);
    set_mode(&upper.join("b/x"), 0o600);
    set_mode(&upper.join("b-c"), 0o640);
    let layer = scratch.layer(&upper, &[]);
    expect![[r"
        0 0600 a 4
        0 0640 b-c 0
        5 0755 b/ 0
        1 0600 b/x -> a 0
        2 0777 z -> /b 0
    "]]
    .assert_eq(&listing(&scratch.tar(&layer)));
    assert_eq!((layer.unpacked_size(), layer.files()), (4, 4));
}

#[test]
fn unpacking_gives_the_layer_that_was_written() {
    let scratch = Scratch::new();
    let upper = ordinary(&scratch);
    let layer = scratch.layer(&upper, &[]);
    let unpacked = scratch.dir("unpacked");
    unpack_layer(&scratch.store, &layer, &unpacked).unwrap();
    assert_eq!(
        tree(&unpacked),
        tree(&upper).replace("0755 special socket\n", "")
    );
    assert_eq!(scratch.layer(&unpacked, &[]), layer);
}

#[test]
fn several_layers_are_unpacked_at_once_each_where_it_belongs() {
    let scratch = Scratch::new();
    let layers: Vec<_> = (0..9)
        .map(|number| {
            let upper = scratch.dir(&format!("upper-{number}"));
            write(upper.join(format!("file-{number}")), "content");
            let unpacked = scratch.dir(&format!("unpacked-{number}"));
            (scratch.layer(&upper, &[]), unpacked)
        })
        .collect();
    let summary = unpack_layers(&scratch.store, &layers, Owners::Preserve).unwrap();
    assert_eq!((summary.files, summary.unpacked_size), (9, 9 * 7));
    for (number, (_, unpacked)) in layers.iter().enumerate() {
        assert_eq!(
            tree(unpacked),
            tree(&scratch.path(&format!("upper-{number}")))
        );
    }
    for missing in [7, 4] {
        let digest = layers[missing].0.blob.digest;
        scratch.store.remove_blob(&digest).unwrap();
    }
    assert!(unpack_layers(&scratch.store, &layers, Owners::Preserve).is_err());
    assert_eq!(
        unpack_layers(&scratch.store, &[], Owners::Preserve).unwrap(),
        jettison_oci::UnpackSummary::default()
    );
}

#[test]
fn compression_does_not_change_the_tar() {
    let scratch = Scratch::new();
    let upper = ordinary(&scratch);
    let layers: Vec<_> = [
        Compression::None,
        Compression::Gzip { level: 1 },
        Compression::Gzip { level: 99 },
        Compression::Zstd { level: 3 },
    ]
    .into_iter()
    .map(|compression| {
        let options = LayerOptions {
            compression,
            clamp_mtime: Some(0),
        };
        write_layer(&scratch.store, &upper, &[], &options).unwrap()
    })
    .collect();
    for layer in &layers {
        assert_eq!(layer.diff_id, layers[0].diff_id);
        let measured = measure_layer(&scratch.store, &layer.blob, &layer.diff_id).unwrap();
        assert_eq!(measured, *layer);
    }
}

#[test]
fn later_times_become_the_latest_and_earlier_ones_stay() {
    let scratch = Scratch::new();
    let upper = scratch.dir("upper");
    for (name, seconds) in [("old", 1_000), ("new", 3_000)] {
        write(upper.join(name), name);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(seconds * 1000 + 999);
        fs::File::options()
            .write(true)
            .open(upper.join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let options = LayerOptions {
        compression: Compression::STORE,
        clamp_mtime: Some(2_000),
    };
    let layer = write_layer(&scratch.store, &upper, &[], &options).unwrap();
    let tar = scratch.tar(&layer);
    let times: Vec<u64> = tar::Archive::new(tar.as_slice())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().header().mtime().unwrap())
        .collect();
    assert_eq!(times, [2_000, 1_000]);
}

/// Shows the tar of an upper on lowers, and checks that unpacking gives an equal upper.
#[track_caller]
fn check_overlay(scratch: &Scratch, upper: &Path, lowers: &[PathBuf], expected: Expect) {
    let layer = scratch.layer(upper, lowers);
    expected.assert_eq(&listing(&scratch.tar(&layer)));
    let unpacked = scratch.dir("unpacked");
    unpack_layer_over(&scratch.store, &layer, lowers, &unpacked).unwrap();
    assert_eq!(scratch.layer(&unpacked, lowers).diff_id, layer.diff_id);
}

#[test]
fn removed_files_are_whiteouts() {
    let scratch = Scratch::new();
    if !has_overlay_features(&scratch) {
        return;
    }
    let upper = scratch.dir("upper");
    write(upper.join("etc/kept"), "x");
    make_whiteout(&upper.join("etc/gone"));
    // Overlayfs links its whiteouts to one another.
    fs::hard_link(upper.join("etc/gone"), upper.join("top")).unwrap();
    set_mode(&upper.join("etc"), 0o755);
    set_mode(&upper.join("etc/kept"), 0o644);
    let layer = scratch.layer(&upper, &[]);
    assert_eq!(layer.files(), 1);
    check_overlay(
        &scratch,
        &upper,
        &[],
        expect![[r"
            0 0000 .wh.top 0
            5 0755 etc/ 0
            0 0000 etc/.wh.gone 0
            0 0644 etc/kept 1
        "]],
    );
}

#[test]
fn an_opaque_directory_removes_what_the_lowers_show_there() {
    let scratch = Scratch::new();
    if !has_overlay_features(&scratch) {
        return;
    }
    let (top, bottom) = (scratch.dir("top"), scratch.dir("bottom"));
    let upper = scratch.dir("upper");
    for name in ["d/bottom", "d/both", "d/hidden", "d/sub/deep", "e/bottom"] {
        write(bottom.join(name), "bottom");
    }
    for name in ["d/top", "d/both"] {
        write(top.join(name), "top");
    }
    make_whiteout(&top.join("d/hidden"));
    write(top.join("e"), "a file hides the directory below");
    // `d` was removed and made again, with a `sub` that has nothing of the old one.
    write(upper.join("d/new"), "new");
    write(upper.join("d/both"), "new");
    write(upper.join("d/sub/other"), "new");
    write(upper.join("e/new"), "new");
    make_opaque(&upper.join("d"));
    make_opaque(&upper.join("e"));
    check_overlay(
        &scratch,
        &upper,
        &[top, bottom],
        expect![[r"
            5 0755 d/ 0
            0 0000 d/.wh.bottom 0
            0 0000 d/.wh.top 0
            0 0644 d/both 3
            0 0644 d/new 3
            5 0755 d/sub/ 0
            0 0000 d/sub/.wh.deep 0
            0 0644 d/sub/other 3
            5 0755 e/ 0
            0 0644 e/new 3
        "]],
    );
}

#[test]
fn attributes_other_than_capabilities_are_not_in_layers() {
    let scratch = Scratch::new();
    if !has_overlay_features(&scratch) {
        return;
    }
    let upper = scratch.dir("upper");
    write(upper.join("file"), "x");
    let flags = rustix::fs::XattrFlags::empty();
    let file = upper.join("file");
    for name in ["user.note", "user.overlay.origin"] {
        rustix::fs::lsetxattr(&file, name, b"not kept", flags).unwrap();
    }
    let layer = scratch.layer(&upper, &[]);
    let unpacked = scratch.dir("unpacked");
    unpack_layer(&scratch.store, &layer, &unpacked).unwrap();
    let mut value = [0; 16];
    for name in ["user.note", "user.overlay.origin"] {
        let read = rustix::fs::lgetxattr(unpacked.join("file"), name, &mut value[..]);
        assert_eq!(read, Err(rustix::io::Errno::NODATA), "{name}");
    }
}

/// Makes a file of a time, with which a copy of it that nothing changed is the same.
fn write_at(path: PathBuf, content: &str, seconds: u64) {
    write(path.clone(), content);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn what_is_as_the_lowers_have_it_is_not_written() {
    let scratch = Scratch::new();
    let (bottom, top) = (scratch.dir("bottom"), scratch.dir("top"));
    let upper = scratch.dir("upper");
    for name in ["a/same", "a/content", "a/hidden"] {
        write_at(bottom.join(name), "x", 5);
    }
    for name in [
        "a/hidden", "a/time", "a/mode", "a/size", "b/c/same", "d/file",
    ] {
        write_at(top.join(name), "y", 5);
    }
    for (name, content, time) in [
        ("a/same", "x", 5),
        ("a/content", "y", 5),
        ("a/hidden", "x", 5),
        ("a/time", "y", 6),
        ("a/mode", "y", 5),
        ("a/size", "yy", 5),
        ("b/c/same", "y", 5),
        ("d/file/below", "y", 5),
        ("e/new", "y", 5),
    ] {
        write_at(upper.join(name), content, time);
    }
    set_mode(&upper.join("a/mode"), 0o600);
    // Its first name is as it was, so that the other is a file of its own.
    fs::hard_link(upper.join("a/same"), upper.join("b/c/linked")).unwrap();
    let layer = scratch.layer(&upper, &[top, bottom]);
    expect![[r"
        5 0755 a/ 0
        0 0644 a/content 1
        0 0644 a/hidden 1
        0 0600 a/mode 1
        0 0644 a/size 2
        0 0644 a/time 1
        5 0755 b/ 0
        5 0755 b/c/ 0
        0 0644 b/c/linked 1
        5 0755 d/ 0
        5 0755 d/file/ 0
        0 0644 d/file/below 1
        5 0755 e/ 0
        0 0644 e/new 1
    "]]
    .assert_eq(&listing(&scratch.tar(&layer)));
}

#[test]
fn what_a_layer_cannot_say_is_refused() {
    let scratch = Scratch::new();
    let upper = scratch.dir("upper");
    write(upper.join("d/.wh.file"), "a real file");
    let options = LayerOptions {
        compression: Compression::STORE,
        clamp_mtime: None,
    };
    let error = write_layer(&scratch.store, &upper, &[], &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write `d/.wh.file` in a layer: its name would mean that a file was removed"
    );
    assert_eq!(
        fs::read_dir(scratch.store.root().join("tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_directory_that_a_layer_does_not_list_looks_as_it_does_below() {
    let scratch = Scratch::new();
    let lower = scratch.dir("lower");
    write(lower.join("private/secret/file"), "x");
    set_mode(&lower.join("private"), 0o750);
    set_mode(&lower.join("private/secret"), 0o700);
    let tar = crate::scratch::tar_of(&[crate::scratch::made(b'0', "private/secret/new", "y")]);
    let (digest, size) = scratch.store.put(&tar).unwrap();
    let blob = jettison_oci::Descriptor::new(jettison_oci::MediaType::OciLayerTar, digest, size);
    let diff_id = jettison_oci::DiffId(digest);
    let layer = measure_layer(&scratch.store, &blob, &diff_id).unwrap();
    let unpacked = scratch.dir("unpacked");
    unpack_layer_over(&scratch.store, &layer, &[lower], &unpacked).unwrap();
    expect![[r#"
        0750 private/
          0700 secret/
            0644 new "y"
    "#]]
    .assert_eq(&tree(&unpacked));
}

#[test]
fn a_tar_with_another_diff_id_is_refused() {
    let scratch = Scratch::new();
    let mut layer = scratch.layer(&ordinary(&scratch), &[]);
    layer.diff_id = jettison_oci::DiffId(jettison_oci::Digest::of(b"another tar"));
    let result = unpack_layer(&scratch.store, &layer, &scratch.dir("unpacked"));
    assert!(
        matches!(result, Err(LayerError::DiffId { .. })),
        "{result:?}"
    );
}

#[test]
fn a_damaged_layer_is_refused() {
    let scratch = Scratch::new();
    let layer = scratch.layer(&ordinary(&scratch), &[]);
    let path = scratch.store.blob_path(&layer.blob.digest);
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let unpacked = scratch.dir(&format!("unpacked-{length}"));
        assert!(
            unpack_layer(&scratch.store, &layer, &unpacked).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn blobs_can_be_forced_to_the_disk() {
    let scratch = Scratch::new();
    let options = StoreOptions {
        blob_sync: BlobSync::Always,
    };
    let store = Store::open_with(&scratch.path("synced"), options).unwrap();
    let (digest, _) = store.put(b"x").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"x");
}
