//! Sources in a build context, whose walk and whose digests are remembered.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jettison_dockerfile::IgnoreFile;

use crate::context::{BuildContext, ContextError, ContextTree, Entries, Entry, EntryKind};
use crate::exec::copy::CopyFailure;
use crate::exec::copy::pattern::{is_pattern, matches};
use crate::exec::copy::select::{Inside, Selected, Wanted, missing, read_error, split_pattern};
use crate::exec::files::{Meta, Node, Origin, Root, clean};

/// A part of a context that was walked through.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) entries: Entries,
    root: Arc<Root>,
    /// Which entries are copied, by their numbers; all if absent.
    copied: Option<Vec<Copied>>,
}

/// Whether an entry is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    No,
    Yes,
    /// Only because something in it is.
    ForOthers,
}

impl Walked {
    fn new(entries: Entries, root: &Arc<Root>, excluded: Option<&IgnoreFile>) -> Walked {
        let copied = excluded.map(|excluded| copied(&entries, excluded));
        Walked {
            entries,
            root: Arc::clone(root),
            copied,
        }
    }

    /// Calls `see` with everything that is copied, its path below the first, and whether it is wanted itself.
    pub(crate) fn each(
        &self,
        mut see: impl FnMut(Entry<'_>, &[u8], bool) -> Result<(), CopyFailure>,
    ) -> Result<(), CopyFailure> {
        self.entries.each(|entry, path| {
            let copied = self.copied.as_ref();
            match copied.map_or(Copied::Yes, |copied| copied[entry.index()]) {
                Copied::No => Ok(()),
                Copied::Yes => see(entry, path, true),
                Copied::ForOthers => see(entry, path, false),
            }
        })
    }

    /// The numbers of the regular files that are copied.
    pub(crate) fn is_copied(&self, entry: usize) -> bool {
        let copied = self.copied.as_ref();
        copied.is_none_or(|copied| copied[entry] == Copied::Yes)
    }

    /// A file of it.
    pub(crate) fn node(&self, entry: &Entry<'_>) -> Node {
        node(&self.root, entry)
    }
}

fn node(root: &Arc<Root>, entry: &Entry<'_>) -> Node {
    let meta = Meta::of_entry(entry);
    if entry.kind() == EntryKind::Link {
        return Node {
            meta,
            origin: Origin::Text(entry.target().as_bytes().into()),
            xattrs: None,
        };
    }
    if entry.kind() == EntryKind::Socket {
        return Node {
            meta,
            ..Node::of_text(b"", 0)
        };
    }
    Node::in_context(root, entry.context_path(), meta)
}

/// What is copied of `entries` if `excluded` is not.
fn copied(entries: &Entries, excluded: &IgnoreFile) -> Vec<Copied> {
    let mut copied = vec![Copied::Yes; entries.n_entries()];
    let seen: Result<(), std::convert::Infallible> = entries.each(|entry, path| {
        let path = String::from_utf8_lossy(path);
        if !path.is_empty() && excluded.is_ignored(&path) {
            copied[entry.index()] = Copied::No;
        }
        Ok(())
    });
    match seen {
        Ok(()) => {}
    }
    for index in (0..copied.len()).rev() {
        let inside = index + 1..entries.get(index).end();
        if copied[index] == Copied::No && copied[inside].contains(&Copied::Yes) {
            copied[index] = Copied::ForOthers;
        }
    }
    copied
}

/// Finds what the path or pattern `top` stands for in a context.
pub(crate) fn select_in_context(
    context: &BuildContext,
    tree: &ContextTree<'_>,
    top: &str,
    wanted: Wanted,
) -> Result<Vec<Selected>, CopyFailure> {
    let root = Root::open(context.root()).map_err(read_error(context.root()))?;
    let root = Arc::new(root);
    let cleaned = clean(Path::new(top));
    let paths = if is_pattern(&cleaned) {
        expand(tree, &cleaned)?
    } else {
        vec![cleaned]
    };
    let mut selected = Vec::new();
    for named in paths {
        let real = tree.real(&named).map_err(context_error)?;
        let entries = tree.walk(&real).map_err(context_error)?;
        let entries = entries.ok_or_else(|| missing(&named))?;
        let walked = Walked::new(entries, &root, wanted.excluded.as_ref());
        selected.push(Selected {
            node: walked.node(&walked.entries.root()),
            named,
            inside: Inside::Context(walked),
            gives_contents: true,
            unpacks: false,
            key: None,
        });
    }
    Ok(selected)
}

/// Whether a copy from `text` needs the directory `real` of the context, or something in it.
pub(super) fn is_sent_with(tree: &ContextTree<'_>, text: &str, real: &Path) -> bool {
    let text = text.split_once("**").map_or(text, |(start, _)| start);
    let path = clean(Path::new(text));
    let named = if is_pattern(&path) {
        expand(tree, &path).unwrap_or_default()
    } else {
        vec![path]
    };
    let mut named = named.iter().filter_map(|named| tree.real(named).ok());
    named.any(|named| named.starts_with(real) || real.starts_with(named))
}

/// The paths that match a pattern, sorted; as of other files, but that a directory that is not there is an error, and
/// so is a pattern that is none (BuildKit sends such patterns to the client).
fn expand(tree: &ContextTree<'_>, pattern: &Path) -> Result<Vec<PathBuf>, CopyFailure> {
    let (start, special) = split_pattern(pattern);
    for part in &special {
        IgnoreFile::parse(part).map_err(|error| CopyFailure::Invalid(error.to_string()))?;
    }
    let real = tree.real(&start).map_err(context_error)?;
    let mut paths = Vec::new();
    expand_below(tree, &real, &special, &mut paths)?;
    Ok(paths)
}

fn expand_below(
    tree: &ContextTree<'_>,
    at: &Path,
    patterns: &[String],
    paths: &mut Vec<PathBuf>,
) -> Result<(), CopyFailure> {
    let Some((first, rest)) = patterns.split_first() else {
        // An ignored directory may have nothing in it.
        if tree.walk(at).map_err(context_error)?.is_some() {
            paths.push(at.to_path_buf());
        }
        return Ok(());
    };
    for name in tree.names(at).map_err(context_error)? {
        if matches(first, &OsStr::to_string_lossy(&name)) {
            expand_below(tree, &at.join(&name), rest, paths)?;
        }
    }
    Ok(())
}

pub(super) fn context_error(error: ContextError) -> CopyFailure {
    CopyFailure::Context(error)
}
