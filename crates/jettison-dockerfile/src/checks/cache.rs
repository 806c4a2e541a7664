//! Rules about what is built again, and how long it takes.

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[];
