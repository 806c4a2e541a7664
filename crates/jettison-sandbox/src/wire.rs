//! What the caller and the init process say to each other.
//!
//! They share a `SOCK_SEQPACKET` socket. The caller sends descriptors in messages of one byte, at most
//! [`FDS_PER_MESSAGE`] each: `m` if more follow, `e` on the last. The first descriptor is a file with the [`Spec`] in
//! JSON, the second is the standard input of the sandboxed process, and the others are the bind mounts and the contents
//! of files in memory, in the order in which the spec refers to them. Back come [`Report`]s, one per message. The
//! socket is also the lifeline: when the caller's end closes, the init kills everything.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// The kernel takes 253.
const FDS_PER_MESSAGE: usize = 128;

/// A report that is longer than this is cut, and then it is not JSON.
const MAX_MESSAGE: usize = 128 << 10;

/// Everything that the init process has to know.
#[derive(Debug, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a message, whose fields nobody fills with literals"
)]
pub(crate) struct Spec {
    pub(crate) lowers: Vec<OsString>,
    pub(crate) upper: Option<[OsString; 2]>,
    pub(crate) mounts: Vec<SpecMount>,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: OsString,
    pub(crate) creates_cwd: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) hostname: String,
    pub(crate) own_network: bool,
    pub(crate) foreground: bool,
    /// Rows and columns of a terminal of its own.
    pub(crate) terminal: Option<(u16, u16)>,
    pub(crate) owns_streams: bool,
    pub(crate) limit_ms: Option<u64>,
    pub(crate) read_only: bool,
    pub(crate) insecure: bool,
    /// A bit for each.
    pub(crate) capabilities: u64,
    pub(crate) keeps_kernel_directories: bool,
    pub(crate) shm_size: u64,
    pub(crate) ulimits: Vec<SpecUlimit>,
    pub(crate) traced: bool,
}

impl Spec {
    /// The lower layers as paths.
    pub(crate) fn lowers(&self) -> Vec<PathBuf> {
        self.lowers.iter().map(PathBuf::from).collect()
    }
}

/// A mount that the caller asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpecMount {
    pub(crate) target: OsString,
    pub(crate) kind: SpecMountKind,
}

/// What is mounted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SpecMountKind {
    /// The next of the descriptors.
    Bind { is_directory: bool },
    /// A path in a stack of layers.
    Layers {
        lowers: Vec<OsString>,
        path: OsString,
        upper: Option<[OsString; 2]>,
    },
    /// A new tmpfs.
    Tmpfs { size: Option<u64>, mode: u32 },
    /// A file whose content is in the next of the descriptors.
    File(SpecFile),
    /// A directory of such files.
    Files(Vec<SpecFile>),
}

/// A file in memory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpecFile {
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A limit on each process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpecUlimit {
    pub(crate) name: String,
    pub(crate) soft: Option<u64>,
    pub(crate) hard: Option<u64>,
}

/// A file or directory that did not exist and was made to mount something on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stub {
    /// Relative to the root, without symlinks.
    pub(crate) path: OsString,
    pub(crate) is_directory: bool,
    /// The upper directory had a whiteout here.
    pub(crate) over_whiteout: bool,
}

/// What the init process reports.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// PID 1 of the sandbox exists; a pidfd comes with this.
    Forked { pid: i32 },
    /// Made before anything else can go wrong with them.
    Stubs(Vec<Stub>),
    /// The other side of the program's terminal comes with this.
    Terminal,
    /// Everything is set up, and the program is about to be executed.
    Ready,
    /// The sandbox could not be set up.
    SetupFailed {
        action: String,
        subject: Option<OsString>,
        errno: i32,
    },
    /// The program could not be executed.
    ExecFailed { program: String, errno: i32 },
    /// PID 1 has ended; its trace comes with this, if it was traced.
    Exited {
        status: i32,
        timed_out: bool,
        user_us: u64,
        system_us: u64,
        max_rss: u64,
    },
}

/// Sends `fds` in as many messages as it takes.
pub(crate) fn send_fds(socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    let mut rest = fds;
    loop {
        let (now, later) = rest.split_at(rest.len().min(FDS_PER_MESSAGE));
        let tag: &[u8] = if later.is_empty() { b"e" } else { b"m" };
        send(socket, tag, now)?;
        if later.is_empty() {
            return Ok(());
        }
        rest = later;
    }
}

/// Receives what [`send_fds`] sent.
pub(crate) fn receive_fds(socket: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut fds = Vec::new();
    let mut tag = [0];
    loop {
        let length = receive(socket, &mut tag, &mut fds)?;
        match &tag[..length] {
            b"m" => {}
            b"e" => return Ok(fds),
            _ => return Err(io::Error::other("not a message of descriptors")),
        }
    }
}

/// Sends one report, with at most one descriptor.
pub(crate) fn send_report(
    socket: BorrowedFd<'_>,
    report: &Report,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = serde_json::to_vec(report)?;
    Ok(send(socket, &text, fd.as_slice())?)
}

/// Receives one report and the descriptor that came with it; `None` when the other end is closed.
pub(crate) fn receive_report(
    socket: BorrowedFd<'_>,
) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
    let mut buffer = vec![0; MAX_MESSAGE];
    let mut fds = Vec::new();
    let length = receive(socket, &mut buffer, &mut fds)?;
    if length == 0 {
        return Ok(None);
    }
    let report = serde_json::from_slice(&buffer[..length])?;
    Ok(Some((report, fds.pop())))
}

/// Sends one message.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG);
    }
    rustix::io::retry_on_intr(|| {
        sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// Receives one message; its length is 0 when the other end is closed.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::io::retry_on_intr(|| {
        recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    if message
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(Errno::MSGSIZE);
    }
    for item in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = item {
            fds.extend(received);
        }
    }
    Ok(message.bytes)
}
