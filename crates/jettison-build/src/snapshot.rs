//! File systems on disk, as stacks of overlayfs upper directories.
//!
//! ```text
//! snapshots/
//! ├── <name>/fs               a committed snapshot: what one step or layer changed
//! ├── chains/<chain ID>       a symbolic link to the snapshot that ends that stack of layers
//! ├── owners.lock             held while an `active-` directory is made or found abandoned
//! └── active-<pid>-<n>/       one process's snapshots that are being written
//!     ├── lock                locked by that process as long as it lives
//!     └── <n>/{fs,work}       the files so far, and the directory that overlayfs works in
//! ```
//!
//! A snapshot appears by rename, whole or not at all, and is never replaced: others may be reading it.

mod owner;
mod remove;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jettison_oci::{ChainId, DiffId, Image, Owners, Store, unpack_layers};

use crate::error::BuildError;
use crate::snapshot::owner::Owner;
pub(crate) use crate::snapshot::remove::remove_all;

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
    /// Keeps the directory of an active snapshot.
    _owner: Option<Arc<Owner>>,
    state: PhantomData<State>,
}

/// A name for a snapshot that begins with `start`, and that no other snapshot of any store has.
pub(crate) fn unique_name(start: &str) -> Result<String, BuildError> {
    Ok(format!("{start}-{}", unique()?))
}

/// 16 digits that nobody has had yet.
fn unique() -> Result<String, BuildError> {
    let mut bytes = [0; 8];
    let source = Path::new("/dev/urandom");
    fs::File::open(source)
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes))
        .map_err(|error| BuildError::io("read", source, error))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// The snapshots below one store's root.
#[derive(Clone, Debug)]
pub struct Snapshots {
    root: PathBuf,
    /// Whose the files of unpacked layers become.
    owners: Owners,
    owner: Arc<Owner>,
    /// Whether there is anything at `etc` in directories that were looked at.
    etc: Arc<Mutex<HashMap<PathBuf, bool>>>,
}

/// What was a snapshot, in its owner's directory: with that, it goes in any case.
#[derive(Debug)]
pub(crate) struct Aside(PathBuf);

impl Aside {
    /// Removes it.
    pub(crate) fn remove(self) -> Result<(), BuildError> {
        let removed = match fs::remove_file(&self.0) {
            Ok(()) => Ok(()),
            Err(_) => remove_all(&self.0),
        };
        removed.map_err(|source| BuildError::io("remove", &self.0, source))
    }
}

impl Snapshots {
    /// Opens the snapshots below `store_root` and clears away what killed processes left.
    pub fn open(store_root: &Path) -> Result<Snapshots, BuildError> {
        let root = store_root.join("snapshots");
        let chains = root.join("chains");
        fs::create_dir_all(&chains).map_err(|source| BuildError::io("create", &chains, source))?;
        let owner = Owner::open(&root)
            .map_err(|source| BuildError::io("make a directory in", &root, source))?;
        Ok(Snapshots {
            root,
            owners: Owners::Preserve,
            owner: Arc::new(owner),
            etc: Arc::default(),
        })
    }

    /// The same where only some owners exist: files of others belong to this process when layers are unpacked.
    #[must_use]
    pub(crate) fn with_few_ids(self) -> Snapshots {
        Snapshots {
            owners: Owners::WhereMapped,
            ..self
        }
    }

    /// Whose the files of unpacked layers become.
    pub(crate) fn owners(&self) -> Owners {
        self.owners
    }

    /// Starts a new snapshot.
    pub fn prepare(&self) -> Result<Snapshot<Active>, BuildError> {
        let dir = self.owner.path();
        let upper = dir.join("fs");
        for path in [&dir, &upper, &dir.join("work")] {
            fs::create_dir(path).map_err(|source| BuildError::io("create", path, source))?;
        }
        // It becomes the mode of `/`, which must not depend on the caller's umask.
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o755))
            .map_err(|source| BuildError::io("open up", &upper, source))?;
        Ok(Snapshot {
            name: String::new(),
            dir,
            _owner: Some(Arc::clone(&self.owner)),
            state: PhantomData,
        })
    }

    /// Ends writing and gives the snapshot its name, which says what is in it: if there is one of
    /// that name already, that one stays, and `active` is thrown away.
    pub fn commit(
        &self,
        active: Snapshot<Active>,
        name: &str,
    ) -> Result<Snapshot<Committed>, BuildError> {
        loop {
            if self.rename(&active, name)? {
                return Ok(self.committed(name));
            }
            if let Some(existing) = self.get(name) {
                self.discard(active)?;
                return Ok(existing);
            }
            self.remove(name)?;
        }
    }

    /// Whether the snapshot got the name. It does not if there is something of that name.
    fn rename(&self, active: &Snapshot<Active>, name: &str) -> Result<bool, BuildError> {
        let work = active.work();
        remove_all(&work).map_err(|source| BuildError::io("remove", &work, source))?;
        let dir = self.root.join(name);
        match fs::rename(&active.dir, &dir) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::AlreadyExists
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(source) => Err(BuildError::io("commit", &dir, source)),
        }
    }

    fn committed(&self, name: &str) -> Snapshot<Committed> {
        Snapshot {
            name: name.to_string(),
            dir: self.root.join(name),
            _owner: None,
            state: PhantomData,
        }
    }

    /// Removes what is called `name`. Nobody may be using it.
    pub(crate) fn remove(&self, name: &str) -> Result<(), BuildError> {
        self.set_aside(name)?.map_or(Ok(()), Aside::remove)
    }

    /// Takes what is called `name` away from there, to be removed at leisure: large trees take long. Nobody may be using
    /// it; nothing, if there is nothing of that name.
    pub(crate) fn set_aside(&self, name: &str) -> Result<Option<Aside>, BuildError> {
        let dir = self.root.join(name);
        let aside = Aside(self.owner.path());
        match fs::rename(&dir, &aside.0) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BuildError::io("remove", &dir, source)),
        }
    }

    /// The names of all committed snapshots, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>, BuildError> {
        let failed = |source| BuildError::io("list", &self.root, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().join("fs").is_dir()
                && !name.starts_with(owner::PREFIX)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The names of the snapshots that end a stack of layers.
    pub(crate) fn chain_ends(&self) -> Result<Vec<(String, String)>, BuildError> {
        let chains = self.root.join("chains");
        let failed = |source| BuildError::io("list", &chains, source);
        let mut ends = Vec::new();
        for entry in fs::read_dir(&chains).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (Ok(chain), Ok(target)) =
                (entry.file_name().into_string(), fs::read_link(entry.path()))
            else {
                continue;
            };
            if let Some(name) = target.file_name().and_then(|name| name.to_str()) {
                ends.push((chain, name.to_owned()));
            }
        }
        Ok(ends)
    }

    /// Those of the directories `lowers` of committed snapshots that have anything at `etc`, be it that it is gone. Each
    /// is looked at once, for it does not change.
    pub(crate) fn with_etc(&self, lowers: &[PathBuf]) -> Vec<PathBuf> {
        let mut known = self.etc.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_etc = |lower: &&PathBuf| {
            if let Some(has_etc) = known.get(*lower) {
                return *has_etc;
            }
            let found = fs::symlink_metadata(lower.join("etc"));
            let has_etc = !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            known.insert((*lower).clone(), has_etc);
            has_etc
        };
        lowers
            .iter()
            .filter(|lower| has_etc(lower))
            .cloned()
            .collect()
    }

    /// Forgets the stacks of layers whose snapshots are gone.
    pub(crate) fn tidy(&self) -> Result<(), BuildError> {
        for (chain, name) in self.chain_ends()? {
            if self.get(&name).is_none() {
                let path = self.root.join("chains").join(chain);
                fs::remove_file(&path).map_err(|source| BuildError::io("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Throws an active snapshot away.
    pub fn discard(&self, active: Snapshot<Active>) -> Result<(), BuildError> {
        remove_all(&active.dir).map_err(|source| BuildError::io("remove", &active.dir, source))
    }

    /// The committed snapshot called `name`.
    pub fn get(&self, name: &str) -> Option<Snapshot<Committed>> {
        let snapshot = self.committed(name);
        snapshot.fs().is_dir().then_some(snapshot)
    }

    /// Where the files of the snapshot called `name` are, if it exists.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.committed(name).fs()
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
        let temporary = self.owner.path();
        std::os::unix::fs::symlink(Path::new("..").join(&snapshot.name), &temporary)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|source| BuildError::io("write", &path, source))
    }

    /// Whether there are layers of an image that are neither unpacked nor in the store.
    pub(crate) fn lack(&self, store: &Store, image: &Image) -> bool {
        let mut diff_ids: Vec<DiffId> = Vec::new();
        image.layers().iter().any(|layer| {
            diff_ids.push(layer.diff_id);
            let chain = ChainId::of(&diff_ids);
            let is_unpacked =
                chain.is_some_and(|chain| self.chain_path(&chain).join("fs").is_dir());
            !is_unpacked && !store.has_layer(layer)
        })
    }

    /// The directories of an image's layers, top first. Layers that are not on disk are unpacked, several at a time.
    pub fn of_image(&self, store: &Store, image: &Image) -> Result<Vec<PathBuf>, BuildError> {
        let mut chains = Vec::new();
        let mut missing = Vec::new();
        let mut layers = Vec::new();
        let mut diff_ids: Vec<DiffId> = Vec::new();
        for layer in image.layers() {
            diff_ids.push(layer.diff_id);
            let Some(chain) = ChainId::of(&diff_ids) else {
                continue;
            };
            if !self.chain_path(&chain).join("fs").is_dir() {
                let active = self.prepare()?;
                layers.push((layer.clone(), active.fs()));
                missing.push((chain, active));
            }
            chains.push(chain);
        }
        unpack_layers(store, &layers, self.owners).map_err(BuildError::Layer)?;
        for (chain, active) in missing {
            let snapshot = self.commit(active, &layer_snapshot_name(&chain))?;
            self.name_chain(&chain, &snapshot)?;
        }
        let mut dirs = Vec::new();
        for chain in chains.iter().rev() {
            let path = self.chain_path(chain);
            let real = fs::canonicalize(path.join("fs"))
                .map_err(|source| BuildError::io("find", &path, source))?;
            dirs.push(real);
        }
        Ok(dirs)
    }

    fn chain_path(&self, chain: &ChainId) -> PathBuf {
        self.root.join("chains").join(hex(&chain.to_string()))
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

    /// The snapshot's name; empty as long as it is active.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(root.join("snapshots"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn written(snapshots: &Snapshots, text: &str) -> Snapshot<Active> {
        let active = snapshots.prepare().unwrap();
        fs::write(active.fs().join("file"), text).unwrap();
        active
    }

    #[test]
    fn a_committed_snapshot_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(dir.path()).unwrap();
        let text = |snapshot: &Snapshot<Committed>| {
            fs::read_to_string(snapshot.fs().join("file")).unwrap()
        };
        let first = snapshots.commit(written(&snapshots, "1"), "name").unwrap();
        let second = snapshots.commit(written(&snapshots, "2"), "name").unwrap();
        assert_eq!((text(&first), text(&second)), ("1".into(), "1".into()));
        let name = unique_name("name").unwrap();
        let beside = snapshots.commit(written(&snapshots, "3"), &name).unwrap();
        assert!(beside.name().starts_with("name-"), "{beside:?}");
        assert_eq!(text(&beside), "3");
    }

    #[test]
    fn a_broken_snapshot_gives_way() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(dir.path()).unwrap();
        let broken = dir.path().join("snapshots/name");
        fs::create_dir(&broken).unwrap();
        fs::write(broken.join("junk"), "").unwrap();
        snapshots.commit(written(&snapshots, "1"), "name").unwrap();
        assert!(broken.join("fs/file").exists());
        fs::write(dir.path().join("snapshots/other"), "").unwrap();
        snapshots.commit(written(&snapshots, "1"), "other").unwrap();
        assert!(dir.path().join("snapshots/other/fs/file").exists());
    }

    #[test]
    fn only_what_nobody_holds_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let living = Snapshots::open(dir.path()).unwrap();
        let active = written(&living, "1");
        // As after a kill: the directory is there, and nobody has its lock.
        let dead = dir.path().join("snapshots/active-1-0");
        fs::create_dir_all(dead.join("0/fs")).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        let half_made = dir.path().join("snapshots/active-1-1");
        fs::create_dir_all(&half_made).unwrap();
        drop(Snapshots::open(dir.path()).unwrap());
        assert!(!dead.exists() && !half_made.exists());
        assert!(active.fs().join("file").exists());
        drop(living);
        assert!(active.fs().join("file").exists(), "it has not been dropped");
        drop(active);
        assert_eq!(names(dir.path()), ["chains", "owners.lock"]);
    }
}
