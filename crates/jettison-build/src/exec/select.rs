//! Finding the sources of a COPY and what is below them.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use jettison_dockerfile::IgnoreFile;
use jettison_oci::Hasher;
use rustix::fs::FileType;

use crate::exec::pattern::{is_pattern, matches};
use crate::tree::{Tree, kind, names, stat_at};

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
    /// Absolute paths below the source's root, in the order of the patterns.
    pub(crate) paths: Vec<PathBuf>,
}

/// Why sources could not be selected.
#[derive(Debug)]
pub(crate) enum SelectError {
    /// There is no such file.
    Missing(String),
    /// The operating system refused.
    Io(PathBuf, io::Error),
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
        let path = Path::new("/").join(cleaned.join("/"));
        let ignored = is_ignored(source, &path) && !reincludes_below(source, &path);
        match source.tree.stat(&path) {
            Ok(_) if !ignored => paths.push(path),
            Ok(_) => {
                return Err(SelectError::Missing(format!(
                    "{pattern}: excluded by the ignore file"
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SelectError::Missing(format!(
                    "{}: not found",
                    path.display()
                )));
            }
            Err(error) => return Err(SelectError::Io(path, error)),
        }
    }
    Ok(Selection { paths })
}

/// Whether the context leaves `path` out.
pub(crate) fn is_ignored(source: &Source<'_>, path: &Path) -> bool {
    let Some(ignore) = source.ignore else {
        return false;
    };
    let relative = path.strip_prefix("/").unwrap_or(path);
    !relative.as_os_str().is_empty() && ignore.is_ignored(&relative.to_string_lossy())
}

/// Whether something below an ignored directory may still be wanted.
pub(crate) fn reincludes_below(source: &Source<'_>, path: &Path) -> bool {
    let relative = path.strip_prefix("/").unwrap_or(path);
    source
        .ignore
        .is_some_and(|ignore| ignore.may_reinclude_below(&relative.to_string_lossy()))
}

/// A digest of everything that copying `selection` would copy, one line for each file: names,
/// types, modes, owners where they are kept, link targets and contents; no times.
pub(crate) fn digest_lines(
    source: &Source<'_>,
    selection: &Selection,
) -> Result<String, SelectError> {
    let mut lines = Vec::new();
    for path in &selection.paths {
        let stat = source
            .tree
            .stat(path)
            .map_err(|error| SelectError::Io(path.clone(), error))?;
        lines.push(format!("source {}", quoted(path)));
        if kind(&stat) == FileType::Directory {
            digest_dir(source, path, &mut lines)?;
        } else {
            digest_file(source, path, &stat, &mut lines)?;
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// A path in quotes, so that no path can look like more than one.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.as_os_str().as_bytes().escape_ascii())
}

fn digest_dir(
    source: &Source<'_>,
    path: &Path,
    lines: &mut Vec<String>,
) -> Result<(), SelectError> {
    let failed = |error| SelectError::Io(path.to_path_buf(), error);
    let dir = source.tree.dir(path).map_err(failed)?;
    let own = rustix::fs::fstat(&dir).map_err(|error| failed(error.into()))?;
    lines.push(format!("dir {} {}", quoted(path), attributes(source, &own)));
    for name in names(&dir).map_err(failed)? {
        let child = path.join(&name);
        let ignored = is_ignored(source, &child);
        let Some(stat) = stat_at(dir.as_fd(), Path::new(&name)).map_err(failed)? else {
            continue;
        };
        match kind(&stat) {
            FileType::Directory if !ignored || reincludes_below(source, &child) => {
                digest_dir(source, &child, lines)?;
            }
            _ if ignored => {}
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&dir, &name, Vec::new())
                    .map_err(|error| failed(error.into()))?;
                lines.push(format!(
                    "link {} \"{}\"",
                    quoted(&child),
                    target.as_bytes().escape_ascii()
                ));
            }
            FileType::RegularFile => digest_file(source, &child, &stat, lines)?,
            other => lines.push(format!("{other:?} {} {}", quoted(&child), stat.st_rdev)),
        }
    }
    Ok(())
}

fn digest_file(
    source: &Source<'_>,
    path: &Path,
    stat: &rustix::fs::Stat,
    lines: &mut Vec<String>,
) -> Result<(), SelectError> {
    let failed = |error| SelectError::Io(path.to_path_buf(), error);
    let mut file = source.tree.file(path).map_err(failed)?;
    let mut hasher = Hasher::new();
    io::copy(&mut file, &mut hasher).map_err(failed)?;
    lines.push(format!(
        "file {} {} {}",
        quoted(path),
        attributes(source, stat),
        hasher.finish()
    ));
    Ok(())
}

fn attributes(source: &Source<'_>, stat: &rustix::fs::Stat) -> String {
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
    paths: &mut Vec<PathBuf>,
) -> Result<(), SelectError> {
    let Some((first, rest)) = rest.split_first() else {
        if !is_ignored(source, at) || reincludes_below(source, at) {
            paths.push(at.to_path_buf());
        }
        return Ok(());
    };
    if !is_pattern(first) {
        let next = at.join(first);
        if source.tree.stat(&next).is_ok() {
            expand(source, &next, rest, paths)?;
        }
        return Ok(());
    }
    let dir = match source.tree.dir(at) {
        Ok(dir) => dir,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(SelectError::Io(at.to_path_buf(), error)),
    };
    for name in names(&dir).map_err(|error| SelectError::Io(at.to_path_buf(), error))? {
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
                .map(|path| path.display().to_string())
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
}
