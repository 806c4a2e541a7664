//! How a sandbox is started.
//!
//! The caller may have threads, so it does not fork: the [`crate::forker`] does, and the fork builds the sandbox around
//! itself ([`crate::init`]).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::capabilities::Capabilities;
use crate::cgroup::Cgroup;
use crate::child::{Child, Pipes, Running};
use crate::enter::Entered;
use crate::mount::file_of;
use crate::sandbox::{
    Input, KernelDirectories, MissingCwd, Network, OutputMode, Sandbox, SandboxError, Security,
    Terminal,
};
use crate::trace::Tracing;
use crate::wire::{self, Spec, SpecUlimit};

/// The size of `/dev/shm` in a container, in bytes.
const SHM_SIZE: u64 = 64 << 20;

impl Sandbox {
    /// Starts the process. Returns when its sandbox is complete.
    pub fn spawn(&self, entered: &Entered) -> Result<Child, SandboxError> {
        let started = Instant::now();
        self.validate()?;
        let mut fds = Vec::new();
        let spec = self.spec(&mut fds)?;
        let spec = serde_json::to_vec(&spec).map_err(|error| start("describe it")(error.into()))?;
        let spec =
            file_of(&spec).map_err(|error| start("create a file in memory")(error.into()))?;
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
        let (pipes, streams) = self.connect_output().map_err(start("create a pipe"))?;
        let cgroup = Cgroup::create(&self.resources)?;
        let supervisor = entered
            .forker()
            .fork(entered, theirs.as_fd(), streams.each_ref().map(AsFd::as_fd))
            .map_err(start("fork"))?;
        // Else the ends of the pipes and of the socket would never be noticed.
        drop((theirs, streams));
        if let Some(cgroup) = &cgroup {
            cgroup.add(supervisor.pid)?;
        }
        let fds: Vec<_> = [&spec, &stdin]
            .into_iter()
            .chain(&fds)
            .map(AsFd::as_fd)
            .collect();
        wire::send_fds(ours.as_fd(), &fds)
            .map_err(|error| start("send descriptors")(error.into()))?;
        let running = Running {
            supervisor,
            socket: ours,
            pipes,
            cgroup,
            started,
        };
        Child::start(running, &self.rootfs)
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

    fn spec(&self, fds: &mut Vec<OwnedFd>) -> Result<Spec, SandboxError> {
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
                .map(|mount| mount.open(fds))
                .collect::<Result<_, _>>()
                .map_err(SandboxError::Mount)?,
            argv: self.argv.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone().into(),
            creates_cwd: self.missing_cwd == MissingCwd::Created,
            uid: self.user.uid,
            gid: self.user.gid,
            groups: self.user.groups.clone(),
            hostname: self.hostname.clone(),
            own_network: self.network == Network::None,
            foreground: self.terminal == Terminal::Inherit,
            terminal: match self.terminal {
                Terminal::Own(size) => Some((size.rows, size.columns)),
                Terminal::None | Terminal::Inherit => None,
            },
            owns_streams: self.output != OutputMode::Inherit,
            limit_ms: self
                .time_limit
                .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            read_only: self.read_only,
            insecure: self.security == Security::Unconfined,
            capabilities: match self.security {
                Security::Capabilities(capabilities) => capabilities.bits(),
                Security::Confined | Security::Unconfined => Capabilities::docker().bits(),
            },
            keeps_kernel_directories: self.kernel_directories == KernelDirectories::Kept,
            traced: self.tracing == Tracing::Lookups,
            shm_size: self.shm_size.unwrap_or(SHM_SIZE),
            ulimits: self
                .ulimits
                .iter()
                .map(|ulimit| SpecUlimit {
                    name: ulimit.kind.to_string(),
                    soft: ulimit.soft,
                    hard: ulimit.hard,
                })
                .collect(),
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
            Input::Bytes(bytes) => Ok(file_of(bytes)?),
        }
    }

    /// The pipes to read from, and what the process writes its standard output and standard error to.
    fn connect_output(&self) -> io::Result<(Pipes, [OwnedFd; 2])> {
        match self.output {
            OutputMode::Inherit => {
                let same = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
                let streams = [
                    same(rustix::stdio::stdout())?,
                    same(rustix::stdio::stderr())?,
                ];
                Ok((Pipes::default(), streams))
            }
            OutputMode::Piped => {
                let (stdout, write_stdout) = io::pipe()?;
                let (stderr, write_stderr) = io::pipe()?;
                let pipes = Pipes {
                    stdout: Some(stdout),
                    stderr: Some(stderr),
                };
                Ok((pipes, [write_stdout.into(), write_stderr.into()]))
            }
            OutputMode::PipedMerged => {
                let (stdout, write) = io::pipe()?;
                let pipes = Pipes {
                    stdout: Some(stdout),
                    stderr: None,
                };
                Ok((pipes, [write.try_clone()?.into(), write.into()]))
            }
        }
    }
}

fn start(action: &'static str) -> impl Fn(io::Error) -> SandboxError {
    move |source| SandboxError::Start { action, source }
}
