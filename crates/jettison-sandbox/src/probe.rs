//! What this host permits: each thing is tried, in a process of its own, and nothing of the host is changed.
//!
//! The process is this program, started again under the name [`PROBE_NAME`]. It writes the facts as JSON.

mod extras;
mod store;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode};
use rustix::mount::{FsOpenFlags, MountAttrFlags, MoveMountFlags, fsopen, move_mount};
use rustix::process::WaitOptions;
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use crate::enter::{EnterOptions, Entered, IdChoice, IdMapKind, enter};
use crate::overlay::{mount_layers, new_filesystem};
use crate::seccomp::Filter;
use crate::system::{self, Fork};

/// The name under which this program starts itself to find out.
pub(crate) const PROBE_NAME: &str = "jettison-sandbox-probe";

/// Something that sandboxes need, and whether this host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFact {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there.
    pub state: HostState,
    /// What was found, and what it means.
    pub detail: String,
    /// What the user can do about it.
    pub advice: Option<String>,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostState {
    /// It works.
    Ok,
    /// It works in part, or there is a way around it.
    Limited,
    /// It does not work.
    Missing,
}

/// A fact on its way between the two processes.
#[derive(Debug, Serialize, Deserialize)]
struct Finding {
    subject: Subject,
    state: HostState,
    detail: String,
    advice: Option<String>,
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Subject {
    Kernel,
    UserNamespace,
    IdMaps,
    MountApi,
    Overlay,
    Store,
    Seccomp,
    PidNamespace,
    NetworkNamespace,
    Ptrace,
    ControlGroups,
    OtherProcessors,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::Kernel => "kernel",
            Subject::UserNamespace => "user namespace",
            Subject::IdMaps => "ID maps",
            Subject::MountApi => "mount API",
            Subject::Overlay => "overlay",
            Subject::Store => "store",
            Subject::Seccomp => "seccomp",
            Subject::PidNamespace => "PID namespace",
            Subject::NetworkNamespace => "network namespace",
            Subject::Ptrace => "ptrace",
            Subject::ControlGroups => "control groups",
            Subject::OtherProcessors => "other processors",
        }
    }
}

/// Finds out what this host permits, and whether layers can be kept in the directory `store`, which need not be there
/// yet. The program must have called [`crate::init_if_asked`].
pub fn probe_host(store: Option<&Path>) -> Vec<HostFact> {
    let findings = ask(store).unwrap_or_else(|error| {
        let detail = format!("cannot start this program again to find out: {error}");
        vec![missing(
            Subject::UserNamespace,
            detail,
            "check that /proc is mounted",
        )]
    });
    let fact = |finding: Finding| HostFact {
        name: finding.subject.name(),
        state: finding.state,
        detail: finding.detail,
        advice: finding.advice,
    };
    std::iter::once(kernel())
        .chain(findings)
        .map(fact)
        .collect()
}

fn ask(store: Option<&Path>) -> io::Result<Vec<Finding>> {
    let output = Command::new("/proc/self/exe")
        .arg0(PROBE_NAME)
        .args(store)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn ok(subject: Subject, detail: impl Into<String>) -> Finding {
    Finding {
        subject,
        state: HostState::Ok,
        detail: detail.into(),
        advice: None,
    }
}

fn limited(subject: Subject, detail: impl Into<String>, advice: &str) -> Finding {
    Finding {
        subject,
        state: HostState::Limited,
        detail: detail.into(),
        advice: Some(advice.to_owned()),
    }
}

fn missing(subject: Subject, detail: impl Into<String>, advice: &str) -> Finding {
    Finding {
        subject,
        state: HostState::Missing,
        detail: detail.into(),
        advice: Some(advice.to_owned()),
    }
}

fn kernel() -> Finding {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let detail = format!("Linux {release} on {}", name.machine().to_string_lossy());
    if version < (5, 12) {
        missing(Subject::Kernel, detail, "use Linux 5.12 or later")
    } else if version < (6, 7) {
        limited(
            Subject::Kernel,
            detail,
            "use Linux 6.7 or later for images of more than 80 layers",
        )
    } else {
        ok(Subject::Kernel, detail)
    }
}

/// The other process: tries everything and writes the findings.
pub(crate) fn answer() -> io::Result<i32> {
    let findings = match enter(&EnterOptions {
        ids: IdChoice::Best,
    }) {
        Ok(entered) => try_inside(&entered, std::env::args_os().nth(1)),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let detail = format!("{error}{}", cause.unwrap_or_default());
            let advice = error
                .hint()
                .unwrap_or("allow user namespaces, or run as root");
            vec![missing(Subject::UserNamespace, detail, advice)]
        }
    };
    let text = serde_json::to_vec(&findings)?;
    io::stdout().write_all(&text)?;
    Ok(0)
}

fn try_inside(entered: &Entered, store: Option<OsString>) -> Vec<Finding> {
    let mut findings = vec![
        ok(
            Subject::UserNamespace,
            "a process can be root of its own namespace",
        ),
        id_maps(entered),
        mount_api(),
        overlay(),
        seccomp(),
        pid_namespace(),
        network_namespace(),
        ptrace(),
        extras::control_groups(),
        extras::other_processors(),
    ];
    if let Some(store) = store {
        findings.push(store::store(Path::new(&store)));
    }
    findings
}

fn id_maps(entered: &Entered) -> Finding {
    match (entered.ids, entered.limitation()) {
        (IdMapKind::Root, _) => ok(Subject::IdMaps, "running as root: all IDs exist"),
        (IdMapKind::SubordinateIds { count }, _) => {
            ok(Subject::IdMaps, format!("{count} IDs besides your own"))
        }
        (IdMapKind::SingleId, reason) => {
            let reason = reason.unwrap_or("nothing else was asked for");
            // What this forbids, it forbids to all programs with setuid or capabilities.
            let is_bound = rustix::thread::no_new_privs().unwrap_or(false);
            let advice = match (is_helper_without_rights(reason), is_bound) {
                (true, true) => BOUND_ADVICE,
                (true, false) => HELPER_ADVICE,
                (false, _) => IDS_ADVICE,
            };
            limited(
                Subject::IdMaps,
                format!("only your own ID: {reason}"),
                advice,
            )
        }
    }
}

const IDS_ADVICE: &str = "install uidmap (newuidmap, newgidmap) and add a range for your user to /etc/subuid and \
                          /etc/subgid; until then files cannot be given to other users";

const HELPER_ADVICE: &str = "in a container, the helpers need file capabilities in the place of setuid: `chmod u-s \
                             /usr/bin/newuidmap /usr/bin/newgidmap`, then `setcap cap_setuid=ep /usr/bin/newuidmap` \
                             and `setcap cap_setgid=ep /usr/bin/newgidmap`; until then files cannot be given to other \
                             users";

const BOUND_ADVICE: &str = "start it without no_new_privs (`--security-opt no-new-privileges`), under which the helpers \
                            have no rights; until then files cannot be given to other users";

/// Whether newuidmap was there and was not allowed to write the map.
///
/// A setuid helper is no longer the namespace's owner, so that the kernel asks it for `CAP_SYS_ADMIN` where it was
/// started (`map_write` of Linux's `kernel/user_namespace.c`), which containers do not have. One with file
/// capabilities stays the owner.
fn is_helper_without_rights(reason: &str) -> bool {
    reason.contains("write to uid_map failed: Operation not permitted")
        || reason.contains("write to gid_map failed: Operation not permitted")
}

fn mount_api() -> Finding {
    let tried = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).and_then(|context| {
        rustix::mount::fsconfig_set_string(context.as_fd(), "lowerdir+", "/proc/self")
    });
    match tried {
        Ok(()) => ok(Subject::MountApi, "overlays take their layers one by one"),
        Err(rustix::io::Errno::INVAL) => limited(
            Subject::MountApi,
            "overlays take their layers as one short string: about 80 of them",
            "use Linux 6.7 or later",
        ),
        Err(error) => missing(
            Subject::MountApi,
            format!("cannot configure an overlay: {error}"),
            "load the kernel module `overlay`, and use Linux 5.12 or later",
        ),
    }
}

fn overlay() -> Finding {
    const ADVICE: &str = "load the kernel module `overlay`, and use Linux 5.12 or later";
    match try_overlay() {
        Ok(()) => ok(
            Subject::Overlay,
            "directories can be replaced in an overlay of this namespace",
        ),
        Err(reason) => missing(Subject::Overlay, reason, ADVICE),
    }
}

/// Does what dpkg does: renames a new directory to a name that the lower layer has had.
fn try_overlay() -> Result<(), String> {
    let say = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| format!("cannot {what}: {error}")
    };
    let base = new_filesystem("tmpfs", &[], MountAttrFlags::empty())
        .map_err(|error| say("mount a tmpfs")(error.into()))?;
    move_mount(
        base.as_fd(),
        "",
        CWD,
        "/",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(|error| say("attach a tmpfs")(error.into()))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", base.as_raw_fd()));
    for name in ["lower", "lower/old", "lower/old/sub", "upper", "work"] {
        rustix::fs::mkdirat(&base, name, Mode::from_raw_mode(0o755))
            .map_err(|error| say("create a directory")(error.into()))?;
    }
    let overlay = mount_layers(
        &[path.join("lower")],
        Some((&path.join("upper"), &path.join("work"))),
    )
    .map_err(|error| error.to_string())?;
    let root = PathBuf::from(format!("/proc/self/fd/{}", overlay.as_raw_fd()));
    std::fs::remove_dir_all(root.join("old"))
        .map_err(say("remove a directory of the lower layer"))?;
    std::fs::create_dir(root.join("new")).map_err(say("create a directory in an overlay"))?;
    std::fs::rename(root.join("new"), root.join("old"))
        .map_err(say("rename a directory in an overlay"))?;
    if Path::exists(&root.join("old/sub")) {
        return Err("a replaced directory still shows the old one's files".to_owned());
    }
    Ok(())
}

/// Runs `attempt` in a fork, so that what it does to the process is forgotten.
fn in_fork(attempt: impl FnOnce() -> io::Result<()>) -> Result<(), String> {
    match system::fork().map_err(|error| format!("cannot fork: {error}"))? {
        Fork::Child => {
            let code = match attempt() {
                Ok(()) => 0,
                Err(error) => error
                    .raw_os_error()
                    .filter(|errno| (1..255).contains(errno))
                    .unwrap_or(255),
            };
            #[expect(
                clippy::exit,
                reason = "a forked process must not return to its caller"
            )]
            std::process::exit(code)
        }
        Fork::Parent(pid) => {
            let waited = rustix::process::waitpid(Some(pid), WaitOptions::empty())
                .map_err(|error| format!("cannot wait: {error}"))?;
            match waited.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                Some(errno) => Err(io::Error::from_raw_os_error(errno).to_string()),
                None => Err("killed by a signal".to_owned()),
            }
        }
    }
}

fn seccomp() -> Finding {
    let tried = Filter::new()
        .map_err(|error| error.to_string())
        .and_then(|filter| in_fork(|| filter.load()));
    match tried {
        Ok(()) => ok(Subject::Seccomp, "system calls can be filtered"),
        Err(reason) => missing(
            Subject::Seccomp,
            format!("cannot filter system calls: {reason}"),
            "use a kernel with CONFIG_SECCOMP_FILTER",
        ),
    }
}

fn pid_namespace() -> Finding {
    let tried = in_fork(|| {
        let namespaces = UnshareFlags::NEWPID
            | UnshareFlags::NEWNS
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS;
        system::unshare(namespaces)?;
        in_fork(|| Ok(new_filesystem("proc", &[], MountAttrFlags::empty()).map(drop)?))
            .map_err(|_refused| io::Error::from_raw_os_error(libc::EPERM))
    });
    match tried {
        Ok(()) => ok(
            Subject::PidNamespace,
            "processes can be hidden from each other",
        ),
        Err(reason) => limited(
            Subject::PidNamespace,
            format!(
                "cannot mount /proc in a new PID namespace: {reason}; the old one is shown instead"
            ),
            "in a container, unmask /proc, for example with `--security-opt systempaths=unconfined`",
        ),
    }
}

fn network_namespace() -> Finding {
    let tried = in_fork(|| {
        system::unshare(UnshareFlags::NEWNET)?;
        system::bring_up_loopback()
    });
    match tried {
        Ok(()) => ok(
            Subject::NetworkNamespace,
            "processes can be cut off from the network",
        ),
        Err(reason) => missing(
            Subject::NetworkNamespace,
            format!("cannot create a network namespace: {reason}"),
            "see user.max_net_namespaces; until then steps without network cannot run",
        ),
    }
}

fn ptrace() -> Finding {
    match in_fork(system::let_parent_trace) {
        Ok(()) => ok(Subject::Ptrace, "programs can be traced"),
        Err(reason) => missing(
            Subject::Ptrace,
            format!("cannot trace a child process: {reason}"),
            "see kernel.yama.ptrace_scope; in a container, allow ptrace",
        ),
    }
}
