//! What integration tests share: scratch worlds for the program, file servers, and a registry with faults.

#![forbid(unsafe_code)]

mod docker_registry;
mod fault_proxy;
mod file_server;
mod git_project;
mod outcome;
mod scratch;
mod skip;
mod web_server;

pub use crate::docker_registry::{DockerRegistry, RegistryDemands};
pub use crate::fault_proxy::{FaultProxy, Mishap, MishapPlan};
pub use crate::file_server::{Fault, FileServer};
pub use crate::git_project::{GitProject, git_answer};
pub use crate::outcome::Outcome;
pub use crate::scratch::Scratch;
pub use crate::skip::skip;
pub use crate::web_server::{WebAnswer, WebRequest, WebServer};
