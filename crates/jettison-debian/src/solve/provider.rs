//! The index as the SAT solver sees it.
//!
//! Every package is a *solvable*, the only one of its *name*. Which packages satisfy a relation is known before the
//! solver asks, so a *version set* needs only say whether it contains that one package: a relation is a union of sets
//! with one package each, in the order in which to try them, and a conflict is an empty set of the other package.

use std::cell::RefCell;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex as _, Dependencies,
    DependencyProvider, HintDependenciesAvailable, Interner, KnownDependencies, NameId,
    Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use crate::package::Package;
use crate::packages::{PackageId, PackagesIndex};
use crate::relation::{Alternative, Relation, RelationError};
use crate::solve::SolveOptions;
use crate::solve::candidates::{Candidate, candidates, is_meant, satisfying};
use crate::solve::order::Order;

/// The number of the package that `solvable` stands for.
pub(super) fn package_id(solvable: SolvableId) -> PackageId {
    PackageId(u32::try_from(solvable.to_index()).expect("every solvable was made from a `u32`"))
}

fn name_of(package: PackageId) -> NameId {
    NameId::from_index(package.0 as usize)
}

/// The index, and what the solver was told about it so far.
pub(super) struct Provider<'a> {
    index: &'a PackagesIndex,
    options: &'a SolveOptions,
    order: &'a Order<'a>,
    told: RefCell<Told>,
}

#[derive(Default)]
struct Told {
    /// Names that no package has; their numbers follow those of the packages.
    missing: Vec<String>,
    sets: Vec<Set>,
    unions: Vec<Vec<VersionSetId>>,
    strings: Vec<String>,
}

/// A set of at most one package.
struct Set {
    name: NameId,
    contains_package: bool,
    /// What is shown behind the name.
    text: String,
}

impl<'a> Provider<'a> {
    pub(super) fn new(order: &'a Order<'a>, options: &'a SolveOptions) -> Provider<'a> {
        Provider {
            index: order.index(),
            options,
            order,
            told: RefCell::default(),
        }
    }

    /// What `relation` asks of the solver; nothing, if it is not meant for this architecture, or if `parent`, whose
    /// relation it is, satisfies it.
    pub(super) fn requirement(
        &self,
        relation: &Relation,
        parent: Option<PackageId>,
    ) -> Option<ConditionalRequirement> {
        let alternatives = relation.alternatives();
        if !is_meant(self.index, relation) {
            return None;
        }
        let candidates = candidates(self.order, relation, &self.options.prefer);
        if candidates.iter().any(|one| Some(one.package) == parent) {
            return None;
        }
        if parent.is_some() && self.is_ignored(relation, &candidates) {
            return None;
        }
        let mut sets: Vec<VersionSetId> = candidates
            .iter()
            .map(|candidate| self.candidate_set(relation, candidate))
            .collect();
        // What cannot be had says why in an explanation.
        if sets.is_empty() {
            sets.extend(
                alternatives
                    .iter()
                    .map(|one| self.empty_set(one.name(), &details(one))),
            );
        }
        let requirement = if let [only] = sets.as_slice() {
            Requirement::Single(*only)
        } else {
            let unions = &mut self.told.borrow_mut().unions;
            unions.push(sets);
            Requirement::Union(VersionSetUnionId::from_index(unions.len() - 1))
        };
        Some(requirement.into())
    }

    /// Whether something that counts as installed satisfies `relation`.
    fn is_ignored(&self, relation: &Relation, candidates: &[Candidate]) -> bool {
        let ignore = &self.options.ignore;
        let names = relation.alternatives().iter().map(Alternative::name);
        let of_candidates = candidates
            .iter()
            .map(|one| self.package(one.package).name());
        !ignore.is_empty() && names.chain(of_candidates).any(|name| ignore.contains(name))
    }

    fn candidate_set(&self, relation: &Relation, candidate: &Candidate) -> VersionSetId {
        let alternative = &relation.alternatives()[candidate.alternative];
        let package = self.package(candidate.package);
        let text = if package.name() == alternative.name() {
            details(alternative)
        } else {
            format!("(as {alternative})")
        };
        self.add_set(Set {
            name: name_of(candidate.package),
            contains_package: true,
            text,
        })
    }

    fn empty_set(&self, name: &str, text: &str) -> VersionSetId {
        let name = match self.index.get(name) {
            Some(package) => name_of(package.id()),
            None => self.missing_name(name),
        };
        self.add_set(Set {
            name,
            contains_package: false,
            text: text.to_owned(),
        })
    }

    fn missing_name(&self, name: &str) -> NameId {
        let missing = &mut self.told.borrow_mut().missing;
        let known = missing.iter().position(|one| one == name);
        let at = known.unwrap_or_else(|| {
            missing.push(name.to_owned());
            missing.len() - 1
        });
        NameId::from_index(self.index.len() + at)
    }

    fn add_set(&self, set: Set) -> VersionSetId {
        let sets = &mut self.told.borrow_mut().sets;
        sets.push(set);
        VersionSetId::from_index(sets.len() - 1)
    }

    fn add_string(&self, text: String) -> StringId {
        let strings = &mut self.told.borrow_mut().strings;
        strings.push(text);
        StringId::from_index(strings.len() - 1)
    }

    fn package(&self, id: PackageId) -> Package<'a> {
        let package = self.index.package(id);
        package.expect("packages are only made into solvables from the index")
    }

    fn known_dependencies(&self, package: Package<'a>) -> Result<KnownDependencies, RelationError> {
        let needs = package.pre_depends()?.into_iter().chain(package.depends()?);
        let requirements = needs
            .filter_map(|relation| self.requirement(&relation, Some(package.id())))
            .collect();
        let mut constrains = Vec::new();
        for (field, relations) in [
            ("Conflicts", package.conflicts()?),
            ("Breaks", package.breaks()?),
        ] {
            for alternative in relations.iter().flat_map(Relation::alternatives) {
                for other in satisfying(self.index, alternative) {
                    // A package that provides what it conflicts with wants to be the only one that does.
                    if other.id() != package.id() {
                        constrains.push(self.add_set(Set {
                            name: name_of(other.id()),
                            contains_package: false,
                            text: format!("to be absent ({field}: {alternative})"),
                        }));
                    }
                }
            }
        }
        Ok(KnownDependencies {
            requirements,
            constrains,
        })
    }
}

/// What is asked of the package that `alternative` names.
fn details(alternative: &Alternative) -> String {
    if alternative.qualifier.is_some() {
        return format!("(as {alternative})");
    }
    let text = alternative.to_string();
    text[alternative.name().len()..].trim_start().to_owned()
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        let package = self.package(package_id(solvable));
        format!("{} {}", package.name(), package.version())
    }

    fn display_merged_solvables(&self, solvables: &[SolvableId]) -> impl Display + '_ {
        let texts: Vec<String> = solvables
            .iter()
            .map(|&solvable| self.display_solvable(solvable).to_string())
            .collect();
        texts.join(" | ")
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        if let Some(missing) = name.to_index().checked_sub(self.index.len()) {
            return self.told.borrow().missing[missing].clone();
        }
        let solvable = SolvableId::from_index(name.to_index());
        self.package(package_id(solvable)).name().to_owned()
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        self.told.borrow().sets[version_set.to_index()].text.clone()
    }

    fn display_string(&self, string_id: StringId) -> impl Display + '_ {
        self.told.borrow().strings[string_id.to_index()].clone()
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.told.borrow().sets[version_set.to_index()].name
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        name_of(package_id(solvable))
    }

    fn version_sets_in_union(
        &self,
        version_set_union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        let union = self.told.borrow().unions[version_set_union.to_index()].clone();
        union.into_iter()
    }

    fn resolve_condition(&self, _condition: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let told = self.told.borrow();
        if told.sets[version_set.to_index()].contains_package == inverse {
            return Vec::new();
        }
        candidates.to_vec()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        if name.to_index() >= self.index.len() {
            return None;
        }
        let solvable = SolvableId::from_index(name.to_index());
        let package = self.package(package_id(solvable));
        let is_forbidden = self.options.forbid.contains(package.name());
        let reason = || self.add_string("it is not to be installed".to_owned());
        Some(Candidates {
            candidates: vec![solvable],
            excluded: is_forbidden
                .then(|| (solvable, reason()))
                .into_iter()
                .collect(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, _solvables: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        match self.known_dependencies(self.package(package_id(solvable))) {
            Ok(known) => Dependencies::Known(known),
            Err(error) => {
                Dependencies::Unknown(self.add_string(format!("its index is wrong: {error}")))
            }
        }
    }
}
