//! Blobs: written under their digests, verified when read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use crate::digest::{Digest, Hasher};
use crate::store::{BlobSync, Store, StoreError, io_error};

/// The largest blob that is read at once. Registries accept manifests of up to 4 MiB.
const LARGEST_JSON: u64 = 16 << 20;

impl Store {
    /// Stores `bytes` and returns their digest and size.
    pub fn put(&self, bytes: &[u8]) -> Result<(Digest, u64), StoreError> {
        let mut writer = self.blob_writer()?;
        writer
            .write_all(bytes)
            .map_err(io_error("write a blob in", self.root()))?;
        writer.finish()
    }

    /// Starts a blob whose digest is known when it is finished.
    pub fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        let file = self.temporary()?;
        Ok(BlobWriter {
            store: self.clone(),
            file,
            hasher: Hasher::new(),
            size: 0,
        })
    }

    /// Where the blob `digest` is, if it is there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs/sha256").join(digest.hex())
    }

    /// Whether there is a blob `digest`.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// The size of the blob `digest`.
    pub fn size(&self, digest: &Digest) -> Result<u64, StoreError> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(blob_error("inspect", *digest, path, error)),
        }
    }

    /// Opens the blob `digest`.
    pub fn open_blob(&self, digest: &Digest) -> Result<BlobReader, StoreError> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(BlobReader {
                file,
                hasher: Some(Hasher::new()),
                expected: *digest,
                failed: None,
            }),
            Err(error) => Err(blob_error("open", *digest, path, error)),
        }
    }

    /// Reads the blob `digest`, which must be small enough for a manifest or a configuration.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut blob = self.open_blob(digest)?;
        let mut bytes = Vec::new();
        let path = self.blob_path(digest);
        let read = (&mut blob).take(LARGEST_JSON + 1).read_to_end(&mut bytes);
        if let Some(actual) = blob.failed {
            return Err(StoreError::Corrupt {
                expected: *digest,
                actual,
            });
        }
        read.map_err(io_error("read", &path))?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > LARGEST_JSON {
            return Err(StoreError::TooLarge {
                digest: *digest,
                size: self.size(digest)?,
            });
        }
        Ok(bytes)
    }

    /// Removes the blob `digest`, if it is there, and what is noted about it.
    pub fn remove_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        self.remove_notes(digest);
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

fn blob_error(action: &'static str, digest: Digest, path: PathBuf, error: io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::NotFound {
        StoreError::Missing { digest }
    } else {
        io_error(action, &path)(error)
    }
}

/// A blob that is being written. Dropped without [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    file: NamedTempFile,
    hasher: Hasher,
    size: u64,
}

impl BlobWriter {
    /// Gives the blob its name, and returns its digest and size.
    pub fn finish(self) -> Result<(Digest, u64), StoreError> {
        let BlobWriter {
            store,
            file,
            hasher,
            size,
        } = self;
        let digest = hasher.finish();
        let path = store.blob_path(&digest);
        if store.inner.options.blob_sync == BlobSync::Always {
            file.as_file()
                .sync_all()
                .map_err(io_error("write", &path))?;
        }
        // An old blob is replaced even so: it may be damaged.
        file.persist(&path)
            .map_err(|error| io_error("replace", &path)(error.error))?;
        Ok((digest, size))
    }

    /// Gives the blob its name if its bytes hash to `expected`; else it leaves nothing.
    pub fn finish_as(self, expected: &Digest) -> Result<u64, StoreError> {
        let actual = self.hasher.clone().finish();
        if actual != *expected {
            return Err(StoreError::Corrupt {
                expected: *expected,
                actual,
            });
        }
        Ok(self.finish()?.1)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Reads a blob. At its end the bytes are checked against the digest, and the last read fails with
/// [`StoreError::Corrupt`] if they differ.
#[derive(Debug)]
pub struct BlobReader {
    file: File,
    // `None` once the end was reached and the digest was right.
    hasher: Option<Hasher>,
    expected: Digest,
    failed: Option<Digest>,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.file.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..n_read]);
        }
        if n_read > 0 || buffer.is_empty() {
            return Ok(n_read);
        }
        if let Some(hasher) = self.hasher.take() {
            let actual = hasher.finish();
            self.failed = (actual != self.expected).then_some(actual);
        }
        match self.failed {
            None => Ok(0),
            Some(actual) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                StoreError::Corrupt {
                    expected: self.expected,
                    actual,
                },
            )),
        }
    }
}
