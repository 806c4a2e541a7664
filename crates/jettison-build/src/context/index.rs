//! The content index: what the files of a context hash to, so that no file is read twice.
//!
//! ```text
//! <store root>/context-index/<SHA-256 of the context's path>
//! ```
//!
//! A file is known by its identity: device, inode, size, and its times of modification and of change to the nanosecond.
//! A digest is kept only if a later change is certain to be seen in these (`FileIdentity::is_settled`).
//!
//! **What is assumed.** The kernel stamps every change with its clock, which no program can turn back to an earlier
//! nanosecond of the same file; on file systems that another machine or a program serves (NFS, FUSE, 9p and all that are not in a
//! list of local ones), that the machine's clock is less than three seconds behind ours. What another machine has just
//! written is seen when the kernel sees it (NFS: `acregmin`). A program that writes to a file through a mapping while it is being
//! read is seen when the kernel writes that page back. Git assumes the same.
//!
//! **What is kept.** An entry that no build has looked at for the last `MOST_SAVES` saves is dropped, and so are the oldest as
//! long as there are more unseen than seen, and than 200,000. An index that has not been written for 60 days goes, and the
//! oldest if there are more than 64. Two builds at once: each adds to what is there when it saves; what the other writes
//! in that moment is lost, and read again. The file appears by rename; one that is cut, or of another version, or not ours, is
//! an empty index. Nothing is synchronized: a file that a power failure has cut does not add up.

mod format;
mod fresh;
mod network;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jettison_oci::Digest;

use crate::context::file_digest::FileDigest;
use crate::context::identity::{FileIdentity, FileTime, Precision};
use crate::context::index::format::Loaded;
use crate::context::index::fresh::{Fresh, Record};
use crate::context::index::network::precision;

/// As many saves an entry outlives without being looked at.
const MOST_SAVES: u32 = 64;

/// As many contexts' indexes are kept.
const MOST_INDEXES: usize = 64;
const DAY: Duration = Duration::from_hours(24);

/// What is known of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The digest of its bytes.
    pub digest: FileDigest,
    /// The digest of its attributes, if it has some that belong to the content.
    pub attributes: Option<FileDigest>,
}

/// The index of one context.
#[derive(Debug)]
pub struct ContentIndex {
    path: PathBuf,
    /// The device of the context's root, which has another number after the next mount, and is 0 in here.
    device: u64,
    precision: Precision,
    loaded: Loaded,
    fresh: Mutex<Fresh>,
}

impl ContentIndex {
    /// Opens the index of the context at `root`, an absolute path without links, whose directory is `dir`.
    pub fn open(store_root: &Path, root: &Path, dir: impl AsFd) -> io::Result<ContentIndex> {
        let folder = store_root.join("context-index");
        fs::create_dir_all(&folder)?;
        let path = folder.join(Digest::of(root.as_os_str().as_bytes()).hex());
        Ok(ContentIndex {
            device: rustix::fs::fstat(&dir)?.st_dev,
            precision: precision(dir),
            loaded: Loaded::read(&path),
            fresh: Mutex::default(),
            path,
        })
    }

    /// What is known of the file with this identity.
    pub fn get(&self, identity: &FileIdentity) -> Option<Content> {
        let identity = self.relative(identity);
        let lock = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = lock.get((identity.device, identity.inode)) {
            return (record.identity == identity).then(|| record.content());
        }
        drop(lock);
        self.loaded.find(&identity)
    }

    /// Whether the file with this identity was known with another one: somebody has written to it since.
    pub(crate) fn knew(&self, identity: &FileIdentity) -> bool {
        let identity = self.relative(identity);
        self.loaded.has_other(&identity)
    }

    /// Remembers what a file with this identity holds, which was read at `read` or after it, and whose identity was the same
    /// after that. Does nothing and says `false` if a change could have gone unseen.
    pub fn record(&self, identity: &FileIdentity, content: Content, read: SystemTime) -> bool {
        let precision = if identity.device == self.device {
            self.precision
        } else {
            // Something else is mounted there, which nobody has looked at.
            Precision::Coarse
        };
        if !identity.is_settled(FileTime::of(read), precision) {
            return false;
        }
        let identity = self.relative(identity);
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.insert(Record::new(identity, content));
        true
    }

    /// Writes what is new.
    pub fn save(&self) -> io::Result<()> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.n_records() == 0 {
            return Ok(());
        }
        let is_same = fs::metadata(&self.path)
            .is_ok_and(|metadata| Some((metadata.dev(), metadata.ino())) == self.loaded.file);
        let theirs = (!is_same).then(|| Loaded::read(&self.path));
        format::write(&self.path, [Some(&self.loaded), theirs.as_ref()], &fresh)?;
        self.tidy(SystemTime::now())
    }

    /// Removes the indexes of other contexts that nobody has written to for long, the oldest of many, and what a killed process
    /// has left.
    fn tidy(&self, now: SystemTime) -> io::Result<()> {
        let mut indexes = Vec::new();
        let Some(folder) = self.path.parent() else {
            return Ok(());
        };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else {
                // Somebody else was faster.
                continue;
            };
            let is_temporary = entry.file_name().as_bytes().starts_with(b".");
            let longest = if is_temporary { DAY } else { DAY * 60 };
            let is_old = now.duration_since(modified).is_ok_and(|age| age > longest);
            if is_old && path != self.path {
                fs::remove_file(&path).unwrap_or_default();
            } else if !is_temporary && path != self.path {
                indexes.push((modified, path));
            }
        }
        indexes.sort();
        let n_more = (indexes.len() + 1).saturating_sub(MOST_INDEXES);
        for (_, path) in &indexes[..n_more.min(indexes.len())] {
            fs::remove_file(path).unwrap_or_default();
        }
        Ok(())
    }

    /// The identity with a device number that is the same after the next mount.
    fn relative(&self, identity: &FileIdentity) -> FileIdentity {
        let device = match identity.device {
            device if device == self.device => 0,
            other => other,
        };
        FileIdentity {
            device,
            ..*identity
        }
    }
}

#[cfg(test)]
mod tests;
