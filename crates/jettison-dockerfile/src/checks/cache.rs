//! Rules about the build cache: what is built again, and what is not although it should be.

mod git_history_copied;
mod moving_base_tag;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[&git_history_copied::RULE, &moving_base_tag::RULE];
