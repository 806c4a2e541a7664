//! Mounts of every kind, on top of and below each other.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use jettison_sandbox::{KernelDirectories, MemoryFile, MissingCwd, Mount, MountKind, Upper, User};

use crate::runner::Test;
use crate::world::{Scene, World, bind, run, text};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_file_in_memory_has_its_owner_and_mode_and_leaves_nothing,
    a_file_in_memory_may_be_of_any_size,
    files_in_memory_share_nothing_but_their_filesystem,
    a_directory_of_files_in_memory_is_read_only,
    names_in_a_directory_of_files_stay_in_it,
    a_part_of_layers_is_read_only,
    a_file_of_layers_can_be_mounted,
    symlinks_in_layers_do_not_lead_out,
    what_is_written_to_layers_goes_to_their_upper_directory,
    a_missing_source_in_layers_is_an_error,
    mounts_nest_in_each_other,
    the_later_of_two_mounts_at_one_place_is_seen,
    stubs_below_each_other_are_all_removed,
    a_stub_that_was_used_stays_with_its_parents,
    a_tmpfs_may_be_at_its_limit,
    a_socket_can_be_mounted,
    kernel_directories_stay_if_they_are_to,
    a_missing_working_directory_can_be_created,
    a_working_directory_that_is_a_mount_point_is_no_more_than_that,
];

fn push(sandbox: &mut jettison_sandbox::Sandbox, target: &str, kind: MountKind) {
    sandbox.mounts.push(Mount {
        target: PathBuf::from(target),
        kind,
    });
}

fn memory(content: &[u8], mode: u32, uid: u32, gid: u32) -> MemoryFile {
    MemoryFile {
        content: content.to_vec(),
        mode,
        uid,
        gid,
    }
}

fn tmpfs(size: Option<u64>) -> MountKind {
    MountKind::Tmpfs { size, mode: 0o1777 }
}

fn a_file_in_memory_has_its_owner_and_mode_and_leaves_nothing(world: &World) {
    let scene = Scene::new();
    let script = "cat /run/secrets/a; stat -c '%a %u:%g %s' /run/secrets/a /b; \
                  { echo x >/b || echo no; } 2>/dev/null; \
                  grep -c ' /run/secrets/a ro,nosuid,nodev,noexec' /proc/self/mountinfo";
    let mut sandbox = scene.sandbox(script);
    let secret = memory(b"hunter2\n", 0o400, 0, 0);
    assert_eq!(
        format!("{secret:?}"),
        "MemoryFile { size: 8, mode: 400, uid: 0, gid: 0, .. }"
    );
    push(&mut sandbox, "/run/secrets/a", MountKind::File(secret));
    push(
        &mut sandbox,
        "/b",
        MountKind::File(memory(b"", 0o640, 3, 4)),
    );
    let owner = if world.has_other_ids() { "3:4" } else { "0:0" };
    assert_eq!(
        text(&run(world, &sandbox)),
        format!("hunter2\n400 0:0 8\n640 {owner} 0\nno\n1\n")
    );
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn a_file_in_memory_may_be_of_any_size(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("wc -c </big; tail -c 3 /big");
    let mut content = vec![b'x'; 5_000_000];
    content.extend(b"end");
    push(
        &mut sandbox,
        "/big",
        MountKind::File(memory(&content, 0o444, 0, 0)),
    );
    assert_eq!(text(&run(world, &sandbox)), "5000003\nend");
}

fn files_in_memory_share_nothing_but_their_filesystem(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("cat /x/1 /x/2 /x/3; ls /x");
    for name in ["1", "2", "3"] {
        let kind = MountKind::File(memory(name.as_bytes(), 0o444, 0, 0));
        push(&mut sandbox, &format!("/x/{name}"), kind);
    }
    assert_eq!(text(&run(world, &sandbox)), "1231\n2\n3\n");
}

fn a_directory_of_files_in_memory_is_read_only(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("");
    let script = b"#!/bin/sh\necho $0; stat -c '%n %a %u' /dev/pipes /dev/pipes/*; \
                   touch /dev/pipes/x 2>/dev/null || echo no\n";
    let files = vec![("EOF".to_owned(), memory(script, 0o755, 0, 0))];
    push(&mut sandbox, "/dev/pipes/", MountKind::Files(files));
    sandbox.argv = vec!["/dev/pipes/EOF".to_owned()];
    assert_eq!(
        text(&run(world, &sandbox)),
        "/dev/pipes/EOF\n/dev/pipes 755 0\n/dev/pipes/EOF 755 0\nno\n"
    );
}

fn names_in_a_directory_of_files_stay_in_it(world: &World) {
    for name in ["", "..", "../x", "a/b"] {
        let scene = Scene::new();
        let mut sandbox = scene.sandbox("true");
        let files = vec![(name.to_owned(), memory(b"", 0o644, 0, 0))];
        push(&mut sandbox, "/files", MountKind::Files(files));
        let error = sandbox.spawn(&world.entered).unwrap_err();
        assert!(error.to_string().starts_with("cannot create the file"));
    }
}

/// Two layers: the upper one hides `gone` of the lower one, and both have something in `dir`.
fn layers(scene: &Scene) -> Vec<PathBuf> {
    for name in ["top/dir", "bottom/dir/sub"] {
        fs::create_dir_all(scene.path(name)).unwrap();
    }
    fs::write(scene.path("top/dir/new"), "new\n").unwrap();
    fs::write(scene.path("bottom/dir/old"), "old\n").unwrap();
    symlink("/dir/old", scene.path("bottom/link")).unwrap();
    symlink("../../../../../etc", scene.path("bottom/out")).unwrap();
    vec![scene.path("top"), scene.path("bottom")]
}

fn part(lowers: Vec<PathBuf>, path: &str, upper: Option<Upper>) -> MountKind {
    MountKind::Layers {
        lowers,
        path: PathBuf::from(path),
        upper,
    }
}

fn a_part_of_layers_is_read_only(world: &World) {
    for n_layers in [1, 2] {
        let scene = Scene::new();
        let mut lowers = layers(&scene);
        lowers.drain(..2 - n_layers);
        let mut sandbox = scene.sandbox("cat /m/old; touch /m/x 2>/dev/null || echo no; ls /whole");
        push(&mut sandbox, "/m", part(lowers.clone(), "/dir", None));
        push(&mut sandbox, "/whole", part(lowers, "/", None));
        assert_eq!(
            text(&run(world, &sandbox)),
            "old\nno\ndir\nlink\nout\n",
            "{n_layers}"
        );
        assert_eq!(scene.changes(), Vec::<String>::new());
    }
}

fn a_file_of_layers_can_be_mounted(world: &World) {
    let scene = Scene::new();
    let lowers = layers(&scene);
    let mut sandbox = scene.sandbox("cat /f /g");
    push(&mut sandbox, "/f", part(lowers.clone(), "/dir/new", None));
    push(&mut sandbox, "/g", part(lowers, "/link", None));
    assert_eq!(text(&run(world, &sandbox)), "new\nold\n");
}

fn symlinks_in_layers_do_not_lead_out(world: &World) {
    let scene = Scene::new();
    let lowers = layers(&scene);
    let mut sandbox = scene.sandbox("true");
    push(&mut sandbox, "/m", part(lowers, "/out", None));
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the source of a mount /out");
}

fn what_is_written_to_layers_goes_to_their_upper_directory(world: &World) {
    let scene = Scene::new();
    let lowers = layers(&scene);
    for name in ["thrown", "thrown/upper", "thrown/work"] {
        fs::create_dir(scene.path(name)).unwrap();
    }
    let upper = Upper {
        dir: scene.path("thrown/upper"),
        work: scene.path("thrown/work"),
    };
    let mut sandbox = scene.sandbox("rm -r /m/old; echo more >>/m/new; touch /m/made; ls /m");
    push(&mut sandbox, "/m", part(lowers, "/dir", Some(upper)));
    assert_eq!(text(&run(world, &sandbox)), "made\nnew\nsub\n");
    assert!(scene.path("thrown/upper/dir/made").exists());
    assert_eq!(
        fs::read_to_string(scene.path("top/dir/new")).unwrap(),
        "new\n"
    );
    assert!(scene.path("bottom/dir/old").exists());
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn a_missing_source_in_layers_is_an_error(world: &World) {
    let scene = Scene::new();
    let lowers = layers(&scene);
    let mut sandbox = scene.sandbox("true");
    push(&mut sandbox, "/m", part(lowers, "/no/such", None));
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open the source of a mount /no/such"
    );
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn mounts_nest_in_each_other(world: &World) {
    let scene = Scene::new();
    let cache = scene.path("cache");
    fs::create_dir(&cache).unwrap();
    let mut sandbox = scene.sandbox(
        "echo 1 >/a/one; echo 2 >/a/b/two; cat /a/b/c/secret; ls /a /a/b; ls -d /a/b/c/d/e",
    );
    push(&mut sandbox, "/a", tmpfs(None));
    let kind = MountKind::Bind {
        source: cache.clone(),
        read_only: false,
    };
    push(&mut sandbox, "/a/b", kind);
    push(&mut sandbox, "/a/b/c", tmpfs(None));
    push(
        &mut sandbox,
        "/a/b/c/secret",
        MountKind::File(memory(b"s\n", 0o400, 0, 0)),
    );
    push(&mut sandbox, "/a/b/c/d/e", tmpfs(None));
    assert_eq!(
        text(&run(world, &sandbox)),
        "s\n/a:\nb\none\n\n/a/b:\nc\ntwo\n/a/b/c/d/e\n"
    );
    assert!(cache.join("two").exists());
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn the_later_of_two_mounts_at_one_place_is_seen(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("cat /x/file; ls /x");
    push(&mut sandbox, "/x", tmpfs(None));
    let files = vec![("file".to_owned(), memory(b"later\n", 0o644, 0, 0))];
    push(&mut sandbox, "/x/", MountKind::Files(files));
    assert_eq!(text(&run(world, &sandbox)), "later\nfile\n");
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn stubs_below_each_other_are_all_removed(world: &World) {
    let scene = Scene::new();
    fs::create_dir(scene.path("lower/srv")).unwrap();
    let times = |path: &str| {
        let metadata = fs::metadata(scene.path(path)).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    let before = times("upper");
    let mut sandbox = scene.sandbox("true");
    push(&mut sandbox, "/srv/a/b/c/d", tmpfs(None));
    push(&mut sandbox, "/srv/a/b/c/e/f", tmpfs(None));
    push(
        &mut sandbox,
        "/srv/a/file",
        MountKind::File(memory(b"", 0o444, 0, 0)),
    );
    push(&mut sandbox, "/new/x/y", tmpfs(None));
    text(&run(world, &sandbox));
    assert_eq!(scene.changes(), Vec::<String>::new());
    assert_eq!(times("upper"), before);
}

fn a_stub_that_was_used_stays_with_its_parents(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("mkdir /q/kept");
    push(&mut sandbox, "/q/r", tmpfs(None));
    text(&run(world, &sandbox));
    // As in BuildKit.
    assert_eq!(scene.changes(), ["q", "q/kept"]);
}

fn a_tmpfs_may_be_at_its_limit(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox(
        "head -c 2000000 /dev/zero >/t/f 2>/dev/null || echo full; stat -c '%a %s' /t /t/f",
    );
    push(&mut sandbox, "/t", tmpfs(Some(1 << 20)));
    assert_eq!(text(&run(world, &sandbox)), "full\n1777 60\n644 1048576\n");
}

fn a_socket_can_be_mounted(world: &World) {
    use std::io::Write as _;
    let scene = Scene::new();
    let path = scene.path("agent");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello from outside\n").unwrap();
    });
    let script = "test -S /run/agent && /it --inside read-socket";
    let mut sandbox = scene.sandbox(script);
    sandbox.mounts.push(bind(&path, Path::new("/run/agent")));
    assert_eq!(text(&run(world, &sandbox)), "hello from outside\n");
    answering.join().unwrap();
    assert_eq!(scene.changes(), Vec::<String>::new());
}

fn kernel_directories_stay_if_they_are_to(world: &World) {
    let scene = Scene::new();
    fs::create_dir(scene.path("lower/proc")).unwrap();
    let mut sandbox = scene.sandbox("true");
    sandbox.kernel_directories = KernelDirectories::Kept;
    push(
        &mut sandbox,
        "/etc/hosts",
        MountKind::File(memory(b"", 0o644, 0, 0)),
    );
    text(&run(world, &sandbox));
    assert_eq!(scene.changes(), ["dev", "sys"]);
    let metadata = fs::metadata(scene.upper("dev")).unwrap();
    assert_eq!((metadata.mode(), metadata.mtime()), (0o40755, 0));
}

fn a_missing_working_directory_can_be_created(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("pwd; stat -c '%a %u:%g' /old/a /old/a/b");
    sandbox.cwd = PathBuf::from("/old/a/b");
    sandbox.missing_cwd = MissingCwd::Created;
    let mut owner = "0:0";
    if world.has_other_ids() {
        owner = "5:6";
        sandbox.user = User {
            uid: 5,
            gid: 6,
            groups: Vec::new(),
        };
    }
    assert_eq!(
        text(&run(world, &sandbox)),
        format!("/old/a/b\n755 {owner}\n755 {owner}\n")
    );
    assert_eq!(scene.changes(), ["old", "old/a", "old/a/b"]);
}

fn a_working_directory_that_is_a_mount_point_is_no_more_than_that(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("pwd; touch x");
    sandbox.cwd = PathBuf::from("/src");
    sandbox.missing_cwd = MissingCwd::Created;
    push(&mut sandbox, "/src", tmpfs(None));
    assert_eq!(text(&run(world, &sandbox)), "/src\n");
    assert_eq!(scene.changes(), Vec::<String>::new());
}
