//! Python's standard library, compiled ahead.
//!
//! Packages have sources alone, which a script of theirs compiles. An interpreter that finds nothing compiled does so at
//! each start, and a read-only image keeps nothing of it. What is compiled here is never checked against its source
//! (PEP 552, "unchecked hash-based"), so that times do not matter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use jettison_debian::Sha256;
use jettison_sandbox::Entered;

use crate::base::distroless::LocalPackage;
use crate::base::link::{LinkError, Tools, at};
use crate::base::unpacked::{MadeData, Unpacked, UnpackedEntry, UnpackedKind, UnpackedPackages};

/// What the compiled bytes depend on beyond the packages; other rules have another number.
const VERSION: u32 = 1;

/// Compiles every module, the same way each time, but tests, what serves those who write programs, and twins in Python of
/// modules in C.
const SCRIPT: &str = r#"
import os, py_compile, sys
top, out = sys.argv[1:]
left_out = {"test", "tests", "idlelib", "turtledemo", "lib2to3", "ensurepip", "pydoc_data", "__phello__", "dist-packages",
            "distutils", "unittest", "_pyrepl", "tkinter",
            "_pydecimal.py", "_pyio.py", "turtle.py", "pydoc.py", "doctest.py", "pdb.py", "pickletools.py", "trace.py"}
for directory, names, files in os.walk(top):
    names[:] = sorted(set(names) - left_out)
    for name in sorted(files):
        path = os.path.join(directory, name)
        # A link leads to the settings of this machine, which may change.
        if name in left_out or not name.endswith(".py") or os.path.islink(path):
            continue
        compiled = "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag)
        place = os.path.join(out + directory, "__pycache__", compiled)
        py_compile.compile(path, place, path, False, -1, py_compile.PycInvalidationMode.UNCHECKED_HASH, 2)
"#;

/// A standard library to be compiled.
#[derive(Debug)]
pub struct ByteCodeRequest<'a> {
    /// The packages of the image, for this host's architecture.
    pub packages: &'a [LocalPackage],
    /// Where packages are kept that were taken apart.
    pub unpacked: &'a Path,
}

impl ByteCodeRequest<'_> {
    /// The version of the interpreter, such as `3.11`; none, if there is no interpreter.
    pub fn python(&self) -> Option<&str> {
        self.packages.iter().find_map(|package| {
            let version = package.name.strip_prefix("python")?;
            let version = version.strip_suffix("-minimal")?;
            version.contains('.').then_some(version)
        })
    }

    /// Under which name the modules are kept: a digest of all that their bytes depend on. None without an interpreter.
    pub fn key(&self) -> Option<String> {
        let python = self.python()?;
        let mut text = format!("byte code {VERSION} {python}\n{SCRIPT}");
        // The bytes are the same for every architecture, but the packages are not.
        for package in self.packages {
            if package.name.contains("python3") {
                let _infallible = writeln!(text, "{} {}", package.name, package.sha256);
            }
        }
        let key = Sha256::of(text.as_bytes()).to_string();
        Some(format!("python-{}", key.trim_start_matches("sha256:")))
    }

    /// Whether they were compiled already.
    pub fn is_compiled(&self) -> bool {
        let kept = self.kept();
        self.key().is_none_or(|key| kept.read(&key).is_some())
    }

    fn kept(&self) -> UnpackedPackages<'_> {
        UnpackedPackages { dir: self.unpacked }
    }

    /// Compiles them, unless that was done.
    pub fn run(&self, entered: &Entered) -> Result<(), LinkError> {
        let (Some(python), Some(key)) = (self.python(), self.key()) else {
            return Ok(());
        };
        if self.is_compiled() {
            return Ok(());
        }
        let mut packages = Vec::new();
        for package in self.packages {
            let unpacked = self
                .kept()
                .get(&package.path, package.sha256)
                .map_err(|error| LinkError::Packages(Box::new(error)))?;
            packages.push(unpacked);
        }
        let place = self
            .unpacked
            .join(format!(".compile-{}", std::process::id()));
        let tools = Tools::new(place, "/usr/bin".to_string(), entered, (&packages, wanted))?;
        let program = format!("python{python}");
        let library = format!("/usr/lib/python{python}");
        tools.run(&program, &["-S", "-B", "-c", SCRIPT, &library, "/out"])?;
        let mut data = self
            .kept()
            .made_data()
            .map_err(at("write below", self.unpacked))?;
        let mut found = BTreeMap::new();
        compiled(&tools.out(), "", &mut found)?;
        let entries = found
            .iter()
            .map(|(path, file)| entry(path, file, &packages, &mut data))
            .collect::<Result<Vec<_>, LinkError>>()?;
        self.kept()
            .keep_made(
                &key,
                String::new(),
                entries.into_iter().flatten().collect(),
                data,
            )
            .map_err(at("write below", self.unpacked))
    }
}

/// The compiled modules below `dir`, by their paths.
fn compiled(
    dir: &Path,
    path: &str,
    found: &mut BTreeMap<String, std::path::PathBuf>,
) -> Result<(), LinkError> {
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
) -> Result<Option<UnpackedEntry>, LinkError> {
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

/// Where a file belongs that the interpreter needs, in a system whose `/usr` is merged.
fn wanted(path: &str) -> Option<String> {
    let path = match path.split_once('/') {
        Some(("lib" | "lib64", _)) => format!("usr/{path}"),
        _ => path.to_string(),
    };
    let is_needed = path.starts_with("usr/lib") || path.starts_with("usr/bin/python3");
    let is_large = path.contains("/gconv/") || path.starts_with("usr/lib/debug");
    (is_needed && !is_large).then_some(path)
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
