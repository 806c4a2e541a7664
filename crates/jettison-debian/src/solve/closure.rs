//! Exact lists of packages: nothing is chosen, and what is missing can be told.

use std::collections::BTreeSet;
use std::fmt;

use crate::package::Package;
use crate::packages::{PackageId, PackagesIndex};
use crate::relation::Relation;
use crate::solve::candidates::{is_meant, satisfying};
use crate::solve::{DependencyField, SolveError};

/// A relation that a list of packages does not satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsatisfied {
    /// The package that has the relation.
    pub package: String,
    /// The field in which it is.
    pub field: &'static str,
    /// The relation. One of `Conflicts` or `Breaks` stands in the way of another package of the list.
    pub relation: Relation,
}

impl fmt::Display for Unsatisfied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unsatisfied {
            package,
            field,
            relation,
        } = self;
        write!(formatter, "{package} {field}: {relation}")
    }
}

/// The candidates called `names`, sorted by name, and nothing else. A virtual package is none.
pub fn exact_packages<'a, 'n>(
    index: &'a PackagesIndex,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Package<'a>>, SolveError> {
    let mut packages = Vec::new();
    let mut missing = BTreeSet::new();
    for name in names {
        match index.get(name) {
            Some(package) => packages.push(package),
            None => {
                missing.insert(name.to_owned());
            }
        }
    }
    if !missing.is_empty() {
        let names = missing.into_iter().collect();
        return Err(SolveError::Missing { names });
    }
    packages.sort_by_key(Package::name);
    packages.dedup();
    Ok(packages)
}

/// What `packages` of `index` need and do not have among them, and what they have and must not, in their order.
/// Whatever needs a package called one of `ignore` is content.
pub fn unsatisfied(
    index: &PackagesIndex,
    packages: &[Package<'_>],
    ignore: &BTreeSet<String>,
) -> Vec<Unsatisfied> {
    let members: BTreeSet<PackageId> = packages.iter().map(Package::id).collect();
    let mut found = Vec::new();
    for package in packages {
        let mut note = |field: &'static str, relation: Relation| {
            found.push(Unsatisfied {
                package: package.name().to_owned(),
                field,
                relation,
            });
        };
        for &field in DependencyField::that_count(false) {
            for relation in package.relations(field.as_str()).unwrap_or_default() {
                if !is_content(index, &relation, &members, ignore) {
                    note(field.as_str(), relation);
                }
            }
        }
        for field in ["Conflicts", "Breaks"] {
            for relation in package.relations(field).unwrap_or_default() {
                let mut others = relation
                    .alternatives()
                    .iter()
                    .flat_map(|alternative| satisfying(index, alternative));
                if others.any(|other| other.id() != package.id() && members.contains(&other.id())) {
                    note(field, relation);
                }
            }
        }
    }
    found
}

fn is_content(
    index: &PackagesIndex,
    relation: &Relation,
    members: &BTreeSet<PackageId>,
    ignore: &BTreeSet<String>,
) -> bool {
    let mut alternatives = relation.alternatives().iter();
    !is_meant(index, relation)
        || alternatives.any(|alternative| {
            ignore.contains(alternative.name())
                || satisfying(index, alternative)
                    .iter()
                    .any(|one| members.contains(&one.id()) || ignore.contains(one.name()))
        })
}
