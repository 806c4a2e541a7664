//! Modules of Python that kept sources name: an import in a function that no run has called, a module that settings name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::python::{distribution_name, holds_modules, is_python_library};
use super::seen::Look;
use super::{Keeper, UseKind};
use crate::evidence::owner::Owner;
use crate::rootfs::{RootDir, RootError};

/// The largest source that is read.
const SOURCE_LIMIT: u64 = 4 << 20;
/// The most sources that are read.
const MOST_SOURCES: usize = 50_000;
/// What makes a prompt as Python's own one of it (`sys`).
const PROMPT: &str = "__interactivehook__";
/// What installs others: what is installed names these where it is built or installed itself, which it is.
const INSTALLERS: [&str; 6] = [
    "_distutils_hack",
    "distutils",
    "pip",
    "pkg_resources",
    "setuptools",
    "wheel",
];

/// Whether the distribution described in `module` installs others.
pub(super) fn is_installer(module: &Path) -> bool {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    let distribution = name.split('-').next().unwrap_or_default();
    INSTALLERS.contains(&distribution)
}

/// Whether the distribution described in `module` serves those who write programs, and no program.
pub(super) fn is_for_developers(module: &Path) -> bool {
    const NAMES: [&str; 39] = [
        "autopep8",
        "bandit",
        "black",
        "build",
        "bumpversion",
        "coverage",
        "flake8",
        "flit",
        "flit_core",
        "hatch",
        "hatchling",
        "hypothesis",
        "ipdb",
        "isort",
        "mypy",
        "nox",
        "pdm",
        "pdm_backend",
        "pip_tools",
        "pipenv",
        "pipx",
        "poetry",
        "poetry_core",
        "poetry_plugin_export",
        "pre_commit",
        "pycodestyle",
        "pyflakes",
        "pylint",
        "pyright",
        "pytest",
        "ruff",
        "setuptools_scm",
        "sphinx",
        "tox",
        "twine",
        "uv",
        "uv_build",
        "virtualenv",
        "yapf",
    ];
    let name = module
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let distribution = name.split('-').next().unwrap_or_default();
    NAMES.contains(&distribution)
        || ["pytest_", "flake8_", "types_", "sphinx"]
            .iter()
            .any(|start| distribution.starts_with(start))
        || distribution.ends_with("_stubs")
}

impl Keeper<'_> {
    /// Keeps what the sources that are kept import, or name in quotes, of what is installed.
    pub(super) fn add_imports(&mut self) -> Result<(), RootError> {
        loop {
            let directories = self.places_of_modules();
            for directory in &directories {
                self.keep_requested(directory)?;
            }
            let kept = self.kept.paths.keys();
            let kept = kept.filter(|path| !is_python_library(path));
            let unread = self.seen.new_ones(Look::Imports, kept);
            if unread.is_empty() {
                return Ok(());
            }
            for path in unread {
                let names = names_in(self.root, &path);
                if !path.parent().is_some_and(holds_modules) {
                    self.imported.extend(names.iter().cloned());
                } else if self.is_asked_module(&path) {
                    // What celery's timer keeps in such a file would begin anew, in another format, and say nothing.
                    let stores = ["dbm", "shelve"].map(str::to_owned);
                    let stores = stores.into_iter().filter(|name| names.contains(name));
                    self.imported.extend(stores);
                }
                // What `flask shell` calls of it edits lines, and fails without these since Python 3.13.
                if names.contains(PROMPT) {
                    self.imported
                        .extend(["curses", "readline"].map(str::to_owned));
                }
                for directory in &directories {
                    self.keep_named(directory, &names, &path)?;
                }
                self.keep_packaged(&names, &path)?;
                self.seen.note(Look::Imports, &path);
            }
        }
    }

    /// Whether `path` is a part of a module that somebody has asked for by its name.
    fn is_asked_module(&mut self, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_stem()) else {
            return false;
        };
        let module = self
            .owners
            .distribution_of(directory, &name.to_string_lossy());
        module.is_some_and(|module| self.asked_modules.contains(&module))
    }

    /// Where Python looks for what is installed: where runs have found something, or looked for it.
    fn places_of_modules(&self) -> BTreeSet<PathBuf> {
        let looked_at = self
            .kept
            .directories
            .keys()
            .filter(|place| holds_modules(place));
        let mut places: BTreeSet<PathBuf> = looked_at.cloned().collect();
        places.extend(self.owners.module_directories());
        places
    }

    /// Keeps the packages of Debian that bring a module that the program's own sources name.
    fn keep_packaged(&mut self, names: &BTreeSet<String>, by: &Path) -> Result<(), RootError> {
        let directory = Path::new("/usr/lib/python3/dist-packages");
        if by.parent().is_some_and(holds_modules) || self.root.target(directory).is_none() {
            return Ok(());
        }
        for name in names
            .iter()
            .filter(|name| !INSTALLERS.contains(&name.as_str()))
        {
            for part in [format!("{name}.py"), format!("{name}/__init__.py")] {
                let path = directory.join(part);
                if let Owner::Package(package) = self.owners.of(&path) {
                    self.add_unseen_package(&package, &format!("{} names {name}", by.display()))?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the distributions in `directory` that somebody has asked for: a program may be told at any time to use them, by an
    /// address of a database, a setting, or an entry point. What only builds, tests or checks programs is asked for by its
    /// name.
    fn keep_requested(&mut self, directory: &Path) -> Result<(), RootError> {
        if !self.seen.note(Look::Requests, directory) {
            return Ok(());
        }
        let names = self.root.names(directory).into_iter();
        let modules: Vec<PathBuf> = names
            .map(|name| directory.join(name))
            .filter(|module| module.extension().is_some_and(|end| end == "dist-info"))
            .collect();
        let required = self.required_by(&modules)?;
        let own = modules.iter().filter(|module| self.is_own_project(module));
        let of_project = self.required_by(own)?;
        for module in modules {
            // pip and uv leave this file behind for what they were told to install, and for nothing that it brought along. Poetry
            // leaves none, and what an extra brings has none: nothing requires these in any case. What the program itself requires
            // its author has asked for.
            let name = distribution_name(&module);
            let is_requested = self.root.target(&module.join("REQUESTED")).is_some()
                || !required.contains(&name)
                || of_project.contains(&name);
            if !is_requested || is_installer(&module) || self.owners.maker(&module).is_none() {
                continue;
            }
            self.asked_modules.insert(module.clone());
            if !self.modules.contains(&module) && !is_for_developers(&module) {
                self.keep_module(&module, "somebody has asked for it to be installed")?;
            }
        }
        Ok(())
    }

    /// Keeps the programs of the modules that somebody has asked for and that are kept: `flask`, `celery`, `alembic`; those by
    /// which a program that is kept does a part of its work, as `jupyter-nbconvert` for `jupyter`; and what modules have beside
    /// their own directory.
    pub(super) fn add_scripts_of_modules(&mut self) -> Result<(), RootError> {
        let modules = self.seen.new_ones(Look::Scripts, &self.modules);
        for module in modules {
            self.seen.note(Look::Scripts, &module);
            let is_asked = self.asked_modules.contains(&module);
            for script in self.owners.scripts_of(&module)? {
                if is_asked {
                    let reason = "a module that somebody has asked for is started by it";
                    self.add(&script, UseKind::Looked, reason)?;
                } else if let Some(main) = self.command_with_parts(&script) {
                    let reason = format!("{} starts it by its name", main.display());
                    self.add(&script, UseKind::Looked, &reason)?;
                }
            }
            for path in self.owners.data_of(&module)? {
                let reason = format!("a file of {}", module.display());
                self.add(&path, UseKind::Looked, &reason)?;
            }
        }
        Ok(())
    }

    /// The program that is kept and of which `script` beside it is named as a part: `jupyter` for `jupyter-nbconvert`.
    fn command_with_parts(&self, script: &Path) -> Option<PathBuf> {
        let (name, _) = script.file_name()?.to_str()?.split_once('-')?;
        let main = script.with_file_name(name);
        self.covers(&main).then_some(main)
    }

    fn keep_named(
        &mut self,
        directory: &Path,
        names: &BTreeSet<String>,
        by: &Path,
    ) -> Result<(), RootError> {
        for name in names {
            let Some(module) = self.owners.distribution_of(directory, name) else {
                continue;
            };
            if !self.modules.contains(&module) {
                self.keep_module(&module, &format!("{} names it", by.display()))?;
            }
        }
        Ok(())
    }
}

/// The modules that the sources at and below `path` name: what they import; and, unless they are a module that somebody
/// installed, what they have in quotes, as settings do.
fn names_in(root: &RootDir, path: &Path) -> BTreeSet<String> {
    let is_installed = path.parent().is_some_and(holds_modules);
    let mut names = BTreeSet::new();
    let mut pending = vec![path.to_path_buf()];
    let mut n_read = 0;
    while let Some(path) = pending.pop() {
        let Some(metadata) = root.entry(&path) else {
            continue;
        };
        if metadata.is_dir() {
            // Nobody runs the tests of what is installed.
            let is_test = is_installed && path.file_name().is_some_and(|name| name == "tests");
            let inside = root.names(&path);
            if !is_test {
                pending.extend(inside.into_iter().map(|name| path.join(name)));
            }
            continue;
        }
        // What installs the program, checks or tests it names modules that it does without.
        let is_of_developers = ["conftest.py", "noxfile.py", "setup.py"]
            .iter()
            .any(|name| path.ends_with(name));
        let is_source = path.extension().is_some_and(|end| end == "py")
            && metadata.is_file()
            && !is_of_developers;
        if !is_source || n_read == MOST_SOURCES {
            continue;
        }
        n_read += 1;
        if let Some(bytes) = root.content(&path, SOURCE_LIMIT) {
            names.extend(imported(&bytes));
            if memchr::memmem::find(&bytes, PROMPT.as_bytes()).is_some() {
                names.insert(PROMPT.to_owned());
            }
            if !is_installed {
                names.extend(quoted(&bytes));
            }
        }
    }
    if is_installed {
        names.retain(|name| !INSTALLERS.contains(&name.as_str()));
    } else if names.contains("distutils") || names.contains("pkg_resources") {
        // Python has had no such module since 3.12, but setuptools brings one.
        names.insert("setuptools".to_owned());
    }
    names
}

/// The first parts of the names that `import` and `from` bring, wherever they stand.
pub(super) fn imported(source: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in source.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if let Some(from) = after_word(line, b"from") {
            names.extend(first_part(from));
        } else if let Some(list) = after_word(line, b"import") {
            let parts = list.split(|byte| *byte == b',');
            names.extend(parts.filter_map(|part| first_part(part.trim_ascii_start())));
        }
    }
    names
}

/// What follows a word at the start of `line`.
fn after_word<'l>(line: &'l [u8], word: &[u8]) -> Option<&'l [u8]> {
    let rest = line.strip_prefix(word)?;
    rest.first()
        .is_some_and(u8::is_ascii_whitespace)
        .then(|| rest.trim_ascii_start())
}

/// The first parts of dotted names in quotes.
fn quoted(source: &[u8]) -> BTreeSet<String> {
    memchr::memchr2_iter(b'"', b'\'', source)
        .filter_map(|at| {
            let name = first_part(source.get(at + 1..)?)?;
            let end = source.get(at + 1 + name.len())?;
            b".:\"'".contains(end).then_some(name)
        })
        .collect()
}

/// The name of a module at the start of `text`.
fn first_part(text: &[u8]) -> Option<String> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = text
        .iter()
        .position(|byte| !is_name(byte))
        .unwrap_or(text.len());
    let name = text.get(..end)?;
    let starts_well = name.first().is_some_and(|first| !first.is_ascii_digit());
    starts_well.then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[track_caller]
    fn check(names: BTreeSet<String>, expected: &[&str]) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn imports_are_found_wherever_they_stand() {
        check(imported(b"import os.path\n"), &["os"]);
        check(
            imported(b"def f():\n\tfrom markdown.x import y\n    import a as b, c\n"),
            &["a", "c", "markdown"],
        );
        check(
            imported(b"# import x\nfrom . import y\nimportant = 1\n"),
            &[],
        );
    }

    #[test]
    fn settings_name_modules_in_quotes() {
        check(
            quoted(b"APPS = ['rest_framework', \"a.b.C\"]\nworker = 'gevent'\ntext = 'two words'"),
            &["a", "gevent", "rest_framework"],
        );
    }

    #[test]
    fn installed_modules_are_asked_for_imports_alone() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("app/main.py", "import flask\nX = 'gevent'\nimport pip\n"),
            ("app/tests/x.py", "import pytest\n"),
            ("app/setup.py", "import setuptools\n"),
            ("l/site-packages/flask/a.py", "import click\nX = 'celery'\n"),
            ("l/site-packages/flask/tests/a.py", "import pytest\n"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        check(
            names_in(&root, Path::new("/app")),
            &["flask", "gevent", "pip", "pytest"],
        );
        check(
            names_in(&root, Path::new("/l/site-packages/flask")),
            &["click"],
        );
    }

    #[test]
    fn stores_of_modules_that_were_asked_for_count_as_imported() {
        let place = "usr/local/lib/python3.12/site-packages";
        for (requested, is_imported) in [("REQUESTED", true), ("INSTALLER", false)] {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in [
                ("celery/beat.py", "import shelve\nimport curses\n"),
                ("celery-5.dist-info/RECORD", "celery/beat.py,,\n"),
                (&format!("celery-5.dist-info/{requested}"), ""),
                ("shop-1.dist-info/METADATA", "Requires-Dist: celery\n"),
                ("shop-1.dist-info/RECORD", ""),
            ] {
                let path = dir.path().join(place).join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
            }
            let root = RootDir::open(dir.path()).unwrap();
            let steps = [Step {
                files: dir.path().to_owned(),
                ..Step::default()
            }];
            let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
            let used = format!("/{place}/celery/beat.py");
            keeper
                .add(Path::new(&used), UseKind::Looked, "used")
                .unwrap();
            keeper.add_imports().unwrap();
            let names: Vec<&str> = keeper.imported.iter().map(String::as_str).collect();
            assert_eq!(names == ["shelve"], is_imported, "{requested}: {names:?}");
        }
    }
}
