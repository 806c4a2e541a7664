//! Laws that hold for every tree and every ignore file.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "ab", "a.b"];
const PATTERNS: [&str; 14] = [
    "a", "b", "*", "a*", "*b", "**/a", "**/*.b", "a/b", "a/*", "ab/**", "?", "[ab]", "*/a", "b/*/a",
];

/// Files of a tree by their paths; what is in the way of a directory is left out.
fn files() -> impl Strategy<Value = BTreeSet<String>> {
    let name = proptest::sample::select(&NAMES);
    let path = proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
    proptest::collection::btree_set(path, 0..14).prop_map(|paths| {
        let is_file = |path: &String| {
            let inside = format!("{path}/");
            !paths.iter().any(|other| other.starts_with(&inside))
        };
        paths.iter().filter(|path| is_file(path)).cloned().collect()
    })
}

fn ignore() -> impl Strategy<Value = String> {
    let pattern = (any::<bool>(), proptest::sample::select(&PATTERNS));
    let line = pattern.prop_map(|(is_exception, pattern)| {
        format!("{}{pattern}\n", if is_exception { "!" } else { "" })
    });
    proptest::collection::vec(line, 0..5).prop_map(|lines| lines.concat())
}

/// What the context has, said without a walk: all that is not ignored, and the directories of it.
fn expected(files: &BTreeSet<String>, ignore: &IgnoreFile) -> BTreeSet<String> {
    let ancestors = |path: &String| {
        let parts: Vec<&str> = path.split('/').collect();
        (1..=parts.len())
            .map(|n_parts| parts[..n_parts].join("/"))
            .collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = files.iter().flat_map(ancestors).collect();
    let kept = all.iter().filter(|path| !ignore.is_ignored(path));
    kept.flat_map(ancestors).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_walk_finds_what_is_not_ignored(files in files(), ignore in ignore()) {
        let world = World::new(&files.iter().map(String::as_str).collect::<Vec<_>>());
        // With this, BuildKit looks everywhere.
        let ignore = format!("{ignore}!nothing?\n");
        fs::write(world.dir.path().join("own.dockerignore"), &ignore).unwrap();
        let context = BuildContext::open(&world.path(""), &world.dir.path().join("own")).unwrap();
        let tree = ContextTree::open(&context).unwrap();
        let entries = tree.walk(Path::new("")).unwrap().unwrap();
        let found: Vec<String> = entries.iter().skip(1).map(|entry| entry.path().display().to_string()).collect();
        let expected = expected(&files, context.ignore().unwrap());
        prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected);
        // The order is that of the names on the way, and each part of it is what a walk from there would find.
        prop_assert!(found.is_sorted_by_key(|path| path.split('/').map(str::to_owned).collect::<Vec<_>>()));
        for entry in entries.iter() {
            let alone = ContextTree::open(&context).unwrap();
            let alone = alone.walk(&entry.path()).unwrap().unwrap();
            let paths = |entries: &Entries| entries.iter().map(|entry| entry.path()).collect::<Vec<_>>();
            let part = tree.walk(&entry.path()).unwrap().unwrap();
            prop_assert_eq!(paths(&alone), paths(&part));
            prop_assert_eq!(alone.n_entries(), entry.end() - entry.index());
        }
    }

    #[test]
    fn equal_trees_have_equal_digests_and_others_have_not(
        first in files(), second in files(), texts in proptest::collection::vec("[xy]{0,2}", 14),
    ) {
        let digest = |files: &BTreeSet<String>, is_reversed: bool| {
            let world = World::new(&[]);
            let mut files: Vec<_> = files.iter().zip(&texts).collect();
            if is_reversed {
                files.reverse();
            }
            for (path, text) in files {
                world.write(path, text);
            }
            world.digest().as_it_is
        };
        prop_assert_eq!(digest(&first, false), digest(&first, true));
        prop_assert_eq!(digest(&first, false) == digest(&second, false), first == second);
    }

    #[test]
    fn the_second_build_reads_nothing(files in files()) {
        let world = World::new(&files.iter().map(String::as_str).collect::<Vec<_>>());
        std::thread::sleep(std::time::Duration::from_millis(70));
        let first = world.digest();
        prop_assert_eq!(first.n_read, files.len());
        let second = world.digest();
        prop_assert_eq!(second.n_read, 0);
        prop_assert_eq!(first.as_it_is, second.as_it_is);
        if let Some(path) = files.first() {
            let file = fs::File::options().append(true).open(world.path(path)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
            let touched = world.digest();
            prop_assert_eq!(touched.n_read, 1);
            prop_assert_eq!(first.as_it_is, touched.as_it_is);
        }
    }
}
