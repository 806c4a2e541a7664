//! Programs that one instruction has installed beside each other.
//!
//! `make install`, `go install` and a `COPY` into `bin` bring the programs of one project. A run starts one of them, and the
//! next run may start another: nothing in the first one speaks of it.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::evidence::collect::Step;
use crate::rootfs::{RootDir, RootError, if_there};

/// Scripts that say how something is compiled end so (`pcre2-config`): nobody asks for them where programs run.
const FOR_COMPILERS: &[u8] = b"-config";

/// Whether programs are installed into `directory`, by its name.
pub(crate) fn is_for_programs(directory: &Path) -> bool {
    ["bin", "sbin"].iter().any(|name| directory.ends_with(name))
}

/// Whether programs are started by their names in `directory`: it is called so, or one of the directories of `PATH`, `path_env`.
fn holds_programs(directory: &Path, path_env: &str) -> bool {
    is_for_programs(directory)
        || path_env
            .split(':')
            .any(|place| directory == Path::new(place))
}

/// The entries beside `path`, where programs are started by their names, that can be started and that the instruction made which
/// made `path` last; in the order of their names. Elsewhere those that it compiled beside `path`, if it compiled that. Nothing if the
/// base image made `path`.
pub(crate) fn installed_beside(
    root: &RootDir,
    steps: &[Step],
    (path, path_env): (&Path, &str),
) -> Result<Vec<PathBuf>, RootError> {
    let Some(directory) = path.parent() else {
        return Ok(Vec::new());
    };
    let Some(step) = maker(steps, path)? else {
        return Ok(Vec::new());
    };
    let is_place = holds_programs(directory, path_env);
    if !is_place && (step.copies || !is_compiled(root, path)?) {
        return Ok(Vec::new());
    }
    let written = RootDir::open(&step.files)?;
    let mut programs = Vec::new();
    for name in written.list(directory)? {
        let other = directory.join(&name);
        let is_for_compilers = name.as_encoded_bytes().ends_with(FOR_COMPILERS);
        let is_its = || Ok(maker(steps, &other)?.is_some_and(|found| found.files == step.files));
        let is_one = || {
            if is_place {
                is_program(root, &other)
            } else {
                Ok(!is_of_a_build(&name) && is_compiled(root, &other)?)
            }
        };
        if other != path && !is_for_compilers && is_one()? && is_its()? {
            programs.push(other);
        }
    }
    Ok(programs)
}

/// Whether what is called `name` is no program, or a test of one.
fn is_of_a_build(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let is_library = name.contains(".so") || name.ends_with(".o") || name.ends_with(".a");
    is_library
        || words.any(|word| ["bench", "benchmark", "test", "tests", "unittest"].contains(&word))
}

/// Whether `path` is a file, and no link, that was compiled and that the kernel starts.
fn is_compiled(root: &RootDir, path: &Path) -> Result<bool, RootError> {
    let is_file = if_there(root.symlink_metadata(path))?.is_some_and(|found| found.is_file());
    Ok(is_file && is_program(root, path)? && root.head(path, 4)? == b"\x7fELF")
}

/// The instruction that wrote the file or link at `path` last.
fn maker<'s>(steps: &'s [Step], path: &Path) -> Result<Option<&'s Step>, RootError> {
    for step in steps.iter().rev() {
        // An instruction that wrote nothing has no directory.
        let Some(files) = if_there(RootDir::open(&step.files))? else {
            continue;
        };
        let found = if_there(files.symlink_metadata(path))?;
        if found.is_some_and(|found| found.is_file() || found.is_symlink()) {
            return Ok(Some(step));
        }
    }
    Ok(None)
}

/// Whether `path` leads to a file that the kernel starts.
fn is_program(root: &RootDir, path: &Path) -> Result<bool, RootError> {
    let Some(resolved) = if_there(root.resolve(path))? else {
        return Ok(false);
    };
    let real = resolved.real_path;
    let found = root.symlink_metadata(&real)?;
    if !found.is_file() || found.mode() & 0o111 == 0 {
        return Ok(false);
    }
    let head = root.head(&real, 4)?;
    Ok(head == b"\x7fELF" || head.starts_with(b"#!"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const ELF: &str = "\x7fELF...";

    /// A tree of files that can be started; a text `-> x` makes a link.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if let Some(target) = text.strip_prefix("-> ") {
                symlink(target, path).unwrap();
            } else {
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        dir
    }

    #[track_caller]
    fn check(steps: &[&[(&str, &str)]], path: &str, expected: &[&str]) {
        let all = tree(&steps.concat());
        let trees: Vec<_> = steps.iter().map(|files| tree(files)).collect();
        let steps: Vec<Step> = trees
            .iter()
            .map(|files| Step {
                files: files.path().to_path_buf(),
                line: 1,
                copies: false,
                ..Step::default()
            })
            .collect();
        let root = RootDir::open(all.path()).unwrap();
        let found =
            installed_beside(&root, &steps, (Path::new(path), "/opt/build:/usr/bin")).unwrap();
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn programs_that_one_instruction_made_in_a_bin_belong_together() {
        let made: &[(&str, &str)] = &[
            ("usr/local/bin/shop", ELF),
            ("usr/local/bin/shop-admin", "#!/bin/sh\n"),
            ("usr/local/bin/shopdb", ELF),
            ("usr/local/bin/till", "-> shopdb"),
            ("usr/local/sbin/shopd", ELF),
        ];
        let beside = [
            "/usr/local/bin/shop-admin",
            "/usr/local/bin/shopdb",
            "/usr/local/bin/till",
        ];
        check(&[made], "/usr/local/bin/shop", &beside);
        check(&[made], "/usr/local/sbin/shopd", &[]);
        check(&[], "/usr/local/bin/shop", &[]);
    }

    #[test]
    fn what_is_no_program_or_anothers_does_not_belong_to_them() {
        let first: &[(&str, &str)] = &[("app/bin/a", ELF), ("app/bin/b", ELF)];
        let second: &[(&str, &str)] = &[
            ("app/bin/b", ELF),
            ("app/bin/c", ELF),
            ("app/bin/notes", "text"),
            ("app/bin/c-config", "#!/bin/sh\n"),
            ("app/bin/dangling", "-> nowhere"),
        ];
        check(&[first, second], "/app/bin/a", &[]);
        check(&[first, second], "/app/bin/b", &["/app/bin/c"]);
        // It is in `PATH`.
        let built: &[(&str, &str)] = &[("opt/build/a", ELF), ("opt/build/b", ELF)];
        check(&[built], "/opt/build/a", &["/opt/build/b"]);
    }

    #[test]
    fn what_one_instruction_compiled_in_a_directory_belongs_together() {
        let built: &[(&str, &str)] = &[
            ("app/board", ELF),
            ("app/boardctl", ELF),
            ("app/board_test", ELF),
            ("app/libboard.so.1", ELF),
            ("app/main.o", ELF),
            ("app/run.sh", "#!/bin/sh\n"),
            ("app/link", "-> board"),
        ];
        check(&[built], "/app/board", &["/app/boardctl"]);
        check(&[built], "/app/run.sh", &[]);
        check(&[&built[..1], &built[1..]], "/app/board", &[]);
    }
}
