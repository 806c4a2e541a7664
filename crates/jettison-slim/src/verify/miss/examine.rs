//! Goes through a trace.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jettison_sandbox::{End, Lookup, Trace, Use, Uses};

use super::differ::{Entry, Pair, Wanted};
use super::{EntryDifference, EntryKind, ListingDifference, Miss, MissReport};
use crate::rootfs::{Resolved, RootDir, RootError};

/// Looks for what forbids to call the traced run of `candidate` a run of `original`. Both are the images' merged root
/// filesystems as they were before the run.
pub fn find_misses(
    trace: &Trace,
    original: &RootDir,
    candidate: &RootDir,
) -> Result<MissReport, RootError> {
    let mut examination = Examination {
        pair: Pair {
            original,
            candidate,
            mounts: trace.mounts(),
            alike: RefCell::default(),
        },
        trace,
        ways: BTreeMap::new(),
        known: BTreeMap::new(),
        listed: BTreeSet::new(),
        told: BTreeSet::new(),
        changed: changed(trace),
        report: MissReport {
            gaps: trace.gaps().cloned().collect(),
            ..MissReport::default()
        },
    };
    for lookup in trace.lookups() {
        examination.lookup(lookup)?;
    }
    let mut report = examination.report;
    report.loaded = examination.pair.alike.into_inner().into_iter().collect();
    report
        .misses
        .sort_by(|first, second| (&first.path, &first.asked).cmp(&(&second.path, &second.asked)));
    report
        .directories
        .sort_by(|first, second| first.path.cmp(&second.path));
    Ok(report)
}

/// The real paths where the run has made, changed or removed something, or has tried to.
fn changed(trace: &Trace) -> BTreeSet<&Path> {
    let lookups = trace.lookups().iter();
    lookups
        .filter(|lookup| lookup.uses.change())
        .filter_map(|lookup| lookup.end.path())
        .collect()
}

struct Examination<'a> {
    pair: Pair<'a>,
    trace: &'a Trace,
    /// What is known of directories on the way.
    ways: BTreeMap<PathBuf, Way>,
    known: BTreeMap<(PathBuf, Wanted), Option<EntryDifference>>,
    listed: BTreeSet<PathBuf>,
    /// Differences of directories on the way, which are told once.
    told: BTreeSet<PathBuf>,
    /// Where the run has made, changed or removed something.
    changed: BTreeSet<&'a Path>,
    report: MissReport,
}

/// Whether both images lead to the same place below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// There is a directory in both, or both have what the sandbox mounts.
    Open,
    /// Neither has anything below: what a run found there, it has made.
    Closed,
    /// They differ here, or above: at this many components.
    Parts(usize),
}

impl Examination<'_> {
    fn lookup(&mut self, lookup: &Lookup) -> Result<(), RootError> {
        for link in &lookup.links {
            if !self.agrees(lookup, link, Wanted::KIND)? {
                return Ok(());
            }
        }
        match &lookup.end {
            End::Found(path) => {
                if self.agrees(lookup, path, Wanted::by(lookup.uses))?
                    && lookup.uses.contains(Use::List)
                {
                    self.listing(lookup, path)?;
                }
            }
            End::Missing(path) => self.missing(lookup, path)?,
            End::NotDirectory(path) => {
                self.agrees(lookup, path, Wanted::KIND)?;
            }
            End::Denied(path) => {
                self.agrees(lookup, path, Wanted::PASSED)?;
            }
            End::Loop | End::Gone => {}
        }
        Ok(())
    }

    /// Whether both are the same at `path`; what is not is told.
    fn agrees(&mut self, lookup: &Lookup, path: &Path, wanted: Wanted) -> Result<bool, RootError> {
        let difference = match self.way_to(path)? {
            // What is below a mount is the mount's.
            Way::Open if self.trace.mount_of(path).is_some() => None,
            Way::Open => self
                .difference(path, wanted)?
                .map(|difference| (path, difference)),
            Way::Closed => None,
            Way::Parts(length) => {
                let place = ancestor(path, length);
                self.difference(place, Wanted::PASSED)?
                    .map(|difference| (place, difference))
            }
        };
        let Some((place, difference)) = difference else {
            return Ok(true);
        };
        self.tell(lookup, place, difference);
        Ok(false)
    }

    fn tell(&mut self, lookup: &Lookup, place: &Path, difference: EntryDifference) {
        let is_aspect_of_way = place != lookup.asked
            && matches!(&difference, EntryDifference::Aspects(_))
            && lookup.end.path() != Some(place);
        if is_aspect_of_way && !self.told.insert(place.to_owned()) {
            return;
        }
        let in_original = self.pair.original.resolve(&lookup.asked).ok();
        self.report.misses.push(Miss {
            path: place.to_owned(),
            asked: lookup.asked.clone(),
            uses: lookup.uses,
            program: lookup.program.clone(),
            difference,
            in_original,
        });
    }

    fn difference(
        &mut self,
        path: &Path,
        wanted: Wanted,
    ) -> Result<Option<EntryDifference>, RootError> {
        let key = (path.to_owned(), wanted);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let difference = self.pair.difference(path, wanted)?;
        self.known.insert(key, difference.clone());
        Ok(difference)
    }

    /// Whether one gets to the directory that `path` is in.
    fn way_to(&mut self, path: &Path) -> Result<Way, RootError> {
        match path.parent() {
            Some(parent) => self.way(parent),
            None => Ok(Way::Open),
        }
    }

    /// Whether one gets into the directory at `path`.
    fn way(&mut self, path: &Path) -> Result<Way, RootError> {
        if let Some(known) = self.ways.get(path) {
            return Ok(*known);
        }
        let way = match self.way_to(path)? {
            Way::Open if self.trace.mount_of(path).is_some() => Way::Open,
            Way::Open => {
                if self.difference(path, Wanted::PASSED)?.is_some() {
                    Way::Parts(path.components().count())
                } else {
                    let [entry, _same] = self.pair.entries(path)?;
                    match entry.kind() {
                        Some(EntryKind::Directory) => Way::Open,
                        // The run has put a directory in its place.
                        Some(_) | None => Way::Closed,
                    }
                }
            }
            other => other,
        };
        self.ways.insert(path.to_owned(), way);
        Ok(way)
    }

    /// Judges a lookup that found nothing at `path`.
    fn missing(&mut self, lookup: &Lookup, path: &Path) -> Result<(), RootError> {
        if self.way_to(path)? == Way::Open
            && self.trace.mount_of(path).is_none()
            && self.is_missing_in_original_too(lookup, path)?
        {
            return Ok(());
        }
        self.agrees(lookup, path, Wanted::KIND).map(drop)
    }

    /// Whether all that the original has more is on the way, and it has nothing at the end either.
    ///
    /// So it is only if nothing was to be created at the end, which could succeed there, and if the original's way to where
    /// it has nothing is the same whatever this run has done: no link on it was made by the run, and the run has changed
    /// nothing on it. `/var/run/nscd/socket` is such a path: `/var/run` is a link that the candidate may lack, and nothing
    /// is behind it.
    fn is_missing_in_original_too(&self, lookup: &Lookup, path: &Path) -> Result<bool, RootError> {
        let [original, candidate] = self.pair.entries(path)?;
        let is_more = matches!(original, Entry::There(_)) && matches!(candidate, Entry::Absent);
        if !is_more || lookup.uses.intersects(CREATING) {
            return Ok(false);
        }
        for link in &lookup.links {
            let [was_there, _] = self.pair.entries(link)?;
            if was_there.kind() != Some(EntryKind::Link) {
                return Ok(false);
            }
        }
        let Err(RootError::System { cause, .. }) = self.pair.original.resolve(&lookup.asked) else {
            return Ok(false);
        };
        let is_same_answer = cause.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error());
        Ok(is_same_answer && self.is_way_steady(lookup, path)?)
    }

    /// Whether the original's way, from `path` on to where it has nothing, can be gone by everybody, and the run has changed
    /// nothing on it: else the answer there depends on more.
    fn is_way_steady(&self, lookup: &Lookup, path: &Path) -> Result<bool, RootError> {
        let original = self.pair.original;
        let mut below: Option<&Path> = None;
        for prefix in lookup.asked.ancestors() {
            let Ok(Resolved { real_path, chain }) = original.resolve(prefix) else {
                below = Some(prefix);
                continue;
            };
            // The first of them that is there: the next name is the one that is missing, unless it is a link that leads nowhere.
            let Some(missing) = below
                .and_then(Path::file_name)
                .map(|name| real_path.join(name))
            else {
                return Ok(false);
            };
            if original.symlink_metadata(&missing).is_ok() {
                return Ok(false);
            }
            let passed = chain.iter().filter(|link| !lookup.links.contains(link));
            let mut ends: Vec<&Path> = passed.map(PathBuf::as_path).collect();
            ends.extend([path, missing.as_path()]);
            return self.are_ways_open(&ends, path);
        }
        Ok(false)
    }

    /// Whether the original's directories on the ways to `ends` can be searched by everybody, and the run has changed none of
    /// them, nor mounted anything there. The directories above `reached` are the same in both, and this lookup has passed them.
    fn are_ways_open(&self, ends: &[&Path], reached: &Path) -> Result<bool, RootError> {
        let original = self.pair.original;
        for end in ends {
            let is_touched = end.ancestors().any(|above| self.changed.contains(above))
                || self.trace.mount_of(end).is_some();
            if is_touched {
                return Ok(false);
            }
            let is_further = |above: &&Path| above == &reached || !reached.starts_with(above);
            for directory in end.ancestors().skip(1).filter(is_further) {
                let is_searchable = original.metadata(directory)?.mode() & 0o001 != 0;
                let attributes = original.attributes(directory)?;
                let has_list = attributes.iter().any(|(name, _)| name == ACCESS_LIST);
                if !is_searchable || has_list {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn listing(&mut self, lookup: &Lookup, path: &Path) -> Result<(), RootError> {
        let is_ours = self.way(path)? != Way::Open || self.trace.mount_of(path).is_some();
        if is_ours || !self.listed.insert(path.to_owned()) {
            return Ok(());
        }
        let [original, candidate] = self.pair.names(path)?;
        let only = |here: &BTreeMap<_, _>, there: &BTreeMap<_, _>| {
            let names = here.keys().filter(|name| !there.contains_key(*name));
            names.cloned().collect()
        };
        let difference = ListingDifference {
            path: path.to_owned(),
            program: lookup.program.clone(),
            missing: only(&original, &candidate),
            added: only(&candidate, &original),
            changed: original
                .iter()
                .filter(|(name, kind)| candidate.get(*name).is_some_and(|other| other != *kind))
                .map(|(name, _)| name.clone())
                .collect(),
        };
        let ListingDifference {
            missing,
            added,
            changed,
            path: _,
            program: _,
        } = &difference;
        if !(missing.is_empty() && added.is_empty() && changed.is_empty()) {
            self.report.directories.push(difference);
        }
        Ok(())
    }
}

/// The attribute with which a directory's mode does not say everything.
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

/// What makes something where nothing is.
const CREATING: Uses = Uses::of(Use::Create)
    .and(Uses::of(Use::MakeDirectory))
    .and(Uses::of(Use::Bind))
    .and(Uses::of(Use::MoveTo));

/// The ancestor of `path` with this many components.
fn ancestor(path: &Path, length: usize) -> &Path {
    let excess = path.components().count().saturating_sub(length);
    path.ancestors().nth(excess).unwrap_or(path)
}
