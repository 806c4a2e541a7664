//! The files of a base while it is put together: every path once, with the package that it belongs to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use jettison_debian::Architecture;
use jettison_oci::{Digest, Entry, EntryKind, LayerError, LayerWriter};
use md5::{Digest as _, Md5};
use object::ReadCache;

use crate::base::distroless::DistrolessError;
use crate::base::generate::{Library, read_library};
use crate::base::unpacked::{FileFacts, StoredFile, StoredParts, UnpackedEntry, UnpackedKind, hex};

/// How many symbolic links a path may lead through, as for the kernel.
const MAX_LINKS: usize = 40;

/// All files of a base.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// By path, without a slash at its start.
    nodes: BTreeMap<String, Node>,
}

/// A file of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
    /// The package that lists it; directories have many, and name none.
    pub(super) package: Option<Arc<str>>,
}

/// What a file of a base is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeKind {
    Directory,
    Symlink(String),
    File(Content),
}

/// The content of a regular file.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a package's data.
    Stored(Arc<File>, FileFacts),
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        match (self, other) {
            (Content::Bytes(one), Content::Bytes(two)) => one == two,
            (Content::Stored(_, one), Content::Stored(_, two)) => {
                one.sha256 == two.sha256 && one.size == two.size
            }
            (Content::Bytes(_), Content::Stored(..)) | (Content::Stored(..), Content::Bytes(_)) => {
                false
            }
        }
    }
}

impl Eq for Content {}

impl Content {
    /// The size in bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stored(_, facts) => facts.size,
        }
    }

    /// The MD5 digest in hexadecimal.
    pub(super) fn md5(&self) -> String {
        match self {
            Content::Bytes(bytes) => hex(&Md5::digest(bytes)),
            Content::Stored(_, facts) => facts.md5.clone(),
        }
    }

    /// The SHA-1 digest in hexadecimal.
    pub(super) fn sha1(&self) -> String {
        match self {
            Content::Bytes(bytes) => hex(&<sha1::Sha1 as sha1::Digest>::digest(bytes)),
            Content::Stored(_, facts) => facts.sha1.clone(),
        }
    }

    /// The SHA-256 digest in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        match self {
            Content::Bytes(bytes) => hex(&sha2::Sha256::digest(bytes)),
            Content::Stored(_, facts) => facts.sha256.clone(),
        }
    }

    /// All of it.
    pub(super) fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Content::Bytes(known) => bytes.extend_from_slice(known),
            Content::Stored(data, facts) => {
                StoredFile::open(data, facts).read_to_end(&mut bytes)?;
            }
        }
        Ok(bytes)
    }

    /// What the loader's cache needs to know of it, if it is a library of this architecture.
    pub(super) fn library(&self, architecture: &Architecture) -> std::io::Result<Option<Library>> {
        match self {
            Content::Bytes(bytes) => Ok(read_library(&**bytes, architecture)),
            Content::Stored(data, facts) => {
                let parts = ReadCache::new(StoredParts::open(data, facts));
                let library = read_library(&parts, architecture);
                parts.into_inner().error.map_or(Ok(library), Err)
            }
        }
    }
}

impl Contents {
    /// The file at `path`, which has no slash at its start.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Every file with its path, sorted.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Where `path` really is: the links in it and at its end followed. None, if they go in circles.
    pub(super) fn place(&self, path: &str) -> Option<String> {
        self.resolve(path, true)
    }

    /// The same, but a link at the end is not followed.
    fn resolve(&self, path: &str, follow_last: bool) -> Option<String> {
        let mut done: Vec<String> = Vec::new();
        let mut left: Vec<String> = path.split('/').rev().map(str::to_string).collect();
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => {}
                ".." => drop(done.pop()),
                _ => {
                    done.push(part);
                    let here = done.join("/");
                    let is_last = left.is_empty() && !follow_last;
                    if let Some(NodeKind::Symlink(target)) = self.nodes.get(&here).map(|n| &n.kind)
                        && !is_last
                    {
                        links += 1;
                        if links > MAX_LINKS {
                            return None;
                        }
                        done.pop();
                        if target.starts_with('/') {
                            done.clear();
                        }
                        left.extend(target.split('/').rev().map(str::to_string));
                    }
                }
            }
        }
        Some(done.join("/"))
    }

    /// Adds a file at `path`, below the directories that links in the path lead to, and the directories that are
    /// missing. A directory does not take the place of a link to one. Returns where it was put.
    pub(super) fn add(&mut self, path: &str, node: Node) -> Result<String, DistrolessError> {
        let circle = || DistrolessError::Circle {
            path: path.to_string(),
        };
        let mut place = self.resolve(path, false).ok_or_else(circle)?;
        if node.kind == NodeKind::Directory
            && matches!(self.nodes.get(&place), Some(old) if matches!(old.kind, NodeKind::Symlink(_)))
        {
            place = self.place(path).ok_or_else(circle)?;
        }
        if let Some(old) = self.nodes.get(&place) {
            let both = |old: &Node| (old.package.clone(), node.package.clone());
            match (&old.kind, &node.kind) {
                (NodeKind::Directory, NodeKind::Directory) => return Ok(place),
                (one, two) if one == two => {}
                (_, NodeKind::Directory) => {
                    return Err(refused(
                        &place,
                        "there is a file where a directory should be",
                    ));
                }
                (_, _) => {
                    if let (Some(first), Some(second)) = both(old)
                        && first != second
                    {
                        return Err(DistrolessError::Conflict {
                            path: place,
                            first: first.to_string(),
                            second: second.to_string(),
                        });
                    }
                }
            }
        }
        self.insert(&place, node)?;
        Ok(place)
    }

    /// Puts a file at `place`, in which no links are to be followed any more, and makes the directories that are missing.
    /// What is in a directory stays in one.
    fn insert(&mut self, place: &str, node: Node) -> Result<(), DistrolessError> {
        if place.is_empty() {
            return Err(refused(place, "it is the root directory"));
        }
        if node.kind != NodeKind::Directory && self.has_children(place) {
            return Err(refused(
                place,
                "there are files in a directory of that name",
            ));
        }
        for (slash, _) in place.match_indices('/') {
            let parent = &place[..slash];
            match self.nodes.get(parent).map(|node| &node.kind) {
                Some(NodeKind::Directory) => {}
                Some(NodeKind::File(_) | NodeKind::Symlink(_)) => {
                    return Err(refused(
                        place,
                        "there is a file where its directory should be",
                    ));
                }
                None => {
                    self.nodes.insert(parent.to_string(), directory(node.mtime));
                }
            }
        }
        self.nodes.insert(place.to_string(), node);
        Ok(())
    }

    fn has_children(&self, place: &str) -> bool {
        let below = format!("{place}/");
        let next = self.nodes.range(below.clone()..).next();
        next.is_some_and(|(path, _)| path.starts_with(&below))
    }

    /// Puts a file at `path`, whatever file is there.
    pub(super) fn replace(&mut self, path: &str, node: Node) -> Result<(), DistrolessError> {
        let place = self
            .resolve(path, false)
            .ok_or_else(|| DistrolessError::Circle {
                path: path.to_string(),
            })?;
        self.insert(&place, node)
    }

    /// Writes what is new or different against `before`, with the directories above it.
    pub(super) fn write_changes(
        &self,
        before: &Contents,
        layer: &mut LayerWriter,
    ) -> Result<(), LayerError> {
        let mut written: BTreeMap<Vec<u8>, (&str, &Node)> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if before.nodes.get(path) == Some(node) {
                continue;
            }
            written.insert(archive_name(path, node), (path, node));
            for (slash, _) in path.match_indices('/') {
                let parent = &path[..slash];
                if let Some(node) = self.nodes.get(parent) {
                    written.insert(archive_name(parent, node), (parent, node));
                }
            }
        }
        for (path, node) in written.into_values() {
            let kind = match &node.kind {
                NodeKind::Directory => EntryKind::Directory,
                NodeKind::Symlink(target) => EntryKind::Symlink(target.clone().into_bytes()),
                NodeKind::File(_) => EntryKind::File,
            };
            let mut entry = Entry {
                mode: node.mode,
                uid: node.uid,
                gid: node.gid,
                mtime: (node.mtime, 0),
                ..Entry::new(path.as_bytes(), kind)
            };
            match &node.kind {
                NodeKind::Directory | NodeKind::Symlink(_) => layer.entry(&entry)?,
                NodeKind::File(content) => {
                    entry.size = content.size();
                    match content {
                        Content::Bytes(bytes) => layer.file(&entry, &mut &bytes[..])?,
                        Content::Stored(data, facts) => {
                            let mut content = StoredFile::open(data, facts);
                            match Digest::from_hex(&facts.sha256) {
                                Some(digest) => layer.known_file(&entry, &digest, &mut content)?,
                                None => layer.file(&entry, &mut content)?,
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn refused(place: &str, problem: &'static str) -> DistrolessError {
    DistrolessError::Place {
        path: place.to_string(),
        problem,
    }
}

/// What a layer sorts by: a directory's name has a slash at its end.
fn archive_name(path: &str, node: &Node) -> Vec<u8> {
    let mut name = path.as_bytes().to_vec();
    if node.kind == NodeKind::Directory {
        name.push(b'/');
    }
    name
}

/// A directory as `mkdir` makes it.
pub(super) fn directory(mtime: i64) -> Node {
    Node {
        kind: NodeKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime,
        package: None,
    }
}

impl Node {
    /// A file of the package `package`; none for another name of a file, which is added when all others are.
    pub(super) fn of_entry(
        entry: &UnpackedEntry,
        data: &Arc<File>,
        package: &Arc<str>,
    ) -> Option<Node> {
        let kind = match &entry.kind {
            UnpackedKind::Directory => NodeKind::Directory,
            UnpackedKind::Symlink(target) => NodeKind::Symlink(target.clone()),
            UnpackedKind::File(facts) => {
                NodeKind::File(Content::Stored(Arc::clone(data), facts.clone()))
            }
            UnpackedKind::HardLink(_) => return None,
        };
        let is_directory = kind == NodeKind::Directory;
        Some(Node {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            package: (!is_directory).then(|| Arc::clone(package)),
        })
    }
}
