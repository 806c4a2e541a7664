//! What the Go linker writes into a program about its build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::elf::{Elf, Image};
use crate::rootfs::RootDir;

/// What starts the header, at a multiple of sixteen bytes.
const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER: usize = 32;
const ALIGNMENT: usize = 16;
/// Bytes that surround the module information.
const FRAME: usize = 16;
const BIG_ENDIAN: u8 = 1;
const INLINE: u8 = 2;

/// What a Go program says about its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoBuildInfo {
    /// The version of Go, such as `go1.22.1`.
    pub version: String,
    /// The import path of the main package.
    pub path: String,
    /// The build settings, such as `CGO_ENABLED` and `-ldflags`, in the order of the file.
    pub settings: Vec<(String, String)>,
}

impl GoBuildInfo {
    /// The value of a build setting.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// The build tags that were asked for.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.setting("-tags").unwrap_or_default();
        tags.split([',', ' ']).filter(|tag| !tag.is_empty())
    }
}

/// Where Go's own table of time zones is, below the directory of Go (`time.loadLocation`, `zoneinfo_goroot.go`).
const ZONES: &str = "lib/time/zoneinfo.zip";

/// Go's own table of time zones, in which the Go program `bytes` looks for zones that the system's lacks.
///
/// It is below the directory of the Go that compiled the program, whose name the linker writes into programs.
pub(super) fn go_time_zones(root: &RootDir, bytes: &[u8]) -> Option<PathBuf> {
    const PLACES: [&str; 3] = ["/usr/local/go", "/usr/lib/go", "/usr/lib/go-"];
    let holds = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    if !holds(ZONES) {
        return None;
    }
    let mut homes: Vec<PathBuf> = PLACES[..2].iter().map(PathBuf::from).collect();
    // Debian's have their versions in their names.
    for name in root.names(Path::new("/usr/lib")) {
        let home = Path::new("/usr/lib").join(name);
        if home
            .to_str()
            .is_some_and(|home| home.starts_with(PLACES[2]))
        {
            homes.push(home);
        }
    }
    homes
        .into_iter()
        .filter(|home| home.to_str().is_some_and(holds))
        .map(|home| home.join(ZONES))
        .find(|zones| root.target(zones).is_some_and(|found| found.is_file()))
}

/// Whether Go's linker has made the program `bytes`.
pub(super) fn is_of_go(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") && memchr::memmem::find(bytes, MAGIC).is_some()
}

/// Whether `path` is a table of time zones of Go's own.
pub(super) fn is_go_time_zones(path: &Path) -> bool {
    path.ends_with(ZONES)
}

/// Whether `path` is of the sources and tools of a Go, where its makers and Debian put it.
fn is_of_go_home(path: &Path) -> bool {
    let mut parts = path.iter().skip(1).filter_map(|part| part.to_str());
    let place = [parts.next(), parts.next()];
    let is_home = |name: &str| name == "go" || name.starts_with("go-");
    match place {
        [Some("usr"), Some("local")] => parts.next() == Some("go"),
        [Some("usr"), Some("lib" | "share")] => parts.next().is_some_and(is_home),
        _ => false,
    }
}

/// Whether the program `bytes` of Go names `path` without ever reading it: the files that it was compiled from, for the traces of a
/// panic, and the home of its compiler, which only `go/build` looks into (its zones are found by [`go_time_zones`]).
pub(super) fn names_in_vain(elf: &Elf, bytes: &[u8], path: &Path) -> bool {
    let holds = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    is_of_go_home(path)
        && elf.go_buildinfo.is_some()
        && !holds("go/build.(")
        && !holds("go/build.init")
}

/// The packages of Go's own library that call functions of C when there is a C compiler, and do without when there is none.
const OPTIONAL_C: [&str; 4] = ["net", "os/user", "user", "runtime/cgo"];
/// How the names start of functions that C calls.
pub(crate) const EXPORTED: &str = "_cgoexp_";
/// The library of C, under the names that those packages ask for.
const C_LIBRARIES: [&str; 3] = ["libc.so.6", "libpthread.so.0", "libresolv.so.2"];

/// Whether the program `bytes` was linked to the C library only for what Go's own library does as well: it looks up hosts
/// and users. `CGO_ENABLED=0` then builds the same program without a loader.
pub(crate) fn has_optional_c(elf: &Elf, bytes: &[u8]) -> bool {
    is_plainly_linked_to_c(elf)
        && elf
            .needed
            .iter()
            .all(|name| C_LIBRARIES.contains(&name.as_str()))
        && needed_c(bytes).is_empty()
}

/// Whether Go has linked the program to C in its usual way: for no checks when it runs, by no other linker, and nobody asked for
/// the resolver of the C library.
pub(crate) fn is_plainly_linked_to_c(elf: &Elf) -> bool {
    let Some(info) = &elf.go_buildinfo else {
        return false;
    };
    let is_program = matches!(info.setting("-buildmode"), None | Some("exe" | "pie"));
    let is_plain = ["-race", "-msan", "-asan", "-linkshared"]
        .iter()
        .all(|name| info.setting(name).is_none_or(|value| value == "false"));
    // Whoever asks for the resolver of the C library, or for another linker, has a reason.
    let is_asked_for = info.tags().any(|tag| tag == "netcgo")
        || info
            .setting("-ldflags")
            .is_some_and(|flags| flags.contains("-linkmode"))
        || info
            .setting("GOEXPERIMENT")
            .is_some_and(|names| names.contains("boringcrypto"));
    elf.interpreter.is_some()
        && info.setting("CGO_ENABLED") == Some("1")
        && is_program
        && is_plain
        && !is_asked_for
}

/// What of the program `bytes` needs C, and cannot do without: the names of packages, and [`EXPORTED`] if C calls it.
pub(crate) fn needed_c(bytes: &[u8]) -> BTreeSet<&str> {
    packages_with_c(bytes)
        .filter(|package| !OPTIONAL_C.contains(package))
        .collect()
}

/// The packages in whose names cgo has put something into the program `bytes`: functions and types that stand for those of C.
fn packages_with_c(bytes: &[u8]) -> impl Iterator<Item = &str> {
    const KINDS: [&[u8]; 5] = [b"func_", b"2func_", b"type_", b"macro_", b"fpvar_"];
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"./_-~%".contains(byte);
    let places = memchr::memmem::find_iter(bytes, b"._C");
    let places = places.filter(|at| {
        let rest = bytes.get(at + 3..).unwrap_or_default();
        KINDS.iter().any(|kind| rest.starts_with(kind))
    });
    let packages = places.map(move |at| {
        let before = bytes.get(..at).unwrap_or_default();
        let length = before
            .iter()
            .rev()
            .take_while(|byte| is_of_name(byte))
            .count();
        let name = before.get(at - length..).unwrap_or_default();
        // The compiler's own functions of a type: `type:.eq.`, and `type..eq.` before Go 1.20.
        let name = [&b".eq."[..], b".hash.", b"type..eq.", b"type..hash."]
            .iter()
            .find_map(|start| name.strip_prefix(*start))
            .unwrap_or(name);
        std::str::from_utf8(name).unwrap_or_default()
    });
    // A function that C calls can be of any package.
    let exported = memchr::memmem::find(bytes, EXPORTED.as_bytes()).map(|_| EXPORTED);
    packages.chain(exported)
}

/// The build information in a program, if Go linked it.
pub(super) fn go_buildinfo(image: &Image<'_>) -> Option<GoBuildInfo> {
    let header = find_header(image)?;
    let flags = *header.get(15)?;
    let (version, modules) = if flags & INLINE != 0 {
        let (version, rest) = inline_string(header.get(HEADER..)?)?;
        let modules = inline_string(rest).map_or(&[][..], |(modules, _)| modules);
        (version, modules)
    } else {
        let size = usize::from(*header.get(14)?);
        let reader = Pointers {
            image,
            size,
            is_big_endian: flags & BIG_ENDIAN != 0,
        };
        let string = |at: usize| reader.string(reader.number(header, at)?);
        (string(16)?, string(16 + size).unwrap_or_default())
    };
    if version.is_empty() {
        return None;
    }
    Some(describe(version, unframe(modules)))
}

/// The bytes from the header on.
fn find_header<'data>(image: &Image<'data>) -> Option<&'data [u8]> {
    if let Some(section) = image.section(b".go.buildinfo") {
        return from_magic(section);
    }
    let writable = image.segments.iter().filter(|segment| segment.is_writable);
    writable
        .filter_map(|segment| image.segment_bytes(segment))
        .find_map(from_magic)
}

fn from_magic(bytes: &[u8]) -> Option<&[u8]> {
    let mut places = memchr::memmem::find_iter(bytes, MAGIC);
    let at = places.find(|at| at % ALIGNMENT == 0)?;
    bytes.get(at..)
}

/// A string with its length in front, seven bits a byte, and what follows it.
fn inline_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f).checked_shl(u32::try_from(7 * index).ok()?)?;
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

/// Reads strings of Go (an address and a length) out of memory, as programs before Go 1.18 need it.
struct Pointers<'image, 'data> {
    image: &'image Image<'data>,
    size: usize,
    is_big_endian: bool,
}

impl<'data> Pointers<'_, 'data> {
    fn number(&self, bytes: &[u8], at: usize) -> Option<u64> {
        let digits = bytes.get(at..at.checked_add(self.size)?)?;
        let add = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        match (self.size, self.is_big_endian) {
            (4 | 8, true) => Some(digits.iter().fold(0, add)),
            (4 | 8, false) => Some(digits.iter().rev().fold(0, add)),
            _ => None,
        }
    }

    fn string(&self, address: u64) -> Option<&'data [u8]> {
        let header = self.image.at_address(address)?;
        let data = self.number(header, 0)?;
        let length = usize::try_from(self.number(header, self.size)?).ok()?;
        self.image.at_address(data)?.get(..length)
    }
}

/// The module information without the marks around it.
fn unframe(framed: &[u8]) -> &[u8] {
    let end = framed.len().saturating_sub(FRAME);
    match framed.get(FRAME..end) {
        Some(modules) if modules.ends_with(b"\n") => modules,
        _ => &[],
    }
}

fn describe(version: &[u8], modules: &[u8]) -> GoBuildInfo {
    let mut info = GoBuildInfo {
        version: String::from_utf8_lossy(version).into_owned(),
        path: String::new(),
        settings: Vec::new(),
    };
    for line in String::from_utf8_lossy(modules).lines() {
        match line.split_once('\t') {
            Some(("path", path)) => path.clone_into(&mut info.path),
            Some(("build", setting)) => info.settings.extend(split_setting(setting)),
            _ => {}
        }
    }
    info
}

/// The key and the value of `key=value`, either of which may be quoted.
fn split_setting(setting: &str) -> Option<(String, String)> {
    let (key, rest) = take_word(setting, "=")?;
    let value = rest.strip_prefix('=')?;
    let (value, _) = take_word(value, "")?;
    Some((key, value))
}

/// A word up to one of the characters `ends` (or the end), or a quoted word; and the rest.
fn take_word<'text>(text: &'text str, ends: &str) -> Option<(String, &'text str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (word, rest) = raw.split_once('`')?;
        return Some((word.to_owned(), rest));
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|letter| ends.contains(letter))
            .unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return Some((word.to_owned(), rest));
    };
    let mut word = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some((word, letters.as_str())),
            '\\' => word.push(unescape(&mut letters)?),
            letter => word.push(letter),
        }
    }
}

/// The character that an escape of Go stands for, after its backslash.
fn unescape(letters: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match letters.next()? {
        'a' => return Some('\x07'),
        'b' => return Some('\x08'),
        'f' => return Some('\x0c'),
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'v' => return Some('\x0b'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        letter => return Some(letter),
    };
    let mut code = 0_u32;
    for _ in 0..digits {
        code = code
            .checked_mul(16)?
            .checked_add(letters.next()?.to_digit(16)?)?;
    }
    char::from_u32(code)
}

#[cfg(test)]
mod tests;
