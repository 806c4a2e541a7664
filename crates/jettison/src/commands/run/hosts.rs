//! `/etc/hosts` and `/etc/hostname` of a program.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use jettison_build::RunHost;
use jettison_sandbox::{MemoryFile, Mount, MountKind, Sandbox};

use crate::cli::{ExtraHosts, ProcessArgs};
use crate::failure::Failure;

/// Adds the names of the command line to those of the host.
pub(super) fn mount(
    sandbox: &mut Sandbox,
    args: &ProcessArgs,
    host: &RunHost,
) -> Result<(), Failure> {
    let hostname = sandbox.hostname.clone();
    sandbox
        .mounts
        .push(file("/etc/hostname", format!("{hostname}\n")));
    if args.add_hosts.is_empty() && args.hostname.is_none() {
        return Ok(());
    }
    let mut text = fs::read_to_string(&host.hosts).map_err(|error| {
        Failure::user(format!("cannot read {}", host.hosts.display())).because(&error)
    })?;
    if !text.ends_with('\n') && !text.is_empty() {
        text.push('\n');
    }
    if args.hostname.is_some() {
        // Writing to a string cannot fail.
        writeln!(text, "127.0.0.1\t{hostname}").unwrap_or_default();
    }
    let extra = args.add_hosts.iter().flat_map(|ExtraHosts(pairs)| pairs);
    for (name, address) in extra {
        writeln!(text, "{address}\t{name}").unwrap_or_default();
    }
    sandbox
        .mounts
        .retain(|mount| mount.target != Path::new("/etc/hosts"));
    sandbox.mounts.push(file("/etc/hosts", text));
    Ok(())
}

fn file(target: &str, text: String) -> Mount {
    Mount {
        target: PathBuf::from(target),
        kind: MountKind::File(MemoryFile {
            content: text.into_bytes(),
            mode: 0o644,
            uid: 0,
            gid: 0,
        }),
    }
}
