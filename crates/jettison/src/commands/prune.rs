//! `jettison prune`

use std::process::ExitCode;

use crate::cli::PruneArgs;
use crate::failure::Failure;

pub(crate) fn run(_args: &PruneArgs) -> Result<ExitCode, Failure> {
    Err(Failure::user("`jettison prune` is not supported yet"))
}
