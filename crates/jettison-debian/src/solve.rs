//! Which packages to install.
//!
//! Of every name an index has one candidate, so a solution is a set of packages such that every `Depends` and
//! `Pre-Depends` in it is satisfied in it, and no `Conflicts` or `Breaks` in it is. Where there is a choice, it is made
//! in apt's order: alternatives from left to right; of one alternative, the package of that name, then those that
//! provide it, by priority. What one relation needs anyway, another one takes too.

use std::collections::BTreeSet;

use resolvo::{Problem, Solver, UnsolvableOrCancelled};

use crate::package::Package;
use crate::packages::PackagesIndex;
use crate::relation::Relation;
use crate::solve::explain::explain;
use crate::solve::mark::mark;
use crate::solve::order::Order;
use crate::solve::provider::Provider;
use crate::solve::reason::with_reasons;

mod candidates;
mod closure;
mod explain;
mod mark;
mod order;
mod provider;
mod reason;

pub use crate::solve::closure::{Unsatisfied, exact_packages, unsatisfied};
pub use crate::solve::reason::{Chosen, DependencyField, Reason};

/// What else decides which packages are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolveOptions {
    /// Names of packages to take before any others, the best first.
    pub prefer: Vec<String>,
    /// Names of packages never to take.
    pub forbid: BTreeSet<String>,
    /// Names of packages that count as installed, and are not: what needs them gets nothing.
    pub ignore: BTreeSet<String>,
    /// Whether what is recommended is installed where that is possible.
    pub recommends: bool,
}

/// The packages that were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution<'a> {
    /// The packages, sorted by name, each with the reason why it is one of them.
    pub chosen: Vec<Chosen<'a>>,
}

impl<'a> Resolution<'a> {
    /// The packages, sorted by name.
    pub fn packages(&self) -> Vec<Package<'a>> {
        self.chosen.iter().map(|chosen| chosen.package).collect()
    }
}

/// Why there is no set of packages to install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// The relations contradict each other, or need what does not exist.
    #[error("cannot install {}:\n{explanation}", list(roots))]
    Unsatisfiable {
        /// What was to be installed.
        roots: Vec<Relation>,
        /// Which relations stand in the way, in lines, without a line feed at the end.
        explanation: String,
    },
    /// Packages of an exact list do not exist.
    #[error("cannot find {}", names.join(", "))]
    Missing {
        /// Their names.
        names: Vec<String>,
    },
}

fn list(relations: &[Relation]) -> String {
    let texts: Vec<String> = relations.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The packages to install so that an empty system satisfies `roots`.
pub fn resolve<'a>(
    index: &'a PackagesIndex,
    roots: &[Relation],
    options: &SolveOptions,
) -> Result<Resolution<'a>, SolveError> {
    let order = Order::new(index);
    let packages = match mark(index, roots, options, &order) {
        Some(packages) => packages,
        None => satisfy(&order, roots, options)?,
    };
    let chosen = with_reasons(index, roots, packages, options);
    Ok(Resolution { chosen })
}

/// Any packages that satisfy `roots`, if there are such, or why there are none.
fn satisfy<'a>(
    order: &Order<'a>,
    roots: &[Relation],
    options: &SolveOptions,
) -> Result<Vec<Package<'a>>, SolveError> {
    let index = order.index();
    let provider = Provider::new(order, options);
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
            let explanation = explain(order, roots, options)
                .unwrap_or_else(|| conflict.display_user_friendly(&solver).to_string());
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
