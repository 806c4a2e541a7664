//! Carrying out single steps.

mod attributes;
mod copy;
mod owner;
mod pattern;
mod run;
mod select;

pub(crate) use crate::exec::attributes::attribute_lines;
pub(crate) use crate::exec::copy::{CopyFailure, copy_files, make_workdir};
pub use crate::exec::run::{Certificates, CertificatesError, ImageProcess, RunHost, image_sandbox};
pub(crate) use crate::exec::run::{RunError, RunSurroundings, run_command};
pub(crate) use crate::exec::select::{SelectError, Selection, Source, digest_lines, select};
