//! What is good to have: limits for what commands use, and programs for other processors.

use rustix::fs::StatVfsMountFlags;

use super::{Finding, Subject, limited, ok};
use crate::cgroup::{Cgroup, Controller, Resources, Version, hierarchy};
use crate::emulator::{emulators, has_registry};

/// Whether what commands use can be limited. Tries it.
pub(super) fn control_groups() -> Finding {
    let memory = Resources {
        memory: Some(1 << 40),
        ..Resources::UNLIMITED
    };
    let time = Resources {
        cpu_shares: Some(1024),
        ..Resources::UNLIMITED
    };
    let cpus = Resources {
        cpuset_cpus: Some("0".to_owned()),
        ..Resources::UNLIMITED
    };
    let mut works = Vec::new();
    let mut fails = Vec::new();
    for (name, resources) in [("memory", memory), ("CPU time", time), ("CPUs", cpus)] {
        match Cgroup::create(&resources) {
            Ok(_removed_again) => works.push(name),
            Err(error) => fails.push(error.to_string()),
        }
    }
    let Some(first) = fails.into_iter().next() else {
        return ok(
            Subject::ControlGroups,
            "memory, CPU time and CPUs of commands can be limited",
        );
    };
    let detail = if works.is_empty() {
        format!("{first}; commands run without limits")
    } else {
        format!("{first}; what can be limited: {}", works.join(", "))
    };
    limited(Subject::ControlGroups, detail, advice())
}

fn advice() -> &'static str {
    let hierarchy = hierarchy(Controller::Memory);
    let is_read_only = hierarchy.as_ref().is_ok_and(|hierarchy| {
        let facts = rustix::fs::statvfs(&hierarchy.own);
        facts.is_ok_and(|facts| facts.f_flag.contains(StatVfsMountFlags::RDONLY))
    });
    if is_read_only {
        return "in a container, mount /sys/fs/cgroup writable";
    }
    match hierarchy.map(|hierarchy| hierarchy.version) {
        Ok(Version::One) => {
            "run as root, or let the host use control groups of version 2 (systemd.unified_cgroup_hierarchy=1)"
        }
        Ok(Version::Two) => "start it with `systemd-run --user --scope -p Delegate=yes`",
        Err(_) => "mount /sys/fs/cgroup",
    }
}

/// Whether commands of images for other processors can run.
pub(super) fn other_processors() -> Finding {
    const ADVICE: &str = "install qemu-user-static, or register QEMU with the flag `F` in another way; stages that only copy \
                          need no emulator";
    let found = emulators();
    let names = |is_preloaded: bool| {
        let names = found
            .iter()
            .filter(|emulator| emulator.is_preloaded == is_preloaded)
            .map(|emulator| emulator.architecture.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (ready, needing) = (names(true), names(false));
    match (ready.is_empty(), needing.is_empty()) {
        (false, true) => ok(
            Subject::OtherProcessors,
            format!("commands can run for {ready}"),
        ),
        (false, false) => ok(
            Subject::OtherProcessors,
            format!("commands can run for {ready}; for {needing} if the image has the emulator"),
        ),
        (true, false) => limited(
            Subject::OtherProcessors,
            format!("commands can run for {needing} if the image has the emulator"),
            ADVICE,
        ),
        (true, true) => {
            let why = if has_registry() {
                "no emulator is registered"
            } else {
                "binfmt_misc is not mounted"
            };
            let detail = format!("commands can only run for this processor: {why}");
            limited(Subject::OtherProcessors, detail, ADVICE)
        }
    }
}
