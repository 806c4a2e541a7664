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
mod lock;
mod package;
mod packages;
mod policy;
mod relation;
mod release;
mod solve;
mod sources;
mod status;
mod universe;
mod version;

pub use crate::arch::{Architecture, ArchitectureError};
pub use crate::archive::{Archive, ArchiveError, Supply, VerifiedSuite};
pub use crate::base::{Variant, base_roots};
pub use crate::deb::{ControlFile, Deb, DebError, Md5Sum};
pub use crate::deb822::{Deb822Error, Field, Stanza, parse_stanzas};
pub use crate::digest::{Sha256, Sha256Error};
pub use crate::fetch::{Fetch, FetchError, Fetched, IndexCache, KeptRelease, NoIndexCache};
pub use crate::keyring::{Keyring, KeyringError};
pub use crate::lock::{
    Lock, LockError, LockedArchive, LockedPackage, PackageFile, SnapshotArchive, parse_lock,
};
pub use crate::package::{MultiArch, Package, PackagePart, Priority};
pub use crate::packages::{PackageId, PackagesError, PackagesIndex};
pub use crate::policy::{PackageRequest, Pin, PinnedVersions};
pub use crate::relation::{
    Alternative, ArchitectureQualifier, ArchitectureRestriction, Operator, Relation, RelationError,
    VersionConstraint, parse_relations,
};
pub use crate::release::{Freshness, Release, ReleaseError, verify_inrelease, verify_release};
pub use crate::solve::{
    Chosen, DependencyField, Reason, Resolution, SolveError, SolveOptions, Unsatisfied,
    exact_packages, resolve, unsatisfied,
};
pub use crate::sources::{AptSource, SignedBy, SourcesError, SourcesFormat, apt_sources};
pub use crate::status::{InstallStatus, InstalledPackage, parse_status};
pub use crate::universe::{ArchiveSource, Downgrade, Sources, Universe, load_universe};
pub use crate::version::{Version, VersionError};
