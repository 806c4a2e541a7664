//! What packages say that they depend on, which matters where no run shows what they use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::beside::{is_common, is_for_building};
use super::{Keeper, UseKind, left_out_rule};
use crate::rootfs::{RootDir, RootError};

/// Where dpkg says what is installed.
const STATUS: &str = "/var/lib/dpkg/status";
/// Where apt says what it has installed without being asked for it.
const EXTENDED_STATES: &str = "/var/lib/apt/extended_states";
/// The largest such file that is read, in bytes.
const STATUS_LIMIT: u64 = 256 << 20;
/// What packages need only while they are installed or removed.
const FOR_INSTALLING: [&str; 9] = [
    "adduser",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "install-info",
    "lsb-base",
    "sysvinit-utils",
    "ucf",
    "update-inetd",
];

/// Interpreters, and how the packages of their modules are called: before and after the name.
const LANGUAGES: [(&str, (&str, &str)); 9] = [
    ("erlang-base", ("erlang-", "")),
    ("lua", ("lua-", "")),
    ("nodejs", ("node-", "")),
    ("perl-base", ("lib", "-perl")),
    ("php", ("php", "")),
    ("python3", ("python3-", "")),
    ("r-base-core", ("r-", "")),
    ("ruby", ("ruby-", "")),
    ("tcl", ("tcl-", "")),
];

/// The dependencies of the packages that are installed.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    of: BTreeMap<String, Vec<Vec<String>>>,
    provided: BTreeMap<String, Vec<String>>,
    /// What packages can use if it is there: what they recommend and suggest.
    optional: BTreeMap<String, Vec<String>>,
    /// What they recommend, and is installed with them unless apt is told otherwise.
    recommended: BTreeMap<String, Vec<String>>,
}

impl Dependencies {
    pub(super) fn read(root: &RootDir) -> Result<Dependencies, RootError> {
        match root.read(Path::new(STATUS), STATUS_LIMIT) {
            Ok(bytes) => Ok(Dependencies::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.is_absent() => Ok(Dependencies::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(status: &str) -> Dependencies {
        let mut all = Dependencies::default();
        for paragraph in status.split("\n\n") {
            let field = |name: &str| {
                let mut lines = paragraph.lines();
                lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let (Some(package), Some("install ok installed")) = (field("Package"), field("Status"))
            else {
                continue;
            };
            let fields = [field("Pre-Depends"), field("Depends")];
            let groups = fields
                .into_iter()
                .flatten()
                .flat_map(|list| list.split(','));
            let groups = groups.map(|group| group.split('|').filter_map(package_name).collect());
            all.of.insert(package.to_owned(), groups.collect());
            let names = |list: Option<&str>| -> Vec<String> {
                let names = list.into_iter().flat_map(|list| list.split([',', '|']));
                names.filter_map(package_name).collect()
            };
            let recommended = names(field("Recommends"));
            let mut optional = recommended.clone();
            optional.extend(names(field("Suggests")));
            all.optional.insert(package.to_owned(), optional);
            all.recommended.insert(package.to_owned(), recommended);
            for name in field("Provides")
                .into_iter()
                .flat_map(|list| list.split(','))
            {
                if let Some(name) = package_name(name) {
                    all.provided
                        .entry(name)
                        .or_default()
                        .push(package.to_owned());
                }
            }
        }
        all
    }

    /// `package`, and all that it depends on to run.
    pub(super) fn closure(&self, package: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut pending = vec![package.to_owned()];
        while let Some(package) = pending.pop() {
            for group in self.of.get(&package).into_iter().flatten() {
                let installed = group.iter().find_map(|name| self.installed(name));
                pending.extend(
                    installed
                        .filter(|name| !FOR_INSTALLING.contains(name) && !found.contains(*name))
                        .map(str::to_owned),
                );
            }
            found.insert(package);
        }
        found
    }

    /// The installed packages that `package` itself depends on.
    fn direct(&self, package: &str) -> impl Iterator<Item = &str> {
        let groups = self.of.get(package).into_iter().flatten();
        let names = groups.filter_map(|group| group.iter().find_map(|name| self.installed(name)));
        names.filter(|name| !FOR_INSTALLING.contains(name))
    }

    /// The installed packages that `package` names without a choice, or can use.
    fn meant(&self, package: &str) -> impl Iterator<Item = &str> {
        let groups = self.of.get(package).into_iter().flatten();
        let names = groups.filter_map(|group| match group.as_slice() {
            [name] => self.installed(name),
            _ => None,
        });
        names.chain(self.optional(package))
    }

    /// The installed packages that `package` can use beyond what it depends on.
    pub(super) fn optional(&self, package: &str) -> impl Iterator<Item = &str> {
        let names = self.optional.get(package).into_iter().flatten();
        names.filter_map(|name| self.installed(name))
    }

    /// The installed packages that `package` recommends.
    pub(super) fn recommended(&self, package: &str) -> impl Iterator<Item = &str> {
        let names = self.recommended.get(package).into_iter().flatten();
        names.filter_map(|name| self.installed(name))
    }

    /// `packages`, and all that these and their like depend on or can use; nothing that is for building programs.
    fn companions<'d>(&'d self, packages: impl Iterator<Item = &'d str>) -> BTreeSet<&'d str> {
        let mut found = BTreeSet::new();
        let mut pending: Vec<&str> = packages.collect();
        while let Some(package) = pending.pop() {
            if is_for_building(package) || !found.insert(package) {
                continue;
            }
            let groups = self.of.get(package).into_iter().flatten().flatten();
            pending.extend(groups.filter_map(|name| self.installed(name)));
            pending.extend(self.optional(package));
        }
        found
    }

    /// The installed package that has this name, or provides it.
    fn installed<'d>(&'d self, name: &'d str) -> Option<&'d str> {
        if self.of.contains_key(name) {
            return Some(name);
        }
        self.provided.get(name)?.first().map(String::as_str)
    }
}

/// Those of the packages `kept` that some of `idle` depend on, and nothing else that is kept.
pub(crate) fn needed_by_idle_alone(
    root: &RootDir,
    kept: &[String],
    idle: &BTreeSet<String>,
) -> Result<BTreeSet<String>, RootError> {
    let all = Dependencies::read(root)?;
    let of = |are_idle: bool| -> BTreeSet<&str> {
        let such = kept.iter().filter(|name| idle.contains(*name) == are_idle);
        such.flat_map(|name| all.direct(name)).collect()
    };
    let (by_idle, by_others) = (of(true), of(false));
    let found = kept.iter().filter(|name| {
        let name = name.as_str();
        by_idle.contains(name) && !by_others.contains(name) && !idle.contains(name)
    });
    Ok(found.cloned().collect())
}

/// Whether `package` is the interpreter `name`, or one of its versions, as `ruby3.1`.
fn is_version_of(package: &str, name: &str) -> bool {
    let version = package
        .strip_prefix(name)
        .map(|rest| rest.trim_end_matches("-cli"));
    version.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// Whether a package is the interpreter of a language, or a version of one: `nodejs`, `php8.2-cli`, `python3-minimal`.
pub(super) fn is_interpreter(package: &str) -> bool {
    let name = package
        .trim_end_matches("-minimal")
        .trim_end_matches("-full");
    LANGUAGES
        .iter()
        .any(|(interpreter, _)| is_version_of(name, interpreter))
        || ["perl", "ruby", "r-base", "erlang"].contains(&name)
}

/// Whether a package is called as those of the modules of a language are.
fn is_module_package(package: &str, (before, after): (&str, &str)) -> bool {
    const OF_BUILDS: [&str; 13] = [
        "erlang-examples",
        "erlang-manpages",
        "erlang-mode",
        "erlang-src",
        "php-pear",
        "python3-all",
        "python3-distutils",
        "python3-full",
        "python3-setuptools",
        "python3-venv",
        "python3-wheel",
        "ruby-full",
        "ruby-rubygems",
    ];
    let is_named = package.starts_with(before) && package.ends_with(after);
    is_named && package.contains('-') && !OF_BUILDS.contains(&package)
}

/// The name at the start of a relation such as `libc6 (>= 2.36)` or `perl:any`.
fn package_name(relation: &str) -> Option<String> {
    let name = relation.trim().split([' ', ':', '(']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

impl Keeper<'_> {
    pub(super) fn dependencies(&mut self) -> Result<&Dependencies, RootError> {
        if self.dependencies.is_none() {
            self.dependencies = Some(Dependencies::read(self.root)?);
        }
        Ok(self.dependencies.get_or_insert_default())
    }

    /// Keeps the packages that the Dockerfile has asked for by name and that a kept one can use or depends on, as `ghostscript`
    /// beside `imagemagick` and `imagemagick` beside `ruby-mini-magick`: a run may give it something for that. What came along
    /// unasked is not meant.
    pub(super) fn add_optional(&mut self) -> Result<(), RootError> {
        let Some(unasked) = self.unasked()? else {
            return Ok(());
        };
        let kept: Vec<String> = self.kept.packages.keys().cloned().collect();
        for package in kept {
            let dependencies = self.dependencies()?;
            let others = dependencies.optional(&package);
            let others = others.chain(dependencies.direct(&package));
            let others: Vec<String> = others.map(str::to_owned).collect();
            for other in others {
                let is_meant = !self.kept.packages.contains_key(&other)
                    && !unasked.contains(&other)
                    && !is_for_building(&other)
                    && self.is_installed_here(&other);
                if is_meant {
                    self.add_unseen_package(&other, &format!("{package} can use it"))?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the modules of a language that the Dockerfile has asked for by the names of their packages, if the language is kept:
    /// a program may be told at any time to load one, by an address of a database, by the ending of a template or by a setting.
    pub(super) fn add_asked_modules(&mut self) -> Result<(), RootError> {
        let Some(unasked) = self.unasked()? else {
            return Ok(());
        };
        let languages: Vec<(&str, &str)> = LANGUAGES
            .iter()
            .filter(|(interpreter, _)| {
                self.kept
                    .packages
                    .keys()
                    .any(|kept| is_version_of(kept, interpreter))
            })
            .map(|(_, modules)| *modules)
            .collect();
        let asked: BTreeSet<String> = self
            .owners
            .all_files()
            .map(|(package, _)| package)
            .filter(|package| {
                languages
                    .iter()
                    .any(|modules| is_module_package(package, *modules))
            })
            .filter(|package| !unasked.contains(*package) && !is_for_building(package))
            .filter(|package| !self.kept.packages.contains_key(*package))
            .map(str::to_owned)
            .collect();
        for package in asked {
            if self.is_installed_here(&package) {
                self.add_unseen_package(
                    &package,
                    "somebody has asked for this module to be installed",
                )?;
            }
        }
        Ok(())
    }

    /// Keeps the data without which the libraries and programs of packages that are kept do nothing: what they depend on and that
    /// is neither a library nor a program, as `libmagic-mgc` is for `libmagic1`. No linker knows of it.
    pub(super) fn add_data_of_packages(&mut self) -> Result<(), RootError> {
        loop {
            let packages: Vec<String> = self
                .kept
                .packages
                .keys()
                .filter(|package| !self.with_data.contains(*package))
                .cloned()
                .collect();
            if packages.is_empty() {
                return Ok(());
            }
            for package in packages {
                let direct: Vec<String> = self
                    .dependencies()?
                    .direct(&package)
                    .map(str::to_owned)
                    .collect();
                for other in direct {
                    if !self.kept.packages.contains_key(&other) && self.is_data_package(&other) {
                        self.add_package(&other, &format!("{package} depends on its data"));
                        if self.is_installed_here(&other) {
                            self.add_made_by_installation(&other)?;
                        }
                    }
                }
                self.with_data.insert(package);
            }
        }
    }

    /// Whether `package` has data, and neither programs nor libraries.
    fn is_data_package(&self, package: &str) -> bool {
        const PROGRAMS: [&str; 6] = [
            "/bin",
            "/sbin",
            "/usr/bin",
            "/usr/games",
            "/usr/libexec",
            "/usr/sbin",
        ];
        let mut has_data = false;
        for path in self.owners.files_of(package) {
            let is_program = path
                .parent()
                .is_some_and(|place| PROGRAMS.iter().any(|known| place == Path::new(known)));
            if is_program || super::is_library(path) {
                return false;
            }
            let is_file = || self.root.entry(path).is_some_and(|found| found.is_file());
            let is_paper = path.starts_with("/usr/share/doc") || left_out_rule(path).is_some();
            has_data |= !is_paper && is_file();
        }
        has_data && !is_for_building(package)
    }

    /// Keeps what the installation of `package` has made beside its files, as lists of plugins and compiled dictionaries, and
    /// where its links lead through the alternatives. Of what runs have used, they have shown that themselves.
    fn add_made_by_installation(&mut self, package: &str) -> Result<(), RootError> {
        let listed: Vec<PathBuf> = self
            .owners
            .files_of(package)
            .map(Path::to_path_buf)
            .collect();
        let reason = format!("the installation of {package} has made it");
        for path in listed {
            let Some(metadata) = self.root.entry(&path) else {
                continue;
            };
            if metadata.is_symlink() {
                let target = self.root.read_link(&path)?;
                if target.starts_with("/etc/alternatives") || target.starts_with("/var") {
                    self.add(&path, UseKind::Looked, &reason)?;
                }
            } else if metadata.is_dir() && !is_common(&path) && !path.starts_with("/var/lib/dpkg") {
                for name in self.root.list(&path)? {
                    let made = path.join(name);
                    let is_entry = self.root.entry(&made).is_some_and(|found| !found.is_dir());
                    if is_entry
                        && !self.owners.is_packaged(&made)
                        && self.owners.maker(&made).is_some()
                    {
                        self.add(&made, UseKind::Looked, &reason)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The packages that apt has installed only because others need them; nothing if it has not said.
    pub(super) fn unasked(&self) -> Result<Option<BTreeSet<String>>, RootError> {
        let states = match self.root.read(Path::new(EXTENDED_STATES), STATUS_LIMIT) {
            Ok(states) => states,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let states = String::from_utf8_lossy(&states);
        let paragraphs = states
            .split("\n\n")
            .filter(|text| text.contains("Auto-Installed: 1"));
        let names = paragraphs
            .filter_map(|text| text.trim_start().strip_prefix("Package: ")?.lines().next());
        let is_unasked = |name: &&str| !self.meant.contains(*name);
        Ok(Some(names.filter(is_unasked).map(str::to_owned).collect()))
    }

    /// Whether an instruction asks for `package` by its name, be it in the base image already, or for a package that has nothing but
    /// dependencies and means this one by them, as `fonts-dejavu` means `fonts-dejavu-core`.
    pub(super) fn is_asked_for(&self, package: &str) -> bool {
        self.owners.is_asked_for(package) || self.meant.contains(package)
    }

    /// Notes which packages are meant by those that somebody has asked for and that have nothing themselves.
    pub(super) fn note_meant(&mut self) -> Result<(), RootError> {
        let mut pending: Vec<String> = self.owners.asked_for().map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        while let Some(package) = pending.pop() {
            let is_installed = self.dependencies()?.of.contains_key(&package);
            if !is_installed
                || is_for_building(&package)
                || !seen.insert(package.clone())
                || !self.has_nothing(&package)
            {
                continue;
            }
            let meant: Vec<String> = self
                .dependencies()?
                .meant(&package)
                .map(str::to_owned)
                .collect();
            self.meant.extend(meant.iter().cloned());
            pending.extend(meant);
        }
        Ok(())
    }

    /// Whether `package` has no files but papers.
    fn has_nothing(&self, package: &str) -> bool {
        let paper = Path::new("/usr/share/doc");
        let is_file = |path: &&Path| {
            let found = self.root.symlink_metadata(path);
            found.is_ok_and(|found| !found.is_dir()) && !path.starts_with(paper)
        };
        self.owners.files_of(package).find(is_file).is_none()
    }

    /// Whether `package` came along with tools that build programs or install modules, as npm, and with nothing else that somebody
    /// has asked for.
    pub(super) fn came_with_tools(&mut self, package: &str) -> Result<bool, RootError> {
        let Some(unasked) = self.unasked()?.filter(|unasked| unasked.contains(package)) else {
            return Ok(false);
        };
        let dependencies = self.dependencies()?;
        let asked = dependencies.of.keys().map(String::as_str);
        let asked = asked.filter(|name| !unasked.contains(*name));
        Ok(!dependencies.companions(asked).contains(package))
    }

    /// Keeps what the Dockerfile has asked for by the name of a package that has nothing but dependencies, if `package` came along
    /// with it: they are meant to be used together, as `psql` and the server's version of it (`postgresql-client`).
    pub(super) fn add_askers(&mut self, package: &str) -> Result<(), RootError> {
        let Some(unasked) = self.unasked()?.filter(|unasked| unasked.contains(package)) else {
            return Ok(());
        };
        let dependencies = self.dependencies()?;
        let askers = dependencies.of.keys().filter(|name| {
            !unasked.contains(*name) && !is_for_building(name) && name.as_str() != package
        });
        let askers = askers.filter(|name| dependencies.closure(name).contains(package));
        for asker in askers.cloned().collect::<Vec<_>>() {
            if self.has_nothing(&asker) && self.is_installed_here(&asker) {
                let reason = format!("{package} was installed with it");
                self.add_unseen_package(&asker, &reason)?;
            }
        }
        Ok(())
    }

    /// Keeps `package` with what it depends on: no run has shown what it uses.
    pub(super) fn add_unseen_package(
        &mut self,
        package: &str,
        reason: &str,
    ) -> Result<(), RootError> {
        if self.kept.packages.contains_key(package) && self.complete.contains(package) {
            return Ok(());
        }
        let closure = self.dependencies()?.closure(package);
        for name in closure {
            let is_itself = name == package;
            let why = if is_itself {
                reason.to_owned()
            } else {
                format!("{package} depends on it")
            };
            self.add_package(&name, &why);
            if self.complete.insert(name.clone()) && self.is_installed_here(&name) {
                self.add_made_by_installation(&name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
