//! The context as the instructions see it: without what the ignore file leaves out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jettison_dockerfile::IgnoreDirectory;
use rustix::fs::{Mode, OFlags, Stat};

use crate::context::BuildContext;
use crate::context::entries::Node;
use crate::context::entries::{Entries, Entry, EntryKind, Table, Walked};
use crate::context::error::ContextError;
use crate::context::identity::FileIdentity;
use crate::context::open::open_below;
use crate::context::table::assemble;
use crate::context::walk::read_directories;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// An open context. What has been walked through once is remembered, so that the whole build sees one state of it.
#[derive(Debug)]
pub struct ContextTree<'a> {
    context: &'a BuildContext,
    root: OwnedFd,
    walked: Mutex<Vec<Entries>>,
}

/// An open file, and what it was known by when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: File,
    /// Its metadata then.
    pub stat: Stat,
}

impl<'a> ContextTree<'a> {
    /// Opens the directory of `context`.
    pub fn open(context: &'a BuildContext) -> io::Result<ContextTree<'a>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(context.root(), flags, Mode::empty())?;
        Ok(ContextTree {
            context,
            root,
            walked: Mutex::default(),
        })
    }

    /// What was opened.
    pub fn context(&self) -> &'a BuildContext {
        self.context
    }

    /// The context's directory.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// What is at `path` and below it, no link followed; `None` if the context has nothing there.
    pub fn walk(&self, path: &Path) -> Result<Option<Entries>, ContextError> {
        let path = clean(path);
        match self.walked(&path) {
            Walked::Found(entries) => return Ok(Some(entries)),
            Walked::Nothing => return Ok(None),
            Walked::Elsewhere => {}
        }
        let Some(table) = self.table(&path)? else {
            return Ok(None);
        };
        let entries = Entries::of(Arc::new(table));
        let mut walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        // What is part of it is found in it from now on.
        walked.retain(|known| !known.root().context_path().starts_with(&path));
        walked.push(entries.clone());
        Ok(Some(entries))
    }

    /// What walks have found at a clean path.
    pub(super) fn walked(&self, path: &Path) -> Walked {
        let walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = walked.iter().map(|entries| entries.at(path));
        known
            .find(|known| !matches!(known, Walked::Elsewhere))
            .unwrap_or(Walked::Elsewhere)
    }

    fn table(&self, path: &Path) -> Result<Option<Table>, ContextError> {
        let Some((kind, stat, ignore)) = self.look(path)? else {
            return Ok(None);
        };
        if kind != EntryKind::Directory {
            let target = match kind {
                EntryKind::Link => Some(self.link(path)?.into_vec().into_boxed_slice()),
                EntryKind::Directory
                | EntryKind::File
                | EntryKind::Fifo
                | EntryKind::CharacterDevice
                | EntryKind::BlockDevice
                | EntryKind::Socket => None,
            };
            return Ok(Some(Table::of_file(path, Node::new(kind, &stat), target)));
        }
        let listings = read_directories(&self.root, path, ignore)?;
        let mut table = assemble(path, listings)?;
        if path.as_os_str().is_empty()
            && let Some(root) = table.nodes.first_mut()
        {
            (root.mode, root.extra) = (0o755, 0);
        }
        Ok((!table.nodes.is_empty()).then_some(table))
    }

    /// Looks at a clean path; `None` if there is nothing, or something that is left out. An ignored directory is not, if
    /// something in it may have been taken back in.
    fn look(
        &self,
        path: &Path,
    ) -> Result<Option<(EntryKind, Stat, Option<IgnoreDirectory<'a>>)>, ContextError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let stat = open_below(&self.root, path, flags).and_then(|fd| Ok(rustix::fs::fstat(fd)?));
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) if is_nothing(&error) => return Ok(None),
            Err(error) => return Err(ContextError::of("open", path, error)),
        };
        let Some(kind) = EntryKind::of(crate::tree::kind(&stat)) else {
            return Ok(None);
        };
        let Some(ignore) = self.context.ignore() else {
            return Ok(Some((kind, stat, None)));
        };
        let mut at = ignore.top();
        let (Some(name), parent) = (path.file_name(), path.parent().unwrap_or(Path::new("")))
        else {
            return Ok(Some((kind, stat, Some(at))));
        };
        for part in parent {
            let Some(inner) = at.enter(&part.to_string_lossy()) else {
                return Ok(None);
            };
            at = inner;
        }
        let name = name.to_string_lossy();
        Ok(match kind {
            EntryKind::Directory => at.enter(&name).map(|inner| (kind, stat, Some(inner))),
            EntryKind::File
            | EntryKind::Link
            | EntryKind::Fifo
            | EntryKind::CharacterDevice
            | EntryKind::BlockDevice
            | EntryKind::Socket => (!at.leaves_out(&name)).then_some((kind, stat, None)),
        })
    }

    /// Where `path` leads to: the same file without a link on the way or at the end. `..` and absolute links stay in the
    /// context. Every link on the way must be in the context, too.
    pub fn real(&self, path: &Path) -> Result<PathBuf, ContextError> {
        let named = clean(path);
        let not_found = || ContextError::NotFound {
            path: named.clone(),
        };
        let mut at = PathBuf::new();
        let mut rest: Vec<OsString> = parts(&named);
        let mut n_links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(&name);
            let Some((kind, ..)) = self.look(&at)? else {
                return Err(self.missing(&at, &named));
            };
            match kind {
                EntryKind::Directory => {}
                EntryKind::Link => {
                    n_links += 1;
                    if n_links > MOST_LINKS {
                        let source = std::io::Error::other("too many links");
                        let action = "follow the links of";
                        let path = named;
                        return Err(ContextError::Io {
                            action,
                            path,
                            source,
                        });
                    }
                    let target = PathBuf::from(self.link(&at)?);
                    at.pop();
                    if target.is_absolute() {
                        at = PathBuf::new();
                    }
                    rest.extend(parts(&target));
                }
                EntryKind::File
                | EntryKind::Fifo
                | EntryKind::CharacterDevice
                | EntryKind::BlockDevice
                | EntryKind::Socket => {
                    if !rest.is_empty() {
                        return Err(not_found());
                    }
                }
            }
        }
        Ok(at)
    }

    /// The error for a path on which the context has nothing at `at`.
    fn missing(&self, at: &Path, named: &Path) -> ContextError {
        let path = named.to_path_buf();
        let is_there = open_below(&self.root, at, OFlags::PATH | OFlags::NOFOLLOW).is_ok();
        if is_there {
            ContextError::LeftOut { path }
        } else {
            ContextError::NotFound { path }
        }
    }

    /// The names that the context may have in a directory, sorted by their bytes; none if it has no such directory. Those of
    /// ignored directories that have nothing in them are among them.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, ContextError> {
        let path = clean(path);
        let Some((EntryKind::Directory, _, ignore)) = self.look(&path)? else {
            return Ok(Vec::new());
        };
        let failed = |error| ContextError::of("read", &path, error);
        let dir = open_below(&self.root, &path, crate::context::open::DIRECTORY).map_err(failed)?;
        let mut names = crate::tree::names(dir).map_err(failed)?;
        if let Some(ignore) = ignore {
            names.retain(|name| {
                let name = name.to_string_lossy();
                !ignore.leaves_out(&name) || ignore.enter(&name).is_some()
            });
        }
        Ok(names)
    }

    /// What the link at `path` points to.
    fn link(&self, path: &Path) -> Result<OsString, ContextError> {
        let fd = open_below(&self.root, path, OFlags::PATH | OFlags::NOFOLLOW);
        let target = fd.and_then(|fd| Ok(rustix::fs::readlinkat(fd, "", Vec::new())?));
        let target = target.map_err(|error| ContextError::of("read", path, error))?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Opens a regular file for reading. What is no regular file any more is never opened for reading.
    pub fn open_file(&self, entry: &Entry<'_>) -> Result<OpenFile, ContextError> {
        let path = entry.context_path();
        let failed = |error| ContextError::of("open", &path, error);
        // Opening a pipe or a device must neither wait nor do something.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = open_below(&self.root, &path, flags).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| failed(error.into()))?;
        if EntryKind::of(crate::tree::kind(&stat)) != Some(EntryKind::File) {
            return Err(ContextError::Changed { path });
        }
        Ok(OpenFile {
            file: File::from(fd),
            stat,
        })
    }
}

impl OpenFile {
    /// What the file was known by when it was opened.
    pub fn identity(&self) -> FileIdentity {
        FileIdentity::of(&self.stat)
    }

    /// Whether the file is as it was when it was opened. What has been read until now is its content then.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        Ok(FileIdentity::of(&rustix::fs::fstat(&self.file)?) == self.identity())
    }
}

/// A path below the context's root without dots. `..` stops at the root.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

/// The names of a path, the last first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some(OsStr::new("..").to_os_string()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

/// Whether there is nothing, or a link on the way.
fn is_nothing(error: &io::Error) -> bool {
    crate::tree::is_missing(error)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
