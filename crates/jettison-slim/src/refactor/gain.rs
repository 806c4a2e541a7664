//! What makes an image smaller beyond leaving files out: files are made anew, smaller, in the build stage.
//!
//! A gain is a proposal like any other: it says what it adds to the Dockerfile, and in which files the image is then
//! knowingly another one. What has passed without it stays the answer unless the image with it passes as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::refactor::{RootfsStage, RuntimeStage};

/// A change to a candidate that has passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gain {
    /// Its name in kebab-case, such as `strip`.
    pub(crate) name: &'static str,
    /// What it does and why that is safe, in one sentence for the report.
    pub(crate) reason: String,
    /// What runs, as root, at the end of the build stage, before anything is collected from it.
    pub(crate) build: Vec<ShellStep>,
    /// What runs, as root, in the stage that collects, after that; what is collected lies in `/rootfs`.
    pub(crate) collected: Vec<ShellStep>,
    /// What is not taken from the build stage any more, with all that is below: of the paths that the candidate keeps.
    pub(crate) dropped: Vec<PathBuf>,
    /// Debian packages that are not taken any more.
    pub(crate) dropped_packages: BTreeSet<String>,
    /// What is not taken any more of the packages that stay, as [`RootfsStage::left_out`].
    pub(crate) left_out: Vec<String>,
    /// What is knowingly different.
    pub(crate) claims: Vec<Claim>,
}

/// Commands of a shell that succeed only together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellStep {
    /// What they are for, in one short sentence: the comment above them.
    pub comment: String,
    /// The commands, of POSIX; one may have several lines, the last of each but the last one ends with a backslash.
    pub commands: Vec<String>,
    /// The files and trees that are all that they read and make anew, but for the system's programs: it does not matter what else
    /// was made by then. Some need not be there. Nothing if they do more.
    pub trees: Vec<PathBuf>,
    /// Those among them that they make anew; nothing if that cannot be told.
    pub makes: Vec<PathBuf>,
    /// The caches that are mounted for them, as for the commands of the Dockerfile.
    pub caches: Vec<String>,
}

/// That something is knowingly another than the original's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The file, or the directory with all that is below.
    pub(crate) path: PathBuf,
    /// In what it is the same nevertheless.
    pub(crate) equality: Equality,
}

/// In what two different files are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Equality {
    /// What the kernel and the dynamic linker load of them is the same.
    Loaded,
    /// Only the answers of a program that reads them can be compared.
    Answers,
}

impl Gain {
    /// Whether `path` is knowingly one that a program can tell from the original's. What is loaded of the same way is none: if a
    /// run has seen a difference, the gain has promised too much.
    pub(crate) fn makes_another(&self, path: &Path) -> bool {
        self.claims.iter().any(|claim| match claim.equality {
            Equality::Loaded => false,
            Equality::Answers => path.starts_with(&claim.path),
        })
    }

    /// `runtime` with the change.
    pub(crate) fn apply(&self, runtime: &RuntimeStage) -> RuntimeStage {
        let mut runtime = runtime.clone();
        let is_dropped = |path: &PathBuf| self.dropped.iter().any(|drop| path.starts_with(drop));
        runtime.kept.retain(|kept| !is_dropped(&kept.path));
        runtime.owners.retain(|path, _| !is_dropped(path));
        if let Some(rootfs) = &mut runtime.rootfs {
            let packages = &self.dropped_packages;
            rootfs
                .packages
                .retain(|package| !packages.contains(package));
            let has = |part: &String| !rootfs.left_out.contains(part);
            let left_out: Vec<String> = self
                .left_out
                .iter()
                .filter(|part| has(part))
                .cloned()
                .collect();
            rootfs.left_out.extend(left_out);
            rootfs.singles.retain(|path| !is_dropped(path));
            rootfs.trees.retain(|path| !is_dropped(path));
            let inside = self.dropped.iter();
            let inside =
                inside.filter(|drop| rootfs.trees.iter().any(|tree| drop.starts_with(tree)));
            rootfs.pruned.extend(inside.cloned());
        }
        if !self.collected.is_empty() {
            let stage = runtime.rootfs.get_or_insert_with(RootfsStage::default);
            stage.needs_root = !["", "0", "root"].contains(&runtime.user.as_str());
            stage.further.extend(self.collected.iter().cloned());
        }
        if !self.build.is_empty() {
            let claimed = self.claims.iter().map(|claim| claim.path.clone());
            runtime.remade.extend(claimed);
            runtime.build_steps.extend(self.build.iter().cloned());
        }
        runtime
    }
}
