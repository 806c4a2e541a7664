//! What can go wrong in a build.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::lower::{Located, LowerError};

/// An error and what caused it, first to last.
pub fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Their messages. One that says the same as the one before it is left out.
pub fn messages(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut messages: Vec<String> = causes(error).map(ToString::to_string).collect();
    messages.dedup();
    messages
}

/// Their messages in one line.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    messages(error).join(": ")
}

/// Why a build did not produce an image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile cannot be planned.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// A command of the Dockerfile failed.
    #[error("line {line}: process {command} did not complete successfully: {outcome}")]
    Command {
        /// The instruction's first line.
        line: usize,
        /// The command, as Go's `%q` prints it.
        command: String,
        /// How it ended.
        outcome: String,
    },
    /// A command of the Dockerfile failed, and the disk that it wrote to is nearly full.
    #[error(
        "line {line}: process {command} did not complete successfully: {outcome}, and the disk of the store is nearly full"
    )]
    FullDisk {
        /// The instruction's first line.
        line: usize,
        /// The command, as Go's `%q` prints it.
        command: String,
        /// How it ended.
        outcome: String,
    },
    /// Files could not be copied as the Dockerfile says.
    #[error("{0}")]
    Copy(Located),
    /// The sandbox could not be set up.
    #[error("line {line}: cannot run {command}")]
    Sandbox {
        /// The instruction's first line.
        line: usize,
        /// The command, in one line.
        command: String,
        /// Why.
        source: jettison_sandbox::SandboxError,
    },
    /// An image's program could not be started.
    #[error("cannot start the image's program")]
    Start(#[source] jettison_sandbox::SandboxError),
    /// The image says nothing about what to run.
    #[error("the image has neither ENTRYPOINT nor CMD: name a command to run")]
    NoCommand,
    /// The image's user does not exist in it.
    #[error("cannot become user `{user}` of the image: {reason}")]
    User {
        /// The user, as in the configuration.
        user: String,
        /// Why.
        reason: String,
    },
    /// A file system could not be mounted.
    #[error("cannot mount the file system of a step")]
    Mount(#[source] jettison_sandbox::MountError),
    /// A layer could not be written or unpacked.
    #[error("cannot turn a snapshot into a layer or back")]
    Layer(#[source] jettison_oci::LayerError),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[source] jettison_oci::StoreError),
    /// Layers that are not in the store cannot be had.
    #[error("cannot get the layers of {image}")]
    Supply {
        /// The image: its name, or its ID.
        image: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The layers do not fit the configuration.
    #[error("cannot make an image of the layers")]
    Image(#[source] jettison_oci::ImageError),
    /// The ignore file is not understood.
    #[error("cannot understand {}", .path.display())]
    Ignore {
        /// The ignore file.
        path: PathBuf,
        /// Why.
        source: jettison_dockerfile::IgnoreError,
    },
    /// Steps could not be read from or written to an image layout.
    #[error("cannot take steps of the cache along")]
    CacheLayout(#[source] jettison_oci::ExportError),
    /// A result that was found elsewhere cannot be had.
    #[error(
        "cannot get the result of `{title}` from {place}: build without it, or without --cache-from"
    )]
    CacheSource {
        /// How the step is shown.
        title: String,
        /// Where it was found.
        place: String,
        /// Why.
        source: jettison_oci::ExportError,
    },
    /// The engine is wrong about itself.
    #[error("the build engine is broken: {0}")]
    Internal(&'static str),
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl BuildError {
    /// Another step has failed, and its error is the one that counts.
    pub(crate) const CANCELLED: BuildError = BuildError::Internal("the build has failed already");

    /// Whether the disk is full: the same build passes where there is more room.
    pub fn is_for_lack_of_room(&self) -> bool {
        // Messages about places in a Dockerfile have the system's in them, with its number.
        let is_full = |message: String| {
            [Errno::NOSPC, Errno::DQUOT]
                .iter()
                .any(|number| message.contains(&format!("(os error {})", number.raw_os_error())))
        };
        matches!(self, BuildError::FullDisk { .. }) || messages(self).into_iter().any(is_full)
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> BuildError {
        BuildError::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}
