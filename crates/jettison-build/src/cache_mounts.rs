//! The directories of `RUN --mount=type=cache`, which last from build to build.
//!
//! ```text
//! cache-mounts/
//! └── <sha256 of the key>/
//!     ├── key          which cache it is, as text
//!     ├── lock         locked while a directory is made or removed
//!     └── <n>/         0, and more where one is not enough
//!         ├── lock     locked as long as somebody uses it; changed at each use
//!         └── fs/      what the commands see
//! ```
//!
//! A `shared` user locks for reading, a `locked` and a `private` one for writing; where a directory is taken, `locked`
//! waits, and the others go on to the next one (BuildKit: `getRefCacheDir`, solver/llbsolver/mounts/mount.go). The kernel
//! releases locks however a process ends. A directory appears by rename, with all that it starts with. A directory
//! without a number, and one whose name begins with a dot, is what a killed process has left.

mod seed;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use jettison_oci::Digest;

use crate::cache::{MountImports, give};
pub(crate) use crate::cache_mounts::seed::copy_tree;
use crate::error::BuildError;
use crate::plan::{CacheSharing, MountAttributes};
use crate::snapshot::remove_all;

/// How often a `locked` user looks whether the directory is free.
const PATIENCE: Duration = Duration::from_millis(20);

/// The cache directories of one store.
#[derive(Clone, Debug)]
pub struct CacheMounts {
    root: PathBuf,
}

/// A cache directory, in use as long as this value lives.
#[derive(Debug)]
pub(crate) struct CacheDirectory {
    path: PathBuf,
    // The kernel releases it however the process ends.
    _lock: File,
}

impl CacheDirectory {
    /// What is to be mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What a new cache directory starts with.
#[derive(Debug)]
pub(crate) enum Seed<'a> {
    /// Nothing; it has this owner and mode.
    Empty(MountAttributes),
    /// A copy of this directory.
    Copy(&'a Path),
}

/// A cache directory on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMountEntry {
    /// Which cache it belongs to: the `id`, and what it was made from.
    pub key: String,
    /// How many bytes its files have.
    pub size: u64,
    /// When it was last taken into use.
    pub last_used: SystemTime,
    /// Whether a command is using it.
    pub is_in_use: bool,
    dir: PathBuf,
}

impl CacheMounts {
    /// The cache directories of the store at `store_root`. Nothing is written before one is needed.
    pub fn new(store_root: &Path) -> CacheMounts {
        CacheMounts {
            root: store_root.join("cache-mounts"),
        }
    }

    /// Takes a directory of the cache `key` into use. If there is none, or none but an empty one that nobody uses, one is
    /// made: of what `imports` have, else from `seed`. Waits as long as it takes if `sharing` says so.
    ///
    /// If `imports` say meanwhile that nobody wants it any more, that is an error.
    pub(crate) fn take(
        &self,
        key: &str,
        sharing: CacheSharing,
        seed: &Seed<'_>,
        imports: &MountImports<'_>,
    ) -> Result<CacheDirectory, BuildError> {
        let dir = self.directory(key);
        let fail = |source| BuildError::io("use the cache mount in", &dir, source);
        loop {
            fs::create_dir_all(&dir).map_err(fail)?;
            let Some(guard) = lock_existing(&dir.join("lock")).map_err(fail)? else {
                // It was removed meanwhile.
                continue;
            };
            let mut is_taken = false;
            for number in numbers(&dir).map_err(fail)? {
                let numbered = dir.join(number.to_string());
                if is_empty(&numbered.join("fs"))
                    && imports.has(key)
                    && let Some(_lock) = lock_unused(&numbered).map_err(fail)?
                    && is_empty(&numbered.join("fs"))
                {
                    set_aside(&dir, &numbered).map_err(fail)?;
                    continue;
                }
                match try_use(&numbered, sharing).map_err(fail)? {
                    Some(directory) => return Ok(directory),
                    None => is_taken = true,
                }
            }
            if is_taken && sharing == CacheSharing::Locked {
                drop(guard);
                if (imports.is_cancelled)() {
                    return Err(BuildError::CANCELLED);
                }
                thread::sleep(PATIENCE);
                continue;
            }
            let made = make(&dir, key, seed, imports).map_err(fail)?;
            if let Some(directory) = try_use(&made, sharing).map_err(fail)? {
                return Ok(directory);
            }
        }
    }

    /// Takes a directory of the cache `key` into use to read it, if there is one with something in it. Waits, after
    /// `waiting` was called, as long as all of them are in use by commands that share them with nobody.
    pub(crate) fn take_to_read(
        &self,
        key: &str,
        waiting: &dyn Fn(),
    ) -> Result<Option<CacheDirectory>, BuildError> {
        let dir = self.directory(key);
        let fail = |source| BuildError::io("use the cache mount in", &dir, source);
        let mut is_told = false;
        loop {
            let numbers = match numbers(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                numbers => numbers.map_err(fail)?,
            };
            let mut is_taken = false;
            for number in numbers {
                let dir = dir.join(number.to_string());
                let lock = match File::open(dir.join("lock")) {
                    Ok(lock) => lock,
                    // It was removed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(fail(error)),
                };
                match lock.try_lock_shared() {
                    Ok(()) => {
                        let path = dir.join("fs");
                        // It may have been removed meanwhile.
                        if !path.is_dir() || is_empty(&path) {
                            continue;
                        }
                        return Ok(Some(CacheDirectory { path, _lock: lock }));
                    }
                    Err(TryLockError::WouldBlock) => is_taken = true,
                    Err(TryLockError::Error(error)) => return Err(fail(error)),
                }
            }
            if !is_taken {
                return Ok(None);
            }
            if !is_told {
                waiting();
                is_told = true;
            }
            thread::sleep(PATIENCE);
        }
    }

    /// All directories, by key.
    pub fn list(&self) -> Result<Vec<CacheMountEntry>, BuildError> {
        let fail = |source| BuildError::io("list", &self.root, source);
        let mut entries = Vec::new();
        for cache in subdirectories(&self.root).map_err(fail)? {
            let Ok(key) = fs::read_to_string(cache.join("key")) else {
                continue;
            };
            for number in numbers(&cache).map_err(fail)? {
                let dir = cache.join(number.to_string());
                let Ok(lock) = File::open(dir.join("lock")) else {
                    continue;
                };
                entries.push(CacheMountEntry {
                    key: key.clone(),
                    size: size_of(&dir.join("fs")),
                    last_used: lock
                        .metadata()
                        .and_then(|metadata| metadata.modified())
                        .map_err(fail)?,
                    is_in_use: matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
                    dir,
                });
            }
        }
        entries.sort_by(|a, b| (&a.key, &a.dir).cmp(&(&b.key, &b.dir)));
        Ok(entries)
    }

    /// Removes a directory with all that is in it; says whether it did. It does not if somebody uses it.
    pub fn remove(&self, entry: &CacheMountEntry) -> Result<bool, BuildError> {
        let fail = |source| BuildError::io("remove", &entry.dir, source);
        let Some(cache) = entry.dir.parent() else {
            return Ok(false);
        };
        let Some(_guard) = lock_existing(&cache.join("lock")).map_err(fail)? else {
            return Ok(false);
        };
        let Some(_lock) = lock_unused(&entry.dir).map_err(fail)? else {
            return Ok(false);
        };
        set_aside(cache, &entry.dir).map_err(fail)?;
        if numbers(cache).map_err(fail)?.is_empty() {
            // Whoever waits for the lock notices that its file is gone, and begins again.
            remove_all(cache).map_err(fail)?;
        }
        Ok(true)
    }

    fn directory(&self, key: &str) -> PathBuf {
        let digest = Digest::of(key.as_bytes()).to_string();
        self.root.join(digest.trim_start_matches("sha256:"))
    }
}

/// The numbers of the directories that there are, smallest first.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn subdirectories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// Locks the file at `path`, which is made if it is missing; `None` if it was removed while we waited.
fn lock_existing(path: &Path) -> io::Result<Option<File>> {
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    file.lock()?;
    let ours = file.metadata()?;
    let is_same = fs::metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    Ok(is_same.then_some(file))
}

/// Locks a directory that is there and that nobody uses.
fn lock_unused(dir: &Path) -> io::Result<Option<File>> {
    let Ok(lock) = File::open(dir.join("lock")) else {
        return Ok(None);
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a directory of the cache in `cache`. The caller holds the locks of both.
fn set_aside(cache: &Path, dir: &Path) -> io::Result<()> {
    let aside = cache.join(format!(".removed-{}", std::process::id()));
    remove_all(&aside)?;
    fs::rename(dir, &aside)?;
    remove_all(&aside)
}

/// Whether there is nothing in a directory.
fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Takes the directory `dir` into use; `None` if it is taken.
fn try_use(dir: &Path, sharing: CacheSharing) -> io::Result<Option<CacheDirectory>> {
    let lock = File::options().write(true).open(dir.join("lock"))?;
    let locked = match sharing {
        CacheSharing::Shared => lock.try_lock_shared(),
        CacheSharing::Private | CacheSharing::Locked => lock.try_lock(),
    };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    lock.set_modified(SystemTime::now())?;
    Ok(Some(CacheDirectory {
        path: dir.join("fs"),
        _lock: lock,
    }))
}

/// Makes a directory with the smallest number that is free. The caller holds the cache's lock.
fn make(dir: &Path, key: &str, seed: &Seed<'_>, imports: &MountImports<'_>) -> io::Result<PathBuf> {
    fs::write(dir.join("key"), key)?;
    let new = dir.join(".new");
    remove_all(&new)?;
    fs::create_dir(&new)?;
    File::create(new.join("lock"))?;
    let root = new.join("fs");
    let used = numbers(dir)?;
    // Only the first one: further ones are for commands that must not share.
    if !(used.is_empty() && imports.unpack(key, &root)?) {
        match seed {
            Seed::Empty(attributes) => {
                fs::create_dir(&root)?;
                give(&root, *attributes)?;
            }
            Seed::Copy(source) => copy_tree(source, &root)?,
        }
    }
    let free = (0..=u64::MAX)
        .find(|number| !used.contains(number))
        .unwrap_or(0);
    let made = dir.join(free.to_string());
    fs::rename(&new, &made)?;
    Ok(made)
}

fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_it_is_gone) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;

    fn scene() -> (tempfile::TempDir, CacheMounts) {
        let dir = tempfile::tempdir().unwrap();
        let mounts = CacheMounts::new(dir.path());
        (dir, mounts)
    }

    fn seed(mode: u32) -> Seed<'static> {
        let own = fs::metadata("/proc/self").unwrap();
        Seed::Empty(MountAttributes {
            mode,
            uid: own.uid(),
            gid: own.gid(),
        })
    }

    /// Takes `sharing` beside what is held, and says the number of the directory.
    fn take(mounts: &CacheMounts, sharing: CacheSharing) -> (CacheDirectory, String) {
        let taken = mounts
            .take("/id", sharing, &seed(0o750), &MountImports::NONE)
            .unwrap();
        let number = taken.path().parent().unwrap().file_name().unwrap();
        let number = number.to_str().unwrap().to_owned();
        (taken, number)
    }

    #[test]
    fn what_is_written_is_there_the_next_time() {
        let (_dir, mounts) = scene();
        for sharing in [
            CacheSharing::Shared,
            CacheSharing::Private,
            CacheSharing::Locked,
        ] {
            let (taken, number) = take(&mounts, sharing);
            assert_eq!(number, "0");
            let mode = fs::metadata(taken.path()).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o750);
            let file = taken.path().join("file");
            fs::write(&file, fs::read_to_string(&file).unwrap_or_default() + "x").unwrap();
        }
        let (taken, _) = take(&mounts, CacheSharing::Shared);
        let text = fs::read_to_string(taken.path().join("file")).unwrap();
        assert_eq!(text, "xxx");
        let other = mounts.take(
            "/other",
            CacheSharing::Shared,
            &seed(0o755),
            &MountImports::NONE,
        );
        assert!(!other.unwrap().path().join("file").exists());
    }

    #[test]
    fn shared_users_share_and_private_ones_do_not() {
        let (_dir, mounts) = scene();
        let first = take(&mounts, CacheSharing::Shared);
        let second = take(&mounts, CacheSharing::Shared);
        let third = take(&mounts, CacheSharing::Private);
        let fourth = take(&mounts, CacheSharing::Private);
        let numbers = [&first.1, &second.1, &third.1, &fourth.1];
        assert_eq!(numbers, ["0", "0", "1", "2"]);
        drop(third);
        let again = take(&mounts, CacheSharing::Private);
        assert_eq!(again.1, "1");
        drop((first, second));
        // All are free but two.
        assert_eq!(take(&mounts, CacheSharing::Shared).1, "0");
    }

    #[test]
    fn a_locked_user_waits_for_the_others() {
        let (_dir, mounts) = scene();
        for sharing in [CacheSharing::Locked, CacheSharing::Shared] {
            let (held, _) = take(&mounts, sharing);
            let (said, heard) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(|| {
                    let (_taken, number) = take(&mounts, CacheSharing::Locked);
                    said.send(number).unwrap();
                });
                assert!(heard.recv_timeout(Duration::from_millis(100)).is_err());
                drop(held);
                assert_eq!(heard.recv().unwrap(), "0");
            });
        }
    }

    #[test]
    fn who_reads_waits_for_those_who_share_with_nobody() {
        let (_dir, mounts) = scene();
        let read = |waiting: &dyn Fn()| mounts.take_to_read("/id", waiting).unwrap();
        let never = || panic!("nobody has to be waited for");
        assert!(read(&never).is_none());
        let (shared, _) = take(&mounts, CacheSharing::Shared);
        assert!(read(&never).is_none(), "there is nothing in it");
        fs::write(shared.path().join("file"), "").unwrap();
        let reader = read(&never).unwrap();
        assert_eq!(reader.path(), shared.path());
        drop((shared, reader));
        let (held, _) = take(&mounts, CacheSharing::Locked);
        let (said, heard) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let reader = read(&|| said.send("waits").unwrap());
                assert!(reader.is_some());
                said.send("reads").unwrap();
            });
            assert_eq!(heard.recv().unwrap(), "waits");
            assert!(heard.recv_timeout(Duration::from_millis(100)).is_err());
            drop(held);
            assert_eq!(heard.recv().unwrap(), "reads");
        });
    }

    #[test]
    fn what_a_killed_process_left_does_not_matter() {
        let (_dir, mounts) = scene();
        let dir = mounts.directory("/id");
        fs::create_dir_all(dir.join(".new/fs/half")).unwrap();
        fs::write(dir.join("lock"), "").unwrap();
        let (taken, number) = take(&mounts, CacheSharing::Shared);
        assert_eq!(number, "0");
        assert_eq!(fs::read_dir(taken.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_copy_has_everything_of_its_source() {
        let (dir, mounts) = scene();
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("sub/empty")).unwrap();
        fs::write(source.join("sub/file"), "content").unwrap();
        fs::hard_link(source.join("sub/file"), source.join("same")).unwrap();
        std::os::unix::fs::symlink("sub/../nowhere", source.join("link")).unwrap();
        fs::set_permissions(source.join("sub"), fs::Permissions::from_mode(0o1711)).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::open(source.join("sub"))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        let taken = mounts.take(
            "/id",
            CacheSharing::Shared,
            &Seed::Copy(&source),
            &MountImports::NONE,
        );
        let taken = taken.unwrap();
        let path = |name: &str| taken.path().join(name);
        assert_eq!(fs::read_to_string(path("same")).unwrap(), "content");
        let metadata = |name: &str| fs::symlink_metadata(path(name)).unwrap();
        assert_eq!(metadata("same").ino(), metadata("sub/file").ino());
        assert_eq!(metadata("sub").mode() & 0o7777, 0o1711);
        assert_eq!(metadata("sub").modified().unwrap(), long_ago);
        assert!(metadata("sub/empty").is_dir());
        assert_eq!(
            fs::read_link(path("link")).unwrap(),
            Path::new("sub/../nowhere")
        );
    }

    #[test]
    fn only_what_nobody_uses_is_removed() {
        let (_dir, mounts) = scene();
        assert_eq!(mounts.list().unwrap(), []);
        let (taken, _) = take(&mounts, CacheSharing::Shared);
        fs::write(taken.path().join("file"), "12345").unwrap();
        let entry = mounts.list().unwrap().remove(0);
        assert_eq!((entry.key.as_str(), entry.size), ("/id", 5));
        assert!(entry.is_in_use && !mounts.remove(&entry).unwrap());
        drop(taken);
        let entry = mounts.list().unwrap().remove(0);
        assert!(!entry.is_in_use && mounts.remove(&entry).unwrap());
        assert_eq!(mounts.list().unwrap(), []);
        assert!(!mounts.remove(&entry).unwrap());
        assert_eq!(subdirectories(&mounts.root).unwrap().len(), 0);
        drop(take(&mounts, CacheSharing::Shared));
    }

    #[test]
    fn many_users_at_once_each_get_a_directory() {
        let (_dir, mounts) = scene();
        thread::scope(|scope| {
            for index in 0..8 {
                let mounts = &mounts;
                scope.spawn(move || {
                    for round in 0..10 {
                        let sharing = match (index + round) % 3 {
                            0 => CacheSharing::Shared,
                            1 => CacheSharing::Private,
                            _ => CacheSharing::Locked,
                        };
                        let (taken, _) = take(mounts, sharing);
                        if let Some(entry) = mounts.list().unwrap().first() {
                            mounts.remove(entry).unwrap();
                        }
                        assert!(taken.path().is_dir());
                    }
                });
            }
        });
    }
}
