//! The control archive of a binary package.

use std::io::{self, Read as _};

use crate::compression::Compression;
use crate::deb::{ControlFile, DebError};

/// More files than any package has.
const FILE_LIMIT: usize = 10_000;

/// The regular files of the control archive.
pub(super) fn read_files(
    archive: &[u8],
    compression: Compression,
    limit: u64,
) -> Result<Vec<ControlFile>, DebError> {
    let fail = |source| DebError::ControlArchive { source };
    let reader = compression.reader(archive, limit).map_err(fail)?;
    let mut archive = tar::Archive::new(reader);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        if entry.header().entry_type().is_dir() {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return Err(fail(io::Error::other(
                "it holds something other than files",
            )));
        }
        if files.len() == FILE_LIMIT {
            return Err(fail(io::Error::other("it holds too many files")));
        }
        let name = file_name(&entry.path_bytes()).map_err(fail)?;
        let mode = entry.header().mode().map_err(fail)? & 0o7777;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(fail)?;
        files.push(ControlFile { name, mode, bytes });
    }
    Ok(files)
}

/// The name of a file that lies in no directory.
fn file_name(path: &[u8]) -> io::Result<String> {
    let path = std::str::from_utf8(path).map_err(|_| io::Error::other("a name is not UTF-8"))?;
    let name = path.strip_prefix("./").unwrap_or(path);
    if name.is_empty() || name.contains('/') || name == ".." || name == "." {
        return Err(io::Error::other("a file lies in a directory"));
    }
    Ok(name.to_owned())
}
