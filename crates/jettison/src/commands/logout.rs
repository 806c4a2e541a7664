//! `jettison logout`

use std::process::ExitCode;

use crate::cli::LogoutArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::registry::{Logins, server_name};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    args: &LogoutArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let registry = server_name(&args.server)?;
    let logins = Logins::new(surroundings)?;
    // Docker's words (docker/cli: `runLogout`, cli/command/registry/logout.go).
    output.line(&if logins.forget(&registry)? {
        format!("Removing login credentials for {registry}")
    } else {
        format!("Not logged in to {registry}")
    });
    Ok(ExitCode::SUCCESS)
}
