//! The mounts that the caller asked for.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::vec;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::Failure;
use super::rootfs::{Aside, TargetKind, Tree};
use crate::overlay::{mount_layers, new_filesystem, new_unswapped_tmpfs};
use crate::system::{self, Depth};
use crate::wire::{Spec, SpecFile, SpecMountKind};

/// Mounts them in their order. `fds` are what the caller has opened for them.
pub(super) fn mount(tree: &Tree<'_>, spec: &Spec, fds: Vec<OwnedFd>) -> Result<(), Failure> {
    let mut sources = Sources {
        fds: fds.into_iter(),
        memory: None,
        n_files: 0,
    };
    for mount in &spec.mounts {
        let target = Path::new(&mount.target);
        let (source, kind) = match &mount.kind {
            SpecMountKind::Bind { is_directory } => {
                let kind = if *is_directory {
                    TargetKind::Directory
                } else {
                    TargetKind::File
                };
                (sources.next(target)?, kind)
            }
            SpecMountKind::Layers {
                lowers,
                path,
                upper,
            } => {
                let lowers: Vec<_> = lowers.iter().map(Into::into).collect();
                let upper = upper.as_ref();
                let upper = upper.map(|[upper, work]| (Path::new(upper), Path::new(work)));
                let layers = mount_layers(&lowers, upper)
                    .map_err(Failure::of_mount("mount the layers for a mount:"))?;
                part(layers, Path::new(path))?
            }
            SpecMountKind::Tmpfs { size, mode } => {
                (tmpfs(target, *size, *mode)?, TargetKind::Directory)
            }
            SpecMountKind::File(file) => (sources.file(target, file)?, TargetKind::File),
            SpecMountKind::Files(files) => (sources.files(target, files)?, TargetKind::Directory),
        };
        let point = tree.target(target, kind)?;
        move_mount(
            source.as_fd(),
            "",
            point.as_fd(),
            "",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
        )
        .map_err(Failure::at("mount onto", target))?;
    }
    Ok(())
}

fn tmpfs(target: &Path, size: Option<u64>, mode: u32) -> Result<OwnedFd, Failure> {
    let (size, mode) = (size.map(|size| size.to_string()), format!("{mode:o}"));
    let mut options = vec![("mode", mode.as_str())];
    options.extend(size.as_deref().map(|size| ("size", size)));
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    new_filesystem("tmpfs", &options, attributes).map_err(Failure::at("mount a tmpfs at", target))
}

/// The file or directory at `path` of a mount that is not attached anywhere.
fn part(layers: OwnedFd, path: &Path) -> Result<(OwnedFd, TargetKind), Failure> {
    if path == Path::new("/") {
        return Ok((layers, TargetKind::Directory));
    }
    let layers = Aside::attach(layers)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = rustix::fs::openat2(
        layers.as_fd(),
        path,
        flags,
        Mode::empty(),
        ResolveFlags::IN_ROOT,
    )
    .map_err(Failure::at("open the source of a mount", path))?;
    let stat = rustix::fs::statat(&found, "", AtFlags::EMPTY_PATH)
        .map_err(Failure::at("examine the source of a mount", path))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => TargetKind::Directory,
        _ => TargetKind::File,
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let part =
        open_tree(&found, "", flags).map_err(Failure::at("clone the source of a mount", path))?;
    Ok((part, kind))
}

/// What the caller has sent, and where files in memory are made of it.
struct Sources {
    fds: vec::IntoIter<OwnedFd>,
    /// One filesystem for all files.
    memory: Option<Aside>,
    n_files: usize,
}

impl Sources {
    fn next(&mut self, target: &Path) -> Result<OwnedFd, Failure> {
        self.fds
            .next()
            .ok_or(Errno::BADF)
            .map_err(Failure::at("find the source for", target))
    }

    fn file(&mut self, target: &Path, file: &SpecFile) -> Result<OwnedFd, Failure> {
        let name = self.new_name()?;
        self.write(target, &name, file)?;
        let is_program = file.mode & 0o111 != 0;
        self.take(target, &name, is_program)
    }

    fn files(&mut self, target: &Path, files: &[SpecFile]) -> Result<OwnedFd, Failure> {
        let name = self.new_name()?;
        let memory = self.memory.as_ref().ok_or(Errno::BADF);
        memory
            .and_then(|memory| rustix::fs::mkdirat(memory, &*name, Mode::from_raw_mode(0o755)))
            .map_err(Failure::at("create the files for", target))?;
        for file in files {
            if file.name.is_empty() || file.name.contains('/') || file.name.starts_with('.') {
                return Err(Failure::at("create the file", &file.name)(Errno::INVAL));
            }
            self.write(target, &format!("{name}/{}", file.name), file)?;
        }
        self.take(target, &name, true)
    }

    /// A name that nothing in the filesystem has yet. Makes the filesystem first.
    fn new_name(&mut self) -> Result<String, Failure> {
        if self.memory.is_none() {
            self.memory = Some(Aside::attach(memory()?)?);
        }
        self.n_files += 1;
        Ok(self.n_files.to_string())
    }

    fn write(&mut self, target: &Path, name: &str, file: &SpecFile) -> Result<(), Failure> {
        let fail = |error: Errno| Failure::at("write the file for", target)(error);
        let content = self.next(target)?;
        let size = rustix::fs::fstat(&content).map_err(fail)?.st_size;
        let memory = self.memory.as_ref().ok_or(Errno::BADF).map_err(fail)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let written = rustix::fs::openat(memory, name, flags, Mode::RUSR).map_err(fail)?;
        let mut left = usize::try_from(size).unwrap_or(0);
        while left > 0 {
            match rustix::fs::sendfile(&written, &content, None, left).map_err(fail)? {
                0 => return Err(fail(Errno::IO)),
                sent => left = left.saturating_sub(sent),
            }
        }
        let (uid, gid) = (Uid::from_raw(file.uid), Gid::from_raw(file.gid));
        match rustix::fs::fchown(&written, Some(uid), Some(gid)) {
            // An ID that does not exist here.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(fail(error)),
        }
        rustix::fs::fchmod(&written, Mode::from_raw_mode(file.mode)).map_err(fail)
    }

    fn take(&self, target: &Path, name: &str, is_program: bool) -> Result<OwnedFd, Failure> {
        let memory = self.memory.as_ref().ok_or(Errno::BADF);
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mount = memory
            .and_then(|memory| open_tree(memory, name, flags))
            .map_err(Failure::at("clone the file for", target))?;
        let protected = if is_program {
            system::make_read_only(mount.as_fd(), Depth::Single)
        } else {
            system::make_read_only_and_inert(mount.as_fd())
        };
        protected.map_err(Failure::at("make read-only", target))?;
        Ok(mount)
    }
}

/// A filesystem in memory for what must not be on a disk.
fn memory() -> Result<OwnedFd, Failure> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    // Only the host's root may say that it is not swapped, from Linux 6.4 on.
    new_unswapped_tmpfs(attributes)
        .or_else(|_refused| new_filesystem("tmpfs", &[("mode", "0700")], attributes))
        .map_err(Failure::of("mount a tmpfs for files"))
}
