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

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::thread;

use crate::arch::Architecture;
use crate::compression::Compression;
use crate::digest::Sha256;
use crate::fetch::{Fetch, FetchError, Fetched, IndexCache, KeptRelease};
use crate::packages::{IndexFile, PackagesError};
use crate::release::{
    Freshness, Release, ReleaseError, kept_release, signed_date, verify_inrelease, verify_release,
};
use crate::universe::{ArchiveSource, Downgrade};

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

/// A suite whose Release file was verified.
#[derive(Debug, Clone)]
pub struct VerifiedSuite {
    /// Which suite of which archive.
    pub archive: Archive,
    /// What was signed.
    pub release: Release,
    /// Whether the end of its validity mattered.
    pub freshness: Freshness,
}

/// What loading needs from outside.
#[derive(Clone, Copy)]
pub struct Supply<'a> {
    /// The network.
    pub fetch: &'a dyn Fetch,
    /// What was kept.
    pub cache: &'a dyn IndexCache,
    /// The time in Unix seconds.
    pub now: u64,
}

impl fmt::Debug for Supply<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &mut formatter.debug_struct("Supply");
        shown.field("now", &self.now).finish_non_exhaustive()
    }
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
    /// The suite is not for the architecture.
    #[error(
        "cannot use suite {suite}: it has no packages for {architecture}, only for {}",
        list(known)
    )]
    Architecture {
        /// The suite.
        suite: String,
        /// What was asked for.
        architecture: Architecture,
        /// What it has.
        known: Vec<Architecture>,
    },
    /// The suite lacks a component.
    #[error("cannot use suite {suite}: it has no component `{component}`, only {}", known.join(", "))]
    Component {
        /// The suite.
        suite: String,
        /// What was asked for.
        component: String,
        /// What it has.
        known: Vec<String>,
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
        /// The file, without the extension of its compression.
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

    /// Where the suite's Release file is, whose signature lies beside it.
    fn release_url(&self) -> String {
        format!("{}Release", self.directory())
    }

    /// Checks that the suite has what is asked of it, where it says what it has.
    fn check(&self, release: &Release, architecture: &Architecture) -> Result<(), ArchiveError> {
        let known = &release.architectures;
        if !known.is_empty() && !known.contains(architecture) {
            return Err(ArchiveError::Architecture {
                suite: self.suite.clone(),
                architecture: architecture.clone(),
                known: known.clone(),
            });
        }
        // The security archive has `updates/main` where it means `main`; both names lead to the same files
        // (apt: `debReleaseIndex::Load`, which takes the last part of a component's name).
        let has = |component: &String| {
            let mut known = release.components.iter();
            known.any(|known| known == component || last_part(known) == last_part(component))
        };
        match self.components.iter().find(|component| !has(component)) {
            Some(component) if !release.components.is_empty() => Err(ArchiveError::Component {
                suite: self.suite.clone(),
                component: component.clone(),
                known: release.components.clone(),
            }),
            Some(_) | None => Ok(()),
        }
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
            // A file of the security archive's `updates/main` is called `main/…`.
            let whole = format!("{component}/binary-{architecture}/Packages");
            let is_whole = release.files.keys().any(|path| path.starts_with(&whole));
            let component = if is_whole {
                component
            } else {
                last_part(component)
            };
            paths.push(format!("{component}/binary-{architecture}/Packages"));
            if release.has_index_of_all && !architecture.is_all() {
                paths.push(format!("{component}/binary-all/Packages"));
            }
        }
        paths
    }
}

fn last_part(component: &str) -> &str {
    component.rsplit('/').next().unwrap_or(component)
}

fn list(architectures: &[Architecture]) -> String {
    let names: Vec<&str> = architectures.iter().map(Architecture::as_str).collect();
    names.join(", ")
}

/// Loads one suite: its Release file, verified, then the texts of its Packages indexes, checked against that file.
pub(crate) fn load_texts(
    supply: &Supply<'_>,
    source: &ArchiveSource,
    architecture: &Architecture,
) -> Result<(VerifiedSuite, Vec<IndexFile>), ArchiveError> {
    let archive = &source.archive;
    let kept = supply.cache.release(&archive.inrelease_url());
    // Most suites are as they were: what the last one named is read while the network is asked.
    let (loaded, mut ahead) = thread::scope(|scope| {
        let reading = scope.spawn(|| match &kept {
            Some(kept) => texts_ahead(supply, archive, kept, architecture),
            None => BTreeMap::new(),
        });
        let loaded = load_release(supply, source, kept.as_ref());
        // A reader that panicked has read nothing.
        (loaded, reading.join().unwrap_or_default())
    });
    let (release, to_keep) = loaded?;
    archive.check(&release, architecture)?;
    let texts = archive
        .index_paths(&release, architecture)
        .iter()
        .map(|path| {
            let known = release.files.get(path).and_then(|file| ahead.remove(file));
            let text = match known {
                Some(text) => text,
                None => load_index(supply, archive, &release, path)?,
            };
            let url = format!("{}{path}", archive.directory());
            let uri = archive.uri.clone();
            Ok(IndexFile { uri, url, text })
        })
        .collect::<Result<_, _>>()?;
    // What comes of a suite that is refused in the end is not kept.
    if let Some(found) = to_keep {
        supply.cache.keep_release(&archive.inrelease_url(), &found);
    }
    let suite = VerifiedSuite {
        archive: archive.clone(),
        release,
        freshness: source.freshness,
    };
    Ok((suite, texts))
}

/// The texts of the indexes that the suite's last Release file names and that were kept, by size and digest.
fn texts_ahead(
    supply: &Supply<'_>,
    archive: &Archive,
    kept: &KeptRelease,
    architecture: &Architecture,
) -> BTreeMap<(u64, Sha256), String> {
    let Some(release) = kept_release(kept) else {
        return BTreeMap::new();
    };
    let paths = archive.index_paths(&release, architecture);
    let files = paths.iter().filter_map(|path| release.files.get(path));
    files
        .filter_map(|&(size, digest)| Some(((size, digest), supply.cache.index(&digest, size)?)))
        .collect()
}

/// The suite's Release file: the one that holds its signature, or else the one beside which it lies. What is not kept
/// yet comes with it.
fn load_release(
    supply: &Supply<'_>,
    source: &ArchiveSource,
    kept: Option<&KeptRelease>,
) -> Result<(Release, Option<KeptRelease>), ArchiveError> {
    let archive = &source.archive;
    let url = archive.inrelease_url();
    let mark = kept.and_then(|kept| kept.mark.as_deref());
    let found = match refetch(supply, archive, &url, mark)? {
        Fetched::File { bytes, mark } => KeptRelease {
            bytes,
            signature: None,
            mark,
        },
        Fetched::Unchanged => match kept.cloned() {
            Some(kept) => kept,
            None => return Err(ArchiveError::Missing { url }),
        },
        Fetched::Missing => match detached(supply, archive)? {
            Some(found) => found,
            None => return Err(ArchiveError::Missing { url }),
        },
    };
    let refuse = |source| ArchiveError::Release {
        suite: archive.suite.clone(),
        source,
    };
    let release = verify(supply, source, &found).map_err(refuse)?;
    if let Some(kept) = kept {
        let known = signed_date(kept);
        let (name, date) = (release_name(archive, &found), release.date);
        if let Some(known) = known.filter(|&known| known > date)
            && source.downgrade == Downgrade::Refused
        {
            return Err(refuse(ReleaseError::Older { name, date, known }));
        }
        if *kept == found {
            return Ok((release, None));
        }
    }
    Ok((release, Some(found)))
}

fn release_name(archive: &Archive, found: &KeptRelease) -> String {
    match found.signature {
        None => archive.inrelease_url(),
        Some(_) => archive.release_url(),
    }
}

fn verify(
    supply: &Supply<'_>,
    source: &ArchiveSource,
    found: &KeptRelease,
) -> Result<Release, ReleaseError> {
    let name = release_name(&source.archive, found);
    let (keyring, now, freshness) = (&source.keyring, supply.now, source.freshness);
    match &found.signature {
        None => verify_inrelease(&name, &found.bytes, keyring, now, freshness),
        Some(signature) => {
            let parts = (found.bytes.as_slice(), signature.as_slice());
            verify_release(&name, parts, keyring, now, freshness)
        }
    }
}

/// A Release file and its signature in two files, as archives had them before 2009 and some still have.
fn detached(supply: &Supply<'_>, archive: &Archive) -> Result<Option<KeptRelease>, ArchiveError> {
    let url = archive.release_url();
    let Some(bytes) = get(supply, archive, &url, INRELEASE_LIMIT)? else {
        return Ok(None);
    };
    let url = format!("{url}.gpg");
    let Some(signature) = get(supply, archive, &url, INRELEASE_LIMIT)? else {
        return Err(ArchiveError::Missing { url });
    };
    Ok(Some(KeptRelease {
        bytes,
        signature: Some(signature),
        mark: None,
    }))
}

fn refetch(
    supply: &Supply<'_>,
    archive: &Archive,
    url: &str,
    mark: Option<&str>,
) -> Result<Fetched, ArchiveError> {
    let answer = supply.fetch.refetch(url, INRELEASE_LIMIT, mark);
    answer.map_err(|source| fetch_error(archive, source))
}

fn get(
    supply: &Supply<'_>,
    archive: &Archive,
    url: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let answer = supply.fetch.fetch(url, limit);
    answer.map_err(|source| fetch_error(archive, source))
}

fn fetch_error(archive: &Archive, source: FetchError) -> ArchiveError {
    ArchiveError::Fetch {
        suite: archive.suite.clone(),
        source,
    }
}

/// The text of the index at `path`: the one that was kept, or else what the smallest file that is there unpacks to.
fn load_index(
    supply: &Supply<'_>,
    archive: &Archive,
    release: &Release,
    path: &str,
) -> Result<String, ArchiveError> {
    let unpacked = release.files.get(path).copied();
    if let Some((size, digest)) = unpacked
        && let Some(text) = supply.cache.index(&digest, size)
    {
        return Ok(text);
    }
    let mut offers: Vec<(Compression, u64, Sha256)> = Compression::ALL
        .into_iter()
        .filter_map(|compression| {
            let path = format!("{path}{}", compression.extension());
            let (size, digest) = *release.files.get(&path)?;
            Some((compression, size, digest))
        })
        .collect();
    offers.sort_by_key(|(_, size, _)| *size);
    let mut missing = None;
    for (compression, size, digest) in offers {
        let path = format!("{path}{}", compression.extension());
        let url = format!("{}{path}", archive.directory());
        match get_index(supply, archive, release, &path, (size, digest))? {
            Some(bytes) => {
                let text = unpack(&url, &bytes, compression, unpacked.map(|(size, _)| size))?;
                if let Some((_, digest)) = unpacked {
                    // Only what is the promised text is kept; a text that was packed was promised itself.
                    if compression == Compression::None || Sha256::of(text.as_bytes()) == digest {
                        supply.cache.keep_index(&digest, &text);
                    }
                }
                return Ok(text);
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
    supply: &Supply<'_>,
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
        if let Some(bytes) = get(supply, archive, &url, size)? {
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
