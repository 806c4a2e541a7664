//! Laws of the context: what its digest depends on, and what it does not.

mod hostile;
mod laws;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(files: &[&str]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let world = World { dir };
        fs::create_dir(world.path("")).unwrap();
        for file in files {
            world.write(file, file);
        }
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("context").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn context(&self) -> BuildContext {
        BuildContext::open(&self.path(""), &self.path("Dockerfile")).unwrap()
    }

    /// Everything that is found at a path, its path from there, and what it is.
    fn listing(&self, path: &str) -> String {
        let context = self.context();
        let tree = ContextTree::open(&context).unwrap();
        let Some(entries) = tree.walk(Path::new(path)).unwrap() else {
            return "nothing".to_owned();
        };
        let mut lines = Vec::new();
        let seen = entries.each(|entry, path| {
            assert_eq!(entry.path().as_os_str().as_bytes(), path);
            let path = path.escape_ascii();
            let kind = entry.kind();
            let target = match kind {
                EntryKind::Link => format!(" -> {}", entry.target().display()),
                _ => String::new(),
            };
            lines.push(format!("{kind:?} {path}{target}\n"));
            Ok::<(), ()>(())
        });
        seen.unwrap();
        lines.concat()
    }

    fn digest(&self) -> Digests {
        let context = self.context();
        let tree = ContextTree::open(&context).unwrap();
        let entries = tree.walk(Path::new("")).unwrap().unwrap();
        let index = ContentIndex::open(self.dir.path(), context.root(), tree.root()).unwrap();
        let mut contents = Contents::known(&entries, &index);
        let unknown = contents.unknown(&entries);
        contents.read(&tree, &entries, &unknown, &index).unwrap();
        index.save().unwrap();
        let digest = |mode: &dyn Fn(EntryKind, u32) -> u32, keeps_owners| {
            let rules = DigestRules {
                mode,
                keeps_owners,
                is_copied: &|_, _| true,
            };
            entries.digest(&contents, &rules).unwrap()
        };
        Digests {
            as_it_is: digest(&|_, mode| mode, false),
            one_mode: digest(&|_, _| 0o755, false),
            n_read: unknown.len(),
        }
    }
}

#[derive(Debug, PartialEq, Clone, Copy)]
struct Digests {
    as_it_is: jettison_oci::Digest,
    one_mode: jettison_oci::Digest,
    n_read: usize,
}

#[track_caller]
fn check(files: &[&str], ignore: &str, expected: Expect) {
    let world = World::new(files);
    fs::write(world.path("Dockerfile.dockerignore"), ignore).unwrap();
    expected.assert_eq(&world.listing(""));
}

#[test]
fn a_walk_lists_what_is_not_left_out() {
    check(
        &["b/x", "a/b/c", "a.txt", "a/b.txt", "c/x"],
        "c\n*.dockerignore\n**/x",
        expect![[r"
            Directory 
            Directory a
            Directory a/b
            File a/b/c
            File a/b.txt
            File a.txt
            Directory b
        "]],
    );
}

#[test]
fn a_file_that_is_taken_back_in_brings_its_directories() {
    check(
        &["a/b/keep", "a/b/c/other", "b/c/x"],
        "*\n!a/b/keep",
        expect![[r"
            Directory 
            Directory a
            Directory a/b
            File a/b/keep
        "]],
    );
}

#[test]
fn exceptions_that_buildkit_does_not_walk_to_take_nothing_back() {
    let files = ["a/b/c", "a/c"];
    check(&files, "*\n!a/*/**", expect!["Directory \n"]);
    check(
        &files,
        "*\n!a/?/**",
        expect![[r"
            Directory 
            Directory a
            Directory a/b
            File a/b/c
        "]],
    );
}

#[test]
fn a_part_of_a_context_is_walked_alone() {
    let world = World::new(&["src/a/b", "src/c", "other"]);
    symlink("nowhere", world.path("src/link")).unwrap();
    expect![[r"
        Directory 
        Directory a
        File a/b
        File c
        Link link -> nowhere
    "]]
    .assert_eq(&world.listing("/src/"));
    assert_eq!(world.listing("src/link"), "Link  -> nowhere\n");
    assert_eq!(world.listing("../other"), "File \n");
    assert_eq!(world.listing("src/link/x"), "nothing");
    assert_eq!(world.listing("other/x"), "nothing");
}

#[test]
fn what_was_walked_is_not_walked_again() {
    let world = World::new(&["src/a/b"]);
    let context = world.context();
    let tree = ContextTree::open(&context).unwrap();
    for (path, paths) in [("src", "a a/b"), ("src/a", "b"), ("src/a/b", "")] {
        let entries = tree.walk(Path::new(path)).unwrap().unwrap();
        let found: Vec<_> = entries.iter().skip(1).map(|entry| entry.path()).collect();
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found.join(" "), paths);
        fs::remove_dir_all(world.path("src")).unwrap_or_default();
    }
}

#[test]
fn a_digest_is_of_names_modes_targets_and_contents() {
    let world = World::new(&["a/b", "c"]);
    symlink("c", world.path("link")).unwrap();
    let change = |what: &str, change: &dyn Fn()| {
        let before = world.digest();
        change();
        let after = world.digest();
        assert_ne!(before.as_it_is, after.as_it_is, "{what}");
        before.one_mode != after.one_mode
    };
    assert!(change("content", &|| world.write("c", "x")));
    assert!(change("length", &|| world.write("c", "")));
    assert!(change("name", &|| fs::rename(
        world.path("c"),
        world.path("d")
    )
    .unwrap()));
    assert!(change("place", &|| fs::rename(
        world.path("d"),
        world.path("a/d")
    )
    .unwrap()));
    assert!(change("kind", &|| {
        fs::remove_file(world.path("link")).unwrap();
        fs::create_dir(world.path("link")).unwrap();
    }));
    assert!(change("link", &|| symlink("c", world.path("link/x")).unwrap()));
    assert!(change("target", &|| {
        fs::remove_file(world.path("link/x")).unwrap();
        symlink("b", world.path("link/x")).unwrap();
    }));
    assert!(change("second name", &|| fs::write(world.path("e"), "a/b")
        .unwrap()));
    assert!(change("hard link", &|| {
        fs::remove_file(world.path("e")).unwrap();
        fs::hard_link(world.path("a/b"), world.path("e")).unwrap();
    }));
    let mode = |path: &str, mode| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    assert!(!change("mode", &|| mode("a/b", 0o600)));
    assert!(!change("directory's mode", &|| mode("a", 0o700)));
}

#[test]
fn times_and_the_roots_mode_do_not_matter() {
    let world = World::new(&["a/b", "c"]);
    let before = world.digest();
    assert_eq!(before.n_read, 2);
    let file = fs::File::open(world.path("c")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o711)).unwrap();
    let after = world.digest();
    assert_eq!(before.as_it_is, after.as_it_is);
}

#[test]
fn names_need_not_be_text() {
    let world = World::new(&[]);
    let name = OsStr::from_bytes(b"\xff\xfe");
    fs::create_dir(world.path("").join(name)).unwrap();
    fs::write(world.path("").join(name).join("a\nb"), "").unwrap();
    expect![[r"
        Directory 
        Directory \xff\xfe
        File \xff\xfe/a\nb
    "]]
    .assert_eq(&world.listing(""));
    world.digest();
}

#[test]
fn capabilities_are_part_of_the_content_and_other_attributes_are_not() {
    let world = World::new(&["dir/file"]);
    let set = |name: &str, value: &[u8]| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(world.path("dir/file"), name, value, flags)
    };
    // Version 2 of the set (linux/capability.h).
    let set_capability = |permitted: u8| {
        let mut value = [0; 20];
        (value[3], value[4]) = (2, permitted);
        set("security.capability", &value)
    };
    let before = world.digest();
    if set("user.test", b"1").is_err() {
        // Not on this file system.
        return;
    }
    assert_eq!(before.as_it_is, world.digest().as_it_is);
    if set_capability(1).is_err() {
        // Only root can.
        return;
    }
    let mut digests = vec![before.as_it_is, world.digest().as_it_is];
    // Once from the file, and once from the index.
    assert_eq!(digests[1], world.digest().as_it_is);
    set_capability(2).unwrap();
    digests.push(world.digest().as_it_is);
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 3);
}

#[test]
fn what_is_not_copied_is_of_no_matter() {
    let digest = |files: &[&str]| {
        let world = World::new(files);
        let context = world.context();
        let tree = ContextTree::open(&context).unwrap();
        let entries = tree.walk(Path::new("")).unwrap().unwrap();
        let index = ContentIndex::open(world.dir.path(), context.root(), tree.root()).unwrap();
        let mut contents = Contents::known(&entries, &index);
        let is_copied = |_: &Entry<'_>, path: &[u8]| !path.ends_with(b".log");
        let unknown = contents.unknown(&entries);
        let wanted = |file: &usize| !entries.get(*file).name().as_bytes().ends_with(b".log");
        let wanted: Vec<usize> = unknown.into_iter().filter(wanted).collect();
        contents.read(&tree, &entries, &wanted, &index).unwrap();
        let rules = DigestRules {
            mode: &|_, mode| mode,
            keeps_owners: false,
            is_copied: &is_copied,
        };
        entries.digest(&contents, &rules)
    };
    assert!(digest(&["a/b"]).is_some());
    assert_eq!(digest(&["a/b"]), digest(&["a/b", "a/c.log", "x.log"]));
}

#[test]
fn only_a_directory_of_the_client_has_an_ignore_file() {
    let world = World::new(&["a", "b"]);
    fs::write(world.path(".dockerignore"), "a").unwrap();
    fs::write(world.path("Own.dockerignore"), "b").unwrap();
    let root = world.path("");
    let names = |context: BuildContext| {
        let tree = ContextTree::open(&context).unwrap();
        let names = tree.names(Path::new("")).unwrap();
        names.join(OsStr::new(" ")).into_string().unwrap()
    };
    let open = |dockerfile: &str| BuildContext::open(&root, &world.path(dockerfile)).unwrap();
    assert_eq!(
        names(open("Dockerfile")),
        ".dockerignore Own.dockerignore b"
    );
    assert_eq!(names(open("Own")), ".dockerignore Own.dockerignore a");
    let other = BuildContext::named(&root).unwrap();
    assert_eq!(names(other), ".dockerignore Own.dockerignore b");
    let unpacked = BuildContext::unfiltered(&root).unwrap();
    assert_eq!(names(unpacked), ".dockerignore Own.dockerignore a b");
    assert!(BuildContext::unfiltered(&world.path("a")).is_err());
}
