//! Who the program runs as, and what it may do.
//!
//! The order matters. Loading a filter without `no_new_privs`, which would break setuid programs, needs
//! `CAP_SYS_ADMIN`; shrinking the bounding set needs `CAP_SETPCAP`; and both are gone when the IDs change.

use std::fs;

use rustix::fs::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::Failure;
use crate::id_map::{Kind, identity};
use crate::seccomp::Filter;
use crate::wire::Spec;

/// What Docker lets a container's root do.
const CAPABILITIES: CapabilitySet = CapabilitySet::AUDIT_WRITE
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_CHROOT);

/// Becomes the user of `spec`, with the capabilities and the system call filter of a container.
pub(super) fn assume(spec: &Spec) -> Result<(), Failure> {
    set_groups(spec)?;
    let gid = Gid::from_raw(spec.gid);
    set_thread_res_gid(gid, gid, gid).map_err(Failure::of("set the group ID"))?;
    clear_ambient_capability_set().map_err(Failure::of("clear the ambient capabilities"))?;
    shrink_bounding_set()?;
    let filter = filter()
        .map_err(std::io::Error::other)
        .map_err(Failure::of("compile the system call filter"))?;
    filter
        .load()
        .map_err(Failure::of("load the system call filter"))?;
    let uid = Uid::from_raw(spec.uid);
    set_thread_res_uid(uid, uid, uid).map_err(Failure::of("set the user ID"))?;
    let kept = if uid.is_root() {
        CAPABILITIES
    } else {
        CapabilitySet::empty()
    };
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(Failure::of("drop capabilities"))
}

fn filter() -> Result<Filter, seccompiler::Error> {
    let mut filter = Filter::new()?;
    let ids = identity(Kind::User).unwrap_or_default();
    if ids
        .iter()
        .map(|extent| u64::from(extent.count))
        .sum::<u64>()
        == 1
    {
        filter.ignore_other_owners()?;
    }
    Ok(filter)
}

/// With a single ID the kernel forbids to change the supplementary groups, and none but the first could be named.
fn set_groups(spec: &Spec) -> Result<(), Failure> {
    let setgroups = fs::read_to_string("/proc/self/setgroups");
    if setgroups.is_ok_and(|text| text.trim() == "deny") {
        return Ok(());
    }
    let groups: Vec<Gid> = spec.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&groups).map_err(Failure::of("set the supplementary groups"))
}

fn shrink_bounding_set() -> Result<(), Failure> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !CAPABILITIES.contains(capability) => {
                remove_capability_from_bounding_set(capability)
                    .map_err(Failure::of("drop a capability"))?;
            }
            Ok(_) => {}
            // The kernel does not know any more of them.
            Err(_) => break,
        }
    }
    Ok(())
}
