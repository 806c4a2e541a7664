//! Packages indexes: the binary packages of suites.
//!
//! An index keeps its text, of which Debian has 50 MB, exactly once. Per package there is one small `Entry` that says
//! where its stanza is; fields are read again from the stanza whenever they are asked for. What every package must
//! have (name, version, architecture, file name, size, digest) is checked once, on loading.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

use crate::arch::Architecture;
use crate::deb822::{field_of, stanza_ranges};
use crate::package::{Package, PackagePart};
use crate::relation::{RelationError, parse_relations};
use crate::version::Version;

/// The packages of some suites for one architecture; of every name, the latest version.
#[derive(Debug, Clone)]
pub struct PackagesIndex {
    architecture: Architecture,
    // Invariant: the ranges of `entries` are stanzas of these texts, and `Package::check` accepts all of them.
    texts: Vec<IndexText>,
    // In the order of the texts, but a later version takes the place of an earlier one.
    entries: Vec<Entry>,
    // Invariant: the positions of all entries, sorted by name; no two have the same name.
    by_name: Vec<u32>,
    // Who provides a virtual package, in the order of `entries`.
    providers: BTreeMap<Box<str>, Vec<u32>>,
}

#[derive(Debug, Clone)]
struct IndexText {
    uri: String,
    text: Arc<String>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    text: u32,
    start: u32,
    end: u32,
    has_provides: bool,
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
        if u32::try_from(text.len()).is_err() {
            return Err(PackagesError::TooLarge { size: text.len() });
        }
        let mut index = PackagesIndex::empty(architecture.clone());
        for (start, end) in stanza_ranges(&text) {
            let stanza = &text[start..end];
            let package = Package::check(stanza, uri).map_err(|part| PackagesError::Package {
                package: name_for_message(stanza),
                part,
            })?;
            let provides = package.field("Provides");
            parse_relations(provides.unwrap_or_default()).map_err(|source| {
                PackagesError::Provides {
                    package: package.name().to_owned(),
                    source,
                }
            })?;
            let of_package = package.architecture();
            if of_package.is_all() || of_package == *architecture {
                index.entries.push(Entry {
                    text: 0,
                    start: position(start),
                    end: position(end),
                    has_provides: provides.is_some(),
                });
            }
        }
        index.texts.push(IndexText {
            uri: uri.to_owned(),
            text: Arc::new(text),
        });
        Ok(index.sorted())
    }

    /// The packages of `first` and `others`; of every name, the latest version, and of equal ones the first.
    ///
    /// Indexes for other architectures than `first`'s only add their packages of the architecture `all`.
    pub fn merge(
        first: PackagesIndex,
        others: impl IntoIterator<Item = PackagesIndex>,
    ) -> PackagesIndex {
        let mut merged = first;
        for other in others {
            let offset = position(merged.texts.len());
            merged.texts.extend(other.texts.iter().cloned());
            for package in other.iter() {
                if package.architecture().is_all() || package.architecture() == merged.architecture
                {
                    let entry = other.entries[package.id().0 as usize];
                    merged.entries.push(Entry {
                        text: entry.text + offset,
                        ..entry
                    });
                }
            }
        }
        merged.sorted()
    }

    /// Keeps the latest version of every name, and sets up the ways to find packages.
    fn sorted(mut self) -> PackagesIndex {
        self.keep_latest();
        let mut by_name: Vec<u32> = (0..position(self.entries.len())).collect();
        by_name.sort_by_key(|&at| self.at(at).name());
        self.by_name = by_name;
        let mut providers: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
        let is_provider =
            |package: &Package<'_>| self.entries[package.id().0 as usize].has_provides;
        for package in self.iter().filter(is_provider) {
            for relation in package.provides() {
                for alternative in relation.alternatives() {
                    let of_name = match providers.entry(alternative.name().into()) {
                        Slot::Occupied(slot) => slot.into_mut(),
                        Slot::Vacant(slot) => slot.insert(Vec::new()),
                    };
                    if of_name.last() != Some(&package.id().0) {
                        of_name.push(package.id().0);
                    }
                }
            }
        }
        self.providers = providers;
        self
    }

    fn keep_latest(&mut self) {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut kept: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for &entry in &self.entries {
            let package = self.package_of(entry, PackageId(0));
            match places.entry(package.name()) {
                Slot::Vacant(slot) => {
                    slot.insert(kept.len());
                    kept.push(entry);
                }
                Slot::Occupied(slot) => {
                    let place = &mut kept[*slot.get()];
                    let other = self.package_of(*place, PackageId(0));
                    if package.version().cmp(&other.version()) == Ordering::Greater {
                        *place = entry;
                    }
                }
            }
        }
        kept.shrink_to_fit();
        self.entries = kept;
    }

    fn package_of(&self, entry: Entry, id: PackageId) -> Package<'_> {
        let IndexText { uri, text } = &self.texts[entry.text as usize];
        Package::new(&text[entry.start as usize..entry.end as usize], uri, id)
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

    /// The package called `name`.
    pub fn get(&self, name: &str) -> Option<Package<'_>> {
        let found = self
            .by_name
            .binary_search_by(|&at| self.at(at).name().cmp(name));
        found.ok().map(|found| self.at(self.by_name[found]))
    }

    /// The package with the number `id`, if `id` is of this index.
    pub fn package(&self, id: PackageId) -> Option<Package<'_>> {
        let entry = self.entries.get(id.0 as usize)?;
        Some(self.package_of(*entry, id))
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

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("texts are shorter than 4 GiB, and hold fewer packages than bytes")
}

fn name_for_message(stanza: &str) -> String {
    let name = field_of(stanza, "Package").unwrap_or_else(|| stanza.lines().next().unwrap_or(""));
    name.chars().take(60).collect()
}
