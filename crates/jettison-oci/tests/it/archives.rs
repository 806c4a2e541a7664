//! Archives that mean harm, and archives that are merely odd.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use jettison_oci::{Devices, Owners, UnpackOptions, UnpackSummary, Whiteouts, unpack_tar};
use proptest::prelude::*;

use crate::scratch::{Made, Scratch, chain, has_overlay_features, made, tar_of, tree};

fn options(whiteouts: Whiteouts) -> UnpackOptions<'static> {
    UnpackOptions {
        whiteouts,
        keep_directory_symlinks: false,
        owners: Owners::Squash,
        devices: Devices::Refuse,
        place: None,
    }
}

/// Unpacks into a directory beside a file that no archive may touch, and shows what is there.
fn unpack(
    scratch: &Scratch,
    tar: &[u8],
    options: &UnpackOptions<'_>,
) -> (String, Option<UnpackSummary>) {
    let directory = scratch.dir("outer/inner");
    let outside = scratch.path("outer/outside");
    fs::write(&outside, "untouched").unwrap();
    let result = unpack_tar(tar, &directory, options);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    assert_eq!(
        fs::read_dir(scratch.path("outer")).unwrap().count(),
        2,
        "something got out"
    );
    match result {
        Ok(summary) => (tree(&directory), Some(summary)),
        Err(error) => {
            let inside = format!("{}/", directory.display());
            (
                format!("error: {}\n", chain(&error).replace(&inside, "")),
                None,
            )
        }
    }
}

#[track_caller]
fn check(entries: &[Made<'_>], expected: Expect) {
    let (shown, _) = unpack(
        &Scratch::new(),
        &tar_of(entries),
        &options(Whiteouts::Literal),
    );
    expected.assert_eq(&shown);
}

#[track_caller]
fn check_overlay(entries: &[Made<'_>], expected: Expect) {
    let scratch = Scratch::new();
    if !has_overlay_features(&scratch) {
        return;
    }
    let (shown, _) = unpack(&scratch, &tar_of(entries), &options(Whiteouts::Overlay));
    expected.assert_eq(&shown);
}

#[track_caller]
fn check_like_dpkg(entries: &[Made<'_>], expected: Expect) {
    let options = UnpackOptions {
        keep_directory_symlinks: true,
        ..options(Whiteouts::Literal)
    };
    let (shown, _) = unpack(&Scratch::new(), &tar_of(entries), &options);
    expected.assert_eq(&shown);
}

#[test]
fn names_do_not_lead_out() {
    check(
        &[made(b'0', "../outside", "x")],
        expect![[r"
        error: the archive has an entry with the unsafe name `../outside`
    "]],
    );
    check(
        &[made(b'0', "a/../../outside", "x")],
        expect![[r"
        error: the archive has an entry with the unsafe name `a/../../outside`
    "]],
    );
    check(
        &[made(b'0', "/outside", "x"), made(b'0', "././b", "y")],
        expect![[r#"
        0644 b "y"
        0644 outside "x"
    "#]],
    );
}

#[test]
fn symlinks_mean_what_they_mean_inside() {
    check(
        &[made(b'2', "up", "../.."), made(b'0', "up/outside", "x")],
        expect![[r#"
        0644 outside "x"
        up -> ../..
    "#]],
    );
    check(
        &[
            made(b'5', "real", ""),
            made(b'2', "link", "/real"),
            made(b'0', "link/file", "x"),
        ],
        expect![[r#"
            link -> /real
            0755 real/
              0644 file "x"
        "#]],
    );
    check(
        &[made(b'2', "etc", "/nowhere"), made(b'0', "etc/passwd", "x")],
        expect![[r"
        error: cannot create directory etc: File exists (os error 17)
    "]],
    );
    check(
        &[made(b'2', "loop", "loop"), made(b'0', "loop/x", "x")],
        expect![[r"
        error: cannot open directory loop: Too many levels of symbolic links (os error 40)
    "]],
    );
}

#[test]
fn a_file_replaces_a_symlink_and_does_not_go_through_it() {
    check(
        &[made(b'2', "file", "../outside"), made(b'0', "file", "x")],
        expect![[r#"
        0644 file "x"
    "#]],
    );
}

#[test]
fn the_last_of_several_entries_counts() {
    check(
        &[
            made(b'0', "a", "1"),
            made(b'0', "a", "2"),
            made(b'5', "b", ""),
            made(b'0', "b/x", "3"),
            made(b'0', "b", "4"),
        ],
        expect![[r#"
            0644 a "2"
            0644 b "4"
        "#]],
    );
    check(
        &[
            made(b'0', "a", "1"),
            made(b'5', "a", ""),
            made(b'0', "a/x", "2"),
            made(b'5', "a", ""),
            made(b'6', "p", ""),
        ],
        expect![[r#"
            0755 a/
              0644 x "2"
            0644 special p
        "#]],
    );
}

#[test]
fn hard_links_lead_to_files_inside_only() {
    check(
        &[
            made(b'0', "a", "x"),
            made(b'1', "d/b", "./a"),
            made(b'1', "a", "a"),
        ],
        expect![[r"
        error: the archive's `a` is a hard link to a file that is not there
    "]],
    );
    check(
        &[made(b'1', "a", "../outside")],
        expect![[r"
        error: the archive has an entry with the unsafe name `../outside`
    "]],
    );
    check(
        &[made(b'2', "up", ".."), made(b'1', "a", "up/outside")],
        expect![[r"
        error: the archive's `a` is a hard link to a file that is not there
    "]],
    );
    check(
        &[made(b'5', "d", ""), made(b'1', "a", "d")],
        expect![[r"
        error: the archive's `a` is a hard link to a file that is not there
    "]],
    );
    // The link is another name of the symlink, not of what that leads to.
    check(
        &[
            made(b'2', "s", "../outside"),
            made(b'1', "a", "s"),
            made(b'0', "a", "x"),
        ],
        expect![[r#"
            0644 a "x"
            s -> ../outside
        "#]],
    );
}

#[test]
fn devices_and_unknown_kinds_are_refused() {
    check(
        &[made(b'3', "dev/null", "")],
        expect![[r"
        error: the archive has the device `dev/null`
    "]],
    );
    check(
        &[made(b'4', "sda", "")],
        expect![[r"
        error: the archive has the device `sda`
    "]],
    );
    check(
        &[made(b'Z', "odd", "")],
        expect![[r"
        error: the archive's `odd` is of the unknown kind 0x5a
    "]],
    );
}

#[test]
fn a_file_in_the_place_of_a_directory_is_an_error() {
    check(
        &[made(b'0', "a", "x"), made(b'0', "a/b", "y")],
        expect![[r"
        error: cannot create directory a: File exists (os error 17)
    "]],
    );
}

#[test]
fn whiteouts_hide_what_is_below_and_not_the_layers_own_files() {
    check_overlay(
        &[
            made(b'0', "d/.wh.gone", ""),
            made(b'0', "own", "x"),
            made(b'0', ".wh.own", ""),
            made(b'5', "dir", ""),
            made(b'0', ".wh.dir", ""),
            made(b'0', ".wh.late", ""),
            made(b'5', "late", ""),
            made(b'0', ".wh.implied", ""),
            made(b'0', "implied/x", "y"),
            made(b'0', "o/.wh..wh..opq", ""),
            made(b'0', "o/x", "y"),
            made(b'0', ".wh..wh.plnk", ""),
        ],
        expect![[r#"
            0755 d/
              whiteout gone
            0755 dir/ opaque
            0755 implied/ opaque
              0644 x "y"
            0755 late/ opaque
            0755 o/ opaque
              0644 x "y"
            0644 own "x"
        "#]],
    );
    check_overlay(
        &[made(b'0', "d/.wh...", "")],
        expect![[r"
        error: the archive has an entry with the unsafe name `d/..`
    "]],
    );
    check_overlay(
        &[made(b'0', ".wh.", "")],
        expect![[r"
        error: the archive has an entry with the unsafe name `/`
    "]],
    );
    check_overlay(
        &[made(b'0', ".wh..wh..opq", "")],
        expect![[r"
        error: the layer has an opaque whiteout at its top
    "]],
    );
}

#[test]
fn literal_whiteouts_are_files() {
    check(
        &[made(b'0', ".wh.x", "y")],
        expect![[r#"
        0644 .wh.x "y"
    "#]],
    );
}

#[test]
fn dpkg_keeps_symlinks_to_directories_and_directories() {
    check_like_dpkg(
        &[
            made(b'5', "./usr/bin/", ""),
            made(b'2', "./bin", "usr/bin"),
            made(b'5', "./bin/", ""),
            made(b'0', "./bin/sh", "x"),
            made(b'5', "./lib/", ""),
            made(b'0', "./lib/ld.so", "y"),
            made(b'2', "./lib", "usr/lib"),
        ],
        expect![[r#"
            bin -> usr/bin
            0755 lib/
              0644 ld.so "y"
            0755 usr/
              0755 bin/
                0644 sh "x"
        "#]],
    );
    check(
        &[
            made(b'5', "usr", ""),
            made(b'2', "bin", "usr"),
            made(b'5', "bin/", ""),
            made(b'0', "bin/sh", "x"),
        ],
        expect![[r#"
            0755 bin/
              0644 sh "x"
            0755 usr/
        "#]],
    );
}

#[test]
fn the_caller_says_where_entries_go() {
    let place = |path: &Path| -> Option<PathBuf> {
        let rest = path.strip_prefix("usr/share").unwrap_or(path);
        (!path.starts_with("usr/share/doc")).then(|| rest.to_owned())
    };
    let options = UnpackOptions {
        place: Some(&place),
        ..options(Whiteouts::Literal)
    };
    let tar = tar_of(&[
        made(b'0', "./usr/share/doc/x", "left out"),
        made(b'0', "./usr/share/man", "moved"),
        made(b'1', "./usr/share/alias", "usr/share/man"),
        made(b'0', "./other", "as it is"),
    ]);
    let (shown, summary) = unpack(&Scratch::new(), &tar, &options);
    expect![[r#"
        0644 alias "moved"
        0644 man "moved"
        0644 other "as it is"
    "#]]
    .assert_eq(&shown);
    let expected = UnpackSummary {
        files: 3,
        unpacked_size: 13,
        directories: 0,
        whiteouts: 0,
        squashed: 0,
    };
    assert_eq!(summary, Some(expected));
}

#[test]
fn an_archive_that_ends_too_early_is_an_error() {
    let tar = tar_of(&[made(b'0', "file", &"x".repeat(2000))]);
    for length in [100, 512 + 100, 512 + 1999] {
        let (shown, _) = unpack(
            &Scratch::new(),
            &tar[..length],
            &options(Whiteouts::Literal),
        );
        assert!(shown.starts_with("error: "), "{length}: {shown}");
    }
}

#[test]
fn a_header_that_fills_the_memory_is_refused() {
    let name = "n".repeat(8 << 20);
    for kind in [b'L', b'K', b'x'] {
        let tar = tar_of(&[made(kind, "long", &name), made(b'0', "file", "x")]);
        let (shown, _) = unpack(&Scratch::new(), &tar, &options(Whiteouts::Literal));
        expect![[r"
            error: cannot read archive: an extended header is too large
        "]]
        .assert_eq(&shown);
    }
}

#[test]
fn attributes_that_would_steer_overlayfs_are_dropped() {
    let scratch = Scratch::new();
    if !has_overlay_features(&scratch) {
        return;
    }
    let record = "49 SCHILY.xattr.user.overlay.redirect=/elsewhere\n";
    assert_eq!(record.len(), 49);
    let tar = tar_of(&[made(b'x', "pax", record), made(b'5', "dir", "")]);
    unpack(&scratch, &tar, &options(Whiteouts::Overlay))
        .1
        .unwrap();
    let path = scratch.path("outer/inner/dir");
    let found = rustix::fs::lgetxattr(path, "user.overlay.redirect", &mut [0; 64][..]);
    assert_eq!(found, Err(rustix::io::Errno::NODATA));
}

#[test]
fn a_deep_tree_is_unpacked_and_replaced() {
    let deep = ["d"; 45].join("/");
    let tar = tar_of(&[made(b'0', &format!("{deep}/f"), "x"), made(b'0', "d", "y")]);
    let (shown, _) = unpack(&Scratch::new(), &tar, &options(Whiteouts::Literal));
    assert_eq!(shown, "0644 d \"y\"\n");
}

fn any_entry() -> impl Strategy<Value = (u8, String, String)> {
    let name = "(\\.\\./|/|\\./)?[ab](/[ab]|/\\.wh\\.[ab]|/\\.wh\\.\\.wh\\.\\.opq){0,2}";
    let kinds = prop::sample::select(vec![b'0', b'1', b'2', b'5', b'6']);
    (kinds, name, "(\\.\\./){0,3}/?[ab](/[ab])?")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_archive_gets_out(entries in prop::collection::vec(any_entry(), 1..12)) {
        let entries: Vec<Made<'_>> =
            entries.iter().map(|(kind, name, data)| made(*kind, name, data)).collect();
        let tar = tar_of(&entries);
        for whiteouts in [Whiteouts::Literal, Whiteouts::Overlay] {
            for keep_directory_symlinks in [false, true] {
                let options = UnpackOptions { keep_directory_symlinks, ..options(whiteouts) };
                unpack(&Scratch::new(), &tar, &options);
            }
        }
    }

    #[test]
    fn damaged_archives_do_not_panic(place in 0..2048_usize, byte: u8) {
        let mut tar = tar_of(&[made(b'x', "p", "9 path=a\n"), made(b'0', "file", "content")]);
        let place = place % tar.len();
        tar[place] = byte;
        unpack(&Scratch::new(), &tar, &options(Whiteouts::Literal));
    }
}
