use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::base::generate::skip;

/// The certificates of the host's package ca-certificates, by path; empty if it is not installed.
pub(in crate::base::generate) fn mozilla() -> Vec<(String, Vec<u8>)> {
    let directory = "usr/share/ca-certificates/mozilla";
    let Ok(entries) = fs::read_dir(Path::new("/").join(directory)) else {
        return Vec::new();
    };
    let files = entries.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (
            format!("{directory}/{name}"),
            fs::read(entry.path()).unwrap(),
        )
    });
    files.collect()
}

pub(in crate::base::generate) fn files_of(files: &[(String, Vec<u8>)]) -> Vec<CertificateFile<'_>> {
    files
        .iter()
        .map(|(path, bytes)| CertificateFile { path, bytes })
        .collect()
}

#[test]
fn hashes_and_links_are_those_of_openssl() {
    let found = mozilla();
    if found.is_empty() || Command::new("openssl").arg("version").output().is_err() {
        return skip("there is no openssl or no package ca-certificates");
    }
    let files = files_of(&found);
    let ours = links(&files).unwrap();
    // `openssl rehash` needs files; it makes its own links beside them.
    let dir = tempfile::tempdir().unwrap();
    for link in ours.iter().filter(|link| link.target.starts_with('/')) {
        let name = link.path.strip_prefix("etc/ssl/certs/").unwrap();
        symlink(&link.target, dir.path().join(name)).unwrap();
    }
    let status = Command::new("openssl")
        .arg("rehash")
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    let theirs: BTreeMap<String, String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let target = fs::read_link(entry.path()).unwrap().into_os_string();
            (
                entry.file_name().into_string().unwrap(),
                target.into_string().unwrap(),
            )
        })
        .collect();
    let ours: BTreeMap<String, String> = ours
        .into_iter()
        .map(|link| (link.path["etc/ssl/certs/".len()..].to_owned(), link.target))
        .collect();
    assert_eq!(ours, theirs);
    assert!(ours.len() >= 2 * files.len());
}

#[test]
fn dates_are_those_of_openssl() {
    let found = mozilla();
    let files = files_of(&found);
    // One process for each takes long; each fifth has all kinds of dates.
    for (certificate, file) in certificates(&files)
        .unwrap()
        .iter()
        .zip(in_order(&files))
        .step_by(5)
    {
        let path = format!("/{}", file.path);
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-startdate", "-in", &path])
            .output();
        let Ok(output) = output else {
            return skip("there is no openssl");
        };
        let text = String::from_utf8(output.stdout).unwrap();
        let date = text.trim().strip_prefix("notBefore=").unwrap();
        let seconds = Command::new("date")
            .args(["-u", "+%s", "-d", date])
            .output()
            .unwrap();
        let seconds = String::from_utf8(seconds.stdout).unwrap();
        assert_eq!(certificate.not_before.to_string(), seconds.trim(), "{path}");
    }
}

fn file<'a>(path: &'a str, bytes: &'a [u8]) -> CertificateFile<'a> {
    CertificateFile { path, bytes }
}

#[test]
fn a_bundle_is_in_the_order_of_bytes_and_lines_end() {
    let files = [
        file("usr/local/share/ca-certificates/a.crt", b"local\n"),
        file("usr/share/ca-certificates/mozilla/b.crt", b"b\n\n"),
        file("usr/share/ca-certificates/mozilla/B.crt", b"B"),
        file("usr/share/ca-certificates/mozilla/c.crt", b""),
    ];
    assert_eq!(bundle(&files), b"B\nb\n\nlocal\n");
}

#[test]
fn names_of_links_have_no_characters_that_a_shell_reads() {
    assert_eq!(
        link_name("a/NetLock Arany (Class, Gold).crt"),
        "NetLock_Arany_=Class__Gold=.pem"
    );
    assert!(is_certificate("usr/share/ca-certificates/x/y.crt"));
    assert!(!is_certificate("usr/share/ca-certificates/x/y.pem"));
    assert!(!is_certificate("usr/share/doc/y.crt"));
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let error = certificates(&[file("usr/share/ca-certificates/x.crt", b"?")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the certificate /usr/share/ca-certificates/x.crt: there is no `BEGIN CERTIFICATE`"
    );
}

#[test]
fn damaged_certificates_are_read_or_refused() {
    for (path, bytes) in mozilla().iter().take(2) {
        let der = certificates(&[file(path, bytes)]).unwrap().remove(0).der;
        for place in 0..der.len() {
            assert_eq!(subject_and_date(&der[..place]), None);
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = der.clone();
                damaged[place] ^= mask;
                subject_and_date(&damaged);
            }
        }
    }
}
