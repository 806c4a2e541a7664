//! Why the context cannot be read.

use std::io;
use std::path::{Path, PathBuf};

/// Why something in the context cannot be read. Paths are below the context's root.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The context has no such file.
    #[error("\"/{}\": not found", .path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The ignore file leaves it out, or what it leads to.
    #[error("\"/{}\": not found: excluded by the ignore file", .path.display())]
    LeftOut {
        /// The file.
        path: PathBuf,
    },
    /// It was there when the build began to read the context.
    #[error("\"/{}\" disappeared while the build was reading it", .path.display())]
    Vanished {
        /// The file.
        path: PathBuf,
    },
    /// Somebody writes to it.
    #[error("\"/{}\" was changed while the build was reading it", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} \"/{}\" of the build context: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ContextError {
    /// The error of something that has been seen before.
    pub(super) fn of(action: &'static str, path: &Path, source: io::Error) -> ContextError {
        let path = path.to_path_buf();
        // A link in the place of a file, or of one of its directories, is another file, too.
        let is_other = source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        match source.kind() {
            io::ErrorKind::NotFound => ContextError::Vanished { path },
            io::ErrorKind::NotADirectory => ContextError::Changed { path },
            _ if is_other => ContextError::Changed { path },
            _ => ContextError::Io {
                action,
                path,
                source,
            },
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ContextError::LeftOut { .. } => Some(
                "take it back in with a line that begins with `!` at the end of the ignore file",
            ),
            ContextError::Vanished { .. } | ContextError::Changed { .. } => Some(
                "build again when nothing writes to the context, or leave the file out with `.dockerignore`",
            ),
            ContextError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("make it readable, or leave it out with `.dockerignore`")
            }
            ContextError::NotFound { .. } | ContextError::Io { .. } => None,
        }
    }
}
