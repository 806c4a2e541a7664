//! One file for each command: arguments in, one library call, its result to the output.

pub(crate) mod build;
pub(crate) mod doctor;
pub(crate) mod images;
pub(crate) mod optimize;

pub(crate) mod run;
mod world;
