//! What programs may read that no run has used: directories of data, and what they mention.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::{Keeper, LIBRARY_LIMIT, is_supplied};
use crate::evidence::collect::{OwnProgram, absolute_paths, holds_sources, mentioned_files};
use crate::evidence::elf::Elf;
use crate::evidence::owner::Owner;
use crate::rootfs::RootError;

/// How many files a directory of data may hold.
const MOST: usize = 20_000;
/// The largest text that is searched for names, in bytes.
const TEXT_LIMIT: u64 = 256 << 10;
/// The largest directory that is kept because a text names it, in bytes.
const DIRECTORY_LIMIT: u64 = 64 << 20;
/// How deep sources are looked for below a directory.
const SOURCES_DEPTH: usize = 3;

impl Keeper<'_> {
    /// Keeps what the programs, libraries and texts that the Dockerfile made mention, of what it brought or made.
    pub(super) fn add_mentioned(&mut self) -> Result<(), RootError> {
        self.add_named_in_texts()?;
        let followed: Vec<PathBuf> = self.followed.difference(&self.searched).cloned().collect();
        for path in followed {
            self.searched.insert(path.clone());
            if !matches!(self.owners.of(&path), Owner::Instruction(_)) {
                continue;
            }
            let Some(bytes) = self.root.content(&path, LIBRARY_LIMIT) else {
                continue;
            };
            let Ok(elf) = Elf::parse(&bytes) else {
                continue;
            };
            let program = OwnProgram {
                path,
                working_dir: self.working_dir.clone(),
                bytes,
                elf,
            };
            let (steps, packages) = (self.owners.steps(), self.owners.packages());
            for kept in mentioned_files(self.root, program, steps, packages) {
                self.keep_path(kept.path, &kept.reason);
            }
        }
        Ok(())
    }

    /// Keeps what settings and scripts that are used name from the root on, if instructions made it: a server reads the list of
    /// passwords that its settings name when somebody logs in, and a script starts what it names when it is told to.
    fn add_named_in_texts(&mut self) -> Result<(), RootError> {
        let mut pending: Vec<PathBuf> = self.kept.used.iter().cloned().collect();
        while let Some(path) = pending.pop() {
            if !self.searched.insert(path.clone()) || !self.is_made(&path) {
                continue;
            }
            let Some(text) = self.text(&path) else {
                // Programs are searched for more than that.
                self.searched.remove(&path);
                continue;
            };
            for named in absolute_paths(self.root, &text) {
                if self.kept.used.contains(&named) || !self.is_worth_keeping(&named)? {
                    continue;
                }
                let reason = format!("{} names it", path.display());
                let is_directory = self.root.symlink_metadata(&named)?.is_dir();
                if is_directory {
                    self.keep_path(named, &reason);
                } else {
                    self.add(&named, super::UseKind::Looked, &reason)?;
                    pending.push(named);
                }
            }
        }
        Ok(())
    }

    /// The content of the file at `path`, if it is a text of some length.
    pub(super) fn text(&self, path: &Path) -> Option<Vec<u8>> {
        let is_file = |found: &Metadata| found.is_file() && found.len() <= TEXT_LIMIT;
        self.root.entry(path).filter(is_file)?;
        let bytes = self.root.content(path, TEXT_LIMIT)?;
        (!bytes.contains(&0) && std::str::from_utf8(&bytes).is_ok()).then_some(bytes)
    }

    /// Whether instructions made what is at `path`, a path that a text names, and it is no workplace.
    pub(super) fn is_worth_keeping(&self, path: &Path) -> Result<bool, RootError> {
        if is_supplied(path) || self.working_dir.starts_with(path) {
            return Ok(false);
        }
        let found = self.root.symlink_metadata(path)?;
        if !found.is_dir() {
            let packages = self.owners.packages();
            return Ok(self.is_made(path) && packages.owner_either_side(path).is_none());
        }
        // Where many programs have files, a name says nothing; of an environment of Python each module is kept by itself, and
        // `pyvenv.cfg` names its own.
        let is_deep = path.components().count() > 2;
        let is_environment = self.root.target(&path.join("pyvenv.cfg")).is_some();
        Ok(is_deep
            && !is_environment
            && self.is_made_whole(path)
            && !holds_sources(self.root, path, SOURCES_DEPTH)
            && self.size_below(path) <= DIRECTORY_LIMIT)
    }

    /// The bytes of the files below `directory`.
    fn size_below(&self, directory: &Path) -> u64 {
        let mut size = 0;
        let mut pending = vec![directory.to_path_buf()];
        while let Some(path) = pending.pop() {
            match self.root.symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {
                    let names = self.root.names(&path);
                    pending.extend(names.into_iter().map(|name| path.join(name)));
                }
                Ok(found) => size += found.len(),
                Err(_) => {}
            }
        }
        size
    }

    /// Whether an instruction made what is at `path`.
    fn is_made(&self, path: &Path) -> bool {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let mut steps = self.owners.steps().iter();
        steps.any(|step| fs::symlink_metadata(step.files.join(relative)).is_ok())
    }

    /// Whether instructions made all that is in `directory`, and no package has a part in it.
    fn is_made_whole(&self, directory: &Path) -> bool {
        let mut pending = vec![directory.to_path_buf()];
        let mut n_files = 0;
        while let Some(path) = pending.pop() {
            n_files += 1;
            let packages = self.owners.packages();
            if n_files > MOST || packages.owner_either_side(&path).is_some() || !self.is_made(&path)
            {
                return false;
            }
            let is_directory = self.root.entry(&path).is_some_and(|found| found.is_dir());
            if is_directory {
                let names = self.root.names(&path);
                pending.extend(names.into_iter().map(|name| path.join(name)));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
