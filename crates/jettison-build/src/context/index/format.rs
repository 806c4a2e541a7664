//! The file of a content index.
//!
//! ```text
//! magic        16 bytes
//! number       of the save that wrote it, u64
//! records      80 bytes of identity and digest, then the save that last saw it (u32) and its attributes (u32, 0 for none),
//!              sorted by device and inode
//! attributes   32 bytes each, counted from 1
//! counts       of records and attributes, u64 each
//! sum          of all words before it, u64
//! ```
//!
//! Numbers are little-endian. All parts are a multiple of eight bytes long.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::iter::Peekable;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::context::file_digest::FileDigest;

use crate::cache::new_file;
use crate::context::identity::{FileIdentity, FileTime};
use crate::context::index::fresh::{Fresh, Record};
use crate::context::index::{Content, MOST_SAVES};

const MAGIC: &[u8; 16] = b"jettison index 2";
const HEADER: usize = 24;
const RECORD: usize = 88;
const ATTRIBUTES: usize = 32;
const FOOTER: usize = 24;
/// As many entries are kept unseen however few are seen: another Dockerfile of the same context may need them.
pub(super) const FEW: usize = 200_000;

/// An index that was read, or an empty one.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Device and inode of the file.
    pub(super) file: Option<(u64, u64)>,
    // Invariant: empty, or whole: as many bytes as it says.
    bytes: Vec<u8>,
    n_records: usize,
    n_attributes: usize,
    /// The number of the record that has a hash, plus one; 0 for none. As long as a power of two.
    slots: Vec<u32>,
    seen: Vec<AtomicBool>,
}

impl Loaded {
    /// Reads an index. One that is not there or not whole is empty.
    pub(super) fn read(path: &Path) -> Loaded {
        let read = || -> io::Result<Loaded> {
            let mut file = File::open(path)?;
            let metadata = file.metadata()?;
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            let loaded = Loaded::of(bytes).unwrap_or_default();
            Ok(Loaded {
                file: Some((metadata.dev(), metadata.ino())),
                ..loaded
            })
        };
        read().unwrap_or_default()
    }

    fn of(bytes: Vec<u8>) -> Option<Loaded> {
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER + FOOTER {
            return None;
        }
        let footer = bytes.len() - FOOTER;
        let n_records = usize::try_from(word(&bytes, footer)).ok()?;
        let n_attributes = usize::try_from(word(&bytes, footer + 8)).ok()?;
        let length = HEADER
            .checked_add(n_records.checked_mul(RECORD)?)?
            .checked_add(n_attributes.checked_mul(ATTRIBUTES)?)?
            .checked_add(FOOTER)?;
        let mut sum = Sum::default();
        sum.add(&bytes[..bytes.len() - 8]);
        if length != bytes.len() || sum.0 != word(&bytes, bytes.len() - 8) {
            return None;
        }
        u32::try_from(n_records).ok()?;
        let mut loaded = Loaded {
            file: None,
            bytes,
            n_records,
            n_attributes,
            slots: vec![0; (n_records * 2).next_power_of_two()],
            seen: std::iter::repeat_with(AtomicBool::default)
                .take(n_records)
                .collect(),
        };
        loaded.fill();
        Some(loaded)
    }

    fn fill(&mut self) {
        let mask = self.slots.len() - 1;
        for index in 0..self.n_records {
            let at = HEADER + index * RECORD;
            let mut slot = hash(word(&self.bytes, at), word(&self.bytes, at + 8)) & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = u32::try_from(index + 1).unwrap_or(0);
        }
    }

    /// What is known of the file with this identity, which has been seen then.
    pub(super) fn find(&self, identity: &FileIdentity) -> Option<Content> {
        let index = self.position((identity.device, identity.inode))?;
        let found = self.record(index)?;
        let is_same = found.identity == *identity;
        self.seen[index].fetch_or(is_same, Ordering::Relaxed);
        is_same.then(|| found.content())
    }

    /// Whether the file is known by another identity.
    pub(super) fn has_other(&self, identity: &FileIdentity) -> bool {
        let index = self.position((identity.device, identity.inode));
        let found = index.and_then(|index| self.record(index));
        found.is_some_and(|found| found.identity != *identity)
    }

    /// The number of the record of the file with this device and inode.
    fn position(&self, (device, inode): (u64, u64)) -> Option<usize> {
        if self.n_records == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(device, inode) & mask;
        loop {
            let index = self.slots[slot].checked_sub(1)? as usize;
            let at = HEADER + index * RECORD;
            if word(&self.bytes, at + 8) == inode && word(&self.bytes, at) == device {
                return Some(index);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The record `index`; `None` if its attributes are not there.
    fn record(&self, index: usize) -> Option<Record> {
        let at = HEADER + index * RECORD;
        let number = |offset: usize| word(&self.bytes, at + offset);
        let identity = FileIdentity {
            device: number(0),
            inode: number(8),
            size: number(16),
            mtime: FileTime {
                seconds: number(24).cast_signed(),
                nanoseconds: half(&self.bytes, at + 40),
            },
            ctime: FileTime {
                seconds: number(32).cast_signed(),
                nanoseconds: half(&self.bytes, at + 44),
            },
        };
        let attributes = match half(&self.bytes, at + 84) as usize {
            0 => None,
            number if number <= self.n_attributes => {
                let start = HEADER + self.n_records * RECORD + (number - 1) * ATTRIBUTES;
                Some(digest(&self.bytes, start))
            }
            _ => return None,
        };
        let content = Content {
            digest: digest(&self.bytes, at + 48),
            attributes,
        };
        Some(Record::new(identity, content))
    }

    fn number(&self) -> u64 {
        if self.bytes.is_empty() {
            0
        } else {
            word(&self.bytes, 16)
        }
    }

    /// How many saves ago each record was seen last, now included.
    fn age(&self, index: usize, now: u64) -> u64 {
        if self.seen[index].load(Ordering::Relaxed) {
            return 0;
        }
        let at = HEADER + index * RECORD + 80;
        // The low half of a save's number; the rest is as now.
        let seen = u64::from(half(&self.bytes, at));
        now.saturating_sub(seen).min(u64::from(MOST_SAVES) + 1)
    }

    /// The records that are younger than `limit` saves, sorted, and how old each is.
    fn younger(&self, limit: u64, now: u64) -> impl Iterator<Item = (Record, u64)> {
        (0..self.n_records).filter_map(move |index| {
            let age = self.age(index, now);
            Some((self.record(index).filter(|_| age < limit)?, age))
        })
    }
}

/// Records in the order of their keys, and how old each is.
type Records<'a> = Peekable<Box<dyn Iterator<Item = (Record, u64)> + 'a>>;

/// Writes an index of what was loaded, by us and by others since, and of what is new, which wins.
pub(super) fn write(path: &Path, loaded: [Option<&Loaded>; 2], fresh: &Fresh) -> io::Result<()> {
    let former = loaded.iter().flatten().map(|loaded| loaded.number());
    let now = former.max().unwrap_or(0) + 1;
    let limit = limit(loaded, now, fresh.n_records());
    let mut sources: Vec<Records<'_>> = Vec::new();
    let fresh = fresh.sorted().into_iter();
    let new: Box<dyn Iterator<Item = _>> = Box::new(fresh.map(|record| (record.clone(), 0)));
    sources.push(new.peekable());
    for loaded in loaded.into_iter().flatten() {
        let kept: Box<dyn Iterator<Item = _>> = Box::new(loaded.younger(limit, now));
        sources.push(kept.peekable());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().display().to_string();
    let (temporary, file) = new_file(folder, &name)?;
    let mut output = Output {
        file: BufWriter::with_capacity(1 << 16, file),
        sum: Sum::default(),
    };
    let written = output
        .all(sources, now)
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing is left behind where there is no room; that it failed is reported.
        fs::remove_file(&temporary).unwrap_or_default();
    }
    written
}

/// The age from which on records are dropped.
fn limit(loaded: [Option<&Loaded>; 2], now: u64, n_fresh: usize) -> u64 {
    let mut by_age = [0_usize; MOST_SAVES as usize + 2];
    by_age[0] = n_fresh;
    for loaded in loaded.into_iter().flatten() {
        for index in 0..loaded.n_records {
            let age = usize::try_from(loaded.age(index, now)).unwrap_or(usize::MAX);
            by_age[age.min(MOST_SAVES as usize + 1)] += 1;
        }
    }
    limit_of(&by_age)
}

/// The age from which on records are dropped, of which there are so many of each age: what has not been seen for long, and
/// the oldest as long as there are more unseen than seen and than a few.
pub(super) fn limit_of(by_age: &[usize; MOST_SAVES as usize + 2]) -> u64 {
    let mut room = by_age[0].max(FEW);
    let mut limit = 1;
    for n_records in &by_age[1..MOST_SAVES as usize] {
        let Some(rest) = room.checked_sub(*n_records) else {
            break;
        };
        room = rest;
        limit += 1;
    }
    limit
}

/// The next record in the order of keys: of those with the same key the youngest, and of these the first source's.
fn next(sources: &mut [Records<'_>]) -> Option<(Record, u64)> {
    let peeked = sources.iter_mut().filter_map(Peekable::peek);
    let least = peeked.map(|(record, _)| record.key()).min()?;
    let mut found: Option<(Record, u64)> = None;
    for source in sources {
        if let Some((record, age)) = source.next_if(|(record, _)| record.key() == least)
            && found.as_ref().is_none_or(|(_, least)| age < *least)
        {
            found = Some((record, age));
        }
    }
    found
}

struct Output {
    file: BufWriter<File>,
    sum: Sum,
}

impl Output {
    fn all(&mut self, mut sources: Vec<Records<'_>>, now: u64) -> io::Result<()> {
        self.put(MAGIC)?;
        self.put(&now.to_le_bytes())?;
        let mut attributes: Vec<FileDigest> = Vec::new();
        let mut n_records = 0_u64;
        while let Some((record, age)) = next(&mut sources) {
            n_records += 1;
            attributes.extend(record.attributes.as_deref());
            let attributes = match record.attributes {
                Some(_) => u32::try_from(attributes.len()).map_err(io::Error::other)?,
                None => 0,
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low half is what is kept"
            )]
            let seen = now.saturating_sub(age) as u32;
            self.record(&record, seen, attributes)?;
        }
        for digest in &attributes {
            self.put(digest.bytes())?;
        }
        self.put(&n_records.to_le_bytes())?;
        self.put(&(attributes.len() as u64).to_le_bytes())?;
        let sum = self.sum.0.to_le_bytes();
        self.put(&sum)?;
        self.file.flush()
    }

    fn record(&mut self, record: &Record, seen: u32, attributes: u32) -> io::Result<()> {
        let Record {
            identity:
                FileIdentity {
                    device,
                    inode,
                    size,
                    mtime,
                    ctime,
                },
            digest,
            attributes: _,
        } = record;
        let mut bytes = [0; RECORD];
        let numbers = [
            *device,
            *inode,
            *size,
            mtime.seconds.cast_unsigned(),
            ctime.seconds.cast_unsigned(),
        ];
        for (index, number) in numbers.into_iter().enumerate() {
            bytes[index * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[40..44].copy_from_slice(&mtime.nanoseconds.to_le_bytes());
        bytes[44..48].copy_from_slice(&ctime.nanoseconds.to_le_bytes());
        bytes[48..80].copy_from_slice(digest.bytes());
        bytes[80..84].copy_from_slice(&seen.to_le_bytes());
        bytes[84..88].copy_from_slice(&attributes.to_le_bytes());
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.add(bytes);
        self.file.write_all(bytes)
    }
}

/// A sum that changes with every word: it finds what a disk or a full file system has done, and no forgery.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Sum {
        Sum(0x6a65_7474_6973_6f6e)
    }
}

impl Sum {
    /// Adds bytes, of which there are a multiple of eight.
    fn add(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = mix(self.0.rotate_left(5) ^ u64::from_le_bytes(*word));
        }
    }
}

fn mix(word: u64) -> u64 {
    // 2^64 over the golden ratio, odd.
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Spreads the keys of files.
pub(super) fn hash(device: u64, inode: u64) -> usize {
    (mix(inode ^ device.rotate_left(32)) >> 20) as usize
}

/// The number at an offset, below which there are eight bytes more.
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(half)
}

fn digest(bytes: &[u8], at: usize) -> FileDigest {
    let mut digest = [0; 32];
    digest.copy_from_slice(&bytes[at..at + 32]);
    FileDigest::from_bytes(digest)
}
