//! Finding out where a path leads, as the kernel will a moment later.
//!
//! A path inside is text: absolute below the sandbox's root, which is empty here, and free of links. The kernel resolves
//! it as a whole where it can (`openat2` that follows no link, so that success says that the text is the real path);
//! only where there is a link, or nothing, do we walk.
//!
//! Whatever a program changes while we look may be seen or not; nobody else changes anything.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::task::Task;

/// Linux gives up after as many.
const MAX_LINKS: usize = 40;

/// Looks into the sandbox's files from outside.
#[derive(Debug)]
pub(super) struct Resolver {
    /// The sandbox's root.
    root: OwnedFd,
    /// Whether its processes have the same numbers for us in its `/proc`.
    shares_proc: bool,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The directory, if the path is relative, else the root.
    pub(super) real: Vec<u8>,
    /// What the process has for a root.
    pub(super) root: Vec<u8>,
    /// The directory was removed.
    pub(super) is_gone: bool,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Led {
    /// The links that were followed, each by its own real path.
    pub(super) links: Vec<Vec<u8>>,
    /// The directories that were left upwards.
    pub(super) passed: Vec<Vec<u8>>,
    pub(super) end: Place,
}

/// Where a lookup ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Found(Vec<u8>),
    /// The first name that is absent.
    Missing(Vec<u8>),
    /// What should have been a directory.
    NotDirectory(Vec<u8>),
    /// The directory that may not be searched.
    Denied(Vec<u8>),
    /// Too many links.
    Loop,
    /// Below a directory that was removed, or below something that is in no directory.
    Gone,
}

impl Resolver {
    /// Looks into the root of `task`, as it is now.
    pub(super) fn new(task: Task) -> Result<Resolver, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(task.proc("root"), flags, Mode::empty())?;
        let theirs = rustix::fs::statat(&root, "proc", AtFlags::SYMLINK_NOFOLLOW);
        let ours = rustix::fs::stat("/proc")?;
        Ok(Resolver {
            root,
            shares_proc: theirs.is_ok_and(|theirs| theirs.st_dev == ours.st_dev),
        })
    }

    /// Opens the file at a real path for reading, if it is a regular one.
    pub(super) fn open(&self, real: &[u8]) -> Option<std::fs::File> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.open_whole(real, flags).ok()?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        super::task::open_regular(&format!("/proc/self/fd/{number}"))
    }

    /// Whether the real path is what `path`, outside, refers to.
    pub(super) fn is_same(&self, real: &[u8], path: &str) -> bool {
        let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let here = rustix::fs::statat(&self.root, below(real), AtFlags::SYMLINK_NOFOLLOW);
        let there = rustix::fs::stat(path);
        matches!((here, there), (Ok(here), Ok(there)) if identity(here) == identity(there))
    }

    /// Follows `path` from `start`.
    pub(super) fn resolve(
        &self,
        task: Task,
        start: &Start,
        path: &[u8],
        follow: bool,
    ) -> Result<Led, Errno> {
        let mut walk = Walk {
            resolver: self,
            task,
            root: &start.root,
            real: if path.first() == Some(&b'/') {
                start.root.clone()
            } else {
                start.real.clone()
            },
            pending: VecDeque::new(),
            links: Vec::new(),
            passed: Vec::new(),
            follow,
        };
        walk.push(path);
        let is_relative = path.first() != Some(&b'/');
        let end = if start.is_gone && is_relative {
            match walk.pending.front() {
                // The way up is still there.
                Some(name) if name == b".." => {
                    walk.pending.pop_front();
                    walk.go_up();
                    walk.run()?
                }
                _ => Place::Gone,
            }
        } else {
            walk.run()?
        };
        Ok(Led {
            links: walk.links,
            passed: walk.passed,
            end,
        })
    }

    fn open_whole(&self, real: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::NO_SYMLINKS;
        rustix::io::retry_on_intr(|| {
            rustix::fs::openat2(&self.root, below(real), flags, Mode::empty(), resolve)
        })
    }

    fn read_link(&self, real: &[u8]) -> Result<Vec<u8>, Errno> {
        rustix::fs::readlinkat(&self.root, below(real), Vec::new())
            .map(std::ffi::CString::into_bytes)
    }

    fn check_directory(&self, real: &[u8]) -> Result<(), Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.open_whole(real, flags).map(drop)
    }
}

/// A real path as it is relative to the root.
fn below(real: &[u8]) -> &[u8] {
    match real {
        [] => b".",
        [_, below @ ..] => below,
    }
}

fn join(real: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(real.len() + name.len() + 1);
    path.extend_from_slice(real);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

struct Walk<'a> {
    resolver: &'a Resolver,
    task: Task,
    root: &'a [u8],
    // Invariant: free of links.
    real: Vec<u8>,
    /// The names that are left. One that is `.` is last and says that what is before has to be a directory.
    pending: VecDeque<Vec<u8>>,
    links: Vec<Vec<u8>>,
    passed: Vec<Vec<u8>>,
    follow: bool,
}

/// What looking at a whole path said.
enum Whole {
    Ends(Place),
    /// There is a link on the way, or a name in the middle is absent.
    Unknown,
}

impl Walk<'_> {
    /// Puts the names of `path` before those that are left.
    fn push(&mut self, path: &[u8]) {
        let ends_open = matches!(path, [.., b'/'] | [.., b'/', b'.']) || path == b".";
        if ends_open && self.pending.is_empty() {
            self.pending.push_back(b".".to_vec());
        }
        for name in path.rsplit(|byte| *byte == b'/') {
            if !name.is_empty() && name != b"." {
                self.pending.push_front(name.to_vec());
            }
        }
    }

    fn run(&mut self) -> Result<Place, Errno> {
        if let Whole::Ends(place) = self.whole()? {
            return Ok(place);
        }
        while let Some(name) = self.pending.pop_front() {
            match name.as_slice() {
                b"." | b".." => {
                    match self.resolver.check_directory(&self.real) {
                        Ok(()) => {}
                        Err(Errno::NOTDIR) => return Ok(Place::NotDirectory(self.real.clone())),
                        Err(Errno::NOENT) => return Ok(Place::Missing(self.real.clone())),
                        Err(error) => return Err(error),
                    }
                    if name == b".." {
                        self.passed.push(self.real.clone());
                        self.go_up();
                    }
                }
                name => {
                    if let Some(place) = self.step(name)? {
                        return Ok(place);
                    }
                }
            }
        }
        Ok(Place::Found(std::mem::take(&mut self.real)))
    }

    fn go_up(&mut self) {
        if self.real != self.root {
            let end = self.real.iter().rposition(|byte| *byte == b'/');
            self.real.truncate(end.unwrap_or(0));
        }
    }

    /// Asks the kernel about all that is left at once.
    fn whole(&self) -> Result<Whole, Errno> {
        let mut names = self.pending.iter();
        if names.any(|name| name == b"..") || self.pending.len() < 2 && !self.links.is_empty() {
            return Ok(Whole::Unknown);
        }
        let mut whole = self.real.clone();
        let mut parent = 0;
        let names = self.pending.iter().filter(|name| *name != b".");
        for name in names {
            parent = whole.len();
            whole.push(b'/');
            whole.extend_from_slice(name);
        }
        let is_open = self.pending.back().is_some_and(|name| name == b".");
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if is_open {
            flags |= OFlags::DIRECTORY;
        } else if !self.follow {
            flags |= OFlags::NOFOLLOW;
        }
        match self.resolver.open_whole(&whole, flags) {
            Ok(_there) => Ok(Whole::Ends(Place::Found(whole))),
            Err(Errno::NOENT) => match self.resolver.check_directory(&whole[..parent]) {
                Ok(()) => Ok(Whole::Ends(Place::Missing(whole))),
                Err(_) => Ok(Whole::Unknown),
            },
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ACCESS) => {
                Ok(Whole::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    /// Goes through one name. Gives where the path ends if it ends there.
    fn step(&mut self, name: &[u8]) -> Result<Option<Place>, Errno> {
        const NAME_MAX: usize = 255;
        let here = join(&self.real, name);
        if name.len() > NAME_MAX {
            return Ok(Some(Place::Missing(here)));
        }
        match self.resolver.read_link(&here) {
            Err(Errno::INVAL) => {
                self.real = here;
                Ok(None)
            }
            Err(Errno::NOENT) if is_own_entry(&here) => self.follow_link(here, Vec::new()),
            Err(Errno::NOENT) => Ok(Some(Place::Missing(here))),
            Err(Errno::NOTDIR) => Ok(Some(Place::NotDirectory(self.real.clone()))),
            // What a process in `/proc` does not let us see is the kernel's.
            Err(Errno::ACCESS | Errno::PERM | Errno::SRCH) if is_in_proc(&here) => {
                Ok(Some(Place::Found(here)))
            }
            // Who may do less than we will be denied it too.
            Err(Errno::ACCESS) => Ok(Some(Place::Denied(self.real.clone()))),
            Err(error) => Err(error),
            Ok(_) if self.pending.is_empty() && !self.follow => Ok(Some(Place::Found(here))),
            Ok(target) => self.follow_link(here, target),
        }
    }

    fn follow_link(&mut self, link: Vec<u8>, target: Vec<u8>) -> Result<Option<Place>, Errno> {
        if self.pending.is_empty() && !self.follow {
            return Ok(Some(Place::Found(link)));
        }
        if is_magic(&link) {
            return Ok(self.follow_magic(link, &target));
        }
        if self.links.len() == MAX_LINKS {
            return Ok(Some(Place::Loop));
        }
        let target = match self.own_entry(&link) {
            Some(own) => own,
            None => target,
        };
        if target.first() == Some(&b'/') {
            self.real = self.root.to_vec();
        }
        self.links.push(link);
        self.push(&target);
        match self.whole()? {
            Whole::Ends(place) => Ok(Some(place)),
            Whole::Unknown => Ok(None),
        }
    }

    /// What the entries of `/proc` that are different for every process lead to.
    fn own_entry(&self, link: &[u8]) -> Option<Vec<u8>> {
        if !is_own_entry(link) {
            return None;
        }
        let (process, thread) = self.task.own_numbers(self.resolver.shares_proc)?;
        Some(if link == b"/proc/self" {
            process.to_string().into_bytes()
        } else {
            format!("{process}/task/{thread}").into_bytes()
        })
    }

    /// Follows a link of `/proc` that leads to a file whatever its text says.
    fn follow_magic(&mut self, link: Vec<u8>, target: &[u8]) -> Option<Place> {
        let is_text = target.first() == Some(&b'/') && {
            let here = rustix::fs::statat(&self.resolver.root, below(&link), AtFlags::empty());
            let there = rustix::fs::statat(
                &self.resolver.root,
                below(real_text(target)),
                AtFlags::SYMLINK_NOFOLLOW,
            );
            let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
            matches!((here, there), (Ok(here), Ok(there)) if identity(here) == identity(there))
        };
        if is_text {
            self.real = real_text(target).to_vec();
            return None;
        }
        // A pipe, a socket, a file without a name.
        Some(if self.pending.is_empty() {
            Place::Found(link)
        } else {
            Place::Gone
        })
    }
}

/// The root is empty.
pub(super) fn real_text(path: &[u8]) -> &[u8] {
    if path == b"/" { b"" } else { path }
}

fn is_in_proc(path: &[u8]) -> bool {
    path.starts_with(b"/proc/")
}

fn is_own_entry(path: &[u8]) -> bool {
    path == b"/proc/self" || path == b"/proc/thread-self"
}

/// Whether `path` in `/proc` is a link to whatever a process has open, and not to a path.
fn is_magic(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/proc/") else {
        return false;
    };
    let is_number = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    let names: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
    let in_process = match names.as_slice() {
        [process, b"task", thread, rest @ ..] if is_number(process) && is_number(thread) => rest,
        [process, rest @ ..] if is_number(process) => rest,
        _ => return false,
    };
    matches!(
        in_process,
        [b"exe" | b"cwd" | b"root"] | [b"fd" | b"map_files" | b"ns", _]
    )
}

/// Where a link of `/proc` to a directory leads, as a start: the text, and whether the directory was removed.
pub(super) fn directory_of(
    resolver: &Resolver,
    path: &str,
    text: Vec<u8>,
) -> Option<(Vec<u8>, bool)> {
    const DELETED: &[u8] = b" (deleted)";
    if text.first() != Some(&b'/') {
        return None;
    }
    match text.strip_suffix(DELETED) {
        // It may be called so.
        Some(stripped) if !resolver.is_same(&text, path) => Some((stripped.to_vec(), true)),
        _ => Some((real_text(&text).to_vec(), false)),
    }
}
