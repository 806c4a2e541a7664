//! What programs may read that no run has used: directories of data, and what they mention.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::beside::is_common;
use super::seen::Look;
use super::settings::without_comments;
use super::unit::is_shared;
use super::{Keeper, LIBRARY_LIMIT, UseKind, is_supplied};
use crate::evidence::collect::{
    OwnProgram, absolute_paths, holds_sources, is_system, mentioned_files,
};
use crate::evidence::elf::{Elf, without_debugging};
use crate::evidence::installed::is_for_programs;
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
        let followed = self.seen.new_ones(Look::Mentions, &self.followed);
        for path in followed {
            self.seen.note(Look::Mentions, &path);
            // What a link leads to is looked at by itself: an alternative is a package's program.
            let is_file = self.root.entry(&path).is_some_and(|found| found.is_file());
            if !is_file || !matches!(self.owners.of(&path), Owner::Instruction(_)) {
                continue;
            }
            let Some(bytes) = self.root.content(&path, LIBRARY_LIMIT) else {
                continue;
            };
            let Ok(elf) = Elf::parse(&bytes) else {
                continue;
            };
            self.add_started_by(&path, &elf, &bytes)?;
            let program = OwnProgram {
                path,
                working_dir: self.working_dir.clone(),
                bytes: without_debugging(bytes),
                elf,
            };
            let (steps, packages) = (self.owners.steps(), self.owners.packages());
            for kept in mentioned_files(self.root, program, steps, packages) {
                let is_copied = || {
                    self.owners
                        .origin(&kept.path)
                        .is_some_and(|step| step.copies)
                };
                if kept.is_directory || is_copied() {
                    self.keep_path(kept.path, &kept.reason);
                } else {
                    self.add(&kept.path, UseKind::Looked, &kept.reason)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps what settings and scripts that are used name from the root on, if instructions made it: a server reads the list of
    /// passwords that its settings name when somebody logs in, and a script starts what it names when it is told to. Settings that
    /// came with a package or the base image name places for what others put there.
    fn add_named_in_texts(&mut self) -> Result<(), RootError> {
        let mut pending: Vec<PathBuf> = self.kept.used.iter().cloned().collect();
        while let Some(path) = pending.pop() {
            let is_made = self.is_made(&path);
            let may_name = (is_made || path.starts_with("/etc")) && !is_record(&path);
            if !may_name || !self.seen.note(Look::Mentions, &path) {
                continue;
            }
            let Some(text) = self.text(&path) else {
                // Programs are searched for more than that.
                self.seen.forget(Look::Mentions, &path);
                continue;
            };
            let reason = format!("{} names it", path.display());
            let text = if is_made {
                text
            } else {
                without_comments(&text)
            };
            for named in absolute_paths(self.root, &text) {
                let is_directory = self.root.symlink_metadata(&named)?.is_dir();
                if is_directory && !(is_made && self.is_worth_keeping(&named)?) {
                    self.keep_own_parts(&named, &reason)?;
                } else if is_directory && !self.kept.used.contains(&named) {
                    self.keep_path(named, &reason);
                } else if is_made
                    && !self.kept.used.contains(&named)
                    && self.is_worth_keeping(&named)?
                {
                    self.add(&named, UseKind::Looked, &reason)?;
                    pending.push(named);
                }
            }
        }
        Ok(())
    }

    /// Keeps what instructions put into a directory of data that a package or the base image has files in, too: the pages of a
    /// site lie beside those that come with the server.
    fn keep_own_parts(&mut self, directory: &Path, reason: &str) -> Result<(), RootError> {
        let depth = directory.components().count();
        let is_place = if is_system(directory) {
            directory.starts_with("/usr/share") && depth > 3
        } else {
            !is_shared(directory) && depth > 2
        };
        if !is_place
            || is_common(directory)
            || self.is_environment(directory)
            || is_supplied(directory)
            || self.working_dir.starts_with(directory)
            || holds_sources(self.root, directory, SOURCES_DEPTH)
            || self.size_below(directory) > DIRECTORY_LIMIT
        {
            return Ok(());
        }
        let mut pending = vec![directory.to_path_buf()];
        let mut n_seen = 0;
        while let Some(path) = pending.pop() {
            n_seen += 1;
            if n_seen > MOST {
                return Ok(());
            }
            if self.root.symlink_metadata(&path)?.is_dir() {
                if self.is_made_whole(&path) {
                    self.keep_path(path, reason);
                } else {
                    let names = self.root.names(&path);
                    pending.extend(names.into_iter().map(|name| path.join(name)));
                }
                continue;
            }
            let maker = self.owners.maker(&path);
            let is_own = maker.is_some_and(|step| step.copies || !self.owners.is_packaged(&path));
            if is_own {
                self.keep_path(path, reason);
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
        Ok(is_deep
            && !is_for_programs(path)
            && !self.is_environment(path)
            && self.is_made_whole(path)
            && !holds_sources(self.root, path, SOURCES_DEPTH)
            && self.size_below(path) <= DIRECTORY_LIMIT)
    }

    /// Whether `directory` is an environment of Python.
    fn is_environment(&self, directory: &Path) -> bool {
        self.root.target(&directory.join("pyvenv.cfg")).is_some()
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

/// Whether the file at `path` tells what was done, or who there is: what it names, nobody reads because of that.
fn is_record(path: &Path) -> bool {
    const PLACES: [&str; 9] = [
        "/etc/group",
        "/etc/group-",
        "/etc/gshadow",
        "/etc/passwd",
        "/etc/passwd-",
        "/etc/shadow",
        "/var/lib/apt",
        "/var/lib/dpkg",
        "/var/log",
    ];
    PLACES.iter().any(|place| path.starts_with(place))
}

#[cfg(test)]
mod tests;
