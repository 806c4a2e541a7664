//! An image's files at two moments of its build.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::optimize::division::Part;
use crate::rootfs::{RootDir, RootError};

/// The largest file whose content is compared.
const LIMIT: u64 = 1 << 30;

/// The files before some steps and after them.
#[derive(Debug)]
pub(super) struct Moments<'a> {
    /// Before.
    pub(super) early: &'a RootDir,
    /// After.
    pub(super) late: &'a RootDir,
    /// The directories that hold what each of the steps wrote.
    pub(super) steps: Vec<&'a Path>,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is as it was, but for its time.
    Same,
    /// It was made, or is another file.
    Changed,
    /// It is a directory that was there before, with another owner or mode.
    OtherMode,
    /// It is gone.
    Removed,
    /// It was not there and is not there.
    Absent,
}

impl<'a> Moments<'a> {
    /// The files before `steps` and after them.
    pub(super) fn between(early: &'a RootDir, late: &'a RootDir, steps: &'a [Part]) -> Moments<'a> {
        let steps = steps.iter().map(|step| step.files.as_path());
        Moments {
            early,
            late,
            steps: steps.collect(),
        }
    }
}

impl Moments<'_> {
    /// Whether a step wrote something at `path` or below it, or removed it.
    pub(super) fn is_touched(&self, path: &Path) -> bool {
        self.uppers(path).next().is_some()
    }

    /// What the steps have at `path`.
    fn uppers(&self, path: &Path) -> impl Iterator<Item = PathBuf> {
        let relative = path.strip_prefix("/").unwrap_or(path).to_path_buf();
        self.steps
            .iter()
            .map(move |step| step.join(&relative))
            .filter(|upper| fs::symlink_metadata(upper).is_ok())
    }

    /// What became of `path`.
    pub(super) fn state(&self, path: &Path) -> State {
        let (early, late) = (
            self.early.symlink_metadata(path),
            self.late.symlink_metadata(path),
        );
        match (early, late) {
            (Ok(early), Ok(late)) => {
                if early.is_dir() && late.is_dir() {
                    return if access(&early) == access(&late) {
                        State::Same
                    } else {
                        State::OtherMode
                    };
                }
                let is_same = access(&early) == access(&late)
                    && early.len() == late.len()
                    && (!self.is_touched(path)
                        || self.has_same_content(path, &late).unwrap_or(false));
                if is_same { State::Same } else { State::Changed }
            }
            (Ok(_), Err(_)) => State::Removed,
            (Err(_), Ok(_)) => State::Changed,
            (Err(_), Err(_)) => State::Absent,
        }
    }

    fn has_same_content(&self, path: &Path, late: &Metadata) -> Result<bool, RootError> {
        if late.is_symlink() {
            return Ok(self.early.read_link(path)? == self.late.read_link(path)?);
        }
        if !late.is_file() {
            return Ok(false);
        }
        Ok(self.early.attributes(path)? == self.late.attributes(path)?
            && self.early.read(path, LIMIT)? == self.late.read(path, LIMIT)?)
    }

    /// Whether everything below `tree` is as it was, but for what is below a `pruned` directory.
    pub(super) fn is_same_tree(&self, tree: &Path, pruned: &[&Path]) -> bool {
        if self.state(tree) != State::Same {
            return false;
        }
        let mut pending = vec![tree.to_path_buf()];
        while let Some(directory) = pending.pop() {
            if !self.is_touched(&directory) {
                continue;
            }
            let names = |root: &RootDir| root.names(&directory);
            let (early, late) = (names(self.early), names(self.late));
            let is_pruned = |path: &Path| pruned.contains(&path);
            let counts = |name: &&std::ffi::OsString| !is_pruned(&directory.join(name));
            if !early.iter().filter(counts).eq(late.iter().filter(counts)) {
                return false;
            }
            for name in late.iter().filter(counts) {
                let path = directory.join(name);
                if self.state(&path) != State::Same {
                    return false;
                }
                let is_directory = self
                    .late
                    .symlink_metadata(&path)
                    .is_ok_and(|found| found.is_dir());
                if is_directory {
                    pending.push(path);
                }
            }
        }
        true
    }
}

/// The kind and mode, the user and the group.
fn access(metadata: &Metadata) -> (u32, u32, u32) {
    (metadata.mode(), metadata.uid(), metadata.gid())
}
