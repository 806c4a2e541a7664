//! Rules about secrets, privileges and what comes from outside.

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[];
