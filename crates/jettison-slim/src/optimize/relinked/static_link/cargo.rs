//! Programs that cargo builds, linked statically.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jettison_dockerfile::{Edit, ShellScript, ShellWord, SimpleCommand};

use super::Program;

/// What the compiler of Rust is told.
const RUST_OPTION: &str = "-C target-feature=+crt-static";
/// And the linker besides: the library of Rust asks whether there is this function, for what threads drop at their end. Nobody else
/// does, so that it would not be linked in, and the first thread would drop nothing.
const LINK_OPTION: &str = "-C link-arg=-Wl,-u,__cxa_thread_atexit_impl";
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

/// A command of cargo that makes `main` and what else is in the same directory of `files`, with the option to link
/// statically, which is for the programs alone: macros that are compiled for the compiler itself cannot be linked so.
pub(super) fn of_cargo(
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
            if !is_plain || !is_here || program.has_settings || options.iter().any(is_told) {
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
