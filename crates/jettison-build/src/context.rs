//! The build context: a directory, less what its ignore file takes away.
//!
//! ```text
//! BuildContext ─► ContextTree ─walk─► Entries ─┬─► Contents, from the ContentIndex or read ─┬─► Digest
//!                                              └────────────────────────────────────────────┘
//! ```

mod attributes;
mod contents;
mod digest;
mod entries;
mod error;
mod file_digest;
mod identity;
mod index;
mod open;
mod table;
mod tree;
mod walk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{IgnoreFile, ignore_file_names};

pub(crate) use crate::context::attributes::attributes_digest;
pub use crate::context::contents::Contents;
pub use crate::context::digest::DigestRules;
pub use crate::context::entries::{Entries, Entry, EntryKind};
pub use crate::context::error::ContextError;
pub(crate) use crate::context::file_digest::{FileDigest, FileHasher};
pub use crate::context::identity::{FileIdentity, FileTime};
pub use crate::context::index::{Content, ContentIndex};
pub use crate::context::tree::{ContextTree, OpenFile};
use crate::error::BuildError;

/// The files that a build can copy from.
#[derive(Debug)]
pub struct BuildContext {
    root: PathBuf,
    ignore: Option<IgnoreFile>,
    keeps_owners: bool,
}

impl BuildContext {
    /// The directory `root`, with the ignore file that belongs to `dockerfile` (a path): the one
    /// beside it that carries its name, else the context's `.dockerignore`.
    pub fn open(root: &Path, dockerfile: &Path) -> Result<BuildContext, BuildError> {
        let name = dockerfile.file_name().and_then(|name| name.to_str());
        let [own, general] = ignore_file_names(name.unwrap_or("Dockerfile"));
        let beside = dockerfile.parent().unwrap_or(Path::new("")).join(own);
        let context = BuildContext::unfiltered(root)?;
        let general = context.root.join(general);
        context.filtered([beside, general])
    }

    /// The directory `root` of a named context, with its own `.dockerignore` (BuildKit: `NamedContext.load`,
    /// dockerui/namedcontext.go).
    pub fn named(root: &Path) -> Result<BuildContext, BuildError> {
        let context = BuildContext::unfiltered(root)?;
        let general = context.root.join(".dockerignore");
        context.filtered([general])
    }

    /// The directory `root` with all that is in it: what an archive or a git repository was unpacked to. BuildKit looks for an
    /// ignore file only in a directory that the client has (`Client.MainContext`, dockerui/config.go); an archive on standard
    /// input is fetched as if it came from a server.
    pub fn unfiltered(root: &Path) -> Result<BuildContext, BuildError> {
        let failed = |source| BuildError::io("open", root, source);
        let path = fs::canonicalize(root).map_err(failed)?;
        if !fs::metadata(&path).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        Ok(BuildContext {
            root: path,
            ignore: None,
            keeps_owners: false,
        })
    }

    /// The same for what was unpacked from an archive: files keep their owners when they are copied. Only those of a
    /// directory that the client has become root's (BuildKit: `NewSolveOpt`, client/solve.go).
    pub fn unpacked(root: &Path) -> Result<BuildContext, BuildError> {
        Ok(BuildContext {
            keeps_owners: true,
            ..BuildContext::unfiltered(root)?
        })
    }

    /// The same with the first ignore file that is there.
    fn filtered<const N: usize>(self, files: [PathBuf; N]) -> Result<BuildContext, BuildError> {
        for path in files {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if crate::tree::is_missing(&error) => continue,
                Err(source) => return Err(BuildError::io("read", &path, source)),
            };
            // Names that are not UTF-8 are compared in the same way.
            let text = String::from_utf8_lossy(&bytes);
            let ignore =
                IgnoreFile::parse(&text).map_err(|source| BuildError::Ignore { path, source })?;
            return Ok(BuildContext {
                ignore: Some(ignore),
                ..self
            });
        }
        Ok(self)
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether copies of its files belong to whom they belong there.
    pub(crate) fn keeps_owners(&self) -> bool {
        self.keeps_owners
    }

    pub(crate) fn ignore(&self) -> Option<&IgnoreFile> {
        self.ignore.as_ref()
    }
}

#[cfg(test)]
mod tests;
