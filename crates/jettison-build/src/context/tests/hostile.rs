//! Trees that nobody should make, and files that change while they are read.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};

use super::*;

/// Makes `depth` directories in each other, each of which has a file as well.
fn make_deep(top: &Path, depth: usize) {
    let open = |dir: &OwnedFd, name: &str| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(dir, name, flags, Mode::empty()).unwrap()
    };
    let mut at: OwnedFd = fs::File::open(top).unwrap().into();
    for _ in 0..depth {
        rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o755)).unwrap();
        // So that there is more than one thing to do at each depth.
        rustix::fs::mkdirat(&at, "e", Mode::from_raw_mode(0o755)).unwrap();
        let inner = open(&at, "e");
        let flags = OFlags::WRONLY | OFlags::CREATE;
        drop(rustix::fs::openat(&inner, "file", flags, Mode::from_raw_mode(0o644)).unwrap());
        at = open(&at, "d");
    }
}

#[test]
fn a_very_deep_tree_is_walked_and_read() {
    let world = World::new(&[]);
    make_deep(&world.path(""), 2_100);
    let digests = [world.digest(), world.digest()];
    assert_eq!(digests[0].as_it_is, digests[1].as_it_is);
    assert_eq!(digests[0].n_read, 2_100);
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    let entries = tree.walk(Path::new("")).unwrap().unwrap();
    assert_eq!(entries.n_entries(), 6_301);
    let deepest = entries
        .iter()
        .map(|entry| entry.path().components().count());
    assert_eq!(deepest.max(), Some(2_101));
    // What there is to remove it with takes one directory at a time.
    let removed = std::process::Command::new("rm")
        .arg("-rf")
        .arg(world.path(""))
        .status();
    assert!(removed.unwrap().success());
}

#[test]
fn a_wide_tree_is_walked_in_the_order_of_names() {
    let world = World::new(&[]);
    for number in 0..10_000 {
        fs::write(world.path(&format!("{number}")), "").unwrap();
    }
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    let entries = tree.walk(Path::new("")).unwrap().unwrap();
    let names: Vec<_> = entries.iter().skip(1).map(|entry| entry.name()).collect();
    assert_eq!(names.len(), 10_000);
    assert!(names.is_sorted());
}

#[test]
fn pipes_and_sockets_are_never_opened() {
    let world = World::new(&["file"]);
    let dir = fs::File::open(world.path("")).unwrap();
    let mode = Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(&dir, "pipe", FileType::Fifo, mode, 0).unwrap();
    drop(std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap());
    expect![[r"
        Directory 
        File file
        Fifo pipe
        Socket socket
    "]]
    .assert_eq(&world.listing(""));
    assert_eq!(world.listing("socket"), "Socket \n");
    world.digest();
}

#[test]
fn loops_of_links_are_not_followed() {
    let world = World::new(&["a/file"]);
    symlink("..", world.path("a/up")).unwrap();
    symlink("loop", world.path("loop")).unwrap();
    symlink("/a/up/a/up/a/file", world.path("around")).unwrap();
    symlink("../../../../a", world.path("a/high")).unwrap();
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    let real = |path: &str| match tree.real(Path::new(path)) {
        Ok(path) => path.display().to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(real("around"), "a/file");
    assert_eq!(real("/a/high/high/file"), "a/file");
    // As in BuildKit, dots are taken back before links are looked at.
    assert_eq!(real("a/up/../file"), "a/file");
    assert_eq!(real("a/file/x"), r#""/a/file/x": not found"#);
    assert!(
        real("loop").starts_with("cannot follow the links of"),
        "{}",
        real("loop")
    );
    assert_eq!(real("nothing"), r#""/nothing": not found"#);
}

#[test]
fn a_link_leads_to_nothing_that_is_left_out() {
    let world = World::new(&["secret", "dir/file"]);
    fs::write(world.path(".dockerignore"), "secret\nmiddle\ndir").unwrap();
    symlink("secret", world.path("link")).unwrap();
    symlink("open", world.path("middle")).unwrap();
    symlink("middle", world.path("through")).unwrap();
    fs::write(world.path("open"), "").unwrap();
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    for path in ["secret", "link", "through", "dir", "dir/file"] {
        let error = tree.real(Path::new(path)).unwrap_err();
        assert!(
            matches!(error, ContextError::LeftOut { .. }),
            "{path}: {error}"
        );
    }
    assert_eq!(
        tree.names(Path::new("")).unwrap(),
        [".dockerignore", "link", "open", "through"]
    );
}

/// Reads what `change` does to the context after the walk.
fn read_after(world: &World, change: impl FnOnce()) -> Result<usize, String> {
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    let entries = tree.walk(Path::new("")).unwrap().unwrap();
    let index = ContentIndex::open(world.dir.path(), context.root(), tree.root()).unwrap();
    let mut contents = Contents::known(&entries, &index);
    let unknown = contents.unknown(&entries);
    change();
    let read = contents.read(&tree, &entries, &unknown, &index);
    read.map(|()| contents.unknown(&entries).len())
        .map_err(|error| format!("{error}; {}", error.hint().unwrap_or_default()))
}

#[track_caller]
fn check_change(change: impl FnOnce(&World), expected: Expect) {
    let world = World::new(&["dir/file"]);
    let read = read_after(&world, || change(&world));
    expected.assert_eq(&match read {
        Ok(n_unknown) => format!("{n_unknown} unknown"),
        Err(error) => error,
    });
}

#[test]
fn what_happens_to_a_file_between_walk_and_reading_is_said() {
    check_change(
        |world| fs::remove_file(world.path("dir/file")).unwrap(),
        expect![[
            r#""/dir/file" disappeared while the build was reading it; build again when nothing writes to the context, or leave the file out with `.dockerignore`"#
        ]],
    );
    check_change(
        |world| fs::remove_dir_all(world.path("dir")).unwrap(),
        expect![[
            r#""/dir/file" disappeared while the build was reading it; build again when nothing writes to the context, or leave the file out with `.dockerignore`"#
        ]],
    );
    check_change(
        |world| {
            fs::remove_file(world.path("dir/file")).unwrap();
            symlink("/etc/passwd", world.path("dir/file")).unwrap();
        },
        expect![[
            r#""/dir/file" was changed while the build was reading it; build again when nothing writes to the context, or leave the file out with `.dockerignore`"#
        ]],
    );
    check_change(
        |world| {
            fs::rename(world.path("dir"), world.path("other")).unwrap();
            symlink("other", world.path("dir")).unwrap();
        },
        expect![[
            r#""/dir/file" was changed while the build was reading it; build again when nothing writes to the context, or leave the file out with `.dockerignore`"#
        ]],
    );
    check_change(
        |world| {
            fs::remove_file(world.path("dir/file")).unwrap();
            let dir = fs::File::open(world.path("dir")).unwrap();
            let mode = Mode::from_raw_mode(0o644);
            rustix::fs::mknodat(&dir, "file", FileType::Fifo, mode, 0).unwrap();
        },
        expect![[
            r#""/dir/file" was changed while the build was reading it; build again when nothing writes to the context, or leave the file out with `.dockerignore`"#
        ]],
    );
}

#[test]
fn a_file_that_was_replaced_before_it_was_read_has_its_new_content() {
    let world = World::new(&["file"]);
    let read = read_after(&world, || {
        fs::write(world.path("new"), "new").unwrap();
        fs::rename(world.path("new"), world.path("file")).unwrap();
    });
    assert_eq!(read, Ok(0));
    let replaced = world.digest();
    // It has the same content in the next build, and no former one is remembered for it.
    let other = World::new(&[]);
    other.write("file", "new");
    assert_eq!(replaced.as_it_is, other.digest().as_it_is);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_not_read() {
    let world = World::new(&["file"]);
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    let entries = tree.walk(Path::new("file")).unwrap().unwrap();
    let open = tree.open_file(&entries.root()).unwrap();
    assert!(open.is_unchanged().unwrap());
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(world.path("file"), "filf").unwrap();
    assert!(!open.is_unchanged().unwrap());
}

#[test]
fn what_cannot_be_read_is_named() {
    if rustix::process::getuid().is_root() {
        // Root can read everything.
        return;
    }
    let world = World::new(&["dir/file"]);
    let mode = |path: &str, mode| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("dir/file", 0);
    let error = read_after(&world, || {}).unwrap_err();
    assert!(
        error.contains("cannot open \"/dir/file\" of the build context"),
        "{error}"
    );
    assert!(
        error.ends_with("or leave it out with `.dockerignore`"),
        "{error}"
    );
    fs::write(world.path(".dockerignore"), "dir/file").unwrap();
    assert_eq!(read_after(&world, || {}), Ok(0));
    mode("dir", 0);
    fs::write(world.path(".dockerignore"), "dir").unwrap();
    assert_eq!(read_after(&world, || {}), Ok(0));
    mode("dir", 0o755);
}
