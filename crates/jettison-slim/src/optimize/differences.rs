//! What two builds of nearly the same Dockerfile made differently.
//!
//! Only what their own steps wrote is looked at: steps that both share wrote the same. Times do not count, neither those of
//! files nor those that Python's byte code and the entries of Java's archives name; nor do counters of how often tools ran.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::java::zip::{content as zip_content, entries as zip_entries};
use crate::rootfs::{RootDir, RootError};

/// Where Go's tools count how often each of them ran (<https://go.dev/doc/telemetry>): what a cache spares them is not counted, and the files' names
/// hold the day.
const COUNTERS: &str = "/go/telemetry/";

/// The files of a build, and the directories that hold what its steps wrote.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub(super) root: &'a RootDir,
    pub(super) steps: Vec<PathBuf>,
}

/// How something is another thing in the second build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Only the first has it.
    Absent,
    /// Only the second has it.
    Added,
    /// Both have it.
    Other,
}

/// What is different, by paths.
pub(super) type Differences = BTreeMap<PathBuf, Difference>;

/// How `second` differs from `first`, but for what lies below `hidden`.
pub(super) fn differences(
    first: &Files<'_>,
    second: &Files<'_>,
    hidden: &[PathBuf],
) -> Result<Differences, RootError> {
    let own = |files: &Files<'_>, other: &Files<'_>| -> Vec<PathBuf> {
        let steps = files.steps.iter();
        let own = steps.filter(|step| !other.steps.contains(step));
        own.cloned().collect()
    };
    let mut paths = BTreeSet::new();
    for step in own(first, second).iter().chain(&own(second, first)) {
        add_written(step, Path::new("/"), &mut paths);
    }
    let mut found = Differences::new();
    for path in paths {
        if hidden.iter().any(|hidden| path.starts_with(hidden)) || counts(&path) {
            continue;
        }
        add_difference([first.root, second.root], &path, hidden, &mut found)?;
    }
    Ok(found)
}

/// What of `differences` a second build of the original does not show as well.
pub(super) fn unexplained(differences: &Differences, again: &Differences) -> Vec<PathBuf> {
    // Where names come and go from build to build, as those of logs do, others may.
    let unsteady: BTreeSet<&Path> = again
        .iter()
        .filter(|(_, difference)| **difference != Difference::Other)
        .filter_map(|(path, _)| path.parent())
        .collect();
    differences
        .iter()
        .filter(|(path, difference)| {
            let is_unsteady = **difference != Difference::Other
                && path
                    .parent()
                    .is_some_and(|parent| unsteady.contains(parent));
            !again.contains_key(*path) && !is_unsteady
        })
        .map(|(path, _)| path.clone())
        .collect()
}

/// Whether a tool counts there how often it ran.
fn counts(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.contains(COUNTERS))
}

/// Everything that a step wrote, directories included.
fn add_written(step: &Path, directory: &Path, paths: &mut BTreeSet<PathBuf>) {
    let here = step.join(directory.strip_prefix("/").unwrap_or(directory));
    let Ok(entries) = fs::read_dir(here) else {
        return;
    };
    paths.insert(directory.to_path_buf());
    for entry in entries.flatten() {
        let path = directory.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            add_written(step, &path, paths);
        } else {
            paths.insert(path);
        }
    }
}

fn add_difference(
    roots: [&RootDir; 2],
    path: &Path,
    hidden: &[PathBuf],
    found: &mut Differences,
) -> Result<(), RootError> {
    let entries = [entry(roots[0], path)?, entry(roots[1], path)?];
    let difference = match &entries {
        [None, None] => return Ok(()),
        [Some(_), None] => Difference::Absent,
        [None, Some(_)] => Difference::Added,
        [Some(first), Some(second)] => {
            if first.is_dir() && second.is_dir() {
                add_names(roots, path, hidden, found)?;
            }
            if is_same(roots, path, [first, second])? {
                return Ok(());
            }
            Difference::Other
        }
    };
    // A directory that a mount is put on, and those above it, may be made by the mount.
    let holds_hidden = hidden.iter().any(|hidden| hidden.starts_with(path));
    if !holds_hidden {
        found.insert(path.to_path_buf(), difference);
    }
    Ok(())
}

/// A directory may have been emptied and filled again, which none of its former entries tells.
fn add_names(
    roots: [&RootDir; 2],
    directory: &Path,
    hidden: &[PathBuf],
    found: &mut Differences,
) -> Result<(), RootError> {
    let [first, second] = [roots[0].list(directory)?, roots[1].list(directory)?];
    let is_hidden = |path: &Path| hidden.iter().any(|hidden| hidden.starts_with(path));
    let mut add = |names: &[std::ffi::OsString], others: &[std::ffi::OsString], difference| {
        for name in names.iter().filter(|name| !others.contains(name)) {
            let path = directory.join(name);
            if !is_hidden(&path) && !counts(&path) {
                found.insert(path, difference);
            }
        }
    };
    if first != second {
        add(&first, &second, Difference::Absent);
        add(&second, &first, Difference::Added);
    }
    Ok(())
}

fn entry(root: &RootDir, path: &Path) -> Result<Option<Metadata>, RootError> {
    match root.symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether both have the same at `path`, but for times.
fn is_same(
    roots: [&RootDir; 2],
    path: &Path,
    [first, second]: [&Metadata; 2],
) -> Result<bool, RootError> {
    let access = |found: &Metadata| (found.mode(), found.uid(), found.gid(), found.rdev());
    if access(first) != access(second) {
        return Ok(false);
    }
    if first.is_symlink() {
        return Ok(roots[0].read_link(path)? == roots[1].read_link(path)?);
    }
    if roots[0].attributes(path)? != roots[1].attributes(path)? {
        return Ok(false);
    }
    if !first.is_file() {
        return Ok(true);
    }
    if first.len() != second.len() {
        return Ok(false);
    }
    let files = [roots[0].open_file(path)?, roots[1].open_file(path)?];
    let extension = path.extension().and_then(|extension| extension.to_str());
    let same = match extension {
        Some("pyc") => same_byte_code(files),
        Some("jar" | "war") => same_archive(files),
        Some(_) | None => same_bytes(files),
    };
    same.map_err(|cause| RootError::System {
        action: "read",
        path: path.to_owned(),
        cause,
    })
}

/// Byte code is the same if only the time of its source is another, which is in the bytes 8 to 12 if the flags before them
/// are nought (PEP 552).
fn same_byte_code(mut files: [fs::File; 2]) -> io::Result<bool> {
    let mut contents = [Vec::new(), Vec::new()];
    for (file, content) in files.iter_mut().zip(&mut contents) {
        file.read_to_end(content)?;
        if content.len() >= 16 && content[4..8] == [0; 4] {
            content[8..12].fill(0);
        }
    }
    Ok(contents[0] == contents[1])
}

/// Archives of Java are the same if their files are, in the same order: each entry has a time, too.
fn same_archive(mut files: [fs::File; 2]) -> io::Result<bool> {
    let mut archives = [Vec::new(), Vec::new()];
    for (file, archive) in files.iter_mut().zip(&mut archives) {
        file.read_to_end(archive)?;
    }
    let [first, second] = &archives;
    if first == second {
        return Ok(true);
    }
    let (Some(entries), Some(others)) = (zip_entries(first), zip_entries(second)) else {
        return Ok(false);
    };
    let pairs = entries.iter().zip(&others);
    let are_same = pairs.into_iter().all(|(entry, other)| {
        let contents = zip_content(first, entry).zip(zip_content(second, other));
        entry.name == other.name && contents.is_some_and(|(one, other)| one == other)
    });
    Ok(are_same && entries.len() == others.len())
}

fn same_bytes(files: [fs::File; 2]) -> io::Result<bool> {
    const CHUNK: u64 = 256 << 10;
    let [mut first, mut second] = files;
    let [mut bytes, mut others] = [Vec::new(), Vec::new()];
    loop {
        bytes.clear();
        others.clear();
        first.by_ref().take(CHUNK).read_to_end(&mut bytes)?;
        second.by_ref().take(CHUNK).read_to_end(&mut others)?;
        if bytes != others {
            return Ok(false);
        }
        if bytes.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    /// Two file systems: what both have, what the first and the second wrote.
    #[track_caller]
    fn found(wrote: [&[(&str, &[u8])]; 2], hidden: &[&str]) -> Differences {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for (dir, files) in dirs.iter().zip(wrote) {
            for (path, content) in files {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        let roots = [
            RootDir::open(dirs[0].path()).unwrap(),
            RootDir::open(dirs[1].path()).unwrap(),
        ];
        let files = |index: usize| Files {
            root: &roots[index],
            steps: vec![dirs[index].path().to_path_buf()],
        };
        let hidden: Vec<PathBuf> = hidden.iter().map(PathBuf::from).collect();
        differences(&files(0), &files(1), &hidden).unwrap()
    }

    #[track_caller]
    fn check(wrote: [&[(&str, &[u8])]; 2], hidden: &[&str], expected: Expect) {
        let mut shown = String::new();
        for (path, difference) in found(wrote, hidden) {
            let _infallible = writeln!(shown, "{} {difference:?}", path.display());
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn every_file_counts_but_what_is_hidden() {
        check(
            [
                &[
                    ("a/x", b"1"),
                    ("a/y", b"1"),
                    ("a/gone", b""),
                    ("root/.npm/z", b""),
                ],
                &[("a/x", b"1"), ("a/y", b"2"), ("a/new", b"")],
            ],
            &["/root/.npm"],
            expect![[r"
                /a/gone Absent
                /a/new Added
                /a/y Other
            "]],
        );
    }

    #[test]
    fn what_the_tools_of_go_count_does_not_count() {
        check(
            [
                &[
                    ("root/.config/go/telemetry/local/asm@go1.24-1.count", b"1"),
                    ("root/.config/go/telemetry/local/go@go1.24-1.count", b"1"),
                    ("root/.config/go/env", b"1"),
                ],
                &[
                    ("root/.config/go/telemetry/local/go@go1.24-1.count", b"2"),
                    ("root/.config/go/env", b"2"),
                ],
            ],
            &[],
            expect![[r"
                /root/.config/go/env Other
            "]],
        );
    }

    #[test]
    fn byte_code_may_name_another_time_of_its_source() {
        let byte_code = |time: u8, code: u8| {
            let mut bytes = vec![0; 20];
            bytes[8] = time;
            bytes[19] = code;
            bytes
        };
        let [first, second, other] = [byte_code(1, 7), byte_code(2, 7), byte_code(2, 8)];
        check(
            [&[("m.pyc", &first)], &[("m.pyc", &second)]],
            &[],
            expect![""],
        );
        check(
            [&[("m.pyc", &first)], &[("m.pyc", &other)]],
            &[],
            expect![[r"
                /m.pyc Other
            "]],
        );
    }

    #[test]
    fn what_two_builds_of_the_original_make_differently_is_explained() {
        let differences = found(
            [
                &[("l/1.log", b""), ("j", b"1"), ("k", b"1")],
                &[("l/3.log", b""), ("j", b"3"), ("k", b"2")],
            ],
            &[],
        );
        let again = found(
            [
                &[("l/1.log", b""), ("j", b"1"), ("k", b"1")],
                &[("l/2.log", b""), ("j", b"2"), ("k", b"1")],
            ],
            &[],
        );
        assert_eq!(unexplained(&differences, &again), [PathBuf::from("/k")]);
    }
}
