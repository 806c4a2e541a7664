//! Rules about Dockerfiles that do something else than they seem to.

mod cmd_ignored_by_entrypoint;
mod command_chain;
mod exec_form_malformed;
mod loose_array;
mod variable_in_exec_form;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &cmd_ignored_by_entrypoint::RULE,
    &exec_form_malformed::RULE,
    &variable_in_exec_form::RULE,
];
