//! Absolute paths inside a program's bytes that lead to something in the image.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::rootfs::RootDir;

/// The longest existing path at every place of `bytes` where an absolute path begins. Strings of Go
/// have no end mark, so whatever follows a path may belong to the next string.
pub(crate) fn absolute_paths(root: &RootDir, bytes: &[u8]) -> BTreeSet<PathBuf> {
    let mut names = Names {
        root,
        known: BTreeMap::new(),
    };
    let mut found = BTreeSet::new();
    for at in memchr::memchr_iter(b'/', bytes) {
        let mut path = PathBuf::from("/");
        let mut rest = bytes.get(at + 1..).unwrap_or_default();
        while let Some(name) = names.longest(&path, rest) {
            rest = rest.get(name.len()..).unwrap_or_default();
            path.push(name);
            match rest.split_first() {
                Some((b'/', after)) => rest = after,
                _ => break,
            }
        }
        if path != Path::new("/") {
            found.insert(path);
        }
    }
    found
}

/// The names in directories, each directory listed once.
struct Names<'root> {
    root: &'root RootDir,
    known: BTreeMap<PathBuf, Vec<OsString>>,
}

impl Names<'_> {
    /// The longest name in `dir` with which `text` begins.
    fn longest(&mut self, dir: &Path, text: &[u8]) -> Option<OsString> {
        if !self.known.contains_key(dir) {
            // What the kernel shows is not part of the image.
            let is_kernel = ["/proc", "/sys", "/dev"]
                .iter()
                .any(|kernel| dir.starts_with(kernel));
            let names = if is_kernel {
                Vec::new()
            } else {
                self.root.names(dir)
            };
            self.known.insert(dir.to_path_buf(), names);
        }
        self.known
            .get(dir)?
            .iter()
            .filter(|name| text.starts_with(name.as_bytes()))
            .max_by_key(|name| name.len())
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for path in ["etc/app.conf", "etc/app/x.yaml", "data/a b"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let found: Vec<String> = absolute_paths(&root, text.as_bytes())
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn paths_are_found_wherever_they_begin() {
        check("\0/etc/app.conf\0", &["/etc/app.conf"]);
        check(
            "cannot open/etc/app.conf/data/a bnil",
            &["/data/a b", "/etc/app.conf"],
        );
        check("/etc/app/x.yaml", &["/etc/app/x.yaml"]);
    }

    #[test]
    fn a_path_that_is_not_there_leads_to_what_is() {
        check("/etc/other", &["/etc"]);
        check("/data/new.db", &["/data"]);
        check("/nothing", &[]);
        check("//", &[]);
    }
}
