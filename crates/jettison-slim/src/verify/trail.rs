//! What a candidate looked up, held against the original's files.
//!
//! If every path that was looked up in vain is absent in the original as well, every directory that was listed has the same
//! names there, and every file that was read is the same, then the run was also a run of the original, and could not have
//! been another: no knowledge of the program is needed. What was built anew, such as a program without debugging symbols, is
//! another file; then only the answers can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use jettison_sandbox::{End, Lookup, Trace, Use};

use crate::rootfs::RootDir;

/// The most misses that are told of one run.
const MOST: usize = 20;

/// The largest file that is compared, in bytes.
const FILE_LIMIT: u64 = 1 << 30;

/// The largest list of a package's files that is read, in bytes.
const LIST_LIMIT: u64 = 64 << 20;

/// What the dynamic linker looks into first. It differs wherever libraries do; what it leads to is looked up as well.
const LIBRARY_CACHE: &str = "/etc/ld.so.cache";

/// What a candidate's lookups say about its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trail {
    /// Nobody has watched.
    NotTraced,
    /// It is a run of the original, too.
    Same,
    /// It is but for directories that were listed and have other names, and files that were read and are others.
    But {
        /// The directories.
        directories: Vec<PathBuf>,
        /// The files.
        files: Vec<Miss>,
    },
    /// These were looked up in vain, at least, and the original has them.
    Misses(Vec<Miss>),
    /// Not everything could be watched; why.
    Incomplete(Vec<String>),
}

/// A place where the original would have gone another way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Miss {
    /// The path that was looked up.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: MissKind,
    /// The Debian package of the original that it belongs to.
    pub owner: Option<String>,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissKind {
    /// The original has it.
    Missing,
    /// The original has something else there.
    Different,
    /// The original has nothing there.
    Added,
}

impl Trail {
    /// Why this is no proof; `None` if it is, or nobody has watched.
    pub fn problem(&self) -> Option<String> {
        match self {
            Trail::NotTraced | Trail::Same | Trail::But { .. } => None,
            Trail::Misses(misses) => misses.first().map(Miss::to_string),
            Trail::Incomplete(reasons) => Some(reasons.join(", ")),
        }
    }
}

impl Miss {
    /// What can be done about it, in one line.
    pub fn cure(&self) -> String {
        let path = self.path.display();
        match (self.kind, &self.owner) {
            (MissKind::Missing, Some(owner)) => {
                format!("keep the package {owner}, which {path} belongs to")
            }
            (MissKind::Missing, None) => {
                format!("copy {path} from the original: `COPY --from=build {path} {path}`")
            }
            (MissKind::Different, Some(owner)) => {
                format!("take the original's version of the package {owner}")
            }
            (MissKind::Different, None) => format!("copy the original's {path}"),
            (MissKind::Added, _) => format!("leave {path} out, or add it to the original"),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            MissKind::Missing => "was looked up in vain, and the original has it",
            MissKind::Different => "was read, and the original's is different",
            MissKind::Added => "was found, and the original does not have it",
        };
        write!(formatter, "{} {what}", self.path.display())?;
        match &self.owner {
            Some(owner) => write!(formatter, " (package {owner})"),
            None => Ok(()),
        }
    }
}

/// The files of both images, and what was found out about them.
#[derive(Debug)]
pub(super) struct Trails<'r> {
    original: &'r RootDir,
    candidate: &'r RootDir,
    /// Whether files are the same, by their paths in the candidate.
    same: Mutex<BTreeMap<PathBuf, bool>>,
    lists: OnceLock<Vec<(String, Vec<u8>)>>,
}

impl<'r> Trails<'r> {
    pub(super) fn new(original: &'r RootDir, candidate: &'r RootDir) -> Trails<'r> {
        Trails {
            original,
            candidate,
            same: Mutex::default(),
            lists: OnceLock::new(),
        }
    }

    /// What `trace`, of a run of the candidate, says.
    pub(super) fn judge(&self, trace: &Trace) -> Trail {
        let mut misses = BTreeSet::new();
        let mut directories = BTreeSet::new();
        for lookup in trace.lookups() {
            let is_mounted = |path: &Path| trace.mount_of(path).is_some();
            if is_mounted(&lookup.asked) || lookup.end.path().is_some_and(is_mounted) {
                continue;
            }
            if let Some(kind) = self.miss(lookup) {
                misses.insert((lookup.asked.clone(), kind));
            } else if let End::Found(path) = &lookup.end
                && lookup.uses.contains(Use::List)
                && !self.has_same_names(path)
            {
                directories.insert(path.clone());
            }
        }
        let (missing, files): (Vec<_>, Vec<_>) = misses
            .into_iter()
            .partition(|(_, kind)| *kind == MissKind::Missing);
        if !missing.is_empty() {
            return Trail::Misses(self.owned(missing));
        }
        if !trace.is_complete() {
            let reasons: BTreeSet<&str> = trace.gaps().map(|gap| gap.reason.text()).collect();
            return Trail::Incomplete(reasons.into_iter().map(str::to_owned).collect());
        }
        if directories.is_empty() && files.is_empty() {
            return Trail::Same;
        }
        Trail::But {
            directories: directories.into_iter().collect(),
            files: self.owned(files),
        }
    }

    fn owned(&self, found: Vec<(PathBuf, MissKind)>) -> Vec<Miss> {
        found
            .into_iter()
            .take(MOST)
            .map(|(path, kind)| Miss {
                owner: self.owner(&path),
                path,
                kind,
            })
            .collect()
    }

    fn miss(&self, lookup: &Lookup) -> Option<MissKind> {
        let Lookup {
            asked, end, uses, ..
        } = lookup;
        if asked == Path::new(LIBRARY_CACHE) {
            return None;
        }
        let is_link_meant = uses.contains(Use::ReadLink);
        let is_in = |root: &RootDir| {
            root.metadata(asked).is_ok() || (is_link_meant && root.symlink_metadata(asked).is_ok())
        };
        match end {
            // What the image has, and the program has removed, is no miss.
            End::Missing(_) | End::NotDirectory(_) => {
                (!is_in(self.candidate) && is_in(self.original)).then_some(MissKind::Missing)
            }
            End::Found(path) => {
                // What the program has made itself.
                if self.candidate.symlink_metadata(path).is_err() || !is_in(self.candidate) {
                    return None;
                }
                if !is_in(self.original) {
                    return Some(MissKind::Added);
                }
                let is_read = [Use::Read, Use::Execute, Use::Interpret]
                    .iter()
                    .any(|use_| uses.contains(*use_));
                (is_read && !self.is_same(asked)).then_some(MissKind::Different)
            }
            End::Denied(_) | End::Loop | End::Gone => None,
        }
    }

    /// Whether both have the same there: the same kind, permissions and content.
    fn is_same(&self, path: &Path) -> bool {
        let mut same = self.same.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = same.get(path) {
            return *known;
        }
        let (ours, theirs) = (self.original.metadata(path), self.candidate.metadata(path));
        let is_same = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if ours.is_file() && theirs.is_file() => {
                (ours.mode(), ours.len()) == (theirs.mode(), theirs.len())
                    && match (
                        self.original.read(path, FILE_LIMIT),
                        self.candidate.read(path, FILE_LIMIT),
                    ) {
                        (Ok(ours), Ok(theirs)) => ours == theirs,
                        _ => false,
                    }
            }
            (Ok(ours), Ok(theirs)) => ours.file_type() == theirs.file_type(),
            _ => false,
        };
        same.insert(path.to_owned(), is_same);
        is_same
    }

    fn has_same_names(&self, path: &Path) -> bool {
        let names = |root: &RootDir| {
            let names = root.list(path).ok()?;
            Some(names.into_iter().collect::<BTreeSet<_>>())
        };
        match names(self.candidate) {
            // The program has made it.
            None => true,
            theirs => theirs == names(self.original),
        }
    }

    /// The package of the original that `path`, or what it leads to, belongs to.
    fn owner(&self, path: &Path) -> Option<String> {
        let lists = self.lists.get_or_init(|| lists(self.original));
        let real = self.original.resolve(path).map(|found| found.real_path);
        let candidates = [Some(path.to_owned()), real.ok()];
        candidates.iter().flatten().find_map(|path| {
            let bytes = path.as_os_str().as_encoded_bytes();
            // Packages name either side of a merged `/usr`.
            let short = bytes.strip_prefix(b"/usr").unwrap_or(bytes);
            let long = [b"/usr", bytes].concat();
            lists.iter().find_map(|(package, list)| {
                let has = |line: &[u8]| line == bytes || line == short || line == long;
                list.split(|byte| *byte == b'\n')
                    .any(has)
                    .then(|| package.clone())
            })
        })
    }
}

/// The packages of dpkg's database with the lists of their files.
fn lists(root: &RootDir) -> Vec<(String, Vec<u8>)> {
    let info = Path::new("/var/lib/dpkg/info");
    let names = root.list(info).unwrap_or_default();
    let mut lists: Vec<(String, Vec<u8>)> = names
        .iter()
        .filter_map(|name| {
            let package = name.to_str()?.strip_suffix(".list")?;
            let package = package.split(':').next().unwrap_or(package);
            let list = root.read(&info.join(name), LIST_LIMIT).ok()?;
            Some((package.to_owned(), list))
        })
        .collect();
    lists.sort();
    lists
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, RootDir) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = RootDir::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn files_directories_and_owners_are_compared() {
        let (_first, original) = root(&[
            ("lib/a", "1"),
            ("lib/b", "2"),
            ("usr/share/zone", "z"),
            ("var/lib/dpkg/info/tzdata:amd64.list", "/.\n/share/zone\n"),
        ]);
        let (_second, candidate) = root(&[("lib/a", "1"), ("lib/b", "3")]);
        let trails = Trails::new(&original, &candidate);
        assert!(trails.is_same(Path::new("/lib/a")));
        assert!(!trails.is_same(Path::new("/lib/b")));
        assert!(trails.has_same_names(Path::new("/lib")));
        assert!(!trails.has_same_names(Path::new("/")));
        assert!(trails.has_same_names(Path::new("/made/by/it")));
        let owner = trails.owner(Path::new("/usr/share/zone"));
        assert_eq!(owner.as_deref(), Some("tzdata"));
        assert_eq!(trails.owner(Path::new("/lib/a")), None);
        let miss = Miss {
            path: "/usr/share/zone".into(),
            kind: MissKind::Missing,
            owner,
        };
        assert_eq!(
            miss.to_string(),
            "/usr/share/zone was looked up in vain, and the original has it (package tzdata)"
        );
        assert_eq!(
            miss.cure(),
            "keep the package tzdata, which /usr/share/zone belongs to"
        );
    }
}
