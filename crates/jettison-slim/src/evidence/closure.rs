//! The files that the kernel and the loader open before a program's first instruction.

mod conf;
mod machine;
mod search;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use self::search::{Libc, Search, Seeker};
use super::elf::{Elf, ElfError};
use crate::rootfs::{RootDir, RootError, normalise};

/// The largest file that is taken for a program or a library.
const MAX_FILE: u64 = 4 << 30;

/// Everything that must be there for a program to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfClosure {
    /// The program, its interpreter, then its libraries, breadth first.
    pub files: Vec<ClosureFile>,
    /// Each name that was not found, after the file that needs it.
    pub missing: Vec<(PathBuf, String)>,
}

/// One file of an [`ElfClosure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosureFile {
    /// The path by which the kernel or the loader opens it.
    pub path: PathBuf,
    /// Where that path leads when every link is followed.
    pub real_path: PathBuf,
    /// What needs it.
    pub why: Why,
}

/// Why a file is in an [`ElfClosure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is the program.
    Program,
    /// The kernel starts it to load a program.
    Interpreter {
        /// The program.
        of: PathBuf,
    },
    /// Another file names it.
    NeededBy {
        /// The other file.
        of: PathBuf,
        /// The name, as it is written.
        soname: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Program => write!(formatter, "it is the program"),
            Why::Interpreter { of } => write!(formatter, "it loads {}", of.display()),
            Why::NeededBy { of, soname } => write!(formatter, "{} needs {soname}", of.display()),
        }
    }
}

/// Why the closure of a program is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// The program is not an ELF file.
    #[error("cannot tell the libraries of {}", .path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: ElfError,
    },
    /// A file could not be looked at.
    #[error("cannot follow the libraries of {}", .path.display())]
    Root {
        /// The program.
        path: PathBuf,
        /// What could not be looked at.
        #[source]
        cause: RootError,
    },
}

/// What `program` opens to start when `LD_LIBRARY_PATH` is `library_path`.
pub fn elf_closure(
    root: &RootDir,
    program: &Path,
    library_path: &str,
) -> Result<ElfClosure, ClosureError> {
    let path = normalise(program);
    let failed = |cause| ClosureError::Root {
        path: path.clone(),
        cause,
    };
    let bytes = root.read(&path, MAX_FILE).map_err(failed)?;
    let elf = Elf::parse(&bytes).map_err(|cause| ClosureError::Program {
        path: path.clone(),
        cause,
    })?;
    drop(bytes);
    let real_path = root.resolve(&path).map_err(failed)?.real_path;
    let search = Search::new(root, &elf, &real_path, library_path).map_err(failed)?;
    let mut loader = Loader {
        root,
        search,
        objects: Vec::new(),
        known: BTreeSet::new(),
        missing: Vec::new(),
    };
    let interpreter = elf.interpreter.clone();
    let program = ClosureFile {
        path: path.clone(),
        real_path,
        why: Why::Program,
    };
    loader.add(program, &elf, None);
    if let Some(interpreter) = interpreter {
        loader.add_interpreter(&interpreter).map_err(failed)?;
    }
    loader.run().map_err(failed)?;
    let files = loader
        .objects
        .into_iter()
        .map(|object| object.file)
        .collect();
    Ok(ElfClosure {
        files,
        missing: loader.missing,
    })
}

/// A file that was loaded.
#[derive(Debug)]
struct Object {
    file: ClosureFile,
    needed: Vec<String>,
    rpath: Vec<String>,
    run_path: Vec<String>,
    /// Which object asked for it.
    loaded_by: Option<usize>,
}

/// Loads the way the loader does.
struct Loader<'root> {
    root: &'root RootDir,
    search: Search<'root>,
    objects: Vec<Object>,
    /// The names by which something is loaded: asked for or its own.
    known: BTreeSet<String>,
    missing: Vec<(PathBuf, String)>,
}

impl Loader<'_> {
    fn run(&mut self) -> Result<(), RootError> {
        let mut next = 0;
        while let Some(object) = self.objects.get(next) {
            for name in object.needed.clone() {
                self.need(next, &name)?;
            }
            next += 1;
        }
        Ok(())
    }

    fn need(&mut self, by: usize, name: &str) -> Result<(), RootError> {
        if self.known.contains(name) || self.search.is_interpreter(name) {
            return Ok(());
        }
        let of = self.objects[by].file.path.clone();
        let Some((path, elf)) = self.search.find(name, &self.seeker(by))? else {
            if !self.missing.iter().any(|(_, missing)| missing == name) {
                self.missing.push((of, name.to_owned()));
            }
            return Ok(());
        };
        self.known.insert(name.to_owned());
        let real_path = self.root.resolve(&path)?.real_path;
        // One file is loaded once, whatever it is called.
        if !self
            .objects
            .iter()
            .any(|object| object.file.real_path == real_path)
        {
            let path = tidy(self.root, path, &real_path);
            let why = Why::NeededBy {
                of,
                soname: name.to_owned(),
            };
            self.add(
                ClosureFile {
                    path,
                    real_path,
                    why,
                },
                &elf,
                Some(by),
            );
        }
        Ok(())
    }

    fn add_interpreter(&mut self, interpreter: &Path) -> Result<(), RootError> {
        let of = self.objects[0].file.path.clone();
        let path = normalise(interpreter);
        let resolved = match self.root.resolve(&path) {
            Ok(resolved) => resolved,
            Err(cause) if cause.is_absent() => {
                self.missing.push((of, interpreter.display().to_string()));
                return Ok(());
            }
            Err(cause) => return Err(cause),
        };
        let bytes = self.root.read(&path, MAX_FILE)?;
        let file = ClosureFile {
            path,
            real_path: resolved.real_path,
            why: Why::Interpreter { of },
        };
        if let Ok(elf) = Elf::parse(&bytes) {
            self.add(file, &elf, Some(0));
        } else {
            self.missing.push((file.path, "an ELF header".to_owned()));
        }
        Ok(())
    }

    fn add(&mut self, file: ClosureFile, elf: &Elf, loaded_by: Option<usize>) {
        self.known.extend(elf.soname.clone());
        self.objects.push(Object {
            file,
            needed: elf.needed.clone(),
            rpath: elf.rpath.clone(),
            run_path: elf.run_path.clone(),
            loaded_by,
        });
    }

    /// The paths that count for what object `by` needs.
    fn seeker(&self, by: usize) -> Seeker {
        let mut rpath = Vec::new();
        let mut run_path = Vec::new();
        let asking = &self.objects[by];
        let is_musl = self.search.libc == Libc::Musl;
        if is_musl || asking.run_path.is_empty() {
            let mut visited = Vec::new();
            let mut step = Some(by);
            while let Some(index) = step {
                visited.push(index);
                step = self.objects[index].loaded_by;
            }
            if visited.last() != Some(&0) {
                visited.push(0);
            }
            for object in visited.into_iter().map(|index| &self.objects[index]) {
                let origin = Loader::origin(object);
                let entries = match (object.run_path.is_empty(), is_musl) {
                    (true, _) => &object.rpath,
                    (false, true) => &object.run_path,
                    (false, false) => continue,
                };
                rpath.extend(self.search.expand(entries, &origin));
            }
        }
        let origin = Loader::origin(asking);
        if !is_musl {
            run_path = self.search.expand(&asking.run_path, &origin);
        }
        Seeker {
            rpath,
            run_path,
            origin,
        }
    }

    /// What `$ORIGIN` means in `object`: the kernel tells a program its real path, a library is where it was found.
    fn origin(object: &Object) -> PathBuf {
        let path = match object.loaded_by {
            None => &object.file.real_path,
            Some(_) => &object.file.path,
        };
        path.parent().unwrap_or(Path::new("/")).to_owned()
    }
}

/// `path` without `..`, if that leads to the same file; else the real path.
fn tidy(root: &RootDir, path: PathBuf, real_path: &Path) -> PathBuf {
    let tidy = normalise(&path);
    match root.resolve(&tidy) {
        Ok(resolved) if resolved.real_path == real_path => tidy,
        _ => real_path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
