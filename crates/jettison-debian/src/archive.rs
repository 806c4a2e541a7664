//! Loading suites of an archive.
//!
//! ```text
//! <uri>/dists/<suite>/InRelease                                       signed; holds the digests of
//! <uri>/dists/<suite>/<component>/binary-<architecture>/Packages.xz   which is fetched as
//! <uri>/dists/<suite>/<component>/binary-<architecture>/by-hash/SHA256/<digest>
//! ```
//!
//! A suite whose name ends in a slash is a directory below the URI, without components: `<uri>/<suite>InRelease`,
//! `<uri>/<suite>Packages.xz`.

use std::io::Read as _;

use crate::arch::Architecture;
use crate::compression::Compression;
use crate::digest::Sha256;
use crate::fetch::{Fetch, FetchError};
use crate::keyring::Keyring;
use crate::packages::{PackagesError, PackagesIndex};
use crate::release::{Freshness, Release, ReleaseError, verify_inrelease};

/// The largest InRelease file that is read.
const INRELEASE_LIMIT: u64 = 16 << 20;
/// The largest index file that is read, packed or unpacked; Debian's are of 50 MB.
const INDEX_LIMIT: u64 = 1 << 30;

/// One suite of a Debian archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Archive {
    /// Where the archive is; `dists` and `pool` are below.
    pub uri: String,
    /// The suite or codename, or a directory if it ends in a slash.
    pub suite: String,
    /// The components to look into; none for a directory.
    pub components: Vec<String>,
}

/// A suite that was verified.
#[derive(Debug)]
pub struct Suite {
    /// What was signed.
    pub release: Release,
    /// The packages of its components.
    pub packages: PackagesIndex,
}

/// Why a suite cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file did not come.
    #[error("cannot load suite {suite}")]
    Fetch {
        /// The suite.
        suite: String,
        /// What did not come, and why.
        source: FetchError,
    },
    /// A file does not exist.
    #[error("cannot find {url}")]
    Missing {
        /// Where it should be.
        url: String,
    },
    /// The Release file is not accepted.
    #[error("cannot load suite {suite}")]
    Release {
        /// The suite.
        suite: String,
        /// Why not.
        source: ReleaseError,
    },
    /// The suite has no index for the component and the architecture.
    #[error("cannot find an index {path} in suite {suite}")]
    NoIndex {
        /// The suite.
        suite: String,
        /// The index file, without an extension.
        path: String,
    },
    /// A file is larger than any that we read.
    #[error("cannot load {url}: its size is {size}, and {INDEX_LIMIT} is the limit")]
    TooLarge {
        /// The file.
        url: String,
        /// Its size.
        size: u64,
    },
    /// A file has not the size that was promised.
    #[error("cannot use {url}: its size is {actual} and should be {expected}")]
    Size {
        /// The file.
        url: String,
        /// The promised size.
        expected: u64,
        /// Its size.
        actual: u64,
    },
    /// A file has not the digest that was promised.
    #[error("cannot use {url}: its SHA-256 is {actual} and should be {expected}")]
    Digest {
        /// The file.
        url: String,
        /// The promised digest.
        expected: Sha256,
        /// Its digest.
        actual: Sha256,
    },
    /// An index cannot be decompressed.
    #[error("cannot unpack {url}")]
    Unpack {
        /// The file.
        url: String,
        /// Why not.
        source: std::io::Error,
    },
    /// An index cannot be read.
    #[error("cannot read {url}")]
    Packages {
        /// The file.
        url: String,
        /// Why not.
        source: PackagesError,
    },
}

impl Archive {
    /// Where the suite's InRelease file is.
    pub fn inrelease_url(&self) -> String {
        format!("{}InRelease", self.directory())
    }

    /// The directory of the suite's files, with a slash at its end.
    fn directory(&self) -> String {
        let uri = self.uri.trim_end_matches('/');
        if self.suite.ends_with('/') {
            let suite = self.suite.trim_start_matches("./").trim_start_matches('/');
            return format!("{uri}/{suite}");
        }
        format!("{uri}/dists/{}/", self.suite)
    }

    /// The paths of the Packages indexes for `architecture`, without extension.
    fn index_paths(&self, release: &Release, architecture: &Architecture) -> Vec<String> {
        if self.suite.ends_with('/') {
            return vec!["Packages".to_owned()];
        }
        let mut paths = Vec::new();
        for component in &self.components {
            paths.push(format!("{component}/binary-{architecture}/Packages"));
            if release.has_index_of_all && !architecture.is_all() {
                paths.push(format!("{component}/binary-all/Packages"));
            }
        }
        paths
    }
}

/// Loads one suite: its Release file, verified, then its Packages indexes, checked against the Release file.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different type, and a struct of them would say nothing more"
)]
pub fn load_suite(
    fetch: &dyn Fetch,
    archive: &Archive,
    architecture: &Architecture,
    keyring: &Keyring,
    now: u64,
    freshness: Freshness,
) -> Result<Suite, ArchiveError> {
    let url = archive.inrelease_url();
    let Some(bytes) = get(fetch, archive, &url, INRELEASE_LIMIT)? else {
        return Err(ArchiveError::Missing { url });
    };
    let release = verify_inrelease(&url, &bytes, keyring, now, freshness).map_err(|source| {
        ArchiveError::Release {
            suite: archive.suite.clone(),
            source,
        }
    })?;
    drop(bytes);
    let mut indexes = Vec::new();
    for path in archive.index_paths(&release, architecture) {
        let (url, text) = load_index(fetch, archive, &release, &path)?;
        let fail = |source| ArchiveError::Packages { url, source };
        indexes.push(PackagesIndex::parse(text, &archive.uri, architecture).map_err(fail)?);
    }
    let packages = if indexes.len() == 1 {
        indexes.remove(0)
    } else {
        PackagesIndex::merge(PackagesIndex::empty(architecture.clone()), indexes)
    };
    Ok(Suite { release, packages })
}

fn get(
    fetch: &dyn Fetch,
    archive: &Archive,
    url: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let fail = |source| ArchiveError::Fetch {
        suite: archive.suite.clone(),
        source,
    };
    fetch.fetch(url, limit).map_err(fail)
}

/// The text of the index at `path`, and where it came from.
fn load_index(
    fetch: &dyn Fetch,
    archive: &Archive,
    release: &Release,
    path: &str,
) -> Result<(String, String), ArchiveError> {
    let unpacked_size = release.files.get(path).map(|&(size, _)| size);
    let mut missing = None;
    for compression in [Compression::Xz, Compression::Gzip, Compression::None] {
        let path = format!("{path}{}", compression.extension());
        let Some(&promise) = release.files.get(&path) else {
            continue;
        };
        let url = format!("{}{path}", archive.directory());
        match get_index(fetch, archive, release, &path, promise)? {
            Some(bytes) => {
                let text = unpack(&url, &bytes, compression, unpacked_size)?;
                return Ok((url, text));
            }
            None => missing = missing.or(Some(url)),
        }
    }
    Err(match missing {
        Some(url) => ArchiveError::Missing { url },
        None => ArchiveError::NoIndex {
            suite: archive.suite.clone(),
            path: path.to_owned(),
        },
    })
}

/// The file at `path`, by its digest if the archive offers that, since the file at the path itself may change while
/// we look; checked in any case.
fn get_index(
    fetch: &dyn Fetch,
    archive: &Archive,
    release: &Release,
    path: &str,
    (size, digest): (u64, Sha256),
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let directory = archive.directory();
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    let by_hash = format!("{directory}{folder}by-hash/SHA256/{digest}");
    let by_path = format!("{directory}{path}");
    if size > INDEX_LIMIT {
        return Err(ArchiveError::TooLarge { url: by_path, size });
    }
    let urls = [release.acquire_by_hash.then_some(by_hash), Some(by_path)];
    for url in urls.into_iter().flatten() {
        if let Some(bytes) = get(fetch, archive, &url, size)? {
            check_file(&url, &bytes, size, digest)?;
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Checks that the file from `url` is the one that was promised.
pub(crate) fn check_file(
    url: &str,
    bytes: &[u8],
    size: u64,
    digest: Sha256,
) -> Result<(), ArchiveError> {
    if bytes.len() as u64 != size {
        return Err(ArchiveError::Size {
            url: url.to_owned(),
            expected: size,
            actual: bytes.len() as u64,
        });
    }
    let actual = Sha256::of(bytes);
    if actual != digest {
        return Err(ArchiveError::Digest {
            url: url.to_owned(),
            expected: digest,
            actual,
        });
    }
    Ok(())
}

fn unpack(
    url: &str,
    bytes: &[u8],
    compression: Compression,
    size: Option<u64>,
) -> Result<String, ArchiveError> {
    let limit = size.unwrap_or(INDEX_LIMIT);
    if limit > INDEX_LIMIT {
        return Err(ArchiveError::TooLarge {
            url: url.to_owned(),
            size: limit,
        });
    }
    let mut text = String::new();
    // The size was signed, so that much memory is not taken in vain; one byte more lets the reader see its end.
    let capacity = usize::try_from(size.unwrap_or(0)).unwrap_or(0) + 1;
    text.reserve_exact(capacity);
    compression
        .reader(bytes, limit)
        .and_then(|mut reader| reader.read_to_string(&mut text))
        .map_err(|source| ArchiveError::Unpack {
            url: url.to_owned(),
            source,
        })?;
    match size {
        Some(expected) if expected != text.len() as u64 => Err(ArchiveError::Size {
            url: url.to_owned(),
            expected,
            actual: text.len() as u64,
        }),
        Some(_) | None => Ok(text),
    }
}
