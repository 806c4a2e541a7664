//! The build engine: context, plan, cache, snapshots, execution and export.
//!
//! ```text
//! Dockerfile ─lower─► Plan ─execute─► snapshots ─► layers ─► Image
//! ```

#![forbid(unsafe_code)]

mod build;
mod cache;
mod cache_mounts;
mod context;
mod error;
mod event;
mod exec;
mod lower;
mod plan;
mod prune;
mod remotes;
mod secrets;
mod snapshot;
mod supply;
mod tree;
mod volumes;

pub use crate::build::{
    BuildRequest, Built, CacheExport, CacheUse, Engine, Keep, MountExport, StepRecord, timestamp,
};
pub use crate::cache::{
    ArtifactPlace, ArtifactSource, FileChange, FoundMount, FoundStep, KeyChange, KeyPart,
    MountArtifacts, MountSource, StepArtifacts, StepSource,
};
pub use crate::cache_mounts::{CacheMountEntry, CacheMounts};
pub use crate::context::{
    BuildContext, Content, ContentIndex, Contents, ContextError, ContextTree, DigestRules, Entries,
    Entry, EntryKind, FileIdentity, FileTime, OpenFile,
};
pub use crate::error::{BuildError, causes, messages, with_causes};
pub use crate::event::{Event, Reporter, Silent};
pub use crate::exec::{Certificates, CertificatesError, ImageProcess, RunHost, image_sandbox};
pub use crate::lower::{
    Bases, DEFAULT_PATH, Entitlement, Located, LowerError, LowerRequest, NamedContext, lower,
    proxies,
};
pub use crate::plan::{
    Archives, CacheSharing, Chmod, CopyDefinition, CopyFrom, CopyItem, Definition, EpochSource,
    FoundBase, Hints, Input, MountAttributes, Plan, PlannedBase, PlannedImage, RunDefinition,
    RunLimits, RunMount, RunMountKind, RunNetwork, RunScriptFile, RunSecurity, Step, StepId,
    WorkdirDefinition,
};
pub use crate::prune::{
    Freed, ItemKind, PruneRequest, Pruned, StoreItem, free_blobs, free_unneeded, prune, store_items,
};
pub use crate::remotes::{
    Checkout, FileRequest, GitCommit, GitMtime, GitRequest, NoRemotes, RemoteError, RemoteFile,
    Remotes, Submodules,
};
pub use crate::secrets::{NoSecrets, Secrets};
pub use crate::snapshot::{Active, Committed, Snapshot, Snapshots, layer_snapshot_name};
pub use crate::supply::Supplier;
pub use crate::volumes::{VolumeSeed, Volumes, is_volume_name};
