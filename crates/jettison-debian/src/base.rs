//! The packages that a Debian system starts from.

use crate::package::{Package, Priority};
use crate::packages::PackagesIndex;
use crate::relation::Relation;

/// How much of Debian a base holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The packages that say `Essential: yes`.
    Essential,
    /// These, those of priority `required`, and apt: what Debian's container images hold.
    Minbase,
}

/// The relations that the base called `variant` satisfies, in the order of the index.
pub fn base_roots(index: &PackagesIndex, variant: Variant) -> Vec<Relation> {
    let belongs = |package: &Package<'_>| match variant {
        Variant::Essential => package.essential(),
        Variant::Minbase => {
            package.essential()
                || package.priority() == Priority::Required
                || package.name() == "apt"
        }
    };
    index
        .basic("apt")
        .filter(belongs)
        .map(|package| presume_relation(package.name()))
        .collect()
}

fn presume_relation(name: &str) -> Relation {
    Relation::package(name).expect("the names of an index's packages are valid")
}
