//! Where the loader looks for a library.

use std::path::{Path, PathBuf};

use super::MAX_FILE;
use super::conf::{ld_so_conf, path_file};
use super::machine::{Machine, machine};
use crate::evidence::elf::Elf;
use crate::rootfs::{RootDir, RootError};

/// Whose loader it is; they search differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libc {
    Gnu,
    Musl,
}

/// The search paths of the object that needs something.
#[derive(Debug)]
pub(super) struct Seeker {
    pub(super) rpath: Vec<PathBuf>,
    pub(super) run_path: Vec<PathBuf>,
    pub(super) origin: PathBuf,
}

/// What is the same for all objects of a program.
#[derive(Debug)]
pub(super) struct Search<'root> {
    root: &'root RootDir,
    pub(super) libc: Libc,
    code: u16,
    is_64: bool,
    machine: Machine,
    has_interpreter: bool,
    library_path: Vec<PathBuf>,
    system: Vec<PathBuf>,
}

impl<'root> Search<'root> {
    pub(super) fn new(
        root: &'root RootDir,
        program: &Elf,
        real_path: &Path,
        library_path: &str,
    ) -> Result<Self, RootError> {
        let machine = machine(program.machine, program.is_64);
        let libc = libc(program);
        let mut search = Search {
            root,
            libc,
            code: program.machine,
            is_64: program.is_64,
            machine,
            has_interpreter: program.interpreter.is_some(),
            library_path: Vec::new(),
            system: match libc {
                Libc::Gnu => gnu_directories(root, machine)?,
                Libc::Musl => musl_directories(root, program, machine)?,
            },
        };
        let separators: &[char] = if libc == Libc::Gnu {
            &[':', ';']
        } else {
            &[':', '\n']
        };
        let entries: Vec<String> = library_path.split(separators).map(str::to_owned).collect();
        search.library_path = search.expand(&entries, real_path.parent().unwrap_or(Path::new("/")));
        Ok(search)
    }

    /// Whether `name` is what the loader itself provides.
    pub(super) fn is_interpreter(&self, name: &str) -> bool {
        const PROVIDED: &[&str] = &["c", "pthread", "rt", "m", "dl", "util", "xnet"];
        let stem = name
            .strip_prefix("lib")
            .and_then(|rest| rest.split_once('.'))
            .map(|(stem, _)| stem);
        self.libc == Libc::Musl
            && self.has_interpreter
            && stem.is_some_and(|stem| PROVIDED.contains(&stem))
    }

    /// The first library called `name` that fits the program.
    pub(super) fn find(
        &self,
        name: &str,
        seeker: &Seeker,
    ) -> Result<Option<(PathBuf, Elf)>, RootError> {
        if name.contains('/') {
            for path in self.expand(&[name.to_owned()], &seeker.origin) {
                if let Some(elf) = self.fits(&path)? {
                    return Ok(Some((path, elf)));
                }
            }
            return Ok(None);
        }
        let order = match self.libc {
            Libc::Gnu => [
                &seeker.rpath,
                &self.library_path,
                &seeker.run_path,
                &self.system,
            ],
            Libc::Musl => [
                &self.library_path,
                &seeker.rpath,
                &seeker.run_path,
                &self.system,
            ],
        };
        for directory in order.into_iter().flatten() {
            let path = directory.join(name);
            if let Some(elf) = self.fits(&path)? {
                return Ok(Some((path, elf)));
            }
        }
        Ok(None)
    }

    /// The directories that `entries` mean. Relative ones depend on who starts the program and are left out.
    pub(super) fn expand(&self, entries: &[String], origin: &Path) -> Vec<PathBuf> {
        let mut directories = Vec::new();
        for entry in entries {
            for library in self.library_names(entry) {
                let origin = origin.to_string_lossy();
                let values = [
                    ("ORIGIN", &*origin),
                    ("LIB", library.as_str()),
                    ("PLATFORM", self.machine.platform),
                ];
                let directory = PathBuf::from(substitute(entry, &values));
                if directory.is_absolute() && !directories.contains(&directory) {
                    directories.push(directory);
                }
            }
        }
        directories
    }

    /// What `$LIB` may stand for, which was decided when the loader was built.
    fn library_names(&self, entry: &str) -> Vec<String> {
        if !entry.contains("$LIB") && !entry.contains("${LIB}") {
            return vec![String::new()];
        }
        let multiarch = self
            .machine
            .multiarch
            .iter()
            .map(|name| format!("lib/{name}"));
        let plain = if self.is_64 {
            &["lib64", "lib"][..]
        } else {
            &["lib"][..]
        };
        multiarch
            .chain(plain.iter().map(|name| (*name).to_owned()))
            .collect()
    }

    /// The library at `path`, unless there is none or it is for another machine.
    fn fits(&self, path: &Path) -> Result<Option<Elf>, RootError> {
        let bytes = match self.root.read(path, MAX_FILE) {
            Ok(bytes) => bytes,
            Err(RootError::NotRegular { .. }) => return Ok(None),
            Err(cause) if cause.is_absent() => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let elf = Elf::parse(&bytes).ok();
        Ok(elf.filter(|elf| elf.machine == self.code && elf.is_64 == self.is_64))
    }
}

/// The C library that `program` is made for; a library tells it by what it needs.
fn libc(program: &Elf) -> Libc {
    let is_musl = match &program.interpreter {
        Some(path) => path.to_string_lossy().contains("/ld-musl-"),
        None => program
            .needed
            .iter()
            .any(|name| name == "libc.so" || name.starts_with("libc.musl-")),
    };
    if is_musl { Libc::Musl } else { Libc::Gnu }
}

fn gnu_directories(root: &RootDir, machine: Machine) -> Result<Vec<PathBuf>, RootError> {
    let mut directories = ld_so_conf(root)?;
    for parent in ["/lib", "/usr/lib"] {
        directories.extend(
            machine
                .multiarch
                .iter()
                .map(|name| Path::new(parent).join(name)),
        );
    }
    directories.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
    Ok(directories)
}

fn musl_directories(
    root: &RootDir,
    program: &Elf,
    machine: Machine,
) -> Result<Vec<PathBuf>, RootError> {
    let name = program
        .interpreter
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy());
    let name = name
        .as_deref()
        .and_then(|name| name.strip_prefix("ld-musl-")?.strip_suffix(".so.1"));
    let path = format!("/etc/ld-musl-{}.path", name.unwrap_or(machine.musl));
    let directories = path_file(root, Path::new(&path))?;
    Ok(directories.unwrap_or_else(|| {
        ["/lib", "/usr/local/lib", "/usr/lib"]
            .map(PathBuf::from)
            .into()
    }))
}

/// `text` with `$NAME` and `${NAME}` replaced by their values.
fn substitute(text: &str, values: &[(&str, &str)]) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let found = values.iter().find_map(|(name, value)| {
            let braced = after
                .strip_prefix('{')
                .and_then(|inner| inner.strip_prefix(name)?.strip_prefix('}'));
            let plain = after.strip_prefix(name).filter(|rest| {
                !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
            });
            Some((value, braced.or(plain)?))
        });
        rest = if let Some((value, rest)) = found {
            result.push_str(value);
            rest
        } else {
            result.push('$');
            after
        };
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced_and_other_text_is_kept() {
        let cases = [
            ("$ORIGIN/../lib", "/app/bin/../lib"),
            ("${ORIGIN}x", "/app/binx"),
            ("$ORIGINAL/$", "$ORIGINAL/$"),
            ("/opt/$LIB/${PLATFORM}", "/opt/lib64/x86_64"),
            ("${ORIGIN", "${ORIGIN"),
        ];
        for (text, expected) in cases {
            let values = [
                ("ORIGIN", "/app/bin"),
                ("LIB", "lib64"),
                ("PLATFORM", "x86_64"),
            ];
            assert_eq!(substitute(text, &values), expected);
        }
    }
}
