//! A directory seen as the root of a file system: no symbolic link leads out of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// As many links as Linux follows in one look-up.
const MAX_LINKS: usize = 40;
/// How often a look-up is tried again after something was renamed under it.
const MAX_RACES: usize = 16;

/// Why something below a [`RootDir`] cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The system refused.
    #[error("cannot {action} {}", .path.display())]
    System {
        /// What was tried, as a verb.
        action: &'static str,
        /// The path inside the root.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Only regular files have contents.
    #[error("cannot read {}: it is not a regular file", .path.display())]
    NotRegular {
        /// The path inside the root.
        path: PathBuf,
    },
    /// The file has more bytes than the reader wants.
    #[error("cannot read {}: it is larger than {limit} bytes", .path.display())]
    TooLarge {
        /// The path inside the root.
        path: PathBuf,
        /// How many bytes were allowed.
        limit: u64,
    },
    /// The path leads through too many symbolic links, perhaps in a circle.
    #[error("cannot resolve {}: it leads through more than {MAX_LINKS} symbolic links", .path.display())]
    TooManyLinks {
        /// The path inside the root.
        path: PathBuf,
    },
}

impl RootError {
    /// Whether nothing can be found at the path: an entry is absent, is no directory, or is a circle of links.
    pub fn is_absent(&self) -> bool {
        match self {
            RootError::System { cause, .. } => cause.raw_os_error().is_some_and(|code| {
                [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::NAMETOOLONG]
                    .iter()
                    .any(|errno| errno.raw_os_error() == code)
            }),
            RootError::TooManyLinks { .. } => true,
            RootError::NotRegular { .. } | RootError::TooLarge { .. } => false,
        }
    }
}

/// What was found; nothing if nothing is there. What is there and cannot be read is an error.
pub(crate) fn if_there<T>(found: Result<T, RootError>) -> Result<Option<T>, RootError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of an extended attribute, and its value.
pub(crate) type Attribute = (Vec<u8>, Vec<u8>);

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The absolute path inside the root, free of links.
    pub real_path: PathBuf,
    /// Every symbolic link passed on the way, in order, each by its own real path.
    pub chain: Vec<PathBuf>,
}

/// A directory that is treated as `/`: links that are absolute or climb stay inside.
#[derive(Debug)]
pub struct RootDir {
    directory: OwnedFd,
    /// The first thing that was there and could not be read.
    unread: Mutex<Option<RootError>>,
}

impl RootDir {
    /// Opens the directory at `path` of this machine.
    pub fn open(path: &Path) -> Result<RootDir, RootError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| refused("open", path, errno))?;
        Ok(RootDir {
            directory,
            unread: Mutex::new(None),
        })
    }

    /// The metadata of what `path` leads to.
    pub fn metadata(&self, path: &Path) -> Result<Metadata, RootError> {
        self.inspect(path, OFlags::PATH)
    }

    /// The metadata of the entry `path` itself, even when it is a link.
    pub fn symlink_metadata(&self, path: &Path) -> Result<Metadata, RootError> {
        self.inspect(path, OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// The contents of the regular file at `path`, which may have at most `limit` bytes.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, RootError> {
        // Looked at first, since merely opening a device or a pipe can do something.
        check_readable(&self.metadata(path)?, path, limit)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.lookup("read", path, flags)?);
        let metadata = file
            .metadata()
            .map_err(|cause| system("read", path, cause))?;
        check_readable(&metadata, path, limit)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|cause| system("read", path, cause))?;
        if bytes.len() as u64 > limit {
            return Err(RootError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        Ok(bytes)
    }

    /// The first `length` bytes of the regular file at `path`, or all if it has fewer; a link is not followed.
    pub(crate) fn head(&self, path: &Path, length: u64) -> Result<Vec<u8>, RootError> {
        let mut bytes = Vec::new();
        self.open_file(path)?
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(|cause| system("read", path, cause))?;
        Ok(bytes)
    }

    /// Whether the file at `path` has the extended attribute `name`.
    pub fn has_attribute(&self, path: &Path, name: &str) -> Result<bool, RootError> {
        let file = self.lookup("read", path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut value = [0_u8; 1];
        match rustix::fs::fgetxattr(&file, name, &mut value) {
            Ok(_) | Err(Errno::RANGE) => Ok(true),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
            Err(errno) => Err(refused("read the attributes of", path, errno)),
        }
    }

    /// The regular file at `path`, if that is what the entry itself is; it is not read yet.
    pub(crate) fn open_file(&self, path: &Path) -> Result<File, RootError> {
        // Looked at first, since merely opening a device or a pipe can do something.
        check_readable(&self.symlink_metadata(path)?, path, u64::MAX)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        self.lookup("read", path, flags).map(File::from)
    }

    /// The extended attributes of the entry `path` itself, even when it is a link, sorted; without those by which
    /// overlayfs keeps its books.
    pub(crate) fn attributes(&self, path: &Path) -> Result<Vec<Attribute>, RootError> {
        const MAX: usize = 64 << 10;
        let fail = |errno| refused("read the attributes of", path, errno);
        let entry = self.lookup("look at", path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let entry = format!("/proc/self/fd/{}", entry.as_raw_fd());
        let mut names = vec![0; MAX];
        let length = match rustix::fs::listxattr(&entry, &mut names[..]) {
            Ok(length) => length,
            Err(Errno::OPNOTSUPP) => 0,
            Err(errno) => return Err(fail(errno)),
        };
        let mut attributes = Vec::new();
        for name in names[..length].split(|byte| *byte == 0) {
            let is_kept =
                name.starts_with(b"user.overlay.") || name.starts_with(b"trusted.overlay.");
            if name.is_empty() || is_kept {
                continue;
            }
            let mut value = vec![0; MAX];
            match rustix::fs::getxattr(&entry, OsStr::from_bytes(name), &mut value[..]) {
                Ok(length) => value.truncate(length),
                // Some are listed for those who may not read them.
                Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
                Err(errno) => return Err(fail(errno)),
            }
            attributes.push((name.to_vec(), value));
        }
        attributes.sort();
        Ok(attributes)
    }

    /// The target of the symbolic link at `path`, as it is written.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf, RootError> {
        let link = self.lookup("read the link", path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new())
            .map_err(|errno| refused("read the link", path, errno))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The names in the directory at `path`, sorted, without `.` and `..`.
    pub fn list(&self, path: &Path) -> Result<Vec<OsString>, RootError> {
        let directory = self.lookup("list", path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let entries = Dir::new(directory).map_err(|errno| refused("list", path, errno))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|errno| refused("list", path, errno))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Where `path` leads, and through which links.
    pub fn resolve(&self, path: &Path) -> Result<Resolved, RootError> {
        let mut pending: VecDeque<OsString> = names(path).collect();
        let mut real_path = PathBuf::from("/");
        let mut chain = Vec::new();
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                real_path.pop();
                continue;
            }
            let entry = real_path.join(&name);
            if !self.symlink_metadata(&entry)?.is_symlink() {
                real_path = entry;
                continue;
            }
            if chain.len() == MAX_LINKS {
                return Err(RootError::TooManyLinks {
                    path: path.to_owned(),
                });
            }
            let target = self.read_link(&entry)?;
            chain.push(entry);
            if target.is_absolute() {
                real_path = PathBuf::from("/");
            }
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                pending.push_front(name);
            }
        }
        Ok(Resolved { real_path, chain })
    }

    /// Like [`RootDir::list`], for those who look at what may be there: nothing if there is no directory. What is there and
    /// cannot be listed is told by [`RootDir::all_was_read`].
    pub(crate) fn listing(&self, path: &Path) -> Option<Vec<OsString>> {
        self.or_noted(self.list(path))
    }

    /// The names of [`RootDir::listing`]; none if there is no directory.
    pub(crate) fn names(&self, path: &Path) -> Vec<OsString> {
        self.listing(path).unwrap_or_default()
    }

    /// Like [`RootDir::symlink_metadata`], for those who look at what may be there.
    pub(crate) fn entry(&self, path: &Path) -> Option<Metadata> {
        self.or_noted(self.symlink_metadata(path))
    }

    /// Like [`RootDir::metadata`], for those who look at what may be there.
    pub(crate) fn target(&self, path: &Path) -> Option<Metadata> {
        self.or_noted(self.metadata(path))
    }

    /// Like [`RootDir::read`], for those who look at what may be there: nothing, too, if it is no regular file or has more than
    /// `limit` bytes.
    pub(crate) fn content(&self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        self.or_noted(self.read(path, limit))
    }

    /// Like [`RootDir::head`], for those who look at what may be there: nothing, too, if it is no regular file.
    pub(crate) fn start(&self, path: &Path, length: u64) -> Option<Vec<u8>> {
        self.or_noted(self.head(path, length))
    }

    /// Fails if something was there and could not be read by those who look at what may be there: what they make of the
    /// rest is not to be trusted.
    pub(crate) fn all_was_read(&self) -> Result<(), RootError> {
        match self
            .unread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// What was found; nothing if nothing is there, or if it cannot be read, which is noted.
    fn or_noted<T>(&self, found: Result<T, RootError>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(error) => {
                let is_no_file = matches!(
                    error,
                    RootError::NotRegular { .. } | RootError::TooLarge { .. }
                );
                if !is_no_file && !error.is_absent() {
                    let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
                    unread.get_or_insert(error);
                }
                None
            }
        }
    }

    /// Shows `visit` every entry below the root by its absolute path inside, directories before what they contain,
    /// names sorted. Links are shown and not followed.
    pub fn walk(&self, visit: &mut dyn FnMut(&Path, &Metadata)) -> Result<(), RootError> {
        let mut pending = self.children(Path::new("/"))?;
        while let Some(path) = pending.pop() {
            let metadata = self.symlink_metadata(&path)?;
            visit(&path, &metadata);
            if metadata.is_dir() {
                pending.append(&mut self.children(&path)?);
            }
        }
        Ok(())
    }

    /// The entries of `directory`, last name first.
    fn children(&self, directory: &Path) -> Result<Vec<PathBuf>, RootError> {
        let names = self.list(directory)?;
        Ok(names
            .iter()
            .rev()
            .map(|name| directory.join(name))
            .collect())
    }

    fn inspect(&self, path: &Path, flags: OFlags) -> Result<Metadata, RootError> {
        let entry = File::from(self.lookup("look at", path, flags)?);
        entry
            .metadata()
            .map_err(|cause| system("look at", path, cause))
    }

    /// The only way in: every other function opens through here.
    fn lookup(
        &self,
        action: &'static str,
        path: &Path,
        flags: OFlags,
    ) -> Result<OwnedFd, RootError> {
        let inside = Path::new("/").join(path);
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mut races = 0;
        loop {
            let flags = flags | OFlags::CLOEXEC;
            match rustix::fs::openat2(&self.directory, &inside, flags, Mode::empty(), resolve) {
                Ok(entry) => return Ok(entry),
                Err(Errno::AGAIN | Errno::INTR) if races < MAX_RACES => races += 1,
                Err(errno) => return Err(refused(action, path, errno)),
            }
        }
    }
}

fn check_readable(metadata: &Metadata, path: &Path, limit: u64) -> Result<(), RootError> {
    if !metadata.is_file() {
        return Err(RootError::NotRegular {
            path: path.to_owned(),
        });
    }
    if metadata.len() > limit {
        return Err(RootError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(())
}

/// `path` below `/`, without `.`, `..` and doubled slashes, by its letters alone.
pub(crate) fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for name in names(path) {
        if name == ".." {
            normal.pop();
        } else {
            normal.push(name);
        }
    }
    normal
}

/// The names that `path` passes, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn refused(action: &'static str, path: &Path, errno: Errno) -> RootError {
    system(action, path, errno.into())
}

fn system(action: &'static str, path: &Path, cause: io::Error) -> RootError {
    RootError::System {
        action,
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests;
