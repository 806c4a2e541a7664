//! Rules about bytes that an image does not need.
//!
//! They look at the stages whose layers are part of the image. A `RUN` whose script cannot be read for certain is
//! passed over, and so are words with variables that nobody knows.

mod apk_cache_left;
mod append;
mod apt_lists_left;
mod archive_left;
mod archive_unpacked_by_run;
mod arguments;
mod build_tools_in_image;
mod conda_cache_left;
mod copied;
mod dev_dependencies_in_image;
mod download;
mod layer_rewrites_files;
mod npm_cache_left;
mod path;
mod pip_cache_left;
mod purpose;
mod recommended_packages;
mod removed_too_late;
mod rpm_cache_left;
mod run;
mod toolchain;
mod useradd_fills_lastlog;

use crate::checks::rule::Rule;

/// All of them, by name.
pub(super) const RULES: &[&Rule] = &[
    &apk_cache_left::RULE,
    &apt_lists_left::RULE,
    &archive_left::RULE,
    &archive_unpacked_by_run::RULE,
    &build_tools_in_image::RULE,
    &conda_cache_left::RULE,
    &dev_dependencies_in_image::RULE,
    &layer_rewrites_files::RULE,
    &npm_cache_left::RULE,
    &pip_cache_left::RULE,
    &recommended_packages::RULE,
    &removed_too_late::RULE,
    &rpm_cache_left::RULE,
    &useradd_fills_lastlog::RULE,
];
