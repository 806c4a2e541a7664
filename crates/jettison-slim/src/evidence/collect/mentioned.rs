//! What a compiled program may read besides what runs have used of it: files that were copied into the image and directories
//! that commands made, of which the program holds the names.
//!
//! A run opens one page of many, one table of many; which ones the next run opens, the program's own strings say.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Program;
use super::data::{is_left_out, is_own_directory, is_source, named_files};
use super::layout::whole_directories;
use super::literals::own_absolute_paths;
use super::made::{Step, is_cache, is_system};
use crate::evidence::elf::Elf;
use crate::evidence::packages::Packages;
use crate::refactor::KeptPath;
use crate::rootfs::RootDir;

/// A program or a library that an instruction of the Dockerfile made.
#[derive(Debug)]
pub(crate) struct OwnProgram {
    /// Its real path.
    pub(crate) path: PathBuf,
    /// Where it is started.
    pub(crate) working_dir: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) elf: Elf,
}

/// What of the image `program` may read, by the names that it holds.
///
/// Of what `COPY` brought any part of a path counts, and all if the program lists directories; of what commands made, among
/// which objects and caches of compilers are, only what the program names from the root on, as what `make install` has installed.
pub(crate) fn mentioned_files(
    root: &RootDir,
    program: OwnProgram,
    steps: &[Step],
    packages: &Packages,
) -> Vec<KeptPath> {
    let OwnProgram {
        path,
        working_dir,
        bytes,
        elf,
    } = program;
    let program = Program {
        real_path: path.clone(),
        path,
        working_dir,
        bytes,
        elf,
    };
    let copies: Vec<Step> = steps.iter().filter(|step| step.copies).cloned().collect();
    let mut kept = named_files(&copies, root, &program, packages);
    whole_directories(root, &program, packages, &mut kept);
    let is_place = |path: &Path| {
        let is_own = is_own_directory(&program, packages, path)
            || is_own_below_system(steps, packages, path);
        // Compilers write where they found the sources into programs.
        let is_workplace = program.working_dir.starts_with(path)
            || is_home_of_a_compiler(root, path)
            || holds_sources(root, path, SOURCES_DEPTH);
        is_own && !is_workplace
    };
    for path in own_absolute_paths(root, &program.elf, &program.bytes) {
        let Some(found) = root.target(&path) else {
            continue;
        };
        let reason = format!("{} contains `{}`", program.path.display(), path.display());
        let is_directory = found.is_dir();
        let is_meant = if is_directory {
            is_place(&path)
        } else {
            is_made_data(steps, packages, &program, &path)
        };
        if is_meant {
            kept.push(KeptPath {
                path,
                reason,
                is_directory,
            });
        }
    }
    kept
}

/// Whether a command made the file at `path`, which is neither what compilers leave behind nor a part of the system.
fn is_made_data(steps: &[Step], packages: &Packages, program: &Program, path: &Path) -> bool {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let is_made = steps
        .iter()
        .any(|step| !step.copies && step.files.join(relative).is_file());
    is_made
        && !is_source(path)
        && !is_cache(path)
        && !is_left_out(path)
        && *path != program.path
        && *path != program.real_path
        && !OF_BUILDS
            .iter()
            .any(|end| path.extension() == Some(OsStr::new(end)))
        && !is_system(path)
        && packages.owner_either_side(path).is_none()
}

/// How the names of files end that compilers leave behind.
const OF_BUILDS: [&str; 6] = ["a", "d", "gcda", "gcno", "lo", "o"];
/// How deep sources are looked for below a directory.
const SOURCES_DEPTH: usize = 3;

/// Whether `path` is where Go or Cargo keeps what it has downloaded: `GOPATH`, whose name Go writes into programs, or `CARGO_HOME`.
fn is_home_of_a_compiler(root: &RootDir, path: &Path) -> bool {
    ["pkg/mod", "registry/src"]
        .iter()
        .any(|part| root.target(&path.join(part)).is_some())
}

/// Whether `path` is a directory of many programs, which some name in passing, as a default of `XDG_DATA_DIRS` or `PATH`.
pub(super) fn is_shared(path: &Path) -> bool {
    const PLACES: [&str; 5] = ["/home", "/opt", "/srv", "/usr/local", "/usr/src"];
    let is_place = |path: &Path| PLACES.iter().any(|place| path == Path::new(place));
    is_place(path)
        || path
            .parent()
            .is_some_and(|parent| parent == Path::new("/usr/local"))
}

/// Whether `path` is a directory that commands made for one program in a place where many have theirs, as `/etc/shop`.
fn is_own_below_system(steps: &[Step], packages: &Packages, path: &Path) -> bool {
    const PLACES: [&str; 6] = [
        "/etc",
        "/usr/lib",
        "/usr/libexec",
        "/usr/share",
        "/var/lib",
        "/var/cache",
    ];
    let is_place = path
        .parent()
        .is_some_and(|parent| PLACES.iter().any(|place| parent == Path::new(place)));
    let is_made = || {
        let relative = path.strip_prefix("/").unwrap_or(path);
        steps.iter().any(|step| step.files.join(relative).is_dir())
    };
    is_place && is_system(path) && packages.owner_either_side(path).is_none() && is_made()
}

/// Whether there are sources of a compiled program in `directory`, not deeper than `depth`.
pub(crate) fn holds_sources(root: &RootDir, directory: &Path, depth: usize) -> bool {
    let names = root.names(directory);
    names.into_iter().any(|name| {
        let path = directory.join(name);
        match root.symlink_metadata(&path) {
            Ok(found) if found.is_dir() => depth > 0 && holds_sources(root, &path, depth - 1),
            Ok(_) => is_source(&path),
            Err(_) => false,
        }
    })
}
