//! What the programs in a sandbox asked the file system for.
//!
//! ```text
//! program ── system call with a path ──► kernel ── seccomp notification ──► supervisor: reads the path, resolves it,
//!    ▲                                                                      notes it, and
//!    └───────────────── goes on as if nothing had happened ◄─────────────── lets the call continue
//! ```
//!
//! The kernel stops every call that takes a path, and lists, binds, connects or listens, until the sandbox's supervisor
//! has looked at it. It never answers for the kernel, so a traced program does what it would do anyway, only later. Paths
//! are resolved before the call goes on: what is noted is what was there when the program asked.
//!
//! Kept is one [`Lookup`] per distinct asked path, way and end, not one per call: memory is bounded by what there is
//! to look up. What cannot be followed is a [`Gap`], and then the trace is not complete. What is not looked at:
//!
//! - file descriptors that are open already (`fstat`, `read`, `fchdir`): what they refer to was looked up to open them;
//! - the addresses of single datagrams (`sendto`, `sendmsg`);
//! - which of two things happened first, when several threads change and look up the same path at the same time: a
//!   lookup may be noted as it was a moment before the other thread's change;
//! - a path that another thread overwrites in memory while the call waits.

mod calls;
mod encoding;
mod filter;
mod look;
mod program;
mod record;
mod resolve;
mod task;
mod tracer;
mod uses;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::uses::{Use, Uses};

pub(crate) use self::filter::program as filter_program;
pub(crate) use self::tracer::Tracer;

/// Whether a sandbox's programs are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracing {
    /// They are not.
    Off,
    /// Their lookups are: [`crate::Exit::trace`].
    Lookups,
}

/// What the programs of one run looked up. Same run, same trace, but for the order in which threads met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    // Invariant: sorted, and no two have the same path, links and end.
    lookups: Vec<Lookup>,
    starts: BTreeSet<Start>,
    sockets: BTreeSet<SocketUse>,
    gaps: BTreeSet<Gap>,
    // Invariant: sorted.
    mounts: Vec<PathBuf>,
}

/// One path, and where it led.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    /// The path, after the working directory or the directory that it was relative to; `..` is kept.
    pub asked: PathBuf,
    /// The symbolic links that were followed, in order, each by its own real path.
    pub links: Vec<PathBuf>,
    /// Where it led.
    pub end: End,
    /// What was done with it, by all programs.
    pub uses: Uses,
    /// The first program that did one of these, by its real path; `None` is the search for the sandbox's own program.
    pub program: Option<Arc<Path>>,
}

/// Where a path led. The paths are absolute, in the sandbox, and free of links.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// There was something.
    Found(PathBuf),
    /// This was absent: what was asked for, or a directory on the way.
    Missing(PathBuf),
    /// This is no directory, and was taken for one.
    NotDirectory(PathBuf),
    /// This directory may not be searched by anyone in the sandbox.
    Denied(PathBuf),
    /// There were more links than the kernel follows.
    Loop,
    /// It began in a directory that had been removed, or in something that is in no directory.
    Gone,
}

impl End {
    /// The path that decided.
    pub fn path(&self) -> Option<&Path> {
        match self {
            End::Found(path) | End::Missing(path) | End::NotDirectory(path) | End::Denied(path) => {
                Some(path)
            }
            End::Loop | End::Gone => None,
        }
    }
}

/// A program that was started, or at least asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// Its real path. One that is in no directory (`memfd_create`) has the name that the kernel shows.
    pub program: PathBuf,
    /// What the kernel started it with: the programs of scripts, then the dynamic linker; real paths.
    pub interpreters: Vec<PathBuf>,
    /// The program that started it; `None` is the sandbox itself.
    pub by: Option<Arc<Path>>,
    /// The user that it was started by.
    pub user: Option<u32>,
}

/// Something that was done with a socket and an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketUse {
    /// What was done.
    pub action: SocketAction,
    /// The address.
    pub address: SocketAddress,
    /// The program that did it.
    pub program: Option<Arc<Path>>,
}

/// What was done with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketAction {
    /// It was given the address.
    Bind,
    /// It was connected to the address.
    Connect,
    /// It listens at the address.
    Listen,
}

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SocketAddress {
    /// In a network.
    Ip(SocketAddr),
    /// At a path, as the program gave it. The lookup is among the others.
    Unix(PathBuf),
    /// At a name that is in no file system.
    Abstract(Vec<u8>),
    /// Somewhere else: the number of the address family.
    Other(u16),
}

/// Why a trace is not complete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What could not be followed.
    pub reason: GapReason,
    /// The program that did it.
    pub program: Option<Arc<Path>>,
}

/// What cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// System calls of another machine or word size: 32-bit programs, x32 programs.
    ForeignCalls,
    /// `io_uring`, which opens files without system calls.
    Rings,
    /// Files that are opened by handles, not by paths.
    Handles,
    /// Mounts that the program makes or leaves by itself. From then on nothing is noted.
    Mounts,
    /// A seccomp filter of the program's own that does more than deny: a listener cannot be had twice, and a tracer would
    /// not see the calls that we do.
    Filters,
    /// Memory with a path that we may not read.
    HiddenMemory,
    /// A path that could not be resolved: one that is too long as a whole, or on a file system that failed.
    Unresolved,
    /// More was looked up than is kept.
    TooMuch,
}

impl GapReason {
    /// The reason in words, to be put after "it is not complete because".
    pub const fn text(self) -> &'static str {
        match self {
            GapReason::ForeignCalls => {
                "a program makes system calls of another machine or word size"
            }
            GapReason::Rings => "a program uses io_uring, whose operations are not system calls",
            GapReason::Handles => "a program opens files by handles",
            GapReason::Mounts => "a program changes what is mounted",
            GapReason::Filters => "a program has a system call filter that traces or listens",
            GapReason::HiddenMemory => "the memory of a program cannot be read",
            GapReason::Unresolved => "a path could not be resolved",
            GapReason::TooMuch => "more paths were looked up than are kept",
        }
    }
}

impl Trace {
    /// The trace of a run in which nothing but this was looked up, with these mounts. For those who compare traces.
    pub fn of(lookups: Vec<Lookup>, mut mounts: Vec<PathBuf>) -> Trace {
        mounts.sort();
        mounts.dedup();
        Trace {
            lookups: merged(lookups),
            mounts,
            ..Trace::default()
        }
    }

    /// Every lookup, sorted by the path that was asked for.
    pub fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }

    /// Why it is not complete; empty if it is.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// Whether everything was followed.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The programs that were started.
    pub fn starts(&self) -> impl Iterator<Item = &Start> {
        self.starts.iter()
    }

    /// What was done with sockets.
    pub fn sockets(&self) -> impl Iterator<Item = &SocketUse> {
        self.sockets.iter()
    }

    /// Where something is mounted over the root filesystem: `/proc`, `/dev`, `/sys`, and what the caller asked for;
    /// real paths, sorted.
    pub fn mounts(&self) -> &[PathBuf] {
        &self.mounts
    }

    /// The mount that `path`, a real one, is on, if it is not the root filesystem's own.
    pub fn mount_of(&self, path: &Path) -> Option<&Path> {
        path.ancestors().find_map(|ancestor| {
            let place = self
                .mounts
                .binary_search_by(|mount| mount.as_path().cmp(ancestor));
            place.ok().map(|place| self.mounts[place].as_path())
        })
    }

    /// What was found in the root filesystem, by its real path, and what was done with it. A path that was reached in
    /// several ways comes several times.
    pub fn found(&self) -> impl Iterator<Item = (&Path, Uses)> {
        self.lookups.iter().filter_map(|lookup| match &lookup.end {
            End::Found(path) if self.mount_of(path).is_none() => {
                Some((path.as_path(), lookup.uses))
            }
            End::Found(_)
            | End::Missing(_)
            | End::NotDirectory(_)
            | End::Denied(_)
            | End::Loop
            | End::Gone => None,
        })
    }

    /// What both runs looked up. The mounts are those of both, too.
    #[must_use]
    pub fn merge(self, other: Trace) -> Trace {
        let mut lookups = self.lookups;
        lookups.extend(other.lookups);
        let mut mounts = self.mounts;
        mounts.extend(other.mounts);
        mounts.sort();
        mounts.dedup();
        Trace {
            lookups: merged(lookups),
            starts: &self.starts | &other.starts,
            sockets: &self.sockets | &other.sockets,
            gaps: &self.gaps | &other.gaps,
            mounts,
        }
    }
}

/// Sorts, and puts together those that led the same way.
fn merged(mut lookups: Vec<Lookup>) -> Vec<Lookup> {
    fn way(lookup: &Lookup) -> (&Path, &[PathBuf], &End) {
        (&lookup.asked, &lookup.links, &lookup.end)
    }
    lookups.sort_by(|first, second| way(first).cmp(&way(second)));
    lookups.dedup_by(|next, kept| {
        let is_same = way(next) == way(kept);
        if is_same {
            kept.uses = kept.uses.and(next.uses);
        }
        is_same
    });
    lookups
}
