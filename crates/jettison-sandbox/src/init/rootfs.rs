//! The root filesystem and what is mounted in it.
//!
//! The overlay is put on top of the current root, where no path leads; everything below is reached through its
//! descriptor, until `pivot_root` makes it the root. Paths inside are resolved here, component by component, so that a
//! symlink in the image cannot lead out of it, and so that a dangling one (`/etc/resolv.conf` in many images) leads to
//! where its target would be.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MoveMountFlags, UnmountFlags, move_mount, unmount};

use super::{Failure, kernel_files, mounts};
use crate::overlay::{mount_layers, new_filesystem};
use crate::stub;
use crate::system::{self, Depth};
use crate::wire::{self, Report, Spec, Stub};

/// Mounts everything, and makes it this process's root.
pub(super) fn enter(spec: &Spec, fds: Vec<OwnedFd>, socket: BorrowedFd<'_>) -> Result<(), Failure> {
    let root = mount_root(spec)?;
    attach(root.as_fd(), CWD, "/")?;
    let tree = Tree::new(root, spec, socket)?;
    kernel_files::mount(&tree)?;
    mounts::mount(&tree, spec, fds)?;
    if !spec.insecure {
        kernel_files::mask(&tree)?;
    }
    if spec.creates_cwd {
        tree.target(Path::new(&spec.cwd), TargetKind::WorkingDirectory)?;
    }
    if spec.read_only {
        system::make_read_only(tree.root.as_fd(), Depth::Single)
            .map_err(Failure::of("make the root filesystem read-only"))?;
    }
    pivot(&tree)
}

fn mount_root(spec: &Spec) -> Result<OwnedFd, Failure> {
    let lowers = spec.lowers();
    let mounted = if let Some([upper, work]) = &spec.upper {
        mount_layers(&lowers, Some((Path::new(upper), Path::new(work))))
    } else {
        let scratch = mount_scratch()?;
        let base = scratch.path();
        // The overlay holds on to it.
        mount_layers(&lowers, Some((&base.join("upper"), &base.join("work"))))
    };
    mounted.map_err(Failure::of_mount("mount the root filesystem:"))
}

/// A filesystem in memory for changes that nobody wants.
fn mount_scratch() -> Result<Aside, Failure> {
    let scratch = new_filesystem("tmpfs", &[("mode", "0700")], MountAttrFlags::empty())
        .map_err(Failure::of("mount a tmpfs for changes"))?;
    let scratch = Aside::attach(scratch)?;
    for name in ["upper", "work"] {
        rustix::fs::mkdirat(scratch.as_fd(), name, Mode::from_raw_mode(0o755))
            .map_err(Failure::at("create the directory", name))?;
    }
    Ok(scratch)
}

/// A mount that is attached where no path leads, on top of the root, as long as this value lives. (The kernel clones
/// parts of a mount, and lets overlays be made of it, only while it is attached.) It must be gone before the root is
/// changed.
#[derive(Debug)]
pub(super) struct Aside(OwnedFd);

impl Aside {
    pub(super) fn attach(mount: OwnedFd) -> Result<Aside, Failure> {
        attach(mount.as_fd(), CWD, "/")?;
        Ok(Aside(mount))
    }

    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

impl AsFd for Aside {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // If it stays, changing the root fails and says so.
        let _stays = unmount(self.path(), UnmountFlags::DETACH);
    }
}

/// Attaches a mount that exists only as a descriptor.
pub(super) fn attach(
    mount: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    path: &str,
) -> Result<(), Failure> {
    let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    if path.is_empty() {
        flags |= MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    }
    move_mount(mount, "", directory, path, flags).map_err(Failure::at("mount onto", path))
}

fn pivot(tree: &Tree<'_>) -> Result<(), Failure> {
    rustix::process::fchdir(&tree.root).map_err(Failure::of("enter the root filesystem"))?;
    rustix::process::pivot_root(".", ".").map_err(Failure::of("change the root filesystem"))?;
    // The old root lies on top of the new one now.
    unmount(".", UnmountFlags::DETACH).map_err(Failure::of("leave the old root filesystem"))?;
    rustix::process::chdir("/").map_err(Failure::of("enter the root filesystem"))
}

/// What a mount point has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    File,
    Directory,
    /// A directory that stays if it had to be created.
    LastingDirectory,
    /// A directory that stays and, like those above it that had to be created, is the user's.
    WorkingDirectory,
}

/// The root filesystem before it is the root.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) root: OwnedFd,
    device: u64,
    pub(super) spec: &'a Spec,
    socket: BorrowedFd<'a>,
}

/// The times of what is made to stay.
const EPOCH: Timestamps = {
    const ZERO: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: ZERO,
        last_modification: ZERO,
    }
};

/// Linux gives up after as many.
const MAX_SYMLINKS: usize = 40;

impl<'a> Tree<'a> {
    fn new(root: OwnedFd, spec: &'a Spec, socket: BorrowedFd<'a>) -> Result<Tree<'a>, Failure> {
        let stat = rustix::fs::statat(&root, "", AtFlags::EMPTY_PATH)
            .map_err(Failure::of("examine the root filesystem"))?;
        Ok(Tree {
            root,
            device: stat.st_dev,
            spec,
            socket,
        })
    }

    /// Opens what `path` names, after creating it if it is missing.
    pub(super) fn target(&self, path: &Path, kind: TargetKind) -> Result<OwnedFd, Failure> {
        let mut walk = Walk {
            position: vec![self.reopen_root(path)?],
            names: Vec::new(),
        };
        let mut rest: VecDeque<OsString> = components(path).collect();
        let mut n_symlinks = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                walk.up();
                continue;
            }
            let fail = |error: Errno| Failure::at("resolve", path)(error);
            let here = walk.here().ok_or(Errno::NOENT).map_err(fail)?;
            match open_component(here, &name) {
                Ok((fd, FileType::Symlink)) => {
                    n_symlinks += 1;
                    if n_symlinks > MAX_SYMLINKS {
                        return Err(fail(Errno::LOOP));
                    }
                    let link = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(fail)?;
                    let link = PathBuf::from(OsString::from_vec(link.into_bytes()));
                    if link.is_absolute() {
                        walk.restart();
                    }
                    components(&link)
                        .rev()
                        .for_each(|name| rest.push_front(name));
                }
                Ok((fd, _)) => walk.down(fd, name),
                Err(Errno::NOENT) => {
                    let kind = if kind == TargetKind::File && !rest.is_empty() {
                        TargetKind::Directory
                    } else {
                        kind
                    };
                    let fd = self.create(&walk, &name, kind)?;
                    walk.down(fd, name);
                }
                Err(error) => return Err(fail(error)),
            }
        }
        walk.position
            .pop()
            .ok_or(Errno::NOENT)
            .map_err(Failure::at("resolve", path))
    }

    /// Opens what `path` names, if it exists and is no symlink.
    pub(super) fn existing(&self, path: &str) -> Option<(OwnedFd, FileType)> {
        let mut fd = self.reopen_root(Path::new(path)).ok()?;
        let mut kind = FileType::Directory;
        for name in components(Path::new(path)) {
            (fd, kind) = open_component(fd.as_fd(), &name).ok()?;
        }
        Some((fd, kind))
    }

    fn reopen_root(&self, path: &Path) -> Result<OwnedFd, Failure> {
        rustix::io::fcntl_dupfd_cloexec(&self.root, 3).map_err(Failure::at("resolve", path))
    }

    fn create(&self, walk: &Walk, name: &OsStr, kind: TargetKind) -> Result<OwnedFd, Failure> {
        let path: PathBuf = walk
            .names
            .iter()
            .map(OsString::as_os_str)
            .chain([name])
            .collect();
        let fail = |error: Errno| Failure::at("create the mount point", &path)(error);
        let parent = walk.here().ok_or(Errno::NOENT).map_err(fail)?;
        let stat = rustix::fs::statat(parent, "", AtFlags::EMPTY_PATH).map_err(fail)?;
        let times = stub::times(parent).map_err(fail)?;
        let stub = Stub {
            is_directory: kind != TargetKind::File,
            over_whiteout: self
                .spec
                .upper
                .as_ref()
                .is_some_and(|[upper, _]| stub::is_whiteout(Path::new(upper), &path)),
            path: path.clone().into_os_string(),
        };
        match kind {
            TargetKind::Directory | TargetKind::LastingDirectory | TargetKind::WorkingDirectory => {
                rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))
            }
            TargetKind::File => {
                let mode = Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(parent, name, FileType::RegularFile, mode, 0)
            }
        }
        .map_err(fail)?;
        // What lies in a mount of ours vanishes with it.
        let vanishes = stat.st_dev != self.device || self.spec.upper.is_none();
        let is_stub = matches!(kind, TargetKind::File | TargetKind::Directory);
        if !vanishes && is_stub {
            wire::send_report(self.socket, &Report::Stubs(vec![stub]), None)
                .map_err(Failure::at("report the mount point", &path))?;
        }
        stub::set_times(parent, &times).map_err(fail)?;
        if !is_stub {
            // What stays must not say when it was made.
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::utimensat(parent, name, &EPOCH, flags).map_err(fail)?;
        }
        if kind == TargetKind::WorkingDirectory {
            let owner = (Uid::from_raw(self.spec.uid), Gid::from_raw(self.spec.gid));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(parent, name, Some(owner.0), Some(owner.1), flags).map_err(fail)?;
        }
        open_component(parent, name).map(|(fd, _)| fd).map_err(fail)
    }
}

/// Where a resolution has got to. The first position is the root.
#[derive(Debug)]
struct Walk {
    position: Vec<OwnedFd>,
    names: Vec<OsString>,
}

impl Walk {
    fn here(&self) -> Option<BorrowedFd<'_>> {
        self.position.last().map(AsFd::as_fd)
    }

    fn down(&mut self, fd: OwnedFd, name: OsString) {
        self.position.push(fd);
        self.names.push(name);
    }

    fn up(&mut self) {
        if self.names.pop().is_some() {
            self.position.pop();
        }
    }

    fn restart(&mut self) {
        self.names.clear();
        self.position.truncate(1);
    }
}

/// The names in `path`, and `..`.
fn components(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn open_component(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(OwnedFd, FileType), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let stat = rustix::fs::statat(&fd, "", AtFlags::EMPTY_PATH)?;
    Ok((fd, FileType::from_raw_mode(stat.st_mode)))
}
