//! Rules about secrets, privileges and what comes from outside.

mod accounts;
mod address;
mod credential_file_copied;
mod download_piped_to_shell;
mod mode;
mod off_switches;
mod password_in_text;
mod passwords;
mod plain_http_download;
mod privileges;
mod root_user_last;
mod secret_in_text;
mod secrets;
mod setuid_bit_added;
mod sudo_in_run;
mod system_directory_as_volume;
mod unverified_add;
mod user_created_but_unused;
mod verification_off;
mod verify;
mod world_writable;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &credential_file_copied::RULE,
    &download_piped_to_shell::RULE,
    &password_in_text::RULE,
    &plain_http_download::RULE,
    &root_user_last::RULE,
    &secret_in_text::RULE,
    &setuid_bit_added::RULE,
    &sudo_in_run::RULE,
    &system_directory_as_volume::RULE,
    &unverified_add::RULE,
    &user_created_but_unused::RULE,
    &verification_off::RULE,
    &world_writable::RULE,
];
