//! What a sandboxed process is given.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::capabilities::Capabilities;
use crate::cgroup::Resources;
use crate::mount::Mount;
use crate::overlay::MountError;
use crate::terminal::TerminalSize;
use crate::trace::Tracing;
use crate::ulimit::Ulimit;
use crate::user::User;

/// A process to be run in namespaces of its own, on a root filesystem of its own.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Its root filesystem.
    pub rootfs: Rootfs,
    /// Mounted in this order, over `/proc`, `/dev` and `/sys`, which are always there.
    pub mounts: Vec<Mount>,
    /// The program and its arguments. A program without a slash is looked for in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub cwd: PathBuf,
    /// What happens if there is no working directory.
    pub missing_cwd: MissingCwd,
    /// Who runs the program.
    pub user: User,
    /// The host's name, as the process sees it.
    pub hostname: String,
    /// Which network the process sees.
    pub network: Network,
    /// Where its standard input comes from.
    pub stdin: Input,
    /// Where its standard output and standard error go.
    pub output: OutputMode,
    /// Whether it may use the terminal of the caller.
    pub terminal: Terminal,
    /// When it is killed, with everything that it started.
    pub time_limit: Option<Duration>,
    /// Whether the root filesystem is read-only. The mounts are as they say.
    pub read_only: bool,
    /// How much it may do.
    pub security: Security,
    /// Limits for each of its processes; what is not named is as for the caller.
    pub ulimits: Vec<Ulimit>,
    /// The size of `/dev/shm` in bytes; 64 MiB if it is not given.
    pub shm_size: Option<u64>,
    /// Limits for all of its processes together.
    pub resources: Resources,
    /// What becomes of the directories `/proc`, `/dev` and `/sys` that the root filesystem did not have.
    pub kernel_directories: KernelDirectories,
    /// Whether its lookups of paths are traced.
    pub tracing: Tracing,
}

/// What happens if there is no working directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCwd {
    /// That is an error.
    Refused,
    /// It is made, the directories above it included, belongs to the user, and stays.
    Created,
}

/// What becomes of the mount points of the kernel's filesystems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelDirectories {
    /// They are removed, like all other mount points that were made.
    Removed,
    /// They stay, as BuildKit leaves them in a layer.
    Kept,
}

/// How much a sandboxed process may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// What Docker lets a container do.
    Confined,
    /// The same, with these capabilities instead of Docker's. A program that may administer the system may also make
    /// the system calls that takes.
    Capabilities(Capabilities),
    /// Everything that the caller may do in its user namespace: all capabilities, all system calls, `/proc` and `/sys`
    /// as they are, and the host's devices for virtual machines, FUSE, TUN and loops.
    Unconfined,
}

/// A stack of layers.
#[derive(Debug, Clone)]
pub struct Rootfs {
    /// The read-only layers, top first.
    pub lowers: Vec<PathBuf>,
    /// Where changes are written. Without it they are thrown away.
    pub upper: Option<Upper>,
}

/// The two directories that an overlay writes to. Both are on one filesystem, and `work` is empty at first.
#[derive(Debug, Clone)]
pub struct Upper {
    /// The changes.
    pub dir: PathBuf,
    /// The kernel's own.
    pub work: PathBuf,
}

/// Which network a process sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The caller's.
    Host,
    /// One with a loopback interface and nothing else.
    None,
}

/// Where a process's standard input comes from.
#[derive(Debug, Clone)]
pub enum Input {
    /// It is empty.
    Null,
    /// It is the caller's.
    Inherit,
    /// It is these bytes.
    Bytes(Vec<u8>),
}

/// Where a process's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputMode {
    /// To the caller's standard output and standard error.
    Inherit,
    /// To two pipes.
    Piped,
    /// Both to one pipe, [`Child::stdout`].
    PipedMerged,
}

/// Whether a process may use the terminal of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// It has no terminal.
    None,
    /// It is in the foreground of the caller's terminal, and gets its signals, until it ends.
    Inherit,
    /// It has a new terminal of this size for its standard input, output and error, whatever the sandbox says about
    /// these. [`crate::Child::wait_on_terminal`] connects it to the caller's.
    Own(TerminalSize),
}

/// Why a process could not be run. (That it failed is not an error.)
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// What is to be mounted could not be opened.
    #[error("cannot prepare the sandbox")]
    Mount(#[source] MountError),
    /// The caller asked for something that cannot be.
    #[error("cannot start a sandbox: {reason}")]
    Invalid {
        /// What is wrong.
        reason: &'static str,
    },
    /// The host does not let us limit what is used.
    #[error("cannot limit {what}: {reason}")]
    Resource {
        /// What was to be limited.
        what: &'static str,
        /// What stands in the way.
        reason: String,
    },
    /// The init process could not be started.
    #[error("cannot {action} for a sandbox")]
    Start {
        /// What failed.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The init process could not build the sandbox.
    #[error("cannot {action}{}", .subject.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
    Setup {
        /// What failed.
        action: String,
        /// The path that it was about.
        subject: Option<PathBuf>,
        /// What the kernel said.
        source: io::Error,
    },
    /// The trace did not arrive whole.
    #[error("cannot read the trace of the sandboxed process")]
    Trace {
        /// What went wrong.
        source: io::Error,
    },
    /// The init process ended without a word: somebody killed it.
    #[error("cannot follow the sandboxed process: its supervisor ended")]
    Lost,
    /// A file that was made to mount something on it could not be removed.
    #[error("cannot remove the mount point {}", .path.display())]
    Stub {
        /// Relative to the root filesystem.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}
