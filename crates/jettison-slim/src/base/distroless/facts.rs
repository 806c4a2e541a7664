//! What became of packages and their files.

use std::collections::BTreeMap;
use std::path::Path;

use jettison_debian::{Sha256, parse_stanzas};
use jettison_oci::Image;

use crate::base::slices::Slice;
use crate::base::unpacked::{Unpacked, UnpackedEntry, UnpackedKind};

/// The slice of modules that are not linked.
const MODULES: &str = "java-modules";

/// An image that was assembled.
#[derive(Debug, Clone)]
pub struct DistrolessImage {
    /// The image, which is in the store and has no name.
    pub image: Image,
    /// Its packages, in the order of their levels.
    pub packages: Vec<PackageFacts>,
    /// What was left out, by slice.
    pub slices: BTreeMap<String, SliceFacts>,
    /// The release of Debian.
    pub release: u8,
    /// The newest time of its files, in Unix seconds.
    pub date: u64,
}

/// What became of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Its name.
    pub name: String,
    /// The recipe that brought it.
    pub level: String,
    /// Why it is part of the image.
    pub reason: String,
    /// The text of its control file.
    pub control: String,
    /// The digest of its file.
    pub sha256: Sha256,
    /// The regular files that the image has of it, those included that were made in place of its scripts.
    pub files: Vec<FileFact>,
    /// The names of its licences, as its copyright file has them.
    pub licences: Vec<String>,
    /// The paths of regular files that were left out, without a slash at their start.
    pub removed: Vec<String>,
    /// How many regular files were left out, and their bytes.
    pub left_out: SliceFacts,
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFact {
    /// Its path, without a slash at its start.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-1 digest in hexadecimal.
    pub sha1: String,
    /// Its SHA-256 digest in hexadecimal.
    pub sha256: String,
}

/// How much was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SliceFacts {
    /// How many regular files.
    pub files: u64,
    /// Their sizes, in bytes.
    pub bytes: u64,
}

/// What was left out of a package whose Java runtime was linked, by slice: an archive of classes that is not made, what
/// was saved in classes, and modules.
pub(super) fn linked_slices(
    package: &Unpacked,
    linked: &Unpacked,
    slices: &[Slice],
) -> BTreeMap<String, SliceFacts> {
    let mut left_out: BTreeMap<String, SliceFacts> = BTreeMap::new();
    let mut rest = 0;
    let kept: BTreeMap<&str, u64> = linked.entries.iter().filter_map(size_of).collect();
    for (path, size) in package.entries.iter().filter_map(size_of) {
        match kept.get(path) {
            Some(kept) => rest += size.saturating_sub(*kept),
            None if Path::new(path).extension().is_some_and(|end| end == "jsa") => {
                let slice = slices.iter().find(|slice| slice.has(path));
                let name = slice.map_or("java-cds", |slice| slice.name.as_str());
                left_out.entry(name.to_string()).or_default().add(size);
            }
            None => left_out.entry(MODULES.to_string()).or_default().add(size),
        }
    }
    for (name, bytes) in &linked.saved {
        let facts = left_out.entry(name.clone()).or_default();
        facts.bytes += bytes;
        rest = rest.saturating_sub(*bytes);
    }
    left_out.entry(MODULES.to_string()).or_default().bytes += rest;
    left_out
}

/// The path of a regular file and its size.
fn size_of(entry: &UnpackedEntry) -> Option<(&str, u64)> {
    match &entry.kind {
        UnpackedKind::File(facts) => Some((&entry.path, facts.size)),
        UnpackedKind::Directory | UnpackedKind::Symlink(_) | UnpackedKind::HardLink(_) => None,
    }
}

impl SliceFacts {
    pub(super) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl PackageFacts {
    /// A field of its control file.
    pub fn field(&self, name: &str) -> Option<String> {
        let stanzas = parse_stanzas(&self.control).ok()?;
        let field = stanzas.first()?.get(name)?;
        Some(field.to_string())
    }
}

/// The text with each `${version:PACKAGE}` replaced by the version of the package as its authors count, without what
/// Debian adds.
pub(super) fn with_versions(text: &str, packages: &[PackageFacts]) -> String {
    let mut result = text.to_string();
    for package in packages {
        let name = format!("${{version:{}}}", package.name);
        if result.contains(&name) {
            let version = package.field("Version").unwrap_or_default();
            let version = version
                .split_once(':')
                .map_or(version.as_str(), |(_, rest)| rest);
            let end = version.find(['+', '-', '~']).unwrap_or(version.len());
            result = result.replace(&name, &version[..end]);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_authors() {
        let package = |name: &str, version: &str| PackageFacts {
            name: name.to_string(),
            level: String::new(),
            reason: String::new(),
            control: format!("Package: {name}\nVersion: {version}\n"),
            sha256: Sha256::of(b""),
            files: Vec::new(),
            licences: Vec::new(),
            removed: Vec::new(),
            left_out: SliceFacts::default(),
        };
        let packages = [
            package("jre", "21.0.13.1+2-1~deb13u1"),
            package("epoch", "1:2.1.5-4"),
        ];
        let check = |text: &str, expected: &str| {
            assert_eq!(with_versions(text, &packages), expected);
        };
        check("${version:jre}", "21.0.13.1");
        check("a ${version:epoch} b", "a 2.1.5 b");
        check("${version:other}", "${version:other}");
    }
}
