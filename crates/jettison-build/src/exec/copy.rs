//! COPY and WORKDIR: changing a mounted file system.
//!
//! Times never come from the clock: copied files keep theirs, directories that are made on the way
//! are from 1970, and existing directories keep the time that they had.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use crate::exec::attributes::copy_attributes;
use crate::exec::owner::owner;
use crate::exec::select::{Found, SelectError, Selected, Selection, Source, walk};
use crate::plan::{Chmod, CopyDefinition, WorkdirDefinition};
use crate::tree::{Owner, Tree, ids, kind, not_owned, own, stat_at, times};

const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// What could not be copied, and why.
#[derive(Debug)]
pub(crate) struct CopyFailure {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// Says that `path` could not be copied.
fn failed(path: &Path) -> impl Fn(io::Error) -> CopyFailure + '_ {
    move |source| CopyFailure {
        path: path.to_path_buf(),
        source,
    }
}

/// Copies `selection` into `target` as `definition` says. The rules are those of BuildKit's copier
/// (tonistiigi/fsutil, copy/copy.go).
pub(crate) fn copy_files(
    source: &Source<'_>,
    selection: &Selection,
    target: &Tree,
    definition: &CopyDefinition,
) -> Result<(), CopyFailure> {
    let destination = Path::new(&definition.destination);
    let at = failed(destination);
    let chown = match &definition.chown {
        Some(text) => Some(owner(target, text).map_err(&at)?),
        None => None,
    };
    let copier = Copier {
        source,
        target,
        owner: chown,
        mode: match &definition.chmod {
            Some(Chmod::Octal(mode)) => Some(*mode),
            Some(Chmod::Symbolic(_)) | None => None,
        },
    };
    for selected in &selection.paths {
        let stat = source
            .tree
            .stat(&selected.real)
            .map_err(failed(&selected.named))?;
        if kind(&stat) == FileType::Directory {
            target
                .create_dirs(destination, chown.unwrap_or(ROOT))
                .map_err(&at)?;
            let into = target.real(destination).map_err(&at)?;
            copier.contents(&selected.real, &into)?;
        } else {
            let is_dir = definition.destination.ends_with('/');
            copier.single(selected, &stat, destination, is_dir)?;
        }
    }
    Ok(())
}

/// Makes the working directory. It and its parents belong to the user who works there.
pub(crate) fn make_workdir(
    target: &Tree,
    definition: &WorkdirDefinition,
) -> Result<(), CopyFailure> {
    let path = Path::new(&definition.path);
    let owner = owner(target, &definition.user).map_err(failed(path))?;
    target.create_dirs(path, owner).map_err(failed(path))?;
    Ok(())
}

struct Copier<'a> {
    source: &'a Source<'a>,
    target: &'a Tree,
    owner: Option<Owner>,
    mode: Option<u32>,
}

impl Copier<'_> {
    /// Copies one file to `destination`, or into it if that is or has to be a directory. A link at the
    /// destination is followed.
    fn single(
        &self,
        selected: &Selected,
        stat: &Stat,
        destination: &Path,
        is_dir: bool,
    ) -> Result<(), CopyFailure> {
        let at = failed(destination);
        let mut place = self.target.real_or_missing(destination).map_err(&at)?;
        let is_existing_dir = self
            .target
            .stat(&place)
            .is_ok_and(|stat| kind(&stat) == FileType::Directory);
        if is_dir || is_existing_dir {
            let name = selected.named.file_name();
            place.push(
                name.ok_or_else(|| failed(&selected.named)(io::ErrorKind::InvalidInput.into()))?,
            );
        }
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(at(io::ErrorKind::IsADirectory.into()));
        };
        let owner = self.owner.unwrap_or(ROOT);
        let into = self.target.create_dirs(parent, owner).map_err(&at)?;
        self.item(&selected.real, stat, &into, Path::new(name))
            .map_err(failed(&selected.named))
    }

    /// Copies what is in the directory `real` into `into`; neither has symbolic links in it.
    fn contents(&self, real: &Path, into: &Path) -> Result<(), CopyFailure> {
        let items = walk(self.source, real).map_err(|error| match error {
            SelectError::Missing(message) => failed(real)(io::Error::other(message)),
            SelectError::Io(path, source) => CopyFailure { path, source },
        })?;
        // The first copy of every file that has several names.
        let mut links: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        for Found { relative, stat } in &items {
            let path = real.join(relative);
            let place = into.join(relative);
            let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
                continue;
            };
            let copy = || -> io::Result<()> {
                let dir = self.target.dir(parent)?;
                let inode = (stat.st_dev, stat.st_ino);
                let has_names = stat.st_nlink > 1 && kind(stat) == FileType::RegularFile;
                match links.get(&inode) {
                    Some(first) if has_names => self.hard_link(first, &dir, Path::new(name)),
                    _ => {
                        if has_names {
                            links.insert(inode, place.clone());
                        }
                        self.item(&path, stat, &dir, Path::new(name))
                    }
                }
            };
            let mut copy = copy;
            copy().map_err(failed(&path))?;
        }
        // Inner directories first; what was put into them has changed their times.
        for Found { relative, stat } in items.iter().rev() {
            if kind(stat) == FileType::Directory {
                let path = real.join(relative);
                let made = self
                    .target
                    .dir(&into.join(relative))
                    .map_err(failed(&path))?;
                rustix::fs::futimens(&made, &times(stat))
                    .map_err(|error| failed(&path)(error.into()))?;
            }
        }
        Ok(())
    }

    /// Copies one thing, and gives the directory that it is put into its former time back.
    fn item(&self, path: &Path, stat: &Stat, into: &OwnedFd, name: &Path) -> io::Result<()> {
        keeping_time(into, || match kind(stat) {
            FileType::Directory => self.directory(path, stat, into, name),
            FileType::Symlink => self.link(path, stat, into, name),
            FileType::RegularFile => self.file(path, stat, into, name),
            FileType::Fifo => self.fifo(stat, into, name),
            other => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("a {other:?} cannot be copied"),
            )),
        })
    }

    fn directory(&self, path: &Path, stat: &Stat, into: &OwnedFd, name: &Path) -> io::Result<()> {
        match stat_at(into, name)? {
            None => rustix::fs::mkdirat(into, name, Mode::from_raw_mode(0o700))?,
            Some(existing) if kind(&existing) == FileType::Directory => {}
            Some(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("cannot copy to non-directory: {}", name.display()),
                ));
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(into, name, flags, Mode::empty())?;
        own(&made, self.owner_of(stat))?;
        rustix::fs::fchmod(&made, self.mode_of(stat))?;
        copy_attributes(self.source.tree.dir(path)?, &made)
    }

    fn link(&self, path: &Path, stat: &Stat, into: &OwnedFd, name: &Path) -> io::Result<()> {
        let target = self.source.tree.link(path)?;
        make_room(into, name)?;
        rustix::fs::symlinkat(&target, into, name)?;
        self.dress(stat, into, name)
    }

    fn fifo(&self, stat: &Stat, into: &OwnedFd, name: &Path) -> io::Result<()> {
        make_room(into, name)?;
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(into, name, FileType::Fifo, mode, 0)?;
        rustix::fs::chmodat(into, name, self.mode_of(stat), AtFlags::empty())?;
        self.dress(stat, into, name)
    }

    /// Gives something that cannot be opened its owner and times.
    fn dress(&self, stat: &Stat, into: &OwnedFd, name: &Path) -> io::Result<()> {
        let owner = self.owner_of(stat);
        let (uid, gid) = ids(owner);
        rustix::fs::chownat(into, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| not_owned(error, owner))?;
        Ok(rustix::fs::utimensat(
            into,
            name,
            &times(stat),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn file(&self, path: &Path, stat: &Stat, into: &OwnedFd, name: &Path) -> io::Result<()> {
        let mut from = self.source.tree.file(path)?;
        make_room(into, name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let mut to = File::from(rustix::fs::openat(into, name, flags, mode)?);
        io::copy(&mut from, &mut to)?;
        own(&to, self.owner_of(stat))?;
        rustix::fs::fchmod(&to, self.mode_of(stat))?;
        copy_attributes(&from, &to)?;
        Ok(rustix::fs::futimens(&to, &times(stat))?)
    }

    /// Gives the copy at `first` one more name.
    fn hard_link(&self, first: &Path, into: &OwnedFd, name: &Path) -> io::Result<()> {
        let (Some(parent), Some(first)) = (first.parent(), first.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let dir = self.target.dir(parent)?;
        keeping_time(into, || {
            make_room(into, name)?;
            Ok(rustix::fs::linkat(
                &dir,
                first,
                into,
                name,
                AtFlags::empty(),
            )?)
        })
    }

    fn owner_of(&self, stat: &Stat) -> Owner {
        match self.owner {
            Some(owner) => owner,
            None if self.source.keeps_owners => Owner {
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
            None => ROOT,
        }
    }

    fn mode_of(&self, stat: &Stat) -> Mode {
        Mode::from_raw_mode(self.mode.unwrap_or(stat.st_mode & 0o7777))
    }
}

/// Removes what is in the way of a new file. A directory is never removed.
fn make_room(into: &OwnedFd, name: &Path) -> io::Result<()> {
    let Some(stat) = stat_at(into, name)? else {
        return Ok(());
    };
    if kind(&stat) == FileType::Directory {
        let message = format!(
            "cannot copy to {}: a directory is in the way",
            name.display()
        );
        return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
    }
    Ok(rustix::fs::unlinkat(into, name, AtFlags::empty())?)
}

/// Runs `change` and gives the directory its former time back.
fn keeping_time(dir: &OwnedFd, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let before = rustix::fs::fstat(dir.as_fd())?;
    change()?;
    Ok(rustix::fs::futimens(dir, &times(&before))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use jettison_dockerfile::IgnoreFile;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use crate::exec::select::select;
    use crate::plan::{Archives, CopyFrom};

    struct World {
        dir: tempfile::TempDir,
    }

    impl World {
        fn new() -> World {
            let dir = tempfile::tempdir().unwrap();
            for path in ["context/sub/inner", "root/app", "root/etc"] {
                fs::create_dir_all(dir.path().join(path)).unwrap();
            }
            fs::write(dir.path().join("context/a"), "a").unwrap();
            fs::write(dir.path().join("context/sub/b"), "b").unwrap();
            fs::write(dir.path().join("context/sub/inner/c"), "c").unwrap();
            symlink("../a", dir.path().join("context/sub/link")).unwrap();
            World { dir }
        }

        fn copy(
            &self,
            sources: &[&str],
            destination: &str,
            ignore: &str,
        ) -> Result<(), CopyFailure> {
            let ignore = IgnoreFile::parse(ignore).unwrap();
            let me = format!(
                "{}:{}",
                rustix::process::getuid().as_raw(),
                rustix::process::getgid().as_raw()
            );
            let source = Source {
                tree: Tree::open(&self.dir.path().join("context")).unwrap(),
                ignore: Some(&ignore),
                keeps_owners: false,
            };
            let definition = CopyDefinition {
                from: CopyFrom::Context,
                sources: Vec::new(),
                destination: destination.to_string(),
                chown: Some(me),
                chmod: None,
                exclude: Vec::new(),
                keeps_parents: false,
                is_linked: false,
                archives: Archives::Kept,
            };
            let patterns: Vec<String> = sources.iter().map(ToString::to_string).collect();
            let selection = select(&source, &patterns).unwrap();
            let target = Tree::open(&self.dir.path().join("root")).unwrap();
            copy_files(&source, &selection, &target, &definition)
        }

        fn listing(&self) -> String {
            let mut lines = Vec::new();
            list(&self.dir.path().join("root"), "", &mut lines);
            lines.join("\n")
        }
    }

    fn list(dir: &Path, prefix: &str, lines: &mut Vec<String>) {
        let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("{prefix}/{}", entry.file_name().display());
            let metadata = fs::symlink_metadata(entry.path()).unwrap();
            if metadata.is_dir() {
                lines.push(format!("{name}/"));
                list(&entry.path(), &name, lines);
            } else if metadata.is_symlink() {
                lines.push(format!(
                    "{name} -> {}",
                    fs::read_link(entry.path()).unwrap().display()
                ));
            } else {
                lines.push(name);
            }
        }
    }

    #[track_caller]
    fn check(sources: &[&str], destination: &str, expected: Expect) {
        let world = World::new();
        world.copy(sources, destination, "").unwrap();
        expected.assert_eq(&world.listing());
    }

    #[test]
    fn a_file_goes_into_an_existing_directory() {
        check(
            &["a"],
            "/app",
            expect![[r"
            /app/
            /app/a
            /etc/"]],
        );
    }

    #[test]
    fn a_directory_gives_its_contents() {
        check(
            &["sub"],
            "/new/place",
            expect![[r"
            /app/
            /etc/
            /new/
            /new/place/
            /new/place/b
            /new/place/inner/
            /new/place/inner/c
            /new/place/link -> ../a"]],
        );
    }

    #[test]
    fn a_source_link_is_followed() {
        check(
            &["sub/link"],
            "/app/",
            expect![[r"
            /app/
            /app/link
            /etc/"]],
        );
    }

    #[test]
    fn ignored_files_stay_behind() {
        let world = World::new();
        world.copy(&["."], "/app/", "sub/*\n!sub/inner").unwrap();
        expect![[r"
            /app/
            /app/a
            /app/sub/
            /app/sub/inner/
            /app/sub/inner/c
            /etc/"]]
        .assert_eq(&world.listing());
    }

    #[test]
    fn a_link_at_the_destination_does_not_lead_out() {
        let world = World::new();
        symlink("/etc", world.dir.path().join("root/out")).unwrap();
        world.copy(&["a"], "/out/deep/", "").unwrap();
        assert!(world.dir.path().join("root/etc/deep/a").exists());
        assert!(!Path::new("/etc/deep").exists());
    }

    #[test]
    fn a_directory_is_not_replaced_by_a_file() {
        let world = World::new();
        fs::create_dir(world.dir.path().join("root/app/a")).unwrap();
        let failure = world.copy(&["a"], "/app/", "").unwrap_err();
        assert_eq!(
            failure.source.to_string(),
            "cannot copy to a: a directory is in the way"
        );
    }

    #[test]
    fn modes_and_times_are_kept() {
        let world = World::new();
        let file = world.dir.path().join("context/a");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
        let app = world.dir.path().join("root/app");
        let before = fs::metadata(&app).unwrap().mtime_nsec();
        world.copy(&["a"], "/app/", "").unwrap();
        let copied = fs::metadata(app.join("a")).unwrap();
        assert_eq!(copied.mode() & 0o7777, 0o4751);
        assert_eq!(
            copied.modified().unwrap(),
            fs::metadata(&file).unwrap().modified().unwrap()
        );
        assert_eq!(fs::metadata(&app).unwrap().mtime_nsec(), before);
    }
}
