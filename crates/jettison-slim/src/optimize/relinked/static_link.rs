//! Programs of Rust, C and C++ with the C library linked in.
//!
//! A program that needs no libraries but those that belong to every compiler can have these linked in, and needs neither the C
//! library nor its loader then. Not one whose C library loads something later: modules for character sets and locales, or
//! libraries by name. Users and hosts are looked up without modules since glibc 2.34, in files and by DNS.

mod cargo;

use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    Edit, EditSet, Instruction, InstructionKind, Keyword, Parse, SimpleCommand, apply,
    is_posix_shell, shell_script,
};
use object::elf;

use self::cargo::of_cargo;
use super::{LIMIT, Original, Proposal, Way, above_comments, commands, makes};
use crate::evidence::{Elf, imports, variable};
use crate::rootfs::{RootDir, RootError};

/// What stands above the command that is another one.
pub(super) const COMMENT: &str =
    "# The C library is linked in: none is needed when the program runs.";
/// Variables that tell it more.
const RUST_VARIABLES: [&str; 4] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
];
/// Libraries that belong to every compiler, and can be linked in.
const RUNTIMES: [&str; 7] = [
    "ld-linux",
    "libc.so.",
    "libdl.so.",
    "libgcc_s.so.",
    "libm.so.",
    "libpthread.so.",
    "libstdc++.so.",
];
/// What loads something when the program runs: libraries, character sets, locales, translations. So do streams of wide characters of C,
/// which besides are broken where they are linked in (glibc 2.41).
const LOADING: [&[u8]; 43] = [
    b"_ZNSt6localeC1EPKc",
    b"_ZNSt6localeC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    b"_ZNSt6localeC1ERKS_PKci",
    b"_ZNSt6localeC2EPKc",
    b"_ZNSt6localeC2ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    b"_ZNSt6localeC2ERKS_PKci",
    b"backtrace",
    b"bindtextdomain",
    b"dladdr",
    b"dladdr1",
    b"dlmopen",
    b"dlopen",
    b"dlvsym",
    b"fgetwc",
    b"fgetwc_unlocked",
    b"fgetws",
    b"fgetws_unlocked",
    b"fputwc",
    b"fputwc_unlocked",
    b"fputws",
    b"fputws_unlocked",
    b"fwide",
    b"fwprintf",
    b"fwscanf",
    b"gettext",
    b"getwc",
    b"getwc_unlocked",
    b"getwchar",
    b"getwchar_unlocked",
    b"iconv",
    b"iconv_open",
    b"newlocale",
    b"open_wmemstream",
    b"putwc",
    b"putwc_unlocked",
    b"putwchar",
    b"putwchar_unlocked",
    b"setlocale",
    b"textdomain",
    b"ungetwc",
    b"vfwprintf",
    b"vwprintf",
    b"wprintf",
];
/// The same in parts of names: the library of C++ makes these of the name of a locale.
const LOADING_PARTS: [&str; 2] = ["_S_create_c_locale", "_byname"];
/// The same in variables, which a program has a copy of, and in an argument of `fopen`.
const LOADING_WORDS: [&str; 5] = [
    ",ccs=",
    "_ZSt4wcin",
    "_ZSt5wcerr",
    "_ZSt5wclog",
    "_ZSt5wcout",
];
/// Sources of the name service that the C library has in itself, or that only look elsewhere for the same.
const OWN_SOURCES: [&str; 5] = ["compat", "db", "dns", "files", "hesiod"];
/// Compilers of C and C++, as they are called.
const COMPILERS: [&str; 6] = ["c++", "cc", "clang", "clang++", "g++", "gcc"];
/// How options start with which they make no program, or link it in a way of its own.
const OTHER_LINKS: [&str; 13] = [
    "-E",
    "-M",
    "-S",
    "-Wl,",
    "-c",
    "-dynamic",
    "-fsanitize",
    "-nostd",
    "-pg",
    "-r",
    "-shared",
    "-static",
    "@",
];

/// The Dockerfile with the C library linked into the program that the image starts, if that can be.
pub(super) fn proposal(original: &Original<'_>) -> Result<Option<Proposal>, RootError> {
    let Original {
        built, root, main, ..
    } = *original;
    let env = &built.image.config().config.env;
    let is_set = |name: &&str| variable(env, name).is_some();
    let Some(program) = Program::read(root, main) else {
        return Ok(None);
    };
    if !has_static_library(root)
        || RUST_VARIABLES.iter().any(is_set)
        || program.asks_names && has_other_sources(root)
    {
        return Ok(None);
    }
    let is_of_rust = |variable: &str| variable.starts_with("CARGO_TARGET_");
    let mut names = env.iter().filter_map(|pair| pair.split_once('='));
    let program = Program {
        has_settings: names.any(|(name, _)| is_of_rust(name))
            || names_variables(original.parsed)
            || has_settings_of_cargo(root)?,
        ..program
    };
    let programs = original.programs(|root, path| Program::read(root, path).is_some())?;
    let commands = commands(built);
    let text = linked(original.parsed, &commands, (main, &program));
    Ok(text.map(|text| Proposal {
        way: Way::Static {
            asks_names: program.asks_names,
        },
        text,
        programs,
    }))
}

/// Whether an `ARG` is one of the variables that the compiler of Rust gets its options by.
fn names_variables(parsed: &Parse) -> bool {
    let mut instructions = parsed.instructions().iter();
    instructions.any(|instruction| {
        instruction.keyword == Keyword::Arg
            && RUST_VARIABLES
                .iter()
                .any(|name| instruction.original().contains(name))
    })
}

/// Whether cargo has settings, which a variable with options for the compiler would put out of force.
fn has_settings_of_cargo(root: &RootDir) -> Result<bool, RootError> {
    const FILES: [&str; 4] = [
        ".cargo/config",
        ".cargo/config.toml",
        "cargo/config",
        "cargo/config.toml",
    ];
    let mut found = false;
    root.walk(&mut |path, metadata| {
        found |= metadata.is_file() && FILES.iter().any(|file| path.ends_with(file));
    })?;
    Ok(found)
}

/// What is to be known of `programs`, which were built so.
pub(super) fn note(programs: &str, asks_names: bool) -> String {
    let names = if asks_names {
        ". Hosts are then looked up in /etc/hosts and by DNS alone, and users in /etc/passwd and /etc/group, without other sources of \
         /etc/nsswitch.conf"
    } else {
        ""
    };
    format!(
        "static: the C library is linked into {programs}, since nothing of it is loaded later; these are other files, whose answers were compared{names}"
    )
}

/// A program that the C library can be linked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Program {
    /// Whether it asks for users, hosts and their like.
    asks_names: bool,
    /// Whether options for the compiler of Rust may stand in settings of cargo, or in variables.
    has_settings: bool,
    /// The option with which a compiler of C links it statically: always loaded at the same place, or anywhere, as it was. None if
    /// it looks for functions by name, among those that are loaded.
    option: Option<&'static str>,
    /// The name of its machine, as Rust has it.
    machine: &'static str,
}

impl Program {
    fn read(root: &RootDir, path: &Path) -> Option<Program> {
        let bytes = root.content(path, LIMIT)?;
        let file = Elf::parse(&bytes).ok()?;
        let names = imports(&bytes).ok()?;
        let is_linkable = file.interpreter.is_some()
            && file.go_buildinfo.is_none()
            && file.needed.iter().all(|name| is_runtime(name))
            && !names.is_empty()
            && !names.iter().any(|name| loads(name))
            && !has_loading_words(&bytes);
        let machine = match file.machine {
            machine if machine == elf::EM_X86_64.0 => "x86_64",
            machine if machine == elf::EM_AARCH64.0 => "aarch64",
            _ => return None,
        };
        is_linkable.then(|| Program {
            asks_names: file.uses_nss,
            has_settings: false,
            option: (!names.contains(&b"dlsym".as_slice())).then_some(if file.is_fixed {
                "-static"
            } else {
                "-static-pie"
            }),
            machine,
        })
    }
}

/// Whether the library that is called `name` belongs to every compiler.
pub(super) fn is_runtime(name: &str) -> bool {
    RUNTIMES.iter().any(|known| name.starts_with(known))
}

/// Whether the function that is called `name` loads something.
pub(super) fn loads(name: &[u8]) -> bool {
    LOADING.contains(&name) || LOADING_PARTS.iter().any(|part| holds(name, part))
}

/// Whether variables or arguments in `bytes` do.
pub(super) fn has_loading_words(bytes: &[u8]) -> bool {
    LOADING_WORDS.iter().any(|word| holds(bytes, word))
}

pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// Whether the settings of the name service name a source of which the image has the module, and which is not the C library's own.
pub(super) fn has_other_sources(root: &RootDir) -> bool {
    const SETTINGS_LIMIT: u64 = 1 << 20;
    let settings = root.content(Path::new("/etc/nsswitch.conf"), SETTINGS_LIMIT);
    let settings = String::from_utf8_lossy(&settings.unwrap_or_default()).into_owned();
    let libraries = Path::new("/usr/lib");
    let places = root.names(libraries);
    let is_there = |source: &str| {
        let name = format!("libnss_{source}.so.2");
        places.iter().any(|place| {
            let path = libraries.join(place).join(&name);
            root.target(&path).is_some()
        })
    };
    let lines = settings
        .lines()
        .filter_map(|line| line.split('#').next()?.split_once(':'));
    lines
        .flat_map(|(_, sources)| sources.split_whitespace())
        .any(|source| !OWN_SOURCES.contains(&source) && is_there(source))
}

/// Whether there is a C library to link in that does without modules for names: that of glibc 2.34 or later has the functions
/// of `libpthread.a` in itself, which is an empty archive since then.
pub(super) fn has_static_library(root: &RootDir) -> bool {
    const EMPTY: u64 = b"!<arch>\n".len() as u64;
    let libraries = Path::new("/usr/lib");
    root.names(libraries).into_iter().any(|name| {
        let directory = libraries.join(name);
        let size = |name: &str| Some(root.target(&directory.join(name))?.len());
        size("libc.a").is_some() && size("libpthread.a") == Some(EMPTY)
    })
}

/// The Dockerfile in which the last of `commands` that builds `main` links it so; they are the positions of `RUN`
/// instructions, and what each wrote.
fn linked(
    parsed: &Parse,
    commands: &[(usize, PathBuf)],
    (main, program): (&Path, &Program),
) -> Option<String> {
    if parsed.escape() != '\\' || !has_plain_shell(parsed) {
        return None;
    }
    let made = |(_, files): &&(usize, PathBuf)| makes(files, [main].into_iter());
    let maker = commands.iter().find(made)?.0;
    // What only moves a program was built by a command before.
    let before = commands.iter().rev().skip_while(|(at, _)| *at > maker);
    let (instruction, edit) = before
        .filter_map(|(at, files)| Some((parsed.instructions().get(*at)?, files)))
        .find_map(|(instruction, files)| {
            let edit = edit(parsed, instruction, (main, program, files))?;
            Some((instruction, edit))
        })?;
    let text = parsed.text();
    let start = above_comments(text, instruction.range.start);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut edits = EditSet::new();
    let comment = Edit {
        range: start..start,
        replacement: format!("{COMMENT}{newline}"),
    };
    for edit in [comment, edit] {
        edits.insert(edit).ok()?;
    }
    apply(text, &edits).ok()
}

/// Whether a shell of POSIX gets all commands.
pub(super) fn has_plain_shell(parsed: &Parse) -> bool {
    parsed
        .instructions()
        .iter()
        .all(|instruction| match &instruction.kind {
            InstructionKind::Shell(words) => words.first().is_some_and(|word| is_posix_shell(word)),
            _ => true,
        })
}

/// What makes the last command of `instruction` that builds the program link it with the C library.
fn edit(
    parsed: &Parse,
    instruction: &Instruction,
    (main, program, files): (&Path, &Program, &Path),
) -> Option<Edit> {
    // The trigger of an `ONBUILD` is an instruction of its own kind.
    if instruction.keyword != Keyword::Run {
        return None;
    }
    let script = shell_script(parsed.text(), parsed.escape(), instruction)?;
    let is_told = |name: &str| RUST_VARIABLES.contains(&name);
    if script
        .variables
        .iter()
        .any(|variable| is_told(&variable.name))
    {
        return None;
    }
    script.commands.iter().rev().find_map(|command| {
        let tool = command.tool()?;
        if tool == "cargo" {
            return of_cargo((parsed.text(), &script), command, (main, program, files));
        }
        let option = program.option.filter(|_| COMPILERS.contains(&tool))?;
        of_compiler(command, main, option)
    })
}

/// A compiler's command that makes `main`, with the option to link statically.
fn of_compiler(command: &SimpleCommand, main: &Path, option: &str) -> Option<Edit> {
    let words: Option<Vec<&str>> = command
        .unwrapped()
        .iter()
        .map(|word| word.literal.as_deref())
        .collect();
    let words = words?;
    let is_other = |word: &&str| OTHER_LINKS.iter().any(|option| word.starts_with(option));
    if words.iter().any(is_other) {
        return None;
    }
    let output =
        words
            .iter()
            .enumerate()
            .find_map(|(at, word)| match word.strip_prefix("-o")? {
                "" => words.get(at + 1).copied(),
                attached => Some(attached),
            })?;
    if Path::new(output).file_name() != main.file_name() {
        return None;
    }
    let compiler = command.unwrapped().first()?;
    Some(Edit {
        range: compiler.range.end..compiler.range.end,
        replacement: format!(" {option}"),
    })
}

#[cfg(test)]
mod tests;
