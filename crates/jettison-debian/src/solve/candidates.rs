//! Which packages satisfy a relation.

use crate::arch::Architecture;
use crate::package::{MultiArch, Package};
use crate::packages::{PackageId, PackagesIndex};
use crate::relation::{Alternative, ArchitectureQualifier, Relation};
use crate::solve::order::Order;
use crate::version::Version;

/// A package that satisfies an alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) package: PackageId,
    /// The position of the alternative in its relation.
    pub(super) alternative: usize,
}

/// The packages that satisfy `relation`, in the order in which to try them, each once.
pub(super) fn candidates(
    order: &Order<'_>,
    relation: &Relation,
    prefer: &[String],
) -> Vec<Candidate> {
    let index = order.index();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (alternative, text) in relation.alternatives().iter().enumerate() {
        let mut packages = satisfying(index, text);
        packages.sort_by(|a, b| order.compare(text.name(), *a, *b));
        for package in packages {
            let package = package.id();
            if candidates.iter().all(|known| known.package != package) {
                candidates.push(Candidate {
                    package,
                    alternative,
                });
            }
        }
    }
    candidates.sort_by_key(|candidate| {
        let name = index
            .package(candidate.package)
            .map(|package| package.name());
        let rank = prefer.iter().position(|one| Some(one.as_str()) == name);
        rank.unwrap_or(prefer.len())
    });
    candidates
}

/// Whether `relation` is meant for the index's architecture.
pub(super) fn is_meant(index: &PackagesIndex, relation: &Relation) -> bool {
    let mut alternatives = relation.alternatives().iter();
    alternatives.any(|alternative| alternative.applies_to(index.architecture()))
}

/// The packages that satisfy `alternative`: the one of that name first, then those that provide it, in the order of the
/// index.
pub(super) fn satisfying<'a>(
    index: &'a PackagesIndex,
    alternative: &Alternative,
) -> Vec<Package<'a>> {
    if !alternative.applies_to(index.architecture()) {
        return Vec::new();
    }
    let is_right =
        |package: &Package<'_>| has_architecture(package, alternative, index.architecture());
    let named = index.get(alternative.name()).filter(|package| {
        let constraint = alternative.constraint.as_ref();
        is_right(package) && constraint.is_none_or(|one| one.allows(&package.version()))
    });
    let providers = index
        .providers(alternative.name())
        .into_iter()
        .filter(|(package, versions)| is_right(package) && provides(alternative, versions))
        .map(|(package, _)| package)
        .filter(|package| named.is_none_or(|named| named.id() != package.id()));
    named.into_iter().chain(providers).collect()
}

/// Whether a package that provides the alternative's name in `versions` satisfies it. A package that provides a name
/// without a version has no version of it at all.
fn provides(alternative: &Alternative, versions: &[Option<Version>]) -> bool {
    let Some(constraint) = &alternative.constraint else {
        return true;
    };
    versions
        .iter()
        .flatten()
        .any(|version| constraint.allows(version))
}

fn has_architecture(
    package: &Package<'_>,
    alternative: &Alternative,
    native: &Architecture,
) -> bool {
    match &alternative.qualifier {
        None | Some(ArchitectureQualifier::Native) => true,
        Some(ArchitectureQualifier::Any) => package.multi_arch() == MultiArch::Allowed,
        // Packages of the architecture `all` count as native ones.
        Some(ArchitectureQualifier::Named(architecture)) => architecture == native,
    }
}
