//! Overlay mounts that exist only as file descriptors.
//!
//! A layer is handed to the kernel as `/proc/self/fd/N`, so that the length of its path and the characters in it do not
//! matter. `lowerdir+` (Linux 6.7) takes one layer at a time; before that all layers have to fit into one string of 255
//! characters, which they do up to about 80 layers when the numbers are resolved relative to `/proc/thread-self/fd`.
//!
//! `userxattr` is always set: it is what lets an unprivileged mount mark directories as opaque. `volatile` is set too:
//! a build that is interrupted by a power cut starts again. The mark that this leaves in the work directory, and that
//! would forbid the next mount, is removed before every mount.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, open_tree,
};
use rustix::thread::UnshareFlags;

use crate::enter::Entered;
use crate::system::{self, Depth};

/// Why something could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A layer, or the upper or work directory, could not be opened.
    #[error("cannot open {}", .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused the overlay.
    #[error("cannot mount an overlay of {n_layers} layers{detail}")]
    Overlay {
        /// How many layers it has, the upper one included.
        n_layers: usize,
        /// What the kernel wrote about it, in parentheses, or nothing.
        detail: String,
        /// The error itself.
        source: io::Error,
    },
    /// Another kind of mount failed.
    #[error("cannot {action} {}", .path.display())]
    Other {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A mounted overlay that no directory leads to. It is unmounted when this value is dropped.
#[derive(Debug)]
#[must_use = "the overlay is unmounted at once if nobody holds it"]
pub struct OverlayMount {
    root: OwnedFd,
}

impl OverlayMount {
    /// The path of its root. Valid in this process, while this value lives.
    pub fn path(&self) -> PathBuf {
        fd_path(self.root.as_fd())
    }
}

impl AsFd for OverlayMount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Mounts `lowers`, top first, below the directory pair `upper` of upper and work directory.
///
/// Without `upper` the result is read-only. Without `lowers` there is nothing to overlay: the result is the upper
/// directory itself, or an empty directory.
pub fn mount_overlay(
    _entered: &Entered,
    lowers: &[PathBuf],
    upper: Option<(&Path, &Path)>,
) -> Result<OverlayMount, MountError> {
    Ok(OverlayMount {
        root: mount_layers(lowers, upper)?,
    })
}

/// As [`mount_overlay`], as a bare descriptor.
pub(crate) fn mount_layers(
    lowers: &[PathBuf],
    upper: Option<(&Path, &Path)>,
) -> Result<OwnedFd, MountError> {
    match (lowers, upper) {
        ([], None) => empty_directory(),
        ([], Some((upper, _))) => clone_mount(upper),
        ([only], None) => {
            let root = clone_mount(only)?;
            system::make_read_only(root.as_fd(), Depth::Tree)
                .map_err(|source| other("make read-only", only, source))?;
            Ok(root)
        }
        _ => match overlay(lowers, upper, Lowers::OneByOne) {
            Err(MountError::Overlay { source, .. })
                if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
            {
                overlay(lowers, upper, Lowers::Together)
            }
            result => result,
        },
    }
}

fn other(action: &'static str, path: &Path, source: io::Error) -> MountError {
    MountError::Other {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A clone of the mounts at `path` and below it, that no directory leads to.
pub(crate) fn clone_mount(path: &Path) -> Result<OwnedFd, MountError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags).map_err(|error| MountError::Open {
        path: path.to_owned(),
        source: error.into(),
    })
}

/// A new filesystem of `kind` with these string options, that no directory leads to.
pub(crate) fn new_filesystem(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [("source", kind)].iter().chain(options) {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A new tmpfs of mode 0700 whose files stay out of swap space, that no directory leads to.
pub(crate) fn new_unswapped_tmpfs(attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(context.as_fd(), "noswap")?;
    fsconfig_set_string(context.as_fd(), "mode", "0700")?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn empty_directory() -> Result<OwnedFd, MountError> {
    new_filesystem(
        "tmpfs",
        &[("mode", "0755")],
        MountAttrFlags::MOUNT_ATTR_RDONLY,
    )
    .map_err(|error| other("mount an empty", Path::new("tmpfs"), error.into()))
}

/// How the lower layers are named to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lowers {
    /// One option each.
    OneByOne,
    /// All in one option.
    Together,
}

fn overlay(
    lowers: &[PathBuf],
    upper: Option<(&Path, &Path)>,
    manner: Lowers,
) -> Result<OwnedFd, MountError> {
    let lower_fds = lowers
        .iter()
        .map(|path| open_directory(path))
        .collect::<Result<Vec<_>, _>>()?;
    let upper_fds = match upper {
        Some((upper, work)) => {
            clear_volatile_mark(work)?;
            Some((open_directory(upper)?, open_directory(work)?))
        }
        None => None,
    };
    let n_layers = lowers.len() + usize::from(upper.is_some());
    let fail = |source: Errno, detail: String| MountError::Overlay {
        n_layers,
        detail,
        source: source.into(),
    };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|error| fail(error, String::new()))?;
    let configure = || {
        fsconfig_set_string(context.as_fd(), "source", "overlay")?;
        set_lowers(context.as_fd(), &lower_fds, manner)?;
        if let Some((upper, work)) = &upper_fds {
            fsconfig_set_string(context.as_fd(), "upperdir", fd_path(upper.as_fd()))?;
            fsconfig_set_string(context.as_fd(), "workdir", fd_path(work.as_fd()))?;
            fsconfig_set_flag(context.as_fd(), "volatile")?;
        }
        fsconfig_set_flag(context.as_fd(), "userxattr")?;
        fsconfig_create(context.as_fd())?;
        let attributes = match &upper_fds {
            Some(_) => MountAttrFlags::empty(),
            None => MountAttrFlags::MOUNT_ATTR_RDONLY,
        };
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    configure().map_err(|error: Errno| fail(error, kernel_messages(&context)))
}

fn open_directory(path: &Path) -> Result<OwnedFd, MountError> {
    rustix::fs::open(
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| MountError::Open {
        path: path.to_owned(),
        source: error.into(),
    })
}

fn fd_path(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn set_lowers(context: BorrowedFd<'_>, lowers: &[OwnedFd], manner: Lowers) -> Result<(), Errno> {
    if manner == Lowers::OneByOne {
        return lowers.iter().try_for_each(|lower| {
            fsconfig_set_string(context, "lowerdir+", fd_path(lower.as_fd()))
        });
    }
    let names: Vec<String> = lowers
        .iter()
        .map(|lower| lower.as_raw_fd().to_string())
        .collect();
    let names = names.join(":");
    let set = || {
        // The working directory of this thread alone, so that nobody notices.
        system::unshare(UnshareFlags::FS)?;
        rustix::process::chdir("/proc/thread-self/fd")?;
        fsconfig_set_string(context, "lowerdir", names.as_str())
    };
    std::thread::scope(|scope| scope.spawn(set).join()).unwrap_or(Err(Errno::CANCELED))
}

/// What the kernel wrote about the last failure: lines that begin with `e `.
fn kernel_messages(context: &OwnedFd) -> String {
    let mut text = String::new();
    let mut buffer = [0; 512];
    while let Ok(length) = rustix::io::read(context, &mut buffer) {
        let line = String::from_utf8_lossy(&buffer[..length]);
        let separator = if text.is_empty() { " (" } else { "; " };
        // Writing to a string cannot fail.
        let _ok = write!(text, "{separator}{}", line.trim().trim_start_matches("e "));
        if length == 0 {
            break;
        }
    }
    if !text.is_empty() {
        text.push(')');
    }
    text
}

/// Removes what a former volatile mount has left in `work`.
fn clear_volatile_mark(work: &Path) -> Result<(), MountError> {
    let mark = work.join("work/incompat/volatile");
    let steps = [
        (mark.join("dirty"), AtFlags::empty()),
        (mark.clone(), AtFlags::REMOVEDIR),
        (work.join("work/incompat"), AtFlags::REMOVEDIR),
    ];
    for (path, flags) in steps {
        match rustix::fs::unlinkat(CWD, &path, flags) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(other("remove", &path, error.into())),
        }
    }
    Ok(())
}
