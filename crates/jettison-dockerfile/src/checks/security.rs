//! Rules about secrets, privileges and what comes from outside.

mod credential_file_copied;
mod mode;
mod root_user_last;
mod secret_in_text;
mod secrets;
mod setuid_bit_added;
mod system_directory_as_volume;
mod unverified_add;
mod verify;
mod world_writable;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &credential_file_copied::RULE,
    &root_user_last::RULE,
    &secret_in_text::RULE,
    &setuid_bit_added::RULE,
    &system_directory_as_volume::RULE,
    &unverified_add::RULE,
    &world_writable::RULE,
];
