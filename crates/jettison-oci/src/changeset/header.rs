//! Tar headers, written so that the same file always gives the same bytes.
//!
//! The format is ustar, and pax where ustar has no room.
//! See <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>.

use std::collections::BTreeMap;

/// Tar counts in blocks of this size.
pub(crate) const BLOCK: usize = 512;

/// The kinds of entries that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

impl Kind {
    fn flag(self) -> u8 {
        match self {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        }
    }
}

/// All that a tar header says about a file.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// The name; a directory's ends in a slash.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    pub(crate) size: u64,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
    /// The numbers of a device.
    pub(crate) device: (u32, u32),
    /// Extended attributes.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Header {
    /// A header that says nothing but a name and a kind.
    pub(crate) fn new(name: Vec<u8>, kind: Kind) -> Header {
        Header {
            name,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: 0,
            link: Vec::new(),
            device: (0, 0),
            xattrs: BTreeMap::new(),
        }
    }

    /// The blocks that stand before the file's content.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut block = Block([0; BLOCK]);
        let mut records = BTreeMap::new();
        let mut record = |key: &str, value: Vec<u8>| {
            records.insert(key.as_bytes().to_vec(), value);
        };
        if !block.name(&self.name) {
            record("path", self.name.clone());
        }
        if !block.text(LINK, &self.link) {
            record("linkpath", self.link.clone());
        }
        for (key, field, value) in [
            ("uid", UID, i128::from(self.uid)),
            ("gid", GID, i128::from(self.gid)),
            ("size", SIZE, i128::from(self.size)),
            ("mtime", MTIME, i128::from(self.mtime)),
        ] {
            if !block.number(field, value) {
                record(key, value.to_string().into_bytes());
            }
        }
        for (name, value) in &self.xattrs {
            records.insert([b"SCHILY.xattr.", name.as_slice()].concat(), value.clone());
        }
        block.number(MODE, i128::from(self.mode & 0o7777));
        block.number(DEVICE_MAJOR, i128::from(self.device.0));
        block.number(DEVICE_MINOR, i128::from(self.device.1));
        let mut bytes = extended(&self.name, &records);
        bytes.extend(block.seal(self.kind.flag()));
        bytes
    }
}

/// A field of the header: where it starts and how long it is.
pub(crate) type Field = (usize, usize);
const NAME: Field = (0, 100);
pub(crate) const MODE: Field = (100, 8);
pub(crate) const UID: Field = (108, 8);
pub(crate) const GID: Field = (116, 8);
pub(crate) const SIZE: Field = (124, 12);
pub(crate) const MTIME: Field = (136, 12);
pub(crate) const CHECKSUM: Field = (148, 8);
const KIND: usize = 156;
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 8);
pub(crate) const DEVICE_MAJOR: Field = (329, 8);
pub(crate) const DEVICE_MINOR: Field = (337, 8);
const PREFIX: Field = (345, 155);

/// A header block.
struct Block([u8; BLOCK]);

impl Block {
    /// Writes a text, and says whether all of it fitted.
    fn text(&mut self, (start, length): Field, text: &[u8]) -> bool {
        let fitting = text.len().min(length);
        self.0[start..start + fitting].copy_from_slice(&text[..fitting]);
        fitting == text.len()
    }

    /// Writes an octal number and its terminator, and says whether it fitted. Else it is 0.
    fn number(&mut self, (start, length): Field, value: i128) -> bool {
        let digits = length - 1;
        let fits = value >= 0 && value < 1 << (3 * digits);
        let text = format!("{:0digits$o}", if fits { value } else { 0 });
        self.text((start, digits), text.as_bytes());
        fits
    }

    /// Writes a name, split at a slash if it is long, and says whether it fitted.
    fn name(&mut self, name: &[u8]) -> bool {
        if name.len() <= NAME.1 {
            return self.text(NAME, name);
        }
        // The part behind the slash must not be empty.
        let earliest = name.len() - 1 - NAME.1;
        let latest = PREFIX.1.min(name.len() - 2);
        let split = (earliest..=latest).find(|&place| name[place] == b'/' && place > 0);
        let Some(split) = split else {
            self.text(NAME, name);
            return false;
        };
        self.text(PREFIX, &name[..split]) && self.text(NAME, &name[split + 1..])
    }

    /// Writes the kind, the magic and the checksum.
    fn seal(mut self, kind: u8) -> [u8; BLOCK] {
        self.0[KIND] = kind;
        self.text(MAGIC, b"ustar\x0000");
        self.text(CHECKSUM, &[b' '; 8]);
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.text(CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// The extended header that says `records` about `name`; nothing if there are none.
pub(crate) fn extended(name: &[u8], records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    if records.is_empty() {
        return Vec::new();
    }
    let content: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| pax_record(key, value))
        .collect();
    let mut block = Block([0; BLOCK]);
    let base = name.strip_suffix(b"/").unwrap_or(name);
    let base = base.rsplit(|&byte| byte == b'/').next().unwrap_or(base);
    block.text(NAME, &[b"PaxHeaders/", base].concat());
    block.number(MODE, 0o644);
    let size = i128::try_from(content.len()).expect("because memory is smaller than 2^64 bytes");
    for (field, value) in [(SIZE, size), (UID, 0), (GID, 0), (MTIME, 0)] {
        block.number(field, value);
    }
    let mut bytes = block.seal(b'x').to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if length.to_string().len() + rest != length {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} ").into_bytes();
    record.extend_from_slice(key);
    record.push(b'=');
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changeset::entry::{EntryKind, each_entry};
    use proptest::prelude::*;

    /// What our reader makes of a header.
    fn read_back(header: &Header) -> (Header, usize) {
        let bytes = header.to_bytes();
        let mut read = None;
        let visited = each_entry(bytes.as_slice(), |entry, _| {
            read = Some(entry);
            Ok(())
        });
        // There is no content behind the header.
        assert_eq!(visited.is_err(), header.size > 0);
        let entry = read.unwrap();
        let mut read = Header::new(entry.path, header.kind);
        match entry.kind {
            EntryKind::File => assert_eq!(header.kind, Kind::File),
            EntryKind::Directory => read.name.push(b'/'),
            EntryKind::Symlink(link) => read.link = link,
            other => panic!("{other:?}"),
        }
        (read.mode, read.uid, read.gid) = (entry.mode, entry.uid, entry.gid);
        (read.mtime, read.size, read.xattrs) = (entry.mtime.0, entry.size, entry.xattrs);
        (read, bytes.len() / BLOCK)
    }

    #[track_caller]
    fn check(header: &Header, blocks: usize) {
        let (read, n_blocks) = read_back(header);
        assert_eq!(format!("{read:?}"), format!("{header:?}"));
        assert_eq!(n_blocks, blocks);
    }

    fn file(name: &str) -> Header {
        Header {
            mode: 0o644,
            ..Header::new(name.as_bytes().to_vec(), Kind::File)
        }
    }

    #[test]
    fn ordinary_files_need_one_block() {
        check(
            &Header {
                uid: 1000,
                mtime: 1_700_000_000,
                size: 7,
                ..file("usr/bin/tool")
            },
            1,
        );
        check(
            &Header {
                mode: 0o4755,
                uid: 0o7_777_777,
                ..file("a")
            },
            1,
        );
        check(
            &Header {
                link: b"../lib".to_vec(),
                ..Header::new(b"l".to_vec(), Kind::Symlink)
            },
            1,
        );
    }

    #[test]
    fn a_long_name_is_split_where_ustar_allows_it() {
        check(
            &file(&format!("{}/{}", "d".repeat(155), "f".repeat(100))),
            1,
        );
        check(&file(&format!("{}/{}", "d".repeat(99), "f")), 1);
        check(&file(&format!("{}/{}", "d".repeat(156), "f")), 3);
        check(&file(&format!("d/{}", "f".repeat(101))), 3);
        check(
            &Header::new(
                format!("{}/", "d".repeat(100)).into_bytes(),
                Kind::Directory,
            ),
            3,
        );
    }

    #[test]
    fn what_ustar_has_no_room_for_is_in_an_extended_header() {
        check(
            &Header {
                uid: 0o10_000_000,
                ..file("a")
            },
            3,
        );
        check(
            &Header {
                gid: u32::MAX - 1,
                ..file("a")
            },
            3,
        );
        check(
            &Header {
                size: 1 << 33,
                ..file("a")
            },
            3,
        );
        check(
            &Header {
                mtime: -1,
                ..file("a")
            },
            3,
        );
        check(
            &Header {
                mtime: 1 << 33,
                ..file("a")
            },
            3,
        );
        let link = format!("/{}", "l".repeat(200)).into_bytes();
        check(
            &Header {
                link,
                ..Header::new(b"l".to_vec(), Kind::Symlink)
            },
            3,
        );
        let xattrs = BTreeMap::from([(b"user.x".to_vec(), b"\x00\n=\xff".to_vec())]);
        check(
            &Header {
                xattrs,
                ..file("a")
            },
            3,
        );
    }

    proptest! {
        #[test]
        fn a_pax_record_counts_itself(key in "[a-z]{1,120}", value in "[a-z]{0,1200}") {
            let record = pax_record(key.as_bytes(), value.as_bytes());
            let text = String::from_utf8(record).unwrap();
            let (length, _) = text.split_once(' ').unwrap();
            prop_assert_eq!(length.parse::<usize>().unwrap(), text.len());
        }

        #[test]
        fn every_name_is_read_back(parts in proptest::collection::vec("[a-z]{1,90}", 1..8)) {
            let header = file(&parts.join("/"));
            prop_assert_eq!(read_back(&header).0.name, header.name);
        }
    }
}
