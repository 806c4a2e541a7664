//! Programs of Go that need C, with its libraries linked in.
//!
//! What Go's own library asks C for, it does itself then (`netgo`, `osusergo`). For the rest the same holds as for programs of C:
//! nothing may be loaded when the program runs. `SQLite` loads extensions if it is told to; it is built without that, unless the
//! sources tell it to.

mod command;
mod libraries;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{EditSet, Instruction, Keyword, Parse, apply, shell_script};

use self::command::{Options, edit};
use self::libraries::Libraries;
use super::go::with_setting;
use super::static_link::{
    COMMENT, has_loading_words, has_other_sources, has_plain_shell, has_static_library, holds,
    loads,
};
use super::{LIMIT, Original, Proposal, Way, above_comments, commands, makes};
use crate::evidence::{
    EXPORTED, Elf, GoBuildInfo, has_optional_c, imports, is_plainly_linked_to_c, needed_c,
    variable, weak_imports,
};
use crate::rootfs::{RootDir, RootError};

/// The package that has `SQLite` in it, or its library.
const SQLITE: &str = "github.com/mattn/go-sqlite3";
/// The same in names of types.
const SQLITE_NAME: &str = "sqlite3";
const SQLITE_LIBRARY: &str = "libsqlite3.so.";
const WITHOUT_EXTENSIONS: &str = "sqlite_omit_load_extension";
/// What `SQLite` imports to load extensions.
const EXTENSIONS: [&[u8]; 2] = [b"dlopen", b"dlsym"];
/// Where Go's own sources are, with the tests of these.
const GO: &str = "/usr/local/go";
/// Variables with which commands of Go get options.
const FLAGS: &str = "GOFLAGS";
/// Functions that every linker asks for, if they are there.
const USUAL_WEAK: [&[u8]; 4] = [
    b"_ITM_deregisterTMCloneTable",
    b"_ITM_registerTMCloneTable",
    b"__cxa_finalize",
    b"__gmon_start__",
];

/// The Dockerfile with the libraries of C linked into the program that the image starts, if that is one of Go that needs them.
pub(super) fn proposal(original: &Original<'_>) -> Result<Option<Proposal>, RootError> {
    let Original {
        built,
        root,
        parsed,
        main,
    } = *original;
    let env = &built.image.config().config.env;
    let is_set = |name: &str| variable(env, name).is_some_and(|value| !value.trim().is_empty());
    let Some(program) = Program::read(root, main) else {
        return Ok(None);
    };
    if !has_static_library(root)
        || program.asks_names && has_other_sources(root)
        || is_set("LD_LIBRARY_PATH")
        || variable(env, FLAGS).is_some_and(names_options)
        || has_options(parsed)
        || has_settings_of_go(root)?
        || program.is_without_extensions() && loads_extensions(root)?
    {
        return Ok(None);
    }
    let programs = original.programs(is_of_go)?;
    if !programs.contains(main) {
        return Ok(None);
    }
    let commands: Vec<(usize, bool)> = commands(built)
        .into_iter()
        .map(|(at, files)| (at, makes(&files, [main].into_iter())))
        .collect();
    let text = linked(parsed, &commands, &program.options).or_else(|| {
        let is_named = is_set(FLAGS) || parsed.text().contains(FLAGS);
        if is_named {
            return None;
        }
        with_setting(parsed, &commands, &setting(&program.options))
    });
    Ok(text.map(|text| Proposal {
        way: Way::Cgo(Differences {
            asks_names: program.asks_names,
            is_without_extensions: program.is_without_extensions(),
        }),
        text,
        programs,
    }))
}

/// What a program may do otherwise then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Differences {
    /// It asks the name service.
    asks_names: bool,
    /// `SQLite` is in it without what loads extensions.
    is_without_extensions: bool,
}

/// What is to be known of `programs`, which were built so.
pub(super) fn note(programs: &str, differences: Differences) -> String {
    let Differences {
        asks_names,
        is_without_extensions,
    } = differences;
    let names = if asks_names {
        ". Hosts are then looked up in /etc/hosts and by DNS alone, without other sources of /etc/nsswitch.conf and options of /etc/resolv.conf that Go \
         does not know, and users in /etc/passwd and /etc/group alone, without LDAP and its like"
    } else {
        ""
    };
    let extensions = if is_without_extensions {
        ". SQLite then loads no extensions (sqlite_omit_load_extension), which no source of the program asks for"
    } else {
        ""
    };
    format!(
        "static: the libraries of C that it needs are linked into {programs}, since nothing of them is loaded later; these are other files, whose answers were \
         compared{names}{extensions}"
    )
}

/// Why `after` is not what was to be built where `before` was; nothing if it is. Options can stand where nobody has looked for them, and one of two counts.
pub(super) fn difference(
    (before, after): (&RootDir, &RootDir),
    path: &Path,
    differences: Differences,
) -> Option<String> {
    let [Some(before), Some(after)] = [before, after].map(|root| build_info(root, path)) else {
        return Some(format!("{} does not tell how it was built", path.display()));
    };
    let name = different_setting(&before, &after, differences)?;
    Some(format!(
        "{} is built with another value of {name}",
        path.display()
    ))
}

/// The name of a setting that both have not in common, although they should.
fn different_setting(
    before: &GoBuildInfo,
    after: &GoBuildInfo,
    differences: Differences,
) -> Option<String> {
    const OURS: [&str; 3] = ["netgo", "osusergo", WITHOUT_EXTENSIONS];
    let is_there = |tag: &str| after.tags().any(|known| known == tag);
    let has_names = !differences.asks_names || is_there("netgo") && is_there("osusergo");
    let has_ours =
        has_names && (!differences.is_without_extensions || is_there(WITHOUT_EXTENSIONS));
    // Without C, there is nothing that these would change.
    if !has_ours && after.setting("CGO_ENABLED") != Some("0") {
        return Some("-tags".to_owned());
    }
    let tags = |info: &GoBuildInfo| -> Vec<String> {
        let tags = info.tags().filter(|tag| !OURS.contains(tag));
        tags.map(str::to_owned).collect()
    };
    if tags(before) != tags(after) {
        return Some("-tags".to_owned());
    }
    let flags = |info: &GoBuildInfo| info.setting("-ldflags").unwrap_or_default().to_owned();
    if !flags(after).ends_with(&flags(before)) {
        return Some("-ldflags".to_owned());
    }
    let others = |info: &GoBuildInfo| -> BTreeSet<(String, String)> {
        let is_told = |name: &str| ["-tags", "-ldflags"].contains(&name) || name.starts_with("vcs");
        let settings = info.settings.iter().filter(|(name, _)| !is_told(name));
        settings.cloned().collect()
    };
    let (before, after) = (others(before), others(after));
    let mut different = before.symmetric_difference(&after);
    different.next().map(|(name, _)| name.clone())
}

fn build_info(root: &RootDir, path: &Path) -> Option<GoBuildInfo> {
    Elf::parse(&root.content(path, LIMIT)?).ok()?.go_buildinfo
}

fn is_of_go(root: &RootDir, path: &Path) -> bool {
    build_info(root, path).is_some()
}

/// A program of Go that the libraries of C can be linked into.
struct Program {
    /// Whether it asks for users, hosts and their like.
    asks_names: bool,
    options: Options,
}

impl Program {
    fn read(root: &RootDir, path: &Path) -> Option<Program> {
        let bytes = root.content(path, LIMIT)?;
        let file = Elf::parse(&bytes).ok()?;
        let info = file.go_buildinfo.as_ref()?;
        let is_plain = is_plainly_linked_to_c(&file)
            && !has_optional_c(&file, &bytes)
            && file.is_fixed
            && file.rpath.is_empty()
            && file.run_path.is_empty()
            && info
                .setting("-ldflags")
                .is_none_or(|flags| !flags.contains("-extld"))
            && !has_loading_words(&bytes);
        if !is_plain {
            return None;
        }
        let libraries = Libraries::of(root, &file)?;
        // A function that C calls is SQLite's as well if nobody else needs C.
        let needed = needed_c(&bytes);
        let is_of_sqlite = needed.contains(SQLITE)
            && needed
                .iter()
                .all(|package| [SQLITE, SQLITE_NAME, EXPORTED].contains(package));
        let mut is_extensible = false;
        let files = [("", bytes.as_slice())].into_iter();
        for (name, bytes) in files.chain(libraries.contents()) {
            let has_sqlite = is_of_sqlite && (name.is_empty() || name.starts_with(SQLITE_LIBRARY));
            let names = imports(bytes).ok()?;
            let is_allowed = |name: &[u8]| has_sqlite && EXTENSIONS.contains(&name);
            is_extensible |= names.iter().any(|name| is_allowed(name));
            let is_refused =
                |name: &&[u8]| !is_allowed(name) && (loads(name) || *name == b"dlsym".as_slice());
            let weak = weak_imports(bytes).ok()?;
            let is_loading = names.iter().any(is_refused);
            if is_loading || weak.iter().any(|name| !USUAL_WEAK.contains(name)) {
                return None;
            }
        }
        let asks_names = file.uses_nss || libraries.ask_names();
        let mut tags = Vec::new();
        if asks_names {
            tags.extend(["netgo", "osusergo"]);
        }
        if is_extensible {
            tags.push(WITHOUT_EXTENSIONS);
        }
        tags.retain(|tag| info.tags().all(|known| known != *tag));
        Some(Program {
            asks_names,
            options: Options {
                tags,
                libraries: libraries.into_names(),
            },
        })
    }

    fn is_without_extensions(&self) -> bool {
        self.options.tags.contains(&WITHOUT_EXTENSIONS)
    }
}

/// Whether `flags` has options that others put out of force.
fn names_options(flags: &str) -> bool {
    ["-tags", "-ldflags"]
        .iter()
        .any(|name| flags.contains(name))
}

/// Whether an instruction sets such options for all commands of Go.
fn has_options(parsed: &Parse) -> bool {
    let mut instructions = parsed.instructions().iter();
    instructions.any(|instruction| {
        let text = instruction.original();
        text.contains(FLAGS) && names_options(text)
    })
}

/// Whether Go has settings with such options (`go env -w`).
fn has_settings_of_go(root: &RootDir) -> Result<bool, RootError> {
    const SETTINGS_LIMIT: u64 = 1 << 20;
    let mut found = false;
    root.walk(&mut |path, metadata| {
        found |= metadata.is_file()
            && (path.ends_with("go/env") || path.ends_with("go/go.env"))
            && root
                .content(path, SETTINGS_LIMIT)
                .is_none_or(|bytes| holds(&bytes, FLAGS));
    })?;
    Ok(found)
}

/// Whether sources of Go have `SQLite` load extensions, those of `SQLite`'s own package apart.
fn loads_extensions(root: &RootDir) -> Result<bool, RootError> {
    const SOURCE_LIMIT: u64 = 1 << 24;
    let mut sources = Vec::new();
    root.walk(&mut |path, metadata| {
        let is_others = !path.starts_with(GO)
            && !holds(path.as_os_str().as_encoded_bytes(), "mattn/go-sqlite3");
        let is_source = path
            .extension()
            .is_some_and(|extension| ["go", "sql"].iter().any(|known| extension == *known));
        if metadata.is_file() && is_source && is_others {
            sources.push(path.to_path_buf());
        }
    })?;
    Ok(sources.iter().any(|path: &PathBuf| {
        // What cannot be read may say anything.
        let Some(bytes) = root.content(path, SOURCE_LIMIT) else {
            return true;
        };
        let is_told = ["Extensions", "LoadExtension"]
            .iter()
            .any(|word| holds(&bytes, word));
        holds(&bytes, "load_extension") || holds(&bytes, "go-sqlite3") && is_told
    }))
}

/// The Dockerfile in which the last of `commands` that builds programs of Go links them so; they are the positions of `RUN`
/// instructions, and whether each made the program.
fn linked(parsed: &Parse, commands: &[(usize, bool)], options: &Options) -> Option<String> {
    if parsed.escape() != '\\' || !has_plain_shell(parsed) {
        return None;
    }
    let maker = commands.iter().find(|(_, makes)| *makes)?.0;
    // What only moves a program was built by a command before.
    let mut before = commands.iter().rev().skip_while(|(at, _)| *at > maker);
    let (instruction, edits) = before.find_map(|(at, _)| {
        let instruction = parsed.instructions().get(*at)?;
        Some((instruction, edits_of(parsed, instruction, options)?))
    })?;
    let text = parsed.text();
    let start = above_comments(text, instruction.range.start);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let comment = jettison_dockerfile::Edit {
        range: start..start,
        replacement: format!("{COMMENT}{newline}"),
    };
    let mut set = EditSet::new();
    for edit in [comment].into_iter().chain(edits) {
        set.insert(edit).ok()?;
    }
    apply(text, &set).ok()
}

/// What makes all commands of `instruction` that build programs of Go with C link them so; nothing if there are none, or one of them cannot.
fn edits_of(
    parsed: &Parse,
    instruction: &Instruction,
    options: &Options,
) -> Option<Vec<jettison_dockerfile::Edit>> {
    // The trigger of an `ONBUILD` is an instruction of its own kind.
    if instruction.keyword != Keyword::Run {
        return None;
    }
    let script = shell_script(parsed.text(), parsed.escape(), instruction)?;
    let mut edits = Vec::new();
    let mut is_there = false;
    for command in script
        .commands
        .iter()
        .filter(|command| command::builds(command))
    {
        is_there = true;
        edits.extend(edit(parsed.text(), command, options)?);
    }
    is_there.then_some(edits)
}

/// The variable for commands of Go that a tool or a script starts.
fn setting(options: &Options) -> String {
    let tags = if options.tags.is_empty() {
        String::new()
    } else {
        format!("-tags={} ", options.tags.join(","))
    };
    let linker = options.for_linker("\\\"");
    format!("{COMMENT}\nENV {FLAGS}=\"{tags}'-ldflags={linker}'\"")
}

#[cfg(test)]
mod tests;
