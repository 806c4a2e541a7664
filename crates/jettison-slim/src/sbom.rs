//! Software bills of materials: which packages an image holds, and how much of each.
//!
//! Both formats are made from one [`Sbom`]. The text depends on it and on the version of this program alone: numbers
//! that must be unique are made from the image's digest, the time is an argument, and everything is sorted.

mod copyright;
mod cyclonedx;
mod identity;
mod licence;
mod maintainer;
mod purl;
mod spdx;

use jettison_oci::Digest;

pub use self::copyright::copyright_licences;
pub use self::cyclonedx::cyclonedx_json;
pub use self::purl::package_url;
pub use self::spdx::spdx_json;

/// What an image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The image's name, such as `distroless://java21-debian13`.
    pub image: String,
    /// The digest of the image's manifest.
    pub digest: Digest,
    /// When the image was made, in seconds since 1970.
    pub created: u64,
    /// Where its packages come from.
    pub distribution: SbomDistribution,
    /// Its packages, in any order.
    pub packages: Vec<SbomPackage>,
    /// Regular files that no package brought, such as the bundle of certificates.
    pub generated: Vec<SbomFile>,
}

/// A release of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomDistribution {
    /// `ID` of os-release, such as `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release, such as `12`.
    pub version: String,
}

/// A binary package, and what the image has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomPackage {
    /// Its name.
    pub name: String,
    /// Its version, with epoch and revision.
    pub version: String,
    /// Its architecture, which may be `all`.
    pub architecture: String,
    /// The name of its source package, which may be its own.
    pub source_name: String,
    /// The version of its source package, which may be its own.
    pub source_version: String,
    /// The field `Maintainer`: a name and perhaps an address in angle brackets.
    pub maintainer: Option<String>,
    /// The field `Homepage`.
    pub homepage: Option<String>,
    /// The names of its licences, as its copyright file or SPDX writes them; none if they are not known.
    pub licences: Vec<String>,
    /// The digest of its `.deb`.
    pub archive: Option<Digest>,
    /// What the image has of it.
    pub files: SbomFiles,
}

/// How much of a package an image has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SbomFiles {
    /// All of it; its files are not listed.
    Whole,
    /// All of it: these regular files.
    Listed(Vec<SbomFile>),
    /// A part of it.
    Partial {
        /// The regular files that the image has.
        kept: Vec<SbomFile>,
        /// The paths of those that it has not, from the root and without a leading `/`.
        removed: Vec<String>,
    },
}

/// A regular file in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SbomFile {
    /// Its path from the root, without a leading `/`.
    pub path: String,
    /// The SHA-1 of its bytes, which SPDX asks for.
    pub sha1: [u8; 20],
    /// The digest of its bytes.
    pub sha256: Digest,
}

impl SbomFile {
    /// What is said of a file with these bytes.
    pub fn of(path: &str, bytes: &[u8]) -> SbomFile {
        use sha1::{Digest as _, Sha1};
        SbomFile {
            path: path.to_owned(),
            sha1: Sha1::digest(bytes).into(),
            sha256: Digest::of(bytes),
        }
    }
}

impl SbomFiles {
    /// The files that the image has, if they are listed, sorted by path.
    fn kept(&self) -> Option<Vec<&SbomFile>> {
        let files = match self {
            SbomFiles::Whole => return None,
            SbomFiles::Listed(files) => files,
            SbomFiles::Partial { kept, removed: _ } => kept,
        };
        let mut files: Vec<&SbomFile> = files.iter().collect();
        files.sort();
        files.dedup();
        Some(files)
    }
}

impl Sbom {
    /// The packages, sorted, each once.
    fn sorted_packages(&self) -> Vec<&SbomPackage> {
        let key = |package: &SbomPackage| {
            let SbomPackage {
                name,
                version,
                architecture,
                ..
            } = package;
            (name.clone(), architecture.clone(), version.clone())
        };
        let mut packages: Vec<&SbomPackage> = self.packages.iter().collect();
        packages.sort_by_cached_key(|package| key(package));
        packages.dedup_by_key(|package| key(package));
        packages
    }
}

impl SbomPackage {
    /// The homepage, if it is an address that both formats take.
    fn web_page(&self) -> Option<&str> {
        let page = self.homepage.as_deref()?.trim();
        let is_web = page.starts_with("http://") || page.starts_with("https://");
        let is_address = page
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte));
        (is_web && is_address).then_some(page)
    }
}

/// Hexadecimal digits of `bytes`.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 0xf)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)]);
    digits.collect()
}

#[cfg(test)]
mod tests;
