//! What a candidate looked up, held against the original's files, for people: each miss with its owner and a cure.
//!
//! [`crate::verify::miss`] says what a miss is, and why a run without one is proof. What was built anew is another file; then
//! only the answers can be compared, unless the same is loaded of it, as of a program without debugging symbols.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jettison_sandbox::Trace;

use crate::evidence::{Packages, is_log_of_npm};
use crate::rootfs::{RootDir, RootError};
use crate::verify::miss::{Aspect, EntryDifference, Miss, are_same_at, find_misses};

/// The most misses that are told of one run.
const MOST: usize = 20;

/// What the dynamic linker looks into first. It differs wherever libraries do; what it leads to is looked up as well.
const LIBRARY_CACHE: &str = "/etc/ld.so.cache";

/// What a candidate's lookups say about its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trail {
    /// Nobody has watched.
    NotTraced,
    /// It is a run of the original, too.
    Same,
    /// It is, too, although these programs and libraries are other files: the same was loaded of them, and nobody has read
    /// more.
    LoadedAlike(Vec<PathBuf>),
    /// It is but for directories that were listed and have other names, and files that were read and are others.
    But {
        /// The directories.
        directories: Vec<PathBuf>,
        /// The files.
        files: Vec<OwnedMiss>,
    },
    /// These were looked up in vain, at least, and the original has them.
    Misses(Vec<OwnedMiss>),
    /// Not everything could be watched; why.
    Incomplete(Vec<String>),
}

/// A place where the original would have gone another way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnedMiss {
    /// The path that was looked up.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: MissKind,
    /// In what it is different, if it is.
    pub aspects: Vec<Aspect>,
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
            Trail::NotTraced | Trail::Same | Trail::LoadedAlike(_) | Trail::But { .. } => None,
            Trail::Misses(misses) => misses.first().map(OwnedMiss::to_string),
            Trail::Incomplete(reasons) => Some(reasons.join(", ")),
        }
    }
}

impl OwnedMiss {
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

impl fmt::Display for OwnedMiss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            MissKind::Missing => "was looked up in vain, and the original has it",
            MissKind::Different => "was looked up, and the original's is different",
            MissKind::Added => "was found, and the original does not have it",
        };
        write!(formatter, "{} {what}", self.path.display())?;
        if !self.aspects.is_empty() {
            let words: Vec<&str> = self.aspects.iter().copied().map(word).collect();
            write!(formatter, " in {}", words.join(", "))?;
        }
        match &self.owner {
            Some(owner) => write!(formatter, " (package {owner})"),
            None => Ok(()),
        }
    }
}

fn word(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Target => "target",
        Aspect::Mode => "mode",
        Aspect::Owner => "owner",
        Aspect::Device => "device",
        Aspect::Size => "size",
        Aspect::Content => "content",
        Aspect::Time => "time",
        Aspect::Attributes => "attributes",
        Aspect::Names => "names",
    }
}

/// The files of both images.
#[derive(Debug)]
pub(super) struct Trails<'r> {
    original: &'r RootDir,
    candidate: &'r RootDir,
    /// The files of the build that the candidate is made of, if it is not the original's; both were found to make the same but
    /// for times.
    second_build: Option<&'r RootDir>,
    packages: OnceLock<Packages>,
}

impl<'r> Trails<'r> {
    pub(super) fn new(original: &'r RootDir, candidate: &'r RootDir) -> Trails<'r> {
        Trails {
            original,
            candidate,
            second_build: None,
            packages: OnceLock::new(),
        }
    }

    /// The same for a candidate that is made of another build of the same files.
    pub(super) fn with_second_build(self, second_build: Option<&'r RootDir>) -> Trails<'r> {
        Trails {
            second_build,
            ..self
        }
    }

    /// What `trace`, of a run of the candidate, says.
    pub(super) fn judge(&self, trace: &Trace) -> Trail {
        let mut report = match find_misses(trace, self.original, self.candidate) {
            Ok(report) => report,
            Err(error) => return Trail::Incomplete(vec![error.to_string()]),
        };
        let mut found = BTreeSet::new();
        for miss in &report.misses {
            if miss.asked == Path::new(LIBRARY_CACHE) || is_log(miss) {
                continue;
            }
            match self.is_only_built_later(miss) {
                Ok(true) => {}
                Ok(false) => {
                    found.insert(self.owned(miss));
                }
                Err(error) => return Trail::Incomplete(vec![error.to_string()]),
            }
        }
        let (misses, files): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|miss| miss.kind == MissKind::Missing && !is_class_archive(&miss.path));
        if !misses.is_empty() {
            return Trail::Misses(misses.into_iter().take(MOST).collect());
        }
        if !report.gaps.is_empty() {
            let reasons: BTreeSet<&str> = report.gaps.iter().map(|gap| gap.reason.text()).collect();
            return Trail::Incomplete(reasons.into_iter().map(str::to_owned).collect());
        }
        report
            .directories
            .retain(|listing| !is_log_of_npm(&listing.path));
        if report.directories.is_empty() && files.is_empty() {
            return if report.loaded.is_empty() {
                Trail::Same
            } else {
                Trail::LoadedAlike(report.loaded)
            };
        }
        let directories = report.directories.into_iter();
        Trail::But {
            directories: directories.map(|listing| listing.path).collect(),
            files: files.into_iter().take(MOST).collect(),
        }
    }

    /// Whether a file is another only because it was built at another moment: its time is another, or that of its source in
    /// byte code of Python. The candidate has it as the second build made it; the original, built once more, would have it so,
    /// too.
    fn is_only_built_later(&self, miss: &Miss) -> Result<bool, RootError> {
        let (Some(second), EntryDifference::Aspects(aspects)) =
            (self.second_build, &miss.difference)
        else {
            return Ok(false);
        };
        let is_byte_code = miss.path.extension().is_some_and(|end| end == "pyc");
        let is_time = |aspect: &Aspect| match aspect {
            Aspect::Time => true,
            Aspect::Content => is_byte_code,
            Aspect::Target
            | Aspect::Mode
            | Aspect::Owner
            | Aspect::Device
            | Aspect::Size
            | Aspect::Attributes
            | Aspect::Names => false,
        };
        if !aspects.iter().all(is_time) {
            return Ok(false);
        }
        are_same_at(second, self.candidate, &miss.path)
    }

    fn owned(&self, miss: &Miss) -> OwnedMiss {
        let (kind, aspects) = kind_of(&miss.difference);
        let path = match kind {
            MissKind::Missing => miss.asked.clone(),
            MissKind::Different | MissKind::Added => miss.path.clone(),
        };
        let mut paths = vec![path.clone()];
        if let Some(found) = &miss.in_original {
            paths.push(found.real_path.clone());
            paths.extend(found.chain.iter().cloned());
        }
        OwnedMiss {
            owner: self.owner(&paths),
            path,
            kind,
            aspects,
        }
    }

    /// The package of the original that one of `paths` belongs to.
    fn owner(&self, paths: &[PathBuf]) -> Option<String> {
        // Only the hint is lost with a list that cannot be read.
        let read = || Packages::read(self.original).unwrap_or_default();
        let packages = self.packages.get_or_init(read);
        let owner = paths
            .iter()
            .find_map(|path| packages.owner_either_side(path));
        owner.map(str::to_owned)
    }
}

/// Whether a log was looked up that npm keeps for people: which of them there are is another thing in each build.
fn is_log(miss: &Miss) -> bool {
    is_log_of_npm(&miss.asked) || is_log_of_npm(&miss.path)
}

/// Whether `path` is an archive of a Java runtime's own classes, made to start faster: without it the classes come from
/// `lib/modules` (JEP 310, JEP 341).
fn is_class_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_beside_the_machine = path
        .parent()
        .and_then(Path::parent)
        .is_some_and(|lib| lib.ends_with("lib"));
    is_beside_the_machine && name.starts_with("classes") && name.ends_with(".jsa")
}

fn kind_of(difference: &EntryDifference) -> (MissKind, Vec<Aspect>) {
    match difference {
        EntryDifference::Absent { .. } => (MissKind::Missing, Vec::new()),
        EntryDifference::Added { .. } => (MissKind::Added, Vec::new()),
        EntryDifference::Kind { .. } | EntryDifference::Below { .. } => {
            (MissKind::Different, Vec::new())
        }
        EntryDifference::Aspects(aspects) => (MissKind::Different, aspects.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jettison_sandbox::{End, Lookup, Use, Uses};

    use super::*;

    #[test]
    fn an_archive_of_classes_only_makes_a_start_faster() {
        assert!(is_class_archive(Path::new(
            "/opt/jdk/lib/server/classes.jsa"
        )));
        assert!(is_class_archive(Path::new(
            "/opt/jdk/lib/server/classes_nocoops.jsa"
        )));
        assert!(!is_class_archive(Path::new(
            "/opt/jdk/lib/server/libjvm.so"
        )));
        assert!(!is_class_archive(Path::new("/app/classes.jsa")));
    }

    #[test]
    fn owners_are_packages_of_the_original() {
        let directory = tempfile::tempdir().unwrap();
        let info = directory.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).unwrap();
        fs::create_dir_all(directory.path().join("usr/share")).unwrap();
        fs::write(info.join("tzdata:amd64.list"), "/.\n/usr/share/zone\n").unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        let trails = Trails::new(&root, &root);
        let owner = trails.owner(&["/nothing".into(), "/usr/share/zone".into()]);
        assert_eq!(owner.as_deref(), Some("tzdata"));
        assert_eq!(trails.owner(&["/lib/a".into()]), None);
        let mut miss = OwnedMiss {
            path: "/usr/share/zone".into(),
            kind: MissKind::Missing,
            aspects: Vec::new(),
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
        miss.kind = MissKind::Different;
        miss.aspects = vec![Aspect::Size, Aspect::Content];
        assert_eq!(
            miss.to_string(),
            "/usr/share/zone was looked up, and the original's is different in size, content (package tzdata)"
        );
    }

    #[test]
    fn logs_of_npm_are_no_misses() {
        let [original, candidate] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (root, file) in [(&original, "_logs/1.log"), (&candidate, "_logs/2.log")] {
            for directory in ["root/.npm/_logs", "app"] {
                fs::create_dir_all(root.path().join(directory)).unwrap();
            }
            fs::write(root.path().join("root/.npm").join(file), "").unwrap();
        }
        fs::write(original.path().join("app/1.log"), "").unwrap();
        let roots = [&original, &candidate].map(|made| RootDir::open(made.path()).unwrap());
        let trails = Trails::new(&roots[0], &roots[1]);
        let judge = |lookups: &[(&str, bool, Use)]| {
            let lookups = lookups.iter().map(|(path, is_found, what)| Lookup {
                asked: path.into(),
                links: Vec::new(),
                end: if *is_found {
                    End::Found(path.into())
                } else {
                    End::Missing(path.into())
                },
                uses: Uses::of(*what),
                program: None,
            });
            trails.judge(&Trace::of(lookups.collect(), Vec::new()))
        };
        let found = judge(&[
            ("/root/.npm/_logs", true, Use::List),
            ("/root/.npm/_logs/1.log", false, Use::Write),
            ("/root/.npm/_logs/2.log", true, Use::Read),
        ]);
        assert_eq!(found, Trail::Same);
        let found = judge(&[("/app/1.log", false, Use::Read)]);
        assert!(matches!(found, Trail::Misses(_)), "{found:?}");
    }

    #[track_caller]
    fn check_built_later(path: &str, aspects: &[Aspect], second: &str, expected: bool) {
        let [original, candidate, built] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        for (directory, text) in [(&original, "old"), (&candidate, "new"), (&built, second)] {
            fs::write(directory.path().join(&path[1..]), text).unwrap();
            let file = fs::File::options()
                .write(true)
                .open(directory.path().join(&path[1..]));
            let time = std::time::SystemTime::UNIX_EPOCH;
            file.unwrap().set_modified(time).unwrap();
        }
        let roots = [&original, &candidate, &built].map(|made| RootDir::open(made.path()).unwrap());
        let miss = Miss {
            path: path.into(),
            asked: path.into(),
            uses: jettison_sandbox::Uses::default(),
            program: None,
            difference: EntryDifference::Aspects(aspects.to_vec()),
            in_original: None,
        };
        let trails = Trails::new(&roots[0], &roots[1]);
        assert!(!trails.is_only_built_later(&miss).unwrap());
        let trails = trails.with_second_build(Some(&roots[2]));
        assert_eq!(trails.is_only_built_later(&miss).unwrap(), expected);
    }

    #[test]
    fn what_was_built_later_has_another_time_and_no_more() {
        check_built_later("/a.py", &[Aspect::Time], "new", true);
        check_built_later("/a.pyc", &[Aspect::Content, Aspect::Time], "new", true);
        check_built_later("/a.py", &[Aspect::Content, Aspect::Time], "new", false);
        check_built_later("/a.pyc", &[Aspect::Size, Aspect::Content], "new", false);
        check_built_later("/a.py", &[Aspect::Mode], "new", false);
        // The candidate has what no build has made.
        check_built_later("/a.py", &[Aspect::Time], "other", false);
    }
}
