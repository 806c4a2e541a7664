//! The processes between the caller and the sandboxed program.
//!
//! ```text
//! caller ── forker ─┬─ supervisor ── PID 1
//!                   └─ …
//! ```
//!
//! The supervisor is a fork of the [`crate::forker`], which is this program, started again. It forks the first process
//! of a new PID namespace, and stays to watch the clock and the caller. That process makes the other namespaces, builds
//! the sandbox around itself and becomes the program. When the supervisor ends, however that happens, the kernel kills
//! PID 1, and with it everything in its namespace; so the mounts are gone too.

mod credentials;
mod kernel_files;
mod mounts;
mod program;
mod rootfs;

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid,
};
use rustix::thread::UnshareFlags;

use crate::forker::{FORK, FORKER_NAME};
use crate::mount::file_of;
use crate::overlay::MountError;
use crate::probe;
use crate::seccomp::Filters;
use crate::system::{self, Disposition, Fork};
use crate::trace::Tracer;
use crate::wire::{self, Report, Spec};

/// The exit code of a process that cannot even report what went wrong.
const CANNOT_REPORT: i32 = 125;

/// Takes over if this process was started to build a sandbox; else returns at once.
///
/// Must be the first statement of `main`, because what it does must happen before there are threads.
pub fn init_if_asked() {
    let name = std::env::args_os().next().unwrap_or_default();
    let code = if name == FORKER_NAME {
        // Nothing but the exit code is left to say that there is nobody to answer to.
        serve().unwrap_or(CANNOT_REPORT)
    } else if name == probe::PROBE_NAME {
        probe::answer().unwrap_or(CANNOT_REPORT)
    } else {
        return;
    };
    #[expect(clippy::exit, reason = "this process exists for nothing else")]
    std::process::exit(code)
}

/// Something that failed while the sandbox was being set up.
#[derive(Debug)]
pub(super) struct Failure {
    action: &'static str,
    subject: Option<PathBuf>,
    source: io::Error,
}

impl Failure {
    /// Makes a system call's error into a failure to do `action`.
    fn of<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Failure {
        move |error| Failure {
            action,
            subject: None,
            source: error.into(),
        }
    }

    /// As [`Failure::of`], about a path.
    fn at<E: Into<io::Error>>(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Failure {
        let subject = Some(path.as_ref().to_owned());
        move |error| Failure {
            action,
            subject,
            source: error.into(),
        }
    }

    /// Makes a mount's error into a failure to do `action`; the subject says what failed.
    fn of_mount(action: &'static str) -> impl FnOnce(MountError) -> Failure {
        move |error| {
            let subject = Some(PathBuf::from(error.to_string()));
            let (MountError::Open { source, .. }
            | MountError::Overlay { source, .. }
            | MountError::Other { source, .. }) = error;
            Failure {
                action,
                subject,
                source,
            }
        }
    }

    fn report(self) -> Report {
        Report::SetupFailed {
            action: self.action.to_owned(),
            subject: self.subject.map(PathBuf::into_os_string),
            errno: self.source.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

/// Forks supervisors until the caller ends.
fn serve() -> io::Result<i32> {
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    for signal in IGNORED {
        system::set_disposition(signal, Disposition::Ignore)?;
    }
    let filters = Filters::new().map_err(io::Error::other)?;
    loop {
        let (mut tag, mut fds) = ([0], Vec::new());
        if wire::receive(control.as_fd(), &mut tag, &mut fds)? == 0 {
            return Ok(0);
        }
        if tag != FORK {
            return Err(io::Error::other("not a request"));
        }
        // Those that have ended since the last time; nobody else waits for them.
        while let Ok(Some(_ended)) = waitpid(None, WaitOptions::NOHANG) {}
        let (answer, pidfd) = match system::fork() {
            Ok(Fork::Child) => {
                drop(control);
                // Nothing but the exit code is left to say that there is nobody to report to.
                let code = supervise(fds, &filters).unwrap_or(CANNOT_REPORT);
                #[expect(
                    clippy::exit,
                    reason = "a forked process must not return to its caller"
                )]
                std::process::exit(code)
            }
            Ok(Fork::Parent(pid)) => match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => (pid.as_raw_pid(), Some(pidfd)),
                Err(error) => (-error.raw_os_error(), None),
            },
            Err(error) => (-error.raw_os_error().unwrap_or(libc::EAGAIN), None),
        };
        drop(fds);
        let pidfd = pidfd.as_ref().map(AsFd::as_fd);
        wire::send(control.as_fd(), &answer.to_le_bytes(), pidfd.as_slice())?;
    }
}

fn supervise(fds: Vec<OwnedFd>, filters: &Filters) -> io::Result<i32> {
    let missing = || io::Error::other("descriptors are missing");
    let [socket, stdout, stderr]: [OwnedFd; 3] = fds.try_into().map_err(|_few| missing())?;
    rustix::stdio::dup2_stdout(&stdout)?;
    rustix::stdio::dup2_stderr(&stderr)?;
    drop((stdout, stderr));
    let mut fds = wire::receive_fds(socket.as_fd())?.into_iter();
    let (Some(spec), Some(stdin)) = (fds.next(), fds.next()) else {
        return Err(missing());
    };
    rustix::stdio::dup2_stdin(&stdin)?;
    drop(stdin);
    let spec: Spec = serde_json::from_reader(BufReader::new(File::from(spec)))?;
    match start(&spec, fds.collect(), (&socket, filters)) {
        Ok(sandbox) => watch(&spec, sandbox, socket.as_fd()),
        Err(failure) => {
            wire::send_report(socket.as_fd(), &failure.report(), None)?;
            Ok(CANNOT_REPORT)
        }
    }
}

/// The signals by which users and terminals end processes. The supervisor ends when PID 1 or the caller does.
const IGNORED: [Signal; 7] = [
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::HUP,
    Signal::TSTP,
    Signal::TTOU,
    Signal::TTIN,
];

/// A sandbox's first process, seen by its supervisor.
struct Watched {
    pid: Pid,
    pidfd: OwnedFd,
    tracer: Option<Tracer>,
}

fn start(
    spec: &Spec,
    fds: Vec<OwnedFd>,
    (socket, filters): (&OwnedFd, &Filters),
) -> Result<Watched, Failure> {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map_err(Failure::of("open a pidfd"))?;
    let sockets = spec
        .traced
        .then(pair)
        .transpose()
        .map_err(Failure::of("create a socket"))?;
    let (handover, listening) = sockets.unzip();
    system::unshare(UnshareFlags::NEWPID).map_err(Failure::of("create a PID namespace"))?;
    match system::fork().map_err(Failure::of("fork"))? {
        Fork::Parent(pid) => {
            let pidfd =
                pidfd_open(pid, PidfdFlags::empty()).map_err(Failure::of("open a pidfd"))?;
            Ok(Watched {
                pid,
                pidfd,
                tracer: handover.map(|handover| Tracer::new(pid, handover)),
            })
        }
        Fork::Child => {
            drop(handover);
            let supervisor = program::Supervisor {
                process: own.as_fd(),
                socket: socket.as_fd(),
                tracer: listening.as_ref().map(AsFd::as_fd),
            };
            let code = program::become_program(spec, fds, &supervisor, filters);
            #[expect(
                clippy::exit,
                reason = "a forked process must not return to its caller"
            )]
            std::process::exit(code)
        }
    }
}

/// Two connected sockets.
fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// Waits until PID 1 has ended, or until it has to.
fn watch(spec: &Spec, sandbox: Watched, socket: BorrowedFd<'_>) -> io::Result<i32> {
    let Watched {
        pid,
        pidfd,
        mut tracer,
    } = sandbox;
    let report = Report::Forked {
        pid: pid.as_raw_pid(),
    };
    let caller_is_there = wire::send_report(socket, &report, Some(pidfd.as_fd())).is_ok();
    close_streams()?;
    let deadline = spec
        .limit_ms
        .and_then(|limit| Instant::now().checked_add(Duration::from_millis(limit)));
    let verdict = if caller_is_there {
        wait_for_verdict(&pidfd, socket, (deadline, tracer.as_mut()))?
    } else {
        Verdict::CallerEnded
    };
    if verdict != Verdict::Ended {
        // It may have ended by itself meanwhile.
        let _ended = pidfd_send_signal(&pidfd, Signal::KILL);
    }
    let waited = system::wait4(pid)?;
    if spec.foreground {
        // Without a terminal there is nothing to take back.
        let _no_terminal =
            rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpgrp());
    }
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let report = Report::Exited {
        status: waited.status,
        timed_out: verdict == Verdict::TimeIsUp,
        user_us: microseconds(waited.user_time),
        system_us: microseconds(waited.system_time),
        max_rss: waited.max_rss,
    };
    if verdict != Verdict::CallerEnded {
        let trace = tracer.map(|tracer| file_of(&tracer.finish())).transpose()?;
        wire::send_report(socket, &report, trace.as_ref().map(AsFd::as_fd))?;
    }
    Ok(0)
}

/// Gives up the supervisor's copies of the program's output, so that its readers see the end when the program ends.
fn close_streams() -> io::Result<()> {
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Ended,
    TimeIsUp,
    CallerEnded,
}

fn wait_for_verdict(
    pidfd: &OwnedFd,
    socket: BorrowedFd<'_>,
    (deadline, mut tracer): (Option<Instant>, Option<&mut Tracer>),
) -> io::Result<Verdict> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = vec![
            PollFd::new(pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(socket, PollFlags::RDHUP),
        ];
        let calls = tracer.as_ref().and_then(|tracer| tracer.source());
        fds.extend(calls.map(|calls| PollFd::from_borrowed_fd(calls, PollFlags::IN)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let events = |place: usize| fds.get(place).map_or(PollFlags::empty(), PollFd::revents);
        let (program, caller, calls) = (events(0), events(1), events(2));
        drop(fds);
        if !program.is_empty() {
            return Ok(Verdict::Ended);
        }
        if caller.intersects(PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR) {
            return Ok(Verdict::CallerEnded);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Verdict::TimeIsUp);
        }
        if let Some(tracer) = &mut tracer {
            if calls.intersects(PollFlags::IN) {
                tracer.advance()?;
            } else if !calls.is_empty() {
                // All processes have ended; the first is about to.
                tracer.hang_up();
            }
        }
    }
}
