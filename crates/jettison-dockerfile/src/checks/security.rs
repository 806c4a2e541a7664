//! Rules about secrets, privileges and what comes from outside.

mod address;
mod credential_file_copied;
mod download_piped_to_shell;
mod mode;
mod off_switches;
mod plain_http_download;
mod root_user_last;
mod secret_in_text;
mod secrets;
mod setuid_bit_added;
mod system_directory_as_volume;
mod unverified_add;
mod verification_off;
mod verify;
mod world_writable;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &credential_file_copied::RULE,
    &download_piped_to_shell::RULE,
    &plain_http_download::RULE,
    &root_user_last::RULE,
    &secret_in_text::RULE,
    &setuid_bit_added::RULE,
    &system_directory_as_volume::RULE,
    &unverified_add::RULE,
    &verification_off::RULE,
    &world_writable::RULE,
];
