//! Reads tars entry by entry, with names that are safe and headers that are bounded.
//!
//! Extended headers are read here and not by the `tar` crate, which takes a line feed in a value,
//! as a capability set may have one, for the end of the value.

mod block;
mod extension;
mod sparse;

pub(crate) use crate::changeset::entry::block::{
    archive_error, natural, padding, read_extension, read_header,
};
pub(crate) use crate::changeset::entry::extension::{Extension, Names};

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::changeset::LayerError;
use crate::changeset::entry::block::{skip, until_nul};
use crate::changeset::entry::sparse::SparseMap;
use crate::changeset::header::SIZE;
use crate::changeset::root::to_path;
use crate::changeset::xattr::Xattrs;

/// What the name of a whiteout starts with.
pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// What an entry of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Another name of the file at this path.
    HardLink(Vec<u8>),
    /// A symlink with this target, which may be anything.
    Symlink(Vec<u8>),
    /// A character device with these numbers, major and minor.
    CharDevice(u32, u32),
    /// A block device with these numbers, major and minor.
    BlockDevice(u32, u32),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// An entry of an archive or a layer: all that is said about a file but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path below the archive's top: no `.`, no `..`, no empty parts, no slash at either end.
    ///
    /// The top's own is empty.
    pub path: Vec<u8>,
    /// What the entry is.
    pub kind: EntryKind,
    /// The permission bits, set-user-ID, set-group-ID and sticky bits included.
    pub mode: u32,
    /// The owning user.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The time of modification: seconds since 1970, and nanoseconds. A layer keeps the seconds.
    pub mtime: (i64, u32),
    /// The size of a regular file in bytes; others have none.
    pub size: u64,
    /// The extended attributes.
    pub xattrs: Xattrs,
}

impl Entry {
    /// An entry that says nothing but a path and a kind.
    pub fn new(path: &[u8], kind: EntryKind) -> Entry {
        Entry {
            path: path.to_vec(),
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            size: 0,
            xattrs: Xattrs::new(),
        }
    }

    /// The path for messages.
    pub(crate) fn to_path(&self) -> PathBuf {
        to_path(&self.path)
    }
}

/// Calls `visit` with each entry of the tar that `reader` gives, and with its content.
///
/// What `visit` does not read is passed over. Names of entries are safe: an archive with one that would lead out of a
/// directory is an error. Targets of symlinks may be anything.
pub fn each_entry<R: Read>(
    reader: R,
    visit: impl FnMut(Entry, &mut EntryContent<'_>) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    each_named(reader, Names::Safe, visit)
}

/// Calls `visit` as [`each_entry`] does, with names that were read as `names` says.
pub(crate) fn each_named<R: Read>(
    mut reader: R,
    names: Names,
    mut visit: impl FnMut(Entry, &mut EntryContent<'_>) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    let mut extension = Extension::new(names);
    while let Some(header) = read_header(&mut reader)? {
        let flag = header.entry_type().as_byte();
        let size = natural(&header, SIZE)?;
        match flag {
            b'x' => extension.add_records(&read_extension(&mut reader, size)?)?,
            b'L' => extension.name = Some(until_nul(read_extension(&mut reader, size)?)),
            b'K' => extension.link = Some(until_nul(read_extension(&mut reader, size)?)),
            // What is said about all entries is a comment of git's; no layer needs it.
            b'g' => drop(read_extension(&mut reader, size)?),
            _ => {
                let described =
                    std::mem::replace(&mut extension, Extension::new(names)).apply(&header)?;
                let (entry, sparse) = described.sparse_map(&header, &mut reader)?;
                let path = entry.to_path();
                let mut content = EntryContent::new(&mut reader, &entry, sparse);
                let padding = padding(content.stored);
                visit(entry, &mut content)?;
                let left = content.stored_left;
                skip(&mut reader, left).map_err(|error| truncated(error, path))?;
                skip(&mut reader, padding).map_err(archive_error)?;
            }
        }
    }
    Ok(())
}

/// The content of an entry.
pub struct EntryContent<'r> {
    reader: &'r mut dyn Read,
    /// How many bytes the archive has of it, holes left out, and how many of these are still to be read.
    stored: u64,
    stored_left: u64,
    /// Where these bytes belong, if not one behind the other.
    sparse: Option<SparseMap>,
    size: u64,
    place: u64,
}

impl<'r> EntryContent<'r> {
    fn new(reader: &'r mut dyn Read, entry: &Entry, sparse: Option<SparseMap>) -> Self {
        let stored = sparse.as_ref().map_or(entry.size, SparseMap::stored);
        EntryContent {
            reader,
            stored,
            stored_left: stored,
            sparse,
            size: entry.size,
            place: 0,
        }
    }

    /// Passes over the zeros that the archive does not have, if they come next, and says how many they are.
    pub fn skip_hole(&mut self) -> u64 {
        let hole = self.hole();
        self.place += hole;
        hole
    }

    /// How many zeros come next that are not in the archive.
    fn hole(&self) -> u64 {
        let sparse = self.sparse.as_ref();
        sparse.map_or(0, |sparse| sparse.hole_at(self.place, self.size))
    }

    /// How many bytes come next that are in the archive.
    fn data(&self) -> u64 {
        match &self.sparse {
            Some(sparse) => sparse.data_at(self.place),
            None => self.stored_left,
        }
    }
}

/// All of the content, with the zeros of holes. Content that ends too early in the archive ends too early here.
impl Read for EntryContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let fitting = |length: u64| {
            usize::try_from(length)
                .unwrap_or(buffer.len())
                .min(buffer.len())
        };
        let hole = fitting(self.hole());
        if hole > 0 {
            buffer[..hole].fill(0);
            self.place += hole as u64;
            return Ok(hole);
        }
        let want = fitting(self.data());
        // Not every reader takes kindly to be asked for nothing.
        if want == 0 {
            return Ok(0);
        }
        let n_read = self.reader.read(&mut buffer[..want])?;
        self.stored_left -= n_read as u64;
        self.place += n_read as u64;
        Ok(n_read)
    }
}

impl fmt::Debug for EntryContent<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EntryContent")
            .field("size", &self.size)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// `name` without its needless parts, if it cannot lead out of a directory.
///
/// `..` takes back the part before it, as in Go's `filepath.Clean`, by which moby and containerd read names. At the
/// start of an absolute name it means nothing, as it does in the file system.
pub(crate) fn safe_path(name: &[u8]) -> Result<Vec<u8>, LayerError> {
    let is_unsafe = || LayerError::UnsafeName {
        path: to_path(name),
    };
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if !path.is_empty() => {
                let last = path.iter().rposition(|&byte| byte == b'/');
                path.truncate(last.unwrap_or_default());
            }
            b".." if name.starts_with(b"/") => {}
            b".." => return Err(is_unsafe()),
            part if part.contains(&0) => return Err(is_unsafe()),
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    Ok(path)
}

/// Says that reading the content of an entry failed.
fn truncated(error: io::Error, path: PathBuf) -> LayerError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => LayerError::Truncated { path },
        _ => archive_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_path_has_only_names() {
        for (name, expected) in [
            ("./usr//bin/.", Some("usr/bin")),
            ("/etc/passwd", Some("etc/passwd")),
            ("./", Some("")),
            ("a/../b", Some("b")),
            ("a/b/../../c/..", Some("")),
            ("/../../a", Some("a")),
            ("..", None),
            ("a/../../b", None),
            ("./..", None),
            ("a\0b", None),
            ("...", Some("...")),
        ] {
            let path = safe_path(name.as_bytes()).ok();
            assert_eq!(path.as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }
}
