//! Blobs that are on their way, and what of them an earlier process has left.
//!
//! A partial blob is the file `pulling/<hex>`, with a lock on it. Once it is complete it is renamed to the blob: the lock
//! goes along with it, so whoever waited for it sees that it is not the file of that name any more.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::digest::{Digest, Hasher};
use crate::store::{BlobSync, Store, StoreError, io_error};

/// Where partial blobs are.
const DIRECTORY: &str = "pulling";
/// How much is read at once.
const BUFFER: usize = 256 << 10;

/// A blob of which the first bytes are there. Dropped before it is complete, it stays for the next process that needs it.
pub(crate) struct PartialBlob {
    store: Store,
    digest: Digest,
    file: File,
    place: Place,
    hasher: Hasher,
    size: u64,
    is_blob: bool,
}

/// Where the file is.
enum Place {
    /// It is locked, and kept.
    Kept(PathBuf),
    /// Others would not know of the lock, so nobody must find it.
    Temporary(TempPath),
}

impl Store {
    /// Takes up the blob `digest`, and waits for other processes that are at it. Nothing is known yet of what they have
    /// left: see [`PartialBlob::take_up`].
    pub(crate) fn partial_blob(&self, digest: &Digest) -> Result<PartialBlob, StoreError> {
        let directory = self.root().join(DIRECTORY);
        fs::create_dir_all(&directory).map_err(io_error("create", &directory))?;
        let path = directory.join(digest.hex());
        let (file, place) = if let Some(file) = locked(&path)? {
            (file, Place::Kept(path))
        } else {
            // A file system without locks.
            let (file, path) = self.temporary()?.into_parts();
            (file, Place::Temporary(path))
        };
        Ok(PartialBlob {
            store: self.clone(),
            digest: *digest,
            file,
            place,
            hasher: Hasher::new(),
            size: 0,
            is_blob: false,
        })
    }
}

/// The file at `path` with a lock on it, made if need be; `None` where there are no locks.
fn locked(path: &Path) -> Result<Option<File>, StoreError> {
    loop {
        let opened = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path);
        let file = opened.map_err(io_error("open", path))?;
        if file.lock().is_err() {
            return Ok(None);
        }
        // Who had the lock before may have made the file a blob, or removed it.
        let own = file.metadata().map_err(io_error("examine", path))?;
        match fs::symlink_metadata(path) {
            Ok(found) if (found.dev(), found.ino()) == (own.dev(), own.ino()) => {
                return Ok(Some(file));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("examine", path)(error)),
        }
    }
}

impl PartialBlob {
    /// Hashes what an earlier process has left, and shows it to `see`. If it is more than `most` bytes, it is thrown away.
    pub(crate) fn take_up(
        &mut self,
        most: u64,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), StoreError> {
        let length = self.file.metadata().map(|metadata| metadata.len());
        if length.map_err(self.error("examine"))? > most {
            return self.restart();
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            let n_read = match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n_read) => n_read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.error("read")(error)),
            };
            self.hasher.update(&buffer[..n_read]);
            self.size += n_read as u64;
            see(&buffer[..n_read]);
        }
    }

    /// How many bytes are there.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes. Where they cannot be written, what is there goes: it may be what fills the disk.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Err(error) = self.file.write_all(bytes) {
            let error = self.error("write")(error);
            self.restart()?;
            return Err(error);
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(self.error("empty"))?;
        let rewound = self.file.seek(SeekFrom::Start(0));
        rewound.map_err(self.error("rewind"))?;
        self.hasher = Hasher::new();
        self.size = 0;
        Ok(())
    }

    /// Makes it a blob, if its bytes are the right ones; else it is thrown away.
    pub(crate) fn finish(&mut self) -> Result<(), StoreError> {
        let actual = self.hasher.clone().finish();
        if actual != self.digest {
            self.restart()?;
            return Err(StoreError::Corrupt {
                expected: self.digest,
                actual,
            });
        }
        // Everybody may read blobs, whatever the mask of whoever began this one.
        let permitted = self.file.set_permissions(Permissions::from_mode(0o644));
        permitted.map_err(self.error("open up"))?;
        if self.store.inner.options.blob_sync == BlobSync::Always {
            self.file.sync_all().map_err(self.error("write"))?;
        }
        let path = self.store.blob_path(&self.digest);
        fs::rename(self.path(), &path).map_err(io_error("replace", &path))?;
        self.is_blob = true;
        Ok(())
    }

    fn path(&self) -> &Path {
        match &self.place {
            Place::Kept(path) => path,
            Place::Temporary(path) => path,
        }
    }

    fn error(&self, action: &'static str) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let path = self.path().to_owned();
        move |source| StoreError::Io {
            action,
            path,
            source,
        }
    }
}

impl Drop for PartialBlob {
    fn drop(&mut self) {
        if let Place::Kept(path) = &self.place
            && self.size == 0
            && !self.is_blob
        {
            // The lock is still held: the file of that name is this one.
            fs::remove_file(path).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    const BYTES: &[u8] = b"bytes that take their time";

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        (directory, store)
    }

    /// Takes up the blob, and returns what of it was there.
    fn take_up(store: &Store, digest: &Digest) -> (PartialBlob, Vec<u8>) {
        let mut partial = store.partial_blob(digest).unwrap();
        let mut seen = Vec::new();
        let most = BYTES.len() as u64;
        partial
            .take_up(most, &mut |bytes| seen.extend_from_slice(bytes))
            .unwrap();
        (partial, seen)
    }

    fn n_left(store: &Store) -> usize {
        fs::read_dir(store.root().join(DIRECTORY)).unwrap().count()
    }

    #[test]
    fn what_was_left_is_taken_up() {
        let (_directory, store) = store();
        let digest = Digest::of(BYTES);
        let (mut partial, seen) = take_up(&store, &digest);
        assert!(seen.is_empty());
        partial.add(&BYTES[..9]).unwrap();
        drop(partial);
        let (mut partial, seen) = take_up(&store, &digest);
        assert_eq!(seen, &BYTES[..9]);
        partial.add(&BYTES[9..]).unwrap();
        partial.finish().unwrap();
        drop(partial);
        assert_eq!(store.read(&digest).unwrap(), BYTES);
        assert_eq!(n_left(&store), 0);
    }

    #[test]
    fn what_is_wrong_or_too_long_is_thrown_away() {
        let (_directory, store) = store();
        let digest = Digest::of(BYTES);
        let (mut partial, _) = take_up(&store, &digest);
        partial.add(b"something else").unwrap();
        assert!(matches!(partial.finish(), Err(StoreError::Corrupt { .. })));
        assert_eq!(partial.size(), 0);
        partial.add(&[b'x'; 100]).unwrap();
        drop(partial);
        assert_eq!(n_left(&store), 1);
        let (mut partial, seen) = take_up(&store, &digest);
        assert!(seen.is_empty());
        partial.add(BYTES).unwrap();
        partial.finish().unwrap();
        drop(partial);
        assert_eq!(n_left(&store), 0);
        // Nothing is left of what did not begin.
        drop(take_up(&store, &digest));
        assert_eq!(n_left(&store), 0);
    }

    #[test]
    fn one_at_a_time_is_at_a_blob() {
        let (_directory, store) = store();
        let digest = Digest::of(BYTES);
        for is_complete in [false, true] {
            let (mut first, seen) = take_up(&store, &digest);
            first.add(&BYTES[seen.len()..][..9]).unwrap();
            let (sender, receiver) = channel();
            thread::scope(|scope| {
                scope.spawn(|| {
                    let (second, seen) = take_up(&store, &digest);
                    sender.send(seen.len()).unwrap();
                    drop(second);
                });
                let early = receiver.recv_timeout(Duration::from_millis(100));
                assert!(early.is_err());
                if is_complete {
                    first.add(&BYTES[18..]).unwrap();
                    first.finish().unwrap();
                }
                drop(first);
                // What has become a blob is no partial blob any more.
                assert_eq!(receiver.recv().unwrap(), if is_complete { 0 } else { 9 });
            });
        }
        assert_eq!(store.read(&digest).unwrap(), BYTES);
        assert_eq!(n_left(&store), 0);
    }
}
