//! Finding the sources of a COPY and what is below them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use jettison_dockerfile::IgnoreFile;
use jettison_oci::Hasher;
use rustix::fs::{FileType, Stat};

use crate::exec::attributes::attribute_lines;
use crate::exec::pattern::{is_pattern, matches};
use crate::tree::{Tree, is_missing, kind, names, stat_at};

/// Where a COPY's sources are.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The context's directory or a stage's root.
    pub(crate) tree: Tree,
    /// What the context leaves out.
    pub(crate) ignore: Option<&'a IgnoreFile>,
    /// Whether owners are kept; the context's files belong to root.
    pub(crate) keeps_owners: bool,
}

/// The sources that a COPY's patterns stand for.
#[derive(Debug)]
pub(crate) struct Selection {
    /// In the order of the patterns.
    pub(crate) paths: Vec<Selected>,
}

/// One source. Both paths are absolute below the source's root.
#[derive(Debug)]
pub(crate) struct Selected {
    /// As the instruction names it; a copied file is called as this is.
    pub(crate) named: PathBuf,
    /// Where that leads to, without symbolic links.
    pub(crate) real: PathBuf,
}

/// Why sources could not be selected.
#[derive(Debug)]
pub(crate) enum SelectError {
    /// There is no such file.
    Missing(String),
    /// The operating system refused.
    Io(PathBuf, io::Error),
}

/// Something below a copied directory.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path below that directory. A directory comes before what is in it.
    pub(crate) relative: PathBuf,
    /// What it is; not followed if it is a symbolic link.
    pub(crate) stat: Stat,
}

/// Finds what `patterns` stand for. A pattern that matches nothing is fine; a plain path is not.
pub(crate) fn select(source: &Source<'_>, patterns: &[String]) -> Result<Selection, SelectError> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let cleaned = clean(pattern);
        if cleaned.iter().any(|part| is_pattern(part)) {
            expand(source, Path::new("/"), &cleaned, &mut paths)?;
            continue;
        }
        let named = Path::new("/").join(cleaned.join("/"));
        match source.tree.real(&named) {
            Ok(real) if are_wanted(source, [&named, &real])? => {
                paths.push(Selected { named, real });
            }
            Ok(_) => {
                return Err(SelectError::Missing(format!(
                    "{pattern}: excluded by the ignore file"
                )));
            }
            Err(error) if is_missing(&error) => {
                return Err(SelectError::Missing(format!(
                    "{}: not found",
                    named.display()
                )));
            }
            Err(error) => return Err(SelectError::Io(named, error)),
        }
    }
    Ok(Selection { paths })
}

/// What is to be copied of the contents of the directory `real`, sorted by path.
pub(crate) fn walk(source: &Source<'_>, real: &Path) -> Result<Vec<Found>, SelectError> {
    let mut found = Vec::new();
    walk_below(source, real, Path::new(""), &mut found)?;
    Ok(found)
}

fn walk_below(
    source: &Source<'_>,
    real: &Path,
    below: &Path,
    found: &mut Vec<Found>,
) -> Result<(), SelectError> {
    let path = real.join(below);
    let failed = |error| SelectError::Io(path.clone(), error);
    let dir = source.tree.dir(&path).map_err(failed)?;
    for name in names(&dir).map_err(failed)? {
        let relative = below.join(&name);
        let child = real.join(&relative);
        let Some(stat) = stat_at(&dir, Path::new(&name)).map_err(failed)? else {
            continue;
        };
        let is_left_out = is_ignored(source, &child);
        match kind(&stat) {
            FileType::Directory if is_left_out && !reincludes_below(source, &child) => {}
            FileType::Directory => {
                let before = found.len();
                let directory = relative.clone();
                found.push(Found { relative, stat });
                walk_below(source, real, &directory, found)?;
                if is_left_out && found.len() == before + 1 {
                    // Nothing in it was taken back in.
                    found.truncate(before);
                }
            }
            // As BuildKit does, sockets are left out.
            FileType::Socket => {}
            _ if is_left_out => {}
            _ => found.push(Found { relative, stat }),
        }
    }
    Ok(())
}

/// Whether the context has the file at a path and where that leads to, or, if it is a directory, may
/// have something in it.
fn are_wanted(source: &Source<'_>, paths: [&Path; 2]) -> Result<bool, SelectError> {
    let [_, real] = paths;
    let stat = source.tree.stat(real);
    let stat = stat.map_err(|error| SelectError::Io(real.to_path_buf(), error))?;
    let is_dir = kind(&stat) == FileType::Directory;
    let is_wanted = |path| !is_ignored(source, path) || (is_dir && reincludes_below(source, path));
    Ok(paths.into_iter().all(is_wanted))
}

/// Whether the context leaves `path` out.
fn is_ignored(source: &Source<'_>, path: &Path) -> bool {
    let Some(ignore) = source.ignore else {
        return false;
    };
    let relative = path.strip_prefix("/").unwrap_or(path);
    !relative.as_os_str().is_empty() && ignore.is_ignored(&relative.to_string_lossy())
}

/// Whether something below an ignored directory may still be wanted.
fn reincludes_below(source: &Source<'_>, path: &Path) -> bool {
    let relative = path.strip_prefix("/").unwrap_or(path);
    source
        .ignore
        .is_some_and(|ignore| ignore.may_reinclude_below(&relative.to_string_lossy()))
}

/// A digest of everything that copying `selection` would copy, one line for each file: names,
/// types, modes, owners where they are kept, link targets, extended attributes and contents; no
/// times.
pub(crate) fn digest_lines(
    source: &Source<'_>,
    selection: &Selection,
) -> Result<String, SelectError> {
    let mut lines = Vec::new();
    for Selected { named, real } in &selection.paths {
        let failed = |error| SelectError::Io(named.clone(), error);
        let stat = source.tree.stat(real).map_err(failed)?;
        lines.push(format!("source {}", quoted(named)));
        if kind(&stat) != FileType::Directory {
            digest_one(source, named, real, &stat, &mut lines)?;
            continue;
        }
        for Found { relative, stat } in walk(source, real)? {
            digest_one(source, &relative, &real.join(&relative), &stat, &mut lines)?;
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// A path in quotes, so that no path can look like more than one.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.as_os_str().as_bytes().escape_ascii())
}

/// Adds the line of the file `real`, which the key calls `name`.
fn digest_one(
    source: &Source<'_>,
    name: &Path,
    real: &Path,
    stat: &Stat,
    lines: &mut Vec<String>,
) -> Result<(), SelectError> {
    let failed = |error| SelectError::Io(real.to_path_buf(), error);
    let name = quoted(name);
    let attributes = owner_and_mode(source, stat);
    match kind(stat) {
        FileType::Directory => {
            lines.push(format!("dir {name} {attributes}"));
            let dir = source.tree.dir(real).map_err(failed)?;
            lines.extend(attribute_lines(&dir).map_err(failed)?);
        }
        FileType::RegularFile => {
            let mut file = source.tree.file(real).map_err(failed)?;
            let mut hasher = Hasher::new();
            io::copy(&mut file, &mut hasher).map_err(failed)?;
            lines.push(format!("file {name} {attributes} {}", hasher.finish()));
            lines.extend(attribute_lines(&file).map_err(failed)?);
        }
        FileType::Symlink => {
            let target = source.tree.link(real).map_err(failed)?;
            let target = target.as_bytes().escape_ascii();
            lines.push(format!("link {name} {attributes} \"{target}\""));
        }
        other => lines.push(format!("{other:?} {name} {attributes} {}", stat.st_rdev)),
    }
    Ok(())
}

fn owner_and_mode(source: &Source<'_>, stat: &Stat) -> String {
    let mode = stat.st_mode & 0o7777;
    if source.keeps_owners {
        format!("{mode:o} {}:{}", stat.st_uid, stat.st_gid)
    } else {
        format!("{mode:o}")
    }
}

/// The components of a source path; `..` stops at the root.
fn clean(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => {
                parts.push(String::from_utf8_lossy(part.as_bytes()).into_owned());
            }
            Component::ParentDir => {
                parts.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts
}

fn expand(
    source: &Source<'_>,
    at: &Path,
    rest: &[String],
    paths: &mut Vec<Selected>,
) -> Result<(), SelectError> {
    let failed = |error| SelectError::Io(at.to_path_buf(), error);
    let Some((first, rest)) = rest.split_first() else {
        match source.tree.real(at) {
            Ok(real) if are_wanted(source, [at, &real])? => {
                let named = at.to_path_buf();
                paths.push(Selected { named, real });
            }
            Ok(_) => {}
            // A link to nothing.
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        return Ok(());
    };
    if !is_pattern(first) {
        return expand(source, &at.join(first), rest, paths);
    }
    let dir = match source.tree.dir(at) {
        Ok(dir) => dir,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for name in names(&dir).map_err(failed)? {
        if matches(first, &name.to_string_lossy()) {
            expand(source, &at.join(&name), rest, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(ignore: &str, patterns: &[&str], expected: Expect) {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a.go", "b.go", "c.txt", "sub/d.go", "sub/deep/e.go"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        let ignore = IgnoreFile::parse(ignore).unwrap();
        let source = Source {
            tree: Tree::open(dir.path()).unwrap(),
            ignore: Some(&ignore),
            keeps_owners: false,
        };
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        expected.assert_eq(&match select(&source, &patterns) {
            Ok(selection) => selection
                .paths
                .iter()
                .map(|selected| selected.named.display().to_string())
                .collect::<Vec<_>>()
                .join(" "),
            Err(SelectError::Missing(message)) => format!("missing: {message}"),
            Err(SelectError::Io(path, error)) => format!("io: {} {error}", path.display()),
        });
    }

    #[test]
    fn a_pattern_is_expanded_in_the_order_of_names() {
        check("", &["*.go"], expect!["/a.go /b.go"]);
        check(
            "",
            &["sub/*/e.go", "c.txt"],
            expect!["/sub/deep/e.go /c.txt"],
        );
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_fine() {
        check("", &["*.rs"], expect![""]);
    }

    #[test]
    fn a_plain_path_that_is_missing_is_an_error() {
        check("", &["nope"], expect!["missing: /nope: not found"]);
    }

    #[test]
    fn dots_do_not_leave_the_context() {
        check("", &["../../a.go"], expect!["/a.go"]);
    }

    #[test]
    fn an_ignored_file_cannot_be_copied() {
        check(
            "*.txt",
            &["c.txt"],
            expect!["missing: c.txt: excluded by the ignore file"],
        );
        check("b.go", &["*.go"], expect!["/a.go"]);
    }

    #[test]
    fn a_link_does_not_lead_to_an_ignored_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "text").unwrap();
        std::os::unix::fs::symlink("secret", dir.path().join("link")).unwrap();
        let ignore = IgnoreFile::parse("secret").unwrap();
        let source = Source {
            tree: Tree::open(dir.path()).unwrap(),
            ignore: Some(&ignore),
            keeps_owners: false,
        };
        for pattern in ["link", "l*"] {
            let found = select(&source, &[pattern.to_string()]);
            assert!(found.is_err() || found.is_ok_and(|found| found.paths.is_empty()));
        }
    }
}
