//! The build engine: context, plan, cache, snapshots, execution and export.
//!
//! ```text
//! Dockerfile ─lower─► Plan ─execute─► snapshots ─► layers ─► Image
//! ```

#![forbid(unsafe_code)]

mod build;
mod cache;
mod context;
mod error;
mod event;
mod exec;
mod lower;
mod plan;
mod snapshot;
mod tree;

pub use crate::build::{BuildRequest, Built, CacheUse, Engine, StepRecord};
pub use crate::context::{
    BuildContext, Content, ContentIndex, Contents, ContextError, ContextTree, DigestRules, Entries,
    Entry, EntryKind, FileIdentity, FileTime, OpenFile,
};
pub use crate::error::BuildError;
pub use crate::event::{Event, Reporter, Silent};
pub use crate::exec::{ImageProcess, RunHost, image_sandbox};
pub use crate::lower::{Bases, DEFAULT_PATH, Located, LowerError, LowerRequest, lower, proxies};
pub use crate::plan::{
    CopyDefinition, CopyFrom, Definition, Hints, Input, Plan, PlannedBase, PlannedImage,
    RunDefinition, RunNetwork, Step, StepId, WorkdirDefinition,
};
pub use crate::snapshot::{Active, Committed, Snapshot, Snapshots, layer_snapshot_name};
