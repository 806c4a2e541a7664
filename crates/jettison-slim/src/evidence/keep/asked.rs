//! Programs that a source of the program's own names far from where it starts any: in a table, as an argument, as an attribute
//! (`sh.rsync(...)`).

use std::collections::BTreeMap;
use std::path::Path;

use super::Keeper;
use super::beside::is_for_building;
use super::commands::{Sureness, is_comment, quoted_names};
use super::started::PLACES;
use crate::rootfs::RootError;

/// Programs whose names are words of every source: they are looked for in quotes alone, and only if the Dockerfile has installed
/// them. Interpreters are named as languages are, and some encode what others do.
const EVERYDAY: [&str; 104] = [
    "as",
    "at",
    "awk",
    "base32",
    "base64",
    "bash",
    "batch",
    "bc",
    "cal",
    "calendar",
    "check",
    "clear",
    "col",
    "column",
    "compare",
    "composite",
    "convert",
    "cut",
    "dash",
    "date",
    "dc",
    "diff",
    "dir",
    "display",
    "dot",
    "echo",
    "edit",
    "env",
    "expand",
    "expr",
    "factor",
    "false",
    "file",
    "find",
    "fmt",
    "fold",
    "free",
    "groups",
    "head",
    "host",
    "id",
    "identify",
    "import",
    "info",
    "install",
    "join",
    "kill",
    "last",
    "ld",
    "less",
    "link",
    "locale",
    "locate",
    "login",
    "look",
    "mail",
    "make",
    "man",
    "more",
    "mount",
    "nice",
    "nl",
    "nm",
    "node",
    "open",
    "paste",
    "patch",
    "perl",
    "play",
    "pr",
    "print",
    "printf",
    "python",
    "python3",
    "rec",
    "rename",
    "reset",
    "rev",
    "ruby",
    "run",
    "sample",
    "screen",
    "script",
    "select",
    "server",
    "sh",
    "sort",
    "split",
    "stat",
    "stream",
    "strings",
    "sum",
    "sync",
    "tail",
    "tee",
    "test",
    "time",
    "top",
    "touch",
    "tree",
    "true",
    "view",
    "watch",
    "zip",
];
/// The shortest name that is looked for without quotes, in bytes.
const SHORTEST: usize = 3;

/// Whether the name of a program is a word of every source.
pub(super) fn is_everyday(name: &str) -> bool {
    EVERYDAY.contains(&name)
}

/// A program of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgramOrigin {
    /// The base image has it.
    Base,
    /// An instruction of the Dockerfile has installed it.
    Installed,
    /// The Dockerfile asks for its package by name.
    AskedFor,
}

impl Keeper<'_> {
    /// Keeps what the source at `path` names of the programs that the Dockerfile has installed: in quotes, or as a word if their
    /// package was asked for by its name. Of those that the base image has, it keeps what stands in quotes if any source starts
    /// programs whose names are in its variables.
    pub(super) fn add_named_anywhere(&mut self, path: &Path, text: &str) -> Result<(), RootError> {
        let mut programs = match self.programs.take() {
            Some(programs) => programs,
            None => self.programs_of_packages()?,
        };
        let starts_any = !self.wrappers.is_empty();
        let mut named = BTreeMap::new();
        for name in quoted_names(text) {
            let sureness = match programs.get(name) {
                Some(ProgramOrigin::Base) if starts_any && !is_everyday(name) => Sureness::There,
                Some(ProgramOrigin::Installed | ProgramOrigin::AskedFor) => Sureness::Somewhere,
                Some(ProgramOrigin::Base) | None => continue,
            };
            named.insert(name, sureness);
        }
        let lines = text.lines().filter(|line| !is_comment(line));
        let is_meant = |name: &&str| {
            let is_asked_for = programs.get(*name) == Some(&ProgramOrigin::AskedFor);
            is_asked_for && name.len() >= SHORTEST && !is_everyday(name)
        };
        let words = lines.flat_map(words_of_code).filter(is_meant);
        named.extend(words.map(|name| (name, Sureness::Somewhere)));
        let reason = format!("{} names it", path.display());
        for (name, sureness) in named {
            programs.remove(name);
            self.add_program(name, sureness, &reason)?;
        }
        self.programs = Some(programs);
        Ok(())
    }

    /// The programs of packages that are not for building, by name.
    fn programs_of_packages(&self) -> Result<BTreeMap<String, ProgramOrigin>, RootError> {
        let unasked = self.unasked()?;
        let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (package, path) in self.owners.all_files() {
            let is_there = path
                .parent()
                .is_some_and(|place| PLACES.iter().any(|known| place == Path::new(known)));
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|_| is_there) {
                packages.entry(package).or_default().push(name);
            }
        }
        let mut programs = BTreeMap::new();
        for (package, names) in packages {
            let is_known_to_apt = || unasked.as_ref().is_some_and(|all| !all.contains(package));
            let origin = if is_for_building(package) {
                continue;
            } else if !self.is_installed_here(package) {
                ProgramOrigin::Base
            } else if self.is_asked_for(package) || is_known_to_apt() {
                ProgramOrigin::AskedFor
            } else {
                ProgramOrigin::Installed
            };
            programs.extend(names.into_iter().map(|name| (name.to_owned(), origin)));
        }
        Ok(programs)
    }
}

/// The words of a line that may be names in a program: no part of an address, of a file's name or of an option.
fn words_of_code(line: &str) -> Vec<&str> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
    let mut found = Vec::new();
    let mut rest = line;
    let mut before = "";
    while let Some(start) = rest.find(is_of_word) {
        let from = rest.get(start..).unwrap_or_default();
        let end = from.find(|c| !is_of_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        before = line.get(..line.len() - from.len()).unwrap_or(before);
        // `sh.rsync(...)`, `repo.git.log`
        let is_attribute = before.strip_suffix('.').is_some_and(|object| {
            object.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ')')
                && after.starts_with(['(', '.'])
        });
        let is_part = before.ends_with(['.', '/', ':', '@', '~', '\\'])
            || after.starts_with(['/', ':', '@', '='])
            || after.starts_with('.') && !after.starts_with(". ") && !is_attribute;
        if is_attribute || !is_part {
            found.push(word);
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_code_are_no_parts_of_addresses_files_and_options() {
        for (line, expected) in [
            ("sh.rsync(\"-a\", d)", &["sh", "rsync", "-a", "d"][..]),
            ("from git import Repo", &["from", "git", "import", "Repo"]),
            ("x = \"https://git.example/a.git\"", &["x"]),
            (".git", &[]),
            ("git@host", &["host"]),
        ] {
            let words = words_of_code(line);
            let known = ["git", "rsync"];
            let only = |words: &[&str]| -> Vec<String> {
                let known = words.iter().filter(|word| known.contains(word));
                known.map(ToString::to_string).collect()
            };
            assert_eq!(only(&words), only(expected), "{line}");
        }
    }
}
