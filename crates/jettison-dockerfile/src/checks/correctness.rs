//! Rules about Dockerfiles that do something else than they seem to.

mod base_shell;
mod bash_syntax;
mod bashism_in_sh;
mod cmd_ignored_by_entrypoint;
mod command_chain;
mod exec_form_malformed;
mod loose_array;
mod scripts;
mod service_started_in_run;
mod state_lost_after_run;
mod variable_in_exec_form;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &bashism_in_sh::RULE,
    &cmd_ignored_by_entrypoint::RULE,
    &exec_form_malformed::RULE,
    &service_started_in_run::RULE,
    &state_lost_after_run::RULE,
    &variable_in_exec_form::RULE,
];
