//! What a sandboxed process is given, and how it is started.
//!
//! The caller may have threads, so it does not fork: it starts its own program again under another name
//! ([`crate::init`]), which has one thread and builds the sandbox around itself.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FileType, MemfdFlags, OFlags, SeekFrom};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::child::{Child, Pipes};
use crate::enter::Entered;
use crate::init::INIT_NAME;
use crate::overlay::{self, MountError};
use crate::system::{self, Depth};
use crate::user::User;
use crate::wire::{self, Spec, SpecMount, SpecMountKind};

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
    /// The working directory, which must exist.
    pub cwd: PathBuf,
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
    /// A new, empty filesystem in memory.
    Tmpfs {
        /// Its size in bytes; by default half of the memory.
        size: Option<u64>,
        /// The permissions of its root.
        mode: u32,
    },
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

impl Sandbox {
    /// Starts the process. Returns when its sandbox is complete.
    pub fn spawn(&self, entered: &Entered) -> Result<Child, SandboxError> {
        self.validate()?;
        let mut binds = Vec::new();
        let spec = self.spec(&mut binds)?;
        let spec = serde_json::to_vec(&spec).map_err(|error| start("describe it")(error.into()))?;
        let spec = file_of(&spec).map_err(start("create a file in memory"))?;
        let stdin = self
            .open_stdin()
            .map_err(start("open the standard input"))?;
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| start("create a socket")(error.into()))?;
        let fds: Vec<_> = [&spec, &stdin]
            .into_iter()
            .chain(&binds)
            .map(AsFd::as_fd)
            .collect();
        wire::send_fds(ours.as_fd(), &fds)
            .map_err(|error| start("send descriptors")(error.into()))?;
        let mut command = Command::new(entered.program());
        command
            .arg0(INIT_NAME)
            .env_clear()
            .stdin(Stdio::from(theirs));
        let pipes = self
            .connect_output(&mut command)
            .map_err(start("create a pipe"))?;
        let process = command.spawn().map_err(start("start this program again"))?;
        // Holds our copies of the pipes' other ends.
        drop(command);
        Child::start(process, ours, pipes, &self.rootfs)
    }

    fn validate(&self) -> Result<(), SandboxError> {
        let words = self
            .argv
            .iter()
            .chain(self.env.iter().flat_map(|(key, value)| [key, value]));
        let reason = if self.argv.is_empty() {
            "there is no program"
        } else if words.into_iter().any(|word| word.contains('\0')) {
            "an argument or a variable contains a zero byte"
        } else if self
            .env
            .iter()
            .any(|(key, _)| key.is_empty() || key.contains('='))
        {
            "a variable has an impossible name"
        } else if self.hostname.len() > 64 {
            "the host name is longer than 64 bytes"
        } else {
            return Ok(());
        };
        Err(SandboxError::Invalid { reason })
    }

    fn spec(&self, binds: &mut Vec<OwnedFd>) -> Result<Spec, SandboxError> {
        let upper = self.rootfs.upper.as_ref();
        Ok(Spec {
            lowers: self
                .rootfs
                .lowers
                .iter()
                .map(|path| path.clone().into())
                .collect(),
            upper: upper.map(|upper| [upper.dir.clone().into(), upper.work.clone().into()]),
            mounts: self
                .mounts
                .iter()
                .map(|mount| mount.open(binds))
                .collect::<Result<_, _>>()
                .map_err(SandboxError::Mount)?,
            argv: self.argv.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone().into(),
            uid: self.user.uid,
            gid: self.user.gid,
            groups: self.user.groups.clone(),
            hostname: self.hostname.clone(),
            own_network: self.network == Network::None,
            foreground: self.terminal == Terminal::Inherit,
            owns_streams: self.output != OutputMode::Inherit,
            limit_ms: self
                .time_limit
                .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            read_only: self.read_only,
        })
    }

    fn open_stdin(&self) -> io::Result<OwnedFd> {
        match &self.stdin {
            Input::Null => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                Ok(rustix::fs::open(
                    "/dev/null",
                    flags,
                    rustix::fs::Mode::empty(),
                )?)
            }
            Input::Inherit => Ok(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?),
            Input::Bytes(bytes) => file_of(bytes),
        }
    }

    fn connect_output(&self, command: &mut Command) -> io::Result<Pipes> {
        match self.output {
            OutputMode::Inherit => Ok(Pipes::default()),
            OutputMode::Piped => {
                let (stdout, write_stdout) = io::pipe()?;
                let (stderr, write_stderr) = io::pipe()?;
                command.stdout(write_stdout).stderr(write_stderr);
                Ok(Pipes {
                    stdout: Some(stdout),
                    stderr: Some(stderr),
                })
            }
            OutputMode::PipedMerged => {
                let (stdout, write) = io::pipe()?;
                command.stdout(write.try_clone()?).stderr(write);
                Ok(Pipes {
                    stdout: Some(stdout),
                    stderr: None,
                })
            }
        }
    }
}

fn start(action: &'static str) -> impl Fn(io::Error) -> SandboxError {
    move |source| SandboxError::Start { action, source }
}

impl Mount {
    /// Opens the source here, where its path means what the caller meant.
    fn open(&self, binds: &mut Vec<OwnedFd>) -> Result<SpecMount, MountError> {
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
                binds.push(bind);
                let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                SpecMountKind::Bind { is_directory }
            }
            MountKind::Tmpfs { size, mode } => SpecMountKind::Tmpfs {
                size: *size,
                mode: *mode,
            },
        };
        Ok(SpecMount {
            target: self.target.clone().into(),
            kind,
        })
    }
}

/// A file in memory with these bytes, at its beginning.
fn file_of(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("jettison", MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = &rest[written..];
    }
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}
