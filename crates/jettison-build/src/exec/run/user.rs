//! Who a step or an image runs as.

use std::path::{Path, PathBuf};

use jettison_sandbox::{Entered, ResolvedUser, UserError, resolve_user};

use crate::error::BuildError;
use crate::exec::run::layers::text_of;

const PASSWD_LIMIT: u64 = 10 << 20;

/// The user that `text` names in the file system of `lowers`, and its home directory.
pub(super) fn find_user(
    entered: &Entered,
    lowers: &[PathBuf],
    text: &str,
) -> Result<Result<ResolvedUser, UserError>, BuildError> {
    let read = |path: &str| text_of(entered, lowers, Path::new(path), PASSWD_LIMIT);
    let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
    Ok(resolve_user(text, &passwd, &group))
}
