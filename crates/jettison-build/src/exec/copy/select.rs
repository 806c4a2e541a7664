//! Finding the sources of a copy and what is below them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jettison_dockerfile::IgnoreFile;

use crate::context::{BuildContext, ContentIndex, ContextTree};
use crate::exec::copy::CopyFailure;
use crate::exec::copy::pattern::{is_pattern, matches};
use crate::exec::copy::rules::SourceRules;
use crate::exec::copy::walked::{Walked, context_error, is_sent_with, select_in_context};
use crate::exec::files::{FileKind, Files, Node, clean, resolve, shown};
use crate::exec::plain::PlainFiles;

/// Where a copy's paths are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// In a build context, whose files belong to root.
    Context {
        context: &'a BuildContext,
        tree: &'a ContextTree<'a>,
        index: &'a ContentIndex,
    },
    /// In another file system.
    Files(&'a dyn Files),
}

/// One source, with all that is below it and is to be copied.
#[derive(Debug)]
pub(crate) struct Selected {
    /// As the instruction names it; a copied file is called as this is.
    pub(crate) named: PathBuf,
    /// What that leads to.
    pub(crate) node: Node,
    /// What is in it if it is a directory.
    pub(crate) inside: Inside,
    /// Whether a directory gives what is in it to a directory that is made for it, and not itself.
    pub(crate) gives_contents: bool,
    /// Whether it is unpacked if it is an archive.
    pub(crate) unpacks: bool,
    /// What a cache key says of it, if that is not what is in it.
    pub(crate) key: Option<String>,
}

/// What is below a source.
#[derive(Debug)]
pub(crate) enum Inside {
    /// Each directory before what is in it.
    Found(Vec<Found>),
    /// A part of a context; of it, what is said to be wanted.
    Context(Walked),
}

/// Something below a copied directory.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path below that directory.
    pub(crate) relative: PathBuf,
    pub(crate) node: Node,
    /// Whether it is wanted itself, and not only as the directory of something that is.
    pub(crate) is_wanted: bool,
}

/// The same, wherever it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inner<'a> {
    pub(crate) relative: &'a Path,
    pub(crate) node: &'a Node,
    pub(crate) is_wanted: bool,
}

impl Inside {
    /// Calls `see` with everything, each directory before what is in it.
    pub(crate) fn each(
        &self,
        mut see: impl FnMut(Inner<'_>) -> Result<(), CopyFailure>,
    ) -> Result<(), CopyFailure> {
        match self {
            Inside::Found(found) => found.iter().try_for_each(|found| {
                see(Inner {
                    relative: &found.relative,
                    node: &found.node,
                    is_wanted: found.is_wanted,
                })
            }),
            Inside::Context(walked) => walked.each(|entry, path, is_wanted| {
                if path.is_empty() {
                    return Ok(());
                }
                let node = walked.node(&entry);
                see(Inner {
                    relative: Path::new(OsStr::from_bytes(path)),
                    node: &node,
                    is_wanted,
                })
            }),
        }
    }
}

/// Finds what the path or pattern `text` stands for. A pattern that matches nothing is fine; a plain path is not.
pub(crate) fn select(
    source: Source<'_>,
    text: &str,
    rules: &SourceRules,
) -> Result<Vec<Selected>, CopyFailure> {
    let (top, wanted) = rules.split(text)?;
    match source {
        Source::Context { tree, context, .. } if !rules.keeps_parents() => {
            select_in_context(context, tree, &top, wanted)
        }
        Source::Context { context, .. } => {
            let plain = PlainFiles::open(context.root(), context.ignore());
            let plain = plain.map_err(read_error(context.root()))?;
            select_files(&plain, &top, &wanted, Owned::ByRoot)
        }
        Source::Files(files) => select_files(files, &top, &wanted, Owned::AsTheyAre),
    }
}

/// Whose the copies are if nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    ByRoot,
    AsTheyAre,
}

fn select_files(
    files: &dyn Files,
    top: &str,
    wanted: &Wanted,
    owned: Owned,
) -> Result<Vec<Selected>, CopyFailure> {
    let cleaned = clean(Path::new(top));
    let paths = if is_pattern(&cleaned) {
        expand(files, &cleaned)?
    } else {
        vec![cleaned]
    };
    let mut selected = Vec::new();
    for named in paths {
        let real = resolve(files, &named).map_err(read_error(&named))?;
        let node = files.node(&real).map_err(read_error(&real))?;
        let node = node.ok_or_else(|| missing(&named))?;
        let found = if node.meta.is_dir() {
            walk((files, owned), &real, wanted)?
        } else {
            Vec::new()
        };
        selected.push(Selected {
            named,
            node: owned.node(node),
            inside: Inside::Found(found),
            gives_contents: true,
            unpacks: false,
            key: None,
        });
    }
    match &wanted.required {
        Some(required) if !has_wanted(&selected, required) => Err(missing(required)),
        Some(_) | None => Ok(selected),
    }
}

/// Whether something is wanted whose path begins so. The tops themselves do not count, and names may be longer (BuildKit:
/// `includedPaths`, cache/contenthash).
fn has_wanted(selected: &[Selected], required: &Path) -> bool {
    let start = required.as_os_str().as_bytes();
    selected.iter().any(|selected| match &selected.inside {
        Inside::Found(found) => found.iter().any(|found| {
            let path = selected.named.join(&found.relative);
            found.is_wanted && path.as_os_str().as_bytes().starts_with(start)
        }),
        Inside::Context(_) => false,
    })
}

/// Refuses links that lead to nothing where the rules say so.
pub(crate) fn check_links(
    source: Source<'_>,
    text: &str,
    rules: &SourceRules,
    selected: &[Selected],
) -> Result<(), CopyFailure> {
    let (top, _) = rules.split(text)?;
    if !rules.follows_links_in(&top) {
        return Ok(());
    }
    for selected in selected {
        selected.inside.each(|found| {
            let is_beside = found.relative.components().nth(1).is_none();
            if !found.is_wanted || !is_beside || found.node.meta.kind != FileKind::Symlink {
                return Ok(());
            }
            let is_there = match source {
                Source::Context { tree, .. } => tree.real(found.relative).is_ok(),
                Source::Files(files) => resolve(files, found.relative)
                    .and_then(|real| files.node(&real))
                    .is_ok_and(|node| node.is_some()),
            };
            is_there
                .then_some(())
                .ok_or_else(|| missing(found.relative))
        })?;
    }
    Ok(())
}

/// Refuses a pattern that matches nothing in a directory that BuildKit's client would not send: it sends what the
/// instructions name, and the directories above that (fsutil: `FollowLinks` and include patterns).
pub(crate) fn check_sent(
    source: Source<'_>,
    text: &str,
    rules: &SourceRules,
    beside: &[&str],
) -> Result<(), CopyFailure> {
    let Source::Context { tree, .. } = source else {
        return Ok(());
    };
    let (top, _) = rules.split(text)?;
    let top = clean(Path::new(&top));
    let (start, _) = split_pattern(&top);
    if start.as_os_str().is_empty() || (!is_pattern(&top) && !rules.keeps_parents()) {
        return Ok(());
    }
    let real = tree.real(&start).map_err(context_error)?;
    let is_sent = beside.iter().any(|other| is_sent_with(tree, other, &real));
    is_sent
        .then_some(())
        .ok_or_else(|| CopyFailure::NotThere(shown(&real)))
}

/// All files of a checkout.
pub(crate) fn all(files: &dyn Files) -> Result<Selected, CopyFailure> {
    let top = Path::new("");
    let node = files.node(top).map_err(read_error(top))?;
    let found = walk((files, Owned::ByRoot), top, &Wanted::default())?;
    Ok(Selected {
        named: top.to_path_buf(),
        node: Owned::ByRoot.node(node.ok_or_else(|| missing(top))?),
        inside: Inside::Found(found),
        gives_contents: false,
        unpacks: false,
        key: None,
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
    pub(super) fn is_included(&self, path: &Path) -> bool {
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
fn walk(
    source: (&dyn Files, Owned),
    real: &Path,
    wanted: &Wanted,
) -> Result<Vec<Found>, CopyFailure> {
    let mut found = Vec::new();
    walk_below(source, (real, Path::new("")), wanted, &mut found)?;
    Ok(found)
}

fn walk_below(
    source: (&dyn Files, Owned),
    (real, below): (&Path, &Path),
    wanted: &Wanted,
    found: &mut Vec<Found>,
) -> Result<(), CopyFailure> {
    let path = real.join(below);
    let (files, owned) = source;
    let listed = files.list(&path).map_err(read_error(&path))?;
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
                    node: owned.node(node),
                    is_wanted,
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
                        node: owned.node(node),
                        is_wanted,
                    });
                }
            }
        }
    }
    Ok(())
}

impl Owned {
    fn node(self, mut node: Node) -> Node {
        if self == Owned::ByRoot {
            (node.meta.uid, node.meta.gid) = (0, 0);
        }
        node
    }
}

/// The paths that match a pattern, sorted. Links are followed before the first name that has a special character and
/// not after it (fsutil, copy/copy.go: `ResolveWildcards`).
fn expand(files: &dyn Files, pattern: &Path) -> Result<Vec<PathBuf>, CopyFailure> {
    let (start, special) = split_pattern(pattern);
    let real = resolve(files, &start).map_err(read_error(&start))?;
    let node = files.node(&real).map_err(read_error(&real))?;
    if node.is_none() {
        return Err(missing(&start));
    }
    let mut paths = Vec::new();
    expand_below(files, &real, &special, &mut paths)?;
    Ok(paths)
}

/// What of a pattern has no special characters, up to the first name that has some, and the rest.
pub(super) fn split_pattern(pattern: &Path) -> (PathBuf, Vec<String>) {
    let parts: Vec<String> = pattern
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let n_plain = parts
        .iter()
        .take_while(|part| !is_pattern(Path::new(part)))
        .count();
    let (plain, special) = parts.split_at(n_plain);
    (plain.iter().collect(), special.to_vec())
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

pub(super) fn missing(path: &Path) -> CopyFailure {
    CopyFailure::Missing(shown(path))
}

pub(super) fn read_error(path: &Path) -> impl Fn(io::Error) -> CopyFailure + '_ {
    move |source| CopyFailure::Read {
        path: path.to_path_buf(),
        source,
    }
}
