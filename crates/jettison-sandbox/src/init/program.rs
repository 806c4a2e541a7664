//! PID 1: builds the sandbox around itself, and becomes the program.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::pty::OpenptFlags;
use rustix::thread::UnshareFlags;

use super::{CANNOT_REPORT, Failure, credentials, rootfs};
use crate::seccomp::Filters;
use crate::system::{self, Disposition};
use crate::terminal::TerminalSize;
use crate::ulimit;
use crate::wire::{self, Report, Spec};

/// Returns only if the program could not be executed: the exit code.
pub(super) fn become_program(
    spec: &Spec,
    fds: Vec<OwnedFd>,
    supervisor: &Supervisor<'_>,
    filters: &Filters,
) -> i32 {
    let send = |report: &Report| wire::send_report(supervisor.socket, report, None);
    if let Err(failure) = set_up(spec, fds, supervisor, filters) {
        // If it cannot be reported, the caller sees that nothing was.
        let _unheard = send(&failure.report());
        return CANNOT_REPORT;
    }
    if send(&Report::Ready).is_err() {
        return CANNOT_REPORT;
    }
    let Some((program, arguments)) = spec.argv.split_first() else {
        return CANNOT_REPORT;
    };
    let error = execute(program, arguments, &spec.env);
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    let _unheard = send(&Report::ExecFailed {
        program: program.clone(),
        errno,
    });
    if errno == libc::ENOENT { 127 } else { 126 }
}

fn set_up(
    spec: &Spec,
    fds: Vec<OwnedFd>,
    supervisor: &Supervisor<'_>,
    filters: &Filters,
) -> Result<(), Failure> {
    supervisor.end_together()?;
    create_namespaces(spec)?;
    set_up_terminal(spec)?;
    rustix::system::sethostname(spec.hostname.as_bytes())
        .map_err(Failure::of("set the host name"))?;
    if spec.own_network {
        system::bring_up_loopback().map_err(Failure::of("bring up the loopback interface"))?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rootfs::enter(spec, fds, supervisor.socket)?;
    rustix::process::chdir(Path::new(&spec.cwd)).map_err(Failure::at("enter", &spec.cwd))?;
    if spec.owns_streams {
        own_streams(spec)?;
    }
    if let Some((rows, columns)) = spec.terminal {
        let size = TerminalSize { rows, columns };
        open_terminal(spec, size, supervisor)?;
    }
    for limit in &spec.ulimits {
        ulimit::set(&limit.name, limit.soft, limit.hard)
            .map_err(Failure::at("set the limit", &limit.name))?;
    }
    credentials::assume(spec, filters, supervisor.tracer)?;
    // The kernel forgets it when the IDs change.
    supervisor.end_together()?;
    reset_signals()?;
    system::close_on_exec_from(3).map_err(Failure::of("close file descriptors"))
}

/// The process that watches this one.
#[derive(Debug)]
pub(super) struct Supervisor<'a> {
    pub(super) process: BorrowedFd<'a>,
    pub(super) socket: BorrowedFd<'a>,
    /// Where the one who is told of system calls waits.
    pub(super) tracer: Option<BorrowedFd<'a>>,
}

impl Supervisor<'_> {
    /// Makes this process end when the supervisor does, or has.
    fn end_together(&self) -> Result<(), Failure> {
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(Failure::of("ask for a signal"))?;
        let mut fds = [PollFd::from_borrowed_fd(self.process, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Failure::of("find the supervisor")(Errno::SRCH)),
            Err(error) => Err(Failure::of("look for the supervisor")(error)),
        }
    }
}

fn create_namespaces(spec: &Spec) -> Result<(), Failure> {
    let mut namespaces =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if spec.own_network {
        namespaces |= UnshareFlags::NEWNET;
    }
    system::unshare(namespaces).map_err(Failure::of("create namespaces"))
}

/// Undoes what the supervisor, the Rust runtime and whoever started the caller have ignored or blocked.
fn reset_signals() -> Result<(), Failure> {
    let signals = (1..32).filter_map(Signal::from_named_raw);
    for signal in signals.filter(|signal| ![Signal::KILL, Signal::STOP].contains(signal)) {
        system::set_disposition(signal, Disposition::Default)
            .map_err(Failure::of("reset a signal"))?;
    }
    system::unblock_all_signals().map_err(Failure::of("unblock the signals"))
}

/// Gives PID 1 a session of its own, or the foreground of the terminal. (The supervisor, and so PID 1, ignores the
/// signal that this would raise.)
fn set_up_terminal(spec: &Spec) -> Result<(), Failure> {
    if !spec.foreground {
        rustix::process::setsid().map_err(Failure::of("create a session"))?;
        return Ok(());
    }
    rustix::process::setpgid(None, None).map_err(Failure::of("create a process group"))?;
    let stdin = rustix::stdio::stdin();
    if rustix::termios::isatty(stdin) {
        rustix::termios::tcsetpgrp(stdin, rustix::process::getpid())
            .map_err(Failure::of("take the terminal"))?;
    }
    Ok(())
}

/// Gives PID 1 a new terminal, of the sandbox's own, for its session and for its standard streams.
fn open_terminal(
    spec: &Spec,
    size: TerminalSize,
    supervisor: &Supervisor<'_>,
) -> Result<(), Failure> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let controller = rustix::fs::open("/dev/ptmx", flags, Mode::empty())
        .map_err(Failure::of("create a terminal"))?;
    rustix::pty::unlockpt(&controller).map_err(Failure::of("create a terminal"))?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, flags)
        .map_err(Failure::of("open the terminal"))?;
    rustix::termios::tcsetwinsize(&controller, size.to_winsize())
        .map_err(Failure::of("set the terminal's size"))?;
    match rustix::fs::fchown(&terminal, Some(Uid::from_raw(spec.uid)), None) {
        // An ID that does not exist here; assuming it will say so.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(Failure::of("give the terminal away")(error)),
    }
    rustix::process::ioctl_tiocsctty(&terminal).map_err(Failure::of("take the terminal"))?;
    wire::send_report(
        supervisor.socket,
        &Report::Terminal,
        Some(controller.as_fd()),
    )
    .map_err(Failure::of("hand the terminal over"))?;
    rustix::stdio::dup2_stdin(&terminal).map_err(Failure::of("connect the terminal"))?;
    rustix::stdio::dup2_stdout(&terminal).map_err(Failure::of("connect the terminal"))?;
    rustix::stdio::dup2_stderr(&terminal).map_err(Failure::of("connect the terminal"))
}

/// Lets the user open `/dev/stdout` and its siblings, which are pipes that root has made.
fn own_streams(spec: &Spec) -> Result<(), Failure> {
    let streams = [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ];
    for stream in streams {
        let stat = rustix::fs::fstat(stream).map_err(Failure::of("examine a stream"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
            continue;
        }
        match rustix::fs::fchown(
            stream,
            Some(Uid::from_raw(spec.uid)),
            Some(Gid::from_raw(spec.gid)),
        ) {
            // An ID that does not exist here; assuming it will say so.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(Failure::of("give a stream away")(error)),
        }
    }
    Ok(())
}

/// Where programs are looked for if the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn execute(program: &str, arguments: &[String], env: &[(String, String)]) -> io::Error {
    let path = env
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map_or(DEFAULT_PATH, |(_, path)| path);
    match find(program, path) {
        Ok(file) => Command::new(&file)
            .arg0(program)
            .args(arguments)
            .env_clear()
            .envs(env.iter().map(|(key, value)| (key, value)))
            .exec(),
        Err(error) => error.into(),
    }
}

/// The file that `program` names. One that exists but must not be executed is remembered, as a better answer than
/// "there is none".
///
/// Nothing is asked that depends on sizes or times: whoever watches counts this search as the program's own, and it does not
/// see them.
fn find(program: &str, path: &str) -> Result<PathBuf, Errno> {
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    let mut answer = Errno::NOENT;
    for directory in path.split(':') {
        // An empty entry is the working directory.
        let directory = if directory.is_empty() { "." } else { directory };
        let file = Path::new(directory).join(OsStr::new(program));
        let exists =
            |path: &Path| rustix::fs::accessat(CWD, path, Access::EXISTS, AtFlags::EACCESS).is_ok();
        let is_directory = || exists(&file.join("."));
        if !exists(&file) || is_directory() {
            continue;
        }
        match rustix::fs::accessat(CWD, &file, Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => return Ok(file),
            Err(error) => answer = error,
        }
    }
    Err(answer)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_file_that_can_be_started_is_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        for (path, mode) in [("b/tool", 0o644), ("c/tool", 0o755), ("d/tool", 0o755)] {
            fs::create_dir_all(place(path).parent().unwrap()).unwrap();
            fs::write(place(path), "").unwrap();
            fs::set_permissions(place(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(place("a/tool")).unwrap();
        let paths = |names: &[&str]| {
            let paths = names.iter().map(|name| place(name).display().to_string());
            paths.collect::<Vec<_>>().join(":")
        };
        let find = |names: &[&str]| find("tool", &paths(names));
        assert_eq!(find(&["none", "a", "b", "c", "d"]), Ok(place("c/tool")));
        assert_eq!(find(&["a", "b"]), Err(Errno::ACCESS));
        assert_eq!(find(&["none", "a"]), Err(Errno::NOENT));
        assert_eq!(super::find("./tool", ""), Ok("./tool".into()));
    }
}
