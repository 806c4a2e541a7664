//! What a `COPY` put somewhere for whoever runs the image: filters, templates and settings whose paths an operator passes.
//!
//! No run need come to it, and nothing in the image need name it. What a build needs is read by a later `RUN`, which names it, and
//! the program's own files lie where it is built or started: each has rules of its own.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Keeper;
use super::data::is_of_a_project;
use super::helpers::is_for_developers;
use super::seen::Look;
use super::unit::{is_shared, may_be_compiled};
use crate::evidence::collect::Step;
use crate::evidence::owner::Owners;
use crate::rootfs::{RootDir, RootError};

/// The most files of one instruction.
const MOST_FILES: usize = 2_000;
/// The largest of what one instruction brings, in bytes.
const SIZE_LIMIT: u64 = 16 << 20;
/// Where things lie for a moment, or for who builds.
const OF_BUILDS: [&str; 7] = [
    "/build", "/builder", "/source", "/src", "/tmp", "/usr/src", "/var/tmp",
];

/// Why it is kept.
pub(crate) const REASON: &str =
    "it was brought for whoever runs the image: no instruction reads it";

impl Keeper<'_> {
    /// Keeps what each `COPY` has brought outside of the program's own directory, if no build reads it; of scripts that can be
    /// started also what runs them and what they start.
    pub(super) fn add_brought(&mut self) -> Result<(), RootError> {
        // It is the same whatever else is kept.
        if !self.seen.note(Look::Brought, Path::new("/")) {
            return Ok(());
        }
        for path in brought(self.root, &self.owners, &self.working_dir)? {
            self.keep_path(path.clone(), REASON);
            if is_startable(self.root, &path)
                && let Some(bytes) = self.root.content(&path, SIZE_LIMIT)
            {
                self.kept.used.insert(path);
                self.add_interpreter(&bytes, REASON)?;
            }
        }
        Ok(())
    }
}

/// Whether whoever runs the image can start the file at `path`, a script or a compiled program.
pub(crate) fn is_startable(root: &RootDir, path: &Path) -> bool {
    let found = root.entry(path);
    found.is_some_and(|found| found.is_file() && found.mode() & 0o111 != 0)
        && root
            .start(path, 4)
            .is_some_and(|head| head.starts_with(b"#!") || head == b"\x7fELF")
}

/// The files that instructions have brought for whoever runs the image, where the program starts in `working_dir`.
pub(crate) fn brought(
    root: &RootDir,
    owners: &Owners<'_>,
    working_dir: &Path,
) -> Result<Vec<PathBuf>, RootError> {
    let steps = owners.steps();
    let mut found = Vec::new();
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.copies) {
        let later = steps.get(index + 1..).unwrap_or_default();
        let is_still_there = |path: &PathBuf| {
            let origin = owners.origin(path);
            origin.is_some_and(|origin| std::ptr::eq(origin, step)) && root.entry(path).is_some()
        };
        let files = brought_by(step, later, working_dir)?.into_iter();
        found.extend(files.filter(is_still_there));
    }
    Ok(found)
}

/// The same for `step`, before the `later` ones; some may be gone since.
fn brought_by(
    step: &Step,
    later: &[Step],
    working_dir: &Path,
) -> Result<BTreeSet<PathBuf>, RootError> {
    let root = match RootDir::open(&step.files) {
        Ok(root) => root,
        Err(error) if error.is_absent() => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let (mut files, mut size) = (BTreeSet::new(), 0);
    root.walk(&mut |path, metadata| {
        if !metadata.is_dir() {
            size += metadata.size();
            files.insert(path.to_path_buf());
        }
    })?;
    let is_of_builds = |path: &PathBuf| {
        let is_own = working_dir != Path::new("/") && path.starts_with(working_dir);
        is_own
            || path.parent() == Some(Path::new("/"))
            // Settings in homes and keys have rules of their own.
            || path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))
            || OF_BUILDS.iter().any(|place| path.starts_with(place))
            || may_be_compiled(path)
            || is_of_a_project(path)
            || path.ancestors().any(is_for_developers)
            || later.iter().any(|later| is_named(path, &later.text))
    };
    if size > SIZE_LIMIT || files.len() > MOST_FILES || files.iter().any(is_of_builds) {
        files.clear();
    }
    Ok(files)
}

/// Whether a command in `text` that may read what it names has the name of `path`, or of a directory above it that is not
/// everybody's.
fn is_named(path: &Path, text: &str) -> bool {
    /// What only says who may do what.
    const NO_READERS: [&str; 5] = ["chgrp", "chmod", "chown", "ls", "mkdir"];
    let reads = |command: &&str| {
        let mut words = command.split_whitespace();
        words.next().is_some_and(|word| !NO_READERS.contains(&word))
    };
    let is_end = |rest: &str| {
        !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    let places: Vec<&str> = path
        .ancestors()
        .take_while(|above| *above == path || !is_shared(above))
        .filter_map(Path::to_str)
        .collect();
    // `/bin/sh -c chmod ...`
    let text = text.replace(" -c ", "\n");
    text.split(['\n', ';', '&', '|'])
        .filter(reads)
        .any(|command| {
            places.iter().any(|name| {
                let mut found = command.match_indices(name);
                found.any(|(at, _)| is_end(command.get(at + name.len()..).unwrap_or_default()))
            })
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Which of `files`, which one instruction copies, are kept beside a program in `/app` if `later` runs then.
    #[track_caller]
    fn check(files: &[&str], later: &str, expected: &[&str]) {
        let (image, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in files {
            for dir in [&image, &copied] {
                let path = dir.path().join(&path[1..]);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "x").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
        let root = RootDir::open(image.path()).unwrap();
        let steps = [
            Step {
                files: copied.path().to_path_buf(),
                line: 2,
                copies: true,
                ..Step::default()
            },
            Step {
                files: image.path().join("nothing"),
                line: 3,
                text: later.to_owned(),
                ..Step::default()
            },
        ];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.start_programs_from("/usr/bin", Path::new("/app"));
        keeper.add_brought().unwrap();
        let kept: Vec<&str> = keeper
            .kept
            .paths
            .keys()
            .filter_map(|path| path.to_str())
            .collect();
        assert_eq!(kept, expected, "{files:?} {later}");
    }

    #[test]
    fn what_is_copied_outside_of_the_programs_directory_is_for_who_runs_it() {
        let filters = [
            "/usr/share/pandoc/filters/dot.py",
            "/usr/share/pandoc/letter.tex",
        ];
        check(
            &filters,
            "/data\n/bin/sh -c chmod +x /usr/share/pandoc/filters/dot.py",
            &filters,
        );
        check(&["/usr/local/bin/backup"], "", &["/usr/local/bin/backup"]);
    }

    #[test]
    fn what_a_build_reads_is_not() {
        check(
            &["/opt/list/names.txt"],
            "/opt/list\n/bin/sh -c xargs <names.txt",
            &[],
        );
        check(
            &["/opt/list/names.txt"],
            "/\n/bin/sh -c cd /opt/list && xargs <names.txt",
            &[],
        );
        check(
            &["/usr/share/names.txt"],
            "/\n/bin/sh -c xargs </usr/share/names.txt",
            &[],
        );
        let other = "/\n/bin/sh -c xargs </usr/share/names.txt2";
        check(&["/usr/share/names.txt"], other, &["/usr/share/names.txt"]);
        for path in [
            "/app/x.txt",
            "/x.txt",
            "/tmp/x",
            "/lib/x.c",
            "/opt/tests/x",
            "/opt/package.json",
            "/root/.ssh/id_ed25519",
        ] {
            check(&[path], "", &[]);
        }
        check(&["/opt/x.txt", "/opt/main.go"], "", &[]);
    }
}
