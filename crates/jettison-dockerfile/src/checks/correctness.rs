//! Rules about Dockerfiles that do something else than they seem to.

mod apt_instead_of_apt_get;
mod base_shell;
mod bash_syntax;
mod bashism_in_sh;
mod cmd_ignored_by_entrypoint;
mod command_chain;
mod curl;
mod curl_accepts_error_pages;
mod exec_form_malformed;
mod install_asks_for_confirmation;
mod loose_array;
mod pipe_hides_failure;
mod scripts;
mod service_started_in_run;
mod state_lost_after_run;
mod variable_in_exec_form;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &apt_instead_of_apt_get::RULE,
    &bashism_in_sh::RULE,
    &cmd_ignored_by_entrypoint::RULE,
    &curl_accepts_error_pages::RULE,
    &exec_form_malformed::RULE,
    &install_asks_for_confirmation::RULE,
    &pipe_hides_failure::RULE,
    &service_started_in_run::RULE,
    &state_lost_after_run::RULE,
    &variable_in_exec_form::RULE,
];
