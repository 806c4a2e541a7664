//! Reads tars entry by entry, with names that are safe and headers that are bounded.
//!
//! Extended headers are read here and not by the `tar` crate, which takes a line feed in a value,
//! as a capability set may have one, for the end of the value.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::changeset::LayerError;
use crate::changeset::header::BLOCK;
use crate::changeset::root::to_path;
use crate::changeset::xattr::Xattrs;

/// What the name of a whiteout starts with.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// How long an extended header or a long name may be. Attributes are at most 64 KiB each.
const LARGEST_EXTENSION: u64 = 4 << 20;
/// How many bytes are passed over at once.
const SKIP_SIZE: usize = 8 << 10;

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
pub(crate) fn each_entry<R: Read>(
    mut reader: R,
    mut visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    let mut extension = Extension::default();
    while let Some(header) = read_header(&mut reader)? {
        let flag = header.entry_type().as_byte();
        let size = header.entry_size().map_err(archive_error)?;
        match flag {
            b'x' => extension.records = pax_records(&read_extension(&mut reader, size)?)?,
            b'L' => extension.name = Some(until_nul(read_extension(&mut reader, size)?)),
            b'K' => extension.link = Some(until_nul(read_extension(&mut reader, size)?)),
            // What is said about all entries is a comment of git's; no layer needs it.
            b'g' => drop(read_extension(&mut reader, size)?),
            _ => {
                let entry = std::mem::take(&mut extension).apply(&header)?;
                let path = entry.to_path();
                let mut content = Content {
                    reader: &mut reader,
                    left: entry.size,
                };
                let padding = padding(entry.size);
                visit(entry, &mut content)?;
                let left = content.left;
                skip(&mut reader, left).map_err(|error| truncated(error, path))?;
                skip(&mut reader, padding).map_err(archive_error)?;
            }
        }
    }
    Ok(())
}

/// The next header, or `None` at the end of the archive.
fn read_header(reader: &mut impl Read) -> Result<Option<tar::Header>, LayerError> {
    let mut header = tar::Header::new_old();
    let block = header.as_mut_bytes();
    let mut filled = 0;
    while filled < BLOCK {
        match reader.read(&mut block[filled..]) {
            // Some archives end without the two empty blocks.
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(archive_error(io::ErrorKind::UnexpectedEof.into())),
            Ok(n_read) => filled += n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(archive_error(error)),
        }
    }
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    // The checksum is that of a header with eight spaces in its place.
    let others = block[..148].iter().chain(&block[156..]);
    let sum = others.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
    if header.cksum().map_err(archive_error)? != sum {
        return Err(damaged("a header's checksum is wrong"));
    }
    Ok(Some(header))
}

/// The content of an extended header.
fn read_extension(reader: &mut impl Read, size: u64) -> Result<Vec<u8>, LayerError> {
    if size > LARGEST_EXTENSION {
        return Err(damaged("an extended header is too large"));
    }
    let mut content = Vec::new();
    reader
        .take(size)
        .read_to_end(&mut content)
        .map_err(archive_error)?;
    if content.len() as u64 != size {
        return Err(archive_error(io::ErrorKind::UnexpectedEof.into()));
    }
    skip(reader, padding(size)).map_err(archive_error)?;
    Ok(content)
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|&byte| byte == 0);
    name.truncate(end.unwrap_or(name.len()));
    name
}

/// How many bytes follow content of `size` bytes to fill a block.
fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}

fn skip(reader: &mut impl Read, mut left: u64) -> io::Result<()> {
    let mut buffer = [0; SKIP_SIZE];
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(SKIP_SIZE).min(SKIP_SIZE);
        match reader.read(&mut buffer[..want]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n_read) => left -= n_read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The content of an entry.
struct Content<'r, R> {
    reader: &'r mut R,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left)
            .unwrap_or(buffer.len())
            .min(buffer.len());
        let n_read = self.reader.read(&mut buffer[..want])?;
        self.left -= n_read as u64;
        Ok(n_read)
    }
}

/// What extended headers say about the next entry.
#[derive(Default)]
struct Extension {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extension {
    /// A value; an empty one takes back what was said.
    fn value(&self, key: &str) -> Option<&[u8]> {
        self.records
            .get(key.as_bytes())
            .map(Vec::as_slice)
            .filter(|value| !value.is_empty())
    }

    /// A number in the extended header, else the one in the header itself.
    fn number(&self, key: &str, header: io::Result<u64>) -> Result<u64, LayerError> {
        let Some(value) = self.value(key) else {
            return header.map_err(archive_error);
        };
        let number = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        number.ok_or_else(|| damaged("an extended header has a number that is none"))
    }

    /// The entry that `header` and this say.
    fn apply(self, header: &tar::Header) -> Result<Entry, LayerError> {
        let name = self
            .value("path")
            .map(<[u8]>::to_vec)
            .or_else(|| self.name.clone());
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let is_sparse = self
            .records
            .keys()
            .any(|key| key.starts_with(b"GNU.sparse."));
        if is_sparse {
            return Err(LayerError::UnknownKind {
                path: to_path(&name),
                kind: b'S',
            });
        }
        let kind = self.kind(header, &name)?;
        let mut entry = Entry {
            path: safe_path(&name)?,
            mode: header.mode().map_err(archive_error)? & 0o7777,
            uid: owner(self.number("uid", header.uid())?)?,
            gid: owner(self.number("gid", header.gid())?)?,
            mtime: self.mtime(header)?,
            size: 0,
            kind,
            xattrs: Xattrs::new(),
        };
        // Other kinds have no content, whatever their headers say.
        if entry.kind == EntryKind::File {
            entry.size = self.number("size", header.entry_size())?;
        }
        for (key, value) in self.records {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                entry.xattrs.insert(name.to_vec(), value);
            }
        }
        Ok(entry)
    }

    fn kind(&self, header: &tar::Header, name: &[u8]) -> Result<EntryKind, LayerError> {
        let number = |value: io::Result<Option<u32>>| value.map_err(archive_error);
        let device = || {
            let major = number(header.device_major())?.unwrap_or_default();
            Ok((major, number(header.device_minor())?.unwrap_or_default()))
        };
        let link = || {
            let link = self
                .value("linkpath")
                .map(<[u8]>::to_vec)
                .or_else(|| self.link.clone());
            let in_header = || header.link_name_bytes().unwrap_or_default().into_owned();
            link.unwrap_or_else(in_header)
        };
        Ok(match header.entry_type().as_byte() {
            // Before there was a kind for them, directories were files whose names end so.
            b'0' | 0 | b'7' if name.ends_with(b"/") => EntryKind::Directory,
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => EntryKind::HardLink(safe_path(&link())?),
            b'2' => EntryKind::Symlink(link()),
            b'3' => device().map(|(major, minor)| EntryKind::CharDevice(major, minor))?,
            b'4' => device().map(|(major, minor)| EntryKind::BlockDevice(major, minor))?,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            kind => {
                return Err(LayerError::UnknownKind {
                    path: to_path(name),
                    kind,
                });
            }
        })
    }

    fn mtime(&self, header: &tar::Header) -> Result<(i64, u32), LayerError> {
        let Some(value) = self.value("mtime") else {
            let mtime = header.mtime().map_err(archive_error)?;
            return Ok((i64::try_from(mtime).unwrap_or(i64::MAX), 0));
        };
        let time = str::from_utf8(value).ok().and_then(pax_time);
        time.ok_or_else(|| damaged("an extended header has a time that is none"))
    }
}

/// The records of an extended header: `<length> <key>=<value>\n`, where the length counts itself.
fn pax_records(mut content: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, LayerError> {
    let mut records = BTreeMap::new();
    while !content.is_empty() {
        let (key, value, rest) =
            pax_record(content).ok_or_else(|| damaged("an extended header is malformed"))?;
        records.insert(key.to_vec(), value.to_vec());
        content = rest;
    }
    Ok(records)
}

/// The key and the value of the first record, and what follows it.
fn pax_record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = content.iter().position(|&byte| byte == b' ')?;
    let length: usize = str::from_utf8(&content[..space]).ok()?.parse().ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// A user or group; the last number means "leave it" to the kernel and is nobody's.
fn owner(id: u64) -> Result<u32, LayerError> {
    match u32::try_from(id) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(damaged("an entry's owner is not a user or group")),
    }
}

/// `[-]seconds[.fraction]`, rounded down.
fn pax_time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits = &fraction[..fraction.len().min(9)];
    let nanos = format!("{digits:0<9}").parse().ok()?;
    match nanos {
        0 => Some((seconds, 0)),
        nanos if whole.starts_with('-') => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos)),
        nanos => Some((seconds, nanos)),
    }
}

/// `name` without its needless parts, if it cannot lead out of a directory.
pub(crate) fn safe_path(name: &[u8]) -> Result<Vec<u8>, LayerError> {
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            part if part == b".." || part.contains(&0) => {
                return Err(LayerError::UnsafeName {
                    path: to_path(name),
                });
            }
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

/// Says that the archive cannot be read.
fn archive_error(source: io::Error) -> LayerError {
    LayerError::Archive { source }
}

/// Says that the archive is wrong.
fn damaged(reason: &'static str) -> LayerError {
    archive_error(io::Error::new(io::ErrorKind::InvalidData, reason))
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
    fn times_are_rounded_down() {
        for (text, expected) in [
            ("7", Some((7, 0))),
            ("7.5", Some((7, 500_000_000))),
            ("7.0000000019", Some((7, 1))),
            ("-1.25", Some((-2, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("", None),
            ("1.x", None),
            ("1.é", None),
        ] {
            assert_eq!(pax_time(text), expected, "{text}");
        }
    }

    #[test]
    fn a_safe_path_has_only_names() {
        for (name, expected) in [
            ("./usr//bin/.", Some("usr/bin")),
            ("/etc/passwd", Some("etc/passwd")),
            ("./", Some("")),
            ("a/../b", None),
            ("..", None),
            ("a\0b", None),
            ("...", Some("...")),
        ] {
            let path = safe_path(name.as_bytes()).ok();
            assert_eq!(path.as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }
}
