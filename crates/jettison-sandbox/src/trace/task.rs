//! A thread whose call waits: its memory, its directories, its descriptors.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketAddrAny;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::system::notify;

/// As long as a path can be, its terminating zero included.
const PATH_MAX: usize = 4096;
/// The largest page that a kernel has; none of its boundaries is inside of a smaller page.
const PAGE: u64 = 4096;

/// A thread whose call waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    thread: i32,
}

/// What an argument that should be a path is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// These bytes.
    Path(Vec<u8>),
    /// Nothing that the kernel would accept, so that the call fails before it looks at the file system.
    Invalid,
    /// We may not read it.
    Hidden,
}

impl Task {
    pub(super) fn new(thread: i32) -> Task {
        Task { thread }
    }

    /// The string at `address`.
    pub(super) fn path_at(self, address: u64) -> Text {
        // Most paths are short, and the kernel copies what we ask for.
        const FIRST: u64 = 256;
        let mut text = Vec::new();
        let mut next = address;
        while text.len() < PATH_MAX {
            let to_boundary = PAGE - next % PAGE;
            let wanted = if text.is_empty() {
                to_boundary.min(FIRST)
            } else {
                to_boundary
            };
            let start = text.len();
            text.resize(start + usize::try_from(wanted).unwrap_or(PATH_MAX), 0);
            match notify::read_memory(self.thread, next, &mut text[start..]) {
                Ok(0) => return Text::Invalid,
                Ok(n_read) => text.truncate(start + n_read),
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Text::Hidden,
                // The memory is not there; or the process is not, and then nobody will ask.
                Err(_) => return Text::Invalid,
            }
            if let Some(length) = memchr_zero(&text[start..]) {
                text.truncate(start + length);
                return if text.len() < PATH_MAX {
                    Text::Path(text)
                } else {
                    Text::Invalid
                };
            }
            next = address.wrapping_add(text.len() as u64);
        }
        Text::Invalid
    }

    /// What is at `address`, as far as it can be read.
    pub(super) fn bytes_at(self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let n_read = notify::read_memory(self.thread, address, &mut bytes).unwrap_or(0);
        bytes.truncate(n_read);
        bytes
    }

    /// Where the link `name` in the thread's directory in `/proc` leads.
    pub(super) fn link(self, name: &str) -> Result<Vec<u8>, Errno> {
        let path = self.proc(name);
        rustix::fs::readlinkat(CWD, path, Vec::new()).map(std::ffi::CString::into_bytes)
    }

    /// The path of `name` in the thread's directory in `/proc`.
    pub(super) fn proc(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.thread)
    }

    /// The path of one of its descriptors in `/proc`.
    pub(super) fn descriptor(self, number: i32) -> String {
        self.proc(&format!("fd/{number}"))
    }

    /// The file that one of its descriptors refers to, for reading, if it is a regular file.
    pub(super) fn reopen(self, number: i32) -> Option<File> {
        open_regular(&self.descriptor(number))
    }

    /// The numbers by which it knows itself: of its process, and its own.
    pub(super) fn own_numbers(self, are_ours: bool) -> Option<(u32, u32)> {
        let status = std::fs::read_to_string(self.proc("status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let mut numbers = line.split_whitespace();
            let word = if are_ours {
                numbers.next()
            } else {
                numbers.next_back()
            };
            word?.parse().ok()
        };
        Some((number("NStgid:")?, number("NSpid:")?))
    }

    /// The user that it acts as.
    pub(super) fn user(self) -> Option<u32> {
        let status = std::fs::read_to_string(self.proc("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// The address of one of its sockets.
    pub(super) fn socket_address(self, number: i32) -> Result<SocketAddrAny, Errno> {
        let status = std::fs::read_to_string(self.proc("status")).map_err(|_ended| Errno::SRCH)?;
        let process = status
            .lines()
            .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
            .and_then(Pid::from_raw)
            .ok_or(Errno::SRCH)?;
        let process = pidfd_open(process, PidfdFlags::empty())?;
        let socket = pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?;
        rustix::net::getsockname(&socket)
    }
}

fn memchr_zero(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == 0)
}

/// Opens what the path in `/proc` refers to for reading. Only a regular file: opening anything else can do something.
pub(super) fn open_regular(path: &str) -> Option<File> {
    let stat = rustix::fs::stat(path).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    Some(File::from(file))
}
