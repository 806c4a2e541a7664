//! The build engine: context, plan, cache, snapshots, execution and export.

#![forbid(unsafe_code)]
