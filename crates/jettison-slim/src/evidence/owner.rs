//! Who brought a file into an image: the unit by which files are kept or left out.
//!
//! A program that uses one file of a unit has been tested with all of it, by its author or by Debian; nobody has tested it
//! with a part. So units stay whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::evidence::collect::Step;
use crate::evidence::packages::Packages;
use crate::rootfs::{RootDir, RootError, normalise};

/// The largest list of a distribution's files that is read, in bytes.
const LIST_LIMIT: u64 = 64 << 20;

/// What a file came with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A Debian package, by its name.
    Package(String),
    /// A distribution of Python or a package of npm, by its directory or its `.dist-info` directory.
    Module(PathBuf),
    /// An instruction of the Dockerfile, by its line: what it made and nothing else lists.
    Instruction(usize),
    /// The base image, which made it when it was made itself: no package lists it.
    Base,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Package(name) => write!(formatter, "package {name}"),
            Owner::Module(path) => write!(formatter, "module {}", path.display()),
            Owner::Instruction(line) => write!(formatter, "the instruction in line {line}"),
            Owner::Base => formatter.write_str("the base image"),
        }
    }
}

/// The owners of an image's files.
#[derive(Debug)]
pub(crate) struct Owners<'a> {
    root: &'a RootDir,
    steps: &'a [Step],
    packages: Packages,
    /// What the directories of Python's modules hold, by directory.
    distributions: BTreeMap<PathBuf, HashMap<PathBuf, PathBuf>>,
    /// The programs that distributions of Python put into a directory of programs, each with its distribution, by that directory.
    scripts: BTreeMap<PathBuf, BTreeMap<PathBuf, PathBuf>>,
}

impl<'a> Owners<'a> {
    /// Reads dpkg's lists below `root`; `steps` made the image.
    pub(crate) fn read(root: &'a RootDir, steps: &'a [Step]) -> Result<Owners<'a>, RootError> {
        Ok(Owners {
            root,
            steps,
            packages: Packages::read(root)?,
            distributions: BTreeMap::new(),
            scripts: BTreeMap::new(),
        })
    }

    /// Who owns the entry at `path`, which is a real path.
    pub(crate) fn of(&mut self, path: &Path) -> Owner {
        if let Some(package) = self.packages.owner(path) {
            return Owner::Package(package.to_owned());
        }
        if let Some(module) = node_package(path).or_else(|| self.distribution(path)) {
            return Owner::Module(module);
        }
        match self.origin(path) {
            Some(step) => Owner::Instruction(step.line),
            None => Owner::Base,
        }
    }

    /// Whether a package lists the entry at `path`, which is a real path.
    pub(crate) fn is_packaged(&self, path: &Path) -> bool {
        self.packages.owner(path).is_some()
    }

    /// The step that wrote the entry at `path` last; nothing if the base image did.
    pub(crate) fn maker(&self, path: &Path) -> Option<&'a Step> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        self.steps.iter().rev().find(|step| {
            fs::symlink_metadata(step.files.join(relative))
                .is_ok_and(|found| found.is_file() || found.is_symlink() || found.is_dir())
        })
    }

    /// The step that brought what the entry at `path` holds; nothing if the base image did. A command that only gives what was
    /// copied another owner, mode or time (`chown -R`) does not make it.
    pub(crate) fn origin(&self, path: &Path) -> Option<&'a Step> {
        let last = self.maker(path)?;
        let relative = path.strip_prefix("/").unwrap_or(path);
        let is_last = |step: &&Step| std::ptr::eq(*step, last);
        let mut before = self.steps.iter().rev().skip_while(|step| !is_last(step));
        let copied = before
            .find(|step| step.copies && fs::symlink_metadata(step.files.join(relative)).is_ok());
        match copied {
            Some(copied) if holds_the_same(&copied.files, &last.files, relative) => Some(copied),
            Some(_) | None => Some(last),
        }
    }

    /// Whether an instruction asks for `package` by its name, be it in the base image already.
    pub(crate) fn is_asked_for(&self, package: &str) -> bool {
        self.steps
            .iter()
            .any(|step| step.asks_for.contains(package))
    }

    /// The packages that instructions ask for by name.
    pub(crate) fn asked_for(&self) -> impl Iterator<Item = &'a str> {
        let names = self.steps.iter().flat_map(|step| &step.asks_for);
        names.map(String::as_str)
    }

    /// The steps that made the image.
    pub(crate) fn steps(&self) -> &'a [Step] {
        self.steps
    }

    /// What dpkg says.
    pub(crate) fn packages(&self) -> &Packages {
        &self.packages
    }

    /// What `package` lists and the image has, by real paths; some may be gone.
    pub(crate) fn files_of(&self, package: &str) -> impl Iterator<Item = &Path> {
        self.packages.files_of(package)
    }

    /// Every path that a package lists, with the package.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.packages.all_files()
    }

    /// The directories that hold what each instruction wrote.
    pub(crate) fn written(&self) -> impl Iterator<Item = &'a Path> {
        self.steps.iter().map(|step| step.files.as_path())
    }

    /// The directories that hold what each `COPY` and `ADD` wrote.
    pub(crate) fn copied(&self) -> impl Iterator<Item = &'a Path> {
        let copies = self.steps.iter().filter(|step| step.copies);
        copies.map(|step| step.files.as_path())
    }

    /// What the module at `path`, an [`Owner::Module`], consists of: directories and files.
    pub(crate) fn parts_of(&mut self, module: &Path) -> Vec<PathBuf> {
        let Some(directory) = module.parent().filter(|parent| is_python_directory(parent)) else {
            return vec![module.to_path_buf()];
        };
        let parts: BTreeSet<PathBuf> = self
            .distributions_in(directory)
            .iter()
            .filter(|(_, owner)| owner.as_path() == module)
            .map(|(part, _)| part.clone())
            .collect();
        parts.into_iter().collect()
    }

    /// The directories of modules of Python that were looked into.
    pub(crate) fn module_directories(&self) -> Vec<PathBuf> {
        self.distributions.keys().cloned().collect()
    }

    /// The distribution in `directory` that brings the module or package with this name, an [`Owner::Module`].
    pub(crate) fn distribution_of(&mut self, directory: &Path, module: &str) -> Option<PathBuf> {
        let parts = self.distributions_in(directory);
        // A module is a directory, a source, or compiled, as `_x.cpython-312-x86_64-linux-gnu.so`.
        let is_named = |part: &Path| {
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            let rest = name.strip_prefix(module);
            let is_compiled = part.extension().is_some_and(|end| end == "so");
            rest.is_some_and(|rest| {
                rest.is_empty() || rest == ".py" || (rest.starts_with('.') && is_compiled)
            })
        };
        let found = parts.iter().find(|(part, _)| is_named(part));
        found.map(|(_, owner)| owner.clone())
    }

    /// Whether a distribution of Python lists the program at `path`, as `/usr/local/bin/gunicorn`.
    pub(crate) fn is_script_of_a_module(&mut self, path: &Path) -> bool {
        self.module_of_script(path).is_some()
    }

    /// The `.dist-info` directory of the distribution of Python that lists the program at `path`.
    pub(crate) fn module_of_script(&mut self, path: &Path) -> Option<PathBuf> {
        let directory = path.parent()?;
        let above = directory.parent()?;
        let root = self.root;
        let scripts = self
            .scripts
            .entry(directory.to_path_buf())
            .or_insert_with(|| {
                let mut scripts = BTreeMap::new();
                for libraries in ["lib", "local/lib"].map(|name| above.join(name)) {
                    let pythons = root.names(&libraries).into_iter();
                    let pythons = pythons.map(|name| libraries.join(name));
                    for modules in pythons.flat_map(|python| {
                        ["site-packages", "dist-packages"].map(|name| python.join(name))
                    }) {
                        for (module, record) in records(root, &modules) {
                            let listed = recorded(&record, &modules);
                            let listed = listed.filter(|path| path.starts_with(directory));
                            scripts.extend(listed.map(|path| (path, module.clone())));
                        }
                    }
                }
                scripts
            });
        scripts.get(path).cloned()
    }

    /// The programs that the distribution described in `module`, a `.dist-info` directory, lists.
    pub(crate) fn scripts_of(&self, module: &Path) -> Result<Vec<PathBuf>, RootError> {
        let is_program = |path: &PathBuf| path.parent().is_some_and(|place| place.ends_with("bin"));
        let listed = self.recorded_of(module)?;
        Ok(listed.into_iter().filter(is_program).collect())
    }

    /// The files that the distribution described in `module` has beside its modules and programs, and which these read:
    /// `share/jupyter/nbconvert/templates`, but no manuals, and nothing for desktops and compilers.
    pub(crate) fn data_of(&self, module: &Path) -> Result<Vec<PathBuf>, RootError> {
        const UNREAD: [&str; 8] = [
            "bin",
            "include",
            "share/appdata",
            "share/applications",
            "share/doc",
            "share/icons",
            "share/man",
            "share/metainfo",
        ];
        // `/usr/local/lib/python3.12/site-packages/x.dist-info`
        let Some(prefix) = module.ancestors().nth(4) else {
            return Ok(Vec::new());
        };
        let Some(directory) = module.parent() else {
            return Ok(Vec::new());
        };
        let is_read = |path: &PathBuf| {
            path.strip_prefix(prefix)
                .is_ok_and(|inside| !UNREAD.iter().any(|unread| inside.starts_with(unread)))
                && !path.starts_with(directory)
        };
        let listed = self.recorded_of(module)?;
        Ok(listed.into_iter().filter(is_read).collect())
    }

    /// The files that the `RECORD` of the distribution described in `module` lists; none where it has no `RECORD`.
    fn recorded_of(&self, module: &Path) -> Result<Vec<PathBuf>, RootError> {
        let Some(directory) = module.parent() else {
            return Ok(Vec::new());
        };
        match self.root.read(&module.join("RECORD"), LIST_LIMIT) {
            Ok(record) => Ok(recorded(&record, directory).collect()),
            Err(error) if error.is_absent() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The `.dist-info` directory of the distribution that the entry at `path` belongs to.
    fn distribution(&mut self, path: &Path) -> Option<PathBuf> {
        let directory = path
            .ancestors()
            .skip(1)
            .find(|directory| is_python_directory(directory))?
            .to_path_buf();
        let part = part_of(&directory, path)?;
        self.distributions_in(&directory).get(&part).cloned()
    }

    /// The entries of a directory of modules that distributions list, each with its distribution.
    fn distributions_in(&mut self, directory: &Path) -> &HashMap<PathBuf, PathBuf> {
        let root = self.root;
        self.distributions
            .entry(directory.to_path_buf())
            .or_insert_with(|| {
                let mut parts = HashMap::new();
                for (info, record) in records(root, directory) {
                    // What it lists elsewhere, such as `../../../bin/x`, is used by itself or not at all.
                    let here =
                        recorded(&record, directory).filter_map(|path| part_of(directory, &path));
                    for part in here {
                        parts.entry(part).or_insert_with(|| info.clone());
                    }
                    parts.insert(info.clone(), info);
                }
                parts
            })
    }
}

/// The entry of a directory of modules that `path` below it is, or is in. Byte code of modules that are single files lies in one
/// directory with that of others.
fn part_of(directory: &Path, path: &Path) -> Option<PathBuf> {
    let mut names = path.strip_prefix(directory).ok()?.iter();
    let part = directory.join(names.next()?);
    match names.next() {
        Some(file) if part.ends_with("__pycache__") => Some(part.join(file)),
        _ => Some(part),
    }
}

/// The `.dist-info` directories in `directory`, each with its `RECORD` (PEP 376).
fn records(root: &RootDir, directory: &Path) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let mut names = root.names(directory);
    names.retain(|name| name.as_bytes().ends_with(b".dist-info"));
    names.into_iter().map(|name| {
        let info = directory.join(name);
        let record = root.content(&info.join("RECORD"), LIST_LIMIT);
        (info, record.unwrap_or_default())
    })
}

/// What a `RECORD` in `directory` lists.
fn recorded<'r>(record: &'r [u8], directory: &'r Path) -> impl Iterator<Item = PathBuf> + 'r {
    record.split(|byte| *byte == b'\n').filter_map(move |line| {
        let path = line.split(|byte| *byte == b',').next()?;
        let path = path.strip_prefix(b"\"").unwrap_or(path);
        Some(normalise(&directory.join(OsStr::from_bytes(path))))
    })
}

/// Whether `directory` is one that Python looks for modules in.
fn is_python_directory(directory: &Path) -> bool {
    directory
        .file_name()
        .is_some_and(|name| name == "site-packages" || name == "dist-packages")
}

/// The directory of the npm package that the entry at `path` belongs to: the innermost one.
fn node_package(path: &Path) -> Option<PathBuf> {
    let parts: Vec<&OsStr> = path.iter().collect();
    let at = parts.iter().rposition(|part| *part == "node_modules")?;
    let name = parts.get(at + 1)?;
    // Directories such as `.bin` and `.cache`, and npm's own list.
    if name.as_bytes().starts_with(b".") {
        return None;
    }
    let length = if name.as_bytes().starts_with(b"@") {
        3
    } else {
        2
    };
    let package = parts.get(..at + length)?;
    Some(package.iter().collect())
}

/// Whether the entry at `relative` is the same below both directories, but for its owner, mode and time.
fn holds_the_same(first: &Path, second: &Path, relative: &Path) -> bool {
    let [first, second] = [first, second].map(|files| files.join(relative));
    let metadata = [&first, &second].map(fs::symlink_metadata);
    let [Ok(one), Ok(other)] = metadata else {
        return false;
    };
    if one.is_dir() || one.is_symlink() {
        let links = [&first, &second].map(|path| fs::read_link(path).ok());
        return one.file_type() == other.file_type() && links[0] == links[1];
    }
    if !one.is_file() || !other.is_file() || one.len() != other.len() {
        return false;
    }
    // What cannot be read is of the same length at least.
    first == second || files_are_equal(&first, &second).unwrap_or(true)
}

/// Whether two files have the same content.
fn files_are_equal(first: &Path, second: &Path) -> io::Result<bool> {
    let [mut first, mut second] = [
        BufReader::new(File::open(first)?),
        BufReader::new(File::open(second)?),
    ];
    loop {
        let (one, other) = (first.fill_buf()?, second.fill_buf()?);
        let n_bytes = one.len().min(other.len());
        if n_bytes == 0 {
            return Ok(one.is_empty() && other.is_empty());
        }
        if one[..n_bytes] != other[..n_bytes] {
            return Ok(false);
        }
        first.consume(n_bytes);
        second.consume(n_bytes);
    }
}

#[cfg(test)]
mod tests;
