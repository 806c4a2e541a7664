//! A base image that the user has chosen: what it has need not be copied.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_oci::{Image, RunConfig};
use regex::Regex;

use crate::evidence::{Evidence, Fact, Origin, Owners};
use crate::refactor::{BaseStage, KeptPath, RootfsStage};
use crate::rootfs::{RootDir, RootError};

/// The largest file that is compared.
const FILE_LIMIT: u64 = 4 << 30;

/// The base, and its files.
pub(super) struct Base {
    pub(super) reference: String,
    pub(super) image: Image,
    pub(super) root: RootDir,
}

impl Base {
    /// `evidence` without what the base has just as the image with the files `original` has it.
    pub(super) fn without(
        &self,
        evidence: &Evidence,
        original: &RootDir,
    ) -> Result<Evidence, String> {
        let mut evidence = evidence.clone();
        let both = Both {
            original,
            base: &self.root,
        };
        let runtime = &mut evidence.runtime;
        let before = n_parts(runtime.rootfs.as_ref(), &runtime.kept);
        let mut kept = Vec::new();
        for path in &runtime.kept {
            both.check_place(&path.path)?;
            if !both.is_same_tree(&path.path).map_err(text)? {
                kept.push(path.clone());
            }
        }
        runtime.kept = kept;
        if let Some(stage) = &mut runtime.rootfs {
            self.reduce(stage, &both)?;
        }
        runtime.rootfs = runtime.rootfs.take().filter(|stage| {
            !(stage.packages.is_empty() && stage.singles.is_empty() && stage.trees.is_empty())
        });
        let after = n_parts(runtime.rootfs.as_ref(), &runtime.kept);
        if runtime.base.is_none() {
            runtime.base = Some(self.stage());
            evidence.facts.push(Fact {
                text: format!(
                    "{} has {} of {before} parts as the original has them; the others are copied",
                    self.reference,
                    before.saturating_sub(after),
                ),
                origin: Origin::ImageConfig,
            });
        }
        Ok(evidence)
    }

    /// What the base's configuration leaves to be said.
    fn stage(&self) -> BaseStage {
        let RunConfig {
            user,
            env,
            entrypoint,
            cmd,
            working_dir,
            ..
        } = &self.image.config().config;
        BaseStage {
            reference: self.reference.clone(),
            user: user.clone(),
            env: env.clone(),
            working_dir: working_dir.clone(),
            has_entrypoint: entrypoint.as_ref().is_some_and(|words| !words.is_empty()),
            has_cmd: cmd.as_ref().is_some_and(|words| !words.is_empty()),
        }
    }

    /// Whether its records of dpkg are in one file, whose place ours would take.
    fn has_dpkg_status(&self) -> bool {
        self.root
            .metadata(Path::new("/var/lib/dpkg/status"))
            .is_ok_and(|found| found.is_file() && found.len() > 0)
    }

    /// Takes out what the base has.
    fn reduce(&self, stage: &mut RootfsStage, both: &Both<'_>) -> Result<(), String> {
        let owners = Owners::read(both.original, &[]).map_err(|error| error.to_string())?;
        let left_out = Regex::new(&format!("^/({})", stage.left_out.join("|")))
            .ok()
            .filter(|_| !stage.left_out.is_empty());
        let is_left_out = |path: &Path| {
            let path = path.to_string_lossy();
            left_out.as_ref().is_some_and(|rule| rule.is_match(&path))
        };
        let mut packages = Vec::new();
        for package in &stage.packages {
            let mut is_there = true;
            for path in owners.files_of(package).filter(|path| !is_left_out(path)) {
                let is_directory = both
                    .original
                    .symlink_metadata(path)
                    .is_ok_and(|found| found.is_dir());
                if !is_directory {
                    both.check_place(path)?;
                    is_there &= both.is_same(path).map_err(text)?;
                }
            }
            if !is_there {
                packages.push(package.clone());
            }
        }
        stage.packages = packages;
        stage.status_of = self.has_dpkg_status().then(|| self.reference.clone());
        let mut singles = Vec::new();
        for path in &stage.singles {
            both.check_place(path)?;
            if !both.is_same(path).map_err(text)? {
                singles.push(path.clone());
            }
        }
        stage.singles = singles;
        let mut trees = Vec::new();
        for path in &stage.trees {
            both.check_place(path)?;
            if !both.is_same_tree(path).map_err(text)? {
                trees.push(path.clone());
            }
        }
        stage.trees = trees;
        Ok(())
    }
}

fn n_parts(rootfs: Option<&RootfsStage>, kept: &[KeptPath]) -> usize {
    let collected = rootfs.map_or(0, |stage| {
        stage.packages.len() + stage.singles.len() + stage.trees.len()
    });
    collected + kept.len()
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn text(error: RootError) -> String {
    format!("cannot compare the base's files: {error}")
}

/// The files of the original and of the base.
struct Both<'r> {
    original: &'r RootDir,
    base: &'r RootDir,
}

impl Both<'_> {
    /// Refuses a path that would be put behind a link of the base, or in place of a directory: `COPY` cannot.
    fn check_place(&self, path: &Path) -> Result<(), String> {
        let Ok(here) = self.original.symlink_metadata(path) else {
            return Ok(());
        };
        let Ok(there) = self.base.symlink_metadata(path) else {
            return Ok(());
        };
        if here.is_dir() == there.is_dir() {
            return Ok(());
        }
        Err(format!(
            "the base has {} at {}, and the original has {}",
            kind(there.is_dir()),
            path.display(),
            kind(here.is_dir()),
        ))
    }

    /// Whether the entry at `path` is the same in both: kind, mode, owner, target or content; of a directory not what is in it.
    fn is_same(&self, path: &Path) -> Result<bool, RootError> {
        let here = match self.original.symlink_metadata(path) {
            Ok(here) => here,
            // Nobody copies what is not there.
            Err(error) if error.is_absent() => return Ok(true),
            Err(error) => return Err(error),
        };
        let there = match self.base.symlink_metadata(path) {
            Ok(there) => there,
            Err(error) if error.is_absent() => return Ok(false),
            Err(error) => return Err(error),
        };
        let facts = |found: &std::fs::Metadata| (found.mode(), found.uid(), found.gid());
        if facts(&here) != facts(&there) {
            return Ok(false);
        }
        if here.is_symlink() {
            return Ok(self.original.read_link(path)? == self.base.read_link(path)?);
        }
        if here.is_dir() {
            return Ok(true);
        }
        if !here.is_file() || here.len() != there.len() {
            return Ok(false);
        }
        if self.original.attributes(path)? != self.base.attributes(path)? {
            return Ok(false);
        }
        Ok(self.original.read(path, FILE_LIMIT)? == self.base.read(path, FILE_LIMIT)?)
    }

    /// The same with all that is below.
    fn is_same_tree(&self, path: &Path) -> Result<bool, RootError> {
        if !self.is_same(path)? {
            return Ok(false);
        }
        let is_directory = self
            .original
            .symlink_metadata(path)
            .is_ok_and(|found| found.is_dir());
        if !is_directory {
            return Ok(true);
        }
        let names: BTreeSet<PathBuf> = self
            .original
            .list(path)?
            .into_iter()
            .map(|name| path.join(name))
            .collect();
        for path in names {
            if !self.is_same_tree(&path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn kind(is_directory: bool) -> &'static str {
    if is_directory {
        "a directory"
    } else {
        "no directory"
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory with these files; a text that begins with `->` is a link's target.
    fn files(entries: &[(&str, &str)]) -> (tempfile::TempDir, RootDir) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in entries {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        let root = RootDir::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn only_what_is_the_same_in_every_way_need_not_be_copied() {
        let (_original, original) = files(&[
            ("same", "x"),
            ("other", "x"),
            ("longer", "x"),
            ("missing", "x"),
            ("link", "->a"),
            ("turned", "->a"),
            ("tree/a", "x"),
            ("tree/b/c", "x"),
            ("part/a", "x"),
            ("part/b", "x"),
        ]);
        let (_base, base) = files(&[
            ("same", "x"),
            ("other", "y"),
            ("longer", "xx"),
            ("link", "->a"),
            ("turned", "->b"),
            ("tree/a", "x"),
            ("tree/b/c", "x"),
            ("tree/more", "x"),
            ("part/a", "x"),
        ]);
        let both = Both {
            original: &original,
            base: &base,
        };
        for (path, expected) in [
            ("/same", true),
            ("/other", false),
            ("/longer", false),
            ("/missing", false),
            ("/link", true),
            ("/turned", false),
            ("/tree", true),
            ("/part", false),
            ("/in/neither", true),
        ] {
            let is_same = both.is_same_tree(Path::new(path)).unwrap();
            assert_eq!(is_same, expected, "{path}");
        }
    }

    #[test]
    fn a_link_does_not_take_the_place_of_a_directory() {
        let (_original, original) = files(&[("lib", "->usr/lib"), ("usr/lib/x", "x")]);
        let (_base, base) = files(&[("lib/x", "x")]);
        let both = Both {
            original: &original,
            base: &base,
        };
        let refused = both.check_place(Path::new("/lib"));
        assert_eq!(
            refused,
            Err("the base has a directory at /lib, and the original has no directory".to_owned())
        );
        assert_eq!(both.check_place(Path::new("/usr/lib/x")), Ok(()));
    }
}
