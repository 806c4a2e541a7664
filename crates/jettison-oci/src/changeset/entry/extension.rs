//! Extended headers: what they say about the entry behind them.

use std::collections::BTreeMap;
use std::io::Read;

use crate::changeset::LayerError;
use crate::changeset::entry::block::{damaged, natural, number};
use crate::changeset::entry::sparse::{Form, SparseMap};
use crate::changeset::entry::{Entry, EntryKind, safe_path};
use crate::changeset::header::{DEVICE_MAJOR, DEVICE_MINOR, Field, GID, MODE, MTIME, SIZE, UID};
use crate::changeset::root::to_path;
use crate::changeset::xattr::Xattrs;

/// What the keys start with that describe holes.
const SPARSE: &[u8] = b"GNU.sparse.";

/// What extended headers say about the next entry.
#[derive(Debug, Default)]
pub(crate) struct Extension {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Offsets and lengths of a sparse file's data, which the oldest form says with one record each.
    sparse: Vec<Vec<u8>>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    names: Names,
}

/// What becomes of a name that would lead out of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Names {
    /// It is an error.
    #[default]
    Safe,
    /// It means what it would mean if the directory were `/`.
    Rooted,
}

impl Names {
    /// `name` without its needless parts.
    fn clean(self, name: &[u8]) -> Result<Vec<u8>, LayerError> {
        match self {
            Names::Safe => safe_path(name),
            Names::Rooted => safe_path(&[b"/", name].concat()),
        }
    }
}

/// An entry as its headers describe it.
#[derive(Debug)]
pub(crate) struct Described {
    /// The entry; a sparse file's size may be said by what follows.
    pub(crate) entry: Entry,
    /// How many bytes follow in the archive.
    pub(crate) stored: u64,
    form: Option<Form>,
}

impl Described {
    /// The entry, and where its data belongs if it has holes.
    pub(crate) fn sparse_map(
        mut self,
        header: &tar::Header,
        reader: &mut dyn Read,
    ) -> Result<(Entry, Option<SparseMap>), LayerError> {
        let Some(form) = self.form else {
            return Ok((self.entry, None));
        };
        let (size, map) = SparseMap::read(form, self.stored, header, reader)?;
        self.entry.size = size;
        Ok((self.entry, Some(map)))
    }
}

impl Extension {
    /// Nothing is said yet.
    pub(crate) fn new(names: Names) -> Extension {
        Extension {
            names,
            ..Extension::default()
        }
    }

    /// Adds what an extended header says.
    pub(crate) fn add_records(&mut self, mut content: &[u8]) -> Result<(), LayerError> {
        self.records.clear();
        while !content.is_empty() {
            let (key, value, rest) =
                pax_record(content).ok_or_else(|| damaged("an extended header is malformed"))?;
            if matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes") {
                self.sparse.push(value.to_vec());
            }
            self.records.insert(key.to_vec(), value.to_vec());
            content = rest;
        }
        Ok(())
    }

    /// What was said, by key.
    pub(crate) fn records(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.records
    }

    /// The time of modification that was said, seconds since 1970 and nanoseconds.
    pub(crate) fn mtime(&self) -> Result<Option<(i64, u32)>, LayerError> {
        let Some(value) = self.value("mtime") else {
            return Ok(None);
        };
        let time = str::from_utf8(value).ok().and_then(pax_time);
        match time {
            Some(time) => Ok(Some(time)),
            None => Err(damaged("an extended header has a time that is none")),
        }
    }

    /// A value; an empty one takes back what was said.
    fn value(&self, key: &str) -> Option<&[u8]> {
        self.records
            .get(key.as_bytes())
            .map(Vec::as_slice)
            .filter(|value| !value.is_empty())
    }

    /// A number in the extended header, else the one in the header itself.
    fn number(&self, key: &str, header: &tar::Header, field: Field) -> Result<u64, LayerError> {
        match self.said(key)? {
            Some(number) => Ok(number),
            None => natural(header, field),
        }
    }

    /// A number in the extended header.
    fn said(&self, key: &str) -> Result<Option<u64>, LayerError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(damaged("an extended header has a number that is none")),
        }
    }

    /// How holes are described, if there are any.
    fn form(&self, header: &tar::Header) -> Result<Option<Form>, LayerError> {
        if header.entry_type().as_byte() == b'S' {
            return Ok(Some(Form::Old));
        }
        if !self.records.keys().any(|key| key.starts_with(SPARSE)) {
            return Ok(None);
        }
        if self.said("GNU.sparse.major")? == Some(1) {
            let size = self.number("GNU.sparse.realsize", header, SIZE)?;
            return Ok(Some(Form::InContent { size }));
        }
        let size = self.number("GNU.sparse.size", header, SIZE)?;
        let numbers = match self.value("GNU.sparse.map") {
            Some(map) => map
                .split(|&byte| byte == b',')
                .map(<[u8]>::to_vec)
                .collect(),
            None => self.sparse.clone(),
        };
        Ok(Some(Form::InRecords { size, numbers }))
    }

    /// The entry that `header` and this say.
    pub(crate) fn apply(self, header: &tar::Header) -> Result<Described, LayerError> {
        let said = self.value("GNU.sparse.name").or(self.value("path"));
        let name = said.map(<[u8]>::to_vec).or_else(|| self.name.clone());
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = self.kind(header, &name)?;
        let mtime = match self.mtime()? {
            Some(mtime) => mtime,
            None => (number(header, MTIME)?, 0),
        };
        let mode = natural(header, MODE)? & 0o7777;
        let mut entry = Entry {
            path: self.names.clean(&name)?,
            mode: u32::try_from(mode).unwrap_or_default(),
            uid: owner(self.number("uid", header, UID)?)?,
            gid: owner(self.number("gid", header, GID)?)?,
            mtime,
            size: 0,
            kind,
            xattrs: Xattrs::new(),
        };
        // Other kinds have no content, whatever their headers say.
        let mut form = None;
        if entry.kind == EntryKind::File {
            entry.size = self.number("size", header, SIZE)?;
            form = self.form(header)?;
        }
        for (key, value) in self.records {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                entry.xattrs.insert(name.to_vec(), value);
            }
        }
        let stored = entry.size;
        Ok(Described {
            entry,
            stored,
            form,
        })
    }

    fn kind(&self, header: &tar::Header, name: &[u8]) -> Result<EntryKind, LayerError> {
        let device = || {
            let part = |field| {
                let number = natural(header, field)?;
                u32::try_from(number).map_err(|_| damaged("a device has a number that is none"))
            };
            Ok((part(DEVICE_MAJOR)?, part(DEVICE_MINOR)?))
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
            b'0' | 0 | b'7' | b'S' => EntryKind::File,
            b'1' => EntryKind::HardLink(self.names.clean(&link())?),
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
}
