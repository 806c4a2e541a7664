//! Becoming root of a user namespace, once, before there are threads.
//!
//! The process itself moves: it leaves its user and mount namespaces for new ones and goes on. Nothing is executed
//! again, there is no second process to pass signals to or to wait for, and killing the process ends everything.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, MemfdFlags, SealFlags};
use rustix::mount::{MountPropagationFlags, OpenTreeFlags};
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, UnshareFlags};

use crate::forker::Forker;
use crate::id_map::{self, Extent, Kind, Means, Writer};
use crate::system::{self, Depth};

/// Which user and group IDs exist inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdMapKind {
    /// All that exist outside, each with its own number.
    Root,
    /// Root, which is the caller, and the `count` IDs from 1 on that the host grants the caller.
    SubordinateIds {
        /// How many user IDs there are besides root's.
        count: u32,
    },
    /// Root, which is the caller, and nobody else: changing a file's owner to any other ID fails with `EINVAL`; for
    /// the programs in a sandbox it does nothing and succeeds, so that packages with such files can be installed.
    SingleId,
}

/// Which ID map to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdChoice {
    /// The one with the most IDs that this host permits.
    Best,
    /// The one that every host permits.
    Single,
}

/// How to enter.
#[derive(Debug, Clone)]
pub struct EnterOptions {
    /// Which ID map to ask for.
    pub ids: IdChoice,
}

/// Proof that this process is root of its own user namespace and has its own mounts.
#[derive(Debug)]
pub struct Entered {
    /// Which user and group IDs exist here.
    pub ids: IdMapKind,
    limitation: Option<String>,
    // Invariant: a read-only clone of the mount of this program's own file, or a sealed copy, so that a process that is started from it
    // cannot be used to overwrite it (CVE-2019-5736).
    program: OwnedFd,
    forker: Forker,
}

impl Entered {
    /// Why there are fewer IDs than there could be.
    pub fn limitation(&self) -> Option<&str> {
        self.limitation.as_deref()
    }

    /// This program, in a form that can be executed and not written.
    pub(crate) fn program(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.program.as_raw_fd()))
    }

    /// The same, with another process that forks supervisors: one that lives where the thread does that first asks for it.
    pub(crate) fn apart(&self) -> io::Result<Entered> {
        Ok(Entered {
            ids: self.ids,
            limitation: self.limitation.clone(),
            program: self.program.try_clone()?,
            forker: Forker::default(),
        })
    }

    /// The process that forks supervisors.
    pub(crate) fn forker(&self) -> &Forker {
        &self.forker
    }
}

/// Why this process could not enter.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// It was too late.
    #[error("cannot enter a user namespace from a process with {count} threads")]
    Threads {
        /// How many there are.
        count: usize,
    },
    /// The kernel did not give us namespaces.
    #[error("cannot create a user namespace")]
    Namespaces {
        /// What the kernel said.
        source: io::Error,
    },
    /// Not even the caller's own ID could be mapped.
    #[error("cannot write {map} of the new user namespace")]
    Map {
        /// The file in `/proc/self`.
        map: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another system call failed.
    #[error("cannot {action}")]
    Prepare {
        /// What it was for.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl EnterError {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            EnterError::Namespaces { .. } => Some(
                "in a container, allow user namespaces with `--security-opt seccomp=unconfined`; on a host, see \
                 kernel.unprivileged_userns_clone, user.max_user_namespaces and \
                 kernel.apparmor_restrict_unprivileged_userns",
            ),
            EnterError::Map { .. } => {
                Some("see kernel.apparmor_restrict_unprivileged_userns, or run as root")
            }
            EnterError::Threads { .. } | EnterError::Prepare { .. } => None,
        }
    }
}

/// Makes this process root of a new user namespace with its own mounts.
///
/// After an error the process may be half inside and should only report it.
pub fn enter(options: &EnterOptions) -> Result<Entered, EnterError> {
    let count = system::n_threads().map_err(prepare("count the threads of this process"))?;
    if count != 1 {
        return Err(EnterError::Threads { count });
    }
    let own_ids = (Kind::User.own_id(), Kind::Group.own_id());
    let plan = Plan::new(options.ids);
    let mut limitation = plan.limitation;
    let writers = match plan.maps {
        Some((means, maps)) => Some(start_writers(&means, &maps)?),
        None => None,
    };
    system::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(|source| {
        EnterError::Namespaces {
            source: source.into(),
        }
    })?;
    let mut ids = plan.ids;
    let results = match writers {
        Some(mut writers) => {
            for writer in &mut writers {
                writer
                    .tell()
                    .map_err(prepare("write to a forked process"))?;
            }
            writers.map(Writer::finish)
        }
        None => [Err(String::new()), Err(String::new())],
    };
    for ((kind, own), result) in [(Kind::User, own_ids.0), (Kind::Group, own_ids.1)]
        .into_iter()
        .zip(results)
    {
        let Err(reason) = result else { continue };
        ids = IdMapKind::SingleId;
        if !reason.is_empty() {
            limitation.get_or_insert(reason);
        }
        id_map::write_single(kind, own).map_err(|source| EnterError::Map {
            map: kind.map_file(),
            source,
        })?;
    }
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| prepare("make the mounts private")(error.into()))?;
    Ok(Entered {
        ids,
        limitation,
        program: open_program()?,
        forker: Forker::default(),
    })
}

fn prepare(action: &'static str) -> impl Fn(io::Error) -> EnterError {
    move |source| EnterError::Prepare { action, source }
}

/// What to try before settling for a single ID.
struct Plan {
    ids: IdMapKind,
    maps: Option<([Means; 2], [Vec<Extent>; 2])>,
    limitation: Option<String>,
}

impl Plan {
    fn new(choice: IdChoice) -> Plan {
        let single = |limitation| Plan {
            ids: IdMapKind::SingleId,
            maps: None,
            limitation,
        };
        if choice == IdChoice::Single {
            return single(None);
        }
        if is_privileged() {
            return match (id_map::identity(Kind::User), id_map::identity(Kind::Group)) {
                (Ok(users), Ok(groups)) => Plan {
                    ids: IdMapKind::Root,
                    maps: Some(([Means::Directly, Means::Directly], [users, groups])),
                    limitation: None,
                },
                (Err(error), _) | (_, Err(error)) => single(Some(format!(
                    "cannot read the ID maps of this process: {error}"
                ))),
            };
        }
        match (
            id_map::subordinate(Kind::User),
            id_map::subordinate(Kind::Group),
        ) {
            (Ok((user_helper, users)), Ok((group_helper, groups))) => {
                let count = users
                    .iter()
                    .fold(0_u32, |sum, extent| sum.saturating_add(extent.count))
                    - 1;
                Plan {
                    ids: IdMapKind::SubordinateIds { count },
                    maps: Some((
                        [Means::Helper(user_helper), Means::Helper(group_helper)],
                        [users, groups],
                    )),
                    limitation: None,
                }
            }
            (Err(reason), _) | (_, Err(reason)) => single(Some(reason)),
        }
    }
}

/// Whether we are root and may give ourselves other IDs.
fn is_privileged() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    geteuid().is_root()
        && rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

fn start_writers(means: &[Means; 2], maps: &[Vec<Extent>; 2]) -> Result<[Writer; 2], EnterError> {
    let start = |kind, index: usize| {
        Writer::start(kind, &means[index], &maps[index]).map_err(prepare("fork"))
    };
    Ok([start(Kind::User, 0)?, start(Kind::Group, 1)?])
}

/// The file is opened by its path, because the mount that the kernel started it from is not in our namespace any more.
fn open_program() -> Result<OwnedFd, EnterError> {
    const OWN_FILE: &str = "/proc/self/exe";
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let fail = prepare("open this program's own file");
    let running = rustix::fs::stat(OWN_FILE).map_err(|error| fail(error.into()))?;
    let path = std::fs::read_link(OWN_FILE).map_err(&fail)?;
    if let Ok(program) = rustix::mount::open_tree(CWD, path, flags) {
        let opened = rustix::fs::fstat(&program).map_err(|error| fail(error.into()))?;
        if (opened.st_dev, opened.st_ino) == (running.st_dev, running.st_ino) {
            system::make_read_only(program.as_fd(), Depth::Single)
                .map_err(prepare("protect this program's own file"))?;
            return Ok(program);
        }
    }
    // It was replaced or removed while we run, as updates do.
    copy_program(Path::new(OWN_FILE)).map_err(prepare("copy this program's own file"))
}

fn copy_program(path: &Path) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(rustix::fs::memfd_create("jettison", flags)?);
    io::copy(&mut File::open(path)?, &mut copy)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    // A file that is open for writing cannot be executed.
    let read_only = File::open(format!("/proc/self/fd/{}", copy.as_raw_fd()))?;
    Ok(read_only.into())
}
