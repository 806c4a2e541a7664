//! Who the program runs as, and what it may do.
//!
//! The order matters. Loading a filter without `no_new_privs`, which would break setuid programs, needs
//! `CAP_SYS_ADMIN`; shrinking the bounding set needs `CAP_SETPCAP`; and both are gone when the IDs change.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::Failure;
use crate::seccomp::Filters;
use crate::system::notify;
use crate::trace;
use crate::wire::{self, Spec};

/// Becomes the user of `spec`, with the capabilities and the system call filter of a container; or with all that there
/// is.
///
/// From here on calls that take paths wait for `tracer`, so nothing in this process may make one until it is the program.
pub(super) fn assume(
    spec: &Spec,
    filters: &Filters,
    tracer: Option<BorrowedFd<'_>>,
) -> Result<(), Failure> {
    set_groups(spec)?;
    let allowed = CapabilitySet::from_bits_retain(spec.capabilities);
    let gid = Gid::from_raw(spec.gid);
    set_thread_res_gid(gid, gid, gid).map_err(Failure::of("set the group ID"))?;
    clear_ambient_capability_set().map_err(Failure::of("clear the ambient capabilities"))?;
    let filter = if spec.insecure {
        set_keep_capabilities(true).map_err(Failure::of("keep the capabilities"))?;
        &filters.unconfined
    } else {
        shrink_bounding_set(allowed)?;
        // Docker's profile lets those who may administer the system mount and make namespaces, too.
        if allowed.contains(CapabilitySet::SYS_ADMIN) {
            &filters.unconfined
        } else {
            &filters.confined
        }
    };
    filter
        .load()
        .map_err(Failure::of("load the system call filter"))?;
    if let Some(tracer) = tracer {
        let listener = notify::load_listening_filter(&trace::filter_program())
            .map_err(Failure::of("load the tracer's filter"))?;
        wire::send(tracer, b"l", &[listener.as_fd()]).map_err(Failure::of("reach the tracer"))?;
    }
    let uid = Uid::from_raw(spec.uid);
    set_thread_res_uid(uid, uid, uid).map_err(Failure::of("set the user ID"))?;
    if spec.insecure {
        return keep_all_capabilities();
    }
    let kept = if uid.is_root() {
        // What the caller itself may not do cannot be given.
        let own = capabilities(None).map_err(Failure::of("read the capabilities"))?;
        allowed.intersection(own.permitted)
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

/// Gives the program everything that is permitted, whoever its user is (BuildKit: `WithInsecureSpec`,
/// util/entitlements/security).
fn keep_all_capabilities() -> Result<(), Failure> {
    let all = capabilities(None)
        .map_err(Failure::of("read the capabilities"))?
        .permitted;
    let sets = CapabilitySets {
        effective: all,
        permitted: all,
        inheritable: all,
    };
    set_capabilities(None, sets).map_err(Failure::of("keep the capabilities"))?;
    for capability in all.iter() {
        configure_capability_in_ambient_set(capability, true)
            .map_err(Failure::of("keep a capability"))?;
    }
    Ok(())
}

/// With a single ID the kernel forbids to change the supplementary groups, and none but the first could be named.
fn set_groups(spec: &Spec) -> Result<(), Failure> {
    let setgroups = fs::read_to_string("/proc/self/setgroups");
    if setgroups.is_ok_and(|text| text.trim() == "deny") {
        return Ok(());
    }
    // The group itself is among them (BuildKit: `ensureAdditionalGids`, executor/oci/user.go).
    let own = (!spec.groups.contains(&spec.gid)).then_some(&spec.gid);
    let groups: Vec<Gid> = own
        .into_iter()
        .chain(&spec.groups)
        .map(|gid| Gid::from_raw(*gid))
        .collect();
    set_thread_groups(&groups).map_err(Failure::of("set the supplementary groups"))
}

/// Gives up for good all capabilities but those that are allowed.
fn shrink_bounding_set(allowed: CapabilitySet) -> Result<(), Failure> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !allowed.contains(capability) => {
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
