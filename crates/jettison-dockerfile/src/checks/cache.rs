//! Rules about the build cache: what is built again, and what is not although it should be.

mod apt_update_alone;
mod context;
mod copy_all_before_install;
mod git_clone_in_run;
mod git_history_copied;
mod install;
mod lock_file_not_enforced;
mod manifests;
mod moving_base_tag;
mod package_upgrade;
mod volatile_argument_early;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &apt_update_alone::RULE,
    &copy_all_before_install::RULE,
    &git_clone_in_run::RULE,
    &git_history_copied::RULE,
    &lock_file_not_enforced::RULE,
    &moving_base_tag::RULE,
    &package_upgrade::RULE,
    &volatile_argument_early::RULE,
];
