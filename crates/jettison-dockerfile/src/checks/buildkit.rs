//! BuildKit's build checks, with its names, words and documentation.
//!
//! See <https://docs.docker.com/reference/build-checks/>. What they look at is that of
//! frontend/dockerfile/linter/ruleset.go and of the places there that run each rule. BuildKit reports the lines of a
//! whole instruction; here the range is the part that is meant.
//!
//! Comments above an instruction silence most rules, but not those that BuildKit runs over the file as a whole. Each
//! rule sees to that itself.

mod base_variables;
mod commands;
mod consistent_instruction_casing;
mod copy_ignored_file;
mod duplicate_stage_name;
mod expose_invalid_format;
mod expose_proto_casing;
mod from_as_casing;
mod from_platform_flag_const_disallowed;
mod invalid_base_image_platform;
mod invalid_default_arg_in_from;
mod invalid_definition_description;
mod json_args_recommended;
mod legacy_key_value_format;
mod maintainer_deprecated;
mod modern_pair;
mod multiple_instructions_disallowed;
mod no_empty_continuation;
mod place;
mod ports;
mod redundant_target_platform;
mod reserved_stage_name;
mod secrets_used_in_arg_or_env;
mod stage_name_casing;
mod undefined_arg_in_from;
mod undefined_var;
mod workdir_relative_path;

use crate::checks::rule::Rule;
use crate::diagnostic::{Diagnostic, Severity};

/// All of them, in BuildKit's order.
pub(super) const RULES: &[&Rule] = &[
    &stage_name_casing::RULE,
    &from_as_casing::RULE,
    &no_empty_continuation::RULE,
    &consistent_instruction_casing::RULE,
    &duplicate_stage_name::RULE,
    &reserved_stage_name::RULE,
    &json_args_recommended::RULE,
    &maintainer_deprecated::RULE,
    &undefined_arg_in_from::RULE,
    &workdir_relative_path::RULE,
    &undefined_var::RULE,
    &multiple_instructions_disallowed::RULE,
    &legacy_key_value_format::RULE,
    &invalid_base_image_platform::RULE,
    &redundant_target_platform::RULE,
    &secrets_used_in_arg_or_env::RULE,
    &invalid_default_arg_in_from::RULE,
    &from_platform_flag_const_disallowed::RULE,
    &copy_ignored_file::RULE,
    &invalid_definition_description::RULE,
    &expose_proto_casing::RULE,
    &expose_invalid_format::RULE,
];

/// Says whether a warning of the parser is what `NoEmptyContinuation` is about.
pub(super) fn is_reported_by_a_rule(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Warning
        && diagnostic
            .message
            .starts_with("Empty continuation line found in")
}
