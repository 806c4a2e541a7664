//! What is mounted into a sandbox's root filesystem.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, MemfdFlags, SeekFrom};

use crate::overlay::{self, MountError};
use crate::sandbox::Upper;
use crate::system::{self, Depth};
use crate::wire::{SpecFile, SpecMount, SpecMountKind};

/// Something that is mounted into the root filesystem. A missing target is created for the time of the run.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Where. Symlinks are followed inside of the root filesystem.
    pub target: PathBuf,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone)]
pub enum MountKind {
    /// A file or directory of the caller, with the mounts below it.
    Bind {
        /// The file or directory. May be inside of an [`crate::OverlayMount`].
        source: PathBuf,
        /// Whether it cannot be written through this mount.
        read_only: bool,
    },
    /// A file or directory of a stack of layers.
    Layers {
        /// The layers, top first.
        lowers: Vec<PathBuf>,
        /// The path in them. Symlinks are followed inside of them.
        path: PathBuf,
        /// Where changes are written. Without it the mount is read-only.
        upper: Option<Upper>,
    },
    /// A new, empty filesystem in memory.
    Tmpfs {
        /// Its size in bytes; by default half of the memory.
        size: Option<u64>,
        /// The permissions of its root.
        mode: u32,
    },
    /// A read-only file that is in memory only, and is not swapped where the kernel lets us say so.
    File(MemoryFile),
    /// A read-only directory, root's and of mode 0755, of files that are in memory only, by name.
    Files(Vec<(String, MemoryFile)>),
}

/// A file in memory. Its content is not shown by [`fmt::Debug`].
#[derive(Clone, PartialEq, Eq)]
pub struct MemoryFile {
    /// What is in it.
    pub content: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
    /// Its owner. Where that ID does not exist, it is root.
    pub uid: u32,
    /// Its group. Where that ID does not exist, it is root's.
    pub gid: u32,
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryFile")
            .field("size", &self.content.len())
            .field("mode", &format_args!("{:o}", self.mode))
            .field("uid", &self.uid)
            .field("gid", &self.gid)
            .finish_non_exhaustive()
    }
}

impl Mount {
    /// Opens here what means something here only: paths of the caller, and what is in its memory.
    pub(crate) fn open(&self, fds: &mut Vec<OwnedFd>) -> Result<SpecMount, MountError> {
        let kind = match &self.kind {
            MountKind::Bind { source, read_only } => {
                let bind = overlay::clone_mount(source)?;
                let fail = |action, source_error| MountError::Other {
                    action,
                    path: source.clone(),
                    source: source_error,
                };
                if *read_only {
                    system::make_read_only(bind.as_fd(), Depth::Tree)
                        .map_err(|error| fail("make read-only", error))?;
                }
                let stat =
                    rustix::fs::fstat(&bind).map_err(|error| fail("examine", error.into()))?;
                fds.push(bind);
                let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                SpecMountKind::Bind { is_directory }
            }
            MountKind::Layers {
                lowers,
                path,
                upper,
            } => SpecMountKind::Layers {
                lowers: lowers.iter().map(|path| path.clone().into()).collect(),
                path: path.clone().into(),
                upper: upper
                    .as_ref()
                    .map(|upper| [upper.dir.clone().into(), upper.work.clone().into()]),
            },
            MountKind::Tmpfs { size, mode } => SpecMountKind::Tmpfs {
                size: *size,
                mode: *mode,
            },
            MountKind::File(file) => SpecMountKind::File(self.put("", file, fds)?),
            MountKind::Files(files) => SpecMountKind::Files(
                files
                    .iter()
                    .map(|(name, file)| self.put(name, file, fds))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(SpecMount {
            target: self.target.clone().into(),
            kind,
        })
    }

    fn put(
        &self,
        name: &str,
        file: &MemoryFile,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<SpecFile, MountError> {
        let content = file_of(&file.content).map_err(|error| MountError::Other {
            action: "hold the content for",
            path: self.target.join(name),
            source: error.into(),
        })?;
        fds.push(content);
        Ok(SpecFile {
            name: name.to_owned(),
            mode: file.mode,
            uid: file.uid,
            gid: file.gid,
        })
    }
}

/// A file in memory with these bytes, at its beginning.
pub(crate) fn file_of(bytes: &[u8]) -> rustix::io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("jettison", MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = &rest[written..];
    }
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}
