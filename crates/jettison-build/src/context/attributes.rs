//! The extended attributes that enter a key.

use std::io;
use std::os::fd::AsFd;

use jettison_oci::Digest;

use crate::exec::attribute_lines;

/// What the attributes of an open file that belong to its content hash to; `None` if it has none.
pub(crate) fn attributes_digest(file: impl AsFd) -> io::Result<Option<Digest>> {
    let lines = attribute_lines(file)?;
    Ok((!lines.is_empty()).then(|| Digest::of(lines.join("\n").as_bytes())))
}
