//! Libraries of Python, and modules that somebody installed in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::commands::is_comment;
use super::imports::{is_for_developers, is_installer};
use super::seen::Look;
use super::{Keeper, UseKind};
use crate::evidence::owner::Owner;
use crate::rootfs::{RootDir, RootError};

/// The largest description of a distribution that is read.
const METADATA_LIMIT: u64 = 8 << 20;

/// Whether `directory` is a library of Python itself, as `/usr/local/lib/python3.12`.
pub(super) fn is_python_library(directory: &Path) -> bool {
    directory
        .file_name()
        .and_then(|name| name.as_encoded_bytes().strip_prefix(b"python"))
        .is_some_and(|version| version.contains(&b'.'))
}

impl Keeper<'_> {
    /// Keeps all of Python's library where Debian's smallest part of it is kept, with its byte code: a script that no run has
    /// started is not seen to import the rest, as the one that was is.
    pub(super) fn add_whole_library(&mut self) -> Result<(), RootError> {
        let kept = self.kept.packages.keys();
        let versions = kept.filter_map(|package| {
            let version = package.strip_prefix("libpython")?;
            version.strip_suffix("-minimal").map(str::to_owned)
        });
        for version in versions.collect::<Vec<_>>() {
            let reason = format!("it is the rest of Python {version}");
            let library = format!("libpython{version}-stdlib");
            let mut packages = vec![library];
            if self.keeps_package(&format!("python{version}-minimal")) {
                packages.push(format!("python{version}"));
            }
            for package in packages {
                // What its modules need is found by these: not all that the package depends on is needed (`terminal_module`).
                if self.owners.files_of(&package).next().is_some() {
                    self.add_package(&package, &reason);
                }
            }
            // Each start looks there for what somebody has installed.
            let installed = PathBuf::from(format!("/usr/local/lib/python{version}/dist-packages"));
            self.add(&installed, UseKind::Looked, &reason)?;
            let cache = PathBuf::from(format!("/usr/lib/python{version}/__pycache__"));
            if self.kept.byte_code.is_none() && self.root.entry(&cache).is_some() {
                let tag = format!("cpython-{}", version.replace('.', ""));
                self.kept.byte_code = Some(tag);
            }
        }
        Ok(())
    }

    /// Keeps the module whose script is at `path`, since no run that has started that has shown what it imports.
    pub(super) fn add_module_of_script(&mut self, path: &Path) -> Result<(), RootError> {
        match self.owners.module_of_script(path) {
            Some(module) => self.keep_module(&module, &format!("{} is its", path.display())),
            None => Ok(()),
        }
    }

    /// Keeps the library of the interpreter at `path`, if that is Python, of a script that no run has started.
    pub(super) fn add_whole_python(&mut self, path: &Path) -> Result<(), RootError> {
        let Ok(resolved) = self.root.resolve(path) else {
            return Ok(());
        };
        let real = resolved.real_path;
        let reason = format!("{} runs a script", real.display());
        match self.owners.of(&real) {
            Owner::Package(package) if package.starts_with("python3") => {
                return self.add_unseen_package(&package, &reason);
            }
            Owner::Package(_) => return Ok(()),
            Owner::Module(_) | Owner::Instruction(_) | Owner::Base => {}
        }
        // `/usr/local/bin/python3.13` and `/usr/local/lib/python3.13`.
        let library = real.parent().and_then(Path::parent).zip(real.file_name());
        let library = library.map(|(above, name)| above.join("lib").join(name));
        if let Some(library) = library.filter(|library| {
            is_python_library(library) && self.root.target(&library.join("os.py")).is_some()
        }) {
            self.keep_path(library, &reason);
        }
        Ok(())
    }

    /// Keeps what installs pip into an environment, of each Python that is kept, if a source of the program's own makes some.
    pub(super) fn add_environments(&mut self) -> Result<(), RootError> {
        let Some(source) = self.habits.makes_environments.clone() else {
            return Ok(());
        };
        let reason = format!("{} makes environments", source.display());
        let of_debian = Path::new("/usr/lib");
        let names = self.root.names(of_debian).into_iter();
        let libraries = names.map(|name| of_debian.join(name)).filter(|library| {
            let package = self.owners.packages().owner(&library.join("os.py"));
            is_python_library(library) && package.is_some_and(|package| self.keeps_package(package))
        });
        let kept = self.kept.paths.keys();
        let kept = kept.filter(|path| is_python_library(path)).cloned();
        for library in libraries.chain(kept).collect::<Vec<_>>() {
            let installer = library.join("ensurepip/__init__.py");
            let package = self.owners.packages().owner(&installer).map(str::to_owned);
            self.add(&installer, UseKind::Looked, &reason)?;
            if let Some(package) = package {
                self.add_unseen_package(&package, &reason)?;
            }
        }
        Ok(())
    }

    /// Keeps the distributions that the one at `module` says it requires, if they are installed beside it: it may import them
    /// only when it is asked for something that no run has asked it for.
    pub(super) fn keep_requirements(&mut self, module: &Path) -> Result<(), RootError> {
        let Some(directory) = module.parent() else {
            return Ok(());
        };
        let is_distribution = module.extension().is_some_and(|end| end == "dist-info");
        if !is_distribution || !self.seen.note(Look::Requirements, module) {
            return Ok(());
        }
        let requirements = self.requirements_of(module)?;
        if requirements.is_empty() {
            return Ok(());
        }
        for name in self.root.list(directory)? {
            let other = directory.join(name);
            if other.extension().is_none_or(|end| end != "dist-info") {
                continue;
            }
            let distribution = distribution_name(&other);
            let mut required = requirements
                .iter()
                .filter(|found| found.name == distribution);
            let is_tool = is_installer(&other) || is_for_developers(&other);
            if required.any(|found| !(found.is_extra && is_tool)) {
                let reason = format!("{} requires it", module.display());
                self.keep_module(&other, &reason)?;
            }
        }
        Ok(())
    }

    /// The names of distributions that one of `modules`, which are distributions, requires in any case.
    pub(super) fn required_by<'m>(
        &self,
        modules: impl IntoIterator<Item = &'m PathBuf>,
    ) -> Result<BTreeSet<String>, RootError> {
        let mut names = BTreeSet::new();
        for module in modules {
            let own = distribution_name(module);
            let required = self.requirements_of(module)?.into_iter();
            let required = required.filter(|found| !found.is_extra && found.name != own);
            names.extend(required.map(|found| found.name));
        }
        Ok(names)
    }

    /// Whether the distribution at `module` was installed from a directory, as the program itself is (`pip install .`, PEP 610).
    pub(super) fn is_own_project(&self, module: &Path) -> bool {
        let url = self
            .root
            .content(&module.join("direct_url.json"), METADATA_LIMIT);
        url.is_some_and(|text| {
            let has = |part: &str| memchr::memmem::find(&text, part.as_bytes()).is_some();
            has("\"file://") && has("\"dir_info\"")
        })
    }

    /// What the distribution at `module` says it requires.
    fn requirements_of(&self, module: &Path) -> Result<Vec<Requirement>, RootError> {
        match self.root.read(&module.join("METADATA"), METADATA_LIMIT) {
            Ok(bytes) => Ok(requirements(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.is_absent() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The normalised name of the distribution whose `.dist-info` directory is `module`.
pub(super) fn distribution_name(module: &Path) -> String {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    normalised(name.split('-').next().unwrap_or_default())
}

/// Whether the directory at `path` says of a module of Python that it is installed, as pip has it.
pub(super) fn describes_module(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default();
    end == "dist-info" || end == "egg-info"
}

/// Whether a source has environments of Python made, which pip is installed into: `import venv`, `[sys.executable, "-m", "venv", x]`,
/// `python3 -m venv x`.
pub(super) fn makes_environments(text: &str) -> bool {
    const MODULES: [&str; 2] = ["ensurepip", "venv"];
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '/';
    let names_one = |text: &str| {
        let rest = MODULES.iter().find_map(|name| text.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(is_of_word))
    };
    let mut lines = text.lines().filter(|line| !is_comment(line));
    lines.any(|line| {
        let line = line.trim_start();
        let mut words = line.split_whitespace();
        let is_import = matches!(words.next(), Some("from" | "import"))
            && (words.next().is_some_and(names_one)
                || line.starts_with("import ") && words.any(names_one));
        let mut options = line.match_indices("-m").map(|(at, option)| {
            let before = line.get(..at).unwrap_or_default();
            let rest = line.get(at + option.len()..).unwrap_or_default();
            let module = rest.trim_start_matches([' ', '"', '\'', ',']);
            !before.ends_with(is_of_word) && module.len() < rest.len() && names_one(module)
        });
        is_import || options.any(|is_started| is_started)
    })
}

/// What a distribution says it requires.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    /// Its normalised name.
    name: String,
    /// Whether it is required with an extra alone.
    is_extra: bool,
}

/// What a description requires, also with an extra (`uvicorn[standard]`): what is installed was asked for by
/// somebody, and is used where it is there. What only developers ask for is not required.
fn requirements(metadata: &str) -> Vec<Requirement> {
    metadata
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .filter(|requirement| !extra_of(requirement).is_some_and(is_of_developers))
        .map(|requirement| {
            let name = requirement.trim();
            let end = name
                .find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c))
                .unwrap_or(name.len());
            Requirement {
                name: normalised(&name[..end]),
                is_extra: extra_of(requirement).is_some(),
            }
        })
        .collect()
}

/// The extra with which alone a requirement is one (PEP 508): `x; extra == "tests"`.
fn extra_of(requirement: &str) -> Option<&str> {
    let (_, marker) = requirement.split_once(';')?;
    let (_, rest) = marker.split_once("extra")?;
    let quoted = rest.trim_start().strip_prefix("==")?.trim_start();
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    quoted[1..].split(quote).next()
}

/// Whether an extra has what those need who write, test or publish the module.
fn is_of_developers(extra: &str) -> bool {
    const NAMES: [&str; 14] = [
        "build", "check", "ci", "cover", "coverage", "dev", "develop", "doc", "docs", "lint",
        "test", "testing", "tests", "typing",
    ];
    let extra = normalised(extra);
    extra.split('-').any(|word| NAMES.contains(&word))
}

/// A name as PEP 503 compares them.
fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// The modules by which a program comes to the compiled one at `path`, if that is one of Python's library for people at
/// terminals or for databases and directories of old. What these need of other packages is much, and nobody imports them in
/// passing.
pub(super) fn terminal_module(path: &Path) -> Option<&'static [&'static str]> {
    const MODULES: [(&str, &[&str]); 6] = [
        ("_curses", &["_curses", "curses"]),
        ("_dbm", &["dbm", "shelve"]),
        ("_gdbm", &["dbm", "shelve"]),
        ("_tkinter", &["tkinter", "turtle"]),
        ("nis", &["nis"]),
        ("readline", &["readline"]),
    ];
    let is_own = path
        .parent()
        .and_then(Path::file_name)
        .is_some_and(|directory| directory == "lib-dynload");
    let name = path.file_name()?.to_str()?;
    let found = MODULES.iter().find(|(module, _)| {
        name.strip_prefix(module)
            .is_some_and(|rest| rest.starts_with('.') || rest.starts_with("_panel."))
    });
    found.filter(|_| is_own).map(|(_, importers)| *importers)
}

/// What of the library of Python at `directory` is left out: what somebody installed, which is kept by itself, and what serves
/// those who write programs, build Python or test it.
pub(super) fn left_out_of_library(root: &RootDir, directory: &Path) -> Vec<PathBuf> {
    const NAMES: [&str; 10] = [
        "dist-packages",
        "ensurepip",
        "idlelib",
        "lib2to3/tests",
        "pydoc_data",
        "site-packages",
        "test",
        "tkinter/test",
        "turtledemo",
        "unittest/test",
    ];
    if !is_python_library(directory) {
        return Vec::new();
    }
    let known = NAMES.iter().map(|name| directory.join(name));
    let mut left_out: Vec<PathBuf> = known.filter(|path| root.target(path).is_some()).collect();
    // A static library and what the interpreter was configured with, as `config-3.12-x86_64-linux-gnu`.
    let names = root.names(directory);
    let for_builds = names
        .iter()
        .filter(|name| name.as_encoded_bytes().starts_with(b"config-"));
    left_out.extend(for_builds.map(|name| directory.join(name)));
    left_out
}

/// What setuptools has Python load at each start, so that `distutils` is its own, if `path` is or lies in it. It works without
/// setuptools, and is used by all programs.
pub(super) fn start_hook(path: &Path) -> Option<PathBuf> {
    if path.file_name()? == "distutils-precedence.pth" {
        return Some(path.to_path_buf());
    }
    path.ancestors()
        .take(3)
        .find(|above| {
            above
                .file_name()
                .is_some_and(|name| name == "_distutils_hack")
        })
        .map(Path::to_path_buf)
}

/// Whether `path` is a directory in which modules are that somebody installed: each of them is kept by itself.
pub(super) fn holds_modules(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "site-packages" || name == "dist-packages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_those_of_users() {
        let metadata = "Name: Flask\nRequires-Dist: Werkzeug (>=3.1)\nRequires-Dist: markup_safe.x>=2\n\
                        Requires-Dist: asgiref>=3.2; extra == \"async\"\n\
                        Requires-Dist: six; python_version < '3.10' and extra=='all-tests2'\n\
                        Requires-Dist: pytest; extra == 'test-no-images'\nRequires-Dist: ruff; (extra == \"dev\")\n\
                        Requires-Dist: importlib-metadata>=3.6; python_version < \"3.10\"\n\nRequires-Dist: text\n";
        let found: Vec<String> = requirements(metadata)
            .iter()
            .map(|found| format!("{} {}", found.name, found.is_extra))
            .collect();
        assert_eq!(
            found,
            [
                "werkzeug false",
                "markup-safe-x false",
                "asgiref true",
                "six true",
                "importlib-metadata false"
            ]
        );
    }

    #[test]
    fn who_makes_environments_says_so_where_it_imports_or_starts_what_does() {
        for (text, expected) in [
            ("import venv\n", true),
            ("import os, venv\n", true),
            ("    from venv import EnvBuilder\n", true),
            ("import ensurepip as e\n", true),
            ("run([sys.executable, \"-m\", \"venv\", path])\n", true),
            ("os.system('python3 -m venv ' + path)\n", true),
            ("python3 -m venv --clear \"$1\"\n", true),
            ("# python3 -m venv x\n", false),
            ("IGNORED = ['.git', 'venv']\n", false),
            ("from shop import venv\n", false),
            ("import venvs\n", false),
            ("python3 -m venv_tool\n", false),
            ("git commit -m venvs\n", false),
        ] {
            assert_eq!(makes_environments(text), expected, "{text}");
        }
    }

    #[test]
    fn what_setuptools_has_loaded_at_each_start_is_a_hook() {
        let hack = Some("/l/_distutils_hack");
        for (path, expected) in [
            (
                "/l/distutils-precedence.pth",
                Some("/l/distutils-precedence.pth"),
            ),
            ("/l/_distutils_hack", hack),
            ("/l/_distutils_hack/__init__.py", hack),
            (
                "/l/_distutils_hack/__pycache__/__init__.cpython-311.pyc",
                hack,
            ),
            ("/l/setuptools/__init__.py", None),
            ("/l/easy-install.pth", None),
        ] {
            let expected = expected.map(PathBuf::from);
            assert_eq!(start_hook(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn modules_for_terminals_are_told_by_name() {
        let of = |path| terminal_module(Path::new(path));
        let curses: Option<&[&str]> = Some(&["_curses", "curses"]);
        assert_eq!(of("/l/lib-dynload/_curses.cpython-312.so"), curses);
        assert_eq!(of("/l/lib-dynload/_curses_panel.cpython-312.so"), curses);
        assert_eq!(of("/l/lib-dynload/_ssl.cpython-312.so"), None);
        assert_eq!(of("/l/other/readline.so"), None);
        assert_eq!(of("/l/lib-dynload/nisx.so"), None);
    }

    #[test]
    fn what_serves_developers_is_left_out_of_a_library() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "usr/lib/python3.12/test/x.py",
            "usr/lib/python3.12/unittest/mock.py",
            "usr/lib/python3.12/site-packages/x.py",
            "usr/lib/python3.12/config-3.12-x86_64-linux-gnu/libpython3.12.a",
            "usr/lib/python3.12/lib-dynload/_ssl.so",
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let library = Path::new("/usr/lib/python3.12");
        let shown: Vec<String> = left_out_of_library(&root, library)
            .iter()
            .filter_map(|path| path.strip_prefix(library).ok())
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            shown,
            ["site-packages", "test", "config-3.12-x86_64-linux-gnu",]
        );
        assert!(left_out_of_library(&root, Path::new("/usr/lib")).is_empty());
    }
}
