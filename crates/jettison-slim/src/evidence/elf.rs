//! What one ELF file says about what it needs.

mod image;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use object::elf;

pub(super) use self::image::Image;
use self::image::Section;
use super::go::{GoBuildInfo, go_buildinfo};

/// Why bytes are not an ELF file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The bytes do not start as an ELF file does.
    #[error("cannot read the ELF file: it has no ELF header")]
    NotElf,
    /// A header is cut off or contradicts itself.
    #[error("cannot read the ELF file: {problem}")]
    Header {
        /// What the reader found wrong.
        problem: String,
    },
}

/// The facts that an ELF file states about itself.
///
/// "Uses" means that a function is imported; in a program without a loader, that it is linked in and the symbol table
/// still names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact, and no two exclude each other"
)]
pub struct Elf {
    /// The machine, `e_machine`.
    pub machine: u16,
    /// Whether addresses have 64 bits.
    pub is_64: bool,
    /// The loader that the kernel starts for this program.
    pub interpreter: Option<PathBuf>,
    /// The libraries that must be loaded with this file (`DT_NEEDED`).
    pub needed: Vec<String>,
    /// The entries of `DT_RPATH`, as they are written.
    pub rpath: Vec<String>,
    /// The entries of `DT_RUNPATH`, as they are written.
    pub run_path: Vec<String>,
    /// The name by which others need this library.
    pub soname: Option<String>,
    /// Every library of which symbol versions are needed, with these versions.
    pub version_needs: Vec<(String, Vec<String>)>,
    /// Whether it is always loaded at the same place, `ET_EXEC`.
    pub is_fixed: bool,
    /// Whether the C library of GNU is linked in.
    pub static_glibc: bool,
    /// Whether it may load further libraries (`dlopen`, `dlmopen`).
    pub uses_dlopen: bool,
    /// Whether it asks the name service for users, groups, hosts or services.
    pub uses_nss: bool,
    /// Whether it converts between character sets by `iconv`, or by functions of libunistring and libpsl that do.
    pub uses_iconv: bool,
    /// Whether it asks the C library what time it is somewhere, or that cannot be told.
    pub uses_time_zones: bool,
    /// Whether it can start other programs.
    pub starts_programs: bool,
    /// Whether it lists directories, or that cannot be told.
    pub lists_directories: bool,
    /// Whether the names of the functions that it uses are known: it has a loader, or a symbol table.
    pub knows_functions: bool,
    /// Whether it has a table of sections, as all linkers write and only packers remove.
    pub has_sections: bool,
    /// What the Go compiler left about the build.
    pub go_buildinfo: Option<GoBuildInfo>,
    /// The bytes in the file that only debuggers read; none if it carries along what `strip` would take away, too.
    pub strippable_size: u64,
}

impl Elf {
    /// Reads the facts from the bytes of a whole file.
    pub fn parse(bytes: &[u8]) -> Result<Elf, ElfError> {
        let image = Image::parse(bytes)?;
        let strings = |tag| image.dynamic_strings(tag);
        let needed = strings(elf::DT_NEEDED);
        let is_static = image.interpreter.is_none() && needed.is_empty() && !image.is_library();
        let functions = if is_static {
            image.linked_functions()
        } else {
            image.imports()
        };
        let any = |test: fn(&[u8]) -> bool| functions.iter().any(|name| test(name));
        Ok(Elf {
            machine: image.machine,
            is_64: image.is_64,
            interpreter: image
                .interpreter
                .map(|path| PathBuf::from(OsStr::from_bytes(path))),
            rpath: split_path(&strings(elf::DT_RPATH)),
            run_path: split_path(&strings(elf::DT_RUNPATH)),
            soname: strings(elf::DT_SONAME).into_iter().next(),
            version_needs: image.version_needs(),
            is_fixed: image.is_fixed(),
            static_glibc: is_static && has_glibc(&image),
            uses_dlopen: any(|name| matches!(name, b"dlopen" | b"dlmopen")),
            uses_nss: any(asks_name_service),
            uses_iconv: any(converts_characters),
            uses_time_zones: match (is_static && has_glibc(&image), functions.is_empty()) {
                (true, true) => names_time_zones(&image),
                (true, false) => any(asks_local_time),
                (false, true) => true,
                (false, false) => any(asks_time_zone),
            },
            starts_programs: any(starts_program),
            lists_directories: lists_directories(&image, &functions),
            knows_functions: !functions.is_empty(),
            has_sections: !image.sections.is_empty(),
            go_buildinfo: go_buildinfo(&image),
            strippable_size: strippable_size(&image),
            needed,
        })
    }
}

/// The names of the functions and variables that the program or library `bytes` takes from others when it is loaded.
pub(crate) fn imports(bytes: &[u8]) -> Result<Vec<&[u8]>, ElfError> {
    Ok(Image::parse(bytes)?.imports())
}

/// The parts of the program or library `bytes` that are in memory when it runs: not what debuggers read.
pub(crate) fn loaded(bytes: &[u8]) -> Result<Vec<&[u8]>, ElfError> {
    let image = Image::parse(bytes)?;
    let segments = image.segments.iter();
    Ok(segments
        .filter_map(|segment| image.segment_bytes(segment))
        .collect())
}

/// `bytes`, a program or library, without what debuggers read: where it was compiled, and of what. Everything stays in its place.
pub(crate) fn without_debugging(mut bytes: Vec<u8>) -> Vec<u8> {
    let ranges: Vec<_> = match Image::parse(&bytes) {
        Ok(image) => {
            let sections = image
                .sections
                .iter()
                .filter(|section| is_for_debuggers(section.name));
            let range = |section: &Section<'_>| {
                let start = usize::try_from(section.offset).ok()?;
                Some(start..start.checked_add(section.data.len())?)
            };
            sections.filter_map(range).collect()
        }
        Err(_) => Vec::new(),
    };
    for range in ranges {
        if let Some(place) = bytes.get_mut(range) {
            place.fill(0);
        }
    }
    bytes
}

fn is_for_debuggers(section: &[u8]) -> bool {
    section.starts_with(b".debug_") || section.starts_with(b".zdebug_")
}

/// The names of those among them that it can do without.
pub(crate) fn weak_imports(bytes: &[u8]) -> Result<Vec<&[u8]>, ElfError> {
    Ok(Image::parse(bytes)?.weak_imports())
}

/// The entries of search paths; an empty one is the working directory, which a search for evidence cannot know.
fn split_path(paths: &[String]) -> Vec<String> {
    let entries = paths.iter().flat_map(|path| path.split(':'));
    entries
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn asks_name_service(name: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] = &[
        b"getpw",
        b"getgrnam",
        b"getgrgid",
        b"getgrent",
        b"getgrouplist",
        b"gethostby",
        b"gethostent",
        b"getserv",
        b"getproto",
        b"getaddrinfo",
        b"getnameinfo",
        b"initgroups",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The functions of libunistring are those of its `uniconv.h`; of libpsl there is one.
fn converts_characters(name: &[u8]) -> bool {
    const LIBUNISTRING: &[&[u8]] = &[
        b"_conv_from_encoding",
        b"_conv_to_encoding",
        b"_strconv_from_encoding",
        b"_strconv_to_encoding",
    ];
    matches!(name, b"iconv" | b"iconv_open" | b"psl_str_to_utf8lower")
        || LIBUNISTRING
            .iter()
            .any(|end| name.starts_with(b"u") && name.ends_with(end))
}

/// The functions for which the C library reads the time zone (POSIX, `tzset`); the variables say it only after one of these.
fn asks_time_zone(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"ctime",
        b"ctime_r",
        b"localtime",
        b"localtime_r",
        b"mktime",
        b"strftime",
        b"strftime_l",
        b"timelocal",
        b"tzset",
        b"wcsftime",
        b"wcsftime_l",
    ];
    // `__localtime64_r` where addresses have 32 bits, `__strftime_l` in the library of C++.
    let name = name.strip_prefix(b"__").unwrap_or(name);
    NAMES.iter().any(|known| {
        let rest = name.strip_prefix(*known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"64"))
    })
}

/// The same of a program that the C library is linked into: what writes times in the library of C++ calls `strftime` and thereby has
/// `tzset` linked in, but the times come from these.
fn asks_local_time(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"ctime",
        b"ctime_r",
        b"localtime",
        b"localtime_r",
        b"mktime",
        b"timelocal",
    ];
    NAMES.contains(&name)
}

/// Whether a program that the C library of GNU is linked into, and of which no function is known, may ask for a time zone: what
/// does that names their place.
fn names_time_zones(image: &Image<'_>) -> bool {
    memchr::memmem::find(image.bytes, b"/usr/share/zoneinfo").is_some()
}

fn starts_program(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"execl",
        b"execle",
        b"execlp",
        b"execv",
        b"execve",
        b"execveat",
        b"execvp",
        b"execvpe",
        b"fexecve",
        b"pidfd_spawn",
        b"pidfd_spawnp",
        b"popen",
        b"posix_spawn",
        b"posix_spawnp",
        b"system",
        b"wordexp",
    ];
    NAMES.contains(&name)
}

/// Go's linker leaves out methods that nothing calls, and their names with them.
fn lists_directories(image: &Image<'_>, functions: &[&[u8]]) -> bool {
    const PREFIXES: &[&[u8]] = &[
        b"opendir",
        b"fdopendir",
        b"readdir",
        b"scandir",
        b"glob",
        b"ftw",
        b"nftw",
        b"fts_",
        b"getdents",
    ];
    if go_buildinfo(image).is_some() {
        let names: [&[u8]; 2] = [b"os.(*File).readdir", b"syscall.ReadDirent"];
        return names
            .iter()
            .any(|name| memchr::memmem::find(image.bytes, name).is_some());
    }
    functions.is_empty()
        || functions
            .iter()
            .any(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Whether the C library of GNU left its marks: its own sections, or the name of its tunables.
fn has_glibc(image: &Image<'_>) -> bool {
    image
        .sections
        .iter()
        .any(|section| section.name.starts_with(b"__libc_"))
        || memchr::memmem::find(image.bytes, b"GLIBC_TUNABLES").is_some()
}

fn strippable_size(image: &Image<'_>) -> u64 {
    // `strip` would take it away.
    if image.has_more() {
        return 0;
    }
    let strippable = image.sections.iter().filter(|section| {
        matches!(section.name, b".symtab" | b".strtab") || is_for_debuggers(section.name)
    });
    let size: u64 = strippable
        .map(|section| section.data.len() as u64)
        .fold(0, u64::saturating_add);
    size.min(image.bytes.len() as u64)
}

#[cfg(test)]
mod tests;
