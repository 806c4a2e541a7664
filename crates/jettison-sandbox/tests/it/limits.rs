//! What a sandboxed process may use, and what it may do if it may do everything.

use std::fs;
use std::time::Duration;

use jettison_sandbox::{
    Network, Resources, SandboxError, Security, Signal, Status, Ulimit, UlimitKind, User,
};

use crate::runner::Test;
use crate::world::{Scene, World, run, text};

pub(crate) const TESTS: &[Test] = crate::tests![
    ulimits_are_as_given,
    a_ulimit_that_cannot_be_is_an_error,
    shared_memory_has_the_given_size,
    an_unconfined_root_has_all_capabilities_and_calls,
    an_unconfined_user_keeps_its_capabilities,
    an_unconfined_program_sees_the_kernels_files,
    the_own_group_is_among_the_groups,
    memory_can_be_limited,
    processes_can_be_counted_together,
    groups_are_removed,
    what_cannot_be_limited_is_said,
    wall_time_is_measured,
];

fn ulimits_are_as_given(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -Ss");
    let limit = |kind, soft, hard| Ulimit { kind, soft, hard };
    sandbox.ulimits = vec![
        limit(UlimitKind::Nofile, Some(100), Some(200)),
        limit(UlimitKind::Core, Some(0), Some(0)),
        limit(UlimitKind::Stack, Some(1 << 20), None),
    ];
    let hard = rustix::process::getrlimit(rustix::process::Resource::Stack).maximum;
    if hard.is_some() {
        sandbox.ulimits[2].hard = hard;
    }
    assert_eq!(text(&run(world, &sandbox)), "100\n200\n0\n1024\n");
}

fn a_ulimit_that_cannot_be_is_an_error(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("true");
    sandbox.ulimits = vec![Ulimit {
        kind: UlimitKind::Nofile,
        soft: Some(20),
        hard: Some(10),
    }];
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert_eq!(error.to_string(), "cannot set the limit nofile");
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn shared_memory_has_the_given_size(world: &World) {
    for (size, blocks) in [(None, 16_384), (Some(1 << 20), 256)] {
        let scene = Scene::new();
        let mut sandbox = scene.sandbox("stat -f -c '%b %S' /dev/shm; stat -c %a /dev/shm");
        sandbox.shm_size = size;
        assert_eq!(
            text(&run(world, &sandbox)),
            format!("{blocks} 4096\n1777\n")
        );
    }
}

fn an_unconfined_root_has_all_capabilities_and_calls(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox(
        "grep -E '^(CapEff|CapBnd|CapAmb)' /proc/self/status; /it --inside unshare-nothing; \
         mkdir /m && mount -t tmpfs none /m && umount /m && rmdir /m && echo mounted",
    );
    sandbox.security = Security::Unconfined;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let all = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:\t"))
        .unwrap();
    assert_eq!(
        text(&run(world, &sandbox)),
        format!("CapEff:\t{all}\nCapBnd:\t{all}\nCapAmb:\t{all}\n0\nmounted\n")
    );
}

fn an_unconfined_user_keeps_its_capabilities(world: &World) {
    world.needs_other_ids();
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("id -u; chown 7:7 /tmp && stat -c %u /tmp");
    sandbox.user = User {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
    };
    sandbox.security = Security::Unconfined;
    assert_eq!(text(&run(world, &sandbox)), "1000\n7\n");
}

fn an_unconfined_program_sees_the_kernels_files(world: &World) {
    for network in [Network::None, Network::Host] {
        let scene = Scene::new();
        let mut sandbox =
            scene.sandbox("grep -cE ' /proc/(sys|bus|keys) ' /proc/self/mountinfo; true");
        sandbox.security = Security::Unconfined;
        sandbox.network = network;
        assert_eq!(text(&run(world, &sandbox)), "0\n");
    }
}

fn the_own_group_is_among_the_groups(world: &World) {
    world.needs_other_ids();
    for (groups, expected) in [(vec![], "7"), (vec![50, 3], "3 7 50"), (vec![7, 3], "3 7")] {
        let scene = Scene::new();
        let mut sandbox = scene.sandbox("grep ^Groups: /proc/self/status");
        sandbox.user = User {
            uid: 5,
            gid: 7,
            groups,
        };
        let said = text(&run(world, &sandbox));
        assert_eq!(said.trim(), format!("Groups:\t{expected}"));
    }
}

fn limited(memory: u64) -> Resources {
    Resources {
        memory: Some(memory),
        ..Resources::UNLIMITED
    }
}

/// Runs `script` with limits; `None`, and a word about it, where the host does not allow them.
fn run_limited(
    world: &World,
    script: &str,
    resources: Resources,
) -> Option<jettison_sandbox::Exit> {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox(script);
    sandbox.resources = resources;
    match sandbox.spawn(&world.entered) {
        Ok(child) => Some(child.wait().unwrap()),
        Err(error @ SandboxError::Resource { .. }) => {
            println!("not tried: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn memory_can_be_limited(world: &World) {
    let script = "exec /it --inside eat-memory";
    let Some(exit) = run_limited(world, script, limited(20 << 20)) else {
        return;
    };
    assert_eq!(exit.status, Status::Signal(Signal::KILL.as_raw()));
    assert!(exit.ran_out_of_memory, "{exit:?}");
    let peak = exit.peak_memory.unwrap();
    assert!((10 << 20..=20 << 20).contains(&peak), "{peak}");
}

fn processes_can_be_counted_together(world: &World) {
    // Three at once, of which none has more than 30 MB.
    let script = "for i in 1 2 3; do { head -c 20000000 /dev/zero | tail -c 20000000 >/dev/null; sleep 0.3; } & done; wait";
    let Some(exit) = run_limited(world, script, limited(400 << 20)) else {
        return;
    };
    assert_eq!(exit.status, Status::Code(0));
    assert!(!exit.ran_out_of_memory);
    assert!(exit.peak_memory.unwrap() > 5_000_000, "{exit:?}");
}

fn groups_are_removed(world: &World) {
    let everything = Resources {
        memory: Some(1 << 30),
        cpu_shares: Some(512),
        cpu_period: Some(50_000),
        cpu_quota: Some(25_000),
        cpuset_cpus: Some("0".to_owned()),
        ..Resources::UNLIMITED
    };
    if run_limited(world, "true", everything).is_none() {
        return;
    }
    let own = format!("jettison-{}-", std::process::id());
    let mut directories = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name();
                assert!(!name.to_string_lossy().starts_with(&own), "{entry:?}");
                directories.push(entry.path());
            }
        }
    }
}

fn what_cannot_be_limited_is_said(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("true");
    sandbox.resources = Resources {
        cpuset_cpus: Some("4000".to_owned()),
        ..Resources::UNLIMITED
    };
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot limit the CPUs: "),
        "{error}"
    );
}

fn wall_time_is_measured(world: &World) {
    let exit = run(world, &Scene::new().sandbox("sleep 0.2")).exit;
    assert!(exit.wall_time >= Duration::from_millis(200), "{exit:?}");
    assert!(exit.wall_time < Duration::from_secs(10), "{exit:?}");
}
