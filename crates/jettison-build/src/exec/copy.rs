//! COPY and WORKDIR: changing a mounted file system.
//!
//! Times never come from the clock: copied files keep theirs, directories that are made on the way
//! are from 1970, and existing directories keep the time that they had.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use crate::exec::select::{Selection, Source, is_ignored, reincludes_below};
use crate::plan::{CopyDefinition, WorkdirDefinition};
use crate::tree::{Owner, Tree, ids, kind, names, own, stat_at, times};

const PASSWD_LIMIT: u64 = 10 << 20;
const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// What could not be copied, and why.
#[derive(Debug)]
pub(crate) struct CopyFailure {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// Copies `selection` into `target` as `definition` says.
pub(crate) fn copy_files(
    source: &Source<'_>,
    selection: &Selection,
    target: &Tree,
    definition: &CopyDefinition,
) -> Result<(), CopyFailure> {
    let destination = Path::new(&definition.destination);
    let at = |source| CopyFailure {
        path: destination.to_path_buf(),
        source,
    };
    let owner = match &definition.chown {
        Some(text) => Some(owner(target, text).map_err(at)?),
        None => None,
    };
    let copier = Copier {
        source,
        owner,
        mode: definition.chmod,
    };
    let wants_dir = definition.destination.ends_with('/') || selection.paths.len() > 1;
    for path in &selection.paths {
        let failed = |source| CopyFailure {
            path: path.clone(),
            source,
        };
        let stat = source.tree.stat(path).map_err(failed)?;
        if kind(&stat) == FileType::Directory {
            let existed = target.stat(destination).is_ok();
            let into = target
                .create_dirs(destination, owner.unwrap_or(ROOT))
                .map_err(at)?;
            copier.contents(path, &into)?;
            if !existed {
                copier.attributes(&stat, &into).map_err(failed)?;
            }
            continue;
        }
        let is_dir = target
            .stat(destination)
            .is_ok_and(|stat| kind(&stat) == FileType::Directory);
        let (parent, name) = if wants_dir || is_dir {
            (destination, path.file_name())
        } else {
            (
                destination.parent().unwrap_or(Path::new("/")),
                destination.file_name(),
            )
        };
        let name = Path::new(name.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?);
        let parent = target
            .create_dirs(parent, owner.unwrap_or(ROOT))
            .map_err(at)?;
        keeping_time(&parent, || copier.file(path, &stat, &parent, name))?;
    }
    Ok(())
}

/// Makes the working directory.
pub(crate) fn make_workdir(
    target: &Tree,
    definition: &WorkdirDefinition,
    owner: Owner,
) -> Result<(), CopyFailure> {
    let path = Path::new(&definition.path);
    match target.create_dirs(path, owner) {
        Ok(_) => Ok(()),
        Err(source) => Err(CopyFailure {
            path: path.to_path_buf(),
            source,
        }),
    }
}

struct Copier<'a> {
    source: &'a Source<'a>,
    owner: Option<Owner>,
    mode: Option<u32>,
}

impl Copier<'_> {
    /// Copies what is in the directory `path` into `into`.
    fn contents(&self, path: &Path, into: &OwnedFd) -> Result<(), CopyFailure> {
        let failed = |source| CopyFailure {
            path: path.to_path_buf(),
            source,
        };
        let dir = self.source.tree.dir(path).map_err(failed)?;
        for name in names(&dir).map_err(failed)? {
            let child = path.join(&name);
            let name = Path::new(&name);
            let Some(stat) = stat_at(&dir, name).map_err(failed)? else {
                continue;
            };
            let ignored = is_ignored(self.source, &child);
            if kind(&stat) == FileType::Directory {
                if !ignored || reincludes_below(self.source, &child) {
                    let made = keeping_time(into, || self.directory(&child, &stat, into, name))?;
                    self.contents(&child, &made)?;
                    rustix::fs::futimens(&made, &times(&stat))
                        .map_err(|error| failed(error.into()))?;
                }
            } else if !ignored {
                keeping_time(into, || match kind(&stat) {
                    FileType::Symlink => self.link(&dir, &child, into, name),
                    _ => self.file(&child, &stat, into, name),
                })?;
            }
        }
        Ok(())
    }

    fn directory(
        &self,
        path: &Path,
        stat: &Stat,
        into: &OwnedFd,
        name: &Path,
    ) -> Result<OwnedFd, CopyFailure> {
        let make = || -> io::Result<OwnedFd> {
            if stat_at(into, name)?.is_none() {
                rustix::fs::mkdirat(into, name, Mode::from_raw_mode(0o700))?;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::openat(into, name, flags, Mode::empty())?;
            own(&made, self.owner_of(stat))?;
            rustix::fs::fchmod(&made, self.mode_of(stat))?;
            Ok(made)
        };
        make().map_err(|source| CopyFailure {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Gives a directory that was made for the contents of another that one's attributes.
    fn attributes(&self, stat: &Stat, made: &OwnedFd) -> io::Result<()> {
        own(made, self.owner_of(stat))?;
        rustix::fs::fchmod(made, self.mode_of(stat))?;
        Ok(rustix::fs::futimens(made, &times(stat))?)
    }

    fn link(
        &self,
        dir: &OwnedFd,
        path: &Path,
        into: &OwnedFd,
        name: &Path,
    ) -> Result<(), CopyFailure> {
        let make = || -> io::Result<()> {
            let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
            let Some(stat) = stat_at(dir, name)? else {
                return Err(io::ErrorKind::NotFound.into());
            };
            make_room(into, name)?;
            rustix::fs::symlinkat(&target, into, name)?;
            let (uid, gid) = ids(self.owner_of(&stat));
            rustix::fs::chownat(into, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(rustix::fs::utimensat(
                into,
                name,
                &times(&stat),
                AtFlags::SYMLINK_NOFOLLOW,
            )?)
        };
        make().map_err(|source| CopyFailure {
            path: path.to_path_buf(),
            source,
        })
    }

    fn file(
        &self,
        path: &Path,
        stat: &Stat,
        into: &OwnedFd,
        name: &Path,
    ) -> Result<(), CopyFailure> {
        // As BuildKit does, sockets are left out.
        if kind(stat) == FileType::Socket {
            return Ok(());
        }
        let make = || -> io::Result<()> {
            let mut from = self.source.tree.file(path)?;
            make_room(into, name)?;
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut to = std::fs::File::from(rustix::fs::openat(
                into,
                name,
                flags,
                Mode::from_raw_mode(0o600),
            )?);
            io::copy(&mut from, &mut to)?;
            copy_attributes(&from, &to)?;
            own(&to, self.owner_of(stat))?;
            rustix::fs::fchmod(&to, self.mode_of(stat))?;
            Ok(rustix::fs::futimens(&to, &times(stat))?)
        };
        make().map_err(|source| CopyFailure {
            path: path.to_path_buf(),
            source,
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

/// Copies the extended attributes that belong to a file's content: capabilities and the user's.
fn copy_attributes(from: &std::fs::File, to: &std::fs::File) -> io::Result<()> {
    let mut list = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(from, &mut list) {
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    for name in list[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let wanted = name == b"security.capability"
            || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."));
        if wanted {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
            rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty())?;
        }
    }
    Ok(())
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
fn keeping_time<T>(
    dir: &OwnedFd,
    change: impl FnOnce() -> Result<T, CopyFailure>,
) -> Result<T, CopyFailure> {
    let failed = |error: rustix::io::Errno| CopyFailure {
        path: PathBuf::from("."),
        source: error.into(),
    };
    let before = rustix::fs::fstat(dir.as_fd()).map_err(failed)?;
    let result = change()?;
    rustix::fs::futimens(dir, &times(&before)).map_err(failed)?;
    Ok(result)
}

/// The owner that `--chown` names. Names are those of the target's own `/etc/passwd` and
/// `/etc/group`; a missing file means 0 (BuildKit: `ops/user_linux.go`).
fn owner(target: &Tree, text: &str) -> io::Result<Owner> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let (uid, own_group) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) => match entry(target, "/etc/passwd", user, 2)? {
            Some(fields) => (fields[0], fields[1]),
            None => (0, 0),
        },
    };
    let gid = match group {
        None => own_group,
        Some(group) => match group.parse::<u32>() {
            Ok(gid) => gid,
            Err(_) => entry(target, "/etc/group", group, 1)?.map_or(0, |fields| fields[0]),
        },
    };
    Ok(Owner { uid, gid })
}

/// The `count` numbers after the password of `name`'s line; `None` if the file does not exist.
fn entry(target: &Tree, file: &str, name: &str, count: usize) -> io::Result<Option<Vec<u32>>> {
    let text = target.text(Path::new(file), PASSWD_LIMIT)?;
    if text.is_empty() {
        return Ok(None);
    }
    let found = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.first() != Some(&name) {
            return None;
        }
        fields
            .get(2..2 + count)?
            .iter()
            .map(|field| field.parse().ok())
            .collect::<Option<Vec<u32>>>()
    });
    match found {
        Some(fields) => Ok(Some(fields)),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("unable to find {name} in {file}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use jettison_dockerfile::IgnoreFile;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use crate::exec::select::select;
    use crate::plan::CopyFrom;

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
                sources: sources.iter().map(ToString::to_string).collect(),
                destination: destination.to_string(),
                chown: Some(me),
                chmod: None,
            };
            let selection = select(&source, &definition.sources).unwrap();
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

    #[test]
    fn owners_are_looked_up_in_the_target() {
        let world = World::new();
        fs::write(
            world.dir.path().join("root/etc/passwd"),
            "app:x:7:8::/:/bin/sh\n",
        )
        .unwrap();
        let target = Tree::open(&world.dir.path().join("root")).unwrap();
        let check =
            |text: &str, uid, gid| assert_eq!(owner(&target, text).unwrap(), Owner { uid, gid });
        check("app", 7, 8);
        check("app:9", 7, 9);
        check("12", 12, 12);
        check("12:no-group-file", 12, 0);
        assert_eq!(
            owner(&target, "ghost").unwrap_err().to_string(),
            "unable to find ghost in /etc/passwd"
        );
    }
}
