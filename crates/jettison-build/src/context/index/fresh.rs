//! What a build has found out itself.

use crate::context::file_digest::FileDigest;

use crate::context::identity::FileIdentity;
use crate::context::index::Content;
use crate::context::index::format::hash;

/// A file and what it holds. The device number is relative to the context's.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) identity: FileIdentity,
    pub(super) digest: FileDigest,
    /// Hardly any file has some.
    pub(super) attributes: Option<Box<FileDigest>>,
}

/// Records, one for each file.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    records: Vec<Record>,
    /// The number of the record that has a hash, plus one; 0 for none.
    // Invariant: empty, or as many as a power of two, and at least twice as many as records.
    slots: Vec<u32>,
}

impl Record {
    pub(super) fn new(identity: FileIdentity, content: Content) -> Record {
        Record {
            identity,
            digest: content.digest,
            attributes: content.attributes.map(Box::new),
        }
    }

    /// Device and inode, by which records are sorted.
    pub(super) fn key(&self) -> (u64, u64) {
        (self.identity.device, self.identity.inode)
    }

    pub(super) fn content(&self) -> Content {
        Content {
            digest: self.digest,
            attributes: self.attributes.as_deref().copied(),
        }
    }
}

impl Fresh {
    pub(super) fn n_records(&self) -> usize {
        self.records.len()
    }

    /// The record of the file with a key.
    pub(super) fn get(&self, key: (u64, u64)) -> Option<&Record> {
        let index = self.slots.get(self.slot(key)?)?.checked_sub(1)?;
        self.records.get(index as usize)
    }

    /// Adds a record, in the place of a former one of the same file.
    pub(super) fn insert(&mut self, record: Record) {
        if (self.records.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let Some(slot) = self.slot(record.key()) else {
            return;
        };
        if let Some(index) = self.slots[slot].checked_sub(1) {
            self.records[index as usize] = record;
        } else {
            self.records.push(record);
            self.slots[slot] = u32::try_from(self.records.len()).unwrap_or(0);
        }
    }

    /// All records, sorted by their keys.
    pub(super) fn sorted(&self) -> Vec<&Record> {
        let mut sorted: Vec<&Record> = self.records.iter().collect();
        sorted.sort_unstable_by_key(|record| record.key());
        sorted
    }

    /// Where the number of the record with a key is or would be.
    fn slot(&self, key: (u64, u64)) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(key.0, key.1) & mask;
        while let Some(index) = self.slots[slot].checked_sub(1) {
            if self.records[index as usize].key() == key {
                break;
            }
            slot = (slot + 1) & mask;
        }
        Some(slot)
    }

    fn grow(&mut self) {
        self.slots = vec![0; (self.slots.len() * 2).max(1024)];
        for index in 0..self.records.len() {
            if let Some(slot) = self.slot(self.records[index].key()) {
                self.slots[slot] = u32::try_from(index + 1).unwrap_or(0);
            }
        }
    }
}
