//! What is seen of an image: its files in its layers, its commands in a container.

use std::collections::BTreeMap;

use jettison_oci::{Entry, EntryKind, ImageConfig, LayerError, RootfsFiles};
use jettison_slim::{CommandOutput, CommandRun, ObservedImage, StructureTests, wanted_files};

use crate::commands::test::container::Container;

/// The largest file that is searched.
const FILE_LIMIT: u64 = 256 << 20;

/// Where Debian's packages have their copyright files.
const DOCUMENTS: &[u8] = b"usr/share/doc";

/// Contents of files, by their real paths.
pub(super) type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// The contents that tests ask for, read in one go.
pub(super) fn contents<'t>(
    rootfs: &RootfsFiles<'_>,
    tests: impl Iterator<Item = &'t StructureTests>,
    config: &ImageConfig,
) -> Result<Contents, LayerError> {
    let mut paths: Vec<Vec<u8>> = Vec::new();
    for tests in tests {
        let wanted = wanted_files(tests, config).into_iter();
        paths.extend(wanted.map(String::into_bytes));
        if tests.license_tests.iter().any(|test| test.debian) {
            let packages = rootfs.children(DOCUMENTS).into_iter();
            paths.extend(packages.map(|package| [package, b"/copyright"].concat()));
        }
    }
    let real = paths.iter().filter_map(|path| rootfs.resolve(path, true));
    rootfs.contents(&real.collect::<Vec<_>>(), FILE_LIMIT)
}

/// An image as tests see it.
pub(super) struct Observed<'a> {
    pub(super) config: &'a ImageConfig,
    pub(super) rootfs: &'a RootfsFiles<'a>,
    pub(super) contents: &'a Contents,
    /// What runs commands, if there are any.
    pub(super) container: Option<&'a Container<'a>>,
}

impl ObservedImage for Observed<'_> {
    fn config(&self) -> &ImageConfig {
        self.config
    }

    fn entry(&self, path: &str) -> Option<Entry> {
        // A slash at the end is about what a link leads to.
        let follows_last = path.ends_with('/');
        let real = self.rootfs.resolve(path.as_bytes(), follows_last)?;
        self.rootfs.entry(&real).cloned()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let real = self.rootfs.resolve(path.as_bytes(), true);
        let Some(real) = real else {
            return Err(format!("{path} is not there"));
        };
        if let Some(content) = self.contents.get(&real) {
            return Ok(content.clone());
        }
        match self.rootfs.entry(&real) {
            Some(entry) if entry.kind == EntryKind::Directory => {
                Err(format!("{path} is a directory"))
            }
            Some(entry) if entry.kind != EntryKind::File => {
                Err(format!("{path} is no regular file"))
            }
            Some(entry) => Err(format!(
                "{path} has {} bytes, which are too many to search",
                entry.size
            )),
            None => Err(format!("{path} is not there")),
        }
    }

    fn directories(&self, path: &str) -> Option<Vec<String>> {
        let real = self.rootfs.resolve(path.as_bytes(), true)?;
        if self.rootfs.entry(&real)?.kind != EntryKind::Directory {
            return None;
        }
        let is_directory = |path: &&[u8]| {
            self.rootfs
                .entry(path)
                .is_some_and(|entry| entry.kind == EntryKind::Directory)
        };
        let name = |path: &[u8]| {
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
            String::from_utf8_lossy(name).into_owned()
        };
        let children = self.rootfs.children(&real).into_iter();
        Some(children.filter(is_directory).map(name).collect())
    }

    fn run(&self, run: &CommandRun) -> Result<CommandOutput, String> {
        match self.container {
            Some(container) => container.run(run),
            None => Err("commands cannot be run".to_owned()),
        }
    }
}
