//! Absolute paths inside a program's bytes that lead to something in the image.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::evidence::elf::Elf;
use crate::rootfs::RootDir;

/// The largest library that is read, in bytes.
const LIBRARY_LIMIT: u64 = 1 << 30;

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

/// The same for the program or library `elf`, whose bytes these are, but for paths that only the C library names which is linked
/// into it: where its modules, tables and settings are.
pub(crate) fn own_absolute_paths(root: &RootDir, elf: &Elf, bytes: &[u8]) -> BTreeSet<PathBuf> {
    absolute_paths(root, &own_bytes(root, elf, bytes))
}

/// The bytes of the program or library `elf` without names that only the C library has which is linked into it.
pub(crate) fn own_bytes<'bytes>(
    root: &RootDir,
    elf: &Elf,
    bytes: &'bytes [u8],
) -> Cow<'bytes, [u8]> {
    let library = elf.static_glibc.then(|| c_library(root)).flatten();
    let library = library.and_then(|path| root.content(&path, LIBRARY_LIMIT));
    match library {
        Some(library) => Cow::Owned(without_names_of(&library, bytes)),
        None => Cow::Borrowed(bytes),
    }
}

/// `bytes` without the paths and names of libraries that `library` has as well.
fn without_names_of(library: &[u8], bytes: &[u8]) -> Vec<u8> {
    let strings = library.split(|byte| *byte == 0);
    let is_name =
        |string: &&[u8]| string.contains(&b'/') || memchr::memmem::find(string, b".so").is_some();
    let of_library: HashSet<&[u8]> = strings.filter(is_name).collect();
    let mut own = bytes.to_vec();
    let mut start = 0;
    for string in bytes.split(|byte| *byte == 0) {
        let end = start + string.len();
        if of_library.contains(string)
            && let Some(place) = own.get_mut(start..end)
        {
            place.fill(0);
        }
        start = end + 1;
    }
    own
}

/// The C library of GNU that the image has: what is linked in, or else what is loaded, which is much the same.
fn c_library(root: &RootDir) -> Option<PathBuf> {
    let libraries = Path::new("/usr/lib");
    let places = root.names(libraries);
    let mut paths = ["libc.a", "libc.so.6"].into_iter().flat_map(|name| {
        let places = places.iter();
        places.map(move |place| libraries.join(place).join(name))
    });
    paths.find(|path| root.target(path).is_some_and(|found| found.is_file()))
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

    #[test]
    fn paths_that_the_c_library_names_are_not_the_programs() {
        let library = b"\0/etc/app.conf\0x/\0plain\0libx.so.1";
        let check = |bytes: &[u8], expected: &[u8]| {
            let found = without_names_of(library, bytes);
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(bytes));
        };
        check(
            b"a\0/etc/app.conf\0plain",
            b"a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0plain",
        );
        check(b"\0libx.so.1\0", b"\0\0\0\0\0\0\0\0\0\0\0");
        check(b"/etc/app.conf.d\0/etc/app", b"/etc/app.conf.d\0/etc/app");
        check(b"", b"");
    }
}
