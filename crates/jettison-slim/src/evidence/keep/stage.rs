//! What is kept, as instructions can say it: packages and odds and ends in a stage of their own, the rest by `COPY`.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::python::{holds_modules, is_python_library, left_out_of_library};
use super::python_tests::tests_of_module;
use super::requires::is_npm_package;
use super::rules::{
    DEBUGGERS, GCONV, HEADERS, LEFT_OUT, LIBRARIES, LOCALES, TRANSLATIONS, merged_links,
};
use super::{Keeper, is_part, is_supplied};
use crate::evidence::collect::is_system;
use crate::evidence::java::{for_developers, java_home};
use crate::refactor::{KeptPath, RootfsStage};
use crate::rootfs::RootError;

/// How many packages of npm have a `COPY` of their own at most: each is a layer, of which an image has no more than 127.
const MOST_COPIED_PACKAGES: usize = 24;

/// What the final stage is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// What is collected in a stage of its own, if anything is.
    pub(crate) rootfs: Option<RootfsStage>,
    /// What `COPY` takes.
    pub(crate) copied: Vec<KeptPath>,
}

impl Keeper<'_> {
    /// Sorts what is kept by how an instruction can say it.
    pub(crate) fn parts(&self) -> Result<Parts, RootError> {
        let mut stage = RootfsStage {
            packages: self.kept.packages.keys().cloned().collect(),
            byte_code: self.kept.byte_code.clone(),
            ..RootfsStage::default()
        };
        let packages = self.kept.paths.keys().filter(|path| is_npm_package(path));
        let are_many = packages.count() > MOST_COPIED_PACKAGES;
        let mut copied = Vec::new();
        for (path, reason) in &self.kept.paths {
            let metadata = self.root.symlink_metadata(path)?;
            if is_module(path) || is_python_library(path) || self.is_java_home(path) {
                stage.pruned.extend(self.pruned(path));
                stage.trees.push(path.clone());
            } else if metadata.is_dir()
                && (is_system(path)
                    || are_many && is_npm_package(path)
                    || !is_made_by_copy(&metadata)
                    || !self.is_uniform(path, metadata.uid()))
            {
                stage.trees.push(path.clone());
            } else if metadata.is_symlink() || is_system(path) {
                stage.singles.push(path.clone());
            } else {
                copied.push(KeptPath {
                    path: path.clone(),
                    reason: reason.clone(),
                    is_directory: metadata.is_dir(),
                });
            }
        }
        stage.singles.extend(self.bare_directories()?);
        stage.singles.extend(self.directories_above()?);
        self.name_the_fewer(&mut stage)?;
        if !stage.packages.is_empty() {
            stage.left_out = self.left_out();
            stage.singles.extend(self.used_of_left_out(&stage.left_out));
            for link in merged_links() {
                let is_link = self
                    .root
                    .entry(&link)
                    .is_some_and(|found| found.is_symlink());
                if is_link && let Ok(resolved) = self.root.resolve(&link) {
                    stage.singles.push(link);
                    stage.link_targets.push(resolved.real_path);
                }
            }
        }
        for list in [
            &mut stage.singles,
            &mut stage.trees,
            &mut stage.link_targets,
        ] {
            list.sort();
            list.dedup();
        }
        let is_empty =
            stage.packages.is_empty() && stage.singles.is_empty() && stage.trees.is_empty();
        Ok(Parts {
            rootfs: (!is_empty).then_some(stage),
            copied,
        })
    }

    /// Where most of the modules in a directory are kept, names the others instead: a list of all modules is nothing that people
    /// read, and would have to be changed with each requirement.
    fn name_the_fewer(&self, stage: &mut RootfsStage) -> Result<(), RootError> {
        let is_one = |path: &&PathBuf| is_module(path) || is_npm_package(path);
        let modules = stage.trees.iter().filter(is_one);
        let directories: BTreeSet<PathBuf> = modules
            .filter_map(|path| path.parent())
            .map(Path::to_path_buf)
            .collect();
        for directory in directories {
            let names = self.root.list(&directory)?;
            let paths = names.iter().map(|name| directory.join(name));
            let (kept, others): (Vec<PathBuf>, Vec<PathBuf>) =
                paths.partition(|path| self.kept.paths.contains_key(path));
            // A directory that is kept of one by itself could not be told from what is left out of that. Files can, such as byte code.
            let is_directory = |path: &PathBuf| {
                let found = self.root.entry(path);
                found.is_some_and(|found| found.is_dir())
            };
            let is_mixed = |path: &PathBuf| {
                let mut kept = self.kept.paths.keys();
                kept.any(|kept| kept.starts_with(path) && is_directory(kept))
            };
            if others.len() >= kept.len() || others.iter().any(is_mixed) {
                continue;
            }
            stage.trees.retain(|tree| !kept.contains(tree));
            stage
                .singles
                .retain(|single| !others.contains(single) && !kept.contains(single));
            for path in others {
                if self.root.symlink_metadata(&path)?.is_dir() {
                    stage.pruned.push(path);
                } else {
                    stage.pruned_files.push(path);
                }
            }
            stage.trees.push(directory);
        }
        Ok(())
    }

    /// What of the library of Python, of the module, or of the JDK at `directory` is left out, unless a run used it.
    fn pruned(&self, directory: &Path) -> Vec<PathBuf> {
        let is_used = |path: &PathBuf| self.kept.used.iter().any(|used| used.starts_with(path));
        if is_module(directory) {
            return tests_of_module(self.root, directory, &is_used);
        }
        if self.is_java_home(directory) {
            return for_developers(directory)
                .filter(|path| self.root.target(path).is_some() && !is_used(path))
                .collect();
        }
        left_out_of_library(self.root, directory)
            .into_iter()
            .filter(|path| holds_modules(path) || !is_used(path))
            .collect()
    }

    /// Whether `path` is the tree of a Java runtime.
    fn is_java_home(&self, path: &Path) -> bool {
        java_home(self.root, &path.join("release")).is_some_and(|home| home == path)
    }

    /// Directories that are needed and that neither `COPY` nor a package makes as they are: those that are used, and those above
    /// all that is kept, through which everybody goes.
    fn bare_directories(&self) -> Result<Vec<PathBuf>, RootError> {
        let mut bare = Vec::new();
        let used: BTreeSet<&Path> = self.kept.directories.keys().map(PathBuf::as_path).collect();
        let kept = self.kept.paths.keys().map(PathBuf::as_path);
        let above = kept.chain(used.iter().copied());
        let above = above.flat_map(|path| path.ancestors().skip(1));
        let all: BTreeSet<&Path> = above.chain(used.iter().copied()).collect();
        for path in all {
            let is_inside = self.kept.paths.keys().any(|kept| is_part(path, kept));
            // A package's byte code brings the directory that it lies in.
            let is_byte_code = self.kept.byte_code.is_some()
                && path.file_name().is_some_and(|name| name == "__pycache__")
                && path
                    .parent()
                    .is_some_and(|parent| self.is_made_by_packages(parent));
            if path == Path::new("/") || is_inside || is_byte_code || is_supplied(path) {
                continue;
            }
            let metadata = self.root.symlink_metadata(path)?;
            let holds_something = || {
                self.kept.paths.keys().any(|kept| kept.starts_with(path))
                    || self.is_made_by_packages(path)
            };
            if !is_usual(&metadata) || (used.contains(path) && !holds_something()) {
                bare.push(path.to_path_buf());
            }
        }
        Ok(bare)
    }

    /// Directories above what is kept, where they are not as they are made for it: of root, for all to read. With an owner of its
    /// own, `COPY` gives that owner all directories that it makes on the way, too (fsutil: `copier.createParentDirs`, copy/copy.go).
    fn directories_above(&self) -> Result<BTreeSet<PathBuf>, RootError> {
        let mut above = BTreeSet::new();
        for path in self.kept.paths.keys() {
            let found = self.root.symlink_metadata(path)?;
            let is_roots = (found.uid(), found.gid()) == (0, 0);
            for directory in path.ancestors().skip(1) {
                if directory == Path::new("/") || is_supplied(directory) {
                    continue;
                }
                if !is_usual(&self.root.symlink_metadata(directory)?)
                    || !is_roots && !self.is_made_by_packages(directory)
                {
                    above.insert(directory.to_path_buf());
                }
            }
        }
        Ok(above)
    }

    fn is_made_by_packages(&self, directory: &Path) -> bool {
        self.kept.packages.keys().any(|package| {
            self.owners
                .files_of(package)
                .any(|path| path.starts_with(directory))
        })
    }

    /// Whether everything below `directory` belongs to the same user, so that one `COPY` can say it.
    fn is_uniform(&self, directory: &Path, uid: u32) -> bool {
        self.root.names(directory).into_iter().all(|name| {
            let path = directory.join(name);
            self.root.entry(&path).is_some_and(|found| {
                found.uid() == uid && (!found.is_dir() || self.is_uniform(&path, uid))
            })
        })
    }

    /// The parts of [`LEFT_OUT`] that leave something out here.
    fn left_out(&self) -> Vec<String> {
        let mut parts = Vec::new();
        for (part, why) in LEFT_OUT {
            let Ok(pattern) = Regex::new(&format!("^/({part})")) else {
                continue;
            };
            // Who reads one of them may read the next. Of languages and character sets, runs have shown which.
            let is_wanted = match why {
                GCONV => self.kept.with_gconv,
                TRANSLATIONS => self.kept.with_translations,
                _ => self.starts_reader(why) || self.is_used(&pattern),
            };
            if is_wanted {
                continue;
            }
            let is_match = self.kept.packages.keys().any(|package| {
                self.owners
                    .files_of(package)
                    .any(|path| pattern.is_match(&path.to_string_lossy()))
            });
            if is_match {
                parts.push(part.to_owned());
            }
        }
        parts
    }

    /// Whether a program is started that reads what is left out for the reason `why`, though no run may have come that far.
    pub(super) fn starts_reader(&self, why: &str) -> bool {
        let readers: &[&str] = match why {
            DEBUGGERS => &["gdb", "valgrind"],
            HEADERS | LIBRARIES => &["c++", "cc", "clang", "cmake", "g++", "gcc", "make"],
            LOCALES => &["locale-gen", "localedef"],
            _ => &[],
        };
        readers.iter().any(|name| self.kept.started.contains(*name))
    }

    /// Whether a file of a package that matches `pattern` is used.
    fn is_used(&self, pattern: &Regex) -> bool {
        self.kept
            .used
            .iter()
            .any(|path| pattern.is_match(&path.to_string_lossy()) && self.owners.is_packaged(path))
    }

    /// Files that are used although such files are left out, and directories that somebody looks for, empty as they are then.
    fn used_of_left_out(&self, parts: &[String]) -> BTreeSet<PathBuf> {
        let Ok(pattern) = Regex::new(&format!("^/({})", parts.join("|"))) else {
            return BTreeSet::new();
        };
        if parts.is_empty() {
            return BTreeSet::new();
        }
        let directories = self.kept.directories.keys();
        let used = self.kept.used.iter().chain(directories);
        used.filter(|path| pattern.is_match(&path.to_string_lossy()))
            .cloned()
            .collect()
    }
}

/// Whether a directory is as one that is made on the way to what lies in it.
fn is_usual(metadata: &Metadata) -> bool {
    metadata.mode() & 0o7777 == 0o755 && metadata.uid() == 0 && metadata.gid() == 0
}

/// Whether `COPY` makes a directory as this one: it copies what a directory holds, into one that all may read. Whether its group may
/// write is left to who has cloned the sources.
fn is_made_by_copy(directory: &Metadata) -> bool {
    [0o755, 0o775].contains(&(directory.mode() & 0o7777))
}

/// Whether `path` is a module of Python that somebody installed: there are many, and a `COPY` for each would be too.
fn is_module(path: &Path) -> bool {
    path.parent().is_some_and(holds_modules)
}
