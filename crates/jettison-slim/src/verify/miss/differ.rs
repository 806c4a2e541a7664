//! How two images differ at one path.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use jettison_sandbox::{Use, Uses};

use super::loaded::are_loaded_alike;
use super::{Aspect, EntryDifference, EntryKind};
use crate::rootfs::{RootDir, RootError};

/// The two images, and what is mounted over them.
pub(super) struct Pair<'a> {
    pub(super) original: &'a RootDir,
    pub(super) candidate: &'a RootDir,
    /// Real paths.
    pub(super) mounts: &'a [PathBuf],
    /// Files that are others, but of which nothing was wanted that is not the same.
    pub(super) alike: RefCell<BTreeSet<PathBuf>>,
}

/// What of an entry has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set, whose members nobody fills with literals in a call"
)]
pub(super) struct Wanted {
    /// Mode, owner, device.
    pub(super) metadata: bool,
    /// Size and time.
    pub(super) size: bool,
    pub(super) content: bool,
    /// What is loaded of a program or a library; the content of others.
    pub(super) loaded: bool,
    pub(super) attributes: bool,
    /// The names in a directory, where they are part of the entry.
    pub(super) names: bool,
    /// All of it, and of all that is below.
    pub(super) tree: bool,
}

impl Wanted {
    /// That something of this kind is there, and where a link leads.
    pub(super) const KIND: Wanted = Wanted {
        metadata: false,
        size: false,
        content: false,
        loaded: false,
        attributes: false,
        names: false,
        tree: false,
    };

    /// What decides whether one may go through a directory, and what is made in it.
    pub(super) const PASSED: Wanted = Wanted {
        metadata: true,
        attributes: true,
        ..Wanted::KIND
    };

    const ALL: Wanted = Wanted {
        metadata: true,
        size: true,
        content: true,
        loaded: true,
        attributes: true,
        names: false,
        tree: false,
    };

    fn and(self, other: Wanted) -> Wanted {
        Wanted {
            metadata: self.metadata || other.metadata,
            size: self.size || other.size,
            content: self.content || other.content,
            loaded: self.loaded || other.loaded,
            attributes: self.attributes || other.attributes,
            names: self.names || other.names,
            tree: self.tree || other.tree,
        }
    }

    /// What all of `uses` can see of what they find.
    pub(super) fn by(uses: Uses) -> Wanted {
        uses.iter()
            .fold(Wanted::KIND, |all, what| all.and(Wanted::by_one(what)))
    }

    fn by_one(what: Use) -> Wanted {
        match what {
            Use::FileSystem | Use::ReadLink | Use::MakeDirectory | Use::Bind => Wanted::KIND,
            Use::Pass
            | Use::Enter
            | Use::Access
            | Use::ReadAttributes
            | Use::Connect
            | Use::Overwrite
            | Use::Create
            | Use::ChangeMetadata
            | Use::Watch
            // The names are judged apart.
            | Use::List
            | Use::Remove => Wanted::PASSED,
            Use::RemoveDirectory | Use::MoveTo => Wanted {
                names: true,
                ..Wanted::PASSED
            },
            Use::Stat | Use::Refer => Wanted {
                size: true,
                ..Wanted::PASSED
            },
            // Neither the kernel nor the dynamic linker tells a program more of the file.
            Use::Execute | Use::Interpret | Use::Load => Wanted {
                loaded: true,
                ..Wanted::PASSED
            },
            Use::Read | Use::Write | Use::LinkFrom => Wanted::ALL,
            Use::MoveFrom => Wanted {
                tree: true,
                ..Wanted::ALL
            },
        }
    }
}

/// The kind of something.
pub(super) fn kind_of(metadata: &Metadata) -> EntryKind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_file() {
        EntryKind::File
    } else if kind.is_fifo() {
        EntryKind::Pipe
    } else if kind.is_socket() {
        EntryKind::Socket
    } else {
        EntryKind::Device
    }
}

/// What is at a path of one image.
#[derive(Debug)]
pub(super) enum Entry {
    Absent,
    /// A directory that the sandbox makes to mount something below it.
    Made,
    There(Metadata),
}

impl Entry {
    pub(super) fn kind(&self) -> Option<EntryKind> {
        match self {
            Entry::Absent => None,
            Entry::Made => Some(EntryKind::Directory),
            Entry::There(metadata) => Some(kind_of(metadata)),
        }
    }

    /// The mode; the user and the group.
    fn access(&self) -> (u32, (u32, u32)) {
        match self {
            Entry::Absent => (0, (0, 0)),
            Entry::Made => (0o755, (0, 0)),
            Entry::There(metadata) => {
                let owner = (metadata.uid(), metadata.gid());
                (metadata.mode() & 0o7777, owner)
            }
        }
    }
}

impl Pair<'_> {
    /// What is at `path`, below directories that are no links, in both.
    pub(super) fn entries(&self, path: &Path) -> Result<[Entry; 2], RootError> {
        Ok([
            self.entry(self.original, path)?,
            self.entry(self.candidate, path)?,
        ])
    }

    fn entry(&self, root: &RootDir, path: &Path) -> Result<Entry, RootError> {
        match root.symlink_metadata(path) {
            Ok(metadata) => Ok(Entry::There(metadata)),
            Err(error) if error.is_absent() => {
                let leads_to_mount = |mount: &PathBuf| mount != path && mount.starts_with(path);
                Ok(if self.mounts.iter().any(leads_to_mount) {
                    Entry::Made
                } else {
                    Entry::Absent
                })
            }
            Err(error) => Err(error),
        }
    }

    /// How the two differ at `path`, in what is wanted.
    pub(super) fn difference(
        &self,
        path: &Path,
        wanted: Wanted,
    ) -> Result<Option<EntryDifference>, RootError> {
        let entries = self.entries(path)?;
        let kinds = entries.each_ref().map(Entry::kind);
        let kind = match kinds {
            [None, None] => return Ok(None),
            [Some(original), None] => return Ok(Some(EntryDifference::Absent { original })),
            [None, Some(candidate)] => return Ok(Some(EntryDifference::Added { candidate })),
            [Some(original), Some(candidate)] if original != candidate => {
                return Ok(Some(EntryDifference::Kind {
                    original,
                    candidate,
                }));
            }
            [Some(kind), Some(_)] => kind,
        };
        let aspects = self.aspects(path, kind, &entries, wanted)?;
        if !aspects.is_empty() {
            return Ok(Some(EntryDifference::Aspects(aspects)));
        }
        if wanted.tree && kind == EntryKind::Directory {
            return self.difference_below(path);
        }
        Ok(None)
    }

    fn aspects(
        &self,
        path: &Path,
        kind: EntryKind,
        entries: &[Entry; 2],
        wanted: Wanted,
    ) -> Result<Vec<Aspect>, RootError> {
        let mut aspects = Vec::new();
        let mut note = |aspect, differs: bool| aspects.extend(differs.then_some(aspect));
        if kind == EntryKind::Link {
            let targets = [
                self.original.read_link(path)?,
                self.candidate.read_link(path)?,
            ];
            // As they are written: `a//b` is another text than `a/b`.
            note(
                Aspect::Target,
                targets[0].as_os_str() != targets[1].as_os_str(),
            );
        }
        let [(mode, owner), (other_mode, other_owner)] = entries.each_ref().map(Entry::access);
        if wanted.metadata {
            note(Aspect::Mode, mode != other_mode);
            note(Aspect::Owner, owner != other_owner);
        }
        if let [Entry::There(original), Entry::There(candidate)] = entries {
            if wanted.metadata && kind == EntryKind::Device {
                note(Aspect::Device, original.rdev() != candidate.rdev());
            }
            if kind == EntryKind::File {
                let same_size = original.len() == candidate.len();
                note(Aspect::Size, wanted.size && !same_size);
                let same_content = || -> Result<bool, RootError> {
                    Ok(same_size && self.has_same_content(path, [original, candidate])?)
                };
                let is_other = (wanted.content || wanted.loaded) && !same_content()?;
                let is_alike = is_other && !wanted.content && self.is_loaded_alike(path)?;
                note(Aspect::Content, is_other && !is_alike);
                let same_time = original.mtime() == candidate.mtime();
                note(Aspect::Time, wanted.size && !same_time);
            }
        }
        if wanted.attributes {
            let roots = [self.original, self.candidate];
            let attributes = |place: usize| match entries[place] {
                Entry::There(_) => roots[place].attributes(path),
                Entry::Absent | Entry::Made => Ok(Vec::new()),
            };
            note(Aspect::Attributes, attributes(0)? != attributes(1)?);
        }
        if wanted.names && kind == EntryKind::Directory {
            let [original, candidate] = self.names(path)?;
            note(Aspect::Names, original != candidate);
        }
        Ok(aspects)
    }

    /// Whether the same is loaded of both; that they are no more alike is noted.
    fn is_loaded_alike(&self, path: &Path) -> Result<bool, RootError> {
        let files = [
            self.original.open_file(path)?,
            self.candidate.open_file(path)?,
        ];
        let is_alike =
            are_loaded_alike([&files[0], &files[1]]).map_err(|cause| RootError::System {
                action: "read",
                path: path.to_owned(),
                cause,
            })?;
        if is_alike {
            self.alike.borrow_mut().insert(path.to_owned());
        }
        Ok(is_alike)
    }

    fn has_same_content(&self, path: &Path, metadata: [&Metadata; 2]) -> Result<bool, RootError> {
        let [identity, other] = metadata.map(|metadata| (metadata.dev(), metadata.ino()));
        if identity == other {
            return Ok(true);
        }
        let files = [
            self.original.open_file(path)?,
            self.candidate.open_file(path)?,
        ];
        are_same(files).map_err(|cause| RootError::System {
            action: "read",
            path: path.to_owned(),
            cause,
        })
    }

    /// The names in the directory at `path` with what they are, in both, those of mounts included.
    pub(super) fn names(
        &self,
        path: &Path,
    ) -> Result<[BTreeMap<OsString, EntryKind>; 2], RootError> {
        Ok([
            self.names_in(self.original, path)?,
            self.names_in(self.candidate, path)?,
        ])
    }

    fn names_in(
        &self,
        root: &RootDir,
        path: &Path,
    ) -> Result<BTreeMap<OsString, EntryKind>, RootError> {
        let mut names = BTreeMap::new();
        let listed = match root.list(path) {
            Ok(listed) => listed,
            // One that the sandbox makes.
            Err(error) if error.is_absent() => Vec::new(),
            Err(error) => return Err(error),
        };
        for name in listed {
            let kind = kind_of(&root.symlink_metadata(&path.join(&name))?);
            names.insert(name, kind);
        }
        for mount in self.mounts {
            let Ok(below) = mount.strip_prefix(path) else {
                continue;
            };
            if let Some(name) = below.iter().next() {
                // Whatever is there is covered, or leads to what is.
                names.insert(name.to_owned(), EntryKind::Directory);
            }
        }
        Ok(names)
    }

    fn difference_below(&self, path: &Path) -> Result<Option<EntryDifference>, RootError> {
        let mut pending = vec![path.to_owned()];
        while let Some(directory) = pending.pop() {
            let wanted = Wanted {
                names: true,
                ..Wanted::ALL
            };
            if let Some(difference) = self.difference(&directory, wanted)? {
                return Ok(Some(EntryDifference::Below {
                    path: directory,
                    difference: Box::new(difference),
                }));
            }
            let [names, _same] = self.names(&directory)?;
            for (name, kind) in names {
                let path = directory.join(name);
                if kind == EntryKind::Directory {
                    pending.push(path);
                } else if let Some(difference) = self.difference(&path, Wanted::ALL)? {
                    return Ok(Some(EntryDifference::Below {
                        path,
                        difference: Box::new(difference),
                    }));
                }
            }
        }
        Ok(None)
    }
}

/// Whether two images have the same at `path`, whatever one wants of it.
pub(crate) fn are_same_at(
    first: &RootDir,
    second: &RootDir,
    path: &Path,
) -> Result<bool, RootError> {
    let pair = Pair {
        original: first,
        candidate: second,
        mounts: &[],
        alike: RefCell::default(),
    };
    Ok(pair.difference(path, Wanted::ALL)?.is_none())
}

/// Whether two files have the same bytes.
fn are_same(files: [File; 2]) -> io::Result<bool> {
    const CHUNK: u64 = 256 << 10;
    let [mut first, mut second] = files;
    let [mut bytes, mut other] = [Vec::new(), Vec::new()];
    loop {
        bytes.clear();
        other.clear();
        first.by_ref().take(CHUNK).read_to_end(&mut bytes)?;
        second.by_ref().take(CHUNK).read_to_end(&mut other)?;
        if bytes != other {
            return Ok(false);
        }
        if bytes.is_empty() {
            return Ok(true);
        }
    }
}
