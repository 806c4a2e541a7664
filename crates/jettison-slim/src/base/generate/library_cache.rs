//! `/etc/ld.so.cache`: where the loader finds libraries by name, as `ldconfig` writes it.
//!
//! ```text
//! "glibc-ld.so.cache1.1"  count  size of the strings  byte order  where the extensions begin   48 bytes
//! entry…                  flags, name, path, unused, needed processor                          24 bytes each
//! strings                 each with a NUL
//! extensions              who wrote it; the names of the directories for better processors
//! ```
//!
//! All numbers are little-endian, all places are counted from the start of the file (glibc, sysdeps/generic/dl-cache.h).
//! The bytes are those of glibc 2.32 and later up to the name of the writer; older loaders read this format too.
//!
//! Who needs it: libraries outside `/lib`, `/usr/lib` and their multiarch directories, such as those in
//! `/usr/local/lib`, are found only through it. Python's `ctypes.util.find_library` does *not* read it: it runs
//! `/sbin/ldconfig -p` and reads the answer (Lib/ctypes/util.py, `_findSoname_ldconfig`; alike in 3.11 and 3.13), then
//! tries `gcc` and `ld`. It answers `None` where there is no `/sbin/ldconfig`, which Debian ships in libc-bin, however
//! good the cache is.
//!
//! Left out: libraries of another architecture than the image's (`ldconfig` of amd64 lists those of i386 and x32 too),
//! and the platform directories (`tls`, `haswell`) that glibc gave up in 2.37.

mod directories;
mod elf;
mod order;
mod scan;
mod strings;

use std::collections::BTreeMap;

use jettison_debian::Architecture;
use object::ReadRef;

use self::directories::directories;
pub(crate) use self::elf::Library;
use self::order::compare_names;
use self::scan::libraries;
pub(crate) use self::scan::may_be_library;
use self::strings::Strings;
use super::{Link, Tree};

/// Marks an entry that is only for some processors (`DL_CACHE_HWCAP_EXTENSION`).
const FOR_SOME_PROCESSORS: u64 = 1 << 62;
/// Begins the extensions (`cache_extension_magic`).
const EXTENSIONS: u32 = 0xeaa4_2174;
/// The extension that names the writer.
const TAG_GENERATOR: u32 = 0;
/// The extension that lists the directories for better processors.
const TAG_HWCAPS: u32 = 1;
/// The byte order of the numbers (`cache_file_new_flags_endian_little`).
const LITTLE_ENDIAN: u32 = 2;
/// The size of the header.
const HEADER_SIZE: usize = 48;
/// The size of an entry.
const ENTRY_SIZE: usize = 24;

/// What the C library's interface on one architecture means for the cache.
#[derive(Debug)]
struct Abi {
    /// The machine in ELF files.
    machine: u16,
    /// The flags of entries: for libc6, and the architecture (sysdeps/generic/ldconfig.h).
    flags: u32,
    /// Debian's name for directories of this architecture.
    triplet: &'static str,
    /// Whether C's `char` is signed, which decides on the order of names.
    has_signed_char: bool,
}

const X86_64: Abi = Abi {
    machine: 62,
    flags: 0x0303,
    triplet: "x86_64-linux-gnu",
    has_signed_char: true,
};

const AARCH64: Abi = Abi {
    machine: 183,
    flags: 0x0a03,
    triplet: "aarch64-linux-gnu",
    has_signed_char: false,
};

impl Abi {
    fn of(architecture: &Architecture) -> Option<&'static Abi> {
        match architecture.as_str() {
            "amd64" => Some(&X86_64),
            "arm64" => Some(&AARCH64),
            _ => None,
        }
    }

    /// The value of a byte as C's `char`; 0 at the end of a string.
    fn char_value(&self, byte: Option<&u8>) -> i16 {
        let byte = byte.copied().unwrap_or(0);
        if self.has_signed_char {
            i16::from(byte.cast_signed())
        } else {
            i16::from(byte)
        }
    }
}

/// The cache, and the links without which its entries lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LibraryCache {
    /// The bytes of `etc/ld.so.cache`.
    pub(crate) bytes: Vec<u8>,
    /// Links from the names of libraries to their files where they are missing or lead elsewhere; packages bring theirs.
    pub(crate) links: Vec<Link>,
}

/// One line of the cache.
#[derive(Debug, Clone)]
struct Entry {
    soname: String,
    path: String,
    hwcaps: Option<String>,
    isa_level: u32,
}

/// The shared libraries of an image by their paths, without a slash at their start.
pub(crate) type Libraries = BTreeMap<String, Library>;

/// What the cache needs to know of `file`, of which only a little is read; `None` if it is no shared library that an image
/// of this architecture could load.
pub(crate) fn read_library<'data>(
    file: impl ReadRef<'data>,
    architecture: &Architecture,
) -> Option<Library> {
    elf::read(file, Abi::of(architecture)?.machine)
}

/// Makes the cache of the libraries `known` in `tree`; `None` for an architecture whose flags are not known.
///
/// `generator` is what `ldconfig -p` says about the writer. Of the files in `tree` only the bytes of `ld.so.conf` and of
/// what it includes are looked at; Files whose names [`may_be_library`] refuses need not be known.
pub(crate) fn library_cache(
    tree: &Tree<'_>,
    known: &Libraries,
    architecture: &Architecture,
    generator: &str,
) -> Option<LibraryCache> {
    let abi = Abi::of(architecture)?;
    let mut entries = Vec::new();
    let mut links = Vec::new();
    for directory in directories(tree, abi.triplet) {
        for found in libraries(tree, known, abi, &directory) {
            let mut file = &found.file;
            // Directories for better processors get no links; their entries name the files.
            if directory.hwcaps.is_none() {
                file = &found.soname;
                if let Some((name, target)) = found.link() {
                    links.extend(missing_link(tree, &directory.place, name, target));
                }
            }
            entries.push(Entry {
                path: format!("{}/{file}", directory.path),
                hwcaps: directory.hwcaps.clone(),
                isa_level: found.isa_level,
                soname: found.soname,
            });
        }
    }
    // The loader searches by halves from the greatest name; of equal ones, those for better processors come first, and
    // then the directories' order decides (`compare`, elf/cache.c).
    entries.sort_by(|left, right| {
        let names = compare_names(&right.soname, &left.soname, abi);
        let plain_last = left.hwcaps.is_none().cmp(&right.hwcaps.is_none());
        names
            .then(plain_last)
            .then_with(|| left.hwcaps.cmp(&right.hwcaps))
    });
    links.sort();
    Some(LibraryCache {
        bytes: encode(&entries, abi, generator),
        links,
    })
}

/// The link `name` to `target` in `place`, unless what lies there is the same file or no link at all.
fn missing_link(tree: &Tree<'_>, place: &str, name: &str, target: &str) -> Option<Link> {
    let path = format!("{place}/{name}");
    let found = tree.resolve(&path);
    let is_right = found == tree.resolve(&format!("{place}/{target}"));
    let is_in_the_way = found.is_some_and(|(found, _)| found == path);
    (!is_right && !is_in_the_way).then(|| Link {
        path,
        target: target.to_owned(),
    })
}

/// The file that holds `entries`.
fn encode(entries: &[Entry], abi: &Abi, generator: &str) -> Vec<u8> {
    let mut hwcaps: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry.hwcaps.as_deref())
        .collect();
    hwcaps.sort_unstable();
    hwcaps.dedup();
    let names = entries
        .iter()
        .flat_map(|entry| [entry.soname.as_str(), entry.path.as_str()]);
    let strings = Strings::of(names.chain(hwcaps.iter().copied()));
    let base = HEADER_SIZE + entries.len() * ENTRY_SIZE;
    let end = base + strings.bytes.len();
    let extensions = end.next_multiple_of(4);

    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    for number in [entries.len(), strings.bytes.len()] {
        push(&mut bytes, narrow(number));
    }
    push(&mut bytes, LITTLE_ENDIAN);
    push(&mut bytes, narrow(extensions));
    bytes.resize(HEADER_SIZE, 0);
    for entry in entries {
        push(&mut bytes, abi.flags);
        push(&mut bytes, narrow(base + strings.offset(&entry.soname)));
        push(&mut bytes, narrow(base + strings.offset(&entry.path)));
        push(&mut bytes, 0);
        let processor = entry.hwcaps.as_deref().map_or(0, |name| {
            let index = hwcaps.binary_search(&name).unwrap_or_default();
            FOR_SOME_PROCESSORS | u64::from(entry.isa_level) << 32 | u64::from(narrow(index))
        });
        bytes.extend_from_slice(&processor.to_le_bytes());
    }
    bytes.extend_from_slice(&strings.bytes);
    bytes.resize(extensions, 0);
    let places: Vec<u32> = hwcaps
        .iter()
        .map(|name| narrow(base + strings.offset(name)))
        .collect();
    push_extensions(&mut bytes, &places, generator);
    bytes
}

/// Ends a file: who wrote it, and where the names of directories for better processors are.
fn push_extensions(bytes: &mut Vec<u8>, hwcaps: &[u32], generator: &str) {
    let sections = if hwcaps.is_empty() { 1 } else { 2 };
    let data = bytes.len() + 8 + sections * 16;
    let text = data + hwcaps.len() * 4;
    push(bytes, EXTENSIONS);
    push(bytes, narrow(sections));
    for number in [TAG_GENERATOR, 0, narrow(text), narrow(generator.len())] {
        push(bytes, number);
    }
    if !hwcaps.is_empty() {
        for number in [TAG_HWCAPS, 0, narrow(data), narrow(hwcaps.len() * 4)] {
            push(bytes, number);
        }
    }
    for place in hwcaps {
        push(bytes, *place);
    }
    bytes.extend_from_slice(generator.as_bytes());
}

fn push(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend_from_slice(&number.to_le_bytes());
}

/// A place or size in the file, which cannot reach 4 GiB: the names of an image's libraries are far less.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
