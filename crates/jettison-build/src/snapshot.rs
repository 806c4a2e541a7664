//! File systems on disk, as stacks of overlayfs upper directories.
//!
//! ```text
//! snapshots/
//! ├── <name>/fs            a committed snapshot: what one step or layer changed
//! ├── chains/<chain ID>    a symbolic link to the snapshot that ends that stack of layers
//! └── active-<pid>-<n>/    fs and work of a snapshot that is being written
//! ```
//!
//! A snapshot appears by rename, whole or not at all. Left-over active ones are removed by the
//! next process that finds their owner gone.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jettison_oci::{ChainId, DiffId, Image, Store, unpack_layer};

use crate::error::BuildError;

/// A snapshot that is being written. It can never be a parent.
#[derive(Debug)]
pub struct Active;

/// A snapshot that will not change any more.
#[derive(Clone, Debug)]
pub struct Committed;

/// One snapshot's directory.
#[derive(Clone, Debug)]
pub struct Snapshot<State> {
    name: String,
    dir: PathBuf,
    state: PhantomData<State>,
}

/// The snapshots below one store's root.
#[derive(Clone, Debug)]
pub struct Snapshots {
    root: PathBuf,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Snapshots {
    /// Opens the snapshots below `store_root` and clears away what killed processes left.
    pub fn open(store_root: &Path) -> Result<Snapshots, BuildError> {
        let root = store_root.join("snapshots");
        let chains = root.join("chains");
        fs::create_dir_all(&chains).map_err(|source| BuildError::io("create", &chains, source))?;
        let snapshots = Snapshots { root };
        snapshots.remove_orphans();
        Ok(snapshots)
    }

    /// Starts a new snapshot.
    pub fn prepare(&self) -> Result<Snapshot<Active>, BuildError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("active-{}-{number}", std::process::id());
        let dir = self.root.join(&name);
        for path in [&dir, &dir.join("fs"), &dir.join("work")] {
            fs::create_dir(path).map_err(|source| BuildError::io("create", path, source))?;
        }
        Ok(Snapshot {
            name,
            dir,
            state: PhantomData,
        })
    }

    /// Ends writing and gives the snapshot its name. One of that name is replaced.
    pub fn commit(
        &self,
        active: Snapshot<Active>,
        name: &str,
    ) -> Result<Snapshot<Committed>, BuildError> {
        let work = active.dir.join("work");
        remove_all(&work).map_err(|source| BuildError::io("remove", &work, source))?;
        let dir = self.root.join(name);
        for _ in 0..8 {
            match fs::rename(&active.dir, &dir) {
                Ok(()) => {
                    return Ok(Snapshot {
                        name: name.to_string(),
                        dir,
                        state: PhantomData,
                    });
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    let number = NEXT.fetch_add(1, Ordering::Relaxed);
                    let old = self
                        .root
                        .join(format!("active-{}-{number}", std::process::id()));
                    if fs::rename(&dir, &old).is_ok() {
                        remove_all(&old)
                            .map_err(|source| BuildError::io("remove", &old, source))?;
                    }
                }
                Err(source) => return Err(BuildError::io("commit", &dir, source)),
            }
        }
        Err(BuildError::io(
            "commit",
            &dir,
            io::Error::other("another process keeps making it"),
        ))
    }

    /// Throws an active snapshot away.
    pub fn discard(&self, active: Snapshot<Active>) -> Result<(), BuildError> {
        remove_all(&active.dir).map_err(|source| BuildError::io("remove", &active.dir, source))
    }

    /// The committed snapshot called `name`.
    pub fn get(&self, name: &str) -> Option<Snapshot<Committed>> {
        let dir = self.root.join(name);
        dir.join("fs").is_dir().then(|| Snapshot {
            name: name.to_string(),
            dir,
            state: PhantomData,
        })
    }

    /// Where the files of the snapshot called `name` are, if it exists.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.root.join(name).join("fs")
    }

    /// Remembers that `snapshot` on top of the layers below it is the stack `chain`.
    pub fn name_chain(
        &self,
        chain: &ChainId,
        snapshot: &Snapshot<Committed>,
    ) -> Result<(), BuildError> {
        let path = self.chain_path(chain);
        if path.join("fs").is_dir() {
            return Ok(());
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .root
            .join("chains")
            .join(format!(".new-{}-{number}", std::process::id()));
        std::os::unix::fs::symlink(Path::new("..").join(&snapshot.name), &temporary)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|source| BuildError::io("write", &path, source))
    }

    /// The directories of an image's layers, top first. Layers that are not on disk are unpacked.
    pub fn of_image(&self, store: &Store, image: &Image) -> Result<Vec<PathBuf>, BuildError> {
        let mut dirs = Vec::new();
        let mut diff_ids: Vec<DiffId> = Vec::new();
        for layer in image.layers() {
            diff_ids.push(layer.diff_id);
            let Some(chain) = ChainId::of(&diff_ids) else {
                continue;
            };
            let path = self.chain_path(&chain);
            if !path.join("fs").is_dir() {
                let active = self.prepare()?;
                unpack_layer(store, layer, &active.fs()).map_err(BuildError::Layer)?;
                let name = layer_snapshot_name(&chain);
                let snapshot = self.commit(active, &name)?;
                self.name_chain(&chain, &snapshot)?;
            }
            let real = fs::canonicalize(path.join("fs"))
                .map_err(|source| BuildError::io("find", &path, source))?;
            dirs.push(real);
        }
        dirs.reverse();
        Ok(dirs)
    }

    fn chain_path(&self, chain: &ChainId) -> PathBuf {
        self.root.join("chains").join(hex(&chain.to_string()))
    }

    fn remove_orphans(&self) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("active-")) else {
                continue;
            };
            let owner = rest.split('-').next().unwrap_or_default();
            let alive = Path::new("/proc").join(owner).exists();
            if !alive {
                // What cannot be removed now is tried again by the next process.
                remove_all(&entry.path()).unwrap_or_default();
            }
        }
    }
}

/// The name of the snapshot that the top layer of `chain` is unpacked to.
pub fn layer_snapshot_name(chain: &ChainId) -> String {
    format!("layer-{}", hex(&chain.to_string()))
}

impl<State> Snapshot<State> {
    /// The directory that holds the changed files, in overlayfs's upper format.
    pub fn fs(&self) -> PathBuf {
        self.dir.join("fs")
    }

    /// The snapshot's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Snapshot<Active> {
    /// The directory that overlayfs works in.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }
}

fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

/// Removes a tree, directories without write permission included.
fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    if !metadata.is_dir() {
        return;
    }
    // A directory that stays closed makes the removal fail, and that error is reported.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap_or_default();
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        open_up(&entry.path());
    }
}
