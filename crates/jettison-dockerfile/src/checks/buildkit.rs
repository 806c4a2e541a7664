//! BuildKit's build checks, with its names, words and documentation.
//!
//! See <https://docs.docker.com/reference/build-checks/>. What they look at is that of
//! frontend/dockerfile/linter/ruleset.go and of the places there that run each rule.

mod maintainer_deprecated;

use crate::checks::rule::Rule;

/// All of them, in BuildKit's order.
pub(super) const RULES: &[&Rule] = &[&maintainer_deprecated::RULE];
