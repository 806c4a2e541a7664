//! Rules about secrets, privileges and what comes from outside.

mod credential_file_copied;
mod root_user_last;
mod secret_in_text;
mod secrets;
mod system_directory_as_volume;
mod unverified_add;
mod verify;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &credential_file_copied::RULE,
    &root_user_last::RULE,
    &secret_in_text::RULE,
    &system_directory_as_volume::RULE,
    &unverified_add::RULE,
];
