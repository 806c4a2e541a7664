//! Finding the sources of a copy and what is below them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jettison_dockerfile::IgnoreFile;
use jettison_oci::Digest;

use crate::exec::copy::CopyFailure;
use crate::exec::copy::pattern::{is_pattern, matches};
use crate::exec::copy::rules::SourceRules;
use crate::exec::files::{FileKind, Files, LastLink, Node, clean, resolve, shown};

/// Where a copy's paths are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) files: &'a dyn Files,
    /// Whether owners are kept; the context's files belong to root.
    pub(crate) keeps_owners: bool,
}

/// One source, with all that is below it and is to be copied.
#[derive(Debug)]
pub(crate) struct Selected {
    /// As the instruction names it; a copied file is called as this is.
    pub(crate) named: PathBuf,
    /// What that leads to.
    pub(crate) node: Node,
    /// What is in it if it is a directory, each directory before what is in it.
    pub(crate) found: Vec<Found>,
    /// Whether a directory gives what is in it to a directory that is made for it, and not itself.
    pub(crate) gives_contents: bool,
    /// Whether it is unpacked if it is an archive.
    pub(crate) unpacks: bool,
    /// The digest of its content, if it is a file and the digest is known.
    pub(crate) digest: KnownDigest,
}

/// Something below a copied directory.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path below that directory.
    pub(crate) relative: PathBuf,
    pub(crate) node: Node,
    /// Whether it is wanted itself, and not only as the directory of something that is.
    pub(crate) is_wanted: bool,
    pub(crate) digest: KnownDigest,
}

/// A digest that is found out when it is needed.
#[derive(Debug, Default)]
pub(crate) struct KnownDigest(Mutex<Option<Digest>>);

impl KnownDigest {
    pub(crate) fn get(&self) -> Option<Digest> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, digest: Digest) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }
}

/// Finds what the path or pattern `text` stands for. A pattern that matches nothing is fine; a plain path is not.
pub(crate) fn select(
    source: Source<'_>,
    text: &str,
    rules: &SourceRules,
) -> Result<Vec<Selected>, CopyFailure> {
    let (top, wanted) = rules.split(text)?;
    if let Some(required) = &wanted.required {
        // Links are not followed here, and the top itself is never found (observed).
        let found = source.files.node(required).map_err(read_error(required))?;
        let is_top = wanted.only_below.as_deref() == Some(Path::new(""));
        if found.is_none() || is_top {
            return Err(missing(required));
        }
    }
    let cleaned = clean(Path::new(&top));
    let paths = if is_pattern(&cleaned) {
        expand(source, &cleaned)?
    } else {
        vec![cleaned]
    };
    let mut selected = Vec::new();
    for named in paths {
        let real = resolve(source.files, &named, LastLink::Followed).map_err(read_error(&named))?;
        let Some(node) = source.files.node(&real).map_err(read_error(&real))? else {
            let is_ignored = [&named, &real]
                .iter()
                .any(|path| source.files.is_left_out(path));
            return Err(match is_ignored {
                true => CopyFailure::Ignored(shown(&named)),
                false => missing(&named),
            });
        };
        let found = match node.meta.is_dir() {
            true => walk(source, &real, &wanted)?,
            false => Vec::new(),
        };
        let node = owned(source, node);
        selected.push(Selected {
            named,
            node,
            found,
            gives_contents: true,
            unpacks: false,
            digest: KnownDigest::default(),
        });
    }
    Ok(selected)
}

/// All that is in a source's top.
pub(crate) fn all(source: Source<'_>) -> Result<Selected, CopyFailure> {
    let top = Path::new("");
    let node = source.files.node(top).map_err(read_error(top))?;
    let node = owned(source, node.ok_or_else(|| missing(top))?);
    Ok(Selected {
        named: top.to_path_buf(),
        node,
        found: walk(source, top, &Wanted::default())?,
        gives_contents: false,
        unpacks: false,
        digest: KnownDigest::default(),
    })
}

/// What of a directory is wanted.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What it has to match, if there is something.
    pub(crate) included: Option<IgnoreFile>,
    /// What it must not match.
    pub(crate) excluded: Option<IgnoreFile>,
    /// The path that leads to all that can match, if there is one.
    pub(crate) only_below: Option<PathBuf>,
    /// What has to exist.
    pub(crate) required: Option<PathBuf>,
}

impl Wanted {
    fn is_included(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        let is_excluded = self
            .excluded
            .as_ref()
            .is_some_and(|patterns| patterns.is_ignored(&path));
        !is_excluded
            && self
                .included
                .as_ref()
                .is_none_or(|patterns| patterns.is_ignored(&path))
    }

    /// Whether something below a directory may be included that is not included itself.
    fn may_include_below(&self, path: &Path) -> bool {
        let is_on_the_way = self
            .only_below
            .as_ref()
            .is_none_or(|only| only.starts_with(path) || path.starts_with(only));
        let path = path.to_string_lossy();
        let stays_excluded = self
            .excluded
            .as_ref()
            .is_some_and(|patterns| patterns.is_ignored(&path) && !patterns.has_exceptions());
        is_on_the_way && !stays_excluded
    }
}

/// What is to be copied of the contents of the directory `real`.
fn walk(source: Source<'_>, real: &Path, wanted: &Wanted) -> Result<Vec<Found>, CopyFailure> {
    let mut found = Vec::new();
    walk_below(source, (real, Path::new("")), wanted, &mut found)?;
    Ok(found)
}

fn walk_below(
    source: Source<'_>,
    (real, below): (&Path, &Path),
    wanted: &Wanted,
    found: &mut Vec<Found>,
) -> Result<(), CopyFailure> {
    let path = real.join(below);
    let listed = source.files.list(&path).map_err(read_error(&path))?;
    for (name, node) in listed {
        let relative = below.join(&name);
        let is_wanted = wanted.is_included(&relative);
        match node.meta.kind {
            FileKind::Directory => {
                if !is_wanted && !wanted.may_include_below(&relative) {
                    continue;
                }
                let before = found.len();
                found.push(Found {
                    relative: relative.clone(),
                    node: owned(source, node),
                    is_wanted,
                    digest: KnownDigest::default(),
                });
                walk_below(source, (real, &relative), wanted, found)?;
                if !is_wanted && found.len() == before + 1 {
                    found.truncate(before);
                }
            }
            // A layer cannot have sockets.
            FileKind::Socket => {}
            FileKind::File
            | FileKind::Symlink
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice => {
                if is_wanted {
                    found.push(Found {
                        relative,
                        node: owned(source, node),
                        is_wanted,
                        digest: KnownDigest::default(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// The file with the owner that its copy gets if nothing else is said.
fn owned(source: Source<'_>, mut node: Node) -> Node {
    if !source.keeps_owners {
        (node.meta.uid, node.meta.gid) = (0, 0);
    }
    node
}

/// The paths that match a pattern, sorted. Links are followed before the first name that has a special character and
/// not after it (fsutil, copy/copy.go: `ResolveWildcards`).
fn expand(source: Source<'_>, pattern: &Path) -> Result<Vec<PathBuf>, CopyFailure> {
    let files = source.files;
    let parts: Vec<String> = pattern
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let n_plain = parts
        .iter()
        .take_while(|part| !is_pattern(Path::new(part)))
        .count();
    let (plain, special) = parts.split_at(n_plain);
    let start: PathBuf = plain.iter().collect();
    let real = resolve(files, &start, LastLink::Followed).map_err(read_error(&start))?;
    let node = files.node(&real).map_err(read_error(&real))?;
    if node.is_none() {
        return Err(missing(&start));
    }
    let mut paths = Vec::new();
    expand_below(files, &real, special, &mut paths)?;
    Ok(paths)
}

fn expand_below(
    files: &dyn Files,
    at: &Path,
    patterns: &[String],
    paths: &mut Vec<PathBuf>,
) -> Result<(), CopyFailure> {
    let Some((first, rest)) = patterns.split_first() else {
        paths.push(at.to_path_buf());
        return Ok(());
    };
    let node = files.node(at).map_err(read_error(at))?;
    if !node.is_some_and(|node| node.meta.is_dir()) {
        return Ok(());
    }
    for (name, _) in files.list(at).map_err(read_error(at))? {
        if matches(first, &name.to_string_lossy()) {
            expand_below(files, &at.join(&name), rest, paths)?;
        }
    }
    Ok(())
}

fn missing(path: &Path) -> CopyFailure {
    CopyFailure::Missing(shown(path))
}

fn read_error(path: &Path) -> impl Fn(io::Error) -> CopyFailure + '_ {
    move |source| CopyFailure::Read {
        path: path.to_path_buf(),
        source,
    }
}
