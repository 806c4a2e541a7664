//! Namespaces, mounts, overlays and child processes: what one Linux host lets us do.
//!
//! ```text
//! main ─ init_if_asked ─ enter ─► Entered ─┬─ mount_overlay ─► OverlayMount
//!                                          └─ Sandbox::spawn ─► Child ─ wait ─► Exit, Trace
//! ```
//!
//! A program calls [`init_if_asked`] first, then [`enter`]s a user namespace in which it is root, and from then on may
//! start threads, mount overlays and run processes in sandboxes.

mod activity;
mod capabilities;
mod cgroup;
mod child;
mod emulator;
mod enter;
mod forker;
mod id_map;
mod init;
mod mount;
mod network;
mod overlay;
mod probe;
mod sandbox;
mod seccomp;
mod signals;
mod spawn;
mod stub;
mod system;
mod terminal;
mod trace;
mod ulimit;
mod user;
mod wire;

pub use crate::activity::Activity;
pub use crate::capabilities::Capabilities;
pub use crate::cgroup::Resources;
pub use crate::child::{Child, ChildPipe, ExecFailure, Exit, Output, Status};
pub use crate::emulator::{Emulator, emulators};
pub use crate::enter::{EnterError, EnterOptions, Entered, IdChoice, IdMapKind, enter};
pub use crate::init::init_if_asked;
pub use crate::mount::{MemoryFile, Mount, MountKind};
pub use crate::network::ChildNetwork;
pub use crate::overlay::{MountError, OverlayMount, mount_overlay};
pub use crate::probe::{HostFact, HostState, probe_host};
pub use crate::sandbox::{
    Input, KernelDirectories, MissingCwd, Network, OutputMode, Rootfs, Sandbox, SandboxError,
    Security, Terminal, Upper,
};
pub use crate::signals::HeldSignals;
pub use crate::terminal::{TerminalSize, Typed};
pub use crate::trace::{
    End, Gap, GapReason, Lookup, SocketAction, SocketAddress, SocketUse, Start, Trace, Tracing,
    Use, Uses,
};
pub use crate::ulimit::{Ulimit, UlimitError, UlimitKind};
pub use crate::user::{ResolvedUser, User, UserError, resolve_user};
pub use rustix::process::Signal;
