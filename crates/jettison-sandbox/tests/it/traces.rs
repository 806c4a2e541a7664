//! What programs are seen to look up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use jettison_sandbox::{
    End, Exit, GapReason, Lookup, Sandbox, Security, SocketAction, SocketAddress, Status, Trace,
    Tracing, Use, User, Uses,
};

use crate::runner::Test;
use crate::world::{Scene, World, run};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_program_that_only_starts_is_traced,
    links_are_followed_and_named,
    what_is_changed_is_seen_before_it_is,
    listed_are_the_directories_whose_names_are_read,
    interpreters_are_named,
    a_changed_root_is_the_start_of_its_paths,
    a_removed_directory_has_only_a_way_up,
    descriptors_in_proc_lead_to_their_files,
    names_need_not_be_text,
    a_path_that_is_too_long_is_a_gap,
    every_lookup_of_every_thread_is_seen,
    signals_lose_no_lookup,
    descriptors_are_linked_and_executed,
    processes_that_are_killed_hang_nothing,
    sockets_are_seen,
    other_calls_are_gaps,
    a_debugger_inside_still_works,
    setuid_programs_are_seen,
    a_program_that_is_stopped_has_a_trace,
    a_user_without_rights_is_traced,
    it_agrees_with_strace,
];

/// Runs `sandbox` traced.
#[track_caller]
fn traced(world: &World, sandbox: &Sandbox) -> (Exit, Trace) {
    let mut sandbox = sandbox.clone();
    sandbox.tracing = Tracing::Lookups;
    let mut output = run(world, &sandbox);
    let trace = output.exit.trace.take().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "");
    (output.exit, trace)
}

/// The lookups of `script` outside of mounts, one per line: what was asked, where it led, what was done with it.
#[track_caller]
fn lookups(world: &World, scene: &Scene, script: &str) -> String {
    let (exit, trace) = traced(world, &scene.sandbox(script));
    assert_eq!(exit.status, Status::Code(0));
    assert_eq!(trace.gaps().collect::<Vec<_>>(), Vec::new() as Vec<&_>);
    let shown = trace.lookups().iter().filter(|lookup| {
        let path = lookup.end.path();
        path.is_none_or(|path| trace.mount_of(path).is_none())
    });
    shown.map(line).collect()
}

fn line(lookup: &Lookup) -> String {
    let verbs: Vec<&str> = lookup.uses.iter().map(Use::verb).collect();
    let end = match &lookup.end {
        End::Found(path) if *path == lookup.asked => "found".to_owned(),
        End::Found(path) => format!("found {}", path.display()),
        End::Missing(path) => format!("missing {}", path.display()),
        End::NotDirectory(path) => format!("not a directory {}", path.display()),
        End::Denied(path) => format!("denied {}", path.display()),
        End::Loop => "loop".to_owned(),
        End::Gone => "gone".to_owned(),
    };
    let links: Vec<String> = lookup
        .links
        .iter()
        .map(|link| format!(" via {}", link.display()))
        .collect();
    format!(
        "{}: {end}{}: {}\n",
        lookup.asked.display(),
        links.concat(),
        verbs.join(" ")
    )
}

fn a_program_that_only_starts_is_traced(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("");
    sandbox.argv = vec!["/bin/true".to_owned()];
    let (exit, trace) = traced(world, &sandbox);
    assert_eq!(exit.status, Status::Code(0));
    assert!(
        trace.is_complete(),
        "{:?}",
        trace.gaps().collect::<Vec<_>>()
    );
    let start = trace.starts().next().unwrap();
    let name = start.program.file_name().unwrap();
    assert!(name == "true" || name == "coreutils", "{start:?}");
    assert_eq!(start.by, None);
    assert!(!start.interpreters.is_empty());
    let executed: Uses = Uses::of(Use::Execute);
    assert!(trace.lookups().iter().any(|lookup| lookup.uses == executed
        && lookup.asked == Path::new("/bin/true")
        && lookup.program.is_none()));
    let libc = trace
        .lookups()
        .iter()
        .find(|lookup| lookup.asked.ends_with("libc.so.6") && matches!(lookup.end, End::Found(_)));
    assert_eq!(libc.unwrap().uses, Uses::of(Use::Load));
    assert!(trace.mounts().contains(&"/proc".into()));
}

fn links_are_followed_and_named(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/old/file"), "text").unwrap();
    symlink("/old", scene.path("lower/new")).unwrap();
    symlink("../new/file", scene.path("lower/old/link")).unwrap();
    let script = "read a < /new/link; read b < old/sub/../file; test ! -e /old/file/x";
    let expected = "\
/: found: enter
/etc/ld.so.cache: missing /etc/ld.so.cache: load
/etc/ld.so.preload: missing /etc/ld.so.preload: access
/new/link: found /old/file via /new via /old/link via /new: read
/old: found: pass
/old/file/x: not a directory /old/file: stat
/old/sub: found: pass
/old/sub/../file: found /old/file: read
";
    assert_eq!(lookups(world, &scene, script), expected);
}

/// The lines of [`lookups`] that are about `part`.
#[track_caller]
fn check(world: &World, scene: &Scene, script: &str, part: &str, expected: &str) {
    let all = lookups(world, scene, script);
    let lines = all.lines().filter(|line| line.contains(part));
    let seen: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert_eq!(seen, expected, "{all}");
}

fn what_is_changed_is_seen_before_it_is(world: &World) {
    let script = "mkdir /tmp/d; echo x > /tmp/d/f; echo y >> /tmp/d/f; mv /tmp/d/f /tmp/d/g; ln -s g /tmp/d/l; \
        chmod 700 /tmp/d/l; rm /tmp/d/l; cat < /tmp/d/g > /dev/null; rm /tmp/d/g; rmdir /tmp/d";
    let scene = Scene::new();
    let all = lookups(world, &scene, script);
    for line in [
        "/tmp/d: missing /tmp/d: mkdir\n",
        "/tmp/d/f: missing /tmp/d/f: overwrite create\n",
    ] {
        assert!(all.contains(line), "{line}{all}");
    }
    let uses = |path: &str, verb: &str| {
        let mut lines = all.lines();
        lines.any(|line| line.starts_with(&format!("{path}: ")) && line.contains(verb))
    };
    for (path, verb) in [
        ("/tmp/d/f", " write"),
        ("/tmp/d/f", " move"),
        ("/tmp/d/g", " replace"),
        ("/tmp/d/l", " create"),
        ("/tmp/d/l", " remove"),
        ("/tmp/d/l", "/tmp/d/g via /tmp/d/l: stat change"),
        ("/tmp/d/g", " read"),
        ("/tmp/d", " rmdir"),
    ] {
        assert!(uses(path, verb), "{path}: {verb}\n{all}");
    }
}

fn listed_are_the_directories_whose_names_are_read(world: &World) {
    let script = "cd /old; ls -a . > /dev/null; : < sub";
    let scene = Scene::new();
    let all = lookups(world, &scene, script);
    assert!(
        all.contains("\n/old: found: enter stat list read\n"),
        "{all}"
    );
    assert!(all.contains("\n/old/sub: found: read\n"), "{all}");
}

fn interpreters_are_named(world: &World) {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    for (name, text) in [
        ("outer", "#! ../old/inner -x\n"),
        ("inner", "#!/bin/sh\nexit 0\n"),
    ] {
        let path = scene.path("lower/old").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (_, trace) = traced(world, &scene.sandbox("cd /tmp; /old/outer"));
    let start = trace
        .starts()
        .find(|start| start.program == Path::new("/old/outer"));
    let start = start.unwrap();
    assert_eq!(start.user, Some(0));
    assert!(start.by.is_some());
    assert_eq!(start.interpreters[0], Path::new("/old/inner"));
    // The shell, and the dynamic linker.
    assert_eq!(start.interpreters.len(), 3, "{start:?}");
    let inner = trace
        .lookups()
        .iter()
        .find(|lookup| lookup.asked == Path::new("/tmp/../old/inner"));
    assert!(inner.unwrap().uses.contains(Use::Interpret));
}

fn a_changed_root_is_the_start_of_its_paths(world: &World) {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("lower/jail")).unwrap();
    fs::write(scene.path("lower/jail/file"), "text").unwrap();
    symlink("/../file", scene.path("lower/jail/link")).unwrap();
    let expected = "\
/jail: found: pass enter
/jail/../link: found /jail/file via /jail/link: read
/jail/old/sub: missing /jail/old: stat
";
    check(world, &scene, "/it --inside change-root", "/jail", expected);
}

fn a_removed_directory_has_only_a_way_up(world: &World) {
    let script = "mkdir /tmp/d; cd /tmp/d; rmdir /tmp/d; test -e x; test -e ../y; \
        mkdir '/tmp/e (deleted)'; cd '/tmp/e (deleted)'; test ! -e z";
    let expected = "\
/tmp/d/../y: missing /tmp/y: stat
/tmp/d/x: gone: stat
/tmp/e (deleted): missing /tmp/e (deleted): mkdir
/tmp/e (deleted)/z: missing /tmp/e (deleted)/z: stat
";
    let all = lookups(world, &Scene::new(), script);
    for line in expected.lines() {
        assert!(all.contains(line), "{line}\n{all}");
    }
}

fn descriptors_in_proc_lead_to_their_files(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/old/file"), "text").unwrap();
    let script = "exec 5< /old/file; cat /proc/self/fd/5 /dev/fd/5 > /dev/null; \
        exec 6< /old; test -e /proc/self/fd/6/file; test -e /proc/thread-self/root/old/file; \
        echo x | cat /dev/stdin > /dev/null";
    let all = lookups(world, &scene, script);
    for asked in [
        "/proc/self/fd/5: found /old/file via /proc/self: read",
        "/dev/fd/5: found /old/file via /dev/fd via /proc/self: read",
        "/proc/self/fd/6/file: found /old/file via /proc/self: stat",
        "/proc/thread-self/root/old/file: found /old/file via /proc/thread-self: stat",
    ] {
        assert!(all.contains(asked), "{asked}\n{all}");
    }
}

fn names_need_not_be_text(world: &World) {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (_, trace) = traced(
        world,
        &Scene::new().sandbox("test -e \"$(printf '/tmp/a\\377 b')\"; :"),
    );
    let name = OsStr::from_bytes(b"/tmp/a\xff b");
    assert!(trace.lookups().iter().any(|lookup| lookup.asked == name));
}

fn a_path_that_is_too_long_is_a_gap(world: &World) {
    let scene = Scene::new();
    let (exit, trace) = traced(world, &scene.sandbox("cd /tmp; /it --inside deep"));
    assert_eq!(exit.status, Status::Code(0));
    let gaps: Vec<_> = trace.gaps().map(|gap| gap.reason).collect();
    assert_eq!(gaps, [GapReason::Unresolved]);
    // One that is too long by itself exists nowhere.
    let script = "long=$(printf '%5000s' | tr ' ' x); test -e /$long; name=$(printf '%300s' | tr ' ' x); test -e /$name/a; :";
    let all = lookups(world, &Scene::new(), script);
    assert!(all.contains("xxx: stat"), "{all}");
}

fn every_lookup_of_every_thread_is_seen(world: &World) {
    let (_, trace) = traced(
        world,
        &Scene::new().sandbox("/it --inside lookup-in-threads"),
    );
    assert!(trace.is_complete());
    let count = |thread: usize| {
        let directory = format!("/tmp/{thread}");
        let lookups = trace.lookups().iter();
        lookups
            .filter(|lookup| lookup.asked.starts_with(&directory))
            .count()
    };
    assert_eq!((0..8).map(count).collect::<Vec<_>>(), [200; 8]);
    let end = End::Missing("/tmp/3".into());
    assert!(trace.lookups().iter().any(|lookup| lookup.end == end));
}

fn signals_lose_no_lookup(world: &World) {
    let (exit, trace) = traced(
        world,
        &Scene::new().sandbox("/it --inside lookup-with-signals"),
    );
    assert_eq!(exit.status, Status::Code(0));
    let lookups = trace.lookups().iter();
    assert_eq!(
        lookups
            .filter(|lookup| lookup.asked.starts_with("/tmp/"))
            .count(),
        500
    );
}

fn sockets_are_seen(world: &World) {
    let (_, trace) = traced(world, &Scene::new().sandbox("/it --inside listen"));
    let local = SocketAddress::Ip("127.0.0.1:4711".parse().unwrap());
    let socket = SocketAddress::Unix("/tmp/socket".into());
    let seen: Vec<_> = trace
        .sockets()
        .map(|socket| (socket.action, &socket.address))
        .collect();
    assert_eq!(
        seen,
        [
            (SocketAction::Bind, &local),
            (SocketAction::Bind, &socket),
            (SocketAction::Listen, &local),
            (SocketAction::Listen, &socket),
        ]
    );
    let bound = trace
        .lookups()
        .iter()
        .find(|lookup| lookup.asked == Path::new("/tmp/socket"));
    assert_eq!(bound.unwrap().uses, Uses::of(Use::Bind));
}

fn other_calls_are_gaps(world: &World) {
    let cases: [(&str, Security, &[GapReason]); 9] = [
        ("/it --inside rings", Security::Confined, &[]),
        (
            "/it --inside rings",
            Security::Unconfined,
            &[GapReason::Rings],
        ),
        ("/it --inside deny-by-filter", Security::Confined, &[]),
        (
            "/it --inside trace-by-filter",
            Security::Confined,
            &[GapReason::Filters],
        ),
        (
            "/it --inside listen-by-filter",
            Security::Confined,
            &[GapReason::Filters],
        ),
        (
            "mount -t tmpfs none /tmp 2> /dev/null; :",
            Security::Confined,
            &[],
        ),
        (
            "mount -t tmpfs none /tmp",
            Security::Unconfined,
            &[GapReason::Mounts],
        ),
        #[cfg(target_arch = "x86_64")]
        (
            "/it --inside foreign-call",
            Security::Confined,
            &[GapReason::ForeignCalls],
        ),
        #[cfg(not(target_arch = "x86_64"))]
        (":", Security::Confined, &[]),
        (":", Security::Unconfined, &[]),
    ];
    for (script, security, expected) in cases {
        if script.ends_with("foreign-call") && !world.has_other_ids() {
            // The filter that ignores other owners kills 32-bit programs.
            continue;
        }
        let scene = Scene::new();
        let mut sandbox = scene.sandbox(script);
        sandbox.security = security;
        let (exit, trace) = traced(world, &sandbox);
        assert_eq!(exit.status, Status::Code(0), "{script}");
        let gaps: Vec<_> = trace.gaps().map(|gap| gap.reason).collect();
        assert_eq!(gaps, expected, "{script}");
    }
}

fn has_strace() -> bool {
    let has = Path::new("/usr/bin/strace").exists();
    if !has {
        println!("not tried: there is no strace");
    }
    has
}

fn a_debugger_inside_still_works(world: &World) {
    if !has_strace() {
        return;
    }
    let scene = Scene::new();
    let script =
        "strace -f -o /tmp/log /bin/sh -c 'test -e /tmp/x; /bin/true'; grep -q /tmp/x /tmp/log";
    let all = lookups(world, &scene, script);
    assert!(all.contains("/tmp/x: missing /tmp/x: stat"), "{all}");
}

fn setuid_programs_are_seen(world: &World) {
    if !Path::new("/usr/bin/su").exists() {
        println!("not tried: there is no su");
        return;
    }
    world.needs_other_ids();
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("su --version > /dev/null");
    sandbox.user = User {
        uid: 1000,
        gid: 1000,
        ..User::default()
    };
    let (_, trace) = traced(world, &sandbox);
    assert!(trace.is_complete());
    let su = Some(Path::new("/usr/bin/su"));
    let of_su = trace
        .lookups()
        .iter()
        .filter(|lookup| lookup.program.as_deref() == su);
    assert!(of_su.count() > 0);
}

fn a_program_that_is_stopped_has_a_trace(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("test -e /tmp/first; sleep 60");
    sandbox.time_limit = Some(std::time::Duration::from_secs(1));
    let (exit, trace) = traced(world, &sandbox);
    assert_eq!(exit.status, Status::TimedOut);
    let first = Path::new("/tmp/first");
    assert!(trace.lookups().iter().any(|lookup| lookup.asked == first));
}

fn a_user_without_rights_is_traced(world: &World) {
    use std::os::unix::fs::PermissionsExt;
    world.needs_other_ids();
    let scene = Scene::new();
    let closed = scene.path("lower/closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("file"), "").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut sandbox = scene.sandbox("test ! -e /closed/file");
    sandbox.user = User {
        uid: 1000,
        gid: 1000,
        ..User::default()
    };
    let (exit, trace) = traced(world, &sandbox);
    assert_eq!(exit.status, Status::Code(0));
    assert!(trace.is_complete());
    let file = Path::new("/closed/file");
    assert!(trace.lookups().iter().any(|lookup| lookup.asked == file));
}

/// The absolute paths that strace shows as first or second argument.
fn paths_of_strace(log: &str) -> std::collections::BTreeSet<String> {
    log.lines()
        .filter(|line| !line.contains("<unfinished") || line.contains('"'))
        .filter_map(|line| {
            let (_, rest) = line.split_once('(')?;
            let rest = rest.strip_prefix("AT_FDCWD, ").unwrap_or(rest);
            let (path, _) = rest.strip_prefix('"')?.split_once('"')?;
            path.starts_with('/').then(|| path.to_owned())
        })
        .collect()
}

fn it_agrees_with_strace(world: &World) {
    if !has_strace() {
        return;
    }
    let programs = [
        "ls -lR /usr/share/doc/bash /etc /old > /dev/null 2>&1; cp /bin/true /tmp/t; /tmp/t; find /usr/lib -maxdepth 1 > /dev/null",
        "for i in 1 2 3; do mkdir -p /tmp/a/$i; touch /tmp/a/$i/f; ln -s /tmp/a/$i /tmp/l$i; cat /tmp/l$i/f; done; rm -r /tmp/a",
        "perl -MPOSIX -MFile::Temp -e 'print 1' > /dev/null 2>&1; sed -n p /old/none 2> /dev/null",
    ];
    for program in programs {
        let scene = Scene::new();
        fs::write(scene.path("lower/tmp/script"), program).unwrap();
        let script =
            "strace -f -e trace=%file -s 4096 -o /tmp/log /bin/sh /tmp/script; cat /tmp/log";
        let log = crate::world::text(&run(world, &scene.sandbox(script)));
        let expected = paths_of_strace(&log);
        assert!(expected.len() > 10, "{log}");
        let (_, trace) = traced(world, &Scene::new().sandbox(program));
        let asked = |path: &str| {
            let path = Path::new(path);
            let mut lookups = trace.lookups().iter();
            lookups.any(|lookup| lookup.asked == path)
        };
        let lost: Vec<_> = expected
            .iter()
            // Where the script is, and what has another number in every run.
            .filter(|path| *path != "/tmp/script" && !path.starts_with("/proc/"))
            .filter(|path| *path != "/usr/bin/sh" && *path != "/bin/sh")
            .filter(|path| !asked(path))
            .collect();
        assert!(lost.is_empty(), "{program}: {lost:?}");
    }
}

fn descriptors_are_linked_and_executed(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/old/file"), "text").unwrap();
    let all = lookups(world, &scene, "/it --inside link-descriptor");
    assert!(all.contains("/old/file: found: refer link\n"), "{all}");
    assert!(
        all.contains("/tmp/second: missing /tmp/second: create\n"),
        "{all}"
    );
    let scene = Scene::new();
    let (_, trace) = traced(world, &scene.sandbox("/it --inside execute-descriptor"));
    let program = trace
        .starts()
        .find(|start| start.program.ends_with("true") || start.program.ends_with("coreutils"));
    assert!(!program.unwrap().interpreters.is_empty());
    assert!(trace.is_complete());
}

fn processes_that_are_killed_hang_nothing(world: &World) {
    let script = "i=0; while [ $i -lt 60 ]; do (while :; do test -e /tmp/$i; done) & \
        (while :; do ls /old /tmp > /dev/null; done) & \
        sleep 0.01; kill -9 $!; i=$((i+1)); done; :";
    let scene = Scene::new();
    let mut sandbox = scene.sandbox(script);
    sandbox.time_limit = Some(std::time::Duration::from_secs(90));
    let (exit, trace) = traced(world, &sandbox);
    assert_eq!(exit.status, Status::Code(0));
    assert!(trace.is_complete());
}
