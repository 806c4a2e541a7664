//! Reading and changing a directory tree whose symbolic links must not lead out of it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};

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
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes `path` and its missing parents as directories of `owner`, mode 0755 and no time
    /// of the clock, and opens it. The times of existing parents stay as they were.
    pub(crate) fn create_dirs(&self, path: &Path, owner: Owner) -> io::Result<OwnedFd> {
        let mut at = PathBuf::from("/");
        let mut dir = self.dir(&at)?;
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            at.push(name);
            dir = match self.dir(&at) {
                Ok(next) => next,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let kept = times(&rustix::fs::fstat(&dir)?);
                    rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o755))?;
                    let made = rustix::fs::openat(
                        &dir,
                        name,
                        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                        Mode::empty(),
                    )?;
                    own(&made, owner)?;
                    rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
                    rustix::fs::futimens(&made, &fixed_times(0))?;
                    rustix::fs::futimens(&dir, &kept)?;
                    made
                }
                Err(error) => return Err(error),
            };
        }
        Ok(dir)
    }
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
    Ok(rustix::fs::fchown(fd, Some(uid), Some(gid))?)
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
