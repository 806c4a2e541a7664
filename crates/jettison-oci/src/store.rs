//! The content store on disk, an OCI image layout with a few files beside it.
//!
//! ```text
//! <root>/
//! ├── version            the version of this arrangement
//! ├── oci-layout         makes the directory an image layout
//! ├── index.json         one descriptor per tagged image
//! ├── blobs/sha256/<hex> the content
//! ├── images/<hex>       image ID → the digest of its manifest
//! ├── notes/             what is known about blobs beside their bytes
//! ├── pulling/<hex>      blobs that are being fetched, or whose fetching was broken off
//! ├── tmp/               files that are being written
//! ├── lock               for users of the store: shared while working, exclusive while pruning
//! ├── index.lock         held while `index.json` is replaced
//! └── tmp.lock           shared by every open store; who gets it alone empties `tmp/`
//! ```
//!
//! A file appears by rename, whole or not at all, so a killed process leaves nothing that the next
//! one would trip over. Blobs are checked against their digests whenever they are read.

mod absent;
mod blob;
mod collect;
mod index;
mod notes;
mod partial;

pub use crate::store::blob::{BlobReader, BlobWriter};
pub use crate::store::collect::StoredBlob;
pub use crate::store::index::TaggedImage;
pub(crate) use crate::store::index::{CREATED, IMAGE_NAME, REF_NAME};
pub use crate::store::notes::Origin;
pub(crate) use crate::store::partial::PartialBlob;

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::digest::{Digest, ImageId};
use crate::image::ImageError;

/// The version of the arrangement on disk.
const VERSION: &str = "jettison store 1\n";
/// What makes a directory an image layout.
pub(crate) const OCI_LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

/// What the store cannot do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The directory is a store of another version.
    #[error("{} is a store of version `{version}`, which this program does not know", .path.display())]
    Version {
        /// The store.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// There is no such blob.
    #[error("there is no blob {digest}")]
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// The blob's bytes do not hash to its name.
    #[error("blob {expected} is corrupt: its bytes hash to {actual}")]
    Corrupt {
        /// Its name.
        expected: Digest,
        /// What its bytes hash to.
        actual: Digest,
    },
    /// A blob that should be JSON is too large to be read at once.
    #[error("blob {digest} of {size} bytes is too large to be a manifest or configuration")]
    TooLarge {
        /// Its name.
        digest: Digest,
        /// Its size.
        size: u64,
    },
    /// A blob is not the JSON that it should be.
    #[error("cannot read {what}")]
    Json {
        /// Which file or blob.
        what: String,
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// The parts of a stored image do not belong together.
    #[error("cannot read image {manifest}")]
    Image {
        /// The digest of its manifest.
        manifest: Digest,
        /// What is wrong.
        source: Box<ImageError>,
    },
    /// Several images start with the given digits.
    #[error("`{prefix}` is ambiguous: it is the start of {first} and {second}")]
    Ambiguous {
        /// What was looked for.
        prefix: String,
        /// An image that it may mean.
        first: ImageId,
        /// Another one.
        second: ImageId,
    },
}

/// Says that `action` on `path` failed.
fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Whether written blobs are forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobSync {
    /// No: a blob that a power failure damaged is found out when it is read.
    Never,
    /// Each, before it gets its name.
    Always,
}

/// How a store is used.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Whether written blobs are forced to the disk.
    pub blob_sync: BlobSync,
}

/// A content store. Clones are cheap and mean the same store.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    options: StoreOptions,
    // Held as long as the store is open, so that nobody empties `tmp/`.
    _tmp_lock: File,
}

impl Store {
    /// Opens the store in `root`, or makes one there.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        Store::open_with(
            root,
            StoreOptions {
                blob_sync: BlobSync::Never,
            },
        )
    }

    /// Opens the store in `root`, or makes one there, to be used as `options` say.
    pub fn open_with(root: &Path, options: StoreOptions) -> Result<Store, StoreError> {
        let is_new = !has_version(root)?;
        for directory in ["tmp", "blobs/sha256", "images"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        }
        let tmp_lock = lock_tmp(root)?;
        let inner = Inner {
            root: root.to_owned(),
            options,
            _tmp_lock: tmp_lock,
        };
        let store = Store {
            inner: Arc::new(inner),
        };
        if is_new {
            store.write_file(&root.join("oci-layout"), OCI_LAYOUT)?;
            store.create_index()?;
            // Last, so that a half-made store is made again.
            store.write_file(&root.join("version"), VERSION.as_bytes())?;
        }
        Ok(store)
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Locks the store against pruning, and waits until a pruning process is done.
    pub fn lock_shared(&self) -> Result<StoreLock, StoreError> {
        let (file, path) = self.open_lock("lock")?;
        file.lock_shared().map_err(io_error("lock", &path))?;
        Ok(StoreLock { file })
    }

    /// Locks the store for one process alone. If others use it, calls `waiting` and waits for all of them.
    pub fn lock_exclusive(&self, waiting: &dyn Fn()) -> Result<StoreLock, StoreError> {
        let (file, path) = self.open_lock("lock")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(io_error("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
        }
        Ok(StoreLock { file })
    }

    fn open_lock(&self, name: &str) -> Result<(File, PathBuf), StoreError> {
        open_lock(self.root(), name)
    }

    /// The directory for files that are being written.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// An empty file in `tmp/` that vanishes unless it is given a name.
    pub(crate) fn temporary(&self) -> Result<NamedTempFile, StoreError> {
        temporary_in(&self.tmp())
    }

    /// Makes `path` a file that holds `bytes`, at once and for good.
    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.temporary()?;
        file.write_all(bytes).map_err(io_error("write", path))?;
        file.as_file().sync_all().map_err(io_error("write", path))?;
        file.persist(path)
            .map_err(|error| io_error("replace", path)(error.error))?;
        let directory = path.parent().unwrap_or(self.root());
        let handle = File::open(directory).map_err(io_error("open", directory))?;
        handle.sync_all().map_err(io_error("sync", directory))
    }
}

/// Whether there is a store in `root`; one that a later program has made is refused.
fn has_version(root: &Path) -> Result<bool, StoreError> {
    let path = root.join("version");
    match fs::read(&path) {
        Ok(version) if version == VERSION.as_bytes() => Ok(true),
        Ok(version) => Err(StoreError::Version {
            path: root.to_owned(),
            version: String::from_utf8_lossy(&version).trim_end().to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// Keeps a lock on the store until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct StoreLock {
    file: File,
}

impl StoreLock {
    /// Does `work` while nobody else uses the store, or not at all if somebody does. The lock is shared afterwards.
    pub fn alone<T>(&self, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        let done = match self.file.try_lock() {
            Ok(()) => Some(work()),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        self.file.lock_shared()?;
        Ok(done)
    }
}

/// A new file in `directory` that everybody may read once it has its name.
pub(crate) fn temporary_in(directory: &Path) -> Result<NamedTempFile, StoreError> {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(io_error("create a file in", directory))
}

fn open_lock(root: &Path, name: &str) -> Result<(File, PathBuf), StoreError> {
    let path = root.join(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    Ok((file.map_err(io_error("open", &path))?, path))
}

/// Takes the lock that protects `tmp/`, and empties that if nobody else has the store open.
fn lock_tmp(root: &Path) -> Result<File, StoreError> {
    let (file, path) = open_lock(root, "tmp.lock")?;
    match file.try_lock() {
        Ok(()) => {
            sweep(&root.join("tmp"))?;
            file.unlock().map_err(io_error("unlock", &path))?;
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
    }
    file.lock_shared().map_err(io_error("lock", &path))?;
    Ok(file)
}

/// Removes what killed processes have left.
fn sweep(directory: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(directory).map_err(io_error("list", directory))? {
        let path = entry.map_err(io_error("list", directory))?.path();
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
    }
    Ok(())
}
