//! Debian archives: signed indexes, packages, versions, relations and their solution.
//!
//! Nothing here looks at the machine: files come in as bytes, through [`Fetch`], and the time is an argument.

#![forbid(unsafe_code)]

mod arch;
mod archive;
mod base;
mod cleartext;
mod compression;
mod date;
mod deb;
mod deb822;
mod digest;
mod fetch;
mod keyring;
mod package;
mod packages;
mod relation;
mod release;
mod solve;
mod sources;
mod status;
mod version;

pub use crate::arch::{Architecture, ArchitectureError};
pub use crate::archive::{Archive, ArchiveError, Suite, load_suite};
pub use crate::base::{Variant, base_roots};
pub use crate::deb::{ControlFile, Deb, DebError, Md5Sum};
pub use crate::deb822::{Deb822Error, Field, Stanza, parse_stanzas};
pub use crate::digest::{Sha256, Sha256Error};
pub use crate::fetch::{Fetch, FetchError};
pub use crate::keyring::{Keyring, KeyringError};
pub use crate::package::{MultiArch, Package, PackagePart, Priority};
pub use crate::packages::{PackageId, PackagesError, PackagesIndex};
pub use crate::relation::{
    Alternative, ArchitectureQualifier, ArchitectureRestriction, Operator, Relation, RelationError,
    VersionConstraint, parse_relations,
};
pub use crate::release::{Freshness, Release, ReleaseError, verify_inrelease};
pub use crate::solve::{SolveError, SolveOptions, solve};
pub use crate::sources::{AptSource, SignedBy, SourcesError, SourcesFormat, apt_sources};
pub use crate::status::{InstallStatus, InstalledPackage, parse_status};
pub use crate::version::{Version, VersionError};
