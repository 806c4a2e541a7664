//! Rules about Dockerfiles that do something else than they seem to.

mod exec_form_malformed;
mod loose_array;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[&exec_form_malformed::RULE];
