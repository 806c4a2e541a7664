//! Settings that an instruction wrote and that a program reads only on some ways: `git config --global`, `COPY msmtprc /etc/`.
//!
//! No run need come to them, but the program that reads them holds their names. In a home, where only settings are hidden, it may
//! be a text as well, whose language is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{Keeper, UseKind, is_supplied};
use crate::rootfs::{RootDir, RootError};

/// The largest program that is searched for names, in bytes.
const PROGRAM_LIMIT: u64 = 64 << 20;
/// The largest file of settings in a home, in bytes.
const FILE_LIMIT: u64 = 1 << 20;
/// The most files of one program's settings in a home.
const MOST_FILES: usize = 200;
/// The largest settings of one program in a home, in bytes.
const TOTAL_LIMIT: u64 = 4 << 20;

/// What in a home is no setting, or one of a tool that builds and installs: caches, histories, toolchains, a project's own.
const NO_SETTINGS: [&str; 95] = [
    ".ansible",
    ".asdf",
    ".bash_history",
    ".bazel",
    ".bun",
    ".bundle",
    ".cabal",
    ".cache",
    ".cargo",
    ".ccache",
    ".clojure",
    ".composer",
    ".conan",
    ".conan2",
    ".conda",
    ".condarc",
    ".coursier",
    ".cpan",
    ".cpanm",
    ".cpanplus",
    ".dart",
    ".dart-tool",
    ".dartServer",
    ".dbus",
    ".debug",
    ".deno",
    ".dockerignore",
    ".dotnet",
    ".editorconfig",
    ".eggs",
    ".electron",
    ".electron-gyp",
    ".flutter",
    ".gem",
    ".gemrc",
    ".ghcup",
    ".git",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".gitmodules",
    ".gradle",
    ".hex",
    ".idea",
    ".ivy2",
    ".java",
    ".julia",
    ".konan",
    ".kotlin",
    ".lein",
    ".lesshst",
    ".luarocks",
    ".m2",
    ".mix",
    ".mysql_history",
    ".nimble",
    ".node-gyp",
    ".node_repl_history",
    ".npm",
    ".npmrc",
    ".nuget",
    ".nv",
    ".nvm",
    ".opam",
    ".pip",
    ".pki",
    ".pnpm-state",
    ".pnpm-store",
    ".psql_history",
    ".pub-cache",
    ".pydistutils.cfg",
    ".pyenv",
    ".pypirc",
    ".python_history",
    ".rbenv",
    ".rnd",
    ".rustup",
    ".rvm",
    ".sbt",
    ".sdkman",
    ".sqlite_history",
    ".stack",
    ".sudo_as_admin_successful",
    ".swiftpm",
    ".templateengine",
    ".v8flags",
    ".venv",
    ".viminfo",
    ".virtualenvs",
    ".volta",
    ".vscode",
    ".wget-hsts",
    ".yarn",
    ".yarnrc",
    ".yarnrc.yml",
];
/// The same in `~/.config` and `~/.local/share`, where each program has a directory of its own.
const NO_SETTINGS_OF_PROGRAMS: [&str; 25] = [
    "NuGet",
    "applications",
    "composer",
    "configstore",
    "containers",
    "fish",
    "gem",
    "go",
    "jupyter",
    "man",
    "mise",
    "npm",
    "pip",
    "pipx",
    "pnpm",
    "pypoetry",
    "recently-used.xbel",
    "rstudio",
    "Trash",
    "update-notifier",
    "uv",
    "virtualenv",
    "virtualenvs",
    "yarn",
    "zed",
];
/// Settings of one program, which texts in other languages do not read.
const OF_ONE_PROGRAM: [&str; 4] = [".git-credentials", ".gitconfig", ".gnupg", ".hgrc"];
/// What shells read when they begin, and nobody else.
const OF_SHELLS: [&str; 12] = [
    ".bash_aliases",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".cshrc",
    ".kshrc",
    ".profile",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];
/// What runs programs that are texts in many files, without its version; scripts of shells are searched themselves.
const INTERPRETERS: [&str; 15] = [
    "Rscript", "bun", "deno", "erl", "guile", "java", "julia", "lua", "node", "nodejs", "perl",
    "php", "python", "ruby", "tclsh",
];
/// What installations write below `/etc`, or what is kept with those who change users: by its beginning.
const OF_INSTALLATIONS: [&str; 32] = [
    ".pwd.lock",
    "X11/",
    "alternatives/",
    "apt/",
    "ca-certificates",
    "cron",
    "debconf",
    "default/",
    "dpkg/",
    "group",
    "gshadow",
    "init.d/",
    "kernel/",
    "ld.so.cache",
    "ld.so.conf",
    "locale.gen",
    "machine-id",
    "mailcap",
    "mtab",
    "passwd",
    "rc",
    "sgml/",
    "shadow",
    "shells",
    "skel/",
    "ssl/certs/",
    "subgid",
    "subuid",
    "systemd/",
    "texmf/",
    "udev/",
    "xml/",
];

/// Settings that instructions wrote, and who was asked for them.
#[derive(Debug, Default)]
pub(super) struct WrittenSettings {
    /// The homes of those who may run the program.
    homes: BTreeSet<PathBuf>,
    /// Those that nobody who is kept is known to read, if they are known already.
    unread: Option<Vec<Setting>>,
    /// Programs that were searched for their names.
    searched: BTreeSet<PathBuf>,
}

/// Something that an instruction wrote and that may be a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    /// A file, or a directory with all that is in it.
    path: PathBuf,
    /// What of its path a program that reads it holds.
    name: String,
    place: Place,
    /// Where it leads to, if it is a link to a file.
    target: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In somebody's home.
    Home,
    /// In `/etc`.
    System,
}

impl Keeper<'_> {
    /// Looks for settings in `home`, too.
    pub(super) fn note_home(&mut self, home: &Path) {
        self.written.homes.insert(home.to_path_buf());
    }

    /// Keeps the settings that instructions wrote and of which something that is kept holds the name.
    pub(super) fn add_written_settings(&mut self) -> Result<(), RootError> {
        let mut unread = match self.written.unread.take() {
            Some(unread) => unread,
            None => self.written_settings()?,
        };
        if self.runs_texts() {
            let is_any = |setting: &Setting| {
                let name = &&*setting.name;
                setting.place == Place::Home
                    && !OF_ONE_PROGRAM.contains(name)
                    && !OF_SHELLS.contains(name)
            };
            let (read, others) = unread.into_iter().partition(is_any);
            unread = others;
            self.keep_settings(read, "a program may read it, in its user's home")?;
        }
        let mut unread = self.keep_settings_of_packages(unread)?;
        let programs: Vec<PathBuf> = self
            .followed
            .difference(&self.written.searched)
            .cloned()
            .collect();
        for program in programs {
            if unread.is_empty() {
                break;
            }
            self.written.searched.insert(program.clone());
            let is_short = |size| size <= PROGRAM_LIMIT;
            let found = self.root.entry(&program);
            if !found.is_some_and(|found| found.is_file() && is_short(found.len())) {
                continue;
            }
            let Some(bytes) = self.root.content(&program, PROGRAM_LIMIT) else {
                continue;
            };
            let (read, others) = unread
                .into_iter()
                .partition(|setting| setting.is_named_in(&bytes));
            unread = others;
            self.keep_settings(read, &format!("{} names it", program.display()))?;
        }
        self.written.unread = Some(unread);
        Ok(())
    }

    /// Keeps those of `settings` that lie in a directory below `/etc` which a package that is kept has listed: what is put there,
    /// its programs read. The others are given back.
    fn keep_settings_of_packages(
        &mut self,
        settings: Vec<Setting>,
    ) -> Result<Vec<Setting>, RootError> {
        let is_deep =
            |setting: &Setting| setting.place == Place::System && setting.name.contains('/');
        if !settings.iter().any(is_deep) {
            return Ok(settings);
        }
        let mut places: BTreeMap<PathBuf, String> = BTreeMap::new();
        for (package, path) in self.owners.all_files() {
            if path.starts_with("/etc") && self.kept.packages.contains_key(package) {
                places.insert(path.to_path_buf(), package.to_owned());
            }
        }
        let mut others = Vec::new();
        for setting in settings {
            let above = setting.path.ancestors().skip(1);
            let mut above = above.take_while(|place| *place != Path::new("/etc"));
            // A link turns something on, which has to be there: a module of the server's, a rule of fontconfig's.
            let is_there = setting.target.as_ref().is_none_or(|target| {
                let owner = self.owners.packages().owner(target);
                owner.is_none_or(|package| self.kept.packages.contains_key(package))
            });
            match above.find_map(|place| Some((place, places.get(place)?))) {
                Some((place, package)) if is_deep(&setting) && is_there => {
                    let reason = format!("{package} has its settings in {}", place.display());
                    self.keep_settings(vec![setting], &reason)?;
                }
                Some(_) | None => others.push(setting),
            }
        }
        Ok(others)
    }

    fn keep_settings(&mut self, settings: Vec<Setting>, reason: &str) -> Result<(), RootError> {
        for Setting {
            path, name, place, ..
        } in settings
        {
            if place == Place::System {
                self.add(&path, UseKind::Looked, reason)?;
                continue;
            }
            // What they name is looked for as in what a run has read. Those of shells name what people do at a terminal.
            if !OF_SHELLS.contains(&&*name) {
                self.kept.used.extend(self.settings_below(&path)?);
            }
            self.keep_path(path, reason);
        }
        Ok(())
    }

    /// Whether something that runs programs which are texts is used.
    pub(super) fn runs_texts(&self) -> bool {
        let is_interpreter = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            let is_program = path.parent().is_some_and(|place| place.ends_with("bin"));
            is_program && INTERPRETERS.contains(&name)
        };
        self.kept.used.iter().any(is_interpreter)
    }

    fn written_settings(&self) -> Result<Vec<Setting>, RootError> {
        let mut found = Vec::new();
        for home in &self.written.homes {
            self.list_home(home, &mut found)?;
        }
        let mut paths = BTreeSet::new();
        for files in self.owners.written() {
            match RootDir::open(files) {
                Ok(root) => list_files(&root, Path::new("/etc"), &mut paths)?,
                Err(error) if error.is_absent() => {}
                Err(error) => return Err(error),
            }
        }
        for path in paths {
            let Some(name) = path.strip_prefix("/etc").ok().and_then(Path::to_str) else {
                continue;
            };
            let is_listed = || self.owners.packages().owner_either_side(&path).is_some();
            let is_setting = !OF_INSTALLATIONS.iter().any(|start| name.starts_with(start))
                && !is_supplied(&path)
                && !is_listed();
            let resolved = self.root.resolve(&path).ok().filter(|_| is_setting);
            let Some(real) = resolved.map(|resolved| resolved.real_path) else {
                continue;
            };
            if self.root.entry(&real).is_some_and(|found| found.is_file()) {
                found.push(Setting {
                    name: name.to_owned(),
                    place: Place::System,
                    target: (real != path).then_some(real),
                    path,
                });
            }
        }
        Ok(found)
    }

    /// Adds what in `home` an instruction made and is a setting by its name.
    fn list_home(&self, home: &Path, found: &mut Vec<Setting>) -> Result<(), RootError> {
        let home = match self.root.resolve(home) {
            Ok(resolved) => resolved.real_path,
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error),
        };
        // Where the program itself was copied to, its project has hidden files.
        let is_project = self.working_dir == home;
        let mut places = Vec::new();
        for name in self.root.names(&home) {
            let path = home.join(&name);
            if name == ".config" {
                places.push(path);
            } else if name == ".local" {
                places.push(path.join("share"));
            } else if name.as_encoded_bytes().starts_with(b".") && !is_one_of(&name, &NO_SETTINGS) {
                let is_copied = || self.owners.origin(&path).is_some_and(|step| step.copies);
                if !(is_project && is_copied()) {
                    self.list_setting(path, found)?;
                }
            }
        }
        for place in places {
            for name in self.root.names(&place) {
                if !is_one_of(&name, &NO_SETTINGS_OF_PROGRAMS) {
                    self.list_setting(place.join(name), found)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the settings at `path`, in a home: the directory, if it holds nothing else.
    fn list_setting(&self, path: PathBuf, found: &mut Vec<Setting>) -> Result<(), RootError> {
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let files = self.settings_below(&path)?;
        let is_whole = files.len() == self.n_files_below(&path);
        let paths = if is_whole && !files.is_empty() {
            vec![path]
        } else {
            files
        };
        let place = Place::Home;
        found.extend(paths.into_iter().map(|path| Setting {
            path,
            name: name.clone(),
            place,
            target: None,
        }));
        Ok(())
    }

    /// The files at and below `path` that may be settings; none if there are too many.
    fn settings_below(&self, path: &Path) -> Result<Vec<PathBuf>, RootError> {
        let mut files = Vec::new();
        let mut size = 0;
        let mut pending = vec![path.to_path_buf()];
        while let Some(path) = pending.pop() {
            let metadata = match self.root.symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_dir() {
                let names = self.root.list(&path)?;
                pending.extend(names.into_iter().map(|name| path.join(name)));
            } else if metadata.is_file()
                && metadata.len() <= FILE_LIMIT
                && self.owners.maker(&path).is_some()
                && !self.owners.is_packaged(&path)
                && !self.is_as_given(&path)
            {
                size += metadata.len();
                files.push(path);
            }
            if files.len() > MOST_FILES || size > TOTAL_LIMIT {
                return Ok(Vec::new());
            }
        }
        Ok(files)
    }

    fn n_files_below(&self, path: &Path) -> usize {
        if !self.root.entry(path).is_some_and(|found| found.is_dir()) {
            return 1;
        }
        let names = self.root.names(path).into_iter();
        names.map(|name| self.n_files_below(&path.join(name))).sum()
    }

    /// Whether the file at `path` is what every user is given, or leads to a toolchain, which it is for.
    fn is_as_given(&self, path: &Path) -> bool {
        let Some(bytes) = self.root.content(path, FILE_LIMIT) else {
            return false;
        };
        let name = path.file_name().unwrap_or_default();
        let given = self
            .root
            .content(&Path::new("/etc/skel").join(name), FILE_LIMIT);
        let leads_to = |tool: &&str| {
            let place = format!("/{tool}");
            let ends = |at: usize| {
                let next = bytes.get(at + place.len());
                !next.is_some_and(|next| next.is_ascii_alphanumeric() || b"._-".contains(next))
            };
            memchr::memmem::find_iter(&bytes, place.as_bytes()).any(ends)
        };
        let mut tools = NO_SETTINGS.iter().chain(&[".local/bin/env"]);
        given.is_some_and(|given| given == bytes)
            || is_one_of(name, &OF_SHELLS) && tools.any(leads_to)
    }
}

impl Setting {
    /// Whether the program or script with these bytes holds its name; that of one in `/etc` may be in two pieces (`SYSCONFDIR`).
    fn is_named_in(&self, bytes: &[u8]) -> bool {
        let is_program = bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!");
        if !is_program || self.target.is_some() {
            return false;
        }
        let holds = |text: &[u8]| memchr::memmem::find(bytes, text).is_some();
        match self.place {
            Place::Home if self.name.starts_with('.') => holds(self.name.as_bytes()),
            Place::Home => holds_word(bytes, &self.name),
            Place::System => {
                let is_joined = || {
                    (holds(b"\0/etc\0") || holds(b"\0/etc/\0"))
                        && holds(format!("{}\0", self.name).as_bytes())
                };
                holds_word(bytes, &format!("/etc/{}", self.name)) || is_joined()
            }
        }
    }
}

/// Whether `word` is in `bytes` and no part of a longer name.
fn holds_word(bytes: &[u8], word: &str) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    memchr::memmem::find_iter(bytes, word.as_bytes()).any(|at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + word.len());
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

fn is_one_of(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name == *known)
}

/// The files and links at and below `path` that a step wrote, whose files are in `root`.
fn list_files(root: &RootDir, path: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), RootError> {
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        match root.symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                let names = root.list(&path)?;
                pending.extend(names.into_iter().map(|name| path.join(name)));
            }
            Ok(metadata) if metadata.is_file() || metadata.is_symlink() => {
                found.insert(path);
            }
            Ok(_) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
