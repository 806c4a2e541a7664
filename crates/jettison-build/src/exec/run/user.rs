//! Who a step or an image runs as.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jettison_sandbox::{ResolvedUser, UserError, resolve_user};

use crate::error::BuildError;
use crate::exec::files::{FileKind, Lookup, resolve};
use crate::exec::merged::Merged;

const PASSWD_LIMIT: u64 = 10 << 20;

/// The user that `text` names in the file system of `lowers`, and its home directory.
pub(super) fn find_user(
    lowers: &[PathBuf],
    text: &str,
) -> Result<Result<ResolvedUser, UserError>, BuildError> {
    let read = |path: &str| text_of(lowers, Path::new(path), PASSWD_LIMIT);
    let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
    Ok(resolve_user(text, &passwd, &group))
}

/// The text of the file `path` of the file system of `lowers`, of which nothing has to be mounted for this; empty if
/// there is no such file. At most `limit` bytes are read.
pub(super) fn text_of(lowers: &[PathBuf], path: &Path, limit: u64) -> Result<String, BuildError> {
    let read = || -> io::Result<String> {
        let merged = Merged::open(lowers)?;
        let real = resolve(&merged, path)?;
        let node = merged.node(&real)?;
        let Some(node) = node.filter(|node| node.meta.kind == FileKind::File) else {
            return Ok(String::new());
        };
        let mut bytes = Vec::new();
        node.open()?.content.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(|source| BuildError::io("read", path, source))
}
