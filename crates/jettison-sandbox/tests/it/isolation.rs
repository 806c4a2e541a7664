//! What a sandboxed process is, may do and can see.

use std::fs;

use jettison_sandbox::{
    Capabilities, HostState, Network, SandboxError, Security, Status, Terminal, TerminalSize, User,
    probe_host,
};

use crate::runner::Test;
use crate::world::{Scene, World, run, say, text};

pub(crate) const TESTS: &[Test] = crate::tests![
    the_program_is_process_one,
    capabilities_are_those_of_docker,
    capabilities_are_those_that_were_chosen,
    a_terminal_of_its_own_is_the_programs,
    an_ordinary_user_has_no_capabilities,
    user_and_groups_are_as_given,
    setuid_programs_work,
    dangerous_system_calls_are_refused,
    no_network_is_only_the_loopback_interface,
    the_host_network_is_the_hosts,
    devices_are_usable_by_everybody,
    the_kernels_files_are_masked,
    no_descriptors_leak_in,
    signals_are_not_ignored,
    the_host_name_is_as_given,
    everything_of_the_host_that_was_tried_works,
];

fn the_program_is_process_one(world: &World) {
    // The shell itself looks, so that no process of a pipeline comes and goes meanwhile.
    assert_eq!(
        say(world, "echo $$; set -- /proc/[0-9]*; echo $#"),
        "1\n1\n"
    );
}

fn capabilities_are_those_of_docker(world: &World) {
    assert_eq!(
        say(world, "grep ^Cap /proc/self/status"),
        "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n\
         CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n"
    );
}

fn capabilities_are_those_that_were_chosen(world: &World) {
    let named = |name: &str| Capabilities::named(name).unwrap();
    let cases = [
        (Capabilities::NONE, "0000000000000000"),
        (named("net_admin"), "0000000000001000"),
        (
            Capabilities::docker().without(named("CHOWN")),
            "00000000a80425fa",
        ),
    ];
    for (capabilities, expected) in cases {
        let scene = Scene::new();
        let mut sandbox = scene.sandbox("grep -E '^Cap(Eff|Bnd)' /proc/self/status");
        sandbox.security = Security::Capabilities(capabilities);
        assert_eq!(
            text(&run(world, &sandbox)),
            format!("CapEff:\t{expected}\nCapBnd:\t{expected}\n")
        );
    }
}

fn a_terminal_of_its_own_is_the_programs(world: &World) {
    let scene = Scene::new();
    let script = "tty >/out; stty size >>/out; : </dev/tty && echo controls >>/out; stat -c %u /dev/pts/0 >>/out";
    let mut sandbox = scene.sandbox(script);
    sandbox.terminal = Terminal::Own(TerminalSize {
        rows: 33,
        columns: 99,
    });
    let exit = sandbox.spawn(&world.entered).unwrap().wait().unwrap();
    assert_eq!(exit.status, Status::Code(0));
    let written = fs::read_to_string(scene.path("upper/out")).unwrap();
    assert_eq!(written, "/dev/pts/0\n33 99\ncontrols\n0\n");
}

fn as_app(scene: &Scene, script: &str) -> jettison_sandbox::Sandbox {
    let mut sandbox = scene.sandbox(script);
    sandbox.user = User {
        uid: 1000,
        gid: 1001,
        groups: vec![44, 1001],
    };
    sandbox
}

fn an_ordinary_user_has_no_capabilities(world: &World) {
    world.needs_other_ids();
    let scene = Scene::new();
    let output = run(
        world,
        &as_app(&scene, "grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status"),
    );
    let none = "0000000000000000";
    assert_eq!(
        text(&output),
        format!("CapPrm:\t{none}\nCapEff:\t{none}\nCapAmb:\t{none}\n")
    );
}

fn user_and_groups_are_as_given(world: &World) {
    let scene = Scene::new();
    let sandbox = as_app(&scene, "id -u; id -g; id -G");
    if world.has_other_ids() {
        assert_eq!(text(&run(world, &sandbox)), "1000\n1001\n1001 44\n");
    } else {
        let error = sandbox.spawn(&world.entered).unwrap_err();
        assert_eq!(error.to_string(), "cannot set the group ID");
    }
}

fn setuid_programs_work(world: &World) {
    world.needs_other_ids();
    let scene = Scene::new();
    text(&run(
        world,
        &scene.sandbox("cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id"),
    ));
    assert_eq!(text(&run(world, &as_app(&scene, "/tmp/id -u"))), "0\n");
}

fn dangerous_system_calls_are_refused(world: &World) {
    let check = |what: &str, errno: i32| {
        let answer = say(world, &format!("/it --inside {what}"));
        assert_eq!(answer.trim(), errno.to_string(), "{what}");
    };
    check("keyctl", libc::EPERM);
    check("clone3", libc::ENOSYS);
    check("clone-newuser", libc::EPERM);
    check("unshare-nothing", libc::EPERM);
    check("personality-odd", libc::EPERM);
    check("personality-32bit", 0);
    check("get-mempolicy", libc::EPERM);
    check("alg-socket", libc::EPERM);
    check("vsock-socket", libc::EPERM);
    check("far-socket", libc::EPERM);
    check("unix-socket", 0);
    check("getpid", 0);
}

fn no_network_is_only_the_loopback_interface(world: &World) {
    assert_eq!(
        say(world, "ls /sys/class/net; cat /sys/class/net/lo/flags"),
        "lo\n0x9\n"
    );
}

fn the_host_network_is_the_hosts(world: &World) {
    let scene = Scene::new();
    let mut sandbox =
        scene.sandbox("readlink /proc/self/ns/net; touch /sys/x 2>/dev/null || echo no");
    sandbox.network = Network::Host;
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(
        text(&run(world, &sandbox)),
        format!("{}\nno\n", ours.display())
    );
}

fn devices_are_usable_by_everybody(world: &World) {
    let scene = Scene::new();
    let script = "echo x >/dev/null && echo y >/dev/stdout && head -c 2 /dev/zero | wc -c && test -c /dev/urandom && \
                  test -e /dev/ptmx && touch /dev/shm/f && echo fine";
    let sandbox = if world.has_other_ids() {
        as_app(&scene, script)
    } else {
        scene.sandbox(script)
    };
    assert_eq!(text(&run(world, &sandbox)), "y\n2\nfine\n");
}

fn the_kernels_files_are_masked(world: &World) {
    let script = "for f in /proc/kcore /proc/keys /proc/timer_list; do test ! -e $f || cat $f; done; ls -A /sys/firmware; \
                  { echo 1 >/proc/sys/kernel/printk || echo protected; } 2>/dev/null; \
                  { echo h >/proc/sysrq-trigger || echo protected; } 2>/dev/null";
    let answer = say(world, script);
    assert!(
        answer.ends_with("protected\n") && answer.lines().all(|line| line == "protected"),
        "{answer}"
    );
}

fn no_descriptors_leak_in(world: &World) {
    assert_eq!(say(world, "ls /proc/self/fd"), "0\n1\n2\n3\n");
}

fn signals_are_not_ignored(world: &World) {
    let sets = say(world, "grep -E '^Sig(Ign|Blk)' /proc/self/status");
    for line in sets.lines() {
        let (_, set) = line.split_once('\t').unwrap();
        // The C library keeps the numbers 32 and 33 to itself.
        let named = u64::from_str_radix(set, 16).unwrap() & 0x7fff_ffff;
        assert_eq!(named, 0, "{sets}");
    }
    assert_eq!(sets.lines().count(), 2);
}

fn the_host_name_is_as_given(world: &World) {
    assert_eq!(say(world, "hostname"), "scene\n");
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("true");
    sandbox.hostname = "x".repeat(65);
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert!(matches!(error, SandboxError::Invalid { .. }));
}

fn everything_of_the_host_that_was_tried_works(_world: &World) {
    let store = Scene::new();
    let facts = probe_host(Some(&store.path("upper/not/yet")));
    let names: Vec<_> = facts.iter().map(|fact| fact.name).collect();
    assert_eq!(
        names,
        [
            "kernel",
            "user namespace",
            "ID maps",
            "mount API",
            "overlay",
            "seccomp",
            "PID namespace",
            "network namespace",
            "ptrace",
            "control groups",
            "other processors",
            "store",
        ]
    );
    // The tests run, so what they need is there.
    for fact in facts
        .iter()
        .filter(|fact| ["user namespace", "overlay", "seccomp", "store"].contains(&fact.name))
    {
        assert_eq!(fact.state, HostState::Ok, "{fact:?}");
    }
    for fact in facts {
        assert_eq!(
            fact.state == HostState::Ok,
            fact.advice.is_none(),
            "{fact:?}"
        );
    }
}
