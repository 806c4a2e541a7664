//! The miss oracle: whether a run of the candidate was also a run of the original.
//!
//! **Claim.** Take a run of the candidate whose trace is complete. If the two images, as they were before the run, agree on
//! everything that the run looked up, then the original, given the same input, could have made exactly this run: by
//! induction over its system calls, since each of them depends on what is at the paths that it passes, and that is the
//! same in both, changed in the same way by the calls before. So nobody has to know what the program does or should
//! have answered.
//!
//! **Agree** means, for a lookup that found something: the links on the way are the same and have the same targets; the
//! directories on the way have the same mode, owner and access lists; and what is at the end is the same in all that
//! the use can see: kind, mode, owner and device numbers always, else size and time of modification of files (`stat`, `open`), content
//! (`open`, `link`, `rename`), extended attributes, capabilities among them. Of what is only started, or opened by the
//! dynamic linker, a program sees what is loaded: the segments and headers of an ELF file, so that it may be stripped. Once
//! it opens the file itself, by its path or by `/proc/self/exe`, to read its symbols, it sees all of it. For a lookup that found nothing: nothing is there in the original either; or a directory on
//! the way is missing in the candidate alone, the original's answer is the same, and nothing was to be created there. A directory whose names were
//! read has the same names in both, and entries of the same kinds; one that was moved is the same in all that is below it.
//!
//! What the run itself made, changed or removed is judged by what was there *before* it, in both images: a file that
//! exists in neither may be made in both. What is mounted into the sandbox (`/proc`, `/dev`, `/sys`, `/etc/hosts`,
//! volumes) is the same by construction, if the caller runs both images in the same sandbox.
//!
//! **Not in the claim**: what differs between two runs of the original too (time, random numbers, the network, the
//! contents of `/proc`, which thread is first); inode, device and link counts, sizes and times of directories, times of
//! links, fractions of seconds, times of last access and change; the size and the free space of the file system
//! (`statfs`); what lies in memory behind a segment of a program, in its last page, and the words of its header about
//! sections; the order in which a directory lists its names; datagrams sent to socket files; and the user,
//! environment and limits that the program is started with, which are the configuration's.

mod differ;
mod examine;
mod loaded;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jettison_sandbox::{Gap, Uses};

use crate::rootfs::Resolved;

pub(crate) use self::differ::are_same_at;
pub use self::examine::find_misses;

/// What is wrong with calling a run of the candidate a run of the original.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissReport {
    /// Lookups whose answer the original could give differently, sorted by path.
    pub misses: Vec<Miss>,
    /// Directories that were listed and have other names in the original, sorted by path.
    pub directories: Vec<ListingDifference>,
    /// Why the trace is not complete.
    pub gaps: Vec<Gap>,
    /// Programs and libraries that are other files, but of which the same was loaded, sorted. They are no misses.
    pub loaded: Vec<PathBuf>,
}

/// What a [`MissReport`] says as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissVerdict {
    /// The run was also a run of the original.
    Proven,
    /// It was, unless it matters that some directories that were listed have other names in the original.
    ProvenButForDirectories,
    /// The original could have answered something else.
    Missed,
    /// Not everything that the run looked up is known.
    Incomplete,
}

impl MissReport {
    /// What it says as a whole. A miss weighs more than a gap: it is known.
    pub fn verdict(&self) -> MissVerdict {
        if !self.misses.is_empty() {
            MissVerdict::Missed
        } else if !self.gaps.is_empty() {
            MissVerdict::Incomplete
        } else if !self.directories.is_empty() {
            MissVerdict::ProvenButForDirectories
        } else {
            MissVerdict::Proven
        }
    }
}

/// A lookup whose answer the original could give differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// Where the two images differ: a real path.
    pub path: PathBuf,
    /// What was asked for.
    pub asked: PathBuf,
    /// What was to be done with it.
    pub uses: Uses,
    /// The first program that asked.
    pub program: Option<Arc<Path>>,
    /// How the images differ there.
    pub difference: EntryDifference,
    /// Where `asked` leads in the original, and through which links; `None` if it leads nowhere there.
    pub in_original: Option<Resolved>,
}

/// How two images differ at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryDifference {
    /// The candidate has nothing there.
    Absent {
        /// What the original has.
        original: EntryKind,
    },
    /// The original has nothing there.
    Added {
        /// What the candidate has.
        candidate: EntryKind,
    },
    /// They have different kinds of things there.
    Kind {
        /// What the original has.
        original: EntryKind,
        /// What the candidate has.
        candidate: EntryKind,
    },
    /// They have the same kind of thing, with these aspects different; never empty, in the order of [`Aspect`].
    Aspects(Vec<Aspect>),
    /// Two directories that have to be the same as a whole, because one was to be removed, replaced or moved, are not; this is
    /// the first difference below.
    Below {
        /// The path of the difference.
        path: PathBuf,
        /// What it is.
        difference: Box<EntryDifference>,
    },
}

/// What something in an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device.
    Device,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

/// What can be different about two things of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Where a link leads.
    Target,
    /// The permissions.
    Mode,
    /// The user or the group.
    Owner,
    /// The numbers of a device.
    Device,
    /// The size.
    Size,
    /// The content.
    Content,
    /// The time of modification, in seconds.
    Time,
    /// The extended attributes: capabilities, access lists, others.
    Attributes,
    /// The names in a directory, or the kinds of what they name.
    Names,
}

/// A directory that was listed and has other names in the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingDifference {
    /// Its real path.
    pub path: PathBuf,
    /// The first program that listed it.
    pub program: Option<Arc<Path>>,
    /// The names that only the original has, sorted.
    pub missing: Vec<OsString>,
    /// The names that only the candidate has, sorted.
    pub added: Vec<OsString>,
    /// The names that are of something else in the two, sorted.
    pub changed: Vec<OsString>,
}

#[cfg(test)]
mod tests;
