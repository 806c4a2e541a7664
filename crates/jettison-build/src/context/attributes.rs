//! The extended attributes that enter a key.

use std::io;
use std::os::fd::AsFd;

use crate::context::file_digest::FileDigest;

use crate::exec::attribute_lines;

/// What the attributes of an open file that belong to its content hash to; `None` if it has none.
pub(crate) fn attributes_digest(file: impl AsFd) -> io::Result<Option<FileDigest>> {
    let lines = attribute_lines(file)?;
    Ok((!lines.is_empty()).then(|| FileDigest::of(lines.join("\n").as_bytes())))
}
