//! Rules about secrets, privileges and what comes from outside.

mod secret_in_text;
mod secrets;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[&secret_in_text::RULE];
