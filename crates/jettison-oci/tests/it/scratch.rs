//! Scratch directories, stores and archives for tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jettison_oci::{
    Compression, DiffId, Digest, Image, ImageConfig, Layer, LayerOptions, RootFs, Store,
    write_layer,
};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use tempfile::TempDir;

/// A directory that vanishes, with a store in it.
pub(crate) struct Scratch {
    directory: TempDir,
    pub(crate) store: Store,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        Scratch { directory, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A new empty directory.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The layer that holds what is in `upper`.
    pub(crate) fn layer(&self, upper: &Path, lowers: &[PathBuf]) -> Layer {
        let options = LayerOptions {
            compression: Compression::STORE,
            clamp_mtime: Some(0),
        };
        write_layer(&self.store, upper, lowers, &options).unwrap()
    }

    /// A stored image of one layer that holds one file.
    pub(crate) fn image(&self, content: &str) -> Image {
        let upper = self.dir(&format!("upper-{content}"));
        fs::write(upper.join("file"), content).unwrap();
        let image = image_of(vec![self.layer(&upper, &[])]);
        self.store.put_image(&image).unwrap();
        image
    }

    /// The uncompressed tar of a layer.
    pub(crate) fn tar(&self, layer: &Layer) -> Vec<u8> {
        let blob = self.store.read(&layer.blob.digest).unwrap();
        let tar = zstd::decode_all(blob.as_slice()).unwrap();
        assert_eq!(DiffId(Digest::of(&tar)), layer.diff_id);
        tar
    }
}

pub(crate) fn image_of(layers: Vec<Layer>) -> Image {
    let config = ImageConfig {
        created: Some("2026-01-02T03:04:05Z".to_owned()),
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        rootfs: RootFs::new(layers.iter().map(|layer| layer.diff_id).collect()),
        ..ImageConfig::default()
    };
    Image::new(config, layers).unwrap()
}

/// One line for each entry of a tar: kind, name, mode, link, size.
pub(crate) fn listing(tar: &[u8]) -> String {
    let mut archive = tar::Archive::new(tar);
    let mut lines = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let kind = char::from(header.entry_type().as_byte());
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mode = header.mode().unwrap();
        let link = entry.link_name_bytes();
        let link = link.map(|link| format!(" -> {}", String::from_utf8_lossy(&link)));
        let link = link.unwrap_or_default();
        lines.push(format!("{kind} {mode:04o} {name}{link} {}", entry.size()));
    }
    joined(&lines)
}

/// One line for each file below `directory`: kind, mode, path, and what it holds.
pub(crate) fn tree(directory: &Path) -> String {
    let mut lines = Vec::new();
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let path = directory.join(&name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        let name = name.to_string_lossy();
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            let opaque = if is_opaque(&path) { " opaque" } else { "" };
            lines.push(format!("{mode:04o} {name}/{opaque}"));
            lines.extend(tree(&path).lines().map(|line| format!("  {line}")));
        } else if metadata.is_symlink() {
            lines.push(format!(
                "{name} -> {}",
                fs::read_link(&path).unwrap().display()
            ));
        } else if metadata.is_file() {
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            lines.push(format!("{mode:04o} {name} {content:?}"));
        } else if metadata.rdev() == 0 && metadata.mode() & 0o170_000 == 0o020_000 {
            lines.push(format!("whiteout {name}"));
        } else {
            lines.push(format!("{mode:04o} special {name}"));
        }
    }
    joined(&lines)
}

/// The lines, each with its end.
fn joined(lines: &[String]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect()
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    rustix::fs::lgetxattr(path, "user.overlay.opaque", &mut value[..]) == Ok(1) && value[0] == b'y'
}

/// Marks a directory as overlayfs marks one that hides what is below.
pub(crate) fn make_opaque(path: &Path) {
    rustix::fs::lsetxattr(path, "user.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
}

/// Makes what overlayfs makes of a removed file.
pub(crate) fn make_whiteout(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
}

/// Whether whiteouts and `user.*` attributes can be made here; says so if not.
pub(crate) fn has_overlay_features(scratch: &Scratch) -> bool {
    let probe = scratch.dir("probe");
    let node = probe.join("node");
    let kind = FileType::CharacterDevice;
    let made = rustix::fs::mknodat(CWD, &node, kind, Mode::empty(), 0).is_ok();
    let set = rustix::fs::lsetxattr(&probe, "user.probe", b"", XattrFlags::empty()).is_ok();
    fs::remove_dir_all(probe).unwrap();
    if !(made && set) {
        eprintln!("skipped: whiteouts need the right to make device 0/0 and user attributes");
    }
    made && set
}

/// An entry of an archive that a test makes up.
pub(crate) struct Made<'m> {
    pub(crate) name: &'m str,
    pub(crate) kind: u8,
    /// The target of a link, else the content.
    pub(crate) data: &'m str,
}

/// Short for an entry.
pub(crate) fn made<'m>(kind: u8, name: &'m str, data: &'m str) -> Made<'m> {
    Made { name, kind, data }
}

/// A tar whose names are taken as they are, however wrong.
pub(crate) fn tar_of(entries: &[Made<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let is_link = matches!(entry.kind, b'1' | b'2');
        let content = if is_link { "" } else { entry.data };
        let mut header = tar::Header::new_ustar();
        let raw = header.as_mut_bytes();
        raw[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        if is_link {
            raw[157..157 + entry.data.len()].copy_from_slice(entry.data.as_bytes());
        }
        header.set_entry_type(tar::EntryType::new(entry.kind));
        header.set_mode(if entry.kind == b'5' { 0o755 } else { 0o644 });
        header.set_size(content.len() as u64);
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(1);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// The files of a directory by path, for comparisons byte by byte.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let mut content = Vec::new();
            fs::File::open(&path)
                .unwrap()
                .read_to_end(&mut content)
                .unwrap();
            found.insert(path, content);
        }
    }
    found
}
