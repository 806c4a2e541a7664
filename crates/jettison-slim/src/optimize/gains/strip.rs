//! Programs and libraries of one's own without what only debuggers read.
//!
//! What is loaded of them stays the same, byte for byte; the miss oracle sees to that.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_sandbox::{Trace, Use};

use super::Situation;
use crate::evidence::{Elf, Owner, Owners, find_program, variable};
use crate::refactor::{Claim, Equality, Gain, ShellStep};
use crate::report::size_text;
use crate::rootfs::{RootDir, RootError};

/// The largest file that is looked at, in bytes.
const LIMIT: u64 = 1 << 30;
/// What a file has to win, in bytes: less is lost in the file system's blocks.
const LEAST: u64 = 4096;

/// The variables with which programs of Rust name their functions when they fail.
const BACKTRACES: [&str; 2] = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];

/// A file that can be stripped.
struct Found {
    path: PathBuf,
    /// What it wins, in bytes.
    size: u64,
    is_program: bool,
    /// Whether it has names for its backtraces.
    names_functions: bool,
}

/// The gain, if the build image has `strip`, and there is something to strip.
pub(super) fn find(situation: &Situation<'_>) -> Result<Option<Gain>, RootError> {
    let path_env = variable(&situation.config.env, "PATH").unwrap_or(DEFAULT_PATH);
    if find_program(situation.root, "strip", Path::new("/"), path_env).is_err() {
        return Ok(None);
    }
    let found = strippable(situation)?;
    let size: u64 = found.iter().map(|found| found.size).sum();
    if size < LEAST {
        return Ok(None);
    }
    let mut commands = Vec::new();
    for (is_program, option) in [(true, "--strip-all"), (false, "--strip-unneeded")] {
        let paths = found.iter().filter(|found| found.is_program == is_program);
        let words: Vec<String> = paths
            .map(|found| found.path.display().to_string())
            .collect();
        if !words.is_empty() {
            // The time of modification is one that programs may look at.
            commands.push(format!("strip -p {option} {}", words.join(" ")));
        }
    }
    let names: Vec<String> = found
        .iter()
        .map(|found| found.path.display().to_string())
        .collect();
    let backtraces = if found.iter().any(|found| found.names_functions) {
        ", but for names in backtraces if RUST_BACKTRACE asks for one"
    } else {
        ""
    };
    let claims = found.into_iter().map(|found| Claim {
        path: found.path,
        equality: Equality::Loaded,
    });
    Ok(Some(Gain {
        name: "strip",
        reason: format!(
            "{} of symbols and debugging sections are left out of {}; what is loaded stays the same{backtraces}",
            size_text(size),
            names.join(", "),
        ),
        build: vec![ShellStep {
            comment: "Symbols and debugging sections are for debuggers only.".to_owned(),
            commands,
            ..ShellStep::default()
        }],
        claims: claims.collect(),
        ..Gain::default()
    }))
}

/// The candidate's files that neither a package nor a wheel brought, and that have something to strip.
fn strippable(situation: &Situation<'_>) -> Result<Vec<Found>, RootError> {
    let files = large_files(situation.candidate)?;
    let read: BTreeSet<&Path> = situation
        .trace
        .into_iter()
        .flat_map(Trace::found)
        .filter_map(|(path, uses)| uses.contains(Use::Read).then_some(path))
        .collect();
    let mut owners = Owners::read(situation.root, situation.steps)?;
    let mut found = Vec::new();
    for path in files {
        // What a program reads itself, it may read for its symbols.
        let is_read = read.contains(path.as_path());
        if is_read || !super::is_word(&path) || !is_own(&mut owners, &path) {
            continue;
        }
        let Some(bytes) = situation.candidate.content(&path, LIMIT) else {
            continue;
        };
        let Ok(elf) = Elf::parse(&bytes) else {
            continue;
        };
        let names_functions = names_functions(&bytes);
        let env = &situation.config.env;
        let is_free = !names_functions || may_lose_names(&path, situation.others, env);
        if elf.strippable_size > 0 && is_free {
            found.push(Found {
                path,
                size: elf.strippable_size,
                is_program: elf.interpreter.is_some() || elf.soname.is_none() && elf.is_fixed,
                names_functions,
            });
        }
    }
    Ok(found)
}

/// The files below `root` that may have something to strip, by their size.
fn large_files(root: &RootDir) -> Result<Vec<PathBuf>, RootError> {
    let mut files = Vec::new();
    root.walk(&mut |path, metadata| {
        // Of several names for a file, each would get a file of its own.
        let has_one_name = metadata.nlink() == 1;
        if metadata.is_file() && metadata.len() > LEAST && has_one_name {
            files.push(path.to_path_buf());
        }
    })?;
    Ok(files)
}

/// Whether nobody misses the names of functions in `path`: whoever sets the variable when the program runs sees them, unless it is knowingly another one, of
/// which the answers alone are compared.
fn may_lose_names(path: &Path, others: &BTreeSet<PathBuf>, env: &[String]) -> bool {
    let is_set = |name: &&str| variable(env, name).is_some_and(|value| value != "0");
    others.contains(path) && !BACKTRACES.iter().any(is_set)
}

/// Whether the program or library is one of Rust, which reads its own file to name functions once it fails, if a variable says
/// so.
fn names_functions(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"RUST_BACKTRACE").is_some()
}

/// Whether the file was made here: what others have made and list is theirs, checksums and all.
fn is_own(owners: &mut Owners<'_>, path: &Path) -> bool {
    match owners.of(path) {
        Owner::Instruction(_) => true,
        Owner::Module(_) => path.extension().is_some_and(|name| name == "node"),
        Owner::Package(_) | Owner::Base => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn programs_that_name_their_functions_when_they_fail_keep_the_names() {
        assert!(names_functions(b"\x7fELF...RUST_BACKTRACE=full"));
        assert!(!names_functions(b"\x7fELF..."));
    }

    #[test]
    fn names_for_backtraces_go_only_where_the_program_is_another_one_anyway_and_the_image_wants_none()
     {
        let others = BTreeSet::from([PathBuf::from("/x")]);
        for (path, env, expected) in [
            ("/x", "PATH=/bin", true),
            ("/x", "RUST_BACKTRACE=0", true),
            ("/x", "RUST_BACKTRACE=1", false),
            ("/x", "RUST_LIB_BACKTRACE=1", false),
            ("/y", "PATH=/bin", false),
        ] {
            let found = may_lose_names(Path::new(path), &others, &[env.to_owned()]);
            assert_eq!(found, expected, "{path} {env}");
        }
    }

    #[test]
    fn files_with_more_than_one_name_are_not_stripped() {
        let dir = tempfile::tempdir().unwrap();
        for (name, size) in [("alone", 5000), ("first", 5000), ("small", 9)] {
            fs::write(dir.path().join(name), vec![1; size]).unwrap();
        }
        fs::hard_link(dir.path().join("first"), dir.path().join("second")).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(large_files(&root).unwrap(), [PathBuf::from("/alone")]);
    }
}
