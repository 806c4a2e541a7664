//! Programs that a program starts only when it is told to: `gzip` for a file that ends in `.gz`, `git` for a URL.
//!
//! No run has started them, but sources and scripts name them. What names them has to be the program's own: what packages
//! start, they depend on; a module that somebody installed names programs that it can do without, unless the Dockerfile has
//! installed them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::beside::is_for_building;
use super::commanded::starts_what_users_say;
use super::commands::{Sureness, quoted_commands, script_commands, starts_what_it_is_given};
use super::data::is_of_a_project;
use super::mail::{SENDMAIL, sends_mail};
use super::python::{holds_modules, makes_environments};
use super::recipes::{is_makefile, recipes};
use super::seen::Look;
use super::starters::starts_shell;
use super::unit::{is_shared, may_be_compiled};
use super::wrappers::wrappers;
use super::{Keeper, UseKind};
use crate::evidence::owner::Owner;
use crate::evidence::program::find_program;
use crate::evidence::script::script_interpreter;
use crate::rootfs::{RootDir, RootError};

/// The largest source that is read, in bytes.
const SOURCE_LIMIT: u64 = 4 << 20;
/// The most words that a source which starts programs has in quotes and that could be names of programs: more are a table of words.
const MOST_NAMES: usize = 500;
/// The most sources that are read.
const MOST_SOURCES: usize = 20_000;

/// How sources end that are run as they are.
const SOURCES: [&str; 13] = [
    "awk", "cjs", "js", "lua", "mjs", "php", "pl", "pm", "py", "rb", "tcl", "ts", "jsx",
];
/// Directories of modules that somebody has installed.
const MODULES: [&str; 5] = [
    "dist-packages",
    "gems",
    "node_modules",
    "site-packages",
    "vendor",
];

/// A text that may name programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// A file that has `make` start the commands of its recipes.
    Recipes,
    /// A shell's script.
    Script,
    /// A source of the program's own.
    Source,
    /// A source of a module that somebody has installed.
    Module,
}

impl Keeper<'_> {
    /// Looks for programs that are started by name in the directories of `path_env`, or below `working_dir`.
    pub(crate) fn start_programs_from(&mut self, path_env: &str, working_dir: &Path) {
        path_env.clone_into(&mut self.path_env);
        working_dir.clone_into(&mut self.working_dir);
    }

    /// Keeps the programs that texts which are kept, and what the program was compiled from, say they start.
    pub(super) fn add_helpers(&mut self) -> Result<(), RootError> {
        loop {
            let kept = self.kept.paths.keys().chain(&self.kept.used);
            let unread = self.seen.new_ones(Look::Texts, kept);
            let is_first = self.seen.is_none(Look::Texts);
            if unread.is_empty() {
                return Ok(());
            }
            let mut texts = Vec::new();
            for path in &unread {
                let is_whole = self.kept.paths.contains_key(path);
                self.list_texts(path, is_whole, &mut texts);
                self.seen.note(Look::Texts, path);
            }
            if is_first {
                texts.extend(self.compiled_texts()?);
                self.copied_sources = self.copied_sources()?;
            }
            for (path, text) in &texts {
                self.add_wrappers(path, *text)?;
            }
            for (path, text) in texts {
                self.add_named_programs(&path, text)?;
            }
            self.add_editors()?;
            self.add_jobs_of_cron()?;
            self.add_told()?;
        }
    }

    /// The texts at and below `path` that may name programs.
    fn list_texts(&self, path: &Path, is_whole: bool, texts: &mut Vec<(PathBuf, Text)>) {
        let mut pending = vec![path.to_path_buf()];
        while let Some(path) = pending.pop() {
            let Some(metadata) = self.root.entry(&path) else {
                continue;
            };
            if metadata.is_dir() {
                let is_of_developers = is_for_developers(&path);
                if is_whole && !is_of_developers && texts.len() < MOST_SOURCES {
                    let names = self.root.names(&path);
                    let inside = names.into_iter().map(|name| path.join(name));
                    // What somebody installed in a library of Python is kept by itself, if it is.
                    let is_library = super::is_python_library(&path);
                    pending.extend(inside.filter(|path| !(is_library && holds_modules(path))));
                }
            } else if metadata.is_file() && !self.owners.is_packaged(&path) {
                texts.extend(self.kind(&path).map(|kind| (path, kind)));
            }
        }
    }

    /// What the file at `path` is, if it may name programs. A script counts only if a run has used it, or one of its like beside
    /// it, as where each command of a tool is a script: others lie about.
    fn kind(&self, path: &Path) -> Option<Text> {
        // What tools keep for the next time is of modules, and no run comes to it.
        if path.iter().any(|part| part == ".cache") {
            return None;
        }
        let is_used = self.kept.used.contains(path);
        let end = path.extension().unwrap_or_default().to_string_lossy();
        let is_source = SOURCES.contains(&&*end);
        if !is_source && !is_used && !self.is_beside_a_used_script(path) && !self.is_command(path) {
            return None;
        }
        if is_source {
            let is_module = is_of_modules(path);
            let is_library = path.ancestors().any(super::is_python_library);
            return match (is_module, is_library) {
                (true, _) => Some(Text::Module),
                (false, true) => None,
                (false, false) => (!is_for_developers(path)).then_some(Text::Source),
            };
        }
        if is_makefile(path) {
            return is_used.then_some(Text::Recipes);
        }
        let bytes = self.root.content(path, SOURCE_LIMIT)?;
        let Some(interpreter) = script_interpreter(&bytes) else {
            return (end == "sh" || end == "bash").then_some(Text::Script);
        };
        let words = format!(
            "{} {}",
            interpreter.path.display(),
            interpreter.argument.unwrap_or_default()
        );
        let is_shell = words
            .split([' ', '/'])
            .any(|word| ["ash", "bash", "dash", "ksh", "sh", "zsh"].contains(&word));
        Some(if is_shell { Text::Script } else { Text::Source })
    }

    /// Whether the file at `path` is of the kind of a script beside it that a run has used, a shell's or one that is started
    /// itself, and nobody builds or tests a program there.
    fn is_beside_a_used_script(&self, path: &Path) -> bool {
        let end = path.extension().unwrap_or_default();
        let is_of_shell = ["bash", "ksh", "sh", "zsh"]
            .iter()
            .any(|known| end == *known);
        let Some(directory) = path.parent().filter(|directory| {
            let is_everybodys = is_shared(directory) && !directory.ends_with("cgi-bin");
            !is_everybodys && !path.ancestors().any(is_for_developers)
        }) else {
            return false;
        };
        let is_started = self.is_started_script(path);
        if !is_of_shell && !is_started {
            return false;
        }
        let names = self.root.names(directory);
        let is_used = |other: &Path| {
            let is_like = || is_of_shell && other.extension() == Some(end);
            other != path
                && self.kept.used.contains(other)
                && (is_like() || is_started && self.is_started_script(other))
        };
        names.iter().any(|name| is_used(&directory.join(name)))
            && !names.iter().any(|name| is_of_a_project(Path::new(name)))
    }

    /// Whether the file at `path` is a script that a program starts by its name, as each command of it is one (`libexec`).
    fn is_command(&self, path: &Path) -> bool {
        path.iter().any(|part| part == "libexec") && self.is_started_script(path)
    }

    /// Whether the file at `path` is a script that is started as a program.
    fn is_started_script(&self, path: &Path) -> bool {
        let found = self.root.entry(path);
        let is_program = found.is_some_and(|found| found.is_file() && found.mode() & 0o111 != 0);
        is_program && self.root.start(path, 2).is_some_and(|head| head == b"#!")
    }

    /// Shows `see` every file that a `COPY` brought, where nobody builds or tests a program.
    pub(super) fn see_copied(&self, see: &mut dyn FnMut(&RootDir, &Path)) -> Result<(), RootError> {
        for files in self.owners.copied() {
            let root = match RootDir::open(files) {
                Ok(root) => root,
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error),
            };
            root.walk(&mut |path, metadata| {
                if metadata.is_file() && !path.ancestors().any(is_for_developers) {
                    see(&root, path);
                }
            })?;
        }
        Ok(())
    }

    /// The sources that a `COPY` brought and that are compiled.
    pub(super) fn compiled_texts(&self) -> Result<Vec<(PathBuf, Text)>, RootError> {
        let mut texts = Vec::new();
        self.see_copied(&mut |_, path| {
            if may_be_compiled(path) && texts.len() < MOST_SOURCES {
                texts.push((path.to_path_buf(), Text::Source));
            }
        })?;
        Ok(texts)
    }

    /// The content of the source at `path`, also of one that an instruction took away once the program was built.
    pub(super) fn source(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, RootError> {
        let mut found = self.root.content(path, limit);
        if found.is_none() {
            // What was copied last counts.
            for files in self.owners.copied() {
                match RootDir::open(files) {
                    Ok(root) => found = root.content(path, limit).or(found),
                    Err(error) if error.is_absent() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    /// The sources that a `COPY` brought and that are run as they are, as hashes: a module that was made of one is the program's own.
    fn copied_sources(&self) -> Result<BTreeSet<u64>, RootError> {
        let mut found = BTreeSet::new();
        self.see_copied(&mut |root, path| {
            let end = path.extension().unwrap_or_default().to_string_lossy();
            let is_ours = SOURCES.contains(&&*end) && !is_of_modules(path);
            if is_ours && found.len() < MOST_SOURCES {
                let bytes = root.content(path, SOURCE_LIMIT);
                found.extend(bytes.map(|bytes| hash(&bytes)));
            }
        })?;
        Ok(found)
    }

    /// Notes the functions in the source at `path` that start what they are given, and the modules that it asks for.
    fn add_wrappers(&mut self, path: &Path, kind: Text) -> Result<(), RootError> {
        let bytes = match kind {
            Text::Module if self.copied_sources.is_empty() => None,
            Text::Source | Text::Module => self.source(path, SOURCE_LIMIT)?,
            Text::Recipes | Text::Script => None,
        };
        let is_ours =
            |bytes: &Vec<u8>| kind == Text::Source || self.copied_sources.contains(&hash(bytes));
        if let Some(bytes) = bytes.filter(is_ours) {
            let text = String::from_utf8_lossy(&bytes);
            let end = language(path, &bytes);
            self.requests.note(&text, &end);
            let found = wrappers(&text, &end, &self.wrappers);
            self.wrappers.extend(found);
        }
        Ok(())
    }

    pub(super) fn add_named_programs(&mut self, path: &Path, kind: Text) -> Result<(), RootError> {
        // What is too large to be a source says nothing.
        let Some(mut bytes) = self.source(path, SOURCE_LIMIT)? else {
            return Ok(());
        };
        // An archive that unpacks itself is a script with other things behind it.
        if kind == Text::Script
            && let Some(end) = memchr::memchr(0, &bytes)
        {
            bytes.truncate(end);
        }
        let is_ours = kind == Text::Module && self.copied_sources.contains(&hash(&bytes));
        let kind = if is_ours { Text::Source } else { kind };
        // What tells a module's version asks git for it in a checkout of the module alone.
        if kind == Text::Module && tells_version(path) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&bytes);
        if kind != Text::Module && makes_environments(&text) {
            self.habits.makes_environments = Some(path.to_path_buf());
        }
        let reason = format!("{} may start it", path.display());
        if kind != Text::Module && (self.is_beside_a_used_script(path) || self.is_command(path)) {
            self.add_interpreter(&bytes, &format!("{} is started by it", path.display()))?;
        }
        match kind {
            Text::Recipes => return self.add_commands(path, &recipes(&text), false),
            Text::Script => return self.add_commands(path, &text, self.kept.used.contains(path)),
            Text::Module | Text::Source => {}
        }
        let end = language(path, &bytes);
        // Without `ldconfig` it finds nothing (`ctypes.util`).
        if end == "py" && text.contains("ctypes") && text.contains("find_library(") {
            self.add_program("/sbin/ldconfig", Sureness::There, &reason)?;
        }
        if sends_mail(&text, &end) {
            self.add_program(SENDMAIL, sureness_in(kind, Sureness::There), &reason)?;
        }
        let none = BTreeSet::new();
        let functions = match kind {
            Text::Source => &self.wrappers,
            Text::Recipes | Text::Script | Text::Module => &none,
        };
        let named = quoted_commands(&text, &end, functions);
        let is_table = kind == Text::Module && named.len() > MOST_NAMES;
        for (name, sureness) in named {
            // `curl` is a function of Matlab's, for whoever gives its words colours.
            if is_table && sureness == Sureness::Somewhere {
                continue;
            }
            let is_ours = kind == Text::Module && self.starts_for_own(path, &name)?;
            let sureness = if is_ours {
                Sureness::There
            } else {
                sureness_in(kind, sureness)
            };
            if kind != Text::Module || !self.editors.put_by(&name, &reason) {
                self.add_program(&name, sureness, &reason)?;
            }
        }
        if kind == Text::Source {
            self.editors.note(path, &text);
            self.add_named_anywhere(path, &text)?;
            self.add_started_builders(path, &text, &end)?;
            if starts_shell(&text, &end) {
                self.habits.starts_shell = Some(path.to_path_buf());
                self.add(Path::new("/bin/sh"), UseKind::Looked, &reason)?;
                if starts_what_users_say(&text, &end) {
                    self.add_expected_tools(path)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps what the commands of a shell in `text` start, which are those of the file at `path`; what builds programs only if a
    /// run has used that (`is_used`).
    pub(super) fn add_commands(
        &mut self,
        path: &Path,
        text: &str,
        is_used: bool,
    ) -> Result<(), RootError> {
        let reason = format!("{} may start it", path.display());
        let names: BTreeSet<&str> = script_commands(text).into_iter().collect();
        for name in names {
            if is_used || !self.is_builder(name)? {
                self.add_program(name, Sureness::There, &reason)?;
            }
        }
        if starts_what_it_is_given(text) {
            let reason = format!("{} starts what it is given", path.display());
            self.add(Path::new("/bin/sh"), UseKind::Looked, &reason)?;
        }
        self.add_services(text)?;
        self.add_named_scripts(path, text)
    }

    /// Keeps the program that the first line of a script names, which the kernel starts for it.
    pub(super) fn add_interpreter(&mut self, script: &[u8], reason: &str) -> Result<(), RootError> {
        let Some((interpreter, program)) = interpreters(script) else {
            return Ok(());
        };
        self.add_program(&interpreter.to_string_lossy(), Sureness::There, reason)?;
        match program {
            Some(program) => self.add_program(&program, Sureness::There, reason),
            None => Ok(()),
        }
    }

    /// Whether the program that is started by `name` comes with a package for those who build programs.
    fn is_builder(&mut self, name: &str) -> Result<bool, RootError> {
        let Ok(path) = find_program(self.root, name, &self.working_dir, &self.path_env) else {
            return Ok(false);
        };
        let real = self.root.resolve(&path)?.real_path;
        Ok(matches!(self.owners.of(&real), Owner::Package(package) if is_for_building(&package)))
    }

    /// Keeps the program that is started by `name`, with all of its package and what that depends on.
    pub(super) fn add_program(
        &mut self,
        name: &str,
        sureness: Sureness,
        reason: &str,
    ) -> Result<(), RootError> {
        let Ok(path) = find_program(self.root, name, &self.working_dir, &self.path_env) else {
            return Ok(());
        };
        let real = self.root.resolve(&path)?.real_path;
        // What the base image has is often named by chance.
        let owner = self.owners.of(&real);
        let is_asked_for = matches!(&owner, Owner::Package(package) if self.is_asked_for(package));
        let is_installed = is_asked_for || self.owners.maker(&real).is_some();
        if sureness == Sureness::Somewhere && !is_installed {
            return Ok(());
        }
        // `as` and `ld` are words before they are programs.
        let is_builder = matches!(&owner, Owner::Package(package) if is_for_building(package));
        if sureness == Sureness::Somewhere && is_builder {
            return Ok(());
        }
        // So are `open` and `handlebars`, which npm of Debian brings along.
        if sureness == Sureness::Somewhere
            && let Owner::Package(package) = &owner
            && self.came_with_tools(package)?
        {
            return Ok(());
        }
        if sureness == Sureness::There {
            let name = name.rsplit('/').next().unwrap_or(name);
            self.kept.started.insert(name.to_owned());
        }
        let is_used = self.kept.used.contains(&real);
        // It may be known by another name.
        self.add(&path, UseKind::Looked, reason)?;
        if is_used {
            return Ok(());
        }
        if let Owner::Package(package) = owner {
            self.add_unseen_package(&package, reason)?;
            self.add_askers(&package)?;
        }
        let bytes = self.root.read(&real, super::LIBRARY_LIMIT)?;
        if let Some((interpreter, program)) = interpreters(&bytes) {
            self.add_sourced(&path, &String::from_utf8_lossy(&bytes))?;
            self.add(&interpreter, UseKind::Looked, reason)?;
            self.add_whole_python(&interpreter)?;
            if let Some(program) = program {
                self.add_program(&program, Sureness::There, reason)?;
            }
            self.add_module_of_script(&real)?;
        }
        Ok(())
    }
}

/// How sure it is that a text of this kind starts what it names: a module can do without.
fn sureness_in(kind: Text, sureness: Sureness) -> Sureness {
    match kind {
        Text::Module => Sureness::Somewhere,
        Text::Recipes | Text::Script | Text::Source => sureness,
    }
}

/// The program that the first line of a script names, and the one that `env` starts then.
fn interpreters(script: &[u8]) -> Option<(PathBuf, Option<String>)> {
    let interpreter = script_interpreter(script)?;
    let argument = interpreter.argument.unwrap_or_default();
    let mut words = argument.split_whitespace();
    let program = words.find(|word| !word.starts_with('-'));
    let program = program.filter(|_| interpreter.path.ends_with("env"));
    Some((interpreter.path, program.map(str::to_owned)))
}

/// The extension of the name of the source at `path`; where it says nothing, that of the language of its interpreter.
fn language<'p>(path: &'p Path, bytes: &[u8]) -> Cow<'p, str> {
    const INTERPRETERS: [(&str, &str); 15] = [
        ("awk", "awk"),
        ("escript", "erl"),
        ("expect", "exp"),
        ("gawk", "awk"),
        ("guile", "scm"),
        ("mawk", "awk"),
        ("node", "js"),
        ("nodejs", "js"),
        ("perl", "pl"),
        ("php", "php"),
        ("python", "py"),
        ("ruby", "rb"),
        ("sbcl", "lisp"),
        ("tclsh", "tcl"),
        ("wish", "tcl"),
    ];
    let end = path.extension().unwrap_or_default().to_string_lossy();
    let is_known = SOURCES.contains(&&*end) || may_be_compiled(path);
    let Some((interpreter, program)) = interpreters(bytes).filter(|_| !is_known) else {
        return end;
    };
    let program = program.map_or(interpreter, PathBuf::from);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let known = INTERPRETERS.iter().find(|(program, _)| *program == name);
    known.map_or(end, |(_, end)| Cow::Borrowed(*end))
}

/// Whether the file at `path` is of a module that somebody has installed.
pub(super) fn is_of_modules(path: &Path) -> bool {
    path.iter()
        .any(|part| MODULES.iter().any(|name| part == *name))
}

/// Whether the source at `path` tells the version of what it belongs to.
fn tells_version(path: &Path) -> bool {
    const NAMES: [&str; 3] = ["_version.py", "version.py", "versioneer.py"];
    NAMES.iter().any(|name| path.ends_with(name))
}

/// A number that stands for `bytes`.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Whether a file or directory with this name is for those who write, build and test a program.
pub(super) fn is_for_developers(path: &Path) -> bool {
    const NAMES: [&str; 27] = [
        ".git",
        "__tests__",
        "_version.py",
        "bench",
        "benches",
        "build.rs",
        "ci",
        "conftest.py",
        "docs",
        "example",
        "examples",
        "fabfile.py",
        "gulpfile.js",
        "Gruntfile.js",
        "hack",
        "noxfile.py",
        "script",
        "scripts",
        "setup.py",
        "spec",
        "tasks.py",
        "test",
        "testdata",
        "tests",
        "third_party",
        "tools",
        "versioneer.py",
    ];
    const ENDS: [&str; 9] = [
        "_test.go",
        "_test.py",
        ".config.js",
        ".config.cjs",
        ".config.mjs",
        ".config.ts",
        ".spec.js",
        ".test.js",
        ".test.ts",
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    NAMES.contains(&&*name) && !is_part_of_program(path, &name)
        || ENDS.iter().any(|end| name.ends_with(end))
        || name.starts_with("test_")
}

/// Whether the directory at `path` is a part of a program in spite of its name: a package of Java (`org.example`), or one among
/// a program's own.
fn is_part_of_program(path: &Path, name: &str) -> bool {
    const PARTS: [&str; 9] = [
        "ci", "docs", "example", "examples", "hack", "script", "scripts", "spec", "tools",
    ];
    const OWN: [&str; 5] = ["cmd", "internal", "lib", "pkg", "src"];
    let above = path.parent().unwrap_or(path);
    if above.ancestors().any(|above| above.ends_with("src/main")) {
        return true;
    }
    // Where sources of all kinds are kept.
    let everybodys = ["/usr/local/src", "/usr/src", "/usr/local", "/usr"];
    let mut stripped = everybodys.iter().map(|place| above.strip_prefix(place));
    let inside = stripped.find_map(Result::ok);
    let inside = inside.or_else(|| above.strip_prefix("/").ok());
    let mut project = inside.unwrap_or(above).iter().skip(1);
    PARTS.contains(&name) && project.any(|part| OWN.iter().any(|own| part == *own))
}

#[cfg(test)]
mod tests;
