//! A walk through the context skips ignored directories; it must not skip one that has something to keep.

use jettison_dockerfile::{IgnoreDirectory, IgnoreFile};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["a", "b", "ab"];
const PARTS: [&str; 10] = [
    "a", "b", "ab", "*", "?", "a*", "*b", "**", "[^a]*", "\\x61b",
];

const ODD_PARTS: [&str; 21] = [
    "a", "b", "ab", "*", "?", "a*", "*b", "**", "[^a]*", "\\x61b", "a**", "**b", "a*b", "?b",
    "[ab]", "a|b", "a{1,2}*", "a{0,1}**", "a{0,1}", "*\\b", "b?|a*",
];

/// Every path of up to `depth` names.
fn tree(depth: usize) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    let mut level = vec![String::new()];
    for _ in 0..depth {
        level = level
            .iter()
            .flat_map(|parent| NAMES.map(|name| format!("{parent}/{name}")))
            .collect();
        paths.extend(level.iter().map(|path| path[1..].to_owned()));
    }
    paths
}

fn is_something_kept_below(file: &IgnoreFile, directory: &str, paths: &[String]) -> bool {
    let start = format!("{directory}/");
    paths
        .iter()
        .any(|path| path.starts_with(&start) && !file.is_ignored(path))
}

fn pattern(parts: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&PARTS), 1..=parts)
        .prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn a_directory_with_something_to_keep_is_never_skipped(
        rules in proptest::collection::vec((any::<bool>(), pattern(4)), 1..6),
    ) {
        let lines = rules.iter().map(|(is_exception, pattern)| {
            format!("{}{pattern}\n", if *is_exception { "!" } else { "" })
        });
        let file = IgnoreFile::parse(&lines.collect::<String>()).unwrap();
        let paths = tree(4);
        for directory in paths.iter().filter(|path| path.split('/').count() < 4) {
            if is_something_kept_below(&file, directory, &paths) {
                prop_assert!(file.may_reinclude_below(directory), "{}", directory);
            }
        }
    }

    #[test]
    fn a_directory_that_no_later_exception_reaches_is_skipped(
        ignored in proptest::collection::vec(pattern(2), 1..4),
        exceptions in proptest::collection::vec(pattern(3), 0..4),
    ) {
        let exceptions = exceptions.iter().map(|pattern| format!("!{pattern}"));
        let lines: Vec<String> = ignored.iter().cloned().chain(exceptions).collect();
        let file = IgnoreFile::parse(&lines.join("\n")).unwrap();
        let paths = tree(5);
        for directory in paths.iter().filter(|path| path.split('/').count() < 3) {
            if file.is_ignored(directory) {
                prop_assert_eq!(
                    file.may_reinclude_below(directory),
                    is_something_kept_below(&file, directory, &paths),
                    "{}", directory
                );
            }
        }
    }
}

/// Walks through the tree of three names, and says what is kept.
fn walk(directory: &IgnoreDirectory<'_>, path: &str, depth: usize, kept: &mut Vec<String>) {
    for name in NAMES {
        let path = format!("{path}{name}");
        if !directory.leaves_out(name) {
            kept.push(path.clone());
        }
        if depth > 1
            && let Some(inner) = directory.enter(name)
        {
            assert_eq!(inner.is_ignored(), directory.leaves_out(name), "{path}");
            walk(&inner, &(path + "/"), depth - 1, kept);
        }
    }
}

proptest! {
    #[test]
    fn a_walk_says_of_every_path_what_is_said_of_it_alone(
        rules in proptest::collection::vec((any::<bool>(), odd_pattern()), 0..6),
    ) {
        let lines = rules.iter().map(|(is_exception, pattern)| {
            format!("{}{pattern}\n", if *is_exception { "!" } else { "" })
        });
        // Something odd in the exceptions keeps BuildKit from walking through less than it should.
        let text = lines.collect::<String>() + "!nothing?\n";
        let Ok(file) = IgnoreFile::parse(&text) else {
            return Ok(());
        };
        let mut kept = Vec::new();
        walk(&file.top(), "", 4, &mut kept);
        let mut expected: Vec<_> = tree(4).into_iter().filter(|path| !file.is_ignored(path)).collect();
        kept.sort();
        expected.sort();
        prop_assert_eq!(kept, expected, "{}", text);
    }
}

fn odd_pattern() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&ODD_PARTS), 1..=4)
        .prop_map(|parts| parts.join("/"))
}

#[test]
fn an_exception_before_what_ignores_a_directory_does_not_help() {
    let file = IgnoreFile::parse("!src/keep\nsrc\n!docs/*.md\n").unwrap();
    assert!(!file.may_reinclude_below("src"));
    let file = IgnoreFile::parse("src\n!src/keep\n").unwrap();
    assert!(file.may_reinclude_below("src"));
    assert!(!file.may_reinclude_below("src/other"));
}
