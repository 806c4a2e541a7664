//! `jettison du`

use std::process::ExitCode;

use crate::cli::DuArgs;
use crate::failure::Failure;

pub(crate) fn run(_args: &DuArgs) -> Result<ExitCode, Failure> {
    Err(Failure::user("`jettison du` is not supported yet"))
}
