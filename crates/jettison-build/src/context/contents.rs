//! What the files among some entries hold, as far as it is known.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::context::file_digest::{FileDigest, FileHasher};
use rustix::fs::Advice;

use crate::context::attributes::attributes_digest;
use crate::context::entries::{Entries, Entry, EntryKind};
use crate::context::error::ContextError;
use crate::context::identity::FileTime;
use crate::context::index::{Content, ContentIndex};
use crate::context::tree::ContextTree;

/// Files are read by this many threads at most. Two cores hash faster than most disks read, but not than several requests at
/// once are answered.
const MOST_THREADS: usize = 8;
/// Files from this size on are read one after the other, with a large buffer.
const LARGE: u64 = 8 << 20;
/// How much of a small file is read at once, and of a large one.
const BUFFERS: [usize; 2] = [64 << 10, 1 << 20];
/// As often a file is read again that was changed while it was read.
const MOST_ATTEMPTS: usize = 3;
/// As many files a thread takes at once.
const SHARE: usize = 32;

/// What is known of the contents of some entries. Only regular files have contents.
#[derive(Clone, Debug)]
pub struct Contents {
    /// By the number of the entry.
    digests: Vec<Option<FileDigest>>,
    attributes: BTreeMap<usize, FileDigest>,
}

impl Contents {
    /// What the index knows. Opens nothing.
    pub fn known(entries: &Entries, index: &ContentIndex) -> Contents {
        let mut contents = Contents {
            digests: vec![None; entries.n_entries()],
            attributes: BTreeMap::new(),
        };
        for entry in entries
            .iter()
            .filter(|entry| entry.kind() == EntryKind::File)
        {
            if let Some(content) = index.get(&entry.identity()) {
                contents.set(entry.index(), content);
            }
        }
        contents
    }

    /// Says what an entry holds.
    pub fn set(&mut self, entry: usize, content: Content) {
        self.digests[entry] = Some(content.digest);
        match content.attributes {
            Some(attributes) => self.attributes.insert(entry, attributes),
            None => self.attributes.remove(&entry),
        };
    }

    /// What the entry with this number holds, if it is known.
    pub fn get(&self, entry: usize) -> Option<Content> {
        Some(Content {
            digest: self.digests[entry]?,
            attributes: self.attributes.get(&entry).copied(),
        })
    }

    /// The numbers of the regular files whose contents are not known.
    pub fn unknown(&self, entries: &Entries) -> Vec<usize> {
        let is_unknown = |entry: &Entry<'_>| {
            entry.kind() == EntryKind::File && self.digests[entry.index()].is_none()
        };
        let unknown = entries.iter().filter(is_unknown);
        unknown.map(|entry| entry.index()).collect()
    }

    /// Reads those of `files` that are not known, several at once, and tells the index.
    pub fn read(
        &mut self,
        tree: &ContextTree<'_>,
        entries: &Entries,
        files: &[usize],
        index: &ContentIndex,
    ) -> Result<(), ContextError> {
        let read = Reading {
            contents: Mutex::new(self),
            tree,
            entries,
            files,
            index,
            next: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            large: Mutex::new(()),
        };
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let n_threads = (n_cores * 2)
            .min(MOST_THREADS)
            .min(files.len().div_ceil(SHARE));
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..n_threads)
                .map(|_| scope.spawn(|| read.work()))
                .collect();
            let mut result = read.work();
            for other in others {
                let other = other.join();
                result = result.and(other.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            result
        })
    }
}

/// What the threads share.
struct Reading<'a> {
    contents: Mutex<&'a mut Contents>,
    tree: &'a ContextTree<'a>,
    entries: &'a Entries,
    files: &'a [usize],
    index: &'a ContentIndex,
    next: AtomicUsize,
    has_failed: AtomicBool,
    large: Mutex<()>,
}

impl Reading<'_> {
    fn work(&self) -> Result<(), ContextError> {
        let mut buffer = vec![0; BUFFERS[0]];
        let mut read = Vec::with_capacity(SHARE);
        while !self.has_failed.load(Ordering::Relaxed) {
            let start = self.next.fetch_add(SHARE, Ordering::Relaxed);
            let Some(rest) = self.files.get(start..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            for file in rest.iter().take(SHARE) {
                let entry = self.entries.get(*file);
                let content = read_file(self.tree, &entry, self.index, (&self.large, &mut buffer));
                match content {
                    Ok(content) => read.push((*file, content)),
                    Err(error) => {
                        self.has_failed.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
            for (file, content) in read.drain(..) {
                contents.set(file, content);
            }
        }
        Ok(())
    }
}

/// Reads a file as a whole.
fn read_file(
    tree: &ContextTree<'_>,
    entry: &Entry<'_>,
    index: &ContentIndex,
    (large, buffer): (&Mutex<()>, &mut Vec<u8>),
) -> Result<Content, ContextError> {
    for _ in 0..MOST_ATTEMPTS {
        let mut now = SystemTime::now();
        let mut open = tree.open_file(entry)?;
        let mut identity = open.identity();
        if let Some(wait) = identity.settles_in(FileTime::of(now)) {
            // What is read now could be changed again without a trace, after its digest has become part of a key.
            std::thread::sleep(wait);
            now = SystemTime::now();
            open = tree.open_file(entry)?;
            identity = open.identity();
        }
        let mut read = || {
            let is_large = identity.size >= LARGE;
            let alone = is_large.then(|| large.lock().unwrap_or_else(PoisonError::into_inner));
            if is_large {
                buffer.resize(BUFFERS[1], 0);
                // It is only advice.
                rustix::fs::fadvise(&open.file, 0, None, Advice::Sequential).unwrap_or_default();
            }
            let digest = hash(&mut open.file, identity.size, buffer)?;
            drop(alone);
            let attributes = attributes_digest(&open.file)?;
            let content = Content { digest, attributes };
            Ok(open.is_unchanged()?.then_some(content))
        };
        let content =
            read().map_err(|error| ContextError::of("read", &entry.context_path(), error))?;
        if let Some(content) = content {
            index.record(&identity, content, now);
            return Ok(content);
        }
    }
    Err(ContextError::Changed {
        path: entry.context_path(),
    })
}

/// The digest of a file's bytes, of which there are `size` unless it grows: what it has more is looked for only if that many
/// did not end with a short read, for a file that changes is read again.
fn hash(file: &mut impl Read, size: u64, buffer: &mut [u8]) -> io::Result<FileDigest> {
    let mut hasher = FileHasher::default();
    let mut n_read = 0;
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => {
                hasher.update(&buffer[..length]);
                n_read += length as u64;
                if n_read == size && length < buffer.len() {
                    return Ok(hasher.finish());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
