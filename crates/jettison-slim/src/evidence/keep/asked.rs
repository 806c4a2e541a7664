//! Programs that the Dockerfile has installed and that a source of the program's own names far from where it starts any: in a
//! table, as an argument, as an attribute (`sh.rsync(...)`).

use std::collections::BTreeMap;
use std::path::Path;

use super::Keeper;
use super::beside::is_for_building;
use super::commands::{Sureness, is_comment, quoted_names};
use super::started::PLACES;
use crate::rootfs::RootError;

/// Programs whose names are words of every source: they are looked for in quotes alone.
const EVERYDAY: [&str; 72] = [
    "batch",
    "cal",
    "calendar",
    "check",
    "clear",
    "column",
    "compare",
    "composite",
    "convert",
    "cut",
    "date",
    "diff",
    "dir",
    "display",
    "dot",
    "edit",
    "env",
    "expand",
    "file",
    "find",
    "fold",
    "free",
    "head",
    "host",
    "identify",
    "import",
    "info",
    "install",
    "join",
    "kill",
    "last",
    "less",
    "link",
    "locate",
    "login",
    "look",
    "mail",
    "make",
    "man",
    "more",
    "mount",
    "nice",
    "node",
    "paste",
    "patch",
    "play",
    "print",
    "rec",
    "rename",
    "reset",
    "rev",
    "run",
    "sample",
    "screen",
    "script",
    "select",
    "server",
    "sort",
    "split",
    "stat",
    "stream",
    "strings",
    "tail",
    "test",
    "time",
    "top",
    "touch",
    "tree",
    "view",
    "watch",
    "who",
    "zip",
];
/// The shortest name that is looked for without quotes, in bytes.
const SHORTEST: usize = 3;

/// A program that an instruction of the Dockerfile has installed.
#[derive(Clone, Debug)]
pub(super) struct InstalledProgram {
    /// Whether the Dockerfile asks for its package by name.
    is_asked_for: bool,
}

impl Keeper<'_> {
    /// Keeps what the source at `path` names of the programs that the Dockerfile has installed: in quotes, or as a word if their
    /// package was asked for by its name.
    pub(super) fn add_installed_named(&mut self, path: &Path, text: &str) -> Result<(), RootError> {
        let mut programs = match self.installed_programs.take() {
            Some(programs) => programs,
            None => self.programs_installed()?,
        };
        let mut named: Vec<&str> = quoted_names(text)
            .into_iter()
            .filter(|name| programs.contains_key(*name))
            .collect();
        let lines = text.lines().filter(|line| !is_comment(line));
        let is_meant = |name: &&str| {
            let is_long = name.len() >= SHORTEST && !EVERYDAY.contains(name);
            is_long && programs.get(*name).is_some_and(|found| found.is_asked_for)
        };
        named.extend(lines.flat_map(words_of_code).filter(is_meant));
        let reason = format!("{} names it", path.display());
        for name in named {
            programs.remove(name);
            self.add_program(name, Sureness::Somewhere, &reason)?;
        }
        self.installed_programs = Some(programs);
        Ok(())
    }

    /// The programs of packages that the Dockerfile has installed, and that are not for building.
    fn programs_installed(&self) -> Result<BTreeMap<String, InstalledProgram>, RootError> {
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
            if is_for_building(package) || !self.is_installed_here(package) {
                continue;
            }
            let is_asked_for = self.owners.is_asked_for(package)
                || unasked.as_ref().is_some_and(|all| !all.contains(package));
            let found = names.into_iter().map(|name| {
                let program = InstalledProgram { is_asked_for };
                (name.to_owned(), program)
            });
            programs.extend(found);
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
