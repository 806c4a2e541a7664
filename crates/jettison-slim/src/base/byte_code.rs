//! Python's standard library, compiled ahead.
//!
//! Packages have sources alone, which a script of theirs compiles. An interpreter that finds nothing compiled does so at
//! each start, and a read-only image keeps nothing of it. What is compiled here is never checked against its source
//! (PEP 552, "unchecked hash-based"), so that times do not matter. Byte code is the same for every processor: the format that
//! it is written in is "independent of machine architecture issues" (the manual of Python's module `marshal`). Versions
//! differ, so that the interpreter is the one that belongs to what is compiled.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jettison_debian::LockedPackage;
use jettison_sandbox::Entered;

use crate::base::tools::{Job, Layout, ToolError, Tools, Workshop, at, is_idle};
use crate::base::unpacked::{MadeData, Unpacked, UnpackedEntry, UnpackedKind};

/// Compiles every module, the same way each time, but tests, what serves those who write programs, and twins in Python of
/// modules in C. The names in what is compiled are those that its source has in the image.
const SCRIPT: &str = r#"
import os, py_compile, sys
target, top, out = sys.argv[1:]
left_out = {"test", "tests", "idlelib", "turtledemo", "lib2to3", "ensurepip", "pydoc_data", "__phello__", "dist-packages",
            "distutils", "unittest", "_pyrepl", "tkinter",
            "_pydecimal.py", "_pyio.py", "turtle.py", "pydoc.py", "doctest.py", "pdb.py", "pickletools.py", "trace.py"}
for directory, names, files in os.walk(target + top):
    names[:] = sorted(set(names) - left_out)
    for name in sorted(files):
        source = os.path.join(directory, name)
        # A link leads to the settings of this machine, which may change.
        if name in left_out or not name.endswith(".py") or os.path.islink(source):
            continue
        compiled = "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag)
        path = source[len(target):]
        place = os.path.join(out + os.path.dirname(path), "__pycache__", compiled)
        py_compile.compile(source, place, path, False, -1, py_compile.PycInvalidationMode.UNCHECKED_HASH, 2)
"#;

/// The libraries that the interpreter loads.
pub(super) const LIBRARIES: [&str; 4] = ["libc6", "libexpat1", "libgcc-s1", "zlib1g"];

/// A standard library to be compiled.
#[expect(
    missing_debug_implementations,
    reason = "the network behind it has nothing to show"
)]
pub struct ByteCodeRequest<'a> {
    /// Where it is compiled.
    pub workshop: Workshop<'a>,
}

/// The packages of the interpreter among those of an image, which must be as those that are compiled; none without one.
pub(super) fn program_packages(packages: &[LockedPackage]) -> Vec<String> {
    let found = python(packages);
    found.map_or(Vec::new(), |python| {
        vec![
            format!("python{python}-minimal"),
            format!("libpython{python}-minimal"),
        ]
    })
}

/// The version of the interpreter, such as `3.11`; none, if there is no interpreter.
fn python(packages: &[LockedPackage]) -> Option<&str> {
    packages.iter().find_map(|package| {
        let version = package.name.strip_prefix("python")?;
        let version = version.strip_suffix("-minimal")?;
        version.contains('.').then_some(version)
    })
}

impl<'a> ByteCodeRequest<'a> {
    /// Under which name the modules are kept: a digest of all that their bytes depend on. None without an interpreter.
    pub fn key(&self) -> Result<Option<String>, ToolError> {
        Ok(self.job()?.map(|job| job.key()))
    }

    /// Whether they were compiled already, or there is nothing to compile.
    pub fn is_compiled(&self) -> Result<bool, ToolError> {
        let kept = self.workshop.kept();
        Ok(self.key()?.is_none_or(|key| kept.read(&key).is_some()))
    }

    /// All that is done, and with what; none without an interpreter.
    fn job(&self) -> Result<Option<Job<'a>>, ToolError> {
        let packages = self.workshop.packages();
        let Some(python) = python(packages) else {
            return Ok(None);
        };
        let library = format!("/usr/lib/python{python}");
        let program = format!("/usr/bin/python{python}");
        let command = [
            &program, "-S", "-B", "-c", SCRIPT, "/target", &library, "/out",
        ];
        let sources = packages
            .iter()
            .filter(|package| package.name.contains("python3"));
        Ok(Some(Job {
            kind: "python",
            tools: self
                .workshop
                .tools(&program_packages(packages), &LIBRARIES)?,
            inputs: sources.collect(),
            commands: vec![command.map(ToString::to_string).to_vec()],
            code: &[include_str!("byte_code.rs")],
        }))
    }

    /// Compiles them, unless that was done.
    pub fn run(&self, entered: &Entered) -> Result<(), ToolError> {
        let Some(job) = self.job()? else {
            return Ok(());
        };
        let key = job.key();
        if self.workshop.kept().read(&key).is_some() {
            return Ok(());
        }
        let layout = Layout {
            tools: program,
            inputs: source,
        };
        let tools = Tools::lay_out(&self.workshop, &job, layout, entered)?;
        for command in &job.commands {
            tools.run(command)?;
        }
        let sources = self.workshop.unpack(&job.inputs)?;
        let below = self.workshop.unpacked;
        let mut data = self
            .workshop
            .kept()
            .made_data()
            .map_err(at("write below", below))?;
        let mut found = BTreeMap::new();
        compiled(&tools.out(), "", &mut found)?;
        let entries = found
            .iter()
            .map(|(path, file)| entry(path, file, &sources, &mut data))
            .collect::<Result<Vec<_>, ToolError>>()?;
        self.workshop
            .kept()
            .keep_made(
                &key,
                String::new(),
                entries.into_iter().flatten().collect(),
                (data, BTreeMap::new()),
            )
            .map_err(at("write below", below))
    }
}

/// The compiled modules below `dir`, by their paths.
fn compiled(
    dir: &Path,
    path: &str,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), ToolError> {
    for entry in fs::read_dir(dir).map_err(at("read", dir))? {
        let entry = entry.map_err(at("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let below = format!("{path}{name}");
        let kind = entry.file_type().map_err(at("read", dir))?;
        if kind.is_dir() {
            compiled(&entry.path(), &format!("{below}/"), found)?;
        } else if kind.is_file() {
            found.insert(below, entry.path());
        }
    }
    Ok(())
}

/// A compiled module as an image gets it: it is as old as its source.
fn entry(
    path: &str,
    file: &Path,
    packages: &[Unpacked],
    data: &mut MadeData,
) -> Result<Option<UnpackedEntry>, ToolError> {
    let Some(source) = source_of(path) else {
        return Ok(None);
    };
    let mut entries = packages.iter().flat_map(|package| &package.entries);
    let Some(source) = entries.find(|entry| entry.path == source) else {
        return Ok(None);
    };
    let mut content = File::open(file).map_err(at("read", file))?;
    let facts = data.store(&mut content).map_err(at("read", file))?;
    Ok(Some(UnpackedEntry {
        path: path.to_string(),
        kind: UnpackedKind::File(facts),
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: source.mtime,
    }))
}

/// The source of a compiled module: `a/__pycache__/b.cpython-311.pyc` is of `a/b.py` (PEP 3147).
pub(super) fn source_of(path: &str) -> Option<String> {
    let (directory, name) = path.split_once("/__pycache__/")?;
    let (module, _) = name.strip_suffix(".pyc")?.split_once(".cpython-")?;
    Some(format!("{directory}/{module}.py"))
}

/// Where a file belongs that the interpreter needs.
fn program(path: &str) -> Option<String> {
    let is_needed = path.starts_with("usr/lib") || path.starts_with("usr/bin/python3");
    (is_needed && !is_idle(path)).then(|| path.to_string())
}

/// Where a file belongs that is compiled, and what it may lead to.
fn source(path: &str) -> Option<String> {
    let is_module = Path::new(path).extension().is_some_and(|end| end == "py");
    (is_module && path.starts_with("usr/lib/python3")).then(|| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiled_module_belongs_to_its_source() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(source_of(path).as_deref(), expected, "{path}");
        };
        check(
            "usr/lib/python3.11/json/__pycache__/decoder.cpython-311.pyc",
            Some("usr/lib/python3.11/json/decoder.py"),
        );
        check("usr/lib/python3.11/json/decoder.pyc", None);
        check("usr/lib/python3.11/__pycache__/x.txt", None);
    }
}
