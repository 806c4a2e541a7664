//! Programs of Rust, C and C++ with the C library linked in.
//!
//! A program that needs no libraries but those that belong to every compiler can have these linked in, and needs neither the C
//! library nor its loader then. Not one whose C library loads something later: modules for character sets and locales, or
//! libraries by name. Users and hosts are looked up without modules since glibc 2.34, in files and by DNS.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    Edit, EditSet, Instruction, InstructionKind, Keyword, Parse, ShellScript, ShellWord,
    SimpleCommand, apply, is_posix_shell, shell_script,
};

use object::elf;

use super::{LIMIT, Original, Proposal, Way, above_comments, commands, makes};
use crate::evidence::{Elf, imports, variable};
use crate::rootfs::{RootDir, RootError};

/// What stands above the command that is another one.
const COMMENT: &str = "# The C library is linked in: none is needed when the program runs.";
/// What the compiler of Rust is told.
const RUST_OPTION: &str = "-C target-feature=+crt-static";
/// And the linker besides: the library of Rust asks whether there is this function, for what threads drop at their end. Nobody else
/// does, so that it would not be linked in, and the first thread would drop nothing.
const LINK_OPTION: &str = "-C link-arg=-Wl,-u,__cxa_thread_atexit_impl";
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
/// Variables with which something else is loaded before the C library's own.
const LOADERS: [&str; 2] = ["LD_AUDIT", "LD_PRELOAD"];
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
/// Options of `cargo build` that `cargo rustc` has as well, with a value.
const CARGO_OPTIONS_WITH_VALUE: [&str; 8] = [
    "--bin",
    "--features",
    "--jobs",
    "--manifest-path",
    "--package",
    "-F",
    "-j",
    "-p",
];
/// The same without a value.
const CARGO_OPTIONS: [&str; 12] = [
    "--all-features",
    "--frozen",
    "--locked",
    "--no-default-features",
    "--offline",
    "--quiet",
    "--release",
    "--verbose",
    "-q",
    "-r",
    "-v",
    "-vv",
];
/// How many programs of one command are built one by one.
const PROGRAMS: usize = 4;
/// How deep in what a step wrote the programs of cargo are.
const DEPTH: usize = 8;

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
        || RUST_VARIABLES.iter().chain(&LOADERS).any(is_set)
        || root.target(Path::new("/etc/ld.so.preload")).is_some()
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
    /// Whether it looks for functions by name, among those that are loaded.
    seeks_functions: bool,
    /// Whether options for the compiler of Rust may stand in settings of cargo, or in variables.
    has_settings: bool,
    /// The option that links it statically, as it was: always loaded at the same place, or anywhere.
    option: &'static str,
    /// The name of its machine, as Rust has it.
    machine: &'static str,
}

impl Program {
    fn read(root: &RootDir, path: &Path) -> Option<Program> {
        let bytes = root.content(path, LIMIT)?;
        let file = Elf::parse(&bytes).ok()?;
        let names = imports(&bytes).ok()?;
        let is_runtime = |name: &String| RUNTIMES.iter().any(|known| name.starts_with(known));
        let is_linkable = file.interpreter.is_some()
            && file.go_buildinfo.is_none()
            && file.needed.iter().all(is_runtime)
            && !names.is_empty()
            && !names.iter().any(|name| loads(name))
            && !LOADING_WORDS.iter().any(|word| holds(&bytes, word));
        let machine = match file.machine {
            machine if machine == elf::EM_X86_64.0 => "x86_64",
            machine if machine == elf::EM_AARCH64.0 => "aarch64",
            _ => return None,
        };
        is_linkable.then(|| Program {
            asks_names: file.uses_nss,
            seeks_functions: names.contains(&b"dlsym".as_slice()),
            has_settings: false,
            option: if file.is_fixed {
                "-static"
            } else {
                "-static-pie"
            },
            machine,
        })
    }
}

/// Whether the function that is called `name` loads something.
fn loads(name: &[u8]) -> bool {
    LOADING.contains(&name) || LOADING_PARTS.iter().any(|part| holds(name, part))
}

fn holds(bytes: &[u8], text: &str) -> bool {
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
fn has_static_library(root: &RootDir) -> bool {
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
fn has_plain_shell(parsed: &Parse) -> bool {
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
        let is_compiler = COMPILERS.contains(&tool);
        (is_compiler && !program.seeks_functions)
            .then(|| of_compiler(command, main, program.option))?
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

/// A command of cargo that makes `main` and what else is in the same directory of `files`, with the option to link
/// statically, which is for the programs alone: macros that are compiled for the compiler itself cannot be linked so.
fn of_cargo(
    (text, script): (&str, &ShellScript),
    command: &SimpleCommand,
    (main, program, files): (&Path, &Program, &Path),
) -> Option<Edit> {
    let words = command.unwrapped();
    let (verb, options) = words.get(1..)?.split_first()?;
    let is_plain = command.assignments.is_empty() && words.len() == command.words.len();
    match verb.literal.as_deref()? {
        "build" | "b" => {
            let options = cargo_options(options)?;
            let directory = format!("target/{}", options.profile);
            let programs = match options.program {
                Some(name) if main.file_name() == Some(OsStr::new(&name)) => vec![None],
                Some(_) => return None,
                None => {
                    let mut names = made_by_cargo(files, Path::new(&directory));
                    // What it makes is elsewhere in the end: in a cache, or only where it was moved to.
                    if names.is_empty() {
                        names = named_programs(script, &directory);
                    }
                    let has_main = names
                        .iter()
                        .any(|name| main.file_name() == Some(OsStr::new(name)));
                    // What stands before the first would not be for the others.
                    let is_alone = is_plain || names.len() == 1;
                    if !has_main || !is_alone || names.len() > PROGRAMS {
                        return None;
                    }
                    names.into_iter().map(Some).collect()
                }
            };
            let start = words.first()?.range.start;
            let end = words.last()?.range.end;
            let before = text.get(start..verb.range.start)?;
            let after = text.get(verb.range.end..end)?;
            let commands: Vec<String> = programs
                .into_iter()
                .map(|name: Option<String>| {
                    let name = name.map_or_else(String::new, |name| format!(" --bin {name}"));
                    format!("{before}rustc{after}{name} -- {RUST_OPTION} {LINK_OPTION}")
                })
                .collect();
            Some(Edit {
                range: start..end,
                replacement: commands.join(" \\\n && "),
            })
        }
        "install" => {
            let is_here = options.iter().any(|word| {
                word.literal
                    .as_deref()
                    .is_some_and(|word| word == "--path" || word.starts_with("--path="))
            });
            let is_told = |word: &ShellWord| {
                word.literal
                    .as_deref()
                    .is_none_or(|word| word == "--" || word.starts_with("--target"))
            };
            if !is_plain
                || !is_here
                || program.has_settings
                || options.iter().any(is_told)
            {
                return None;
            }
            let start = words.first()?.range.start;
            let end = words.last()?.range.end;
            let command = text.get(start..end)?;
            // For another target than the compiler's own, even if it is the same, macros are compiled without the option.
            Some(Edit {
                range: start..end,
                replacement: format!(
                    "RUSTFLAGS=\"{RUST_OPTION} {LINK_OPTION}\" {command} --target {}-unknown-linux-gnu",
                    program.machine
                ),
            })
        }
        _ => None,
    }
}

/// What options of `cargo build` say.
struct CargoOptions {
    /// The directory of the profile.
    profile: &'static str,
    /// The program that alone is built.
    program: Option<String>,
}

/// Nothing if there is one that `cargo rustc` has not, or that has it build in another place.
fn cargo_options(words: &[ShellWord]) -> Option<CargoOptions> {
    let mut found = CargoOptions {
        profile: "debug",
        program: None,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let word = word.literal.as_deref()?;
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if CARGO_OPTIONS_WITH_VALUE.contains(&name) {
            let value = match attached {
                Some(value) => value,
                None => words.next()?.literal.clone()?,
            };
            if name == "--bin" && found.program.replace(value).is_some() {
                return None;
            }
        } else if !CARGO_OPTIONS.contains(&word) {
            return None;
        } else if ["--release", "-r"].contains(&word) {
            found.profile = "release";
        }
    }
    Some(found)
}

/// The names of the programs in a directory that is called `directory`, of what a step wrote.
fn made_by_cargo(files: &Path, directory: &Path) -> Vec<String> {
    const EXECUTABLE: u32 = 0o111;
    let mut names = Vec::new();
    let mut places = vec![(files.to_path_buf(), 0)];
    while let Some((place, depth)) = places.pop() {
        let Ok(entries) = fs::read_dir(&place) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let path = entry.path();
            let is_program = metadata.is_file()
                && metadata.permissions().mode() & EXECUTABLE != 0
                && place.ends_with(directory)
                && path.extension().is_none();
            if is_program {
                names.extend(entry.file_name().into_string());
            } else if metadata.is_dir() && depth < DEPTH && !place.ends_with(directory) {
                places.push((path, depth + 1));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The names of the programs in `directory` that other commands of `script` name, none if one names them by a pattern.
fn named_programs(script: &ShellScript, directory: &str) -> Vec<String> {
    let mut names = Vec::new();
    let words = script.commands.iter().flat_map(|command| &command.words);
    for word in words {
        let text = script.source.get(word.source_range.clone());
        let Some((_, rest)) = text.and_then(|text| text.split_once(directory)) else {
            continue;
        };
        let name = rest.strip_prefix('/').filter(|_| word.literal.is_some());
        let is_name = |name: &&str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !name.is_empty() && name.bytes().all(is_part)
        };
        match name.filter(is_name) {
            Some(name) => names.push(name.to_owned()),
            None => return Vec::new(),
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use jettison_dockerfile::parse;

    use super::*;

    const PLAIN: Program = Program {
        asks_names: false,
        seeks_functions: false,
        has_settings: false,
        option: "-static-pie",
        machine: "x86_64",
    };

    /// `made` is what the last command of the Dockerfile has made, the first of it the program; `expected` is its command then.
    #[track_caller]
    fn check(command: &str, made: &[&str], expected: Option<&str>) {
        check_of(&PLAIN, command, made, expected);
    }

    #[track_caller]
    fn check_of(program: &Program, command: &str, made: &[&str], expected: Option<&str>) {
        let files = tempfile::tempdir().unwrap();
        for path in made {
            let path = files.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let text = |comment: &str, command: &str| {
            format!("FROM gcc\nRUN apt-get install x\n{comment}RUN {command}\nCMD a\n")
        };
        let parsed = parse(&text("", command));
        let commands = [
            (1, files.path().join("nothing")),
            (2, files.path().to_path_buf()),
        ];
        let found = linked(&parsed, &commands, (Path::new(made[0]), program));
        let expected = expected.map(|command| text(&format!("{COMMENT}\n"), command));
        assert_eq!(found, expected, "{command}");
    }

    #[test]
    fn compilers_get_the_option_to_link_statically() {
        let made = ["/usr/bin/tool"];
        let check = |command: &str, expected| check(command, &made, expected);
        check(
            "gcc -O2 -o /usr/bin/tool tool.c -lm",
            Some("gcc -static-pie -O2 -o /usr/bin/tool tool.c -lm"),
        );
        check(
            "cd /src && g++ a.cpp -otool && mv tool /usr/bin",
            Some("cd /src && g++ -static-pie a.cpp -otool && mv tool /usr/bin"),
        );
        for other in [
            "gcc -o other tool.c",
            "gcc -c -o tool tool.c",
            "gcc -rdynamic -o tool tool.c",
            "gcc -Wl,-rpath,/x -o tool tool.c",
            "gcc $(pkg-config --libs x) -o tool tool.c",
            "gcc -static -o tool tool.c",
            "make tool",
        ] {
            check(other, None);
        }
        let fixed = Program {
            option: "-static",
            ..PLAIN
        };
        let linked = Some("cc -static -no-pie -o tool a.c");
        check_of(&fixed, "cc -no-pie -o tool a.c", &made, linked);
        let seeking = Program {
            seeks_functions: true,
            ..PLAIN
        };
        check_of(&seeking, "cc -o tool a.c", &made, None);
    }

    #[test]
    fn cargo_links_the_programs_and_not_the_macros_statically() {
        let made = [
            "/app/target/release/tool",
            "/app/target/release/libtool.so",
            "/app/target/release/deps/tool-1",
        ];
        let check = |command: &str, expected| check(command, &made, expected);
        check(
            "cargo build --release",
            Some(
                "cargo rustc --release --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl",
            ),
        );
        check(
            "A=1 cargo build --release",
            Some(
                "A=1 cargo rustc --release --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl",
            ),
        );
        check(
            "cargo build --locked -r --bin tool && strip target/release/tool",
            Some(
                "cargo rustc --locked -r --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl && strip target/release/tool",
            ),
        );
        for other in [
            "cargo build",
            "cargo build --release --bin other",
            "cargo build --release --target x86_64-unknown-linux-gnu",
            "cargo build --release --workspace",
            "RUSTFLAGS=-g cargo build --release",
            "export RUSTFLAGS=-g; cargo build --release",
            "cargo test",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn programs_that_are_only_moved_elsewhere_are_known_by_that() {
        let made = ["/usr/local/bin/tool"];
        let check = |command: &str, expected| check(command, &made, expected);
        check(
            "--mount=type=cache,target=/app/target cargo build --release && cp target/release/tool /usr/local/bin/",
            Some(
                "--mount=type=cache,target=/app/target cargo rustc --release --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl && cp target/release/tool /usr/local/bin/",
            ),
        );
        for other in [
            "cargo build --release && cp target/release/* /usr/local/bin/",
            "cargo build --release && cp target/release/t /usr/local/bin/tool",
            "cargo build --release && find target/release -name t",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn settings_of_cargo_stay_in_force() {
        let told = Program {
            has_settings: true,
            ..PLAIN
        };
        let made = ["/usr/local/cargo/bin/tool"];
        check_of(&told, "cargo install --path .", &made, None);
        let parsed = parse("FROM rust\nARG RUSTFLAGS=-g\n");
        assert!(names_variables(&parsed));
        assert!(!names_variables(&parse("FROM rust\nARG FLAGS=-g\n")));
    }

    #[test]
    fn what_loads_something_is_told_by_name() {
        for name in [
            "dlopen",
            "wprintf",
            "_ZNSt6localeC1ERKS_PKci",
            "_ZNSt15numpunct_bynameIcEC1EPKcm",
            "_ZNSt6locale5facet18_S_create_c_localeERP15__locale_structPKcS2_",
        ] {
            assert!(loads(name.as_bytes()), "{name}");
        }
        for name in ["printf", "_ZNSt6localeC1Ev", "swprintf", "mbsrtowcs"] {
            assert!(!loads(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn sources_of_the_name_service_that_are_modules_of_others_are_told_apart() {
        let check = |settings: &str, expected: bool| {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in [
                ("etc/nsswitch.conf", settings),
                ("usr/lib/x/libnss_extrausers.so.2", ""),
                ("usr/lib/x/libnss_db.so.2", ""),
            ] {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let root = RootDir::open(dir.path()).unwrap();
            assert_eq!(has_other_sources(&root), expected, "{settings}");
        };
        check("passwd: files extrausers\n", true);
        check("services: db files\nhosts: files mdns4 # x\n", false);
        check("# passwd: extrausers\n", false);
        check("", false);
    }

    #[test]
    fn every_program_of_a_command_of_cargo_is_linked_statically() {
        check(
            "cargo build --release -p x \\\n    --locked",
            &["/app/target/release/b", "/app/target/release/a"],
            Some(
                "cargo rustc --release -p x \\\n    --locked --bin a -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl \\\n \
                 && cargo rustc --release -p x \\\n    --locked --bin b -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl",
            ),
        );
        check(
            "A=1 cargo build",
            &["/app/target/debug/a", "/app/target/debug/b"],
            None,
        );
        let made: Vec<String> = (0..9)
            .map(|number| format!("/app/target/release/a{number}"))
            .collect();
        let made: Vec<&str> = made.iter().map(String::as_str).collect();
        check("cargo build --release", &made, None);
    }

    #[test]
    fn cargo_installs_programs_as_if_for_another_machine() {
        let made = ["/usr/local/cargo/bin/tool"];
        check(
            "cargo install --path .",
            &made,
            Some(
                "RUSTFLAGS=\"-C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl\" cargo install --path . --target x86_64-unknown-linux-gnu",
            ),
        );
        check("cargo install ripgrep", &made, None);
        check("exec cargo install --path .", &made, None);
        check("cargo install --path . --target x", &made, None);
    }
}
