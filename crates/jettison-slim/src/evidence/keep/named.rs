//! What of packages the program's own texts and programs name: files by their paths, libraries by their names, and programs that
//! settings name.
//!
//! A source that draws a text names its font, and a program that loads a library only when it needs one names the library. No
//! linker and no run knows of these: the names are all there is.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::beside::{is_common, is_for_building};
use super::commands::{Sureness, settings_commands};
use super::python::is_python_library;
use super::seen::Look;
use super::settings::without_comments;
use super::unit::is_source_of_programs;
use super::{Keeper, LIBRARY_LIMIT, UseKind, left_out_rule};
use crate::evidence::collect::{absolute_paths, own_bytes};
use crate::evidence::elf::Elf;
use crate::evidence::go::names_in_vain;
use crate::evidence::java::java_home;
use crate::evidence::owner::Owner;
use crate::rootfs::{RootError, if_there};

/// The largest text that is read, in bytes.
const TEXT_LIMIT: u64 = 1 << 20;
/// The most files that are read.
const MOST_FILES: usize = 50_000;

/// A file that may name something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namer {
    /// A program or library that the Dockerfile made, or a script without an ending.
    Program,
    /// A source or a script of the program's own.
    Source,
    /// What tells a program what to do.
    Settings,
    /// A source of a module of Python that somebody has installed.
    Module,
}

impl Keeper<'_> {
    /// Keeps what of packages is named by what is kept and belongs to none.
    pub(super) fn add_named(&mut self) -> Result<(), RootError> {
        let kept = self.kept.paths.keys().chain(&self.kept.used);
        let roots = self.seen.new_ones(Look::PackageNames, kept);
        let mut files = Vec::new();
        if self.seen.is_none(Look::PackageNames) {
            let compiled = self.compiled_texts()?.into_iter();
            files.extend(compiled.map(|(path, _)| (path, Namer::Source)));
        }
        for root in roots {
            let is_whole = self.kept.paths.contains_key(&root);
            // It is read with the directory that it is a part of.
            if !is_whole && self.covers(&root) {
                self.seen.note(Look::PackageNames, &root);
                continue;
            }
            self.list_namers(&root, is_whole, &mut files)?;
            self.seen.note(Look::PackageNames, &root);
        }
        for (path, namer) in files {
            self.add_named_by(&path, namer)?;
        }
        Ok(())
    }

    fn list_namers(
        &self,
        root: &Path,
        is_whole: bool,
        files: &mut Vec<(PathBuf, Namer)>,
    ) -> Result<(), RootError> {
        let mut pending = vec![root.to_path_buf()];
        while let Some(path) = pending.pop() {
            let found = match self.root.symlink_metadata(&path) {
                Ok(found) => found,
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error),
            };
            if found.is_dir() {
                let is_read =
                    is_whole && path.file_name().is_some_and(|name| name != "node_modules");
                if is_read && !is_python_library(&path) {
                    let names = self.root.list(&path)?;
                    pending.extend(names.into_iter().map(|name| path.join(name)));
                }
            } else if found.is_file() && files.len() < MOST_FILES && !self.owners.is_packaged(&path)
            {
                files.extend(self.namer(&path, found.size()).map(|namer| (path, namer)));
            }
        }
        Ok(())
    }

    /// What the file at `path`, which is of no package, may name others as.
    fn namer(&self, path: &Path, size: u64) -> Option<Namer> {
        const SOURCES: [&str; 20] = [
            "bash", "cgi", "cjs", "class", "js", "jsx", "lua", "mjs", "php", "pl", "pm", "psgi",
            "py", "rb", "ru", "sh", "tcl", "ts", "tsx", "r",
        ];
        const SETTINGS: [&str; 12] = [
            "cfg",
            "cnf",
            "conf",
            "config",
            "env",
            "ini",
            "json",
            "properties",
            "toml",
            "xml",
            "yaml",
            "yml",
        ];
        let end = path.extension().unwrap_or_default().to_string_lossy();
        let is_installed = path.iter().any(|part| {
            ["dist-packages", "node_modules", "site-packages"]
                .iter()
                .any(|name| part == *name)
        });
        let is_library = path.ancestors().any(is_python_library);
        if is_installed || is_library {
            return (is_installed && end == "py" && size <= TEXT_LIMIT).then_some(Namer::Module);
        }
        let is_text = size <= TEXT_LIMIT;
        if SOURCES.contains(&&*end) {
            return is_text.then_some(Namer::Source);
        }
        if SETTINGS.contains(&&*end) || path.file_name().is_some_and(|name| name == ".env") {
            return (is_text && !is_of_tools(path)).then_some(Namer::Settings);
        }
        // A Java runtime brings libraries for windows, fonts and sound to programs that have none of them.
        let is_unused_of_java =
            !self.kept.used.contains(path) && java_home(self.root, path).is_some();
        let is_program = self.followed.contains(path) && end != "jar" && !is_unused_of_java;
        is_program.then_some(Namer::Program)
    }

    fn add_named_by(&mut self, path: &Path, namer: Namer) -> Result<(), RootError> {
        let mut bytes = match self.root.read(path, LIBRARY_LIMIT) {
            Ok(bytes) => bytes,
            // A source that was compiled may be gone since.
            Err(error) if error.is_absent() => match self.source(path, LIBRARY_LIMIT)? {
                Some(bytes) => bytes,
                None => return Ok(()),
            },
            Err(error) => return Err(error),
        };
        if namer == Namer::Settings {
            // `/etc/ca-certificates.conf` tells people where to put files.
            bytes = without_comments(&bytes);
        }
        let reason = format!("{} names it", path.display());
        let mut elf = None;
        if bytes.starts_with(b"\x7fELF") {
            // What cannot be read as a program names nothing.
            let Ok(parsed) = Elf::parse(&bytes) else {
                return Ok(());
            };
            bytes = own_bytes(self.root, &parsed, &bytes).into_owned();
            elf = Some(parsed);
        } else if namer == Namer::Program && !bytes.starts_with(b"#!") {
            return Ok(());
        }
        if namer != Namer::Module {
            for named in absolute_paths(self.root, &bytes) {
                if let Some(elf) = &elf {
                    // `/lib/go` is in `/usr/lib/go`.
                    let real = if_there(self.root.resolve(&named))?;
                    if real.is_some_and(|found| names_in_vain(elf, &bytes, &found.real_path)) {
                        continue;
                    }
                }
                self.add_named_path(&named, &reason)?;
                // Compiled programs are searched for more than that.
                if elf.is_none() {
                    self.add_named_of_instructions(&named, &reason)?;
                }
            }
        }
        if elf.is_none_or(|elf| elf.uses_dlopen) {
            self.add_named_libraries(&bytes, namer, &reason)?;
        }
        if namer == Namer::Settings {
            for name in settings_commands(&String::from_utf8_lossy(&bytes)) {
                self.add_program(&name, Sureness::Somewhere, &reason)?;
            }
        }
        Ok(())
    }

    /// Keeps the package of the file at `path`, which a text names from the root on; and those that the Dockerfile has installed
    /// and that have files in the directory at `path`, if it is not everybody's.
    fn add_named_path(&mut self, path: &Path, reason: &str) -> Result<(), RootError> {
        // A link that leads nowhere in the image, as that of a log to `/dev/stdout`.
        let Some(resolved) = if_there(self.root.resolve(path))? else {
            return self.add_named_of_instructions(path, reason);
        };
        let real = resolved.real_path;
        let is_plain = |path: &Path| {
            let is_below = path.starts_with("/usr/share") || path.starts_with("/usr/lib");
            is_below && left_out_rule(path).is_none() && !is_source_of_programs(path)
        };
        let found = self.root.symlink_metadata(&real)?;
        if found.is_dir() {
            if is_plain(&real) && real.components().count() >= 4 && !is_common(&real) {
                self.add_named_directory(&real, reason)?;
            }
            return Ok(());
        }
        let Owner::Package(package) = self.owners.of(&real) else {
            // Alternatives and what an installation has made: `/usr/share/dict/words`.
            let is_made = resolved
                .chain
                .iter()
                .any(|link| link.starts_with("/etc/alternatives"))
                || path.starts_with("/usr/share/dict");
            return if is_made {
                self.add(path, UseKind::Looked, reason)
            } else {
                Ok(())
            };
        };
        let is_here = self.is_installed_here(&package) && !is_for_building(&package);
        let is_program = found.mode() & 0o111 != 0;
        // A program or a library of the base image is named by chance, data is not.
        let is_data =
            !is_program && is_plain(&real) && real.parent().is_some_and(|place| !is_common(place));
        // Tables for a database lie among the papers of some packages.
        let is_paper = is_here && real.starts_with("/usr/share/doc");
        if is_data || is_paper || (is_here && is_plain_or_program(&real, is_program)) {
            self.add(path, UseKind::Looked, reason)?;
            if is_here && !real.starts_with("/etc") {
                self.add_unseen_package(&package, reason)?;
            }
        }
        Ok(())
    }

    /// Keeps what is at `path`, which a text names, if instructions made it: also a text that no run has come to.
    fn add_named_of_instructions(&mut self, path: &Path, reason: &str) -> Result<(), RootError> {
        if self.kept.used.contains(path) || !self.is_worth_keeping(path)? {
            return Ok(());
        }
        if self.root.symlink_metadata(path)?.is_dir() {
            self.keep_path(path.to_path_buf(), reason);
            return Ok(());
        }
        self.add(path, UseKind::Looked, reason)
    }

    fn add_named_directory(&mut self, directory: &Path, reason: &str) -> Result<(), RootError> {
        let packages: BTreeSet<String> = self
            .owners
            .all_files()
            .filter(|(_, path)| path.starts_with(directory) && *path != directory)
            .map(|(package, _)| package.to_owned())
            .collect();
        for package in packages {
            if self.is_installed_here(&package) && !is_for_building(&package) {
                self.add_unseen_package(&package, reason)?;
            }
        }
        Ok(())
    }

    /// Keeps the libraries of the system that are named in `bytes`; if a module that somebody has installed names them, only
    /// those that the Dockerfile has installed: it names all that there may be on any system.
    fn add_named_libraries(
        &mut self,
        bytes: &[u8],
        namer: Namer,
        reason: &str,
    ) -> Result<(), RootError> {
        if memchr::memmem::find(bytes, b".so").is_none()
            && memchr::memmem::find(bytes, b"find_library").is_none()
        {
            return Ok(());
        }
        let mut libraries: BTreeSet<PathBuf> = BTreeSet::new();
        let places = self.library_places()?;
        for name in library_names(bytes) {
            let paths = places.iter().map(|place| place.join(&name));
            libraries.extend(paths.filter(|path| self.root.target(path).is_some()));
        }
        let searched = searched_libraries(bytes);
        if !searched.is_empty() {
            libraries.extend(self.libraries_called(&places, &searched)?);
            if namer != Namer::Module {
                // Python asks it where libraries are.
                self.add_program("/sbin/ldconfig", Sureness::There, reason)?;
            }
        }
        for path in libraries {
            let real = self.root.resolve(&path)?.real_path;
            let Owner::Package(package) = self.owners.of(&real) else {
                if namer != Namer::Module {
                    self.add(&path, UseKind::Looked, reason)?;
                }
                continue;
            };
            let is_here = self.is_installed_here(&package);
            if is_here || namer != Namer::Module {
                self.add(&path, UseKind::Looked, reason)?;
                self.add_unseen_package(&package, reason)?;
            }
        }
        Ok(())
    }

    /// Directories in which the loader looks for libraries by their names.
    pub(super) fn library_places(&self) -> Result<Vec<PathBuf>, RootError> {
        let libraries = Path::new("/usr/lib");
        let mut places = vec![PathBuf::from("/usr/local/lib"), libraries.to_path_buf()];
        match self.root.list(libraries) {
            Ok(names) => {
                let machines = names
                    .into_iter()
                    .filter(|name| name.to_string_lossy().contains("-linux-"));
                places.extend(machines.map(|name| libraries.join(name)));
                Ok(places)
            }
            Err(error) if error.is_absent() => Ok(places),
            Err(error) => Err(error),
        }
    }

    /// The libraries that somebody calls `sodium` for `libsodium.so.23`.
    fn libraries_called(
        &self,
        places: &[PathBuf],
        names: &BTreeSet<String>,
    ) -> Result<Vec<PathBuf>, RootError> {
        let mut found = Vec::new();
        for place in places {
            let files = match self.root.list(place) {
                Ok(files) => files,
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error),
            };
            for file in files {
                let text = file.to_string_lossy();
                let called = text
                    .strip_prefix("lib")
                    .and_then(|rest| rest.split_once(".so."));
                if called.is_some_and(|(name, _)| names.contains(name)) {
                    found.push(place.join(&file));
                }
            }
        }
        Ok(found)
    }
}

/// Whether what is named is a program, a library or data, and no header or paper.
fn is_plain_or_program(path: &Path, is_program: bool) -> bool {
    is_program || (left_out_rule(path).is_none() && !is_source_of_programs(path))
}

/// Whether the settings at `path` are those of tools that build, check and install: what these name is no program's business.
pub(super) fn is_of_tools(path: &Path) -> bool {
    const NAMES: [&str; 16] = [
        "Cargo.toml",
        "Pipfile",
        "angular.json",
        "composer.json",
        "docker-compose.yaml",
        "docker-compose.yml",
        "jettison.toml",
        "jsconfig.json",
        "package-lock.json",
        "package.json",
        "pnpm-lock.yaml",
        "pom.xml",
        "pyproject.toml",
        "setup.cfg",
        "tox.ini",
        "tsconfig.json",
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    NAMES.contains(&&*name) || (name.starts_with('.') && name != ".env")
}

/// The names of libraries in `bytes`, as `libz.so.1`.
fn library_names(bytes: &[u8]) -> BTreeSet<String> {
    static NAME: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?-u)([A-Za-z_][\w+.-]{2,60}?\.so(?:\.[0-9]+)*)").ok());
    let found = NAME.iter().flat_map(|name| name.find_iter(bytes));
    found
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
        .collect()
}

/// The names by which a source in Python has libraries searched.
fn searched_libraries(bytes: &[u8]) -> BTreeSet<String> {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?-u)find_library\(\s*["']([\w+.-]+)["']"#).ok());
    let found = CALL.iter().flat_map(|call| call.captures_iter(bytes));
    found
        .map(|call| String::from_utf8_lossy(&call[1]).into_owned())
        .collect()
}

#[cfg(test)]
mod tests;
