//! Libraries of C that a program needs and that can be linked into it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::super::LIMIT;
use super::super::static_link::{has_loading_words, is_runtime};
use crate::evidence::Elf;
use crate::rootfs::RootDir;

/// What Go's own library asks names of hosts of; it is in the C library since glibc 2.34.
const RESOLVER: &str = "libresolv.so.";
/// Libraries that every compiler links in without being told.
const LINKED_ANYWAY: [&str; 5] = [
    "ld-linux",
    "libc.so.",
    "libdl.so.",
    "libgcc_s.so.",
    "libpthread.so.",
];

/// Libraries that are not those of every compiler.
pub(super) struct Libraries {
    found: Vec<Library>,
    /// As the linker calls them, those after what needs them.
    to_name: Vec<String>,
}

struct Library {
    name: String,
    bytes: Vec<u8>,
    asks_names: bool,
}

impl Libraries {
    /// Those that `program` needs, and those that these need; nothing if there is one that cannot be linked in.
    pub(super) fn of(root: &RootDir, program: &Elf) -> Option<Libraries> {
        let mut libraries = Libraries {
            found: Vec::new(),
            to_name: Vec::new(),
        };
        // The program's own are named where it is built.
        let mut needed: VecDeque<(String, bool)> = program
            .needed
            .iter()
            .map(|name| (name.clone(), false))
            .collect();
        while let Some((name, is_to_name)) = needed.pop_front() {
            let is_linked_anyway = LINKED_ANYWAY.iter().any(|known| name.starts_with(known));
            if is_to_name && !is_linked_anyway {
                libraries.name(&name)?;
            }
            let is_known = libraries.found.iter().any(|library| library.name == name);
            if is_known || is_runtime(&name) || name.starts_with(RESOLVER) {
                continue;
            }
            let bytes = root.content(&linkable(root, &name)?, LIMIT)?;
            let file = Elf::parse(&bytes).ok()?;
            let is_plain = file.rpath.is_empty() && file.run_path.is_empty();
            if !is_plain || has_loading_words(&bytes) {
                return None;
            }
            needed.extend(file.needed.iter().map(|name| (name.clone(), true)));
            libraries.found.push(Library {
                name,
                bytes,
                asks_names: file.uses_nss,
            });
        }
        Some(libraries)
    }

    /// Names a library to the linker, after all that need it.
    fn name(&mut self, library: &str) -> Option<()> {
        let option = format!("-l{}", stem(library)?);
        self.to_name.retain(|named| *named != option);
        self.to_name.push(option);
        Some(())
    }

    /// The names and contents of all.
    pub(super) fn contents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let found = self.found.iter();
        found.map(|library| (library.name.as_str(), library.bytes.as_slice()))
    }

    pub(super) fn ask_names(&self) -> bool {
        self.found.iter().any(|library| library.asks_names)
    }

    /// What the linker is to be told besides, as options.
    pub(super) fn into_names(self) -> Vec<String> {
        self.to_name
    }
}

/// `sqlite3` of `libsqlite3.so.0`.
fn stem(name: &str) -> Option<&str> {
    Some(name.strip_prefix("lib")?.split_once(".so")?.0)
}

/// The library that is called `name`, if the same is beside it as what can be linked in, and nowhere else.
fn linkable(root: &RootDir, name: &str) -> Option<PathBuf> {
    const PLACES: [&str; 2] = ["/usr/lib", "/usr/local/lib"];
    let archive = format!("lib{}.a", stem(name)?);
    let below = PLACES.iter().flat_map(|place| {
        let place = Path::new(place);
        let inner = root.names(place).into_iter().map(|name| place.join(name));
        [place.to_path_buf()]
            .into_iter()
            .chain(inner.collect::<Vec<_>>())
    });
    let is_there = |path: &Path| root.target(path).is_some_and(|found| found.is_file());
    let mut places =
        below.filter(|place| is_there(&place.join(name)) || is_there(&place.join(&archive)));
    let place = places.next()?;
    let is_alone = places.next().is_none();
    let is_whole = is_there(&place.join(name)) && is_there(&place.join(archive));
    (is_alone && is_whole).then(|| place.join(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_library_is_linked_in_if_its_archive_is_beside_it_and_nowhere_else() {
        let check = |files: &[&str], expected: Option<&str>| {
            let dir = tempfile::tempdir().unwrap();
            for path in files {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let root = RootDir::open(dir.path()).unwrap();
            let found = linkable(&root, "libz.so.1");
            assert_eq!(found.as_deref(), expected.map(Path::new), "{files:?}");
        };
        check(
            &["usr/lib/x/libz.so.1", "usr/lib/x/libz.a"],
            Some("/usr/lib/x/libz.so.1"),
        );
        check(&["usr/lib/x/libz.so.1"], None);
        check(&["usr/lib/x/libz.so.1", "usr/local/lib/libz.a"], None);
        check(
            &[
                "usr/lib/x/libz.so.1",
                "usr/lib/x/libz.a",
                "usr/local/lib/libz.so.1",
            ],
            None,
        );
    }
}
