//! Walking through the context: on all cores, and not into what the ignore file leaves out.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use jettison_dockerfile::IgnoreDirectory;
use rustix::fs::{AtFlags, FileType, RawDir};

use crate::context::attributes::attributes_digest;
use crate::context::entries::{EntryKind, Node};
use crate::context::error::ContextError;
use crate::context::file_digest::FileDigest;
use crate::context::open::{DIRECTORY, open_below};

/// More threads than this only wait for the kernel's locks.
const MOST_THREADS: usize = 16;
/// As many directories one thread looks at before it asks for help, which costs more than they do.
const DIRECTORIES_ALONE: usize = 8;
/// As many directories are kept open for the sake of those in them. Others are found by their paths again.
const MOST_OPEN: usize = 128;
/// How much of a directory is read at once.
const BUFFER: usize = 16 << 10;

/// A directory that has been read.
#[derive(Debug)]
pub(super) struct Directory {
    /// The directory itself; its name is in its parent.
    pub(super) node: Node,
    pub(super) attributes: Option<FileDigest>,
    /// Whether it is there only for the sake of what is in it.
    pub(super) is_ignored: bool,
    pub(super) names: Vec<u8>,
    pub(super) targets: Vec<Box<[u8]>>,
    /// What is in it, sorted by name. Where the name is, is said of `names`; `extra` is a link's place in `targets`, and the
    /// number of a directory's own listing.
    pub(super) children: Vec<Node>,
}

/// What all threads share.
struct Walk<'a> {
    root: &'a OwnedFd,
    base: &'a Path,
    state: Mutex<State<'a>>,
    has_changed: Condvar,
    n_open: &'a AtomicUsize,
}

struct State<'a> {
    jobs: Vec<Job<'a>>,
    /// Jobs that are waiting or being done.
    n_pending: usize,
    /// By the number of its job: its parent's number, and its name.
    places: Vec<(usize, Box<[u8]>)>,
    listings: BTreeMap<usize, Directory>,
    failure: Option<ContextError>,
}

/// A directory to be read.
struct Job<'a> {
    number: usize,
    parent: Option<Arc<OpenDirectory<'a>>>,
    ignore: Option<IgnoreDirectory<'a>>,
}

/// A directory that stays open until those in it have been opened.
struct OpenDirectory<'a> {
    fd: OwnedFd,
    n_open: &'a AtomicUsize,
}

impl Drop for OpenDirectory<'_> {
    fn drop(&mut self) {
        self.n_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads the directory `base` below `root` and all in it that `ignore`, which stands there, does not leave out. The first
/// listing is that of `base`.
pub(super) fn read_directories<'a>(
    root: &'a OwnedFd,
    base: &'a Path,
    ignore: Option<IgnoreDirectory<'a>>,
) -> Result<BTreeMap<usize, Directory>, ContextError> {
    let first = Job {
        number: 0,
        parent: None,
        ignore,
    };
    let n_open = AtomicUsize::new(0);
    let walk = Walk {
        root,
        base,
        state: Mutex::new(State {
            jobs: vec![first],
            n_pending: 1,
            places: vec![(0, Box::default())],
            listings: BTreeMap::new(),
            failure: None,
        }),
        has_changed: Condvar::new(),
        n_open: &n_open,
    };
    for _ in 0..DIRECTORIES_ALONE {
        let Some(job) = walk.lock().jobs.pop() else {
            break;
        };
        walk.run(job);
    }
    let n_jobs = walk.lock().jobs.len();
    if n_jobs > 0 {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 1..n_cores.min(MOST_THREADS) {
                scope.spawn(|| walk.work());
            }
            walk.work();
        });
    }
    let state = walk
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    match state.failure {
        Some(failure) => Err(failure),
        None => Ok(state.listings),
    }
}

impl<'a> Walk<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does jobs until there are none and none is being done that could make more.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop() {
                drop(state);
                self.run(job);
                state = self.lock();
            } else if state.n_pending == 0 {
                return;
            } else {
                state = self
                    .has_changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn run(&self, job: Job<'a>) {
        let number = job.number;
        let read = self.read(job);
        let mut state = self.lock();
        match read {
            Ok(Some((directory, inner))) => {
                state.listings.insert(number, directory);
                let State {
                    jobs, n_pending, ..
                } = &mut *state;
                *n_pending += inner.len();
                // The first is read next: the tree is gone through downwards, so that few directories are open.
                jobs.extend(inner.into_iter().rev());
            }
            Ok(None) => {}
            Err(failure) => {
                state.n_pending -= state.jobs.len();
                state.jobs.clear();
                state.failure.get_or_insert(failure);
            }
        }
        state.n_pending -= 1;
        drop(state);
        self.has_changed.notify_all();
    }

    /// The path of a job's directory below the context's root.
    fn path(&self, number: usize) -> PathBuf {
        let state = self.lock();
        let mut names = Vec::new();
        let mut at = number;
        while at != 0 {
            let (parent, name) = &state.places[at];
            names.push(name);
            at = *parent;
        }
        let mut path = self.base.to_path_buf();
        path.extend(
            names
                .into_iter()
                .rev()
                .map(|name| std::ffi::OsStr::from_bytes(name)),
        );
        path
    }

    fn read(&self, job: Job<'a>) -> Result<Option<(Directory, Vec<Job<'a>>)>, ContextError> {
        let Job {
            number,
            parent,
            ignore,
        } = job;
        let is_ignored = ignore.as_ref().is_some_and(IgnoreDirectory::is_ignored);
        let fd = match self.open(number, parent.as_deref()) {
            Ok(fd) => fd,
            // Gone between two looks, which is as if it had never been there (fsutil: `filterFS.Walk`).
            Err(error) if number != 0 && is_gone(&error) => return Ok(None),
            Err(error) if is_ignored && error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(None);
            }
            Err(error) => return Err(ContextError::of("open", &self.path(number), error)),
        };
        drop(parent);
        self.list(number, fd, ignore.as_ref())
            .map(Some)
            .map_err(|error| ContextError::of("read", &self.path(number), error))
    }

    fn open(&self, number: usize, parent: Option<&OpenDirectory<'_>>) -> io::Result<OwnedFd> {
        let Some(parent) = parent else {
            return open_below(self.root, &self.path(number), DIRECTORY);
        };
        let name = self.lock().places[number].1.clone();
        Ok(rustix::fs::openat(
            &parent.fd,
            &*name,
            DIRECTORY,
            rustix::fs::Mode::empty(),
        )?)
    }

    /// Lists an open directory, and makes jobs of those in it.
    fn list(
        &self,
        number: usize,
        fd: OwnedFd,
        ignore: Option<&IgnoreDirectory<'a>>,
    ) -> io::Result<(Directory, Vec<Job<'a>>)> {
        let mut directory = Directory {
            node: Node::new(EntryKind::Directory, &rustix::fs::fstat(&fd)?),
            attributes: attributes_digest(&fd)?,
            is_ignored: ignore.is_some_and(IgnoreDirectory::is_ignored),
            names: Vec::new(),
            targets: Vec::new(),
            children: Vec::new(),
        };
        let mut inner = Vec::new();
        let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER];
        let mut reader = RawDir::new(&fd, &mut buffer);
        while let Some(entry) = reader.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            directory.add(&fd, (name, entry.file_type()), ignore, &mut inner)?;
        }
        let Directory {
            names, children, ..
        } = &mut directory;
        children.sort_unstable_by(|a, b| name_of(names, a).cmp(name_of(names, b)));
        children.shrink_to_fit();
        names.shrink_to_fit();
        let jobs = self.jobs(number, fd, &mut directory, inner);
        Ok((directory, jobs))
    }

    /// Gives the directories in a directory their numbers.
    fn jobs(
        &self,
        number: usize,
        fd: OwnedFd,
        directory: &mut Directory,
        mut inner: Vec<Option<IgnoreDirectory<'a>>>,
    ) -> Vec<Job<'a>> {
        if inner.is_empty() {
            return Vec::new();
        }
        let is_kept_open = self.n_open.fetch_add(1, Ordering::Relaxed) < MOST_OPEN;
        let open = Arc::new(OpenDirectory {
            fd,
            n_open: self.n_open,
        });
        let Directory {
            names, children, ..
        } = directory;
        let mut jobs = Vec::with_capacity(inner.len());
        let mut state = self.lock();
        for child in children {
            if child.kind != EntryKind::Directory {
                continue;
            }
            let ignore = inner[child.extra as usize].take();
            let name = name_of(names, child).into();
            let at = state.places.len();
            child.extra = count(at);
            state.places.push((number, name));
            jobs.push(Job {
                number: at,
                parent: is_kept_open.then(|| Arc::clone(&open)),
                ignore,
            });
        }
        jobs
    }
}

/// The name of a node among `names`.
pub(super) fn name_of<'a>(names: &'a [u8], node: &Node) -> &'a [u8] {
    &names[node.name as usize..][..usize::from(node.name_length)]
}

/// A number of files or bytes, of which there are not more than fit: `assemble` counts them.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn is_gone(error: &io::Error) -> bool {
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_link || crate::tree::is_missing(error)
}

impl Directory {
    /// Adds what the directory `fd` has under a name, unless it is left out. Directories are left for `inner`.
    fn add<'a>(
        &mut self,
        fd: impl AsFd,
        (name, kind): (&CStr, FileType),
        ignore: Option<&IgnoreDirectory<'a>>,
        inner: &mut Vec<Option<IgnoreDirectory<'a>>>,
    ) -> io::Result<()> {
        let text = String::from_utf8_lossy(name.to_bytes());
        let is_left_out = || ignore.is_some_and(|ignore| ignore.leaves_out(&text));
        // The kernel has said what it is, on nearly all file systems.
        let is_known = kind != FileType::Unknown;
        if kind == FileType::Directory {
            return self.add_directory(name, (ignore, &text), inner);
        }
        if is_known && is_left_out() {
            return Ok(());
        }
        let stat = match rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(kind) = EntryKind::of(FileType::from_raw_mode(stat.st_mode)) else {
            return Ok(());
        };
        if kind == EntryKind::Directory {
            return self.add_directory(name, (ignore, &text), inner);
        }
        if !is_known && is_left_out() {
            return Ok(());
        }
        let mut node = Node::new(kind, &stat);
        if kind == EntryKind::Link {
            let target = match rustix::fs::readlinkat(&fd, name, Vec::new()) {
                Ok(target) => target,
                // Gone, or something else by now.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            node.extra = count(self.targets.len());
            self.targets.push(target.to_bytes().into());
        }
        self.push(name, node)
    }

    fn add_directory<'a>(
        &mut self,
        name: &CStr,
        (ignore, text): (Option<&IgnoreDirectory<'a>>, &str),
        inner: &mut Vec<Option<IgnoreDirectory<'a>>>,
    ) -> io::Result<()> {
        let entered = ignore.map(|ignore| ignore.enter(text));
        if matches!(entered, Some(None)) {
            return Ok(());
        }
        let extra = count(inner.len());
        inner.push(entered.flatten());
        // What else there is to know of it is in its own listing.
        self.push(
            name,
            Node {
                extra,
                ..Node::unknown_directory()
            },
        )
    }

    fn push(&mut self, name: &CStr, node: Node) -> io::Result<()> {
        let bytes = name.to_bytes();
        let (at, length) = (u32::try_from(self.names.len()), u16::try_from(bytes.len()));
        let (Ok(name), Ok(name_length)) = (at, length) else {
            return Err(io::Error::other("a directory has too many names"));
        };
        self.names.extend(bytes);
        self.children.push(Node {
            name,
            name_length,
            ..node
        });
        Ok(())
    }
}
