//! The process that forks supervisors.
//!
//! Starting a big program takes the kernel and the dynamic linker a millisecond, and a process with threads must not fork.
//! So this program is started again once, under the name [`FORKER_NAME`], with one thread; and it forks a supervisor
//! for every sandbox ([`crate::init`]).
//!
//! The two share a `SOCK_SEQPACKET` socket, which is the forker's standard input when it starts. A request is the byte
//! `f` with three descriptors: the supervisor's socket ([`crate::wire`]), standard output and standard error. The
//! answer is the supervisor's process ID, or the negative error number, as four bytes, and a pidfd. When the caller's
//! end is closed, the forker ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::enter::Entered;
use crate::wire;

/// The name under which this program starts itself to become the forker.
pub(crate) const FORKER_NAME: &str = "jettison-sandbox-forker";

/// The tag of a request.
pub(crate) const FORK: &[u8] = b"f";

/// The forker, once it was needed.
#[derive(Debug, Default)]
pub(crate) struct Forker(Mutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    process: std::process::Child,
    // Invariant: present until it is dropped.
    socket: Option<OwnedFd>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.socket = None;
        // It ends now, and what it used counts as used by us.
        let _status = self.process.wait();
    }
}

/// A supervisor, seen from outside.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

impl Supervisor {
    /// Waits for its end.
    pub(crate) fn wait(&self) -> rustix::io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, None)).map(drop)
    }
}

impl Forker {
    /// Forks a supervisor with this socket and these streams.
    pub(crate) fn fork(
        &self,
        entered: &Entered,
        socket: BorrowedFd<'_>,
        streams: [BorrowedFd<'_>; 2],
    ) -> io::Result<Supervisor> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = running.is_none();
        if is_fresh {
            *running = Some(Running::start(entered)?);
        }
        let request = [socket, streams[0], streams[1]];
        match running.as_ref().map(|running| running.ask(&request)) {
            // Somebody has killed it meanwhile.
            Some(Err(_)) if !is_fresh => {
                let again = Running::start(entered)?;
                let supervisor = again.ask(&request);
                *running = Some(again);
                supervisor
            }
            Some(answer) => answer,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Running {
    fn start(entered: &Entered) -> io::Result<Running> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let process = Command::new(entered.program())
            .arg0(FORKER_NAME)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Running {
            process,
            socket: Some(ours),
        })
    }

    fn ask(&self, request: &[BorrowedFd<'_>]) -> io::Result<Supervisor> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let socket = self.socket.as_ref().ok_or_else(closed)?;
        wire::send(socket.as_fd(), FORK, request)?;
        let (mut answer, mut fds) = ([0; 4], Vec::new());
        let length = wire::receive(socket.as_fd(), &mut answer, &mut fds)?;
        let number = i32::from_le_bytes(answer);
        match fds.pop() {
            Some(pidfd) if length == answer.len() => Ok(Supervisor { pid: number, pidfd }),
            None if length == answer.len() => Err(io::Error::from_raw_os_error(-number)),
            _ => Err(closed()),
        }
    }
}
