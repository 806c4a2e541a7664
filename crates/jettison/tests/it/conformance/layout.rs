//! What is in an image of an OCI layout: its configuration and the files that its layers add up to.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// An image as another program finds it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) config: Value,
    pub(crate) tree: Tree,
}

/// All files of an image by path, which begins with a slash.
pub(crate) type Tree = BTreeMap<String, Node>;

/// A file in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) time: i64,
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// Equal for hard links of one file.
    pub(crate) inode: usize,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File(Vec<u8>),
    Directory,
    Symlink(String),
    Fifo,
    Device(char, u32, u32),
}

/// Reads the only image, or the first, of the layout `directory`.
pub(crate) fn read_layout(directory: &Path) -> Found {
    let index: Value = json_of(&directory.join("index.json"));
    let mut manifest = blob(directory, &index["manifests"][0]);
    if manifest.get("manifests").is_some() {
        manifest = blob(directory, &manifest["manifests"][0]);
    }
    let mut reading = Reading::default();
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        reading.apply(&uncompressed(&blob_path(directory, layer)));
    }
    Found {
        config: blob(directory, &manifest["config"]),
        tree: reading.tree,
    }
}

/// Reads the only image of the archive `path`, as `docker save` writes them.
///
/// See <https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format>.
pub(crate) fn read_archive(path: &Path) -> Found {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut name = clean(&entry.path_bytes());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        // A layer that is there twice is a link the second time.
        if let Some(target) = entry.link_name_bytes() {
            let target = String::from_utf8_lossy(&target).into_owned();
            bytes = joined(&name, &target).into_bytes();
            name.insert(0, '>');
        }
        files.insert(name, bytes);
    }
    let bytes_of = |name: &Value| {
        let name = format!("/{}", name.as_str().unwrap());
        let link = files.get(&format!(">{name}"));
        let name = link.map_or(name.into(), |target| String::from_utf8_lossy(target));
        files[name.as_ref()].as_slice()
    };
    let manifest: Value = serde_json::from_slice(&files["/manifest.json"]).unwrap();
    let mut reading = Reading::default();
    for layer in manifest[0]["Layers"].as_array().into_iter().flatten() {
        reading.apply(bytes_of(layer));
    }
    Found {
        config: serde_json::from_slice(bytes_of(&manifest[0]["Config"])).unwrap(),
        tree: reading.tree,
    }
}

/// Where a link `name` with `target` leads.
fn joined(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// The files of one layer.
pub(crate) fn read_layer(tar: &[u8]) -> Tree {
    let mut reading = Reading::default();
    reading.apply(tar);
    reading.tree
}

fn json_of(path: &Path) -> Value {
    let text = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn blob_path(directory: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    directory.join("blobs").join(digest.replace(':', "/"))
}

fn blob(directory: &Path, descriptor: &Value) -> Value {
    json_of(&blob_path(directory, descriptor))
}

/// The tar that is in the file `path`, whatever it was compressed with.
fn uncompressed(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let program = match bytes.get(..2) {
        Some([0x1f, 0x8b]) => "gzip",
        Some([0x28, 0xb5]) => "zstd",
        Some(_) | None => return bytes,
    };
    let mut command = Command::new(program);
    let output = command
        .arg("-dc")
        .stdin(Stdio::from(fs::File::open(path).unwrap()))
        .output();
    output
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"))
        .stdout
}

#[derive(Default)]
struct Reading {
    tree: Tree,
    inodes: usize,
}

impl Reading {
    fn apply(&mut self, tar: &[u8]) {
        let mut archive = tar::Archive::new(tar);
        let mut of_this_layer = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = clean(&entry.path_bytes());
            let (above, name) = path.rsplit_once('/').unwrap();
            if name == ".wh..wh..opq" {
                self.remove_below(above, &of_this_layer);
            } else if let Some(name) = name.strip_prefix(".wh.") {
                let hidden = format!("{above}/{name}");
                self.remove_below(&hidden, &of_this_layer);
                self.tree.remove(&hidden);
            } else if path != "/" {
                self.put(&path, &mut entry);
                of_this_layer.push(path);
            }
        }
    }

    fn remove_below(&mut self, directory: &str, kept: &[String]) {
        let prefix = format!("{directory}/");
        self.tree
            .retain(|path, _| !path.starts_with(&prefix) || kept.contains(path));
    }

    fn put(&mut self, path: &str, entry: &mut tar::Entry<'_, &[u8]>) {
        let node = match entry.header().entry_type() {
            tar::EntryType::Link => {
                let target = clean(&entry.link_name_bytes().unwrap());
                let node = self.tree.get(&target);
                node.unwrap_or_else(|| panic!("{path} links to {target}"))
                    .clone()
            }
            _ => self.node(entry),
        };
        if node.kind != NodeKind::Directory {
            self.remove_below(path, &[]);
        }
        self.tree.insert(path.to_owned(), node);
    }

    fn node(&mut self, entry: &mut tar::Entry<'_, &[u8]>) -> Node {
        let mut xattrs = BTreeMap::new();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten() {
            let extension = extension.unwrap();
            if let Some(name) = extension.key().unwrap().strip_prefix("SCHILY.xattr.") {
                xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
            }
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = entry.header();
        let device = |letter| {
            let major = header.device_major().unwrap().unwrap();
            NodeKind::Device(letter, major, header.device_minor().unwrap().unwrap())
        };
        let kind = match header.entry_type() {
            tar::EntryType::Directory => NodeKind::Directory,
            tar::EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap();
                NodeKind::Symlink(String::from_utf8_lossy(&target).into_owned())
            }
            tar::EntryType::Fifo => NodeKind::Fifo,
            tar::EntryType::Char => device('c'),
            tar::EntryType::Block => device('b'),
            _ => NodeKind::File(bytes),
        };
        self.inodes += 1;
        Node {
            kind,
            mode: header.mode().unwrap() & 0o7777,
            uid: header.uid().unwrap(),
            gid: header.gid().unwrap(),
            time: i64::from_ne_bytes(header.mtime().unwrap().to_ne_bytes()),
            xattrs,
            inode: self.inodes,
        }
    }
}

/// `name` as an absolute path without a slash at the end.
fn clean(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).into_owned();
    let parts: Vec<&str> = Path::new(&name)
        .components()
        .filter_map(|component| match component {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    format!("/{}", parts.join("/"))
}
