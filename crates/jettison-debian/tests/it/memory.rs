//! An archive in memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;

use jettison_debian::{Fetch, FetchError, Sha256};

/// Files by URL; everything else does not exist.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Fetch for Memory {
    fn fetch(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let Some(bytes) = self.files.get(url) else {
            return Ok(None);
        };
        if bytes.len() as u64 > limit {
            return Err(FetchError {
                url: url.to_owned(),
                source: "it is too large".into(),
            });
        }
        Ok(Some(bytes.clone()))
    }
}

/// The text of a Release file that lists `files`.
pub(crate) fn release_text(fields: &str, files: &[(&str, &[u8])]) -> String {
    let mut text = format!("{fields}SHA256:\n");
    for (path, bytes) in files {
        writeln!(text, " {} {} {path}", Sha256::of(bytes), bytes.len()).unwrap();
    }
    text
}

/// One stanza of a Packages index: `name version` and further fields.
pub(crate) fn stanza(name: &str, version: &str, fields: &str) -> String {
    let digest = "0".repeat(64);
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\n\
         Size: 1\nSHA256: {digest}\n{fields}\n\n"
    )
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
