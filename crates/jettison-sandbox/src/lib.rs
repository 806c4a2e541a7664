//! Namespaces, mounts, overlays and child processes: what one Linux host lets us do.
//!
//! ```text
//! main ─ init_if_asked ─ enter ─► Entered ─┬─ mount_overlay ─► OverlayMount
//!                                          └─ Sandbox::spawn ─► Child ─ wait ─► Exit
//! ```
//!
//! A program calls [`init_if_asked`] first, then [`enter`]s a user namespace in which it is root, and from then on may
//! start threads, mount overlays and run processes in sandboxes.

mod child;
mod enter;
mod id_map;
mod init;
mod overlay;
mod probe;
mod sandbox;
mod seccomp;
mod stub;
mod system;
mod user;
mod wire;

pub use crate::child::{Child, ChildPipe, ExecFailure, Exit, Output, Status};
pub use crate::enter::{EnterError, EnterOptions, Entered, IdChoice, IdMapKind, enter};
pub use crate::init::init_if_asked;
pub use crate::overlay::{MountError, OverlayMount, mount_overlay};
pub use crate::probe::{HostFact, HostState, probe_host};
pub use crate::sandbox::{
    Input, Mount, MountKind, Network, OutputMode, Rootfs, Sandbox, SandboxError, Terminal, Upper,
};
pub use crate::user::{ResolvedUser, User, UserError, resolve_user};
pub use rustix::process::Signal;
