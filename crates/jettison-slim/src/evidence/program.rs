//! Which file a command starts, and what kind of program it is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::elf::Elf;
use super::script::{ScriptInterpreter, script_interpreter};
use crate::rootfs::{RootDir, RootError, normalise};

/// What the kernel makes of a program file.
#[derive(Debug, Clone)]
pub enum ProgramKind {
    /// Machine code.
    Elf(Box<Elf>),
    /// Text for another program.
    Script(ScriptInterpreter),
    /// Nothing that the kernel starts.
    Unknown,
}

/// The kind of the program with these contents.
pub fn program_kind(bytes: &[u8]) -> ProgramKind {
    match (Elf::parse(bytes), script_interpreter(bytes)) {
        (Ok(elf), _) => ProgramKind::Elf(Box::new(elf)),
        (Err(_), Some(interpreter)) => ProgramKind::Script(interpreter),
        (Err(_), None) => ProgramKind::Unknown,
    }
}

/// Why no program has a name.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No file has the name.
    #[error("cannot find the program {name:?}: looked for {}", list(.looked_at))]
    NotFound {
        /// The name of the command.
        name: String,
        /// Every path that was tried, in order.
        looked_at: Vec<PathBuf>,
    },
    /// A file has the name and cannot be started.
    #[error("cannot start the program {name:?}: {} is not an executable file", .path.display())]
    NotExecutable {
        /// The name of the command.
        name: String,
        /// The first file that has the name.
        path: PathBuf,
    },
    /// The file system could not be asked.
    #[error("cannot find the program {name:?}")]
    Root {
        /// The name of the command.
        name: String,
        /// What could not be looked at.
        #[source]
        cause: RootError,
    },
}

/// The file that `execvp` starts for `name` in `working_dir` with the `PATH` `path_env`.
///
/// A name with a slash is relative to `working_dir`; so is an empty entry of `PATH`.
pub fn find_program(
    root: &RootDir,
    name: &str,
    working_dir: &Path,
    path_env: &str,
) -> Result<PathBuf, ProgramError> {
    let candidates: Vec<PathBuf> = if name.is_empty() {
        Vec::new()
    } else if name.contains('/') {
        vec![normalise(&working_dir.join(name))]
    } else {
        path_env
            .split(':')
            .map(|entry| normalise(&working_dir.join(entry).join(name)))
            .collect()
    };
    let mut refused = None;
    for path in &candidates {
        match root.metadata(path) {
            Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => {
                return Ok(path.clone());
            }
            Ok(_) => refused = refused.or_else(|| Some(path.clone())),
            Err(cause) if cause.is_absent() => {}
            Err(cause) => {
                return Err(ProgramError::Root {
                    name: name.to_owned(),
                    cause,
                });
            }
        }
    }
    let name = name.to_owned();
    Err(match refused {
        Some(path) => ProgramError::NotExecutable { name, path },
        None => ProgramError::NotFound {
            name,
            looked_at: candidates,
        },
    })
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "nothing, since the name is empty".to_owned();
    }
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, RootDir) {
        let directory = tempfile::tempdir().unwrap();
        for (path, mode) in [
            ("usr/bin/tool", 0o755),
            ("app/tool", 0o644),
            ("app/run.sh", 0o755),
            ("opt/data", 0o644),
        ] {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("/usr/bin", directory.path().join("bin")).unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        (directory, root)
    }

    fn check(name: &str, working_dir: &str, path_env: &str, expected: &str) {
        let (_directory, root) = root();
        let found = match find_program(&root, name, Path::new(working_dir), path_env) {
            Ok(path) => path.display().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_is_searched_in_path() {
        check("tool", "/", "/usr/local/bin:/bin:/usr/bin", "/bin/tool");
        check("tool", "/", "/app:/usr/bin", "/usr/bin/tool");
        check("run.sh", "/app", "/bin:", "/app/run.sh");
        check("run.sh", "/app", "", "/app/run.sh");
    }

    #[test]
    fn a_name_with_a_slash_is_relative_to_the_working_directory() {
        check("./run.sh", "/app", "/bin", "/app/run.sh");
        check("../app//run.sh", "/opt", "/bin", "/app/run.sh");
        check("/usr/bin/tool", "/app", "", "/usr/bin/tool");
        check("usr/bin/tool", "/", "/bin", "/usr/bin/tool");
    }

    #[test]
    fn an_error_says_where_it_looked() {
        check(
            "gone",
            "/",
            "/bin:/app",
            "cannot find the program \"gone\": looked for /bin/gone, /app/gone",
        );
        check(
            "./gone",
            "/app",
            "/bin",
            "cannot find the program \"./gone\": looked for /app/gone",
        );
        check(
            "data",
            "/",
            "/opt",
            "cannot start the program \"data\": /opt/data is not an executable file",
        );
        check(
            "/app",
            "/",
            "",
            "cannot start the program \"/app\": /app is not an executable file",
        );
        check(
            "",
            "/",
            "/bin",
            "cannot find the program \"\": looked for nothing, since the name is empty",
        );
    }

    #[test]
    fn the_kind_of_a_program_is_seen_in_its_bytes() {
        assert!(matches!(
            program_kind(b"#!/bin/sh\n"),
            ProgramKind::Script(_)
        ));
        assert!(matches!(program_kind(b"hello"), ProgramKind::Unknown));
        assert!(matches!(program_kind(b"\x7fELF"), ProgramKind::Unknown));
        let this = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(matches!(program_kind(&this), ProgramKind::Elf(_)));
    }
}
