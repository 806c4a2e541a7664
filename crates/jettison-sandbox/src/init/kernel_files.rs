//! `/proc`, `/dev` and `/sys`, as Docker gives them to a container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::Failure;
use super::rootfs::{TargetKind, Tree, attach};
use crate::overlay::{clone_mount, new_filesystem};
use crate::system::{self, Depth};
use crate::wire::Spec;

/// Mounts all three.
pub(super) fn mount(tree: &Tree<'_>) -> Result<(), Failure> {
    let spec = tree.spec;
    let closed = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = match new_filesystem("proc", &[], closed) {
        // In a container whose /proc is masked the kernel forbids a new one. The old one shows more processes, but the
        // links of each process to itself are right.
        Err(Errno::PERM) => {
            clone_mount(Path::new("/proc")).map_err(Failure::of_mount("show the host's files:"))?
        }
        result => result.map_err(Failure::at("mount", "/proc"))?,
    };
    place(tree, proc.as_fd(), "/proc")?;
    mount_dev(tree, spec, closed)?;
    let sys = if spec.own_network {
        let attributes = if spec.insecure {
            closed
        } else {
            closed | MountAttrFlags::MOUNT_ATTR_RDONLY
        };
        match new_filesystem("sysfs", &[], attributes) {
            Err(Errno::PERM) => host_sys(spec)?,
            result => result.map_err(Failure::at("mount", "/sys"))?,
        }
    } else {
        host_sys(spec)?
    };
    place(tree, sys.as_fd(), "/sys")
}

fn host_sys(spec: &Spec) -> Result<OwnedFd, Failure> {
    let sys =
        clone_mount(Path::new("/sys")).map_err(Failure::of_mount("show the host's files:"))?;
    if spec.insecure {
        return Ok(sys);
    }
    system::make_read_only(sys.as_fd(), Depth::Tree)
        .map_err(Failure::at("make read-only", "/sys"))?;
    Ok(sys)
}

fn place(tree: &Tree<'_>, mount: BorrowedFd<'_>, path: &str) -> Result<(), Failure> {
    // BuildKit removes only the mount points of its own mounts (executor/stubs.go).
    let kind = if tree.spec.keeps_kernel_directories {
        TargetKind::LastingDirectory
    } else {
        TargetKind::Directory
    };
    let target = tree.target(Path::new(path), kind)?;
    attach(mount, target.as_fd(), "")
}

/// The devices that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

fn mount_dev(tree: &Tree<'_>, spec: &Spec, closed: MountAttrFlags) -> Result<(), Failure> {
    // Not 1777: in a sticky directory the kernel forbids others to open with O_CREAT, and so every `>/dev/null`.
    let options = [("mode", "0755"), ("size", "65536k")];
    let dev = new_filesystem("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID)
        .map_err(Failure::at("mount", "/dev"))?;
    place(tree, dev.as_fd(), "/dev")?;
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        let device = bind(CWD, &path).map_err(Failure::at("clone", &path))?;
        place_device(dev.as_fd(), device.as_fd(), name)?;
    }
    if spec.insecure {
        mount_more_devices(dev.as_fd())?;
    }
    for (name, to) in LINKS {
        rustix::fs::symlinkat(to, &dev, name).map_err(Failure::at("create /dev's link", name))?;
    }
    mount_below(dev.as_fd(), "pts", terminals()?)?;
    if spec.mounts.iter().any(|mount| mount.target == "/dev/shm") {
        // The caller's takes the place of ours.
        rustix::fs::mkdirat(&dev, "shm", Mode::from_raw_mode(0o755))
            .map_err(Failure::at("create the directory", "/dev/shm"))?;
    } else {
        let size = spec.shm_size.to_string();
        let shm = new_filesystem("tmpfs", &[("mode", "1777"), ("size", &size)], closed)
            .map_err(Failure::at("mount", "/dev/shm"))?;
        mount_below(dev.as_fd(), "shm", shm)?;
    }
    match new_filesystem("mqueue", &[], closed) {
        Ok(queues) => mount_below(dev.as_fd(), "mqueue", queues),
        // The kernel was built without message queues.
        Err(Errno::NODEV) => Ok(()),
        Err(error) => Err(Failure::at("mount", "/dev/mqueue")(error)),
    }
}

fn place_device(dev: BorrowedFd<'_>, device: BorrowedFd<'_>, name: &str) -> Result<(), Failure> {
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(dev, name, FileType::RegularFile, mode, 0)
        .map_err(Failure::at("create in /dev", name))?;
    attach(device, dev, name)
}

/// What an unconfined program gets besides (BuildKit: `WithInsecureSpec`, util/entitlements/security), and every loop
/// device; as far as the host has them.
const MORE_DEVICES: [&str; 6] = ["kmsg", "cuse", "fuse", "kvm", "net/tun", "loop-control"];

fn mount_more_devices(dev: BorrowedFd<'_>) -> Result<(), Failure> {
    rustix::fs::mkdirat(dev, "net", Mode::from_raw_mode(0o755))
        .map_err(Failure::at("create the directory", "/dev/net"))?;
    let loops = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            let number = name.strip_prefix("loop");
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        });
    for name in MORE_DEVICES.map(str::to_owned).into_iter().chain(loops) {
        match bind(CWD, &Path::new("/dev").join(&name)) {
            Ok(device) => place_device(dev, device.as_fd(), &name)?,
            Err(_the_host_has_none) => {}
        }
    }
    Ok(())
}

fn terminals() -> Result<OwnedFd, Failure> {
    const TTY_GROUP: &str = "5";
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", TTY_GROUP)];
    match new_filesystem("devpts", &options, attributes) {
        // With a single ID there is no such group.
        Err(Errno::INVAL) => new_filesystem("devpts", &options[..2], attributes),
        result => result,
    }
    .map_err(Failure::at("mount", "/dev/pts"))
}

fn mount_below(dev: BorrowedFd<'_>, name: &str, mount: OwnedFd) -> Result<(), Failure> {
    rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755))
        .map_err(Failure::at("create the directory", name))?;
    attach(mount.as_fd(), dev, name)
}

fn bind(directory: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if path.as_os_str().is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(directory, path, flags)
}

/// What Docker hides from a container.
const HIDDEN: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What Docker lets a container only read.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Hides and protects what tells about, or changes, the host.
pub(super) fn mask(tree: &Tree<'_>) -> Result<(), Failure> {
    // What has been attached can be cloned; before Linux 6.15 what has not been cannot.
    let mut empty: Option<OwnedFd> = None;
    for path in HIDDEN {
        let Some((target, kind)) = tree.existing(path) else {
            continue;
        };
        let cover = match (kind, &empty) {
            (FileType::Directory, Some(empty)) => bind(empty.as_fd(), Path::new("")),
            (FileType::Directory, None) => new_filesystem(
                "tmpfs",
                &[("mode", "0755")],
                MountAttrFlags::MOUNT_ATTR_RDONLY,
            ),
            _ => bind(CWD, Path::new("/dev/null")),
        };
        let cover = cover.map_err(Failure::at("hide", path))?;
        attach(cover.as_fd(), target.as_fd(), "")?;
        if kind == FileType::Directory {
            empty.get_or_insert(cover);
        }
    }
    for path in READ_ONLY {
        let Some((target, _)) = tree.existing(path) else {
            continue;
        };
        let same = bind(target.as_fd(), Path::new("")).map_err(Failure::at("clone", path))?;
        system::make_read_only(same.as_fd(), Depth::Tree)
            .map_err(Failure::at("make read-only", path))?;
        attach(same.as_fd(), target.as_fd(), "")?;
    }
    Ok(())
}
