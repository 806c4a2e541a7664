//! The digest of everything that copying some entries would copy.
//!
//! The bytes that are hashed, for each entry that is copied, in the order of the walk:
//!
//! ```text
//! path         the length of what it shares with the path before (u32), the length of the rest (u32), the rest
//! kind         one byte
//! mode         u32, as it will be in the image
//! owner        user and group, u32 each, where they are kept
//! content      file: 32 bytes; link: length (u32) and target; device: number (u64)
//! attributes   one byte, and 32 bytes more if it is 1
//! twin         for a file: one byte, and if it is 1 the number of an earlier entry that is the same file (u32)
//! ```
//!
//! No times, and nothing of what was not copied.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use jettison_oci::{Digest, Hasher};

use crate::context::contents::Contents;
use crate::context::entries::{Entries, Entry, EntryKind};
use crate::context::file_digest::FileDigest;

/// What of some entries enters their digest.
pub struct DigestRules<'a> {
    /// The mode that something of a kind and mode will have in the image. For `--chmod=755` that is always 0755, so that the
    /// modes on disk are of no matter.
    pub mode: &'a dyn Fn(EntryKind, u32) -> u32,
    /// Whether owners are copied, too. Those of a context are not.
    pub keeps_owners: bool,
    /// Whether an entry, whose path below the first is given, is copied at all.
    pub is_copied: &'a dyn Fn(&Entry<'_>, &[u8]) -> bool,
}

impl std::fmt::Debug for DigestRules<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DigestRules")
    }
}

impl Entries {
    /// The digest of what would be copied; `None` if the content of a file of it is not known.
    pub fn digest(&self, contents: &Contents, rules: &DigestRules<'_>) -> Option<Digest> {
        let mut encoder = Encoder {
            rules,
            hasher: Hasher::new(),
            bytes: Vec::with_capacity(2 * BLOCK),
            before: Vec::new(),
            n_entries: 0,
            twins: BTreeMap::new(),
        };
        let seen = self.each(|entry, path| {
            if !(rules.is_copied)(&entry, path) {
                return Ok(());
            }
            encoder.entry(&entry, path, contents).ok_or(())
        });
        seen.ok()?;
        encoder.hasher.update(&encoder.bytes);
        Some(encoder.hasher.finish())
    }
}

/// So much is hashed at once.
const BLOCK: usize = 16 << 10;

struct Encoder<'a> {
    rules: &'a DigestRules<'a>,
    hasher: Hasher,
    bytes: Vec<u8>,
    before: Vec<u8>,
    n_entries: u32,
    /// The first entry of each file that has more than one name.
    twins: BTreeMap<(u64, u64), u32>,
}

impl Encoder<'_> {
    fn entry(&mut self, entry: &Entry<'_>, path: &[u8], contents: &Contents) -> Option<()> {
        self.path(path);
        let kind = entry.kind();
        self.bytes.push(match kind {
            EntryKind::Directory => b'd',
            EntryKind::File | EntryKind::Socket => b'f',

            EntryKind::Link => b'l',
            EntryKind::Fifo => b'p',
            EntryKind::CharacterDevice => b'c',
            EntryKind::BlockDevice => b'b',
        });
        self.number((self.rules.mode)(kind, entry.mode()));
        if self.rules.keeps_owners {
            let (user, group) = entry.owner();
            self.number(user);
            self.number(group);
        }
        match kind {
            EntryKind::Directory => self.attributes(entry.directory_attributes()),
            EntryKind::File => {
                let content = contents.get(entry.index())?;
                self.bytes.extend(content.digest.bytes());
                self.attributes(content.attributes);
                self.twin(entry);
            }
            EntryKind::Link => self.text(entry.target().as_bytes()),
            EntryKind::Socket => {
                self.bytes.extend(Digest::of(b"").bytes());
                // Neither attributes nor a twin.
                self.bytes.extend([0, 0]);
            }
            EntryKind::Fifo => {}
            EntryKind::CharacterDevice | EntryKind::BlockDevice => {
                let number = entry.device_number().unwrap_or_default();
                self.bytes.extend(number.to_le_bytes());
            }
        }
        self.n_entries += 1;
        if self.bytes.len() >= BLOCK {
            self.hasher.update(&self.bytes);
            self.bytes.clear();
        }
        Some(())
    }

    fn path(&mut self, path: &[u8]) {
        let pairs = self.before.iter().zip(path);
        let shared = pairs.take_while(|(before, now)| before == now).count();
        self.number(length(shared));
        self.text(&path[shared..]);
        self.before.truncate(shared);
        self.before.extend(&path[shared..]);
    }

    fn attributes(&mut self, attributes: Option<FileDigest>) {
        self.bytes.push(u8::from(attributes.is_some()));
        if let Some(digest) = attributes {
            self.bytes.extend(digest.bytes());
        }
    }

    fn twin(&mut self, entry: &Entry<'_>) {
        let mut twin = None;
        if entry.has_other_names() {
            let identity = entry.identity();
            let key = (identity.device, identity.inode);
            let first = *self.twins.entry(key).or_insert(self.n_entries);
            twin = (first != self.n_entries).then_some(first);
        }
        self.bytes.push(u8::from(twin.is_some()));
        if let Some(first) = twin {
            self.number(first);
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.number(length(text.len()));
        self.bytes.extend(text);
    }

    fn number(&mut self, number: u32) {
        self.bytes.extend(number.to_le_bytes());
    }
}

/// A length of a path or a link, which the kernel keeps below 2^32.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
