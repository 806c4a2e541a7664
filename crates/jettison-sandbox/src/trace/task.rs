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

    /// Whether the instruction at `address` is one of the dynamic linker's own.
    ///
    /// That is glibc's, a file of its own. With musl it is one with the C library, whose instructions open whatever the
    /// program opens.
    pub(super) fn is_in_linker(self, address: u64) -> bool {
        // Larger than the linker, smaller than what is likely to lie behind it; the name decides.
        const LARGEST: u64 = 16 << 20;
        let is_near = self
            .linker_base()
            .and_then(|base| address.checked_sub(base))
            .is_some_and(|distance| distance < LARGEST);
        is_near
            && std::fs::read(self.proc("maps"))
                .is_ok_and(|maps| mapped_at(&maps, address).is_some_and(is_linker))
    }

    /// Where the kernel has put the dynamic linker; `None` if the program has none.
    fn linker_base(self) -> Option<u64> {
        const AT_BASE: u64 = 7;
        let auxiliary = std::fs::read(self.proc("auxv")).ok()?;
        let word = |bytes: &[u8]| bytes.first_chunk().map(|word| u64::from_ne_bytes(*word));
        let mut pairs = auxiliary.chunks_exact(16);
        let pair = pairs.find(|pair| word(pair) == Some(AT_BASE))?;
        word(&pair[8..]).filter(|base| *base != 0)
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

/// The path of the file that is mapped at `address`, as `maps` of a process tells (proc(5)).
fn mapped_at(maps: &[u8], address: u64) -> Option<&[u8]> {
    let number = |text: &[u8]| u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
    let line = maps.split(|byte| *byte == b'\n').find(|line| {
        let range = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let mut ends = range.split(|byte| *byte == b'-').map(number);
        matches!((ends.next(), ends.next()), (Some(Some(start)), Some(Some(end)))
            if (start..end).contains(&address))
    })?;
    let at = line.iter().position(|byte| *byte == b'/')?;
    Some(&line[at..])
}

/// Whether a file has the name that glibc gives its dynamic linker on one of its machines.
fn is_linker(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b"ld-linux") || [&b"ld64.so.1"[..], b"ld64.so.2", b"ld.so.1"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: u64, expected: bool) {
        let maps = b"55d0-55e0 r-xp 00000000 00:1f 12  /usr/bin/a b
7f00-7f10 r--p 00000000 00:1f 13       /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f10-7f20 r-xp 00010000 00:1f 13       /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f30-7f40 rw-p 00000000 00:00 0
7f40-7f50 r-xp 00000000 00:1f 14       /lib/ld-musl-x86_64.so.1
";
        let found = mapped_at(maps, address).is_some_and(is_linker);
        assert_eq!(found, expected, "{address:x}");
    }

    #[test]
    fn the_linker_is_where_its_file_is_mapped() {
        check(0x7f10, true);
        check(0x7f1f, true);
        check(0x7f20, false);
        check(0x55d4, false);
        check(0x7f34, false);
        check(0, false);
    }

    #[test]
    fn a_linker_that_is_the_c_library_is_none() {
        check(0x7f44, false);
    }
}
