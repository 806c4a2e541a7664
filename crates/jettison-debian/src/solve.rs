//! Which packages to install.
//!
//! Of every name an index has one version, so a solution is a set of packages such that every `Depends` and
//! `Pre-Depends` in it is satisfied in it, and no `Conflicts` or `Breaks` in it is. `Recommends` do not count.
//! Where there is a choice, it is made in apt's order: alternatives from left to right; of one alternative, the
//! package of that name, then those that provide it, by priority and then in the order of the index. What one relation
//! needs anyway, another one takes too.

use resolvo::{Problem, Solver, UnsolvableOrCancelled};

use crate::package::Package;
use crate::packages::PackagesIndex;
use crate::relation::Relation;
use crate::solve::provider::Provider;

mod candidates;
mod provider;

/// What else decides where there is a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolveOptions {
    /// Names of packages to take before any others, the best first.
    pub prefer: Vec<String>,
    /// Names of packages never to take.
    pub forbid: Vec<String>,
}

/// Why there is no set of packages to install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// The relations contradict each other, or need what does not exist.
    #[error("cannot install {}:\n{explanation}", list(roots))]
    Unsatisfiable {
        /// What was to be installed.
        roots: Vec<Relation>,
        /// Which relations stand in the way: a tree in text, without a line feed at its end.
        explanation: String,
    },
}

fn list(relations: &[Relation]) -> String {
    let texts: Vec<String> = relations.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The packages to install so that an empty system satisfies `roots`, sorted by name.
pub fn solve<'a>(
    index: &'a PackagesIndex,
    roots: &[Relation],
    options: &SolveOptions,
) -> Result<Vec<Package<'a>>, SolveError> {
    let provider = Provider::new(index, options);
    let requirements = roots
        .iter()
        .filter_map(|root| provider.requirement(root, None))
        .collect();
    let mut solver = Solver::new(provider);
    let problem = Problem::new().requirements(requirements);
    match solver.solve(problem) {
        Ok(solution) => {
            let mut packages: Vec<Package<'a>> = solution
                .into_iter()
                .filter_map(|solvable| index.package(provider::package_id(solvable)))
                .collect();
            packages.sort_by_key(Package::name);
            Ok(packages)
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let explanation = conflict.display_user_friendly(&solver).to_string();
            Err(SolveError::Unsatisfiable {
                roots: roots.to_vec(),
                explanation: explanation.trim_end().to_owned(),
            })
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            unreachable!("the provider never asks the solver to stop")
        }
    }
}
