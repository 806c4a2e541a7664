//! The system calls for which `rustix` has no safe function.
//!
//! Every `unsafe` block of the project is in this file and in those below it. What is here checks its own preconditions, so that its callers
//! need none.

pub(crate) mod notify;

use std::ffi::c_int;
use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;
use seccompiler::sock_filter;

/// Which of the two processes returned from [`fork`].
#[derive(Debug)]
pub(crate) enum Fork {
    /// The caller; holds the child's process ID.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Splits this process in two. Refuses when the process has more than one thread, because the child would then be
/// allowed to do next to nothing.
pub(crate) fn fork() -> io::Result<Fork> {
    if n_threads()? != 1 {
        return Err(io::Error::other("the process has several threads"));
    }
    // SAFETY: there is one thread, so no lock can be held by a thread that the child does not have.
    #[expect(unsafe_code, reason = "neither std nor rustix can fork without exec")]
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Pid::from_raw(pid)
            .map(Fork::Parent)
            .ok_or_else(|| io::Error::other("fork returned a negative number")),
    }
}

/// How many threads this process has.
pub(crate) fn n_threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Leaves the namespaces in `flags` for new ones.
pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    let flags = flags.difference(UnshareFlags::FILES);
    // SAFETY: the file descriptor table stays shared, which is the only thing that can go wrong.
    #[expect(unsafe_code, reason = "rustix deprecates the safe function")]
    unsafe {
        rustix::thread::unshare_unsafe(flags)
    }
}

/// How a child process ended and what it used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    pub(crate) status: c_int,
    pub(crate) user_time: Duration,
    pub(crate) system_time: Duration,
    pub(crate) max_rss: u64,
}

/// Waits for the end of `pid`, which must be a child of this process.
pub(crate) fn wait4(pid: Pid) -> io::Result<Waited> {
    let mut status: c_int = 0;
    // SAFETY: all fields are integers, for which zero is a value.
    #[expect(unsafe_code, reason = "libc has no constructor for the structure")]
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live values of the types that the call writes.
        #[expect(unsafe_code, reason = "rustix has no wait4")]
        let result = unsafe { libc::wait4(pid.as_raw_pid(), &raw mut status, 0, &raw mut usage) };
        if result != -1 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(Waited {
        status,
        user_time: duration(usage.ru_utime),
        system_time: duration(usage.ru_stime),
        max_rss: u64::try_from(usage.ru_maxrss)
            .unwrap_or(0)
            .saturating_mul(1024),
    })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let microseconds = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(microseconds)
}

/// Whether an operation on a mount includes the mounts below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The mount alone.
    Single,
    /// The whole tree.
    Tree,
}

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const MOUNT_ATTR_RDONLY: u64 = 1;
const MOUNT_ATTR_NOEXEC: u64 = 8;

/// Makes the mount that `mount` refers to read-only.
pub(crate) fn make_read_only(mount: BorrowedFd<'_>, depth: Depth) -> io::Result<()> {
    set_attributes(mount, MOUNT_ATTR_RDONLY, depth)
}

/// Makes the mount that `mount` refers to read-only, and such that nothing in it can be executed.
pub(crate) fn make_read_only_and_inert(mount: BorrowedFd<'_>) -> io::Result<()> {
    set_attributes(mount, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, Depth::Single)
}

fn set_attributes(mount: BorrowedFd<'_>, set: u64, depth: Depth) -> io::Result<()> {
    let attributes = MountAttributes {
        set,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let recursive = match depth {
        Depth::Single => 0,
        Depth::Tree => libc::AT_RECURSIVE,
    };
    // SAFETY: the path is a C string, and the pointer is to a live structure of the size that is passed with it.
    #[expect(unsafe_code, reason = "rustix has no mount_setattr")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    check(result)
}

/// Lets the kernel run `program` on every system call of this process and of what it becomes. Without
/// `no_new_privs`, so it needs `CAP_SYS_ADMIN`.
pub(crate) fn load_seccomp_filter(program: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: the pointer is to a live `sock_fprog`, whose length is that of the slice and which the kernel only reads;
    // both crates' `sock_filter` are the kernel's.
    #[expect(unsafe_code, reason = "rustix cannot load a seccomp filter")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    check(result)
}

/// Marks every file descriptor from `first` on to be closed by the next exec.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: no descriptor is closed, so nobody's descriptor becomes invalid.
    #[expect(unsafe_code, reason = "rustix has no close_range")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    check(result)
}

/// What a process does with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// What the kernel does by default.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what this process does with `signal`.
pub(crate) fn set_disposition(signal: Signal, disposition: Disposition) -> io::Result<()> {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: neither handler is code.
    #[expect(unsafe_code, reason = "rustix has no safe sigaction")]
    let previous = unsafe { libc::signal(signal.as_raw(), handler) };
    if previous == libc::SIG_ERR {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn set_of(signals: &[Signal]) -> libc::sigset_t {
    // SAFETY: all fields are integers, for which zero is a value.
    #[expect(unsafe_code, reason = "libc has no constructor for the structure")]
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    for signal in signals {
        // SAFETY: the pointer is to a live set.
        #[expect(unsafe_code, reason = "rustix has no signal sets")]
        unsafe {
            libc::sigaddset(&raw mut set, signal.as_raw());
        }
    }
    set
}

fn change_mask(how: c_int, signals: &[Signal]) -> io::Result<()> {
    let set = set_of(signals);
    // SAFETY: the pointer is to a live set, and the former one is not asked for.
    #[expect(unsafe_code, reason = "rustix has no signal masks")]
    let error = unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}

/// Lets `signals` wait from now on, in this thread and those that it starts.
pub(crate) fn block_signals(signals: &[Signal]) -> io::Result<()> {
    change_mask(libc::SIG_BLOCK, signals)
}

/// Lets no signal wait any more.
pub(crate) fn unblock_all_signals() -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, &[])
}

/// A descriptor from which those of `signals` that wait can be read.
pub(crate) fn signal_fd(signals: &[Signal]) -> io::Result<OwnedFd> {
    let set = set_of(signals);
    // SAFETY: the pointer is to a live set.
    #[expect(unsafe_code, reason = "rustix has no signalfd")]
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) };
    check(fd.into())?;
    // SAFETY: the descriptor is open and nobody else has it.
    #[expect(unsafe_code, reason = "the descriptor comes from libc")]
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Brings up the loopback interface of this process's network namespace.
pub(crate) fn bring_up_loopback() -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    #[expect(unsafe_code, reason = "rustix has no ioctl that needs this")]
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open and nobody else has it.
    #[expect(unsafe_code, reason = "the descriptor comes from libc")]
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all fields are integers, for which zero is a value.
    #[expect(unsafe_code, reason = "libc has no constructor for the structure")]
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(io::Error::other)?;
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the request is a live `ifreq` with a terminated name, as SIOCSIFFLAGS wants it.
    #[expect(unsafe_code, reason = "rustix has no SIOCSIFFLAGS")]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(result.into())
}

/// Lets the parent trace this process.
pub(crate) fn let_parent_trace() -> io::Result<()> {
    // SAFETY: this request ignores the other arguments.
    #[expect(unsafe_code, reason = "rustix has no ptrace")]
    let result = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    check(result)
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
