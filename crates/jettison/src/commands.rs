//! One file for each command: arguments in, one library call, its result to the output.

pub(crate) mod base;
pub(crate) mod build;
mod build_failure;
mod call;
pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod debug;
mod dockerfile;
pub(crate) mod doctor;
pub(crate) mod du;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod inspect;
mod items;
mod layers;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod logout;
mod lookup;
pub(crate) mod optimize;
mod probes;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rmi;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod tag;
pub(crate) mod test;
pub(crate) mod verify;
mod wanted;
pub(crate) mod world;

pub(crate) use crate::commands::dockerfile::in_directory;
pub(crate) use crate::commands::world::DOCKERFILE_LIMIT;
