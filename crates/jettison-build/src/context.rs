//! The build context: a directory, less what its ignore file takes away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{IgnoreFile, ignore_file_names};

use crate::error::BuildError;

/// The files that a build can copy from.
#[derive(Debug)]
pub struct BuildContext {
    root: PathBuf,
    ignore: Option<IgnoreFile>,
}

impl BuildContext {
    /// The directory `root`, with the ignore file that belongs to `dockerfile` (a path): the one
    /// beside it that carries its name, else the context's `.dockerignore`.
    pub fn open(root: &Path, dockerfile: &Path) -> Result<BuildContext, BuildError> {
        let root = fs::canonicalize(root).map_err(|source| BuildError::io("open", root, source))?;
        let name = dockerfile
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("Dockerfile");
        let [own, general] = ignore_file_names(name);
        let beside = dockerfile.parent().unwrap_or(Path::new("")).join(own);
        for path in [beside, root.join(general)] {
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(BuildError::io("read", &path, source)),
            };
            let ignore =
                IgnoreFile::parse(&text).map_err(|source| BuildError::Ignore { path, source })?;
            return Ok(BuildContext {
                root,
                ignore: Some(ignore),
            });
        }
        Ok(BuildContext { root, ignore: None })
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn ignore(&self) -> Option<&IgnoreFile> {
        self.ignore.as_ref()
    }
}
