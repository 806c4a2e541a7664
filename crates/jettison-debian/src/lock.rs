//! Lock files: exactly which packages, from where, and who vouched for them.
//!
//! ```toml
//! version = 1
//! request = "…"                   # optional: what tells this request from others, by who wrote the file
//!
//! [[archive]]
//! uri = "http://ftp.debian.org/debian"
//! suite = "trixie"
//! codename = "trixie"
//! components = ["main"]           # only if it is not these
//! date = 2026-07-11T10:16:37Z
//! check-valid-until = false       # only if it is an archive of the past
//! release = "…"                   # SHA-256 of the Release file
//! signers = ["…"]                 # fingerprints of certificates
//!
//! [[package.amd64]]               # what is installed on amd64
//! name = "libc6"
//! version = "2.41-12"
//! architecture = "all"            # only if it is not the table's
//! source = "glibc"                # only if it is not the package's name
//! source-version = "2.41-12"      # only if it is not the package's version
//! archive = 0                     # the position of the archive above, counted from zero
//! path = "pool/main/g/glibc/libc6_2.41-12_amd64.deb"
//! size = 2847420                  # in bytes
//! sha256 = "…"
//!
//! [[tool.arm64.amd64]]            # what is run on amd64 to make what arm64 gets; the same keys
//! name = "openjdk-21-jdk-headless"
//! ```
//!
//! Packages are fetched by what stands here: no index is needed, and nothing at all that is in a cache already. The
//! same lock is written as the same bytes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::arch::Architecture;
use crate::archive::{ArchiveError, check_file};
use crate::date::format_rfc3339;
use crate::deb::{Deb, DebError};
use crate::digest::Sha256;
use crate::package::Package;
use crate::release::Freshness;
use crate::universe::Universe;
use crate::version::Version;

mod read;
mod snapshot;
mod tools;

pub use crate::lock::read::{LockError, parse_lock};
pub use crate::lock::snapshot::SnapshotArchive;

/// The version of the format.
const FORMAT: u32 = 1;

/// Exactly which packages a request leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What tells the request from others, if whoever wrote the lock says so.
    pub request: Option<Sha256>,
    /// The archives that the packages come from.
    pub archives: Vec<LockedArchive>,
    /// The packages by the architecture of the system that they are for.
    // Each is the position of an archive above.
    pub packages: BTreeMap<Architecture, Vec<LockedPackage>>,
    /// The packages with programs that something is made with, by the architecture of the system that it is for and, if
    /// that is another, the one where they are run.
    pub tools: BTreeMap<Architecture, BTreeMap<Architecture, Vec<LockedPackage>>>,
}

/// A suite as it was when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedArchive {
    /// Where the archive is.
    pub uri: String,
    /// The suite, as it was asked for.
    pub suite: String,
    /// The codename that the suite had.
    pub codename: String,
    /// The components that were looked into.
    pub components: Vec<String>,
    /// When its Release file was made, in Unix seconds.
    pub date: u64,
    /// The digest of the Release file.
    pub release: Sha256,
    /// The fingerprints of the certificates that had signed it.
    pub signers: Vec<String>,
    /// Whether the end of its validity mattered.
    pub freshness: Freshness,
}

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its architecture, possibly `all`.
    pub architecture: Architecture,
    /// The name of its source package.
    pub source: String,
    /// The version of its source package.
    pub source_version: Version,
    /// The position of its archive in the lock.
    pub archive: usize,
    /// The path of its `.deb` below the archive's URI.
    pub path: String,
    /// The size of its `.deb` in bytes.
    pub size: u64,
    /// The digest of its `.deb`.
    pub sha256: Sha256,
}

/// A `.deb` to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is.
    pub url: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// Where else it may be, in the order in which to ask.
    pub elsewhere: Vec<String>,
}

impl PackageFile {
    /// Checks that `bytes` have the promised size and digest.
    pub fn check(&self, bytes: &[u8]) -> Result<(), ArchiveError> {
        check_file(&self.url, bytes, self.size, self.sha256)
    }
}

impl Universe {
    /// The lock of `packages`, which are of this universe. Packages are sorted by name; archives that none of them is
    /// from are part of it, for they were asked, too.
    pub fn lock(&self, packages: &[Package<'_>]) -> Lock {
        let archives = self.suites.iter().map(|suite| LockedArchive {
            uri: suite.archive.uri.clone(),
            suite: suite.archive.suite.clone(),
            codename: suite.release.codename.clone(),
            components: suite.archive.components.clone(),
            date: suite.release.date,
            release: suite.release.digest,
            signers: suite.release.signers.clone(),
            freshness: suite.freshness,
        });
        let mut locked: Vec<LockedPackage> =
            packages.iter().map(|one| LockedPackage::of(*one)).collect();
        locked.sort_by(|a, b| a.name.cmp(&b.name));
        Lock {
            request: None,
            archives: archives.collect(),
            packages: BTreeMap::from([(self.packages.architecture().clone(), locked)]),
            tools: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// The lock with `request`.
    #[must_use]
    pub fn for_request(self, request: Sha256) -> Lock {
        Lock {
            request: Some(request),
            ..self
        }
    }

    /// This lock, and in place of its packages for the architectures of `other` those of `other`. Archives that nothing
    /// of this lock is from any more are left out.
    #[must_use]
    pub fn joined(self, other: Lock) -> Lock {
        // The newer ones come first, so that a lock of one architecture is the same whether it was made or updated.
        let mut joined = Lock {
            request: self.request,
            archives: other.archives,
            packages: other.packages,
            tools: other.tools,
        };
        let tools = self.tools.into_iter();
        let tools = tools
            .filter(|(of, _)| !joined.packages.contains_key(of))
            .collect();
        for (architecture, packages) in self.packages {
            if joined.packages.contains_key(&architecture) {
                continue;
            }
            let moved = packages.into_iter().map(|package| LockedPackage {
                archive: match self.archives.get(package.archive) {
                    Some(archive) => joined.place_of(archive),
                    None => usize::MAX,
                },
                ..package
            });
            let moved = moved.collect();
            joined.packages.insert(architecture, moved);
        }
        joined.with_moved_tools(tools, &self.archives)
    }

    fn place_of(&mut self, archive: &LockedArchive) -> usize {
        let known = self.archives.iter().position(|known| known == archive);
        known.unwrap_or_else(|| {
            self.archives.push(archive.clone());
            self.archives.len() - 1
        })
    }

    /// The packages for systems of `architecture`.
    pub fn packages(&self, architecture: &Architecture) -> Option<&[LockedPackage]> {
        self.packages.get(architecture).map(Vec::as_slice)
    }

    /// When the newest of those Release files was made that packages for `architecture` are from, in Unix seconds.
    ///
    /// What is said for other architectures does not matter.
    pub fn date(&self, architecture: &Architecture) -> u64 {
        let packages = self.packages(architecture).unwrap_or_default().iter();
        let archives = packages.filter_map(|package| self.archives.get(package.archive));
        archives.map(|archive| archive.date).max().unwrap_or(0)
    }

    /// What to fetch for `package`, or `None` if it is not of this lock.
    pub fn file(&self, package: &LockedPackage) -> Option<PackageFile> {
        let archive = self.archives.get(package.archive)?;
        let uri = archive.uri.trim_end_matches('/');
        Some(PackageFile {
            url: format!("{uri}/{}", package.path),
            size: package.size,
            sha256: package.sha256,
            elsewhere: Vec::new(),
        })
    }

    /// The same, and where `snapshots` keeps what its archive has no more.
    pub fn file_kept(
        &self,
        package: &LockedPackage,
        snapshots: &SnapshotArchive,
    ) -> Option<PackageFile> {
        let archive = self.archives.get(package.archive)?;
        let file = self.file(package)?;
        Some(PackageFile {
            elsewhere: snapshots.urls(archive, &package.path),
            ..file
        })
    }

    /// A line for each package for `architecture`, which tell the lock from others.
    pub fn identity(&self, architecture: &Architecture) -> String {
        let mut text = format!("{}\n", self.date(architecture));
        for package in self.packages(architecture).unwrap_or_default() {
            let _infallible = writeln!(text, "{} {}", package.name, package.sha256);
        }
        text
    }
}

impl LockedPackage {
    fn of(package: Package<'_>) -> LockedPackage {
        let (source, source_version) = package.source();
        let version = package.version();
        LockedPackage {
            name: package.name().to_owned(),
            architecture: package.architecture(),
            source: source.to_owned(),
            source_version: source_version
                .and_then(|text| text.parse().ok())
                .unwrap_or_else(|| version.clone()),
            version,
            archive: package.archive(),
            path: package.filename().to_owned(),
            size: package.size(),
            sha256: package.sha256(),
        }
    }

    /// Checks that `deb` says of itself what the lock says of it.
    pub fn check(&self, deb: &Deb<'_>) -> Result<(), DebError> {
        deb.check_identity(&self.name, &self.version, &self.architecture)
    }
}

/// Writes the file.
impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "version = {FORMAT}")?;
        if let Some(request) = &self.request {
            writeln!(formatter, "request = \"{request}\"")?;
        }
        for archive in &self.archives {
            write!(formatter, "\n{archive}")?;
        }
        for (architecture, packages) in &self.packages {
            for package in packages {
                writeln!(formatter, "\n[[package.{architecture}]]")?;
                package.write(formatter, architecture)?;
            }
        }
        self.write_tools(formatter)
    }
}

impl fmt::Display for LockedArchive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "[[archive]]")?;
        writeln!(formatter, "uri = {}", quoted(&self.uri))?;
        writeln!(formatter, "suite = {}", quoted(&self.suite))?;
        writeln!(formatter, "codename = {}", quoted(&self.codename))?;
        if self.components != usual_components(&self.suite) {
            writeln!(formatter, "components = {}", list(&self.components))?;
        }
        writeln!(formatter, "date = {}", format_rfc3339(self.date))?;
        if self.freshness == Freshness::IgnoreValidUntil {
            writeln!(formatter, "check-valid-until = false")?;
        }
        writeln!(formatter, "release = \"{}\"", self.release)?;
        writeln!(formatter, "signers = {}", list(&self.signers))
    }
}

/// The components of a suite of which a lock says nothing: a directory has none.
fn usual_components(suite: &str) -> Vec<String> {
    if suite.ends_with('/') {
        return Vec::new();
    }
    vec!["main".to_owned()]
}

/// An array of TOML.
fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|one| quoted(one)).collect();
    format!("[{}]", quoted.join(", "))
}

impl LockedPackage {
    fn write(&self, formatter: &mut fmt::Formatter<'_>, of: &Architecture) -> fmt::Result {
        writeln!(formatter, "name = {}", quoted(&self.name))?;
        writeln!(formatter, "version = {}", quoted(self.version.as_str()))?;
        if self.architecture != *of {
            writeln!(formatter, "architecture = \"{}\"", self.architecture)?;
        }
        if self.source != self.name {
            writeln!(formatter, "source = {}", quoted(&self.source))?;
        }
        if self.source_version.as_str() != self.version.as_str() {
            let version = quoted(self.source_version.as_str());
            writeln!(formatter, "source-version = {version}")?;
        }
        writeln!(formatter, "archive = {}", self.archive)?;
        writeln!(formatter, "path = {}", quoted(&self.path))?;
        writeln!(formatter, "size = {}", self.size)?;
        writeln!(formatter, "sha256 = \"{}\"", self.sha256)
    }
}

/// `text` as a basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            other if other.is_control() => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
