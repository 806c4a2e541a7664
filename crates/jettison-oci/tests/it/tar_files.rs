//! Archives as users bring them: in every format that tar programs write, compressed or not.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use jettison_oci::{
    Devices, LayerError, Owners, TarFile, UnpackOptions, UnpackSummary, Whiteouts, each_entry,
};

use crate::scratch::{Scratch, chain, made, tar_of, tree};

const OPTIONS: UnpackOptions<'static> = UnpackOptions {
    whiteouts: Whiteouts::Literal,
    keep_directory_symlinks: false,
    owners: Owners::WhereMapped,
    devices: Devices::Skip,
    place: None,
};

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: {program} is not here");
    }
    found
}

/// What a program makes of bytes.
fn through(program: &str, arguments: &[&str], scratch: &Scratch, bytes: &[u8]) -> Vec<u8> {
    let input = scratch.path("input");
    fs::write(&input, bytes).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .stdin(File::open(&input).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}

#[test]
fn archives_are_known_by_their_content() {
    let scratch = Scratch::new();
    let tar = tar_of(&[made(b'5', "dir", ""), made(b'0', "dir/file", "content")]);
    for program in ["cat", "gzip", "bzip2", "xz", "zstd"] {
        if !is_installed(program) {
            continue;
        }
        let packed = through(program, &[], &scratch, &tar);
        let archive = TarFile::open(packed.as_slice()).expect(program);
        let directory = scratch.dir(program);
        let summary = archive.unpack(&directory, &OPTIONS).unwrap();
        assert_eq!((summary.files, summary.directories), (1, 1), "{program}");
        assert_eq!(
            tree(&directory),
            "0755 dir/\n  0644 file \"content\"\n",
            "{program}"
        );
        // Twice, and cut.
        let twice = [packed.clone(), packed.clone()].concat();
        assert!(TarFile::open(twice.as_slice()).is_some(), "{program}");
        let cut = &packed[..packed.len() * 3 / 4];
        let error = match TarFile::open(cut) {
            None => continue,
            Some(archive) => archive.each_entry(|_, content| {
                let copied = std::io::copy(content, &mut std::io::sink());
                copied
                    .map(drop)
                    .map_err(|source| LayerError::Archive { source })
            }),
        };
        assert!(error.is_err() || program == "cat", "{program}");
    }
}

#[test]
fn other_files_are_no_archives() {
    let empty = tar_of(&[]);
    let text = "a text that is longer than a header ".repeat(100);
    let mut wrong = tar_of(&[made(b'0', "file", "content")]);
    wrong[0] ^= 1;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (name, bytes) in [
        ("nothing", vec![]),
        ("a short file", b"#!/bin/sh\n".to_vec()),
        ("a text", text.clone().into_bytes()),
        ("an archive without entries", empty),
        ("a wrong checksum", wrong.clone()),
        ("a compressed text", gzip(text.as_bytes())),
        ("a compressed wrong checksum", gzip(&wrong)),
        ("the start of gzip", vec![0x1f, 0x8b, 8]),
        ("the start of bzip2", b"BZh91AY&SY".to_vec()),
        ("the start of xz", b"\xfd7zXZ\0".to_vec()),
        ("the start of zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0xff]),
    ] {
        assert!(TarFile::open(bytes.as_slice()).is_none(), "{name}");
    }
}

/// A tree with a file of 3 GiB that has two pieces of data, made by GNU tar in one of its forms.
fn sparse_tar(scratch: &Scratch, arguments: &[&str]) -> Option<Vec<u8>> {
    let directory = scratch.dir("sparse");
    let path = directory.join("holes");
    let file = File::create(&path).unwrap();
    file.set_len(3 << 30).unwrap();
    for place in [1 << 20, 2 << 30] {
        std::os::unix::fs::FileExt::write_all_at(&file, b"data", place).unwrap();
    }
    fs::write(directory.join("next"), "next").unwrap();
    if fs::metadata(&path).unwrap().blocks() > 1 << 20 {
        eprintln!("skipped: this file system has no holes");
        return None;
    }
    let output = Command::new("tar")
        .args(["--sparse", "-c", "-C"])
        .arg(&directory)
        .args(arguments)
        .args(["holes", "next"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout)
}

#[test]
fn sparse_files_are_read_in_all_forms_and_stay_sparse() {
    if !is_installed("tar") {
        return;
    }
    for form in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let scratch = Scratch::new();
        let Some(tar) = sparse_tar(&scratch, form) else {
            return;
        };
        assert!(tar.len() < 1 << 20, "{form:?}");
        let directory = scratch.dir("unpacked");
        let archive = TarFile::open(tar.as_slice()).unwrap();
        let summary = archive.unpack(&directory, &OPTIONS).unwrap();
        let size = (3 << 30) + 4;
        assert_eq!(summary.unpacked_size, size, "{form:?}");
        let metadata = fs::metadata(directory.join("holes")).unwrap();
        assert!(
            metadata.len() == 3 << 30 && metadata.blocks() < 1 << 10,
            "{form:?}"
        );
        let file = File::open(directory.join("holes")).unwrap();
        for place in [1 << 20, 2 << 30] {
            let mut piece = [1; 8];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut piece, place).unwrap();
            assert_eq!(&piece, b"data\0\0\0\0", "{form:?}");
        }
        assert_eq!(
            fs::read(directory.join("next")).unwrap(),
            b"next",
            "{form:?}"
        );
    }
}

#[test]
fn the_content_of_a_sparse_file_has_its_zeros() {
    let tar = with_holes("8", "1,2,5,1", b"abc", 3);
    let mut contents = Vec::new();
    each_entry(tar.as_slice(), |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        contents.push((String::from_utf8(entry.path).unwrap(), bytes));
        Ok(())
    })
    .unwrap();
    let expected = [
        ("holes".to_owned(), b"\0ab\0\0c\0\0".to_vec()),
        ("next".to_owned(), b"x".to_vec()),
    ];
    assert_eq!(contents, expected);
}

/// An archive of a sparse file whose data is at `map`, and another file.
fn with_holes(size: &str, map: &str, data: &[u8], stored: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let records = [
        ("GNU.sparse.size", size.as_bytes()),
        ("GNU.sparse.map", map.as_bytes()),
    ];
    tar.append_pax_extensions(records).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(stored);
    tar.append_data(&mut header, "holes", data).unwrap();
    header.set_size(1);
    tar.append_data(&mut header, "next", &b"x"[..]).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn holes_that_cannot_be_are_refused() {
    for (size, map) in [
        ("8", "1,2,2,1"),
        ("8", "5,1,1,2"),
        ("8", "6,3"),
        ("8", "1,2"),
        ("8", "1,2,3"),
        ("8", "1,18446744073709551615"),
        ("8", "18446744073709551615,3"),
        ("8", "x,3"),
        ("-1", "1,3"),
        ("2", "0,3"),
    ] {
        let tar = with_holes(size, map, b"abc", 3);
        let error = each_entry(tar.as_slice(), |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, LayerError::Archive { .. }), "{size} {map}");
    }
}

#[test]
fn ten_gigabytes_of_nothing_need_no_room() {
    let tar = with_holes("10737418240", "10737418237,3", b"abc", 3);
    let scratch = Scratch::new();
    let directory = scratch.dir("unpacked");
    let archive = TarFile::open(tar.as_slice()).unwrap();
    archive.unpack(&directory, &OPTIONS).unwrap();
    let metadata = fs::metadata(directory.join("holes")).unwrap();
    assert_eq!(metadata.len(), 10 << 30);
    assert!(metadata.blocks() < 1 << 10);
}

#[test]
fn every_format_of_tar_is_read() {
    if !is_installed("tar") {
        return;
    }
    let scratch = Scratch::new();
    let directory = scratch.dir("tree");
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    fs::create_dir(directory.join("d".repeat(120))).unwrap();
    fs::write(directory.join(&long), "long").unwrap();
    std::os::unix::fs::symlink(&long, directory.join("link")).unwrap();
    fs::write(directory.join("short"), "short").unwrap();
    fs::hard_link(directory.join("short"), directory.join("same")).unwrap();
    for format in ["gnu", "oldgnu", "pax", "posix", "ustar", "v7"] {
        let mut command = Command::new("tar");
        command.arg(format!("--format={format}")).arg("-c");
        command.arg("-C").arg(&directory);
        // The oldest has no room for long names.
        let names: &[&str] = match format {
            "v7" => &["short", "same"],
            "ustar" => &["short", "same", &long],
            _ => &["."],
        };
        let output = command.args(names).output().unwrap();
        let unpacked = scratch.dir(format);
        let archive = TarFile::open(output.stdout.as_slice()).expect(format);
        archive.unpack(&unpacked, &OPTIONS).unwrap();
        if names == ["."] {
            assert_eq!(tree(&unpacked), tree(&directory), "{format}");
        }
        let same = |name: &str| fs::metadata(unpacked.join(name)).unwrap().ino();
        assert_eq!(same("short"), same("same"), "{format}");
    }
}

#[track_caller]
fn check(archive: &[u8], expected: Expect) {
    let scratch = Scratch::new();
    let directory = scratch.dir("outer/inner");
    let shown = match TarFile::open(archive).unwrap().unpack(&directory, &OPTIONS) {
        Ok(_) => tree(&directory),
        Err(error) => format!("error: {}\n", chain(&error)),
    };
    assert_eq!(fs::read_dir(scratch.path("outer")).unwrap().count(), 1);
    expected.assert_eq(&shown);
}

#[test]
fn names_mean_what_they_mean_to_moby() {
    check(
        &tar_of(&[
            made(b'0', "/../../absolute", "a"),
            made(b'0', "dir/../back", "b"),
            made(b'1', "link", "/dir/../back"),
        ]),
        expect![[r#"
            0644 absolute "a"
            0644 back "b"
            0644 link "b"
        "#]],
    );
    check(
        &tar_of(&[made(b'0', "dir/../../out", "a")]),
        expect![[r"
            error: the archive has an entry with the unsafe name `dir/../../out`
        "]],
    );
    check(
        &tar_of(&[made(b'0', "a", "a"), made(b'1', "b", "../a")]),
        expect![[r"
            error: the archive has an entry with the unsafe name `../a`
        "]],
    );
}

#[test]
fn devices_are_left_out_on_request() {
    check(
        &tar_of(&[
            made(b'3', "null", ""),
            made(b'4', "disk", ""),
            made(b'0', "file", ""),
        ]),
        expect![[r#"
            0644 file ""
        "#]],
    );
}

fn owned_by(uid: u64, mode: u32) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    for (name, uid) in [
        ("theirs", uid),
        ("ours", u64::from(rustix::process::geteuid().as_raw())),
    ] {
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_size(0);
        tar.append_data(&mut header, name, &b""[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn owners_that_do_not_exist_here_are_counted_and_get_no_special_rights() {
    let scratch = Scratch::new();
    let directory = scratch.dir("unpacked");
    let uid = u64::from(rustix::process::geteuid().as_raw()) + 12_345;
    let tar = owned_by(uid, 0o6755);
    let archive = TarFile::open(tar.as_slice()).unwrap();
    let summary = archive.unpack(&directory, &OPTIONS).unwrap();
    let mode = |name: &str| fs::metadata(directory.join(name)).unwrap().mode() & 0o7777;
    let owner = |path: &Path| u64::from(fs::metadata(path).unwrap().uid());
    assert_eq!(mode("ours"), 0o6755);
    if owner(&directory.join("theirs")) == uid {
        assert_eq!((summary.squashed, mode("theirs")), (0, 0o6755));
    } else {
        assert_eq!((summary.squashed, mode("theirs")), (1, 0o755));
    }
    let expected = UnpackSummary {
        files: 2,
        squashed: summary.squashed,
        ..UnpackSummary::default()
    };
    assert_eq!(summary, expected);
}
