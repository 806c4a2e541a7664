//! The index remembers what it was told, and nothing else, whatever becomes of its file.

use proptest::prelude::*;

use super::*;

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        World { dir }
    }

    fn index(&self) -> ContentIndex {
        let dir = fs::File::open(self.dir.path()).unwrap();
        ContentIndex::open(self.dir.path(), Path::new("/context"), dir).unwrap()
    }

    fn file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.dir.path().join("context-index")).unwrap();
        files.next().unwrap().unwrap().path()
    }

    /// Saves one build's findings.
    fn save(&self, inodes: std::ops::Range<u64>) {
        let index = self.index();
        for inode in inodes {
            index.record(&identity(inode), content(inode), now());
        }
        index.save().unwrap();
    }

    fn known(&self, inodes: std::ops::Range<u64>) -> Vec<u64> {
        let index = self.index();
        let is_known = |inode: &u64| index.get(&identity(*inode)) == Some(content(*inode));
        inodes.filter(is_known).collect()
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)
}

fn time(seconds: i64) -> FileTime {
    FileTime {
        seconds,
        nanoseconds: 5,
    }
}

fn identity(inode: u64) -> FileIdentity {
    FileIdentity {
        device: 7,
        inode,
        size: inode * 3,
        mtime: time(-4),
        ctime: time(90),
    }
}

fn content(inode: u64) -> Content {
    let attributes = inode
        .is_multiple_of(3)
        .then(|| FileDigest::of(b"attributes"));
    Content {
        digest: FileDigest::of(&inode.to_le_bytes()),
        attributes,
    }
}

#[test]
fn what_was_recorded_is_known_in_this_build_and_the_next() {
    let world = World::new();
    let index = world.index();
    assert_eq!(index.get(&identity(3)), None);
    index.record(&identity(3), content(3), now());
    assert_eq!(index.get(&identity(3)), Some(content(3)));
    index.save().unwrap();
    world.save(4..2000);
    assert_eq!(world.known(0..2005), (3..2000).collect::<Vec<_>>());
}

#[test]
fn a_file_that_differs_in_anything_is_not_known() {
    let world = World::new();
    world.save(1..2);
    let index = world.index();
    let known = identity(1);
    assert!(index.get(&known).is_some());
    let others = [
        FileIdentity { device: 8, ..known },
        FileIdentity { inode: 2, ..known },
        FileIdentity { size: 4, ..known },
        FileIdentity {
            mtime: time(1),
            ..known
        },
        FileIdentity {
            ctime: time(1),
            ..known
        },
        FileIdentity {
            ctime: FileTime {
                nanoseconds: 6,
                ..known.ctime
            },
            ..known
        },
    ];
    for other in others {
        assert_eq!(index.get(&other), None, "{other:?}");
    }
}

#[test]
fn a_file_that_was_just_changed_is_not_recorded() {
    let world = World::new();
    let index = world.index();
    let just = FileIdentity {
        ctime: time(1_000),
        ..identity(1)
    };
    index.record(&just, content(1), now());
    assert_eq!(index.get(&just), None);
    // The former entry of that file is of no use, but does no harm.
    index.record(&identity(1), content(1), now());
    assert_eq!(index.get(&just), None);
}

#[test]
fn a_newer_state_replaces_an_older_one() {
    let world = World::new();
    world.save(1..4);
    let newer = FileIdentity {
        size: 99,
        ..identity(2)
    };
    let index = world.index();
    index.record(&newer, content(50), now());
    index.save().unwrap();
    assert_eq!(world.index().get(&newer), Some(content(50)));
    assert_eq!(world.known(0..5), [1, 3]);
}

#[test]
fn two_builds_at_once_keep_what_both_have_found() {
    let world = World::new();
    world.save(0..10);
    let [first, second] = [world.index(), world.index()];
    first.record(&identity(20), content(20), now());
    second.record(&identity(30), content(30), now());
    first.save().unwrap();
    second.save().unwrap();
    assert_eq!(world.known(8..40), [8, 9, 20, 30]);
}

#[test]
fn an_index_that_has_nothing_new_is_not_written() {
    let world = World::new();
    world.save(0..10);
    let before = fs::metadata(world.file()).unwrap().ino();
    world.save(0..0);
    assert_eq!(fs::metadata(world.file()).unwrap().ino(), before);
}

#[test]
fn entries_that_nobody_looks_at_are_dropped() {
    let world = World::new();
    world.save(0..10);
    for save in 0..u64::from(MOST_SAVES) {
        assert_eq!(world.index().get(&identity(5)), Some(content(5)), "{save}");
        let index = world.index();
        assert!(index.get(&identity(7)).is_some());
        index.record(&identity(100 + save), content(100 + save), now());
        index.save().unwrap();
    }
    assert_eq!(world.known(0..10), [7]);
}

#[test]
fn the_oldest_are_dropped_when_they_are_the_most() {
    let limit = |counts: [(usize, usize); 3]| {
        let mut by_age = [0; MOST_SAVES as usize + 2];
        for (age, n_records) in counts {
            by_age[age] = n_records;
        }
        format::limit_of(&by_age)
    };
    let few = format::FEW;
    assert_eq!(limit([(0, 0), (1, few), (2, 0)]), u64::from(MOST_SAVES));
    assert_eq!(limit([(0, 0), (1, few), (3, 1)]), 3);
    assert_eq!(limit([(0, few), (1, few + 1), (2, 1)]), 1);
    assert_eq!(limit([(0, few + 1), (1, few), (3, 2)]), 3);
    assert_eq!(limit([(0, 1), (9, few), (65, few)]), u64::from(MOST_SAVES));
}

#[test]
fn a_cut_or_changed_index_is_empty() {
    let world = World::new();
    world.save(1..30);
    let bytes = fs::read(world.file()).unwrap();
    for length in (0..bytes.len()).step_by(7) {
        fs::write(world.file(), &bytes[..length]).unwrap();
        assert!(world.known(0..40).is_empty(), "{length}");
    }
    for at in (0..bytes.len()).step_by(11) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        fs::write(world.file(), &changed).unwrap();
        assert!(world.known(0..40).is_empty(), "{at}");
    }
    // It is replaced by the next save.
    fs::write(world.file(), "something else").unwrap();
    world.save(1..3);
    assert_eq!(world.known(0..40), [1, 2]);
}

#[test]
fn contexts_do_not_share_an_index() {
    let world = World::new();
    world.save(1..3);
    let dir = fs::File::open(world.dir.path()).unwrap();
    let other = ContentIndex::open(world.dir.path(), Path::new("/other"), dir).unwrap();
    assert_eq!(other.get(&identity(1)), None);
}

#[test]
fn indexes_of_contexts_that_nobody_builds_are_removed() {
    let world = World::new();
    world.save(1..3);
    let folder = world.file().parent().unwrap().to_path_buf();
    let make = |name: &str, days: u32| {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_modified(SystemTime::now() - DAY * days).unwrap();
    };
    let names = || {
        let files = fs::read_dir(&folder).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.len() < 64).collect();
        names.sort();
        names
    };
    for (name, days) in [("old", 61), ("new", 59), (".left", 2), (".writing", 0)] {
        make(name, days);
    }
    world.save(3..4);
    assert_eq!(names(), [".writing", "new"]);
    for number in 0..70 {
        make(&format!("{number:02}"), number % 50);
    }
    world.save(4..5);
    let kept = names();
    assert_eq!(kept.len(), MOST_INDEXES);
    assert!(kept.contains(&".writing".to_owned()) && !kept.contains(&"new".to_owned()));
    assert_eq!(world.known(0..9), [1, 2, 3, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_index_is_a_map(steps in proptest::collection::vec((0_u64..40, 0_u64..4), 0..60)) {
        let world = World::new();
        let mut expected = std::collections::BTreeMap::new();
        for chunk in steps.chunks(7) {
            let index = world.index();
            for (inode, size) in chunk {
                let identity = FileIdentity { size: *size, ..identity(*inode) };
                index.record(&identity, content(*size), now());
                expected.insert(*inode, *size);
            }
            index.save().unwrap();
        }
        let index = world.index();
        for inode in 0..40 {
            for size in 0..4 {
                let found = index.get(&FileIdentity { size, ..identity(inode) });
                let is_it = expected.get(&inode) == Some(&size);
                prop_assert_eq!(found, is_it.then(|| content(size)));
            }
        }
    }
}
