//! Rules about Dockerfiles that do something else than they seem to.

mod add_instead_of_copy;
mod apt_instead_of_apt_get;
mod base_shell;
mod bash_syntax;
mod bashism_in_sh;
mod built_for_this_cpu;
mod checksum_line_malformed;
mod cmd_ignored_by_entrypoint;
mod command_chain;
mod copy_from_misspelt_stage;
mod copy_several_to_file;
mod copy_to_relative_path;
mod copy_words;
mod curl;
mod curl_accepts_error_pages;
mod env_refers_to_itself;
mod exec_form_malformed;
mod install_asks_for_confirmation;
mod label_set_twice;
mod loose_array;
mod named_user_on_scratch;
mod pipe_hides_failure;
mod program_named_twice;
mod scratch;
mod scripts;
mod service_started_in_run;
mod shell_on_distroless;
mod shell_on_scratch;
mod shell_replaced_by_link;
mod state_lost_after_run;
mod variable_in_exec_form;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &add_instead_of_copy::RULE,
    &apt_instead_of_apt_get::RULE,
    &bashism_in_sh::RULE,
    &built_for_this_cpu::RULE,
    &checksum_line_malformed::RULE,
    &cmd_ignored_by_entrypoint::RULE,
    &copy_from_misspelt_stage::RULE,
    &copy_several_to_file::RULE,
    &copy_to_relative_path::RULE,
    &curl_accepts_error_pages::RULE,
    &env_refers_to_itself::RULE,
    &exec_form_malformed::RULE,
    &install_asks_for_confirmation::RULE,
    &label_set_twice::RULE,
    &named_user_on_scratch::RULE,
    &pipe_hides_failure::RULE,
    &program_named_twice::RULE,
    &service_started_in_run::RULE,
    &shell_on_distroless::RULE,
    &shell_on_scratch::RULE,
    &shell_replaced_by_link::RULE,
    &state_lost_after_run::RULE,
    &variable_in_exec_form::RULE,
];
