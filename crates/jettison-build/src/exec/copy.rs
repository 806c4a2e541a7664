//! COPY, ADD and WORKDIR, without a mount.
//!
//! ```text
//! sources ─prepare─► CopyWork ─onto(merged lowers)─► Changes ─write─► upper directory, layer
//!                       └─ contents: what the cache key needs
//! ```
//!
//! Times never come from the clock: copied files keep theirs, a directory that is given what is in another one gets that one's,
//! directories that are made on the way are from 1970, and other directories keep the time that they had.

mod changes;
mod contents;
mod known;
mod mode;
mod owner;
mod pattern;
mod place;
mod rules;
mod select;
mod unpack;
mod walked;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use jettison_oci::LayerError;

use crate::context::ContextError;
use crate::exec::copy::changes::Draft;
use crate::exec::copy::mode::ModeRule;
use crate::exec::copy::owner::{has_names, owner};
use crate::exec::copy::place::{Placer, write_error};
use crate::exec::copy::rules::SourceRules;
use crate::exec::copy::select::{Inside, Selected, all, check_links, check_sent, select};
use crate::exec::files::{FileKind, Meta, Node, shown};
use crate::exec::merged::Merged;
use crate::exec::plain::PlainFiles;
use crate::plan::{Archives, CopyDefinition, CopyItem, WorkdirDefinition};
use crate::remotes::{Checkout, GitCommit, RemoteError, RemoteFile};

pub(crate) use crate::exec::copy::changes::{ChangedPath, Changes};
pub(crate) use crate::exec::copy::known::Unread;
pub(crate) use crate::exec::copy::select::Source;
pub(crate) use crate::exec::copy::write::{Outputs, Owners};

/// An address as it may be shown.
fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://xxxxx@{host}{path}"),
        None => address.to_owned(),
    }
}

/// Why something could not be copied. The messages are BuildKit's where it has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyFailure {
    #[error("failed to compute cache key: \"{0}\": not found")]
    Missing(String),
    /// The same where BuildKit finds out when it copies.
    #[error("lstat {0}: no such file or directory")]
    NotThere(String),
    #[error("failed to compute cache key: {0}")]
    Context(ContextError),
    #[error("cannot fetch {}", without_credentials(.0))]
    Fetch(String, #[source] RemoteError),
    /// The instruction asks for something that there is not.
    #[error("{0}")]
    Invalid(String),
    /// The destination does not allow it.
    #[error("{0}")]
    Refused(String),
    #[error("cannot read /{}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot copy to /{}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot unpack the archive")]
    Archive(#[source] LayerError),
    #[error("cannot write the layer")]
    Layer(#[source] LayerError),
}

impl CopyFailure {
    /// The same failure to find `text`, as it is when BuildKit finds out.
    fn when(self, rules: &SourceRules, source: Source<'_>, text: &str) -> CopyFailure {
        let path = match &self {
            CopyFailure::Missing(path) => path.clone(),
            CopyFailure::Context(
                ContextError::NotFound { path } | ContextError::LeftOut { path },
            ) => shown(path),
            CopyFailure::Context(_)
            | CopyFailure::NotThere(_)
            | CopyFailure::Fetch(..)
            | CopyFailure::Invalid(_)
            | CopyFailure::Refused(_)
            | CopyFailure::Read { .. }
            | CopyFailure::Write { .. }
            | CopyFailure::Archive(_)
            | CopyFailure::Layer(_) => return self,
        };
        if rules.finds_missing_late(source, text, &path) {
            CopyFailure::NotThere(path)
        } else {
            self
        }
    }
}

/// When BuildKit finds out that a plain path is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingPath {
    /// When it makes a key of what is copied.
    FoundEarly,
    /// When it copies, for which `--parents` makes a pattern of the path: it makes no such key of an empty stage, nor of
    /// files that are copied onto themselves (solver/edge.go, `skipPhase2SlowCache`).
    FoundLate,
}

/// What was fetched for one of a copy's sources.
#[derive(Clone, Debug)]
pub(crate) enum Fetched {
    File(RemoteFile),
    Git(Checkout),
    /// The commit alone, which is enough for a key and for nothing else.
    Commit(GitCommit),
}

/// A copy whose sources have been found.
#[derive(Debug)]
pub(crate) struct CopyWork<'a> {
    definition: &'a CopyDefinition,
    mode: ModeRule,
    source: Source<'a>,
    selected: Vec<Selected>,
}

impl<'a> CopyWork<'a> {
    /// Finds the sources of a copy. `beside` has the paths of all copies of the build from the same place, and `fetched` has what the network gave for those that are addresses, in their order.
    pub(crate) fn prepare(
        definition: &'a CopyDefinition,
        (source, missing): (Source<'a>, MissingPath),
        beside: &[&str],
        fetched: &[Fetched],
    ) -> Result<CopyWork<'a>, CopyFailure> {
        let chown = definition.chown.as_deref().unwrap_or_default();
        if definition.is_linked && has_names(chown) {
            // BuildKit: `dispatchCopy`, dockerfile2llb/convert_copy.go.
            return Err(CopyFailure::Invalid(format!(
                "--chown={chown}: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead"
            )));
        }
        let mode = ModeRule::parse(definition.chmod.as_ref()).map_err(CopyFailure::Invalid)?;
        let rules = SourceRules::of(definition, missing)?;
        let (local, remote) = match definition.archives {
            Archives::Kept => (false, false),
            Archives::LocalUnpacked => (true, false),
            Archives::Unpacked => (true, true),
        };
        let mut fetched = fetched.iter();
        let mut selected = Vec::new();
        for item in &definition.sources {
            match item {
                CopyItem::Path(path) => {
                    let found = match select(source, path, &rules) {
                        Err(failure) => return Err(failure.when(&rules, source, path)),
                        Ok(found) => found,
                    };
                    check_links(source, path, &rules, &found)?;
                    if found.is_empty() || rules.keeps_parents() {
                        check_sent(source, path, &rules, beside)?;
                    }
                    selected.extend(found.into_iter().map(|selected| Selected {
                        unpacks: local,
                        ..selected
                    }));
                }
                CopyItem::Text { .. } => {}
                CopyItem::File(_) | CopyItem::Git(_) => {
                    let fetched = fetched.next().ok_or_else(|| not_fetched(item))?;
                    selected.push(remote_source(item, fetched, remote)?);
                }
            }
        }
        // Texts come last, wherever they stand (BuildKit: `dispatchCopy`).
        for item in &definition.sources {
            if let CopyItem::Text { name, content } = item {
                let node = Node::of_text(content.as_bytes(), 0o644);
                selected.push(single(Path::new(name), node));
            }
        }
        Ok(CopyWork {
            definition,
            mode,
            source,
            selected,
        })
    }

    /// What the copy changes on top of `below`. With `--link` that is not looked at. What archives hold is kept in files without
    /// names in the directory `scratch` as long as the changes live.
    pub(crate) fn onto(&self, below: &Merged, scratch: &Path) -> Result<Changes, CopyFailure> {
        let nothing = Merged::default();
        let below = if self.definition.is_independent() {
            &nothing
        } else {
            below
        };
        let owner = match &self.definition.chown {
            Some(text) => Some(owner(below, text).map_err(write_error(Path::new("")))?),
            None => None,
        };
        let mut placer = Placer {
            draft: Draft::new(below),
            owner,
            mode: self.mode.clone(),
            time: 0,
        };
        for selected in &self.selected {
            placer.place(selected, &self.definition.destination, scratch)?;
        }
        Ok(placer.draft.finish())
    }
}

/// What making a working directory changes on top of `below`: it and its missing parents belong to the user who works there.
pub(crate) fn workdir(
    definition: &WorkdirDefinition,
    below: &Merged,
) -> Result<Changes, CopyFailure> {
    let path = Path::new(&definition.path);
    let owner = owner(below, &definition.user).map_err(write_error(path))?;
    let mut placer = Placer {
        draft: Draft::new(below),
        owner: Some(owner),
        mode: ModeRule::Kept,
        time: definition.time.unwrap_or_default(),
    };
    let real = placer.real(path)?;
    placer.make_directories(&real, 0o755, Some(owner))?;
    Ok(placer.draft.finish())
}

/// A file that is called `name` as a source.
fn single(name: &Path, node: Node) -> Selected {
    Selected {
        named: name.to_path_buf(),
        node,
        inside: Inside::Found(Vec::new()),
        gives_contents: false,
        unpacks: false,
        key: None,
    }
}

fn remote_source(
    item: &CopyItem,
    fetched: &Fetched,
    unpacks: bool,
) -> Result<Selected, CopyFailure> {
    match (item, fetched) {
        (CopyItem::File(request), Fetched::File(file)) => {
            let directory = file.path.parent().unwrap_or(Path::new("/"));
            let files = PlainFiles::open(directory, None).map_err(read_error(&file.path))?;
            let name = Path::new(file.path.file_name().unwrap_or_default());
            let node = crate::exec::files::Lookup::node(&files, name);
            let node = node
                .map_err(read_error(&file.path))?
                .filter(|node| node.meta.kind == FileKind::File)
                .ok_or_else(|| read_error(&file.path)(io::ErrorKind::NotFound.into()))?;
            // BuildKit: source/http, `save`.
            let meta = Meta {
                mtime: (file.last_modified.unwrap_or_default(), 0),
                size: node.meta.size,
                inode: node.meta.inode,
                ..Meta::new(FileKind::File, 0o600)
            };
            let node = Node {
                meta,
                xattrs: Some(std::sync::Arc::default()),
                ..node
            };
            let name = file_name(&request.url);
            let key = format!("file {name:?} {}\n", file.digest);
            Ok(Selected {
                unpacks,
                key: Some(key),
                ..single(Path::new(&name), node)
            })
        }
        (CopyItem::Git(_), Fetched::Git(checkout)) => {
            let files = PlainFiles::open(&checkout.dir, None).map_err(read_error(&checkout.dir))?;
            all(&files)
        }
        (CopyItem::Git(_), Fetched::Commit(commit)) => {
            let GitCommit { reference, commit } = commit;
            Ok(Selected {
                key: Some(format!("git {commit:?} {reference:?}\n")),
                ..single(Path::new(""), Node::of_text(b"", 0))
            })
        }
        _ => Err(not_fetched(item)),
    }
}

/// The name of a downloaded file: the last of its URL's path (BuildKit: `dispatchCopy`).
fn file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let path = decoded(path);
    let name = path.trim_end_matches('/').rsplit('/').next();
    match name.unwrap_or_default() {
        "" | "." => "__unnamed__".to_owned(),
        name => name.to_owned(),
    }
}

/// A path with what is escaped in it by `%`.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(byte)) = (first, escaped) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn not_fetched(item: &CopyItem) -> CopyFailure {
    let what = match item {
        CopyItem::Path(path) => path,
        CopyItem::Text { name, .. } => name,
        CopyItem::File(request) => &request.url,
        CopyItem::Git(request) => &request.remote,
    };
    CopyFailure::Invalid(format!("{what} was not fetched"))
}

fn read_error(path: &Path) -> impl Fn(io::Error) -> CopyFailure + '_ {
    move |source| CopyFailure::Read {
        path: path.to_path_buf(),
        source,
    }
}
