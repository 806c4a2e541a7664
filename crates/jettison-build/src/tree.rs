//! Reading and changing a directory tree whose symbolic links must not lead out of it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// A directory that is treated as `/`: absolute symbolic links and `..` stay inside.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

/// Who owns a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Tree {
    pub(crate) fn open(path: &Path) -> io::Result<Tree> {
        let root = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Tree { root })
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let inside = inside(path);
        let fd = rustix::fs::openat2(
            &self.root,
            &inside,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )?;
        Ok(fd)
    }

    /// Metadata of what `path` leads to, symbolic links followed.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        let fd = self.resolve(path, OFlags::PATH)?;
        Ok(rustix::fs::fstat(&fd)?)
    }

    /// Opens a directory, symbolic links followed.
    pub(crate) fn dir(&self, path: &Path) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The target of the symbolic link `path`.
    pub(crate) fn link(&self, path: &Path) -> io::Result<OsString> {
        let parent = self.dir(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let target = rustix::fs::readlinkat(parent, name, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Opens a regular file, symbolic links followed. Devices and pipes are refused.
    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        if kind(&rustix::fs::fstat(&fd)?) != rustix::fs::FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(File::from(fd))
    }

    /// The text of a small file, or nothing if it does not exist.
    pub(crate) fn text(&self, path: &Path, limit: u64) -> io::Result<String> {
        use std::io::Read;
        let file = match self.file(path) {
            Err(error) if is_missing(&error) => return Ok(String::new()),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where `path` leads to: the same file with no symbolic link on the way or at the end.
    pub(crate) fn real(&self, path: &Path) -> io::Result<PathBuf> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next() {
            let dir = self.resolve(&walk.at, OFlags::PATH | OFlags::DIRECTORY)?;
            match stat_at(&dir, Path::new(&name))? {
                Some(stat) if kind(&stat) == FileType::Symlink => walk.follow(&dir, &name)?,
                Some(_) => walk.at.push(name),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        Ok(walk.at)
    }

    /// As [`Tree::real`] for a file that may be missing, as may be what a link at the end points to.
    pub(crate) fn real_or_missing(&self, path: &Path) -> io::Result<PathBuf> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next() {
            let found = match self.resolve(&walk.at, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(dir) => stat_at(&dir, Path::new(&name))?.map(|stat| (dir, stat)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            match found {
                Some((dir, stat)) if kind(&stat) == FileType::Symlink => {
                    walk.follow(&dir, &name)?;
                }
                Some(_) | None => walk.at.push(name),
            }
        }
        Ok(walk.at)
    }

    /// Makes `path` and its missing parents as directories of `owner`, mode 0755 and no time
    /// of the clock, and opens it. The times of existing parents stay as they were. A link
    /// on the way is followed, and where it points to is made too.
    pub(crate) fn create_dirs(&self, path: &Path, owner: Owner) -> io::Result<OwnedFd> {
        let mut at = PathBuf::from("/");
        let mut dir = self.dir(&at)?;
        for component in self.real_or_missing(path)?.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            at.push(name);
            dir = match self.dir(&at) {
                Ok(next) => next,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_dir(&dir, Path::new(name), owner)?
                }
                Err(error) => return Err(error),
            };
        }
        Ok(dir)
    }
}

/// A path on the way to having no symbolic links.
struct Walk {
    /// What has none any more.
    at: PathBuf,
    /// What is still to be looked at, the last first.
    rest: Vec<OsString>,
    n_links: usize,
}

impl Walk {
    fn new(path: &Path) -> Walk {
        let mut walk = Walk {
            at: PathBuf::from("/"),
            rest: Vec::new(),
            n_links: 0,
        };
        walk.push(path);
        walk
    }

    fn push(&mut self, path: &Path) {
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        self.rest.extend(names);
    }

    /// The next name below `at`; `..` is gone up at once, and stays below the root.
    fn next(&mut self) -> Option<OsString> {
        loop {
            let name = self.rest.pop()?;
            if name != ".." {
                return Some(name);
            }
            self.at.pop();
        }
    }

    fn follow(&mut self, dir: &OwnedFd, name: &OsString) -> io::Result<()> {
        self.n_links += 1;
        if self.n_links > MOST_LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.at = PathBuf::from("/");
        }
        self.push(&target);
        Ok(())
    }
}

/// Makes one directory; its parent keeps its time.
fn make_dir(parent: &OwnedFd, name: &Path, owner: Owner) -> io::Result<OwnedFd> {
    let kept = times(&rustix::fs::fstat(parent)?);
    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    own(&made, owner)?;
    rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
    rustix::fs::futimens(&made, &fixed_times(0))?;
    rustix::fs::futimens(parent, &kept)?;
    Ok(made)
}

/// Whether a path leads to nothing, or through something that is not a directory.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The names in a directory, sorted by their bytes.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    names.sort();
    Ok(names)
}

/// Metadata of `name` in `dir`, symbolic links not followed; `None` if there is no such name.
pub(crate) fn stat_at(dir: impl AsFd, name: &Path) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn kind(stat: &Stat) -> rustix::fs::FileType {
    rustix::fs::FileType::from_raw_mode(stat.st_mode)
}

pub(crate) fn own(fd: impl AsFd, owner: Owner) -> io::Result<()> {
    let (uid, gid) = ids(owner);
    rustix::fs::fchown(fd, Some(uid), Some(gid)).map_err(|error| not_owned(error, owner))
}

/// Says that a file could not be given to `owner`.
pub(crate) fn not_owned(error: rustix::io::Errno, owner: Owner) -> io::Error {
    let Owner { uid, gid } = owner;
    match error {
        // The user namespace has no such ID.
        rustix::io::Errno::INVAL => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("cannot give files to {uid}:{gid}, which are not mapped on this host"),
        ),
        other => other.into(),
    }
}

pub(crate) fn ids(owner: Owner) -> (rustix::fs::Uid, rustix::fs::Gid) {
    (
        rustix::fs::Uid::from_raw(owner.uid),
        rustix::fs::Gid::from_raw(owner.gid),
    )
}

/// The times of a file, to be given to another.
pub(crate) fn times(stat: &Stat) -> Timestamps {
    let (seconds, nanoseconds) = mtime(stat);
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// A time without fractions.
pub(crate) fn fixed_times(seconds: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Modification time in seconds and nanoseconds since 1970.
pub(crate) fn mtime(stat: &Stat) -> (i64, i64) {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "nanoseconds are below 10^9; the field's type differs between architectures"
    )]
    let nanoseconds = stat.st_mtime_nsec as i64;
    (stat.st_mtime, nanoseconds)
}

/// A path as openat2 wants it below a directory.
fn inside(path: &Path) -> PathBuf {
    let relative: PathBuf = path
        .components()
        .filter(|c| !matches!(c, Component::RootDir | Component::Prefix(_)))
        .collect();
    if relative.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        relative
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "inside").unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        (dir, tree)
    }

    #[test]
    fn an_absolute_link_stays_inside() {
        let (dir, tree) = tree();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        assert_eq!(tree.text(Path::new("/link"), 100).unwrap(), "inside");
    }

    #[test]
    fn dots_stay_inside() {
        let (dir, tree) = tree();
        symlink("../../../../etc/passwd", dir.path().join("link")).unwrap();
        assert_eq!(tree.text(Path::new("link"), 100).unwrap(), "inside");
        assert_eq!(
            tree.text(Path::new("../../etc/passwd"), 100).unwrap(),
            "inside"
        );
    }

    #[test]
    fn a_link_to_nothing_is_made_real() {
        let (dir, tree) = tree();
        symlink("/etc/../data", dir.path().join("link")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let me = Owner {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        };
        drop(tree.create_dirs(Path::new("/link/sub"), me).unwrap());
        assert!(dir.path().join("data/sub").is_dir());
        assert!(tree.create_dirs(Path::new("/loop/sub"), me).is_err());
        assert!(tree.create_dirs(Path::new("/etc/passwd/sub"), me).is_err());
        assert_eq!(
            tree.real(Path::new("link/sub")).unwrap(),
            Path::new("/data/sub")
        );
    }

    #[test]
    fn made_directories_carry_no_time_of_the_clock() {
        let (dir, tree) = tree();
        let before = std::fs::metadata(dir.path().join("etc"))
            .unwrap()
            .modified()
            .unwrap();
        let me = Owner {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        };
        drop(tree.create_dirs(Path::new("/etc/a/b"), me).unwrap());
        assert_eq!(
            std::fs::metadata(dir.path().join("etc"))
                .unwrap()
                .modified()
                .unwrap(),
            before
        );
        let made = tree.stat(Path::new("/etc/a/b")).unwrap();
        assert_eq!(mtime(&made), (0, 0));
    }
}
