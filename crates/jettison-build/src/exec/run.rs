//! Running commands: a RUN's, and an image's own.

mod agent;
mod certificates;
mod command;
mod host;
mod image;
mod mounts;
mod names;
mod user;

pub use crate::exec::run::certificates::{Certificates, CertificatesError};
pub(crate) use crate::exec::run::command::{RunError, RunSurroundings, run_command};
pub use crate::exec::run::host::RunHost;
pub use crate::exec::run::image::{ImageProcess, image_sandbox};
pub(crate) use crate::exec::run::mounts::cache_mount_key;
