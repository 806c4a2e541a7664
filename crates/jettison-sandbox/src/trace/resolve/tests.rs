use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType};

use super::*;

/// A tree whose links `k`, `l` and `m`, in three directories, lead where they are told.
struct World {
    dir: tempfile::TempDir,
    resolver: Resolver,
}

impl World {
    fn new(targets: &[String]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let inside = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(inside("a/b/c")).unwrap();
        std::fs::create_dir_all(inside("b/a")).unwrap();
        for file in ["f", "a/f", "a/b/f", "b/a/f"] {
            std::fs::write(inside(file), "").unwrap();
        }
        let links = ["k", "l", "m", "a/k", "a/l", "a/b/k", "b/l", "b/a/m"];
        for (link, target) in links.iter().zip(targets) {
            symlink(target, inside(link)).unwrap();
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolver = Resolver {
            root: rustix::fs::openat(CWD, dir.path(), flags, Mode::empty()).unwrap(),
            shares_proc: true,
        };
        World { dir, resolver }
    }

    /// What the kernel says.
    fn kernel(&self, path: &str, follow: bool) -> String {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        let resolve = ResolveFlags::IN_ROOT;
        let root = &self.resolver.root;
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(found) => {
                let text = std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()));
                let text = text.unwrap();
                let real = text.strip_prefix(self.dir.path()).unwrap();
                format!("found /{}", real.display())
            }
            Err(Errno::NOENT) => "missing".to_owned(),
            Err(Errno::NOTDIR) => "not a directory".to_owned(),
            Err(Errno::LOOP) => "loop".to_owned(),
            Err(error) => format!("{error}"),
        }
    }

    /// What we say. What is said to be absent has to be, and its directory has to be there.
    fn ours(&self, path: &str, follow: bool) -> String {
        let start = Start {
            real: Vec::new(),
            root: Vec::new(),
            is_gone: false,
        };
        let task = Task::new(rustix::process::getpid().as_raw_pid());
        let led = self.resolver.resolve(task, &start, path.as_bytes(), follow);
        let led = led.unwrap();
        let outside = |real: &[u8]| {
            let real = Path::new(std::ffi::OsStr::from_bytes(below(real)));
            let path = self.dir.path().join(real);
            (path.symlink_metadata(), path.parent().unwrap().to_owned())
        };
        for link in &led.links {
            assert!(outside(link).0.unwrap().is_symlink());
        }
        match led.end {
            Place::Found(real) => format!(
                "found /{}",
                String::from_utf8_lossy(&real[real.len().min(1)..])
            ),
            Place::Missing(real) => {
                let (metadata, parent) = outside(&real);
                assert!(metadata.is_err() && parent.is_dir());
                "missing".to_owned()
            }
            Place::NotDirectory(real) => {
                assert!(outside(&real).0.unwrap().is_file());
                "not a directory".to_owned()
            }
            Place::Loop => "loop".to_owned(),
            Place::Denied(_) => "denied".to_owned(),
            Place::Gone => "gone".to_owned(),
        }
    }
}

fn paths() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "a", "b", "c", "f", "k", "l", "m", "none", "..", ".", "",
    ]);
    let names = prop::collection::vec(name, 1..7);
    (any::<bool>(), names, any::<bool>()).prop_map(|(is_absolute, names, is_open)| {
        let start = if is_absolute { "/" } else { "" };
        let end = if is_open { "/" } else { "" };
        let path = format!("{start}{}{end}", names.join("/"));
        if path.is_empty() {
            ".".to_owned()
        } else {
            path
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn paths_lead_where_the_kernel_says(
        targets in prop::collection::vec(paths(), 8),
        asked in prop::collection::vec((paths(), any::<bool>()), 12),
    ) {
        let world = World::new(&targets);
        for (path, follow) in asked {
            prop_assert_eq!(
                world.ours(&path, follow),
                world.kernel(&path, follow),
                "{} {} {:?}", path, follow, targets
            );
        }
    }
}

#[test]
fn what_is_there_is_a_file_or_a_directory() {
    let world = World::new(&[]);
    let stat = rustix::fs::statat(&world.resolver.root, "a/f", AtFlags::empty()).unwrap();
    assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile);
    assert!(world.resolver.open(b"/a/f").is_some());
    assert!(world.resolver.open(b"/a").is_none());
    assert!(world.resolver.open(b"/none").is_none());
}
