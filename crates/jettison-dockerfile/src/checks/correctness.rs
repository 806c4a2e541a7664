//! Rules about Dockerfiles that do something else than they seem to.

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[];
