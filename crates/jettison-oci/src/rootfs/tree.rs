//! The root filesystem that layers make when they lie on each other, without its files' contents.

use std::collections::BTreeMap;

use crate::changeset::{Entry, EntryKind, LayerError, Whiteout, each_entry, with_blob};
use crate::image::Layer;
use crate::store::Store;

/// Names a file by where its content is: the number of the layer, and of the entry in it.
pub(super) type Place = (usize, usize);

/// A root filesystem.
#[derive(Debug, Default)]
pub(super) struct Tree {
    // Invariant: the parent of every path is a directory.
    nodes: BTreeMap<Vec<u8>, Node>,
    /// The files, by place.
    files: BTreeMap<Place, Entry>,
}

/// What is at a path.
#[derive(Debug)]
struct Node {
    /// The layer that it is from.
    layer: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    /// One of the names of a regular file.
    Name(Place),
    /// Anything else.
    Other(Entry),
}

impl Tree {
    /// Reads what `layers` hold, bottom first.
    pub(super) fn read(store: &Store, layers: &[Layer]) -> Result<Tree, LayerError> {
        let mut tree = Tree::default();
        for (number, layer) in layers.iter().enumerate() {
            let mut index = 0;
            with_blob(store, &layer.blob, |tar| {
                each_entry(tar, |entry, _| {
                    tree.add((number, index), entry)?;
                    index += 1;
                    Ok(())
                })
            })?;
        }
        Ok(tree)
    }

    /// All but the regular files, sorted.
    pub(super) fn others(&self) -> impl Iterator<Item = &Entry> {
        self.nodes.values().filter_map(|node| match &node.what {
            What::Other(entry) => Some(entry),
            What::Name(_) => None,
        })
    }

    /// The regular files by where their contents are, each with its names, sorted.
    pub(super) fn into_files(mut self) -> BTreeMap<Place, (Entry, Vec<Vec<u8>>)> {
        let mut files = BTreeMap::new();
        for (path, node) in self.nodes {
            let What::Name(place) = node.what else {
                continue;
            };
            if let Some(entry) = self.files.remove(&place) {
                files.insert(place, (entry, vec![path]));
            } else if let Some((_, names)) = files.get_mut(&place) {
                names.push(path);
            }
        }
        files
    }

    /// What is at `path`; a name of a regular file stands for the file, whose own path is that of its first name.
    pub(super) fn entry(&self, path: &[u8]) -> Option<&Entry> {
        match &self.nodes.get(path)?.what {
            What::Name(place) => self.files.get(place),
            What::Other(entry) => Some(entry),
        }
    }

    /// Where the content of the regular file at `path` is.
    pub(super) fn place(&self, path: &[u8]) -> Option<Place> {
        match &self.nodes.get(path)?.what {
            What::Name(place) => Some(*place),
            What::Other(_) => None,
        }
    }

    /// All paths, sorted, and whether each is a directory.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let nodes = self.nodes.iter();
        nodes.map(|(path, node)| (path.as_slice(), node.is_directory()))
    }

    /// Adds an entry of a layer.
    fn add(&mut self, (layer, index): Place, entry: Entry) -> Result<(), LayerError> {
        if entry.path.is_empty() {
            return Ok(());
        }
        match Whiteout::of(&entry.path)? {
            Some(Whiteout::Opaque(directory)) => {
                self.remove_below(directory, layer);
                return Ok(());
            }
            Some(Whiteout::Name(path)) => {
                if self.nodes.get(&path).is_some_and(|node| node.layer < layer) {
                    self.nodes.remove(&path);
                }
                self.remove_below(&path, layer);
                return Ok(());
            }
            Some(Whiteout::Note) => return Ok(()),
            None => {}
        }
        self.make_parents(&entry.path, layer);
        let path = entry.path.clone();
        if entry.kind != EntryKind::Directory {
            self.remove_below(&path, usize::MAX);
        }
        let what = match &entry.kind {
            EntryKind::File => {
                self.files.insert((layer, index), entry);
                What::Name((layer, index))
            }
            EntryKind::HardLink(target) => self.linked(target, &entry)?,
            _ => What::Other(entry),
        };
        self.nodes.insert(path, Node { layer, what });
        Ok(())
    }

    /// What another name of the file at `target` is.
    fn linked(&self, target: &[u8], entry: &Entry) -> Result<What, LayerError> {
        let missing = || LayerError::MissingTarget {
            path: entry.to_path(),
        };
        if target == entry.path {
            return Err(missing());
        }
        match self.nodes.get(target).map(|node| &node.what) {
            Some(What::Name(place)) => Ok(What::Name(*place)),
            // Symlinks and pipes have no content that names could share.
            Some(What::Other(other)) if other.kind != EntryKind::Directory => {
                let path = entry.path.clone();
                Ok(What::Other(Entry {
                    path,
                    ..other.clone()
                }))
            }
            Some(What::Other(_)) | None => Err(missing()),
        }
    }

    /// Removes what layers before `layer` have below `directory`.
    fn remove_below(&mut self, directory: &[u8], layer: usize) {
        let start = match directory {
            b"" => Vec::new(),
            directory => [directory, b"/"].concat(),
        };
        let below = self.nodes.range(start.clone()..);
        let removed = below
            .take_while(|(path, _)| path.starts_with(&start))
            .filter(|(_, node)| node.layer < layer)
            .map(|(path, _)| path.clone());
        for path in removed.collect::<Vec<_>>() {
            self.nodes.remove(&path);
        }
    }

    /// Makes the directories on the way to `path` that are not there. A layer that has something in a directory hides
    /// what else was at its place below, as overlayfs does it.
    fn make_parents(&mut self, path: &[u8], layer: usize) {
        let slashes = (0..path.len()).filter(|&place| path[place] == b'/');
        for end in slashes {
            let parent = &path[..end];
            if self.nodes.get(parent).is_some_and(Node::is_directory) {
                continue;
            }
            let entry = Entry {
                mode: 0o755,
                ..Entry::new(parent, EntryKind::Directory)
            };
            let what = What::Other(entry);
            self.nodes.insert(parent.to_vec(), Node { layer, what });
        }
    }
}

impl Node {
    fn is_directory(&self) -> bool {
        matches!(&self.what, What::Other(entry) if entry.kind == EntryKind::Directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths of a tree that is made of layers, each of which is written as `path`, `path/` or `path=target`.
    fn paths(layers: &[&[&str]]) -> Result<String, LayerError> {
        let mut tree = Tree::default();
        for (number, layer) in layers.iter().enumerate() {
            for (index, text) in layer.iter().enumerate() {
                let (path, kind) = match text.split_once('=') {
                    Some((path, target)) => (path, EntryKind::HardLink(target.into())),
                    None => match text.strip_suffix('/') {
                        Some(path) => (path, EntryKind::Directory),
                        None => (*text, EntryKind::File),
                    },
                };
                tree.add((number, index), Entry::new(path.as_bytes(), kind))?;
            }
        }
        let shown = |(path, is_directory): (&[u8], bool)| {
            let path = String::from_utf8_lossy(path).into_owned();
            path + if is_directory { "/" } else { "" }
        };
        Ok(tree.paths().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    fn check(layers: &[&[&str]], expected: &str) {
        assert_eq!(paths(layers).unwrap(), expected);
    }

    #[test]
    fn whiteouts_remove_what_is_below_and_not_the_layers_own_files() {
        check(&[&["a/", "a/b", "c"], &["a/.wh.b"]], "a/ c");
        check(&[&["a/", "a/b", "a/c/", "a/c/d"], &[".wh.a"]], "");
        check(&[&["a/", "a/b"], &["a/", "a/new", ".wh.a"]], "a/ a/new");
        check(&[&["a/", "a/b"], &[".wh.a", "a/", "a/new"]], "a/ a/new");
        check(&[&["a", "a-b", "a/"], &[".wh.a"]], "a-b");
        check(&[&["a"], &[".wh.b", ".wh..wh.plnk", ".wh..wh.aufs"]], "a");
    }

    #[test]
    fn opaque_directories_hide_what_is_below_them() {
        check(
            &[&["a/", "a/b", "ab"], &["a/", "a/new", "a/.wh..wh..opq"]],
            "a/ a/new ab",
        );
        check(&[&["a", "b/", "b/c"], &["new", ".wh..wh..opq"]], "new");
    }

    #[test]
    fn other_kinds_of_files_replace_each_other() {
        check(&[&["a/", "a/b", "a/c/d"], &["a"]], "a");
        check(&[&["a"], &["a/", "a/b"]], "a/ a/b");
        check(&[&["a"], &["a/b/c"]], "a/ a/b/ a/b/c");
        check(&[&["a/", "a/b"], &["a/"]], "a/ a/b");
    }

    #[test]
    fn whiteouts_of_nothing_are_refused() {
        for name in [".wh.", ".wh..", ".wh...", "a/.wh.."] {
            assert!(paths(&[&[name]]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_lives_as_long_as_one_of_its_names() {
        let layers: &[&[&str]] = &[&["a", "b=a"], &["c=b", ".wh.a"], &["b"]];
        check(layers, "b c");
        assert!(paths(&[&["b=a"]]).is_err());
        assert!(paths(&[&["a=a"]]).is_err());
        assert!(paths(&[&["a/", "b=a"]]).is_err());
    }
}
