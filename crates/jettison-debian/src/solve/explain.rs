//! Why nothing can be installed, in sentences.
//!
//! Two kinds of causes are told apart: a package that can never be installed, because something in what it needs does
//! not exist, and two packages that have to be installed and cannot be together. Where neither is found, the SAT solver
//! has the word.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::package::Package;
use crate::packages::{PackageId, PackagesIndex};
use crate::relation::{Alternative, Relation};
use crate::solve::candidates::{candidates, is_meant, satisfying};
use crate::solve::order::Order;
use crate::solve::{DependencyField, SolveOptions};

/// How deep an explanation goes.
const DEPTH: usize = 6;
/// How many alternatives of one relation are explained.
const BREADTH: usize = 3;

struct Explanation<'a, 'o> {
    order: &'o Order<'a>,
    options: &'o SolveOptions,
    /// Packages that can never be installed.
    impossible: BTreeSet<PackageId>,
    text: String,
}

/// Why `roots` cannot be satisfied, in lines, or `None` if that takes more than sentences.
pub(super) fn explain(
    order: &Order<'_>,
    roots: &[Relation],
    options: &SolveOptions,
) -> Option<String> {
    let mut explanation = Explanation {
        order,
        options,
        impossible: BTreeSet::new(),
        text: String::new(),
    };
    explanation.find_impossible(roots);
    for root in roots {
        if explanation.is_hopeless(root) {
            explanation.tell("it is asked for", root, 0);
            return Some(explanation.text.trim_end().to_owned());
        }
    }
    explanation.conflict(roots)
}

impl<'a> Explanation<'a, '_> {
    fn index(&self) -> &'a PackagesIndex {
        self.order.index()
    }

    fn is_forbidden(&self, package: Package<'_>) -> bool {
        self.options.forbid.contains(package.name())
    }

    /// The packages that satisfy `relation` and may be installed, in order.
    fn choices(&self, relation: &Relation) -> Vec<Package<'a>> {
        candidates(self.order, relation, &self.options.prefer)
            .iter()
            .filter_map(|candidate| self.index().package(candidate.package))
            .filter(|package| !self.is_forbidden(*package))
            .collect()
    }

    /// Whether nothing needs to be installed for `relation`.
    fn is_content(&self, relation: &Relation) -> bool {
        let ignore = &self.options.ignore;
        let names = relation.alternatives().iter().map(Alternative::name);
        let choices = self.choices(relation);
        !is_meant(self.index(), relation)
            || names
                .chain(choices.iter().map(Package::name))
                .any(|name| ignore.contains(name))
    }

    fn is_hopeless(&self, relation: &Relation) -> bool {
        !self.is_content(relation)
            && self
                .choices(relation)
                .iter()
                .all(|package| self.impossible.contains(&package.id()))
    }

    /// What `package` needs, with the field that says so.
    fn needs(package: Package<'a>) -> Vec<(DependencyField, Relation)> {
        let fields = DependencyField::that_count(false).iter();
        let needs = fields.flat_map(|&field| {
            let relations = package.relations(field.as_str()).unwrap_or_default();
            relations.into_iter().map(move |relation| (field, relation))
        });
        needs.collect()
    }

    /// Looks through all that could be installed, until no more is found to be impossible.
    fn find_impossible(&mut self, roots: &[Relation]) {
        let mut reachable: BTreeMap<PackageId, Vec<Relation>> = BTreeMap::new();
        let mut queue: Vec<Package<'a>> = roots.iter().flat_map(|one| self.choices(one)).collect();
        while let Some(package) = queue.pop() {
            if reachable.contains_key(&package.id()) {
                continue;
            }
            let needs = Self::needs(package)
                .into_iter()
                .map(|(_, relation)| relation);
            let needs: Vec<Relation> = needs.filter(|one| !self.is_content(one)).collect();
            queue.extend(needs.iter().flat_map(|one| self.choices(one)));
            reachable.insert(package.id(), needs);
        }
        loop {
            let found: Vec<PackageId> = reachable
                .iter()
                .filter(|(id, _)| !self.impossible.contains(id))
                .filter(|(_, needs)| needs.iter().any(|one| self.is_hopeless(one)))
                .map(|(id, _)| *id)
                .collect();
            if found.is_empty() {
                return;
            }
            self.impossible.extend(found);
        }
    }

    fn line(&mut self, level: usize, text: &str) {
        let indent = "  ".repeat(level);
        let _infallible = writeln!(self.text, "{indent}{text}");
    }

    /// Tells why the hopeless `relation` of `whose` is not satisfied.
    fn tell(&mut self, whose: &str, relation: &Relation, level: usize) {
        let choices = self.choices(relation);
        if choices.is_empty() {
            let causes: Vec<String> = relation
                .alternatives()
                .iter()
                .map(|alternative| self.absence(alternative))
                .collect();
            self.line(
                level,
                &format!("{whose}: {relation}; {}", causes.join(", and ")),
            );
            return;
        }
        self.line(level, &format!("{whose}: {relation}"));
        if level >= DEPTH {
            return;
        }
        for package in choices.iter().take(BREADTH) {
            let mut needs = Self::needs(*package).into_iter();
            if let Some((field, relation)) = needs.find(|(_, one)| self.is_hopeless(one)) {
                let whose = format!("{} {} {}", package.name(), package.version(), verb(field));
                self.tell(&whose, &relation, level + 1);
            }
        }
        if let Some(more) = choices.len().checked_sub(BREADTH).filter(|&more| more > 0) {
            self.line(
                level + 1,
                &format!("and {more} more that cannot be installed"),
            );
        }
    }

    /// Why nothing satisfies `alternative`.
    fn absence(&self, alternative: &Alternative) -> String {
        let name = alternative.name();
        if let Some(package) = satisfying(self.index(), alternative).first() {
            return format!("{} is not to be installed", package.name());
        }
        let mut there: Vec<String> = Vec::new();
        there.extend(
            self.index()
                .get(name)
                .map(|one| format!("{name} {}", one.version())),
        );
        for (package, versions) in self.index().providers(name) {
            let versions = versions.iter().map(|version| match version {
                Some(version) => format!("{name} {version} from {}", package.name()),
                None => format!("{name} without a version from {}", package.name()),
            });
            there.extend(versions);
        }
        match there.len() {
            0 => format!("there is no {name}"),
            _ if alternative.qualifier.is_some() => {
                format!(
                    "there is no such {name} for {}",
                    self.index().architecture()
                )
            }
            1..=BREADTH => format!("there is only {}", there.join(", ")),
            more => format!(
                "there is only {} and {} more",
                there[..BREADTH].join(", "),
                more - BREADTH
            ),
        }
    }

    /// Two packages that have to be installed and cannot be together.
    fn conflict(&mut self, roots: &[Relation]) -> Option<String> {
        let forced = self.forced(roots);
        for &id in forced.keys() {
            let package = self.index().package(id)?;
            for (field, verb) in [("Conflicts", "conflicts with"), ("Breaks", "breaks")] {
                for relation in package.relations(field).unwrap_or_default() {
                    let mut enemies = relation
                        .alternatives()
                        .iter()
                        .flat_map(|one| satisfying(self.index(), one))
                        .filter(|enemy| enemy.id() != id);
                    if let Some(enemy) = enemies.find(|enemy| forced.contains_key(&enemy.id())) {
                        let (name, version) = (package.name(), package.version());
                        let whom = whom(&relation, enemy);
                        self.line(0, &format!("{name} {version} {verb} {whom}"));
                        self.way(&forced, id);
                        self.way(&forced, enemy.id());
                        return Some(self.text.trim_end().to_owned());
                    }
                }
            }
        }
        None
    }

    /// The packages without which `roots` cannot be satisfied, each with who needs it and how.
    fn forced(&self, roots: &[Relation]) -> BTreeMap<PackageId, (Option<PackageId>, String)> {
        let mut forced = BTreeMap::new();
        let mut queue: Vec<(Option<PackageId>, String, Relation)> = roots
            .iter()
            .rev()
            .map(|root| (None, "is asked for".to_owned(), root.clone()))
            .collect();
        while let Some((by, words, relation)) = queue.pop() {
            let choices = self.choices(&relation);
            let [only] = choices.as_slice() else {
                continue;
            };
            if self.is_content(&relation) || forced.contains_key(&only.id()) {
                continue;
            }
            forced.insert(only.id(), (by, words));
            for (field, relation) in Self::needs(*only) {
                let words = format!("{} {} {relation}", only.name(), verb(field));
                queue.push((Some(only.id()), words, relation));
            }
        }
        forced
    }

    /// Why a package has to be installed, from what was asked for on.
    fn way(
        &mut self,
        forced: &BTreeMap<PackageId, (Option<PackageId>, String)>,
        package: PackageId,
    ) {
        let mut steps = Vec::new();
        let mut next = Some(package);
        while let Some(id) = next {
            let Some((by, words)) = forced.get(&id) else {
                break;
            };
            let root = self.index().package(id).filter(|_| by.is_none());
            let name = root.map_or(String::new(), |root| format!("{} ", root.name()));
            steps.push(name + words);
            next = *by;
        }
        steps.reverse();
        self.line(1, &steps.join(", "));
    }
}

/// The package that the relation hits, and how it is called there.
fn whom(relation: &Relation, enemy: Package<'_>) -> String {
    let (text, name, version) = (relation.to_string(), enemy.name(), enemy.version());
    if text == name {
        return format!("{name} {version}");
    }
    format!("{text}, which {name} {version} is")
}

fn verb(field: DependencyField) -> &'static str {
    match field {
        DependencyField::PreDepends => "pre-depends on",
        DependencyField::Depends => "depends on",
        DependencyField::Recommends => "recommends",
    }
}
