//! Who a step or an image runs as.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jettison_sandbox::{ResolvedUser, UserError, resolve_user};

use crate::error::BuildError;
use crate::exec::files::{FileKind, Lookup, Node, resolve};
use crate::exec::merged::Merged;
use crate::snapshot::Snapshots;

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

/// The same where `snapshots` knows which of `lowers` have something at `/etc`: in a long chain of steps few have, and
/// opening all others for each step would cost more the longer it is.
pub(super) fn find_user_among(
    snapshots: &Snapshots,
    lowers: &[PathBuf],
    text: &str,
) -> Result<Result<ResolvedUser, UserError>, BuildError> {
    let directory = Path::new("etc");
    let files = || -> io::Result<Option<(String, String)>> {
        let merged = Merged::open(&snapshots.with_etc(lowers))?;
        // A link may lead to any layer.
        let is_plain =
            |node: &Option<Node>, kind| node.as_ref().is_none_or(|node| node.meta.kind == kind);
        if !is_plain(&merged.node(directory)?, FileKind::Directory) {
            return Ok(None);
        }
        let mut texts = [String::new(), String::new()];
        for (name, text) in ["passwd", "group"].iter().zip(&mut texts) {
            let node = merged.node(&directory.join(name))?;
            if !is_plain(&node, FileKind::File) {
                return Ok(None);
            }
            *text = content(node, PASSWD_LIMIT)?;
        }
        let [passwd, group] = texts;
        Ok(Some((passwd, group)))
    };
    let found = files().map_err(|source| BuildError::io("read", directory, source))?;
    match found {
        Some((passwd, group)) => Ok(resolve_user(text, &passwd, &group)),
        None => find_user(lowers, text),
    }
}

/// The text of a file, of which at most `limit` bytes are read; empty if it is no regular file.
fn content(node: Option<Node>, limit: u64) -> io::Result<String> {
    let Some(node) = node.filter(|node| node.meta.kind == FileKind::File) else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    node.open()?.content.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text of the file `path` of the file system of `lowers`, of which nothing has to be mounted for this; empty if
/// there is no such file. At most `limit` bytes are read.
pub(super) fn text_of(lowers: &[PathBuf], path: &Path, limit: u64) -> Result<String, BuildError> {
    let read = || -> io::Result<String> {
        let merged = Merged::open(lowers)?;
        let real = resolve(&merged, path)?;
        content(merged.node(&real)?, limit)
    };
    read().map_err(|source| BuildError::io("read", path, source))
}
