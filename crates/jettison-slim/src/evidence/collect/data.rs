//! The files beside a program that it may read: by its own strings, its arguments, its environment.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::literals::own_absolute_paths;
use super::made::{Step, is_cache, is_system, maker, own_files};
use super::mentioned::is_shared;
use super::{NotApplicable, Program, reason};
use crate::evidence::go::go_time_zones;
use crate::evidence::packages::Packages;
use crate::refactor::KeptPath;
use crate::rootfs::RootDir;

/// The largest file that is looked for inside the program.
const EMBEDDED_LIMIT: u64 = 64 << 20;

/// Files of the system that programs open by a fixed name: kept if the program holds that name.
pub(super) fn system_files(root: &RootDir, program: &Program) -> Vec<KeptPath> {
    const BY_LITERAL: [(&str, &[&str]); 12] = [
        // Rust's openssl-probe puts the directory before it.
        (
            "certs/ca-certificates.crt",
            &["/etc/ssl/certs/ca-certificates.crt"],
        ),
        (
            "/etc/ssl/certs/ca-certificates.crt",
            &["/etc/ssl/certs/ca-certificates.crt"],
        ),
        (
            "/usr/share/zoneinfo",
            &["/usr/share/zoneinfo", "/etc/localtime"],
        ),
        ("/etc/passwd", &["/etc/passwd", "/etc/group"]),
        // A home directory is looked up in the table of users.
        ("HOME", &["/etc/passwd", "/etc/group"]),
        ("os.Environ", &["/etc/passwd", "/etc/group"]),
        ("/etc/group", &["/etc/group"]),
        ("/etc/nsswitch.conf", &["/etc/nsswitch.conf"]),
        ("/etc/services", &["/etc/services"]),
        ("/etc/protocols", &["/etc/protocols"]),
        (
            "/etc/mime.types",
            &[
                "/etc/mime.types",
                "/usr/local/share/mime/globs2",
                "/usr/share/mime/globs2",
            ],
        ),
        ("TMPDIR", &["/tmp"]),
    ];
    let mut kept = Vec::new();
    for (literal, paths) in BY_LITERAL {
        // The C library holds the names of all variables that it does not trust.
        let is_libc = literal == "TMPDIR" && program.has_static_libc();
        if is_libc || !program.contains(literal) {
            continue;
        }
        for path in paths {
            if root.target(Path::new(path)).is_some() {
                kept.push(KeptPath {
                    path: PathBuf::from(path),
                    reason: format!("{} contains `{literal}`", program.path.display()),
                    is_directory: false,
                });
            }
        }
    }
    if program.elf.go_buildinfo.is_some() {
        kept.extend(go_time_zones(root, &program.bytes).map(|path| KeptPath {
            path,
            reason: "zones that the system lacks are looked for there".to_owned(),
            is_directory: false,
        }));
    }
    kept
}

/// What the program names by an absolute path. The homes of tools, which `env` names, are in the names of packages as well.
pub(super) fn literal_files(
    root: &RootDir,
    program: &Program,
    packages: &Packages,
    env: &[String],
) -> Result<Vec<KeptPath>, NotApplicable> {
    let is_home_of_a_tool = |path: &Path| {
        let mut pairs = env.iter().filter_map(|pair| pair.split_once('='));
        // What is empty below it is for the tool to fill.
        let is_its =
            |home: &Path| path == home || path.starts_with(home) && root.names(path).is_empty();
        pairs.any(|(name, value)| is_tool_variable(name) && is_its(Path::new(value)))
    };
    let mut kept = Vec::new();
    for path in own_absolute_paths(root, &program.elf, &program.bytes) {
        if is_home_of_a_tool(&path) {
            continue;
        }
        let Some(metadata) = root.target(&path) else {
            continue;
        };
        let is_tool = metadata.is_file() && metadata.mode() & 0o111 != 0 && is_system(&path);
        if is_tool && !program.elf.knows_functions && program.elf.go_buildinfo.is_none() {
            return Err(reason(format!(
                "{} has no symbols and contains `{}`, so it may start it",
                program.path.display(),
                path.display()
            )));
        }
        let keep = if metadata.is_dir() {
            is_state(root, program, &path)? || is_own_directory(program, packages, &path)
        } else {
            metadata.is_file() && is_data(program, packages, &path)
        };
        if keep {
            let reason = format!("{} contains `{}`", program.path.display(), path.display());
            kept.push(KeptPath {
                path,
                reason,
                is_directory: false,
            });
        }
    }
    Ok(kept)
}

/// Directories in which programs keep what they write. They have to be there, and their content of
/// the build must not.
fn is_state(root: &RootDir, program: &Program, path: &Path) -> Result<bool, NotApplicable> {
    const EMPTY: [&str; 2] = ["/tmp", "/var/tmp"];
    const FILLED: [&str; 4] = ["/var/log", "/var/lib", "/var/cache", "/var/spool"];
    if EMPTY.iter().any(|state| path == Path::new(state)) {
        // The C library names these, whether the program has temporary files or not.
        return Ok(path == Path::new("/tmp") || !program.has_static_libc());
    }
    let Some(state) = FILLED.iter().find(|state| path == Path::new(state)) else {
        return Ok(false);
    };
    let is_empty = root.listing(path).is_some_and(|names| names.is_empty());
    if is_empty || program.has_static_libc() {
        return Ok(is_empty);
    }
    Err(reason(format!(
        "{} names a file or directory below {state} that is not there, so it may make it; the final stage would have no {state}",
        program.path.display()
    )))
}

pub(super) fn is_own_directory(program: &Program, packages: &Packages, path: &Path) -> bool {
    !is_system(path)
        && !is_cache(path)
        && path != Path::new("/root")
        && !is_shared(path)
        && !program.path.starts_with(path)
        && !program.real_path.starts_with(path)
        && packages.owner_either_side(path).is_none()
        && !is_left_out(path)
}

/// Whether a file that the program names is something that it could read.
fn is_data(program: &Program, packages: &Packages, path: &Path) -> bool {
    const PROVIDED: [&str; 8] = [
        // Nobody wants these in an image, and only root could read them.
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/etc/mtab",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_library = name.ends_with(".so") || name.contains(".so.");
    if PROVIDED.iter().any(|provided| path == Path::new(provided))
        || is_source(path)
        || is_library
        || path == program.path
        || path == program.real_path
    {
        return false;
    }
    let is_outside = !is_system(path) && !is_cache(path);
    let is_system_data = [
        "/etc",
        "/usr/share",
        "/usr/lib/locale",
        "/usr/lib/ssl",
        "/var/lib",
    ]
    .iter()
    .any(|dir| path.starts_with(dir));
    (is_outside && packages.owner_either_side(path).is_none()) || is_system_data
}

/// What the command line and the environment name.
pub(super) fn configured_files(
    root: &RootDir,
    program: &Program,
    words: &[String],
    env: &[String],
) -> Result<Vec<KeptPath>, NotApplicable> {
    let mut kept = Vec::new();
    let arguments = words
        .iter()
        .skip(1)
        .map(|word| ("the command's argument", word.as_str()));
    let values = env
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| !is_tool_variable(name))
        .map(|(_, value)| ("an ENV value", value));
    for (what, text) in arguments.chain(values) {
        let texts = text
            .split(['=', ':', ',', ' '])
            .chain([text, text.split_once('=').map_or("", |(_, value)| value)])
            .filter(|part| !part.is_empty());
        for part in texts {
            let is_absolute = part.starts_with('/');
            // A word in an environment value is seldom a relative path; an argument may well be.
            if !is_absolute && (what.starts_with("an ENV") && !part.contains('/')) {
                continue;
            }
            let path = crate::rootfs::normalise(&program.working_dir.join(part));
            if root.target(&path).is_none() || is_kernel(&path) || path == program.path {
                continue;
            }
            let is_dir = root.target(&path).is_some_and(|metadata| metadata.is_dir());
            let is_all = path == Path::new("/") || path.parent() == Some(Path::new("/"));
            if is_dir && is_system(&path) && is_all && path != Path::new("/tmp") {
                return Err(reason(format!(
                    "{what} names {}, which is too much to copy and too much to leave out",
                    path.display()
                )));
            }
            kept.push(KeptPath {
                path,
                reason: format!("{what} names it"),
                is_directory: false,
            });
        }
    }
    Ok(kept)
}

fn is_kernel(path: &Path) -> bool {
    ["/proc", "/sys", "/dev"]
        .iter()
        .any(|kernel| path.starts_with(kernel))
}

/// Variables that tell compilers and shells where their own files are.
fn is_tool_variable(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "PATH",
        "HOME",
        "PWD",
        "SHELL",
        "GOPATH",
        "GOROOT",
        "GOCACHE",
        "GOBIN",
        "GOMODCACHE",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "LD_LIBRARY_PATH",
    ];
    NAMES.contains(&name)
}

/// Files that the Dockerfile brought in or made and that the program may read: all of them if it
/// lists directories, else those whose names it holds.
pub(super) fn named_files(
    steps: &[Step],
    root: &RootDir,
    program: &Program,
    packages: &Packages,
) -> Vec<KeptPath> {
    let mut kept: Vec<KeptPath> = Vec::new();
    let mut own = own_files(steps, root, packages);
    let is_copied = |path: &Path| {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let mut copies = steps.iter().filter(|step| step.copies);
        copies.any(|step| step.files.join(relative).symlink_metadata().is_ok())
    };
    let caches = tagged_caches(root, own.keys());
    own.retain(|path, _| is_copied(path) || !caches.iter().any(|cache| path.starts_with(cache)));
    for (path, line) in &own {
        if *path == program.path || *path == program.real_path || is_source(path) {
            continue;
        }
        // What commands installed there is found by its name: its place was given to the compiler.
        let is_installed = path.starts_with("/usr/local") && !is_copied(path);
        let listed = program.elf.lists_directories && !is_left_out(path) && !is_installed;
        let why = if listed {
            Some("lists directories".to_string())
        } else {
            name_in(program, path).map(|name| format!("contains `{name}`"))
        };
        let Some(why) = why else { continue };
        if is_program(root, path) || is_embedded(root, program, path) {
            continue;
        }
        let line = maker(steps, path).unwrap_or(*line);
        kept.push(KeptPath {
            path: path.clone(),
            reason: format!("{} {why} (line {line})", program.path.display()),
            is_directory: false,
        });
    }
    if program.elf.lists_directories {
        // What is listed has to be complete, sources and papers included.
        let listed: BTreeSet<PathBuf> = kept
            .iter()
            .filter_map(|kept| kept.path.parent())
            .filter(|parent| !program.path.starts_with(parent))
            .map(Path::to_path_buf)
            .collect();
        for path in own.keys() {
            let beside = path.parent().is_some_and(|parent| listed.contains(parent));
            if beside && !kept.iter().any(|kept| kept.path == *path) {
                kept.push(KeptPath {
                    path: path.clone(),
                    reason: format!(
                        "{} lists directories, and this is beside what it reads",
                        program.path.display()
                    ),
                    is_directory: false,
                });
            }
        }
    }
    kept
}

/// The directories that are caches by their own word, as the one into which Cargo builds: there is a file `CACHEDIR.TAG` in each
/// (Cache Directory Tagging Specification, version 0.6). What is in one can be made again, and no program relies on it.
fn tagged_caches<'p>(root: &RootDir, files: impl Iterator<Item = &'p PathBuf>) -> Vec<PathBuf> {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let tags = files.filter(|path| path.file_name().is_some_and(|name| name == "CACHEDIR.TAG"));
    tags.filter(|path| {
        root.start(path, SIGNATURE.len() as u64)
            .is_some_and(|start| start == SIGNATURE)
    })
    .filter_map(|path| path.parent().map(Path::to_path_buf))
    .collect()
}

/// Directories of the file system hierarchy standard, which programs name in passing.
const EVERYWHERE: [&str; 14] = [
    "bin", "etc", "games", "home", "include", "lib", "local", "man", "opt", "root", "sbin",
    "share", "srv", "usr",
];

/// A part of `path` that the program holds: the name of the file or of a directory of its own, or
/// the extension.
fn name_in(program: &Program, path: &Path) -> Option<String> {
    if is_left_out(path) {
        // Only by its own name: these lie in every project.
        let name = path.file_name()?.to_str()?;
        return (name.len() > 3 && program.contains(name)).then(|| name.to_string());
    }
    // The directories that hold the program, and in which it starts, are in every path; and in a debugging section, too.
    let own = program.path.parent().unwrap_or(Path::new("/"));
    let rest = [own, program.working_dir.as_path()]
        .into_iter()
        .filter_map(|directory| path.strip_prefix(directory).ok())
        .min_by_key(|rest| rest.components().count())
        .unwrap_or(path);
    let names = rest.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str().map(str::to_string),
        _ => None,
    });
    // Names that every file system has say nothing about what the program reads.
    let names = names.filter(|name| !EVERYWHERE.contains(&name.as_str()));
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .map(|extension| format!(".{extension}"));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    // `lang_de` may be put together from `lang_` and an argument.
    let pieces: Vec<String> = stem
        .split(|c: char| !c.is_alphabetic())
        .filter(|piece| piece.len() > 2)
        .map(str::to_string)
        .collect();
    names
        .chain(extension)
        .chain(pieces)
        .find(|name| program.contains(name))
        // What is not text cannot be searched for.
        .or_else(|| path.to_str().is_none().then(|| "?".to_string()))
}

/// Whether a program is at `path`. No program is started by a program that gets this far.
fn is_program(root: &RootDir, path: &Path) -> bool {
    root.target(path).is_some_and(|metadata| metadata.is_file())
        && root
            .content(path, EMBEDDED_LIMIT)
            .is_some_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

/// Whether the Go compiler put the file's content into the program.
fn is_embedded(root: &RootDir, program: &Program, path: &Path) -> bool {
    program.contains("embed.")
        && program.elf.go_buildinfo.is_some()
        && root
            .content(path, EMBEDDED_LIMIT)
            .is_some_and(|bytes| bytes.len() >= 8 && program.holds(&bytes))
}

/// Whether `path` is what a compiled program was made from.
pub(super) fn is_source(path: &Path) -> bool {
    const EXTENSIONS: [&str; 21] = [
        "go", "mod", "sum", "work", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "rs", "s", "S", "o",
        "a", "la", "mk", "cmake", "d", "rlib",
    ];
    path.extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

/// Whether `path` belongs to a project and not to its program: its papers, its build, its history.
pub(super) fn is_left_out(path: &Path) -> bool {
    const DIRECTORIES: [&str; 9] = [
        ".git",
        ".github",
        ".gitlab",
        ".vscode",
        ".idea",
        "CMakeFiles",
        "testdata",
        ".cache",
        ".svn",
    ];
    const PREFIXES: [&str; 12] = [
        "README",
        "LICENSE",
        "LICENCE",
        "COPYING",
        "CHANGELOG",
        "CONTRIBUTING",
        "Makefile",
        "Dockerfile",
        "CMakeLists",
        "CMakeCache",
        "docker-compose",
        "jettison.toml",
    ];
    const NAMES: [&str; 8] = [
        ".dockerignore",
        ".gitignore",
        ".gitattributes",
        ".editorconfig",
        "Cargo.toml",
        "Cargo.lock",
        "cmake_install.cmake",
        "compose.yaml",
    ];
    let in_directory = path
        .iter()
        .any(|part| DIRECTORIES.iter().any(|known| part == *known));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    in_directory
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || NAMES.iter().any(|known| name == *known)
}
