//! What belongs together with a file of data: which of its like a program reads, its input says.
//!
//! A run that greets in English reads `phrases/en.yaml`, and the next may be told to read `phrases/de.yaml`. No run shows that,
//! and the program's text need not: the name may be put together. So what an instruction brought or made is kept with what is
//! of its kind: the whole directory, if there is nothing but data in it, else the files beside it with the same extension.

use std::path::{Path, PathBuf};

use super::unit::{is_shared, is_source_of_programs};
use crate::evidence::collect::{is_cache, is_system};
use crate::evidence::java::is_build_cache;
use crate::rootfs::RootDir;

/// The most entries of a directory that is looked through.
const MOST_ENTRIES: usize = 20_000;

/// Where a file lies, and what is known there.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) root: &'p RootDir,
    /// Whether a package or a module lists the entry at a path.
    pub(super) is_listed: &'p dyn Fn(&Path) -> bool,
    /// Whether an instruction of the Dockerfile has written the entry at a path.
    pub(super) is_own: &'p dyn Fn(&Path) -> bool,
}

/// What is kept for the sake of the file at `path`, which an instruction wrote and which is in `unit`.
pub(super) fn with_its_like(place: Place<'_>, path: &Path, unit: PathBuf) -> Vec<PathBuf> {
    if is_cache(path) || is_build_cache(path) || !is_data(place.root, path) {
        return vec![unit];
    }
    match tree_of_data(place, path) {
        Some(tree) if unit.starts_with(&tree) => vec![tree],
        Some(_) | None if unit == path => beside(place, path),
        Some(_) | None => vec![unit],
    }
}

/// The largest directory around `path` that holds nothing but data, and nothing that others brought.
fn tree_of_data(place: Place<'_>, path: &Path) -> Option<PathBuf> {
    let mut found = None;
    for directory in path.ancestors().skip(1) {
        let is_below_system = is_system(directory);
        let is_deep = directory.components().count() > 3;
        let is_free = if is_below_system {
            is_deep && (place.is_own)(directory)
        } else {
            !is_shared(directory)
        };
        if !is_free || !holds_data(place, directory) {
            break;
        }
        found = Some(directory.to_path_buf());
    }
    found
}

/// Whether all that is in `directory` is data that instructions of the Dockerfile wrote.
pub(super) fn holds_data(place: Place<'_>, directory: &Path) -> bool {
    let mut pending = vec![directory.to_path_buf()];
    let mut n_seen = 0;
    while let Some(directory) = pending.pop() {
        for name in place.root.names(&directory) {
            let path = directory.join(&name);
            n_seen += 1;
            if n_seen > MOST_ENTRIES || is_of_a_project(&path) || (place.is_listed)(&path) {
                return false;
            }
            match place.root.symlink_metadata(&path) {
                Ok(found) if found.is_dir() => pending.push(path),
                Ok(found) if found.is_file() => {
                    if !is_data(place.root, &path) || !(place.is_own)(&path) {
                        return false;
                    }
                }
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
    true
}

/// The file at `path`, and those beside it that have the same extension, or none either.
fn beside(place: Place<'_>, path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    let Some(directory) = path.parent() else {
        return files;
    };
    // What has no extension in a directory of everybody's may be anything.
    let is_everybodys = is_shared(directory) || is_system(directory);
    if is_everybodys && path.extension().is_none() {
        return files;
    }
    for name in place.root.names(directory) {
        let other = directory.join(name);
        let is_like = other.extension() == path.extension()
            && other != path
            && !is_of_a_project(&other)
            && !(place.is_listed)(&other)
            && place
                .root
                .entry(&other)
                .is_some_and(|found| found.is_file());
        if is_like && is_data(place.root, &other) && (place.is_own)(&other) {
            files.push(other);
        }
    }
    files
}

/// Whether the file at `path` is no program and no part of one that somebody compiles: modules of interpreted languages, which
/// are asked for by their names, count as data.
fn is_data(root: &RootDir, path: &Path) -> bool {
    const PROGRAMS: [&str; 9] = ["a", "class", "d", "jar", "la", "node", "o", "rlib", "war"];
    let is_named = path
        .extension()
        .is_some_and(|end| PROGRAMS.iter().any(|known| end == *known));
    if is_named || is_source_of_programs(path) {
        return false;
    }
    root.start(path, 4).is_some_and(|head| head != b"\x7fELF")
}

/// Whether `path` is where somebody builds a program, or installs modules, by its name.
pub(super) fn is_of_a_project(path: &Path) -> bool {
    const NAMES: [&str; 22] = [
        ".git",
        "CMakeLists.txt",
        "Cargo.toml",
        "Dockerfile",
        "Gemfile",
        "LICENSE",
        "Makefile",
        "README",
        "README.md",
        "build.gradle",
        "build.gradle.kts",
        "composer.json",
        "dist-packages",
        "go.mod",
        "node_modules",
        "package.json",
        "pom.xml",
        "pyproject.toml",
        "pyvenv.cfg",
        "requirements.txt",
        "setup.py",
        "site-packages",
    ];
    path.file_name()
        .is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], path: &str, expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let place = Place {
            root: &root,
            is_listed: &|path| path.ends_with("packaged"),
            is_own: &|path| !path.ends_with("bases.txt"),
        };
        let path = Path::new(path);
        let mut found = with_its_like(place, path, path.to_path_buf());
        found.sort();
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(found, expected, "{}", path.display());
    }

    #[test]
    fn a_directory_of_data_is_kept_whole() {
        check(
            &[("data/phrases/en.yaml", ""), ("data/words/de/x", "")],
            "/data/phrases/en.yaml",
            &["/data"],
        );
        check(
            &[
                ("app/main.go", ""),
                ("app/data/en/x", ""),
                ("app/data/de/x", ""),
            ],
            "/app/data/en/x",
            &["/app/data"],
        );
        check(
            &[("etc/tool/a.conf", ""), ("etc/passwd", "")],
            "/etc/tool/a.conf",
            &["/etc/tool/a.conf"],
        );
        check(
            &[("usr/share/tool/l/a", ""), ("usr/share/tool/packaged", "")],
            "/usr/share/tool/l/a",
            &["/usr/share/tool/l"],
        );
    }

    #[test]
    fn beside_a_program_what_has_the_same_extension_goes_along() {
        let files = [
            ("app/main.c", ""),
            ("app/main", "\x7fELF"),
            ("app/en.lst", ""),
            ("app/de.lst", ""),
            ("app/bases.txt", ""),
            ("app/a.txt", ""),
            ("app/LICENSE", ""),
            ("app/words", ""),
        ];
        check(&files, "/app/en.lst", &["/app/de.lst", "/app/en.lst"]);
        check(&files, "/app/a.txt", &["/app/a.txt"]);
        check(&files, "/app/words", &["/app/words"]);
        check(&files, "/app/main", &["/app/main"]);
        check(&files, "/app/main.c", &["/app/main.c"]);
    }

    #[test]
    fn what_everybody_has_files_in_is_not_kept_whole() {
        let files = [
            ("usr/local/bin/a.sh", ""),
            ("usr/local/bin/b.sh", ""),
            ("usr/local/bin/tool", ""),
            ("usr/local/bin/other", ""),
        ];
        check(
            &files,
            "/usr/local/bin/a.sh",
            &["/usr/local/bin/a.sh", "/usr/local/bin/b.sh"],
        );
        check(&files, "/usr/local/bin/tool", &["/usr/local/bin/tool"]);
    }
}
