//! What of an image is kept, given what is used: the whole unit of everything that is used, and what that needs.

mod accounts;
mod alternatives;
mod asked;
mod awt;
mod beside;
mod brought;
mod builders;
mod commanded;
mod commands;
mod compiled_starts;
mod cron;
mod data;
mod dependencies;
mod editors;
mod habits;
mod handed;
mod helpers;
mod imports;
mod installed;
mod jars;
mod libraries;
mod locale;
mod mail;
mod mentions;
mod named;
mod namesakes;
mod operators;
mod passive;
mod places;
mod python;
mod python_tests;
mod quotes;
mod recipes;
mod recommended;
mod requires;
mod rules;
mod seen;
mod services;
mod settings;
mod stage;
mod started;
mod starters;
mod told;
mod unit;
mod wrappers;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;

use crate::evidence::closure::elf_closure;
use crate::evidence::collect::own_bytes;
use crate::evidence::elf::Elf;
use crate::evidence::go::is_go_time_zones;
use crate::evidence::java::is_build_cache;
use crate::evidence::npm::is_log_of_npm;
use crate::evidence::owner::{Owner, Owners};
use crate::rootfs::{RootDir, RootError, normalise};

use self::asked::ProgramOrigin;
pub(crate) use self::brought::{REASON as BROUGHT, brought, is_startable};
use self::data::{Place, with_its_like};
use self::dependencies::Dependencies;
pub(crate) use self::dependencies::needed_by_idle_alone;
use self::editors::Editors;
use self::habits::Habits;
pub(crate) use self::habits::{converts, tells_times};
use self::imports::is_installer;
use self::jars::class_path;
pub(crate) use self::locale::has_other_character_sets;
use self::namesakes::Requests;
use self::python::{
    describes_module, holds_modules, is_python_library, start_hook, terminal_module,
};
pub(crate) use self::rules::{GCONV_FILES, left_out_rule, merged_links};
use self::seen::{Look, Seen};
pub(crate) use self::stage::Parts;
use self::unit::{byte_code_source, is_interpreted, unit_of};
use self::written::WrittenSettings;

/// The largest library that is looked at.
const LIBRARY_LIMIT: u64 = 1 << 30;

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UseKind {
    /// It is opened, started or looked at.
    Looked,
    /// The names in it are read.
    Listed,
    /// Something in it, or it itself, is written.
    Written,
}

/// What is kept of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Debian packages, each with the reason.
    pub(crate) packages: BTreeMap<String, String>,
    /// Files, links and whole directories that no package lists, each with the reason.
    pub(crate) paths: BTreeMap<PathBuf, String>,
    /// Directories that have to be there, without what is in them.
    pub(crate) directories: BTreeMap<PathBuf, String>,
    /// The files and links that are used themselves, by real paths.
    pub(crate) used: BTreeSet<PathBuf>,
    /// The tag of Python's byte code that lies beside files of packages, as `cpython-311`.
    pub(crate) byte_code: Option<String>,
    /// Whether the C library's modules for character sets are kept.
    pub(crate) with_gconv: bool,
    /// Whether messages in other languages are kept: somebody has chosen one.
    pub(crate) with_translations: bool,
    /// The names of programs that something kept starts, as far as sources say so.
    pub(crate) started: BTreeSet<String>,
}

/// Collects what is kept.
#[derive(Debug)]
pub(crate) struct Keeper<'a> {
    root: &'a RootDir,
    owners: Owners<'a>,
    library_path: String,
    /// Where programs are looked for.
    path_env: String,
    /// Where the program starts.
    working_dir: PathBuf,
    kept: Kept,
    seen: Seen,
    /// Libraries and programs whose needs are known.
    followed: BTreeSet<PathBuf>,
    /// What they do by tables and modules of the system.
    habits: Habits,
    editors: Editors,
    /// Packages that others mean which somebody has asked for.
    meant: BTreeSet<String>,
    /// How much was kept when other names of its programs were looked for.
    kept_with_names: (usize, usize, usize),
    /// Modules that are kept with all their parts.
    modules: BTreeSet<PathBuf>,
    /// Those of Python that somebody has asked for.
    asked_modules: BTreeSet<PathBuf>,
    /// Packages whose libraries are not looked into yet.
    pending: Vec<String>,
    /// Directories of which the libraries are not looked into yet.
    pending_trees: Vec<PathBuf>,
    /// Modules of Python that the program's own sources import.
    imported: BTreeSet<String>,
    /// What the program's own texts ask for of modules.
    requests: Requests,
    /// Sources that a `COPY` brought: hashes of what is in them.
    copied_sources: BTreeSet<u64>,
    /// Functions of the program's own that start what they are given.
    wrappers: BTreeSet<String>,
    /// The programs of packages, by name, if they are known already.
    programs: Option<BTreeMap<String, ProgramOrigin>>,
    /// Packages whose data is kept.
    with_data: BTreeSet<String>,
    /// What packages depend on, if it is known already.
    dependencies: Option<Dependencies>,
    /// Packages that are kept with all that they depend on.
    complete: BTreeSet<String>,
    /// Settings that instructions wrote.
    written: WrittenSettings,
}

impl<'a> Keeper<'a> {
    /// Keeps nothing yet; `library_path` is `LD_LIBRARY_PATH`.
    pub(crate) fn new(root: &'a RootDir, owners: Owners<'a>, library_path: &str) -> Keeper<'a> {
        Keeper {
            root,
            owners,
            library_path: library_path.to_owned(),
            path_env: DEFAULT_PATH.to_owned(),
            working_dir: PathBuf::from("/"),
            kept: Kept::default(),
            seen: Seen::default(),
            followed: BTreeSet::new(),
            habits: Habits::default(),
            editors: Editors::default(),
            meant: BTreeSet::new(),
            kept_with_names: (0, 0, 0),
            modules: BTreeSet::new(),
            asked_modules: BTreeSet::new(),
            pending: Vec::new(),
            pending_trees: Vec::new(),
            imported: BTreeSet::new(),
            requests: Requests::default(),
            copied_sources: BTreeSet::new(),
            wrappers: BTreeSet::new(),
            programs: None,
            with_data: BTreeSet::new(),
            dependencies: None,
            complete: BTreeSet::new(),
            written: WrittenSettings::default(),
        }
    }

    /// Keeps what the packages have in other languages.
    pub(crate) fn keep_translations(&mut self) {
        self.kept.with_translations = true;
    }

    /// Notes that `programs` tell no times of places, although what is linked into them could.
    pub(crate) fn know_without_times(&mut self, programs: &BTreeSet<PathBuf>) {
        self.habits.without_times.clone_from(programs);
    }

    /// What is kept so far.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Keeps what `path` leads to, because of `reason`; a path where nothing is needs nothing.
    pub(crate) fn add(
        &mut self,
        path: &Path,
        kind: UseKind,
        reason: &str,
    ) -> Result<(), RootError> {
        let path = normalise(path);
        if is_supplied(&path) || path == Path::new("/") {
            return Ok(());
        }
        if is_log_of_npm(&path) {
            // npm makes them anew in its own directory, of which nothing else is meant.
            let above = path.ancestors().find(|above| above.ends_with(".npm"));
            return above.map_or(Ok(()), |above| self.add(above, UseKind::Looked, reason));
        }
        let resolved = match self.root.resolve(&path) {
            Ok(resolved) => resolved,
            Err(error) if error.is_absent() => return self.add_dangling(&path, reason),
            Err(error) => return Err(error),
        };
        for link in &resolved.chain {
            self.add_entry(link, reason)?;
        }
        let real = resolved.real_path;
        if is_supplied(&real) || real == Path::new("/") {
            return Ok(());
        }
        if !self.root.symlink_metadata(&real)?.is_dir() {
            self.add_entry(&real, reason)?;
            // A table that is written belongs with the others that lie beside it.
            if let (UseKind::Written, Some(parent)) = (kind, real.parent()) {
                self.add_state(parent);
            }
            return Ok(());
        }
        self.kept
            .directories
            .entry(real.clone())
            .or_insert_with(|| reason.to_owned());
        match kind {
            UseKind::Looked => Ok(()),
            UseKind::Listed => self.add_names(&real),
            UseKind::Written => {
                self.add_state(&real);
                Ok(())
            }
        }
    }

    /// A link that leads nowhere is there all the same, and so are the links on the way.
    fn add_dangling(&mut self, path: &Path, reason: &str) -> Result<(), RootError> {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return Ok(());
        };
        let Ok(resolved) = self.root.resolve(parent) else {
            return Ok(());
        };
        let entry = resolved.real_path.join(name);
        if !self
            .root
            .entry(&entry)
            .is_some_and(|found| found.is_symlink())
        {
            return Ok(());
        }
        for link in &resolved.chain {
            self.add_entry(link, reason)?;
        }
        self.add_entry(&entry, reason)
    }

    /// Keeps the owner of the file or link at `path`, a real path.
    fn add_entry(&mut self, path: &Path, reason: &str) -> Result<(), RootError> {
        // Every package has something behind these links, and none of them owns one.
        if merged_links().any(|link| link == path) {
            self.keep_path(path.to_path_buf(), reason);
            return Ok(());
        }
        // Python loads it at each start, so that it says nothing of whether the module is used that it belongs to.
        if let Some(hook) = start_hook(path) {
            self.kept.used.insert(path.to_path_buf());
            self.keep_path(hook, reason);
            return Ok(());
        }
        self.kept.used.insert(path.to_path_buf());
        // What is kept alone, since its name was read or somebody speaks of it, brings what belongs to it once it is used.
        let is_alone = self.kept.paths.contains_key(path);
        let is_known = !(is_alone && self.seen.note(Look::Unit, path));
        if self.covers(path) && is_known && !self.is_of_a_description(path) {
            return Ok(());
        }
        if let Some((source, tag)) = byte_code_source(path)
            && self.owners.is_packaged(&source)
        {
            self.kept.byte_code = Some(tag);
            return self.add_entry(&source, reason);
        }
        // It is a table, and Go is not needed to read it.
        if is_go_time_zones(path) {
            self.keep_path(path.to_path_buf(), reason);
            return Ok(());
        }
        match self.owners.of(path) {
            // A configuration file says what its package is told, and more than its package may read it.
            Owner::Package(name)
                if (is_configuration(path) || is_collection(&name))
                    && !self.kept.packages.contains_key(&name) =>
            {
                self.keep_path(path.to_path_buf(), reason);
            }
            Owner::Package(name) => {
                self.add_package(&name, &format!("{reason}: {}", path.display()));
            }
            Owner::Module(module) => {
                let reason = format!("{reason}: {}", path.display());
                // Who asks what is installed reads what describes pip as well, and does not start it.
                if path.starts_with(&module) && is_installer(&module) {
                    self.keep_path(module, &reason);
                    return Ok(());
                }
                self.keep_module(&module, &reason)?;
                // What is a file of no distribution is kept by itself.
                if !self.covers(path) {
                    self.keep_path(path.to_path_buf(), &reason);
                }
            }
            Owner::Instruction(_) | Owner::Base => {
                let step = self.owners.origin(path);
                let unit = unit_of(self.root, path, step);
                let units = match step {
                    Some(_) => self.with_its_like(path, unit),
                    None => vec![unit],
                };
                for unit in units {
                    self.keep_path(unit, reason);
                }
            }
        }
        self.follow(path)
    }

    /// What is kept for the sake of the file at `path`, which an instruction wrote and which is in `unit`.
    fn with_its_like(&self, path: &Path, unit: PathBuf) -> Vec<PathBuf> {
        let place = Place {
            root: self.root,
            is_listed: &|path| self.owners.is_packaged(path),
            is_own: &|path| self.owners.maker(path).is_some(),
        };
        with_its_like(place, path, unit)
    }

    /// Whether the file at `path` describes a module of which nothing else is kept so far.
    fn is_of_a_description(&self, path: &Path) -> bool {
        path.parent()
            .is_some_and(|place| describes_module(place) && !self.modules.contains(place))
    }

    /// Keeps all parts of a module, and the modules that it says it requires.
    fn keep_module(&mut self, module: &Path, reason: &str) -> Result<(), RootError> {
        self.modules.insert(module.to_path_buf());
        for part in self.owners.parts_of(module) {
            self.keep_path(part, reason);
        }
        self.keep_requirements(module)
    }

    fn add_package(&mut self, name: &str, reason: &str) {
        if !self.kept.packages.contains_key(name) {
            self.kept
                .packages
                .insert(name.to_owned(), reason.to_owned());
            self.pending.push(name.to_owned());
        }
    }

    /// Whether `path` is kept already, as a part of a directory. Modules that somebody installed are not a part of the library
    /// of Python, although they lie in it.
    fn covers(&self, path: &Path) -> bool {
        self.kept.paths.keys().any(|kept| is_part(path, kept))
    }

    fn keep_path(&mut self, path: PathBuf, reason: &str) {
        if self.covers(&path) {
            return;
        }
        self.kept
            .paths
            .retain(|kept, _| !is_part(kept, &path) || *kept == path);
        self.pending_trees.push(path.clone());
        self.kept
            .paths
            .entry(path)
            .or_insert_with(|| reason.to_owned());
    }

    /// What is written at run time and belongs to no package is state: it stays as it is, empty directories included.
    fn add_state(&mut self, directory: &Path) {
        const SHARED: [&str; 9] = [
            "/", "/tmp", "/var/tmp", "/run", "/root", "/home", "/etc", "/var", "/usr",
        ];
        let is_own = !is_build_cache(directory)
            && !SHARED.iter().any(|shared| directory == Path::new(shared))
            && !self.owners.is_packaged(directory);
        if is_own {
            self.keep_path(
                directory.to_path_buf(),
                "it is written when the program runs",
            );
        }
    }

    /// Keeps what the libraries and programs of all that is kept need, used or not, until nothing is missing.
    pub(crate) fn close(&mut self) -> Result<(), RootError> {
        loop {
            let files: Vec<PathBuf> = if let Some(package) = self.pending.pop() {
                let files = self.owners.files_of(&package);
                let files = files.filter(|path| self.may_be_loaded(path));
                files.map(Path::to_path_buf).collect()
            } else if let Some(tree) = self.pending_trees.pop() {
                self.files_below(&tree)
            } else {
                return Ok(());
            };
            for path in files {
                // A module for character sets brings the others: they are kept all or none.
                if !is_character_set(&path) && !self.is_unwanted(&path) {
                    self.follow(&path)?;
                }
            }
        }
    }

    /// Whether the file at `path` is named as a library is, or can be started.
    fn may_be_loaded(&self, path: &Path) -> bool {
        let is_program = |found: Metadata| found.is_file() && found.mode() & 0o111 != 0;
        is_library(path) || self.root.entry(path).is_some_and(is_program)
    }

    /// The libraries and programs at and below `tree`.
    fn files_below(&self, tree: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut pending = vec![tree.to_path_buf()];
        while let Some(path) = pending.pop() {
            match self.root.symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {
                    let names = self.root.names(&path);
                    let inside = names.into_iter().map(|name| path.join(name));
                    pending.extend(inside.filter(|path| is_part(path, tree)));
                }
                Ok(_) if self.may_be_loaded(&path) => files.push(path),
                Ok(_) | Err(_) => {}
            }
        }
        files
    }

    /// Whether the library at `path` serves people at terminals, and the program's sources do not name it.
    fn is_unwanted(&self, path: &Path) -> bool {
        !self.kept.used.contains(path)
            && terminal_module(path).is_some_and(|importers| {
                !importers.iter().any(|name| self.imported.contains(*name))
            })
    }

    /// Keeps what the loader opens for the file at `path`, if it is a program or a library.
    fn follow(&mut self, path: &Path) -> Result<(), RootError> {
        if !self.followed.insert(path.to_path_buf()) {
            return Ok(());
        }
        let is_file = self
            .root
            .entry(path)
            .is_some_and(|found| found.is_file() && found.size() > 0);
        if !is_file || is_interpreted(path) {
            return Ok(());
        }
        let Some(bytes) = self.root.content(path, LIBRARY_LIMIT) else {
            return Ok(());
        };
        if path.extension().is_some_and(|end| end == "jar") {
            for other in class_path(path, &bytes) {
                let reason = format!("{} names it in its Class-Path", path.display());
                self.add(&other, UseKind::Looked, &reason)?;
            }
        }
        if !bytes.starts_with(b"\x7fELF") {
            return Ok(());
        }
        // What cannot be read as a program is not started as one.
        let Ok(elf) = Elf::parse(&bytes) else {
            return Ok(());
        };
        self.habits
            .note(path, &elf, &own_bytes(self.root, &elf, &bytes));
        drop(bytes);
        let Ok(closure) = elf_closure(self.root, path, &self.library_path) else {
            return Ok(());
        };
        for file in closure.files.iter().skip(1) {
            let reason = file.why.to_string();
            self.add(&file.path, UseKind::Looked, &reason)?;
        }
        Ok(())
    }
}

/// Whether whoever runs a container puts something else there.
pub(crate) fn is_supplied(path: &Path) -> bool {
    const TREES: [&str; 3] = ["/proc", "/sys", "/dev"];
    const FILES: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    TREES.iter().any(|tree| path.starts_with(tree))
        || FILES.iter().any(|file| path == Path::new(file))
}

/// Whether a package is no program with what belongs to it, but things that every system has, such as the link `/var/run`.
fn is_collection(package: &str) -> bool {
    package == "base-files"
}

/// Whether `path` says what programs of more than its own package are told, or is a table of the C library's.
fn is_configuration(path: &Path) -> bool {
    const PLACES: [&str; 4] = [
        "/etc",
        "/usr/lib/locale",
        "/usr/lib/os-release",
        "/usr/lib/ssl",
    ];
    PLACES.iter().any(|place| path.starts_with(place))
}

/// Whether `path` goes with the directory `kept`.
pub(super) fn is_part(path: &Path, kept: &Path) -> bool {
    path.strip_prefix(kept).is_ok_and(|rest| {
        !is_python_library(kept)
            || !rest
                .iter()
                .next()
                .is_some_and(|first| holds_modules(Path::new(first)))
    })
}

/// Whether `path` is a module of the C library for character sets.
fn is_character_set(path: &Path) -> bool {
    path.parent()
        .and_then(Path::file_name)
        .is_some_and(|directory| directory == "gconv")
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".so") || name.contains(".so.") || name.ends_with(".node")
}

#[cfg(test)]
mod tests;
