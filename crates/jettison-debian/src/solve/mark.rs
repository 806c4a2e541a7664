//! Choosing packages the way apt does: each is marked with all that it needs, one after the other, and what was marked
//! before is taken wherever it will do.
//!
//! Facts from apt 2.6 (`pkgDepCache::MarkInstall` and what it calls, apt-pkg/depcache.cc), for an empty system:
//!
//! * What is asked for is *protected*: nothing takes it back. So is what a protected package needs and only one package
//!   can give; and what a protected package conflicts with is never installed.
//! * A package whose needs no candidate can meet is given up at once.
//! * Of the packages that satisfy a relation the first is taken that can be marked. One that fails leaves behind what
//!   it had marked for itself.
//! * A package that another one conflicts with, which is marked already and not protected, gives way.
//!
//! The outcome may be broken; apt's problem resolver would go on from there, and here a SAT solver starts anew.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::package::Package;
use crate::packages::{PackageId, PackagesIndex};
use crate::relation::{Alternative, Relation};
use crate::solve::candidates::{is_meant, satisfying};
use crate::solve::order::Order;
use crate::solve::{DependencyField, SolveOptions};

/// How deep packages may need each other (apt: `IsModeChangeOk`).
const DEPTH: usize = 3_000;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_marked: bool,
    /// Whether nothing may change that any more.
    is_protected: bool,
}

/// A relation of a package, and the packages that satisfy it.
#[derive(Debug)]
struct Need {
    /// Whether the package does not work without.
    is_critical: bool,
    /// For each alternative, its name and the packages that satisfy it.
    alternatives: Vec<(String, Vec<PackageId>)>,
}

impl Need {
    fn packages(&self) -> impl Iterator<Item = PackageId> {
        let lists = self.alternatives.iter();
        lists.flat_map(|(_, packages)| packages.iter().copied())
    }
}

/// What a package needs, and what it cannot be with.
#[derive(Debug)]
struct Known {
    needs: Vec<Need>,
    /// For each relation of `Conflicts` and `Breaks`, the packages.
    enemies: Vec<Vec<PackageId>>,
}

/// Who marks a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    User,
    Package,
}

/// Whether what a package needs is marked, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Alone,
    /// With all it needs; the number counts how far this is from what was asked for.
    With(usize),
}

struct Marking<'a, 'o> {
    index: &'a PackagesIndex,
    options: &'o SolveOptions,
    order: &'o Order<'a>,
    states: BTreeMap<PackageId, State>,
    /// What is never to be marked.
    discarded: BTreeSet<PackageId>,
    known: BTreeMap<PackageId, Rc<Known>>,
}

/// The packages that apt would mark for `roots`, or `None` if they do not fit together.
pub(super) fn mark<'a>(
    index: &'a PackagesIndex,
    roots: &[Relation],
    options: &SolveOptions,
    order: &Order<'a>,
) -> Option<Vec<Package<'a>>> {
    let mut marking = Marking {
        index,
        options,
        order,
        states: BTreeMap::new(),
        discarded: options
            .forbid
            .iter()
            .filter_map(|name| Some(index.get(name)?.id()))
            .collect(),
        known: BTreeMap::new(),
    };
    let named: Vec<Option<PackageId>> = roots.iter().map(|root| named(index, root)).collect();
    for &package in named.iter().flatten() {
        marking.state(package).is_protected = true;
        marking.mark(package, Depth::Alone, Who::User);
    }
    for (root, package) in roots.iter().zip(&named) {
        match package {
            Some(package) => marking.mark(*package, Depth::With(0), Who::User),
            None => marking.mark_one_of(root),
        };
    }
    let is_whole = roots
        .iter()
        .zip(named)
        .all(|(root, package)| match package {
            Some(package) => marking.is_marked(package),
            None => marking.is_satisfied(&marking.need(root, true)),
        });
    if !is_whole {
        return None;
    }
    marking.finish()
}

/// The only package that a root can mean, if it names one.
fn named(index: &PackagesIndex, root: &Relation) -> Option<PackageId> {
    let [only] = root.alternatives() else {
        return None;
    };
    let package = index.get(only.name())?;
    let found = satisfying(index, only);
    found
        .iter()
        .any(|one| one.id() == package.id())
        .then_some(package.id())
}

impl<'a> Marking<'a, '_> {
    fn state(&mut self, package: PackageId) -> &mut State {
        self.states.entry(package).or_default()
    }

    fn get(&self, package: PackageId) -> State {
        self.states.get(&package).copied().unwrap_or_default()
    }

    fn is_marked(&self, package: PackageId) -> bool {
        self.get(package).is_marked
    }

    /// A package that cannot be marked and never will.
    fn is_lost(&self, package: PackageId) -> bool {
        let state = self.get(package);
        self.discarded.contains(&package) || (state.is_protected && !state.is_marked)
    }

    fn is_satisfied(&self, need: &Need) -> bool {
        need.packages().any(|package| self.is_marked(package))
    }

    fn is_broken(&self, known: &Known) -> bool {
        let lacks =
            |need: &Need| (need.is_critical || self.options.recommends) && !self.is_satisfied(need);
        let is_hurt = |enemies: &Vec<PackageId>| enemies.iter().any(|&one| self.is_marked(one));
        known.needs.iter().any(lacks) || known.enemies.iter().any(is_hurt)
    }

    /// Marks a package; whether that went well.
    fn mark(&mut self, package: PackageId, depth: Depth, who: Who) -> bool {
        let state = self.get(package);
        let may_change = who == Who::User || state.is_marked || !state.is_protected;
        if !may_change || self.discarded.contains(&package) {
            return false;
        }
        let known = self.known(package);
        if state.is_marked && !state.is_protected && !self.is_broken(&known) {
            return true;
        }
        let Depth::With(level) = depth else {
            self.state(package).is_marked = true;
            return true;
        };
        if level > DEPTH {
            return false;
        }
        if !self.can_be_satisfied(&known) {
            if !state.is_protected {
                self.discard(package);
            }
            return false;
        }
        if who == Who::User {
            self.state(package).is_marked = true;
        }
        let fails_early = !state.is_protected && who == Who::Package;
        let gave_way = self.remove_enemies(&known, state.is_protected, who);
        if !gave_way && fails_early {
            return false;
        }
        // Nothing that it needs may take it back.
        *self.state(package) = State {
            is_marked: true,
            is_protected: true,
        };
        let has_all = self.mark_needs(&known, state.is_protected, (level, who));
        self.state(package).is_protected = state.is_protected;
        if !has_all && fails_early {
            self.discard(package);
            return false;
        }
        gave_way && has_all
    }

    fn discard(&mut self, package: PackageId) {
        self.state(package).is_marked = false;
        self.discarded.insert(package);
    }

    fn can_be_satisfied(&self, known: &Known) -> bool {
        let can = |package| !self.discarded.contains(&package);
        let critical = known.needs.iter().filter(|need| need.is_critical);
        critical.into_iter().all(|need| need.packages().any(can))
    }

    /// Takes back what the package cannot be with; whether all of it gave way.
    fn remove_enemies(&mut self, known: &Known, is_protected: bool, who: Who) -> bool {
        let mut gave_way = true;
        for enemies in &known.enemies {
            let is_hurt = enemies.iter().any(|&one| self.is_marked(one));
            if !is_hurt && !is_protected {
                continue;
            }
            for &enemy in enemies {
                let state = self.get(enemy);
                if self.discarded.contains(&enemy) {
                    continue;
                }
                if state.is_marked && state.is_protected {
                    gave_way = false;
                    if !is_protected && who == Who::Package {
                        return false;
                    }
                    continue;
                }
                self.state(enemy).is_marked = false;
                if is_protected {
                    self.state(enemy).is_protected = true;
                    self.discarded.insert(enemy);
                }
            }
        }
        gave_way
    }

    /// Marks what a package needs; whether all that is critical is there.
    fn mark_needs(
        &mut self,
        known: &Known,
        is_protected: bool,
        (level, who): (usize, Who),
    ) -> bool {
        let mut has_all = true;
        for need in &known.needs {
            if !need.is_critical && !self.options.recommends {
                continue;
            }
            if self.is_satisfied(need) {
                if is_protected && need.is_critical && !self.protect_only_one(need, level) {
                    has_all = false;
                }
                continue;
            }
            if !self.mark_need(need, is_protected, level) && need.is_critical {
                has_all = false;
                if !is_protected && who == Who::Package {
                    return false;
                }
            }
        }
        has_all
    }

    /// What is satisfied, and by one package alone, needs that package for good; whether that can be.
    fn protect_only_one(&mut self, need: &Need, level: usize) -> bool {
        let mut packages: Vec<PackageId> =
            need.packages().filter(|&one| !self.is_lost(one)).collect();
        packages.sort_unstable();
        packages.dedup();
        let [only] = packages.as_slice() else {
            return true;
        };
        if self.get(*only).is_protected {
            return true;
        }
        self.state(*only).is_protected = true;
        self.mark(*only, Depth::With(level + 1), Who::Package)
    }

    fn mark_need(&mut self, need: &Need, is_protected: bool, level: usize) -> bool {
        let candidates = self.candidates(need);
        let is_only_one = candidates.len() == 1;
        for candidate in candidates {
            if self.discarded.contains(&candidate) {
                continue;
            }
            if is_protected && need.is_critical && is_only_one {
                if !self.mark(candidate, Depth::Alone, Who::Package) {
                    continue;
                }
                self.state(candidate).is_protected = true;
            }
            if self.mark(candidate, Depth::With(level + 1), Who::Package) {
                return true;
            }
        }
        false
    }

    /// The packages that satisfy `need` and are not lost, in the order in which to try them.
    fn candidates(&self, need: &Need) -> Vec<PackageId> {
        let mut candidates: Vec<PackageId> = Vec::new();
        for (name, packages) in &need.alternatives {
            let mut packages: Vec<Package<'a>> = packages
                .iter()
                .filter(|&&package| !self.is_lost(package))
                .filter_map(|&package| self.index.package(package))
                .collect();
            packages.sort_by(|a, b| {
                let is_free = |one: &Package<'a>| !self.get(one.id()).is_protected;
                is_free(a)
                    .cmp(&is_free(b))
                    .then_with(|| self.order.compare(name, *a, *b))
            });
            candidates.extend(packages.iter().map(Package::id));
        }
        candidates.dedup();
        let prefer = &self.options.prefer;
        candidates.sort_by_key(|&id| {
            let name = self.index.package(id).map(|package| package.name());
            let rank = prefer.iter().position(|one| Some(one.as_str()) == name);
            rank.unwrap_or(prefer.len())
        });
        candidates
    }

    fn mark_one_of(&mut self, root: &Relation) -> bool {
        let need = self.need(root, true);
        self.is_satisfied(&need) || self.mark_need(&need, true, 0)
    }

    fn need(&self, relation: &Relation, is_critical: bool) -> Need {
        let alternative = |one: &Alternative| {
            let packages = satisfying(self.index, one);
            let packages = packages.iter().map(Package::id).collect();
            (one.name().to_owned(), packages)
        };
        Need {
            is_critical,
            alternatives: relation.alternatives().iter().map(alternative).collect(),
        }
    }

    fn known(&mut self, id: PackageId) -> Rc<Known> {
        if let Some(known) = self.known.get(&id) {
            return Rc::clone(known);
        }
        let known = Rc::new(self.read(id));
        self.known.insert(id, Rc::clone(&known));
        known
    }

    fn read(&self, id: PackageId) -> Known {
        let mut known = Known {
            needs: Vec::new(),
            enemies: Vec::new(),
        };
        let Some(package) = self.index.package(id) else {
            return known;
        };
        for field in DependencyField::ALL {
            let Ok(relations) = package.relations(field.as_str()) else {
                // What nobody can read is what nothing satisfies.
                known.needs.push(Need {
                    is_critical: true,
                    alternatives: Vec::new(),
                });
                continue;
            };
            for relation in relations {
                let need = self.need(&relation, field != DependencyField::Recommends);
                if is_meant(self.index, &relation) && !self.is_ignored(&relation, &need) {
                    known.needs.push(need);
                }
            }
        }
        for field in ["Conflicts", "Breaks"] {
            let relations = package.relations(field).unwrap_or_default();
            for alternative in relations.iter().flat_map(Relation::alternatives) {
                // A package that provides what it conflicts with wants to be the only one that does.
                let mut others: Vec<PackageId> = satisfying(self.index, alternative)
                    .iter()
                    .map(Package::id)
                    .collect();
                others.retain(|&other| other != id);
                if !others.is_empty() {
                    known.enemies.push(others);
                }
            }
        }
        known
    }

    /// Whether something that counts as installed satisfies `relation`.
    fn is_ignored(&self, relation: &Relation, need: &Need) -> bool {
        let ignore = &self.options.ignore;
        if ignore.is_empty() {
            return false;
        }
        let names = relation.alternatives().iter().map(Alternative::name);
        let packages = need.packages().filter_map(|id| self.index.package(id));
        names
            .chain(packages.map(|package| package.name()))
            .any(|name| ignore.contains(name))
    }

    /// The packages that are marked, if they fit together.
    fn finish(mut self) -> Option<Vec<Package<'a>>> {
        let marked: Vec<PackageId> = self
            .states
            .iter()
            .filter(|(_, state)| state.is_marked)
            .map(|(id, _)| *id)
            .collect();
        for &id in &marked {
            let known = self.known(id);
            let lacks = |need: &Need| need.is_critical && !self.is_satisfied(need);
            let is_hurt = |list: &Vec<PackageId>| list.iter().any(|&one| self.is_marked(one));
            if known.needs.iter().any(lacks) || known.enemies.iter().any(is_hurt) {
                return None;
            }
        }
        let mut packages: Vec<Package<'a>> = marked
            .iter()
            .filter_map(|&id| self.index.package(id))
            .collect();
        packages.sort_by_key(Package::name);
        Some(packages)
    }
}
