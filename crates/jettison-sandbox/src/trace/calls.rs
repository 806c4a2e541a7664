//! The system calls that a tracer is told of, and where their paths are.

use super::GapReason;
use super::uses::{Use, Uses};

/// A system call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traced {
    pub(super) number: i64,
    /// When it is told of.
    pub(super) condition: Condition,
    pub(super) call: Call,
}

/// What a filter, which sees no memory, can see of a call's arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition {
    Always,
    /// The argument, its low half, is this number.
    Equals(u8, u32),
    /// One of these bits is set in the low half of the argument.
    AnyBit(u8, u32),
    /// The argument is no null pointer.
    Given(u8),
}

/// What a call does. The numbers are places of arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    /// Something with one path.
    Path(PathArgument, Uses),
    /// Something with two paths.
    Pair([(PathArgument, Uses); 2]),
    /// Opens a file.
    Open(PathArgument, OpenFlags),
    /// Becomes another program.
    Execute(PathArgument),
    /// Makes a directory the process's root.
    ChangeRoot(PathArgument),
    /// Reads the names in a directory that was opened.
    List,
    /// Does something with a socket and an address.
    Socket(SocketCall),
    /// Puts itself under a filter of its own, at this place.
    Filter(u8),
    /// Something that cannot be followed.
    Gap(GapReason),
}

/// A path among the arguments of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathArgument {
    /// The descriptor of the directory that it is relative to; the working directory if there is none.
    pub(super) directory: Option<u8>,
    pub(super) path: u8,
    pub(super) follow: Follow,
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Follow {
    Yes,
    No,
    /// Not if the argument has the flag.
    Unless(u8, u64),
    /// Only if the argument has the flag.
    If(u8, u64),
}

/// Where the flags of a call that opens are.
#[derive(Debug, Clone, Copy)]
pub(super) enum OpenFlags {
    Argument(u8),
    /// In a `struct open_how`.
    How(u8),
    /// They are those of `creat`.
    Creat,
}

/// What is done with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketCall {
    Bind,
    Connect,
    Listen,
}

const NOFOLLOW: u64 = 0x100;
const SYMLINK_FOLLOW: u64 = 0x400;
const IN_DONT_FOLLOW: u64 = 0x0200_0000;

/// A path that the working directory is the start of.
#[cfg(target_arch = "x86_64")]
const fn here(path: u8, follow: Follow) -> PathArgument {
    PathArgument {
        directory: None,
        path,
        follow,
    }
}

/// A path after the descriptor that it is relative to.
const fn at(directory: u8, follow: Follow) -> PathArgument {
    PathArgument {
        directory: Some(directory),
        path: directory + 1,
        follow,
    }
}

const fn of(number: i64, path: PathArgument, what: Use) -> Traced {
    always(number, Call::Path(path, Uses::of(what)))
}

const fn pair(number: i64, paths: [PathArgument; 2], uses: [Use; 2]) -> Traced {
    let [from, to] = paths;
    let call = Call::Pair([(from, Uses::of(uses[0])), (to, Uses::of(uses[1]))]);
    always(number, call)
}

const fn always(number: i64, call: Call) -> Traced {
    Traced {
        number,
        condition: Condition::Always,
        call,
    }
}

const fn gap(number: i64, reason: GapReason) -> Traced {
    always(number, Call::Gap(reason))
}

/// The first argument alone, which is a path.
const FIRST: PathArgument = PathArgument {
    directory: None,
    path: 0,
    follow: Follow::Yes,
};
const FIRST_ITSELF: PathArgument = PathArgument {
    directory: None,
    path: 0,
    follow: Follow::No,
};

/// `setxattrat` and those after it, for which `libc` has no names. They have the same numbers everywhere.
const SETXATTRAT: i64 = 463;
const GETXATTRAT: i64 = 464;
const LISTXATTRAT: i64 = 465;
const REMOVEXATTRAT: i64 = 466;
const OPEN_TREE_ATTR: i64 = 467;
const FILE_GETATTR: i64 = 468;
const FILE_SETATTR: i64 = 469;
const FCHMODAT2: i64 = 452;

/// The calls of every architecture.
pub(super) const CALLS: &[Traced] = &[
    always(
        libc::SYS_openat,
        Call::Open(at(0, Follow::Yes), OpenFlags::Argument(2)),
    ),
    always(
        libc::SYS_openat2,
        Call::Open(at(0, Follow::Yes), OpenFlags::How(2)),
    ),
    of(
        libc::SYS_newfstatat,
        at(0, Follow::Unless(3, NOFOLLOW)),
        Use::Stat,
    ),
    Traced {
        number: libc::SYS_statx,
        condition: Condition::Given(1),
        call: Call::Path(at(0, Follow::Unless(2, NOFOLLOW)), Uses::of(Use::Stat)),
    },
    of(libc::SYS_faccessat, at(0, Follow::Yes), Use::Access),
    of(
        libc::SYS_faccessat2,
        at(0, Follow::Unless(3, NOFOLLOW)),
        Use::Access,
    ),
    of(libc::SYS_readlinkat, at(0, Follow::No), Use::ReadLink),
    always(libc::SYS_execve, Call::Execute(FIRST)),
    always(
        libc::SYS_execveat,
        Call::Execute(at(0, Follow::Unless(4, NOFOLLOW))),
    ),
    of(libc::SYS_chdir, FIRST, Use::Enter),
    always(libc::SYS_chroot, Call::ChangeRoot(FIRST)),
    of(libc::SYS_mkdirat, at(0, Follow::No), Use::MakeDirectory),
    of(libc::SYS_mknodat, at(0, Follow::No), Use::Create),
    Traced {
        number: libc::SYS_unlinkat,
        condition: Condition::Always,
        // Which of the two it is says a flag.
        call: Call::Path(at(0, Follow::No), Uses::of(Use::Remove)),
    },
    pair(
        libc::SYS_renameat,
        [at(0, Follow::No), at(2, Follow::No)],
        [Use::MoveFrom, Use::MoveTo],
    ),
    pair(
        libc::SYS_renameat2,
        [at(0, Follow::No), at(2, Follow::No)],
        [Use::MoveFrom, Use::MoveTo],
    ),
    pair(
        libc::SYS_linkat,
        [at(0, Follow::If(4, SYMLINK_FOLLOW)), at(2, Follow::No)],
        [Use::LinkFrom, Use::Create],
    ),
    of(libc::SYS_symlinkat, at(1, Follow::No), Use::Create),
    of(libc::SYS_truncate, FIRST, Use::Write),
    of(libc::SYS_fchmodat, at(0, Follow::Yes), Use::ChangeMetadata),
    of(
        FCHMODAT2,
        at(0, Follow::Unless(3, NOFOLLOW)),
        Use::ChangeMetadata,
    ),
    of(
        libc::SYS_fchownat,
        at(0, Follow::Unless(4, NOFOLLOW)),
        Use::ChangeMetadata,
    ),
    Traced {
        number: libc::SYS_utimensat,
        condition: Condition::Given(1),
        call: Call::Path(
            at(0, Follow::Unless(3, NOFOLLOW)),
            Uses::of(Use::ChangeMetadata),
        ),
    },
    of(libc::SYS_setxattr, FIRST, Use::ChangeMetadata),
    of(libc::SYS_lsetxattr, FIRST_ITSELF, Use::ChangeMetadata),
    of(libc::SYS_removexattr, FIRST, Use::ChangeMetadata),
    of(libc::SYS_lremovexattr, FIRST_ITSELF, Use::ChangeMetadata),
    of(libc::SYS_getxattr, FIRST, Use::ReadAttributes),
    of(libc::SYS_lgetxattr, FIRST_ITSELF, Use::ReadAttributes),
    of(libc::SYS_listxattr, FIRST, Use::ReadAttributes),
    of(libc::SYS_llistxattr, FIRST_ITSELF, Use::ReadAttributes),
    of(
        SETXATTRAT,
        at(0, Follow::Unless(2, NOFOLLOW)),
        Use::ChangeMetadata,
    ),
    of(
        REMOVEXATTRAT,
        at(0, Follow::Unless(2, NOFOLLOW)),
        Use::ChangeMetadata,
    ),
    of(
        GETXATTRAT,
        at(0, Follow::Unless(2, NOFOLLOW)),
        Use::ReadAttributes,
    ),
    of(
        LISTXATTRAT,
        at(0, Follow::Unless(2, NOFOLLOW)),
        Use::ReadAttributes,
    ),
    of(FILE_GETATTR, at(0, Follow::Unless(4, NOFOLLOW)), Use::Stat),
    of(
        FILE_SETATTR,
        at(0, Follow::Unless(4, NOFOLLOW)),
        Use::ChangeMetadata,
    ),
    of(libc::SYS_statfs, FIRST, Use::FileSystem),
    of(
        libc::SYS_inotify_add_watch,
        PathArgument {
            directory: None,
            path: 1,
            follow: Follow::Unless(2, IN_DONT_FOLLOW),
        },
        Use::Watch,
    ),
    of(
        libc::SYS_name_to_handle_at,
        at(0, Follow::If(4, SYMLINK_FOLLOW)),
        Use::Stat,
    ),
    always(libc::SYS_getdents64, Call::List),
    always(libc::SYS_bind, Call::Socket(SocketCall::Bind)),
    always(libc::SYS_connect, Call::Socket(SocketCall::Connect)),
    always(libc::SYS_listen, Call::Socket(SocketCall::Listen)),
    Traced {
        number: libc::SYS_seccomp,
        condition: Condition::Equals(0, libc::SECCOMP_SET_MODE_FILTER),
        call: Call::Filter(2),
    },
    Traced {
        number: libc::SYS_prctl,
        condition: Condition::Equals(0, libc::PR_SET_SECCOMP.cast_unsigned()),
        call: Call::Filter(2),
    },
    gap(libc::SYS_io_uring_setup, GapReason::Rings),
    gap(libc::SYS_open_by_handle_at, GapReason::Handles),
    gap(libc::SYS_mount, GapReason::Mounts),
    gap(libc::SYS_umount2, GapReason::Mounts),
    gap(libc::SYS_pivot_root, GapReason::Mounts),
    gap(libc::SYS_move_mount, GapReason::Mounts),
    gap(libc::SYS_fsmount, GapReason::Mounts),
    gap(libc::SYS_setns, GapReason::Mounts),
    gap(OPEN_TREE_ATTR, GapReason::Mounts),
    Traced {
        number: libc::SYS_open_tree,
        condition: Condition::AnyBit(2, 1),
        call: Call::Gap(GapReason::Mounts),
    },
    of(
        libc::SYS_open_tree,
        at(0, Follow::Unless(2, NOFOLLOW)),
        Use::Refer,
    ),
];

/// The old calls that only x86 has.
#[cfg(target_arch = "x86_64")]
pub(super) const CALLS_HERE: &[Traced] = &[
    always(libc::SYS_open, Call::Open(FIRST, OpenFlags::Argument(1))),
    always(libc::SYS_creat, Call::Open(FIRST, OpenFlags::Creat)),
    of(libc::SYS_stat, FIRST, Use::Stat),
    of(libc::SYS_lstat, FIRST_ITSELF, Use::Stat),
    of(libc::SYS_access, FIRST, Use::Access),
    of(libc::SYS_readlink, FIRST_ITSELF, Use::ReadLink),
    of(libc::SYS_mkdir, FIRST_ITSELF, Use::MakeDirectory),
    of(libc::SYS_mknod, FIRST_ITSELF, Use::Create),
    of(libc::SYS_unlink, FIRST_ITSELF, Use::Remove),
    of(libc::SYS_rmdir, FIRST_ITSELF, Use::RemoveDirectory),
    pair(
        libc::SYS_rename,
        [FIRST_ITSELF, here(1, Follow::No)],
        [Use::MoveFrom, Use::MoveTo],
    ),
    pair(
        libc::SYS_link,
        [FIRST_ITSELF, here(1, Follow::No)],
        [Use::LinkFrom, Use::Create],
    ),
    of(libc::SYS_symlink, here(1, Follow::No), Use::Create),
    of(libc::SYS_chmod, FIRST, Use::ChangeMetadata),
    of(libc::SYS_chown, FIRST, Use::ChangeMetadata),
    of(libc::SYS_lchown, FIRST_ITSELF, Use::ChangeMetadata),
    of(libc::SYS_utime, FIRST, Use::ChangeMetadata),
    of(libc::SYS_utimes, FIRST, Use::ChangeMetadata),
    Traced {
        number: libc::SYS_futimesat,
        condition: Condition::Given(1),
        call: Call::Path(at(0, Follow::Yes), Uses::of(Use::ChangeMetadata)),
    },
    of(libc::SYS_uselib, FIRST, Use::Execute),
    always(libc::SYS_getdents, Call::List),
];
#[cfg(target_arch = "aarch64")]
pub(super) const CALLS_HERE: &[Traced] = &[];

/// The numbers of the calls of 32-bit programs that take a path or list a directory.
///
/// See <https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_32.tbl>.
#[cfg(target_arch = "x86_64")]
pub(super) const PATHS_ON_I386: &[u32] = &[
    5, 8, 9, 10, 11, 12, 14, 15, 16, 18, 21, 30, 33, 38, 39, 40, 61, 83, 84, 85, 86, 89, 92, 99,
    106, 107, 141, 182, 193, 195, 196, 198, 212, 220, 226, 227, 229, 230, 232, 233, 235, 236, 268,
    271, 292, 295, 296, 297, 298, 299, 300, 301, 302, 303, 304, 305, 306, 307, 320, 341, 342, 353,
    358, 383, 425, 428, 437, 439, 452, 463, 464, 465, 466, 467, 468, 469,
];

/// What is known of the call with this number. Where several share it, the one whose condition the arguments meet.
pub(super) fn find(number: i32, arguments: &[u64; 6]) -> Option<Call> {
    let mut of_number = CALLS
        .iter()
        .chain(CALLS_HERE)
        .filter(|traced| traced.number == i64::from(number));
    of_number
        .find(|traced| traced.condition.is_met(arguments))
        .map(|traced| traced.call)
}

impl Condition {
    fn is_met(self, arguments: &[u64; 6]) -> bool {
        let argument = |place: u8| arguments[usize::from(place) % arguments.len()];
        match self {
            Condition::Always => true,
            Condition::Equals(place, value) => argument(place) & 0xffff_ffff == u64::from(value),
            Condition::AnyBit(place, bits) => argument(place) & u64::from(bits) != 0,
            Condition::Given(place) => argument(place) != 0,
        }
    }
}
