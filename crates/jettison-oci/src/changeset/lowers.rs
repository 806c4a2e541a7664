//! What lies below an upper: the directories of the lower layers, merged as overlayfs does it.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::changeset::root::{Root, is_whiteout, list, stat};
use crate::changeset::{LayerError, xattr};

/// The lower layers, top first.
pub(crate) struct Lowers {
    roots: Vec<Root>,
}

impl Lowers {
    pub(crate) fn open(directories: &[PathBuf]) -> Result<Lowers, LayerError> {
        let roots = directories
            .iter()
            .map(|path| Root::open(path))
            .collect::<Result<_, _>>()?;
        Ok(Lowers { roots })
    }

    /// The names that are seen in `directory`.
    pub(crate) fn names(&self, directory: &[u8]) -> Result<BTreeSet<Vec<u8>>, LayerError> {
        let mut seen = BTreeSet::new();
        let mut visible = BTreeSet::new();
        for (root, handle) in self.merged(directory)? {
            let children = list(&handle).map_err(root.error("list", directory))?;
            for child in children {
                if !seen.insert(child.name.clone()) {
                    continue;
                }
                let may_be_whiteout = matches!(
                    child.file_type,
                    FileType::CharacterDevice | FileType::Unknown
                );
                let is_absent = may_be_whiteout
                    && is_whiteout(
                        &stat(&handle, &child.name).map_err(root.error("inspect", directory))?,
                    );
                if !is_absent {
                    visible.insert(child.name);
                }
            }
        }
        Ok(visible)
    }

    /// The directory that is seen at `directory`.
    pub(crate) fn directory(&self, directory: &[u8]) -> Result<Option<OwnedFd>, LayerError> {
        Ok(self
            .merged(directory)?
            .into_iter()
            .next()
            .map(|(_, handle)| handle))
    }

    /// The directories that are merged into `directory`, top first.
    pub(crate) fn directories(&self, directory: &[u8]) -> Result<Vec<OwnedFd>, LayerError> {
        let merged = self.merged(directory)?.into_iter();
        Ok(merged.map(|(_, handle)| handle).collect())
    }

    /// The directories that are merged into `directory`, top first, and whose they are.
    fn merged(&self, directory: &[u8]) -> Result<Vec<(&Root, OwnedFd)>, LayerError> {
        let mut merged = Vec::new();
        for root in &self.roots {
            match descend(root, directory)? {
                Descent::Open(handle) => merged.push((root, handle)),
                Descent::OpenOpaque(handle) => {
                    merged.push((root, handle));
                    break;
                }
                Descent::Absent => {}
                Descent::Hidden => break,
            }
        }
        Ok(merged)
    }
}

/// What a lower layer has at a path.
enum Descent {
    /// A directory.
    Open(OwnedFd),
    /// A directory that hides what is below.
    OpenOpaque(OwnedFd),
    /// Nothing.
    Absent,
    /// Something on the way that hides what is below.
    Hidden,
}

fn descend(root: &Root, directory: &[u8]) -> Result<Descent, LayerError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut handle = root
        .open_exact(b"", flags)
        .map_err(root.error("open", b""))?;
    let mut is_opaque = false;
    for name in directory
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
    {
        handle = match rustix::fs::openat(&handle, name, flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) if is_opaque => return Ok(Descent::Hidden),
            Err(Errno::NOENT) => return Ok(Descent::Absent),
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Descent::Hidden),
            Err(error) => return Err(root.error("open", directory)(error)),
        };
        let xattrs = xattr::read(&handle).map_err(root.error("inspect", directory))?;
        is_opaque |= xattr::is_opaque(&xattrs);
    }
    Ok(if is_opaque {
        Descent::OpenOpaque(handle)
    } else {
        Descent::Open(handle)
    })
}
