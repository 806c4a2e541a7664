//! What has to be collected from the second part of a build stage, and whether `COPY` can say it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::refactor::{KeptPath, RootfsStage, can_copy};
use crate::rootfs::RootDir;

/// How many files and directories are copied one by one; a list of more is nothing that people read.
const MOST: usize = 6;

/// What `late` collects, if `COPY` makes all of it as it is: some files and directories of root's with nothing special about
/// them. No stage of its own is needed then.
pub(super) fn copied_late(root: &RootDir, late: &RootfsStage) -> Option<Vec<KeptPath>> {
    let has_more = !late.packages.is_empty()
        || !late.pruned.is_empty()
        || !late.pruned_files.is_empty()
        || !late.before.is_empty()
        || !late.further.is_empty();
    let is_tree = |path: &PathBuf| late.trees.contains(path);
    let paths = || late.singles.iter().chain(&late.trees);
    // Directories on the way are named, too.
    let is_on_the_way = |path: &PathBuf| {
        !is_tree(path) && paths().any(|other| other != path && other.starts_with(path))
    };
    let is_inside = |path: &PathBuf| {
        let mut trees = late.trees.iter();
        trees.any(|tree| tree != path && path.starts_with(tree))
    };
    let mut copied: Vec<&PathBuf> = paths()
        .filter(|path| !is_on_the_way(path) && !is_inside(path))
        .collect();
    copied.sort();
    copied.dedup();
    let can_be = |path: &PathBuf| {
        let is_right = if is_tree(path) {
            is_plain_tree(root, path)
        } else {
            is_plain_file(root, path)
        };
        is_right && can_copy(path) && path.ancestors().skip(1).all(|path| is_usual(root, path))
    };
    if has_more || copied.is_empty() || copied.len() > MOST || !copied.iter().all(|p| can_be(p)) {
        return None;
    }
    let kept = copied.into_iter().map(|path| KeptPath {
        path: path.clone(),
        reason: "it was made or changed when the sources had come".to_owned(),
        is_directory: is_tree(path),
    });
    Some(kept.collect())
}

/// Whether a directory is as one that is made on the way to what lies in it.
fn is_usual(root: &RootDir, path: &Path) -> bool {
    path == Path::new("/")
        || root.entry(path).is_some_and(|found| {
            found.is_dir() && found.mode() & 0o7777 == 0o755 && (found.uid(), found.gid()) == (0, 0)
        })
}

/// Whether a file is root's, under one name, and has no further attributes.
fn is_plain_file(root: &RootDir, path: &Path) -> bool {
    let is_bare = root.attributes(path).is_ok_and(|found| found.is_empty());
    root.entry(path).is_some_and(|found| {
        found.is_file() && found.nlink() == 1 && (found.uid(), found.gid()) == (0, 0)
    }) && is_bare
}

fn is_plain_tree(root: &RootDir, path: &Path) -> bool {
    let is_bare = |path: &Path| root.attributes(path).is_ok_and(|found| found.is_empty());
    is_usual(root, path)
        && is_bare(path)
        && root.names(path).into_iter().all(|name| {
            let path = path.join(name);
            match root.entry(&path) {
                Some(found) if found.is_dir() => is_plain_tree(root, &path),
                Some(found) if found.is_symlink() => (found.uid(), found.gid()) == (0, 0),
                _ => is_plain_file(root, &path),
            }
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn plain_files_and_directories_of_root_are_copied() {
        if !rustix::process::geteuid().is_root() {
            #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
            {
                eprintln!("skipped: only root's files are copied");
            }
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for path in ["etc/app/conf.d", "etc/closed"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for path in ["", "etc", "etc/app", "etc/app/conf.d"] {
            fs::set_permissions(at(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(at("etc/closed"), fs::Permissions::from_mode(0o700)).unwrap();
        for path in ["etc/app/a", "etc/app/conf.d/b", "etc/closed/c", "etc/d"] {
            fs::write(at(path), path).unwrap();
        }
        std::os::unix::fs::symlink("a", at("etc/app/link")).unwrap();
        fs::hard_link(at("etc/d"), at("etc/e")).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let check = |singles: &[&str], trees: &[&str], expected: Option<&[&str]>| {
            let late = RootfsStage {
                singles: singles.iter().map(PathBuf::from).collect(),
                trees: trees.iter().map(PathBuf::from).collect(),
                ..RootfsStage::default()
            };
            let copied = copied_late(&root, &late);
            let paths: Option<Vec<String>> = copied.map(|copied| {
                let paths = copied.iter().map(|kept| kept.path.display().to_string());
                paths.collect()
            });
            let expected = expected.map(|paths| paths.iter().map(ToString::to_string).collect());
            assert_eq!(paths, expected, "{singles:?} {trees:?}");
        };
        check(
            &["/etc", "/etc/app", "/etc/app/a"],
            &[],
            Some(&["/etc/app/a"]),
        );
        check(
            &["/etc", "/etc/app"],
            &["/etc/app/conf.d"],
            Some(&["/etc/app/conf.d"]),
        );
        check(&["/etc/app", "/etc/app/link"], &[], None);
        check(&["/etc/closed", "/etc/closed/c"], &[], None);
        check(&["/etc/d"], &[], None);
        check(&["/etc/app"], &[], None);
        check(&["/etc/app/gone"], &[], None);
        check(&[], &[], None);
    }
}
