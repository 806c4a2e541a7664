//! Carrying out single steps.

mod attributes;
mod copy;
mod files;
mod merged;
mod plain;
mod run;

pub(crate) use crate::exec::attributes::attribute_lines;
pub(crate) use crate::exec::copy::{
    ChangedPath, Changes, CopyFailure, CopyWork, Fetched, MissingPath, Outputs, Owners, Source,
    Unread, workdir,
};
pub(crate) use crate::exec::files::resolve;
pub(crate) use crate::exec::merged::Merged;
pub(crate) use crate::exec::plain::PlainFiles;
pub use crate::exec::run::{Certificates, CertificatesError, ImageProcess, RunHost, image_sandbox};
pub(crate) use crate::exec::run::{RunError, RunSurroundings, cache_mount_key, run_command};
