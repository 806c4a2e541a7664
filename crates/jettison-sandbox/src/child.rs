//! A sandboxed process, seen from outside.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

use crate::activity::Activity;
use crate::cgroup::Cgroup;
use crate::forker::Supervisor;
use crate::network::ChildNetwork;
use crate::sandbox::{Rootfs, SandboxError, Upper};
use crate::signals::HeldSignals;
use crate::stub;
use crate::terminal::{Bridge, Typed};
use crate::trace::Trace;
use crate::wire::{Report, Stub, receive_report};

/// A running sandboxed process. When this is dropped, the process and everything that it started are killed.
#[derive(Debug)]
pub struct Child {
    supervisor: Supervisor,
    // Invariant: present until the supervisor has been waited for.
    socket: Option<OwnedFd>,
    pid: i32,
    pidfd: Option<OwnedFd>,
    pipes: Pipes,
    terminal: Option<OwnedFd>,
    exec_failure: Option<ExecFailure>,
    exited: Option<Report>,
    trace: Option<OwnedFd>,
    cleaning: Option<Cleaning>,
    cgroup: Option<Cgroup>,
    started: Instant,
}

/// A supervisor that has been told everything, and what belongs to it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) supervisor: Supervisor,
    pub(crate) socket: OwnedFd,
    pub(crate) pipes: Pipes,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) started: Instant,
}

/// The pipes that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub(crate) stdout: Option<PipeReader>,
    pub(crate) stderr: Option<PipeReader>,
}

/// The reading end of a process's output.
#[derive(Debug)]
pub struct ChildPipe(PipeReader);

impl Read for ChildPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl AsFd for ChildPipe {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How a process ended, and what it used together with the processes that it waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub status: Status,
    /// Time from its start, that of building the sandbox included, to its end.
    pub wall_time: Duration,
    /// CPU time in programs.
    pub user_time: Duration,
    /// CPU time in the kernel, that of building the sandbox included.
    pub system_time: Duration,
    /// The most memory that one of the processes had, in bytes.
    pub max_rss: u64,
    /// The most memory that all of the processes had at once, in bytes. Only known if there was a limit.
    pub peak_memory: Option<u64>,
    /// Whether the kernel killed a process because the limit of memory was reached.
    pub ran_out_of_memory: bool,
    /// Why the program could not be executed. The status is then 127 if it does not exist, else 126.
    pub exec_failure: Option<ExecFailure>,
    /// What was looked up, if [`crate::Sandbox::tracing`] asked for it.
    pub trace: Option<Trace>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed when its time was up.
    TimedOut,
}

/// Why a program could not be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot execute `{program}`: {}", io::Error::from_raw_os_error(*.errno))]
pub struct ExecFailure {
    /// The program, as it was asked for.
    pub program: String,
    /// The kernel's error number.
    pub errno: i32,
}

/// An ended process with all that it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// What was in the first pipe.
    pub stdout: Vec<u8>,
    /// What was in the second pipe.
    pub stderr: Vec<u8>,
}

/// What is to be removed from the upper directory afterwards.
#[derive(Debug)]
struct Cleaning {
    upper: Upper,
    lowers: Vec<PathBuf>,
    stubs: Vec<Stub>,
}

impl Child {
    /// Follows the init process until the sandbox is complete.
    pub(crate) fn start(running: Running, rootfs: &Rootfs) -> Result<Child, SandboxError> {
        let cleaning = rootfs.upper.clone().map(|upper| Cleaning {
            upper,
            lowers: rootfs.lowers.clone(),
            stubs: Vec::new(),
        });
        let mut child = Child {
            supervisor: running.supervisor,
            socket: Some(running.socket),
            pid: 0,
            pidfd: None,
            pipes: running.pipes,
            terminal: None,
            exec_failure: None,
            exited: None,
            trace: None,
            cleaning,
            cgroup: running.cgroup,
            started: running.started,
        };
        // From here on, returning early kills and cleans. The supervisor and PID 1 report by themselves, so the process may
        // be ready before it is known which one it is; a signal to it would be lost until then.
        let mut is_ready = false;
        while !is_ready || child.pidfd.is_none() {
            is_ready |= child.follow()? == Progress::Ready;
        }
        Ok(child)
    }

    /// Takes the pipe with the standard output.
    pub fn stdout(&mut self) -> Option<ChildPipe> {
        self.pipes.stdout.take().map(ChildPipe)
    }

    /// Takes the pipe with the standard error.
    pub fn stderr(&mut self) -> Option<ChildPipe> {
        self.pipes.stderr.take().map(ChildPipe)
    }

    /// The process ID, as the caller sees it. The process itself sees 1.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal. As the first process of its namespace it receives only what it has a handler for, and `SIGKILL`.
    /// Does nothing if it has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(pidfd) = &self.pidfd {
            // It can only fail because the process has ended.
            let _ended = pidfd_send_signal(pidfd, signal);
        }
    }

    /// The network that the process has to itself. An error if it has ended, or if its network is the caller's.
    pub fn network(&self) -> io::Result<ChildNetwork> {
        let network = ChildNetwork::of(self.pid)?;
        // The number could be another process's by now.
        if self.has_ended() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(network)
    }

    /// Whether the process has ended. (That is not known to [`Child::wait`] yet, and does no harm.)
    pub fn has_ended(&self) -> bool {
        let Some(pidfd) = &self.pidfd else {
            return false;
        };
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&Timespec::default())) {
            Ok(count) => count > 0,
            Err(_) => false,
        }
    }

    /// What the process and those that it has started are doing at this moment. Nothing, if it has ended.
    ///
    /// A program that is traced waits, as if for anything else, until its supervisor has looked at its call; then that one is
    /// busy in its place, so it counts as well.
    pub fn activity(&self) -> Activity {
        Activity::of(&[self.supervisor.pid, self.pid])
    }

    /// Whether `signal` makes a difference to the process: whether it has a handler for it, or holds it back to ask for it.
    ///
    /// The first process of a namespace does not get other signals (linux: `sig_task_ignored`, kernel/signal.c).
    pub fn notices(&self, signal: Signal) -> bool {
        if [Signal::KILL, Signal::STOP].contains(&signal) {
            return true;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        // If it cannot be known, it may.
        status.map_or(true, |status| notices(&status, signal))
    }

    /// Waits for the end. Pipes that nobody has taken are closed first, so take and read them, or use
    /// [`Child::wait_with_output`].
    pub fn wait(mut self) -> Result<Exit, SandboxError> {
        self.pipes = Pipes::default();
        while self.exited.is_none() {
            self.follow()?;
        }
        let wall_time = self.started.elapsed();
        let cleaned = self.finish();
        let cgroup = self.cgroup.as_ref();
        let (peak_memory, ran_out_of_memory) = (
            cgroup.and_then(Cgroup::peak),
            cgroup.is_some_and(Cgroup::ran_out_of_memory),
        );
        let Some(Report::Exited {
            status,
            timed_out,
            user_us,
            system_us,
            max_rss,
        }) = self.exited.take()
        else {
            return Err(SandboxError::Lost);
        };
        cleaned?;
        Ok(Exit {
            status: interpret(status, timed_out),
            wall_time,
            user_time: Duration::from_micros(user_us),
            system_time: Duration::from_micros(system_us),
            max_rss,
            peak_memory,
            ran_out_of_memory,
            exec_failure: self.exec_failure.take(),
            trace: self.trace.take().map(read_trace).transpose()?,
        })
    }

    /// As [`Child::wait`], and asks `is_cancelled` at least as often as `interval` says: once it says so, the process is
    /// killed.
    pub fn wait_unless(
        mut self,
        interval: Duration,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Exit, SandboxError> {
        let interval = Timespec::try_from(interval).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        self.pipes = Pipes::default();
        while let (None, Some(socket)) = (&self.exited, &self.socket) {
            let mut fds = [PollFd::new(socket, PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&interval)) {
                Ok(0) | Err(Errno::INTR) if is_cancelled() => {
                    self.signal(Signal::KILL);
                    break;
                }
                Ok(0) | Err(Errno::INTR) => {}
                // If it cannot be waited for in this way, then in the other.
                Err(_) => break,
                Ok(_) => {
                    self.follow()?;
                }
            }
        }
        self.wait()
    }

    /// As [`Child::wait`], and passes on the signals that this process gets meanwhile. As the first process of its
    /// namespace the program does not notice those that it has no handler for; so the third that asks it to end kills it
    /// (docker: `ForwardAllSignals` and the client's own three, cli/command/container/run.go).
    pub fn wait_passing_on(mut self, signals: &HeldSignals) -> Result<Exit, SandboxError> {
        let mut n_ending = 0;
        self.pipes = Pipes::default();
        while let (None, Some(socket)) = (&self.exited, &self.socket) {
            let mut fds = [
                PollFd::new(socket, PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
            ];
            let failed = |source: io::Error| SandboxError::Start {
                action: "wait for a signal",
                source,
            };
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None))
                .map_err(|error| failed(error.into()))?;
            let [report, signal] = fds.map(|fd| !fd.revents().is_empty());
            if signal && let Some(signal) = signals.next().map_err(failed)? {
                self.pass_on(signal, &mut n_ending, signals);
            }
            if report {
                self.follow()?;
            }
        }
        self.wait()
    }

    /// As [`Child::wait_passing_on`], for a process that has a terminal of its own: connects it to the caller's standard
    /// output and, as `typed` says, its standard input. The terminal follows the size of the caller's.
    pub fn wait_on_terminal(
        mut self,
        signals: &HeldSignals,
        typed: Typed,
    ) -> Result<Exit, SandboxError> {
        let failed = |source: io::Error| SandboxError::Start {
            action: "carry what is typed and shown",
            source,
        };
        let Some(controller) = self.terminal.take() else {
            return self.wait_passing_on(signals);
        };
        let mut bridge = Bridge::new(controller, typed).map_err(failed)?;
        bridge.resize();
        let mut n_ending = 0;
        while let (None, Some(socket)) = (&self.exited, &self.socket) {
            let woken = bridge
                .carry(socket.as_fd(), signals.as_fd())
                .map_err(failed)?;
            if woken.signal
                && let Some(signal) = signals.next().map_err(failed)?
            {
                if signal == Signal::WINCH {
                    // The kernel tells the program.
                    bridge.resize();
                } else {
                    self.pass_on(signal, &mut n_ending, signals);
                }
            }
            if woken.report {
                self.follow()?;
            }
        }
        bridge.finish().map_err(failed)?;
        // The caller's terminal is as it was before anything else is said.
        drop(bridge);
        self.wait()
    }

    /// Passes a signal on; the last of several that ask the program to end kills it.
    fn pass_on(&self, signal: Signal, n_ending: &mut usize, signals: &HeldSignals) {
        const PATIENCE: usize = 3;
        *n_ending += usize::from([Signal::INT, Signal::TERM].contains(&signal));
        self.signal(if *n_ending >= PATIENCE {
            Signal::KILL
        } else if signal == Signal::TERM {
            signals.stop()
        } else {
            signal
        });
    }

    /// Reads the pipes to their ends, and waits for the end of the process. More than 64 MiB in one of them is an
    /// error, and ends it.
    pub fn wait_with_output(mut self) -> Result<Output, SandboxError> {
        let [stdout, stderr] = drain([self.pipes.stdout.take(), self.pipes.stderr.take()])
            .map_err(|source| SandboxError::Start {
                action: "read the output",
                source,
            })?;
        Ok(Output {
            exit: self.wait()?,
            stdout,
            stderr,
        })
    }

    /// Takes notice of one report.
    fn follow(&mut self) -> Result<Progress, SandboxError> {
        let Some(socket) = &self.socket else {
            return Err(SandboxError::Lost);
        };
        let received = receive_report(socket.as_fd()).map_err(|source| SandboxError::Start {
            action: "receive a report",
            source,
        })?;
        match received {
            None => return Err(SandboxError::Lost),
            Some((Report::Forked { pid }, pidfd)) => {
                self.pid = pid;
                self.pidfd = pidfd;
            }
            Some((Report::Stubs(stubs), _)) => {
                if let Some(cleaning) = &mut self.cleaning {
                    cleaning.stubs.extend(stubs);
                }
            }
            Some((Report::Terminal, controller)) => self.terminal = controller,
            Some((Report::Ready, _)) => return Ok(Progress::Ready),
            Some((
                Report::SetupFailed {
                    action,
                    subject,
                    errno,
                },
                _,
            )) => {
                return Err(SandboxError::Setup {
                    action,
                    subject: subject.map(PathBuf::from),
                    source: io::Error::from_raw_os_error(errno),
                });
            }
            Some((Report::ExecFailed { program, errno }, _)) => {
                self.exec_failure = Some(ExecFailure { program, errno });
            }
            Some((report @ Report::Exited { .. }, trace)) => {
                self.exited = Some(report);
                self.trace = trace;
            }
        }
        Ok(Progress::Other)
    }

    /// Ends what is left of the process, and cleans up after it. Does nothing the second time.
    fn finish(&mut self) -> Result<(), SandboxError> {
        let Some(socket) = self.socket.take() else {
            return Ok(());
        };
        if self.exited.is_none() {
            self.signal(Signal::KILL);
        }
        // The init process ends when the socket is closed, at the latest.
        drop(socket);
        self.supervisor
            .wait()
            .map_err(|error| SandboxError::Start {
                action: "wait",
                source: error.into(),
            })?;
        match self.cleaning.take() {
            Some(cleaning) => stub::remove(&cleaning.upper.dir, &cleaning.lowers, &cleaning.stubs),
            None => Ok(()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // There is nobody to report to.
        let _unreported = self.finish();
    }
}

/// Whether a process with this `/proc/PID/status` catches or blocks `signal`.
fn notices(status: &str, signal: Signal) -> bool {
    let bit = 1_u64 << (signal.as_raw() - 1);
    status.lines().any(|line| {
        let Some((name, mask)) = line.split_once(':') else {
            return false;
        };
        ["SigBlk", "SigCgt"].contains(&name)
            && u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & bit != 0)
    })
}

/// What a report meant for the one who waits.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Ready,
    Other,
}

/// Reads what the supervisor's tracer has written.
fn read_trace(file: OwnedFd) -> Result<Trace, SandboxError> {
    let mut bytes = Vec::new();
    File::from(file)
        .read_to_end(&mut bytes)
        .and_then(|_length| Trace::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into()))
        .map_err(|source| SandboxError::Trace { source })
}

fn interpret(status: i32, timed_out: bool) -> Status {
    if timed_out {
        Status::TimedOut
    } else if libc::WIFSIGNALED(status) {
        Status::Signal(libc::WTERMSIG(status))
    } else {
        Status::Code(libc::WEXITSTATUS(status))
    }
}

/// The most that is held of what a process writes to one pipe.
const OUTPUT_LIMIT: usize = 64 << 20;

/// Reads both pipes at once, so that the writer never has to wait for one while we wait for the other.
fn drain(mut pipes: [Option<PipeReader>; 2]) -> io::Result<[Vec<u8>; 2]> {
    let mut texts = [Vec::new(), Vec::new()];
    let mut buffer = vec![0; 64 << 10];
    while pipes.iter().any(Option::is_some) {
        let open: Vec<usize> = (0..2).filter(|index| pipes[*index].is_some()).collect();
        let mut polled: Vec<_> = pipes
            .iter()
            .flatten()
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, None))?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (index, _) in open.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            let Some(pipe) = &mut pipes[index] else {
                continue;
            };
            let length = rustix::io::retry_on_intr(|| rustix::io::read(&*pipe, &mut buffer[..]))?;
            if texts[index].len() + length > OUTPUT_LIMIT {
                let text = format!("the program wrote more than {OUTPUT_LIMIT} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            texts[index].extend_from_slice(&buffer[..length]);
            if length == 0 {
                pipes[index] = None;
            }
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caught_and_blocked_signals_are_noticed() {
        let status = "Name:\tapp\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004000\n";
        assert!(notices(status, Signal::TERM));
        assert!(notices(status, Signal::INT));
        assert!(!notices(status, Signal::HUP));
        assert!(!notices("", Signal::TERM));
    }
}
