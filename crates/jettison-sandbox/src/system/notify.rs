//! Being told of other processes' system calls (`seccomp_unotify(2)`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use seccompiler::sock_filter;

use super::check;

/// From Linux 5.19 on: once we know of a call, only a deadly signal interrupts it.
const WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;

/// `SECCOMP_IOCTL_NOTIF_RECV`, `_SEND` and `_SET_FLAGS` of `linux/seccomp.h`.
const RECEIVE: libc::Ioctl = 0xc050_2100;
const ANSWER: libc::Ioctl = 0xc018_2101;
const SET_FLAGS: libc::Ioctl = 0x4008_2104;

/// The words of a notification, and room for what later kernels add.
const N_WORDS: usize = 64;

/// A system call that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// The thread that makes it, as this process sees it.
    pub(crate) thread: i32,
    pub(crate) number: i32,
    pub(crate) architecture: u32,
    /// Where the instruction is that makes it, in the memory of its process.
    pub(crate) instruction: u64,
    pub(crate) arguments: [u64; 6],
}

/// Like [`super::load_seccomp_filter`], for a filter that tells the holder of the descriptor of calls.
pub(crate) fn load_listening_filter(program: &[sock_filter]) -> io::Result<OwnedFd> {
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    let load = |flags: libc::c_ulong| {
        // SAFETY: the pointer is to a live `sock_fprog`, whose length is that of the slice and which the kernel only
        // reads; both crates' `sock_filter` are the kernel's.
        #[expect(unsafe_code, reason = "rustix cannot load a seccomp filter")]
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        check(result).map(|()| result)
    };
    let listening = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let result = match load(listening | WAIT_KILLABLE_RECV) {
        // Without it a signal makes a call wait twice, which costs time and nothing else.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => load(listening)?,
        result => result?,
    };
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open and nobody else has it.
    #[expect(unsafe_code, reason = "the descriptor comes from libc")]
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks the kernel to let the two sides run on one processor, since only one of them has something to do. Linux can
/// do so from 6.6 on.
pub(crate) fn share_processor(listener: BorrowedFd<'_>) -> io::Result<()> {
    const SYNC_WAKE_UP: u64 = 1;
    // SAFETY: this request takes a number in place of a pointer.
    #[expect(unsafe_code, reason = "rustix has no such request")]
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
    check(result.into())
}

/// Waits for the next call. `ENOENT` says that its process was killed meanwhile.
pub(crate) fn receive_notification(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    let mut words = [0_u64; N_WORDS];
    // SAFETY: the kernel writes its structure, which is smaller than the buffer, and wants it to be zero before.
    #[expect(unsafe_code, reason = "rustix has no such request")]
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, words.as_mut_ptr()) };
    check(result.into())?;
    let [thread, _flags] = halves(words[1]);
    let [number, architecture] = halves(words[2]);
    let mut arguments = [0; 6];
    arguments.copy_from_slice(&words[4..10]);
    Ok(Notification {
        id: words[0],
        thread: thread.cast_signed(),
        number: number.cast_signed(),
        architecture,
        instruction: words[3],
        arguments,
    })
}

/// The two numbers of 32 bits in a word, in the order in which they lie in memory.
fn halves(word: u64) -> [u32; 2] {
    let bytes = word.to_ne_bytes();
    let half = |start: usize| {
        bytes[start..]
            .first_chunk()
            .map_or(0, |half| u32::from_ne_bytes(*half))
    };
    [half(0), half(4)]
}

/// Lets a call go on as if nobody had looked. `ENOENT` says that it is not there any more.
pub(crate) fn let_continue(listener: BorrowedFd<'_>, id: u64) -> io::Result<()> {
    let mut answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: 0,
        flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE
            .try_into()
            .unwrap_or(1),
    };
    // SAFETY: the pointer is to a live structure of the type that the kernel reads.
    #[expect(unsafe_code, reason = "rustix has no such request")]
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), ANSWER, &raw mut answer) };
    check(result.into())
}

/// Reads memory of another process; gives how many bytes there were before the first that cannot be read.
pub(crate) fn read_memory(thread: i32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(usize::try_from(address).unwrap_or(0)),
        iov_len: buffer.len(),
    };
    // SAFETY: the kernel writes at most the length of the buffer into it; the other address is in the other process.
    #[expect(unsafe_code, reason = "rustix cannot read another process's memory")]
    let n_read =
        unsafe { libc::process_vm_readv(thread, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(n_read).map_err(|_negative| io::Error::last_os_error())
}
