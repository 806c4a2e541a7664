//! Why a package is part of a solution.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::package::Package;
use crate::packages::{PackageId, PackagesIndex};
use crate::relation::Relation;
use crate::solve::SolveOptions;
use crate::solve::candidates::satisfying;

/// A package, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The package.
    pub package: Package<'a>,
    /// The shortest way from what was asked for.
    pub reason: Reason,
}

/// Why a package was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for.
    Root {
        /// In these words.
        relation: Relation,
    },
    /// Another package needs it.
    Needed {
        /// The name of the other package.
        by: String,
        /// In which of its fields.
        field: DependencyField,
        /// In these words.
        relation: Relation,
    },
}

/// A field that makes others be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyField {
    /// `Pre-Depends`
    PreDepends,
    /// `Depends`
    Depends,
    /// `Recommends`
    Recommends,
}

impl DependencyField {
    pub(super) const ALL: [DependencyField; 3] = [
        DependencyField::PreDepends,
        DependencyField::Depends,
        DependencyField::Recommends,
    ];

    /// The fields that count.
    pub(super) fn that_count(recommends: bool) -> &'static [DependencyField] {
        if recommends {
            &DependencyField::ALL
        } else {
            &DependencyField::ALL[..2]
        }
    }

    /// The field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            DependencyField::PreDepends => "Pre-Depends",
            DependencyField::Depends => "Depends",
            DependencyField::Recommends => "Recommends",
        }
    }
}

impl fmt::Display for DependencyField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Root { relation } => write!(formatter, "asked for: {relation}"),
            Reason::Needed {
                by,
                field,
                relation,
            } => write!(formatter, "{by} {field}: {relation}"),
        }
    }
}

/// The packages that can be reached from `roots`, sorted by name, each with the first way that leads to it.
pub(super) fn with_reasons<'a>(
    index: &'a PackagesIndex,
    roots: &[Relation],
    packages: Vec<Package<'a>>,
    options: &SolveOptions,
) -> Vec<Chosen<'a>> {
    let places: BTreeMap<PackageId, usize> = (0..packages.len())
        .map(|place| (packages[place].id(), place))
        .collect();
    let mut reasons: Vec<Option<Reason>> = vec![None; packages.len()];
    let mut queue = VecDeque::new();
    let in_solution = |relation: &Relation| -> Vec<usize> {
        let alternatives = relation.alternatives().iter();
        alternatives
            .flat_map(|alternative| satisfying(index, alternative))
            .filter_map(|package| places.get(&package.id()).copied())
            .collect()
    };
    for relation in roots {
        for place in in_solution(relation) {
            if reasons[place].is_none() {
                let relation = relation.clone();
                reasons[place] = Some(Reason::Root { relation });
                queue.push_back(place);
            }
        }
    }
    while let Some(place) = queue.pop_front() {
        let package = packages[place];
        for &field in DependencyField::that_count(options.recommends) {
            for relation in package.relations(field.as_str()).unwrap_or_default() {
                for needed in in_solution(&relation) {
                    if reasons[needed].is_none() {
                        reasons[needed] = Some(Reason::Needed {
                            by: package.name().to_owned(),
                            field,
                            relation: relation.clone(),
                        });
                        queue.push_back(needed);
                    }
                }
            }
        }
    }
    let chosen = packages.into_iter().zip(reasons);
    chosen
        .filter_map(|(package, reason)| reason.map(|reason| Chosen { package, reason }))
        .collect()
}
