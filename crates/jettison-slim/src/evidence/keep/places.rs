//! Places that a program may write to or read from although no run has: directories that somebody has made for it, the ones
//! that every system has, and what the image's variables name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::commands::{Sureness, command_names};
use super::data::{Place, holds_data};
use super::python::describes_module;
use super::{Keeper, UseKind, is_supplied};
use crate::evidence::collect::{is_cache, is_system};
use crate::evidence::owner::Owner;
use crate::rootfs::RootError;

/// Directories that every system has: for logs, for state, for volumes.
const OF_EVERY_SYSTEM: [&str; 14] = [
    "/home",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/usr/share/locale",
    "/var/cache",
    "/var/lib",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];
/// Where, of the system's own directories, people make some for their programs.
const FOR_STATE: [&str; 8] = [
    "/etc",
    "/media",
    "/mnt",
    "/run",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
];
/// What the system's tools make for themselves there.
const OF_TOOLS: [&str; 17] = [
    "alternatives",
    "apt",
    "dbus",
    "debconf",
    "dpkg",
    "fontconfig",
    "ldconfig",
    "lock",
    "man",
    "misc",
    "pam",
    "private",
    "python",
    "shells.d",
    "systemd",
    "ucf",
    "update-rc.d",
];
/// Variables that say where tools are, not what a program reads.
const OF_BUILDS: [&str; 16] = [
    "CARGO_HOME",
    "GEM_HOME",
    "GOBIN",
    "GOCACHE",
    "GOMODCACHE",
    "GOPATH",
    "GOROOT",
    "GRADLE_HOME",
    "JAVA_HOME",
    "LD_LIBRARY_PATH",
    "MAVEN_HOME",
    "NODE_PATH",
    "PATH",
    "PWD",
    "PYTHONPATH",
    "RUSTUP_HOME",
];

impl Keeper<'_> {
    /// A directory whose names were read keeps those that no package lists: its own files are there because somebody put them
    /// there. Which packages have files there is the packages' business. What lies in it that is large and came with the base
    /// image is kept only if it is used.
    pub(super) fn add_names(&mut self, directory: &Path) -> Result<(), RootError> {
        const SMALL: u64 = 256 << 10;
        const FEW: usize = 200;
        let names = self.root.list(directory)?;
        let are_few = names.len() <= FEW;
        for name in names {
            let path = directory.join(name);
            if self.owners.is_packaged(&path) || is_supplied(&path) {
                continue;
            }
            let reason = format!("the names in {} are read", directory.display());
            let metadata = self.root.symlink_metadata(&path)?;
            let keeps = match self.owners.of(&path) {
                Owner::Instruction(_) => true,
                Owner::Base => are_few && metadata.len() <= SMALL,
                Owner::Package(_) | Owner::Module(_) => false,
            };
            if metadata.is_dir() && describes_module(&path) {
                // Who asks what is installed is told of it.
                self.keep_path(path, &reason);
            } else if metadata.is_dir() {
                self.kept.directories.entry(path).or_insert(reason);
            } else if keeps && is_certificate(&path) {
                // Whoever reads their names reads them all, and nobody wants to read a list of them.
                self.keep_path(directory.to_path_buf(), &reason);
            } else if keeps {
                self.keep_path(path, &reason);
            }
        }
        Ok(())
    }

    /// Keeps the directories that a program may be told to write to: those that every system has, and empty ones that
    /// instructions have made.
    pub(super) fn add_places(&mut self) -> Result<(), RootError> {
        for place in OF_EVERY_SYSTEM {
            self.add(Path::new(place), UseKind::Looked, "every system has it")?;
        }
        let mut made = BTreeSet::new();
        for files in self.owners.written() {
            add_directories(files, Path::new("/"), &mut made);
        }
        for directory in made {
            let is_empty = self
                .root
                .listing(&directory)
                .is_some_and(|names| names.is_empty());
            if is_empty && !self.owners.is_packaged(&directory) && !is_supplied(&directory) {
                let reason = "an instruction has made it, and it is empty";
                self.add(&directory, UseKind::Looked, reason)?;
            }
        }
        Ok(())
    }

    /// Keeps what the variables in `env` name: a file, or a directory with the data in it.
    pub(crate) fn add_named_by_variables(&mut self, env: &[String]) -> Result<(), RootError> {
        for (name, value) in env.iter().filter_map(|pair| pair.split_once('=')) {
            let path = Path::new(value);
            let reason = format!("the variable {name} names it");
            if !OF_BUILDS.contains(&name) {
                for program in command_names(value) {
                    self.add_program(program, Sureness::Somewhere, &reason)?;
                }
            }
            if OF_BUILDS.contains(&name)
                || !path.is_absolute()
                || path == Path::new("/")
                || is_cache(path)
            {
                continue;
            }
            self.add(path, UseKind::Looked, &reason)?;
            if name == "HOME" {
                self.note_home(path);
            }
            let Ok(resolved) = self.root.resolve(path) else {
                continue;
            };
            let real = resolved.real_path;
            let place = Place {
                root: self.root,
                is_listed: &|path| self.owners.is_packaged(path),
                is_own: &|path| self.owners.maker(path).is_some(),
            };
            let is_directory = self.root.target(&real).is_some_and(|found| found.is_dir());
            let is_data = || !is_system(&real) && holds_data(place, &real);
            if is_directory && (is_data() || self.holds_plugins(&real)?) {
                self.keep_path(real, &reason);
            }
        }
        Ok(())
    }

    /// Whether `directory` holds libraries and nothing else, all of which instructions have made: who is told of it loads one or
    /// another of them.
    fn holds_plugins(&self, directory: &Path) -> Result<bool, RootError> {
        let names = self.root.names(directory);
        let is_library = |name: &std::ffi::OsString| {
            Path::new(name).extension().is_some_and(|end| end == "so")
                && self
                    .root
                    .target(&directory.join(name))
                    .is_some_and(|found| found.is_file())
        };
        Ok(
            !names.is_empty()
                && names.iter().all(is_library)
                && self.is_worth_keeping(directory)?,
        )
    }

    /// Keeps the locales that instructions have made: whoever makes one means to choose it, be it by an argument.
    pub(super) fn add_made_locales(&mut self) {
        let place = Path::new("/usr/lib/locale");
        for name in self.root.names(place) {
            let path = place.join(name);
            if self.owners.maker(&path).is_some() && !self.owners.is_packaged(&path) {
                self.keep_path(path, "an instruction has made this locale");
            }
        }
    }

    /// Keeps the home of the user that the program runs as, and the tables that say who that is, if it is called by a name.
    pub(crate) fn add_home(&mut self, user: &str) -> Result<(), RootError> {
        const PASSWD_LIMIT: u64 = 10 << 20;
        let is_name = |word: &str| !word.is_empty() && word.parse::<u32>().is_err();
        if user.split(':').any(is_name) {
            for path in ["/etc/passwd", "/etc/group"] {
                let reason = "whoever starts the program looks its user up there";
                self.add(Path::new(path), UseKind::Looked, reason)?;
            }
        }
        let name = user.split(':').next().unwrap_or_default();
        let passwd = self
            .root
            .content(Path::new("/etc/passwd"), PASSWD_LIMIT)
            .unwrap_or_default();
        let passwd = String::from_utf8_lossy(&passwd);
        let home = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let is_user = fields.first() == Some(&name) || fields.get(2) == Some(&name);
            fields
                .get(5)
                .filter(|_| is_user && !name.is_empty())
                .copied()
        });
        self.note_home(Path::new("/root"));
        match home {
            Some(home) if home.starts_with('/') => {
                self.note_home(Path::new(home));
                self.add(Path::new(home), UseKind::Looked, "it is the user's home")
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The directories that a step wrote, where people make some for their programs.
fn add_directories(files: &Path, directory: &Path, made: &mut BTreeSet<PathBuf>) {
    let here = files.join(directory.strip_prefix("/").unwrap_or(directory));
    for entry in fs::read_dir(here).into_iter().flatten().flatten() {
        let path = directory.join(entry.file_name());
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || is_cache(&path) {
            continue;
        }
        let is_of_tools = || {
            path.iter()
                .any(|part| OF_TOOLS.iter().any(|tool| part == *tool))
        };
        let is_for_state = FOR_STATE
            .iter()
            .any(|place| path.starts_with(place) && path != Path::new(place));
        let leads_there = FOR_STATE
            .iter()
            .any(|place| Path::new(place).starts_with(&path));
        let leads_to_own = ["/usr/local", "/usr/src", "/var/www"]
            .iter()
            .any(|own| Path::new(own).starts_with(&path));
        if is_system(&path) && !leads_there && !leads_to_own && (!is_for_state || is_of_tools()) {
            continue;
        }
        if !is_system(&path) && is_of_installed_modules(&path) {
            continue;
        }
        if !leads_there && !leads_to_own {
            made.insert(path.clone());
        }
        add_directories(files, &path, made);
    }
}

/// Whether `path` is where tools keep what they have installed or built.
fn is_of_installed_modules(path: &Path) -> bool {
    const NAMES: [&str; 8] = [
        ".git",
        "__pycache__",
        "dist-packages",
        "gems",
        "node_modules",
        "site-packages",
        "target",
        "vendor",
    ];
    path.file_name().is_some_and(|name| {
        NAMES.iter().any(|known| name == *known) || name.to_string_lossy().starts_with("python")
    })
}

/// Whether `path` is a certificate of the system's, or a link to one.
fn is_certificate(path: &Path) -> bool {
    path.parent() == Some(Path::new("/etc/ssl/certs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[test]
    fn plugins_in_a_directory_that_a_variable_names_stay_together() {
        let [dir, made] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for path in ["plugins/a.so", "plugins/b.so", "mixed/a.so", "mixed/a.o"] {
            for root in [dir.path(), made.path()] {
                let path = root.join("usr/local/lib/app").join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
        let root = RootDir::open(dir.path()).unwrap();
        let steps = [Step {
            files: made.path().to_path_buf(),
            line: 1,
            copies: false,
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        let places = ["plugins", "mixed", "none"].map(|name| format!("/usr/local/lib/app/{name}"));
        let env: Vec<String> = places
            .iter()
            .map(|place| format!("PLUGINS={place}"))
            .collect();
        keeper.add_named_by_variables(&env).unwrap();
        let kept = places.map(|place| keeper.kept.paths.contains_key(Path::new(&place)));
        assert_eq!(kept, [true, false, false]);
    }

    #[test]
    fn directories_that_people_make_are_told_from_those_of_tools() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "data/uploads",
            "var/lib/shop",
            "var/lib/dpkg/x",
            "usr/lib/x",
            "usr/local/share/y",
            "root/.cache/z",
            "root/.npm/_cacache/tmp",
            "app/node_modules/a",
            "etc/shop/conf.d",
        ] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let mut made = BTreeSet::new();
        add_directories(dir.path(), Path::new("/"), &mut made);
        for (path, expected) in [
            ("/data/uploads", true),
            ("/var/lib/shop", true),
            ("/etc/shop/conf.d", true),
            ("/usr/local/share/y", true),
            ("/var/lib/dpkg/x", false),
            ("/usr/lib/x", false),
            ("/root/.cache/z", false),
            ("/root/.npm/_cacache/tmp", false),
            ("/app/node_modules/a", false),
        ] {
            assert_eq!(made.contains(Path::new(path)), expected, "{path}: {made:?}");
        }
    }
}
