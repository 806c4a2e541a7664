//! What is made better about the build stage itself.

mod caches;
mod manifests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) use crate::refactor::build_stage::caches::{Caches, Command};
pub(crate) use crate::refactor::build_stage::manifests::{dependencies_first, manifests_first};

use jettison_dockerfile::{Stage, StageGraph};

use crate::refactor::{KeptPath, RootfsStage, RuntimeStage, ShellStep};

/// Where a build stage is divided: what comes before does not change with the sources, and neither does what is collected there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Division {
    /// The position of the first instruction of the second part among all instructions.
    pub(crate) at: usize,
    /// What is collected from the first part.
    pub(crate) early: Option<RootfsStage>,
    /// What is collected from the second part: it was made or changed there.
    pub(crate) late: Option<RootfsStage>,
    /// What is copied from the second part instead: some plain files and directories that were made or changed there.
    pub(crate) copied: Vec<KeptPath>,
    /// Whether the second part only copies sources, so that the final stage can do that itself.
    pub(crate) sources: Option<Sources>,
    /// What is made anew from the first part in a stage of its own, and taken from there.
    pub(crate) aside: Option<Aside>,
    /// What is copied and is there before the sources come as it is in the end: files, and directories with all that is below.
    pub(crate) settled: Vec<PathBuf>,
}

/// A stage on the first part of a build stage, in which something is made anew that the second part needs as it was: modules that
/// only development needs are taken away there, but build the program here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    /// The position of the first instruction of the second part among all instructions.
    pub(crate) at: usize,
    /// What makes it anew.
    pub(crate) steps: Vec<ShellStep>,
    /// What is taken from there: files, and directories with all that is below.
    pub(crate) taken: Vec<KeptPath>,
    /// Whether the first part ends as another user than root.
    pub(crate) needs_root: bool,
}

impl Aside {
    /// Whether `path` is taken from there.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.taken.iter().any(|taken| path.starts_with(&taken.path))
    }

    /// What is taken from there and stands in the way where `runtime` takes all that is around it.
    pub(crate) fn replaced(&self, runtime: &RuntimeStage) -> Vec<&Path> {
        let is_around = |path: &Path| {
            let mut kept = runtime.kept.iter();
            kept.any(|kept| path != kept.path && path.starts_with(&kept.path))
        };
        let paths = self.taken.iter().map(|taken| taken.path.as_path());
        paths.filter(|path| is_around(path)).collect()
    }
}

impl Division {
    /// Whether `path` is copied from the first part: `runtime` does not make it anew, and nothing else lies in it or around it.
    pub(crate) fn is_settled(&self, path: &Path, runtime: &RuntimeStage) -> bool {
        let overlaps = |other: &Path| other.starts_with(path) || path.starts_with(other);
        let kept = runtime.kept.iter().map(|kept| kept.path.as_path());
        let others = kept.filter(|kept| *kept != path);
        let aside = self.aside.iter().flat_map(|aside| &aside.taken);
        let copied = self
            .copied
            .iter()
            .chain(aside)
            .map(|kept| kept.path.as_path());
        let remade = runtime.remade.iter().map(PathBuf::as_path);
        // What is collected from the second part has to be there first: directories with their owners and modes.
        self.late.is_none()
            && self.settled.iter().any(|settled| settled == path)
            && !others.chain(copied).chain(remade).any(overlaps)
    }

    /// Whether the final stage copies sources itself.
    pub(crate) fn copies_sources(&self) -> bool {
        self.sources.is_some()
    }

    /// Whether `step` runs on the first part: where its files are collected, or aside.
    pub(crate) fn is_early(&self, step: &ShellStep) -> bool {
        let is_collecting = |early: &RootfsStage| early.before.contains(step);
        let is_aside = |aside: &Aside| aside.steps.contains(step);
        self.early.as_ref().is_some_and(is_collecting) || self.aside.as_ref().is_some_and(is_aside)
    }

    /// Whether nothing is taken from the first part that `runtime` makes anew at the end of the second.
    pub(crate) fn suits(&self, runtime: &RuntimeStage) -> bool {
        // Where the final stage copies the sources, what is made anew is made before they come.
        let has_sources = self.sources.is_some();
        if has_sources || runtime.build_steps.iter().all(|step| self.is_early(step)) {
            return true;
        }
        let early = self.early.iter();
        let is_made_early = |made: &Path| {
            let mut before = self.early.iter().flat_map(|early| &early.before);
            before.any(|step| step.trees.iter().any(|tree| tree == made))
                || self.aside.as_ref().is_some_and(|aside| aside.holds(made))
        };
        let mut taken = early.flat_map(|stage| stage.singles.iter().chain(&stage.trees));
        let is_remade = |path: &PathBuf| {
            let mut remade = runtime.remade.iter().filter(|made| !is_made_early(made));
            remade.any(|made| made.starts_with(path) || path.starts_with(made))
        };
        let has_packages = self.early.as_ref().is_some_and(|e| !e.packages.is_empty());
        let mut remade = runtime.remade.iter();
        let may_be_packaged = remade.any(|path| !is_made_early(path) && is_place_of_packages(path));
        !(taken.any(is_remade) || has_packages && may_be_packaged)
    }
}

/// Whether packages put files there.
fn is_place_of_packages(path: &Path) -> bool {
    const OWN: [&str; 2] = ["/usr/local", "/usr/src"];
    const SHARED: [&str; 6] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"];
    let is_below = |tree: &&str| path.starts_with(tree);
    SHARED.iter().any(is_below) && !OWN.iter().any(is_below)
}

/// The second part of a build stage that does nothing but copy sources, or what other stages made, into what is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// What is kept and is not there before the sources are copied.
    pub(crate) absent: BTreeSet<PathBuf>,
    /// Whether anything is kept of the first part; else the stage is of no use.
    pub(crate) is_stage_used: bool,
}

/// How a Dockerfile is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writing<'a> {
    /// Where the build stage is divided, if it is.
    pub(crate) division: Option<&'a Division>,
    /// The stage that is built; the last one if none is named.
    pub(crate) target: Option<&'a str>,
    /// Names that stages cannot have, since the build gives them another meaning.
    pub(crate) taken: &'a [String],
}

/// The stage of `graph` that is built: the one of this name or number, else the last.
pub(crate) fn target_stage<'g>(graph: &'g StageGraph, target: Option<&str>) -> Option<&'g Stage> {
    let Some(target) = target else {
        return graph.stages.last();
    };
    let target = target.to_lowercase();
    let named = |stage: &&Stage| stage.name.as_ref() == Some(&target);
    graph
        .stages
        .iter()
        .find(named)
        .or_else(|| graph.stages.get(target.parse::<usize>().ok()?))
}
