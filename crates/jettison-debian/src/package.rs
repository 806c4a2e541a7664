//! One binary package of an index.

use std::fmt;

use crate::arch::{Architecture, is_architecture};
use crate::archive::{ArchiveError, check_file};
use crate::deb822::field_of;
use crate::digest::Sha256;
use crate::packages::{IndexText, PackageId};
use crate::relation::{Relation, RelationError, check_package_name, parse_relations};
use crate::version::{Version, is_version};

/// What an index says of a package. Cheap to copy; the fields are read from the text when they are asked for.
#[derive(Clone, Copy)]
pub struct Package<'a> {
    // Invariant: the six parts are there and well-formed, as `packages::scan` finds out.
    stanza: &'a str,
    text: &'a IndexText,
    id: PackageId,
}

/// A field that every package has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackagePart {
    /// `Package`
    Name,
    /// `Version`
    Version,
    /// `Architecture`
    Architecture,
    /// `Filename`
    FileName,
    /// `Size`
    Size,
    /// `SHA256`
    Digest,
}

/// How much a package matters to a system, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Without it the system breaks.
    Required,
    /// Anyone who knows Unix expects it.
    Important,
    /// A text-mode system has it.
    Standard,
    /// All others.
    Optional,
    /// The former name for those that conflict with others; packages without a priority count as these.
    Extra,
}

/// How packages of several architectures go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiArch {
    /// They do not.
    No,
    /// They can be installed at the same time.
    Same,
    /// One serves packages of all architectures.
    Foreign,
    /// One serves packages of other architectures that ask for `:any`.
    Allowed,
}

/// What was found to be there and well-formed when the index was read.
fn presume<T>(field: Option<T>) -> T {
    field.expect("loading the index has read this field")
}

impl<'a> Package<'a> {
    /// The package that the index was checked for.
    pub(crate) fn new(stanza: &'a str, text: &'a IndexText, id: PackageId) -> Package<'a> {
        Package { stanza, text, id }
    }

    /// Its number in the index.
    pub fn id(&self) -> PackageId {
        self.id
    }

    /// The whole stanza.
    pub fn control(&self) -> &'a str {
        self.stanza
    }

    /// The value of the field called `name`.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        field_of(self.stanza, name)
    }

    fn part(&self, part: PackagePart) -> &'a str {
        presume(self.field(part.field_name()))
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.part(PackagePart::Name)
    }

    /// Its version.
    pub fn version(&self) -> Version {
        presume(self.part(PackagePart::Version).parse().ok())
    }

    /// Its architecture, possibly `all`.
    pub fn architecture(&self) -> Architecture {
        presume(self.part(PackagePart::Architecture).parse().ok())
    }

    /// The path of its `.deb` below the archive's URI.
    pub fn filename(&self) -> &'a str {
        self.part(PackagePart::FileName)
    }

    /// The size of its `.deb` in bytes.
    pub fn size(&self) -> u64 {
        presume(self.part(PackagePart::Size).parse().ok())
    }

    /// The digest of its `.deb`.
    pub fn sha256(&self) -> Sha256 {
        presume(self.part(PackagePart::Digest).parse().ok())
    }

    /// Whether every Debian system must have it.
    pub fn essential(&self) -> bool {
        self.field("Essential") == Some("yes")
    }

    /// How much it matters.
    pub fn priority(&self) -> Priority {
        match self.field("Priority") {
            Some("required") => Priority::Required,
            Some("important") => Priority::Important,
            Some("standard") => Priority::Standard,
            Some("optional") => Priority::Optional,
            Some(_) | None => Priority::Extra,
        }
    }

    /// How it goes together with packages of other architectures.
    pub fn multi_arch(&self) -> MultiArch {
        match self.field("Multi-Arch") {
            Some("same") => MultiArch::Same,
            Some("foreign") => MultiArch::Foreign,
            Some("allowed") => MultiArch::Allowed,
            Some(_) | None => MultiArch::No,
        }
    }

    /// Roughly how many bytes it takes when installed, where the index says so.
    pub fn installed_size(&self) -> Option<u64> {
        let size_kib: u64 = self.field("Installed-Size")?.parse().ok()?;
        size_kib.checked_mul(1024)
    }

    /// The name and, where it differs, the version of its source package.
    pub fn source(&self) -> (&'a str, Option<&'a str>) {
        source_package(self.field("Source")).unwrap_or((self.name(), None))
    }

    /// The relations in the field called `name`, such as `Recommends`.
    pub fn relations(&self, name: &str) -> Result<Vec<Relation>, RelationError> {
        parse_relations(self.field(name).unwrap_or_default())
    }

    /// What it needs in order to work.
    pub fn depends(&self) -> Result<Vec<Relation>, RelationError> {
        self.relations("Depends")
    }

    /// What it needs in order to be unpacked.
    pub fn pre_depends(&self) -> Result<Vec<Relation>, RelationError> {
        self.relations("Pre-Depends")
    }

    /// What it cannot be installed with.
    pub fn conflicts(&self) -> Result<Vec<Relation>, RelationError> {
        self.relations("Conflicts")
    }

    /// What it breaks.
    pub fn breaks(&self) -> Result<Vec<Relation>, RelationError> {
        self.relations("Breaks")
    }

    /// The virtual packages that it provides.
    pub fn provides(&self) -> Vec<Relation> {
        presume(self.relations("Provides").ok())
    }

    /// The versions in which it provides the virtual package `name`.
    pub(crate) fn provided_versions(&self, name: &str) -> Vec<Option<Version>> {
        let relations = self.provides();
        let alternatives = relations.iter().flat_map(Relation::alternatives);
        alternatives
            .filter(|alternative| alternative.name() == name)
            .map(|alternative| {
                let constraint = alternative.constraint.as_ref();
                constraint.map(|constraint| constraint.version.clone())
            })
            .collect()
    }

    /// The archive's URI.
    pub fn archive_uri(&self) -> &'a str {
        &self.text.uri
    }

    /// The position of its archive among the sources that were loaded together.
    pub fn archive(&self) -> usize {
        self.text.archive
    }

    /// Where its `.deb` is.
    pub fn url(&self) -> String {
        format!(
            "{}/{}",
            self.text.uri.trim_end_matches('/'),
            self.filename()
        )
    }

    /// Checks that `bytes` are the `.deb` that the index promises.
    pub fn check_file(&self, bytes: &[u8]) -> Result<(), ArchiveError> {
        check_file(&self.url(), bytes, self.size(), self.sha256())
    }
}

/// The source package that a field `Source` names: `name`, or `name (version)`.
pub(crate) fn source_package(field: Option<&str>) -> Option<(&str, Option<&str>)> {
    let field = field?;
    let Some((name, rest)) = field.split_once('(') else {
        return Some((field, None));
    };
    let version = rest.trim_end().trim_end_matches(')').trim();
    Some((name.trim_end(), Some(version)))
}

impl fmt::Debug for Package<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Package({} {})", self.name(), self.version())
    }
}

impl PartialEq for Package<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.stanza == other.stanza && self.text.uri == other.text.uri
    }
}

impl Eq for Package<'_> {}

impl PackagePart {
    pub(crate) const ALL: [PackagePart; 6] = [
        PackagePart::Name,
        PackagePart::Version,
        PackagePart::Architecture,
        PackagePart::FileName,
        PackagePart::Size,
        PackagePart::Digest,
    ];

    pub(crate) fn field_name(self) -> &'static str {
        match self {
            PackagePart::Name => "Package",
            PackagePart::Version => "Version",
            PackagePart::Architecture => "Architecture",
            PackagePart::FileName => "Filename",
            PackagePart::Size => "Size",
            PackagePart::Digest => "SHA256",
        }
    }

    pub(crate) fn is_well_formed(self, value: &str) -> bool {
        match self {
            PackagePart::Name => check_package_name(value).is_ok(),
            PackagePart::Version => is_version(value),
            PackagePart::Architecture => is_architecture(value),
            PackagePart::FileName => is_file_name(value),
            PackagePart::Size => value.parse::<u64>().is_ok(),
            PackagePart::Digest => {
                value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
        }
    }
}

/// Whether `path` is a plain path that stays below the archive's URI.
pub(crate) fn is_file_name(path: &str) -> bool {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    let leaves = path.starts_with('/') || path.split('/').any(|part| part == "..");
    is_plain && !leaves && !path.is_empty()
}

impl fmt::Display for PackagePart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            PackagePart::Name => "name",
            PackagePart::Version => "version",
            PackagePart::Architecture => "architecture",
            PackagePart::FileName => "file name",
            PackagePart::Size => "size",
            PackagePart::Digest => "SHA-256",
        })
    }
}
