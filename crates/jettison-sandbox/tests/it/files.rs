//! What a run leaves in the upper directory.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use jettison_sandbox::{IdMapKind, Mount, MountKind, Status};

use crate::runner::Test;
use crate::world::{Scene, World, bind, run, text};

pub(crate) const TESTS: &[Test] = crate::tests![
    written_files_land_in_the_upper_directory,
    without_upper_directory_changes_are_thrown_away,
    a_file_can_be_given_away_in_every_world,
    a_read_only_root_cannot_be_written,
    no_stubs_are_left_behind,
    mount_points_do_not_change_times,
    a_used_directory_stays_when_its_stub_goes,
    a_mount_point_behind_a_dangling_symlink_is_made_where_it_leads,
    a_symlink_does_not_lead_out,
    a_whiteout_under_a_stub_is_kept,
    cleaning_up_does_not_follow_symlinks,
    a_symlink_loop_is_an_error,
    mounts_are_as_asked_for,
    a_directory_can_be_replaced,
    a_removed_file_becomes_a_whiteout,
];

fn nothing() -> Vec<String> {
    Vec::new()
}

fn written_files_land_in_the_upper_directory(world: &World) {
    let scene = Scene::new();
    text(&run(
        world,
        &scene.sandbox("echo content > /tmp/file; mkdir -p /a/b; chmod 4755 /tmp/file"),
    ));
    assert_eq!(scene.changes(), ["a", "a/b", "tmp", "tmp/file"]);
    assert_eq!(
        fs::read_to_string(scene.upper("tmp/file")).unwrap(),
        "content\n"
    );
    assert_eq!(
        fs::metadata(scene.upper("tmp/file")).unwrap().mode(),
        0o104_755
    );
}

fn without_upper_directory_changes_are_thrown_away(world: &World) {
    let scene = Scene::new();
    let mut sandbox =
        scene.sandbox("echo content > /tmp/file; cat /tmp/file; mv /old /new; ls /new");
    sandbox.rootfs.upper = None;
    assert_eq!(text(&run(world, &sandbox)), "content\nsub\n");
    assert_eq!(scene.changes(), nothing());
    assert!(scene.path("lower/old/sub").exists());
}

fn a_file_can_be_given_away_in_every_world(world: &World) {
    let scene = Scene::new();
    let script = "touch /tmp/file /tmp/link; chown 1:2 /tmp/file && chgrp -h 2 /tmp/link && chown 0:0 /tmp/link && stat -c %u:%g /tmp/file /tmp/link";
    // With a single ID it stays root's, and nobody is told.
    let expected = if world.entered.ids == IdMapKind::SingleId {
        "0:0\n0:0\n"
    } else {
        "1:2\n0:0\n"
    };
    assert_eq!(text(&run(world, &scene.sandbox(script))), expected);
}

fn a_read_only_root_cannot_be_written(world: &World) {
    let scene = Scene::new();
    let mut sandbox =
        scene.sandbox("touch /tmp/file && echo written; echo >/dev/shm/x && echo shm");
    sandbox.read_only = true;
    assert_eq!(run(world, &sandbox).stdout, b"shm\n");
    assert_eq!(scene.changes(), nothing());
}

fn no_stubs_are_left_behind(world: &World) {
    let scene = Scene::new();
    let mut sandbox =
        scene.sandbox("test -s /etc/hosts && test -f /deep/down/file && test -d /proc/1");
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/etc/hosts")));
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/deep/down/file")));
    sandbox.mounts.push(Mount {
        target: PathBuf::from("/old/sub/cache"),
        kind: MountKind::Tmpfs {
            size: None,
            mode: 0o700,
        },
    });
    text(&run(world, &sandbox));
    assert_eq!(scene.changes(), nothing());
}

fn mount_points_do_not_change_times(world: &World) {
    let scene = Scene::new();
    for directory in ["lower/etc", "lower", "upper"] {
        assert!(
            std::process::Command::new("touch")
                .args(["-d", "2001-02-03 04:05:06 UTC"])
                .arg(scene.path(directory))
                .status()
                .unwrap()
                .success()
        );
    }
    let mut sandbox = scene.sandbox("stat -c %Y / /etc");
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/etc/hosts")));
    assert_eq!(text(&run(world, &sandbox)), "981173106\n981173106\n");
    assert_eq!(
        fs::metadata(scene.path("upper")).unwrap().mtime(),
        981_173_106
    );
}

fn a_used_directory_stays_when_its_stub_goes(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("echo x > /etc/mine; mkdir /made; chmod 700 /old");
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/etc/hosts")));
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/old/hosts")));
    text(&run(world, &sandbox));
    assert_eq!(scene.changes(), ["etc", "etc/mine", "made", "old"]);
}

fn a_mount_point_behind_a_dangling_symlink_is_made_where_it_leads(world: &World) {
    let scene = Scene::new();
    symlink(
        "/run/resolve/stub.conf",
        scene.path("lower/etc/resolv.conf"),
    )
    .unwrap();
    let mut sandbox = scene.sandbox("cat /run/resolve/stub.conf");
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/etc/resolv.conf")));
    assert_eq!(
        text(&run(world, &sandbox)),
        fs::read_to_string("/etc/hosts").unwrap()
    );
    assert_eq!(scene.changes(), nothing());
}

fn a_symlink_does_not_lead_out(world: &World) {
    let scene = Scene::new();
    symlink("../../../../../../..", scene.path("lower/out")).unwrap();
    let inside = format!("/out{}", scene.path("outside").display());
    let mut sandbox = scene.sandbox(&format!("test -d {inside}"));
    let kind = MountKind::Tmpfs {
        size: None,
        mode: 0o755,
    };
    sandbox.mounts.push(Mount {
        target: PathBuf::from(inside),
        kind,
    });
    text(&run(world, &sandbox));
    assert!(!scene.path("outside").exists());
    assert_eq!(scene.changes(), nothing());
}

fn a_whiteout_under_a_stub_is_kept(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/etc/hosts"), "from below").unwrap();
    text(&run(world, &scene.sandbox("rm /etc/hosts")));
    let mut sandbox = scene.sandbox("test -s /etc/hosts");
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/etc/hosts")));
    text(&run(world, &sandbox));
    assert_eq!(scene.changes(), ["etc", "etc/hosts"]);
    assert_eq!(
        run(world, &scene.sandbox("cat /etc/hosts")).exit.status,
        Status::Code(1)
    );
}

fn cleaning_up_does_not_follow_symlinks(world: &World) {
    let scene = Scene::new();
    let outside = scene.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("hosts"), "").unwrap();
    let mut sandbox = scene.sandbox(&format!(
        "mv /etc /moved && ln -s {} /etc",
        outside.display()
    ));
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/etc/hosts")));
    run(world, &sandbox);
    assert!(outside.join("hosts").exists());
}

fn a_symlink_loop_is_an_error(world: &World) {
    let scene = Scene::new();
    symlink("loop", scene.path("lower/loop")).unwrap();
    let mut sandbox = scene.sandbox("true");
    sandbox
        .mounts
        .push(bind(Path::new("/etc/hosts"), Path::new("/loop/x")));
    let error = sandbox.spawn(&world.entered).unwrap_err();
    assert_eq!(error.to_string(), "cannot resolve /loop/x");
}

fn mounts_are_as_asked_for(world: &World) {
    let scene = Scene::new();
    let source = scene.path("source");
    fs::create_dir(&source).unwrap();
    let script =
        "echo a >/rw/a; { echo b >/ro/b; } 2>/dev/null; stat -f -c %b%S /mem; stat -c %a /mem";
    let mut sandbox = scene.sandbox(script);
    for (target, read_only) in [("/rw", false), ("/ro", true)] {
        let kind = MountKind::Bind {
            source: source.clone(),
            read_only,
        };
        sandbox.mounts.push(Mount {
            target: PathBuf::from(target),
            kind,
        });
    }
    let kind = MountKind::Tmpfs {
        size: Some(1 << 20),
        mode: 0o1770,
    };
    sandbox.mounts.push(Mount {
        target: PathBuf::from("/mem"),
        kind,
    });
    assert_eq!(text(&run(world, &sandbox)), "2564096\n1770\n");
    assert!(source.join("a").exists());
    assert!(!source.join("b").exists());
    assert_eq!(scene.changes(), nothing());
}

fn a_directory_can_be_replaced(world: &World) {
    let scene = Scene::new();
    // What dpkg does.
    text(&run(
        world,
        &scene.sandbox("rm -r /old && mkdir /new && touch /new/n && mv /new /old && ls /old"),
    ));
    assert_eq!(scene.changes(), ["old", "old/n"]);
    assert_eq!(text(&run(world, &scene.sandbox("ls /old"))), "n\n");
}

fn a_removed_file_becomes_a_whiteout(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/etc/gone"), "").unwrap();
    text(&run(world, &scene.sandbox("rm /etc/gone")));
    let metadata = fs::symlink_metadata(scene.upper("etc/gone")).unwrap();
    assert!(metadata.file_type().is_char_device());
    assert_eq!(metadata.rdev(), 0);
}
