//! Binary packages.

use std::error::Error as _;
use std::io::Read as _;

use expect_test::{Expect, expect};
use jettison_debian::{Deb, DebError};

use crate::index::index;
use crate::memory::{gzip, stanza, xz};

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            bytes.len()
        );
        archive.extend(header.as_bytes());
        archive.extend(*bytes);
        if bytes.len() % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(if name.ends_with("inst") { 0o755 } else { 0o644 });
        header.set_entry_type(if name.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

const CONTROL: &[u8] =
    b"Package: hello\nVersion: 1.0-1\nArchitecture: amd64\nDescription: greets\n warmly\n";

fn control_tar() -> Vec<u8> {
    tar(&[
        ("./", b""),
        ("./control", CONTROL),
        (
            "./conffiles",
            b"/etc/hello.conf\nremove-on-upgrade /etc/old\n",
        ),
        (
            "./md5sums",
            b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/hello\n",
        ),
        ("./postinst", b"#!/bin/sh\n"),
    ])
}

fn data_tar() -> Vec<u8> {
    tar(&[("./usr/", b""), ("./usr/bin/hello", b"hi")])
}

fn package(control: (&str, &[u8]), data: (&str, &[u8])) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), control, data])
}

fn good() -> Vec<u8> {
    package(
        ("control.tar.xz", &xz(&control_tar())),
        ("data.tar.xz", &xz(&data_tar())),
    )
}

#[test]
fn a_package_is_read_whatever_its_compression() {
    let (control, data) = (control_tar(), data_tar());
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let packages = [
        good(),
        package(
            ("control.tar.gz", &gzip(&control)),
            ("data.tar.gz", &gzip(&data)),
        ),
        package(
            ("control.tar.zst/", &zstd(&control)),
            ("data.tar.zst/", &zstd(&data)),
        ),
        package(("control.tar", &control), ("data.tar", &data)),
    ];
    for bytes in &packages {
        let deb = Deb::read(bytes).unwrap();
        assert_eq!(deb.control().get("description"), Some("greets\n warmly"));
        let mut unpacked = Vec::new();
        deb.data().unwrap().read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, data);
    }
}

#[test]
fn control_files_have_names_modes_and_lists() {
    let bytes = good();
    let deb = Deb::read(&bytes).unwrap();
    let show: Vec<String> = deb
        .control_files()
        .iter()
        .map(|file| format!("{} {:o}", file.name, file.mode))
        .collect();
    assert_eq!(
        show,
        [
            "control 644",
            "conffiles 644",
            "md5sums 644",
            "postinst 755"
        ]
    );
    assert_eq!(deb.conffiles().unwrap(), ["/etc/hello.conf"]);
    let sums = deb.md5sums().unwrap();
    assert_eq!(
        (sums[0].path.as_str(), sums[0].digest[..2].to_vec()),
        ("usr/bin/hello", vec![0xd4, 0x1d])
    );
    assert_eq!(deb.control_file("prerm"), None);
}

fn check(bytes: &[u8], expected: Expect) {
    let got = match Deb::read(bytes) {
        Ok(deb) => match deb.data().map(|mut data| data.read_to_end(&mut Vec::new())) {
            Ok(Ok(size)) => format!("{size} bytes of data"),
            Ok(Err(error)) => format!("data: {error}"),
            Err(error) => error.to_string(),
        },
        Err(error) => {
            let cause = error.source().map(|cause| format!("; {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        }
    };
    expected.assert_eq(&got);
}

#[test]
fn a_broken_container_is_explained() {
    let good = good();
    check(
        b"",
        expect!["cannot read binary package: it is not an `ar` archive"],
    );
    check(
        b"PK\x03\x04",
        expect!["cannot read binary package: it is not an `ar` archive"],
    );
    check(
        b"!<arch>\n",
        expect!["cannot find `debian-binary` in binary package"],
    );
    check(
        &good[..good.len() - 3],
        expect!["cannot read binary package: a member is cut off"],
    );
    check(
        &good[..30],
        expect!["cannot read binary package: a member's header is cut off"],
    );
    let mut bad_size = good.clone();
    bad_size[8 + 48] = b'x';
    check(
        &bad_size,
        expect!["cannot read binary package: a member's size is not a number"],
    );
    let mut bad_end = good.clone();
    bad_end[8 + 58] = b'x';
    check(
        &bad_end,
        expect!["cannot read binary package: a member's header is malformed"],
    );
}

#[test]
fn every_prefix_is_an_error_or_broken_data_but_never_a_panic() {
    let good = good();
    for length in 0..good.len() - 1 {
        if let Ok(deb) = Deb::read(&good[..length]) {
            let result = deb.data().map(|mut data| data.read_to_end(&mut Vec::new()));
            panic!("{length}: {result:?}");
        }
    }
}

#[test]
fn a_missing_or_unknown_member_is_explained() {
    let (control, data) = (xz(&control_tar()), xz(&data_tar()));
    check(
        &ar(&[("debian-binary", b"2.0\n")]),
        expect!["cannot find the control archive in binary package"],
    );
    check(
        &ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &control)]),
        expect!["cannot find the data archive in binary package"],
    );
    check(
        &ar(&[
            ("debian-binary", b"3.0\n"),
            ("control.tar.xz", &control),
            ("data.tar.xz", &data),
        ]),
        expect!["cannot read binary package: its format is not of version 2"],
    );
    check(
        &package(("control.tar.xz", &control), ("data.tar.bz2", &data)),
        expect!["cannot unpack `data.tar.bz2` of binary package: unknown compression"],
    );
    check(
        &package(("control.tar.xz", &control), ("data.tar.xz.xz", &data)),
        expect!["cannot unpack `data.tar.xz.xz` of binary package: unknown compression"],
    );
    check(
        &ar(&[
            ("debian-binary", b"2.0\n"),
            ("_extension", b""),
            ("control.tar.xz", &control),
            ("data.tar.xz", &data),
        ]),
        expect!["2560 bytes of data"],
    );
    check(
        &package(("control.tar.gz", &control), ("data.tar.xz", &data)),
        expect!["cannot unpack the control archive of binary package; invalid gzip header"],
    );
}

#[test]
fn a_hostile_control_archive_is_refused() {
    let check = |files: &[(&str, &[u8])], expected: Expect| {
        check(
            &package(("control.tar", &tar(files)), ("data.tar", &data_tar())),
            expected,
        );
    };
    check(
        &[("./md5sums", b"")],
        expect!["cannot find the control file in binary package"],
    );
    check(
        &[("./../control", CONTROL)],
        expect!["cannot unpack the control archive of binary package; a file lies in a directory"],
    );
    check(
        &[("/control", CONTROL)],
        expect!["cannot unpack the control archive of binary package; a file lies in a directory"],
    );
    check(
        &[("./control", b"\xff")],
        expect!["cannot read the control file of binary package: it is not UTF-8"],
    );
    check(
        &[("./control", b"")],
        expect!["cannot read the control file of binary package: it is not a single stanza"],
    );
    check(
        &[("./control", b"A: 1\n\nB: 2\n")],
        expect!["cannot read the control file of binary package: it is not a single stanza"],
    );
    check(
        &[("./control", b"nonsense")],
        expect![
            "cannot read the control file of binary package; cannot read line 1 of control data: it has no colon"
        ],
    );
}

/// Reads the data archive in pieces of `size` bytes.
fn read_data(data: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let bytes = package(("control.tar", &control_tar()), ("data.tar", data));
    let deb = Deb::read(&bytes).unwrap();
    let mut reader = deb.data().unwrap();
    let (mut all, mut piece) = (Vec::new(), vec![0; size]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(read) => all.extend_from_slice(&piece[..read]),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// A file whose name stands in an entry of its own before it.
fn long_name(kind: &str, name: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    if kind == "pax" {
        let records = [("mtime", b"1.5".as_slice()), ("path", name.as_bytes())];
        builder.append_pax_extensions(records).unwrap();
    } else {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(name.len() as u64 + 1);
        header.set_cksum();
        let name = format!("{name}\0");
        builder.append(&header, name.as_bytes()).unwrap();
    }
    let mut whole = builder.into_inner().unwrap();
    // The end of an archive would be the end of this one.
    whole.truncate(whole.len() - 1024);
    whole.extend(tar(&[("./short", b"content")]));
    whole
}

#[test]
fn a_member_that_leads_elsewhere_is_refused() {
    let check = |data: &[u8], expected: Expect| {
        for size in [1, 511, 512, 4096] {
            let read = read_data(data, size);
            expected.assert_eq(&read.map_or_else(|error| error, |_| "accepted".to_owned()));
        }
    };
    check(&data_tar(), expect!["accepted"]);
    check(
        &tar(&[("./usr/", b""), ("/etc/passwd", b"x")]),
        expect!["the package has a file with the absolute name `/etc/passwd`"],
    );
    check(
        &tar(&[("./usr/", b""), ("./../etc/passwd", b"x")]),
        expect!["the package has a file with the unsafe name `./../etc/passwd`"],
    );
    check(
        &tar(&[("./a/../b", b"x")]),
        expect!["the package has a file with the unsafe name `./a/../b`"],
    );
    // Dots alone do not go up, and what is in a file is not a name.
    check(
        &tar(&[("./...", b"/../"), ("./..a", b"")]),
        expect!["accepted"],
    );
    for kind in ["pax", "gnu"] {
        let deep = "./deep".repeat(40);
        check(&long_name(kind, &deep), expect!["accepted"]);
        check(
            &long_name(kind, "/etc/passwd"),
            expect!["the package has a file with the absolute name `/etc/passwd`"],
        );
        let error = read_data(&long_name(kind, &format!("{deep}/../../x")), 512).unwrap_err();
        assert!(error.contains("unsafe name `./deep./deep"), "{error}");
    }
}

#[test]
fn what_is_read_is_what_is_there() {
    let data = data_tar();
    for size in [1, 100, 512, 100_000] {
        assert_eq!(read_data(&data, size), Ok(data.clone()));
    }
}

#[test]
fn bombs_do_not_go_off() {
    let zeros = vec![0; 65 << 20];
    let big = zstd::encode_all(&tar(&[("./big", &zeros)])[..], 1).unwrap();
    let big = ("control.tar.zst", big.as_slice());
    check(
        &package(big, ("data.tar", &data_tar())),
        expect![
            "cannot unpack the control archive of binary package; it unpacks to more than its limit"
        ],
    );
}

#[test]
fn a_package_is_checked_against_its_promise() {
    let bytes = good();
    let deb = Deb::read(&bytes).unwrap();
    let check = |name: &str, version: &str, architecture: &str, expected: Expect| {
        let text = stanza(name, version, "").replace("amd64", architecture);
        let index = index(&text);
        let got = match deb.check(index.get(name).unwrap()) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&got);
    };
    check("hello", "1.0-1", "amd64", expect!["ok"]);
    check(
        "bye",
        "1.0-1",
        "amd64",
        expect!["cannot use binary package: its name is `hello` and should be `bye`"],
    );
    check(
        "hello",
        "1.0-2",
        "amd64",
        expect!["cannot use binary package: its version is `1.0-1` and should be `1.0-2`"],
    );
    check(
        "hello",
        "1.0-1",
        "all",
        expect!["cannot use binary package: its architecture is `amd64` and should be `all`"],
    );
}

#[test]
fn a_broken_list_names_its_line() {
    let with = |name: &str, bytes: &[u8]| {
        let control = tar(&[("./control", CONTROL), (name, bytes)]);
        package(("control.tar", &control), ("data.tar", &data_tar()))
    };
    let sums = with(
        "./md5sums",
        b"d41d8cd98f00b204e9800998ecf8427e  a\n\nxyz  b\n",
    );
    let error: DebError = Deb::read(&sums).unwrap().md5sums().unwrap_err();
    expect!["cannot read line 3 of `md5sums` of binary package"].assert_eq(&error.to_string());
    let conffiles = with("./conffiles", b"etc/relative\n");
    let error = Deb::read(&conffiles).unwrap().conffiles().unwrap_err();
    expect!["cannot read line 1 of `conffiles` of binary package"].assert_eq(&error.to_string());
}
