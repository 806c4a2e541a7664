//! Packages indexes: the binary packages of suites.
//!
//! An index keeps its text, of which Debian has 50 MB, exactly once. Per package there is one small `Entry` that says
//! where its stanza and its name are; fields are read again from the stanza whenever they are asked for. What every package must
//! have (name, version, architecture, file name, size, digest) is checked once, on loading.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arch::Architecture;
use crate::deb822::field_of;
use crate::package::{Package, PackagePart};
use crate::packages::scan::scan;
use crate::policy::Policy;
use crate::relation::{RelationError, parse_relations};
use crate::version::Version;

mod scan;

/// The packages of some suites for one architecture. Of every name one version is the candidate: the latest, unless
/// archives or versions were pinned. All others are there, but nothing chooses them.
#[derive(Debug, Clone)]
pub struct PackagesIndex {
    architecture: Architecture,
    // Invariant: the ranges of `entries` and `others` are stanzas of these texts, and `scan` accepts all of them.
    texts: Vec<IndexText>,
    // The candidates, in the order of the texts, but a better version takes the place of an earlier one.
    entries: Vec<Entry>,
    // All other versions, sorted by name, of one name in the order of the texts. Their numbers follow the candidates'.
    others: Vec<Entry>,
    // Invariant: the positions of all entries, sorted by name; no two have the same name.
    by_name: Vec<u32>,
    // Who provides a virtual package, in the order of `entries`.
    providers: BTreeMap<Box<str>, Vec<u32>>,
}

/// An index file that was fetched and checked.
#[derive(Debug)]
pub(crate) struct IndexFile {
    /// Where its archive is.
    pub(crate) uri: String,
    /// Where it is itself, for messages.
    pub(crate) url: String,
    pub(crate) text: String,
}

/// The text of one index file.
#[derive(Debug, Clone)]
pub(crate) struct IndexText {
    /// Where its archive is.
    pub(crate) uri: String,
    /// Which of the archives it is of.
    pub(crate) archive: usize,
    text: Arc<String>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    text: u32,
    start: u32,
    end: u32,
    name_start: u32,
    name_length: u32,
    has_provides: bool,
    /// Whether every system has it: it is essential, or of the priority `required`.
    is_basic: bool,
}

/// The number of a package in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub(crate) u32);

/// Why a Packages index cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A stanza lacks something that every package has.
    #[error("cannot read package `{package}`: its {part} is missing or malformed")]
    Package {
        /// The package's name, or the start of its stanza.
        package: String,
        /// What is wrong with it.
        part: PackagePart,
    },
    /// What a package provides cannot be read.
    #[error("cannot read what package `{package}` provides")]
    Provides {
        /// The package.
        package: String,
        /// What is wrong.
        source: RelationError,
    },
    /// The index is larger than we can count.
    #[error("cannot read an index of {size} bytes")]
    TooLarge {
        /// Its size.
        size: usize,
    },
}

impl PackagesIndex {
    /// An index without packages.
    pub fn empty(architecture: Architecture) -> PackagesIndex {
        PackagesIndex {
            architecture,
            texts: Vec::new(),
            entries: Vec::new(),
            others: Vec::new(),
            by_name: Vec::new(),
            providers: BTreeMap::new(),
        }
    }

    /// Reads the text of an index from the archive at `uri`. Packages of foreign architectures are left out.
    pub fn parse(
        text: String,
        uri: &str,
        architecture: &Architecture,
    ) -> Result<PackagesIndex, PackagesError> {
        let file = IndexFile {
            uri: uri.to_owned(),
            url: String::new(),
            text,
        };
        PackagesIndex::of_files(vec![(0, file)], architecture, &Policy::latest())
            .map_err(|(_, error)| error)
    }

    /// Reads index files, each with the number of its archive; of every name, the version is the candidate that
    /// `policy` prefers. An error comes with the URL of its file.
    pub(crate) fn of_files(
        files: Vec<(usize, IndexFile)>,
        architecture: &Architecture,
        policy: &Policy<'_>,
    ) -> Result<PackagesIndex, (String, PackagesError)> {
        let mut index = PackagesIndex::empty(architecture.clone());
        for (archive, IndexFile { uri, url, text }) in files {
            index.read(&text).map_err(|error| (url, error))?;
            let text = Arc::new(text);
            index.texts.push(IndexText { uri, archive, text });
        }
        Ok(index.sorted(policy))
    }

    fn read(&mut self, text: &str) -> Result<(), PackagesError> {
        if u32::try_from(text.len()).is_err() {
            return Err(PackagesError::TooLarge { size: text.len() });
        }
        let number = position(self.texts.len());
        let base = text.as_ptr() as usize;
        for scanned in scan(text) {
            let scanned = scanned.map_err(|wrong| PackagesError::Package {
                package: name_for_message(wrong.stanza),
                part: wrong.part,
            })?;
            if let Some(provides) = scanned.provides {
                parse_relations(provides).map_err(|source| PackagesError::Provides {
                    package: scanned.name.to_owned(),
                    source,
                })?;
            }
            let of_package = scanned.architecture;
            if of_package == "all" || of_package == self.architecture.as_str() {
                self.entries.push(Entry {
                    text: number,
                    start: position(scanned.start),
                    end: position(scanned.end),
                    name_start: position(scanned.name.as_ptr() as usize - base),
                    name_length: position(scanned.name.len()),
                    has_provides: scanned.provides.is_some(),
                    is_basic: scanned.is_basic,
                });
            }
        }
        Ok(())
    }

    /// The packages of `first` and `others`; of every name, the latest version, and of equal ones the first.
    ///
    /// Indexes for other architectures than `first`'s only add their packages of the architecture `all`.
    pub fn merge(
        first: PackagesIndex,
        others: impl IntoIterator<Item = PackagesIndex>,
    ) -> PackagesIndex {
        let mut merged = first;
        let superseded = std::mem::take(&mut merged.others);
        merged.entries.extend(superseded);
        for other in others {
            let offset = position(merged.texts.len());
            merged.texts.extend(other.texts.iter().cloned());
            for entry in other.entries.iter().chain(&other.others) {
                let package = other.package_of(*entry, PackageId(0));
                if package.architecture().is_all() || package.architecture() == merged.architecture
                {
                    merged.entries.push(Entry {
                        text: entry.text + offset,
                        ..*entry
                    });
                }
            }
        }
        merged.sorted(&Policy::latest())
    }

    /// Finds the candidate of every name, and sets up the ways to find packages.
    fn sorted(mut self, policy: &Policy<'_>) -> PackagesIndex {
        self.choose_candidates(policy);
        let mut providers: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
        let is_provider =
            |package: &Package<'_>| self.entries[package.id().0 as usize].has_provides;
        for package in self.iter().filter(is_provider) {
            for name in provided_names(package.field("Provides").unwrap_or_default()) {
                let of_name = match providers.get_mut(name) {
                    Some(of_name) => of_name,
                    None => providers.entry(name.into()).or_default(),
                };
                if of_name.last() != Some(&package.id().0) {
                    of_name.push(package.id().0);
                }
            }
        }
        self.providers = providers;
        self
    }

    fn choose_candidates(&mut self, policy: &Policy<'_>) {
        let entries = std::mem::take(&mut self.entries);
        let mut order: Vec<(&str, u32)> = (0..)
            .zip(&entries)
            .map(|(at, entry)| (self.name_of(entry), at))
            .collect();
        #[expect(
            clippy::stable_sort_primitive,
            reason = "each index is sorted already, of which the stable way takes advantage"
        )]
        order.sort();
        // By name: the place in the order of texts, and what stands there.
        let mut kept: Vec<(u32, Entry)> = Vec::with_capacity(entries.len());
        let mut others = Vec::new();
        for group in order.chunk_by(|(a, _), (b, _)| a == b) {
            let best = match group {
                [_] if policy.takes_anything() => Some(0),
                _ => {
                    let package = |&(_, at): &(&str, u32)| {
                        self.package_of(entries[at as usize], PackageId(0))
                    };
                    policy.candidate(&group.iter().map(package).collect::<Vec<_>>())
                }
            };
            if let (Some(best), Some(&(_, place))) = (best, group.first()) {
                kept.push((place, entries[group[best].1 as usize]));
            }
            let rest = (0..group.len()).filter(|&at| Some(at) != best);
            others.extend(rest.map(|at| entries[group[at].1 as usize]));
        }
        let mut places: Vec<u32> = (0..position(kept.len())).collect();
        places.sort_unstable_by_key(|&at| kept[at as usize].0);
        self.entries = places.iter().map(|&at| kept[at as usize].1).collect();
        let mut by_name = vec![0; kept.len()];
        for (place, &at) in (0..).zip(&places) {
            by_name[at as usize] = place;
        }
        self.by_name = by_name;
        self.others = others;
    }

    fn name_of(&self, entry: &Entry) -> &str {
        let start = entry.name_start as usize;
        &self.texts[entry.text as usize].text[start..start + entry.name_length as usize]
    }

    fn package_of(&self, entry: Entry, id: PackageId) -> Package<'_> {
        let text = &self.texts[entry.text as usize];
        Package::new(
            &text.text[entry.start as usize..entry.end as usize],
            text,
            id,
        )
    }

    fn at(&self, at: u32) -> Package<'_> {
        self.package_of(self.entries[at as usize], PackageId(at))
    }

    /// The architecture whose packages these are.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no package.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All packages, in the order of the index.
    pub fn iter(&self) -> impl Iterator<Item = Package<'_>> {
        (0..position(self.entries.len())).map(|at| self.at(at))
    }

    /// The packages that are essential or of the priority `required`, and the one called `other`, in the order of the
    /// index.
    pub(crate) fn basic(&self, other: &str) -> impl Iterator<Item = Package<'_>> {
        let entries = (0..).zip(&self.entries);
        let basic =
            entries.filter(move |(_, entry)| entry.is_basic || self.name_of(entry) == other);
        basic.map(|(at, entry)| self.package_of(*entry, PackageId(at)))
    }

    /// The candidate called `name`.
    pub fn get(&self, name: &str) -> Option<Package<'_>> {
        let found = self
            .by_name
            .binary_search_by(|&at| self.name_of(&self.entries[at as usize]).cmp(name));
        found.ok().map(|found| self.at(self.by_name[found]))
    }

    /// All versions of `name`, the candidate first, and then in the order of the archives.
    pub fn versions(&self, name: &str) -> Vec<Package<'_>> {
        let start = self
            .others
            .partition_point(|entry| self.name_of(entry) < name);
        let others = self.others[start..]
            .iter()
            .take_while(|entry| self.name_of(entry) == name);
        let count = position(self.entries.len() + start);
        let others = (count..).zip(others);
        let others = others.map(|(id, entry)| self.package_of(*entry, PackageId(id)));
        self.get(name).into_iter().chain(others).collect()
    }

    /// The package with the number `id`, if `id` is of this index.
    pub fn package(&self, id: PackageId) -> Option<Package<'_>> {
        let at = id.0 as usize;
        let others = || self.others.get(at.checked_sub(self.entries.len())?);
        let entry = self.entries.get(at).or_else(others)?;
        Some(self.package_of(*entry, id))
    }

    /// The texts of the index files, in the order of the archives.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.text.as_str())
    }

    /// The packages that provide the virtual package `name`, in the order of the index, each with the versions in
    /// which it provides it.
    pub fn providers(&self, name: &str) -> Vec<(Package<'_>, Vec<Option<Version>>)> {
        let places = self.providers.get(name).map(Vec::as_slice);
        let provider = |&at: &u32| {
            let package = self.at(at);
            (package, package.provided_versions(name))
        };
        places.unwrap_or_default().iter().map(provider).collect()
    }
}

/// The names in the value of a field `Provides`, which was read before.
fn provided_names(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|one| {
        let one = one.trim_start();
        let end = one.find(|c: char| c.is_whitespace() || "(:[<".contains(c));
        &one[..end.unwrap_or(one.len())]
    })
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("texts are shorter than 4 GiB, and hold fewer packages than bytes")
}

fn name_for_message(stanza: &str) -> String {
    let name = field_of(stanza, "Package").unwrap_or_else(|| stanza.lines().next().unwrap_or(""));
    name.chars().take(60).collect()
}
