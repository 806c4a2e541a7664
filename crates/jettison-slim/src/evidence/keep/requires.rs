//! Packages of npm that kept sources name: a `require` in a function that no run has called, an `import()` for one kind of input,
//! a bundle that another command starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

use super::helpers::is_for_developers;
use super::seen::Look;
use super::unit::is_script_of_pages;
use super::{Keeper, is_python_library};
use crate::evidence::owner::Owner;
use crate::rootfs::{RootDir, RootError};

/// The largest source, and the largest description of a package, that is read, in bytes.
const SOURCE_LIMIT: u64 = 4 << 20;
/// The most sources that are read.
const MOST_SOURCES: usize = 20_000;
/// Where Node.js looks for packages, in the directory of a source and in all above it.
const MODULES: &str = "node_modules";
/// Modules that Node.js has itself, which go before packages of these names (node: `module.builtinModules`).
const OWN_MODULES: [&str; 40] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "worker_threads",
    "zlib",
];

/// How a source names a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// By its name.
    Whole(String),
    /// By the beginning of its name, to which something is added: `@quill/reporters-`.
    Start(String),
}

impl Keeper<'_> {
    /// Keeps the packages that the program's own sources which are kept require or import by name, with what these depend on.
    pub(super) fn add_requires(&mut self) -> Result<(), RootError> {
        loop {
            let kept = self.kept.paths.keys();
            let unread = self.seen.new_ones(Look::NodeRequires, kept);
            if unread.is_empty() {
                return Ok(());
            }
            for path in unread {
                for source in self.sources_of_node(&path) {
                    self.keep_required(&source)?;
                }
                self.seen.note(Look::NodeRequires, &path);
            }
        }
    }

    /// Keeps the packages without programs that somebody has installed for everybody (`npm install -g`), where one with programs is
    /// kept: settings name them, as plugins and presets of linters.
    pub(super) fn add_plugins_of_node(&mut self) -> Result<(), RootError> {
        let is_global = |place: &&Path| place.ends_with("lib/node_modules");
        let kept = self.kept.paths.keys();
        let places = kept.filter_map(|path| path.ancestors().find(is_global));
        let places: BTreeSet<PathBuf> = places.map(Path::to_path_buf).collect();
        for place in places {
            if !self.seen.note(Look::Plugins, &place) {
                continue;
            }
            for package in packages_in(self.root, &place) {
                let description = package.join("package.json");
                let is_installed = self.owners.maker(&description).is_some();
                if is_installed && has_no_programs(self.root, &description) {
                    let reason = "somebody has asked for it, and others load it";
                    self.keep_node_package(&package, reason)?;
                }
            }
        }
        Ok(())
    }

    /// The program's own sources for Node.js at and below `path`: not those of packages, and of those that build and test programs
    /// or that browsers get, none that no run has used.
    fn sources_of_node(&self, path: &Path) -> Vec<PathBuf> {
        let mut sources = Vec::new();
        let mut pending = vec![path.to_path_buf()];
        while let Some(path) = pending.pop() {
            let is_of_packages = path.iter().any(|part| part == MODULES || part == ".cache");
            let Some(metadata) = self.root.entry(&path).filter(|_| !is_of_packages) else {
                continue;
            };
            let is_used = || self.kept.used.range(path.clone()..).next();
            let is_used = is_used().is_some_and(|used| used.starts_with(&path));
            let is_others = is_for_developers(&path) || is_hidden_source(&path);
            if is_others && !is_used {
                continue;
            }
            if metadata.is_dir() {
                if !is_python_library(&path) {
                    let names = self.root.names(&path);
                    pending.extend(names.into_iter().map(|name| path.join(name)));
                }
            } else if metadata.is_file()
                && sources.len() < MOST_SOURCES
                && (is_source(&path) || is_used && path.extension().is_none())
                && !is_script_of_pages(&path)
                && !self.owners.is_packaged(&path)
            {
                sources.push(path);
            }
        }
        sources
    }

    /// Keeps the packages that the source at `source` names.
    fn keep_required(&mut self, source: &Path) -> Result<(), RootError> {
        let Some(bytes) = self.root.content(source, SOURCE_LIMIT) else {
            return Ok(());
        };
        if !is_source(source) && !is_script_of_node(&bytes) {
            return Ok(());
        }
        let is_used = self.kept.used.contains(source);
        for named in named_packages(&bytes) {
            for (package, name) in packages_above(self.root, source, &named) {
                // Listed so by mistake it works as long as it is there, but a run has to come near it for that to be one.
                if is_used || !is_for_development_alone(self.root, source, &name) {
                    let reason = format!("{} names it", source.display());
                    self.keep_node_package(&package, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the package at `path`, where a directory of packages has it or a link to it, and all that it depends on, where that
    /// is installed.
    fn keep_node_package(&mut self, path: &Path, reason: &str) -> Result<(), RootError> {
        let mut pending = vec![(path.to_path_buf(), reason.to_owned())];
        while let Some((path, reason)) = pending.pop() {
            let resolved = match self.root.resolve(&path) {
                Ok(resolved) => resolved,
                // A link to a part of the workspace that was not copied.
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error),
            };
            let package = resolved.real_path;
            for link in &resolved.chain {
                self.add_entry(link, &reason)?;
            }
            if !self.seen.note(Look::Requirements, &package) {
                continue;
            }
            match self.owners.of(&package) {
                Owner::Package(name) => self.add_package(&name, &reason),
                // A link to the program itself, or to all that is around it.
                Owner::Instruction(_) | Owner::Base if path.starts_with(&package) => {}
                Owner::Module(_) | Owner::Instruction(_) | Owner::Base => {
                    self.keep_path(package.clone(), &reason);
                }
            }
            let description = package.join("package.json");
            let why = format!("{} requires it", package.display());
            for name in dependencies(self.root, &description) {
                let named = Named::Whole(name);
                let found = packages_above(self.root, &description, &named).into_iter();
                pending.extend(found.map(|(path, _)| (path, why.clone())));
            }
        }
        Ok(())
    }
}

/// The packages in a directory of packages; those of a scope lie in a directory of its own.
fn packages_in(root: &RootDir, place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in root.names(place) {
        let path = place.join(&name);
        if name.as_encoded_bytes().starts_with(b"@") {
            found.extend(root.names(&path).iter().map(|name| path.join(name)));
        } else {
            found.push(path);
        }
    }
    found.retain(|path| is_npm_package(path));
    found
}

/// Whether the package that is described at `description` is there and brings no programs.
fn has_no_programs(root: &RootDir, description: &Path) -> bool {
    let text = root.content(description, SOURCE_LIMIT);
    let package = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    package.is_some_and(|package| {
        let names = package
            .get("bin")
            .into_iter()
            .chain(package.pointer("/directories/bin"));
        package.is_object() && names.count() == 0
    })
}

/// Whether `path` is named as a source is that Node.js runs as it is.
fn is_source(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| ["cjs", "js", "mjs"].iter().any(|known| end == *known))
}

/// Whether these are the bytes of a script that says that Node.js runs it.
fn is_script_of_node(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next();
    first.is_some_and(|line| {
        line.starts_with(b"#!") && memchr::memmem::find(line, b"node").is_some()
    })
}

/// Whether `path` is a source that tools look for, as `.eslintrc.cjs`.
fn is_hidden_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    is_source(path) && name.as_encoded_bytes().starts_with(b".")
}

/// Whether `path` is the directory of a package of npm, by its place.
pub(super) fn is_npm_package(path: &Path) -> bool {
    let starts_with = |path: &Path, start: u8| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().first() == Some(&start)
    };
    let Some(parent) = path.parent().filter(|_| !starts_with(path, b'.')) else {
        return false;
    };
    if starts_with(parent, b'@') {
        return parent
            .parent()
            .is_some_and(|above| above.ends_with(MODULES));
    }
    parent.ends_with(MODULES) && !starts_with(path, b'@')
}

/// The packages that a source requires or imports, but for those that Node.js has itself.
pub(super) fn named_packages(source: &[u8]) -> BTreeSet<Named> {
    static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // In bundles `require` has other names that end in it, and there is no blank where none is needed.
        let called =
            r"(?:[rR]equire(?:\.resolve)?|\bimport(?:\.meta\.resolve)?)\s*\(\s*(?:/\*[^*]*\*/\s*)*";
        let text = r#"["'`]([^"'`\s$\\]+)(\$\{|["'`](?:\s*\+)?)"#;
        Regex::new(&format!(r"(?:{called}|\b(?:from|import)\s*){text}")).ok()
    });
    let mut found = BTreeSet::new();
    for captures in NAMES.iter().flat_map(|names| names.captures_iter(source)) {
        let [Some(text), Some(end)] = [1, 2].map(|group| captures.get(group)) else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(text.as_bytes()) else {
            continue;
        };
        let is_open = end.as_bytes().len() > 1;
        found.extend(named_package(text, is_open));
    }
    found
}

/// The package that `text` names to Node.js; something is added to it if it `is_open`.
fn named_package(text: &str, is_open: bool) -> Option<Named> {
    // A path, a name that the package gives itself, an address.
    if text.starts_with(['.', '/', '#']) || text.contains([':', '\\']) || is_own_module(text) {
        return None;
    }
    let n_parts = if text.starts_with('@') { 2 } else { 1 };
    let mut parts = text.splitn(n_parts + 1, '/');
    let name: Vec<&str> = parts.by_ref().take(n_parts).collect();
    let is_whole = name.len() == n_parts && (!is_open || parts.next().is_some());
    let name = name.join("/");
    if is_whole {
        let last = name.rsplit('/').next().unwrap_or_default();
        (!last.is_empty() && last != "..").then_some(Named::Whole(name))
    } else if is_open && name != "@" {
        Some(Named::Start(name))
    } else {
        None
    }
}

/// Whether Node.js has the module `name` itself. A slash behind the name asks for the package.
fn is_own_module(name: &str) -> bool {
    const PARTS: [&str; 9] = [
        "assert/strict",
        "dns/promises",
        "fs/promises",
        "inspector/promises",
        "path/posix",
        "path/win32",
        "readline/promises",
        "timers/promises",
        "util/types",
    ];
    OWN_MODULES.contains(&name) || PARTS.contains(&name) || name.starts_with("stream/")
}

/// Where the packages are that the file at `source` means, as Node.js looks for them, each with its name.
fn packages_above(root: &RootDir, source: &Path, wanted: &Named) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for directory in source.ancestors().skip(1) {
        if directory.ends_with(MODULES) {
            continue;
        }
        let modules = directory.join(MODULES);
        match wanted {
            Named::Whole(name) => {
                let path = modules.join(name);
                if root.entry(&path).is_some() {
                    return vec![(path, name.clone())];
                }
            }
            Named::Start(start) => {
                let (scope, start) = match start.split_once('/') {
                    Some((scope, start)) => (format!("{scope}/"), start),
                    None => (String::new(), start.as_str()),
                };
                let names = root.names(&modules.join(&scope)).into_iter();
                let names = names.filter_map(|name| name.into_string().ok());
                let names = names.filter(|name| name.starts_with(start));
                for name in names.map(|name| format!("{scope}{name}")) {
                    if !found.iter().any(|(_, known)| *known == name) {
                        found.push((modules.join(&name), name));
                    }
                }
            }
        }
    }
    found
}

/// Whether the first description of a package above `source` that lists `name` has it among what only development needs.
fn is_for_development_alone(root: &RootDir, source: &Path, name: &str) -> bool {
    source.ancestors().skip(1).find_map(|directory| {
        let package = description(root, &directory.join("package.json"))?;
        let lists = |section: &str| {
            package
                .get(section)
                .and_then(|list| list.get(name))
                .is_some()
        };
        let is_meant = ["dependencies", "optionalDependencies", "peerDependencies"]
            .into_iter()
            .any(lists);
        (is_meant || lists("devDependencies")).then_some(!is_meant)
    }) == Some(true)
}

/// The names of what a package says that it depends on, or can use. Types are for those who compile.
fn dependencies(root: &RootDir, path: &Path) -> Vec<String> {
    let Some(package) = description(root, path) else {
        return Vec::new();
    };
    let lists = ["dependencies", "optionalDependencies"];
    let lists = lists
        .into_iter()
        .filter_map(|list| package.get(list)?.as_object());
    let names = lists.flat_map(|list| list.keys());
    names
        .filter(|name| !name.starts_with("@types/"))
        .filter_map(|name| match named_package(&format!("{name}/"), false)? {
            Named::Whole(name) => Some(name),
            Named::Start(_) => None,
        })
        .collect()
}

/// What the description at `path` says; nothing if there is none, or it cannot be understood.
fn description(root: &RootDir, path: &Path) -> Option<Value> {
    serde_json::from_slice(&root.content(path, SOURCE_LIMIT)?).ok()
}

#[cfg(test)]
mod tests;
