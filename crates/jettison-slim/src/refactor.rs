//! Turning a single-stage Dockerfile into a multi-stage one, from evidence.

mod build_stage;
mod command;
mod emit;
mod gain;
mod rung;

use std::collections::BTreeMap;
use std::path::PathBuf;

use regex::Regex;

pub(crate) use crate::refactor::build_stage::{
    Aside, Caches, Command, Division, Sources, Writing, dependencies_first, manifests_first,
    target_stage,
};
pub use crate::refactor::command::exec_argv;
pub use crate::refactor::emit::{EmitError, multi_stage};
pub(crate) use crate::refactor::emit::{can_copy, write_stages};
pub use crate::refactor::gain::ShellStep;
pub(crate) use crate::refactor::gain::{Claim, Equality, Gain};
pub(crate) use crate::refactor::rung::rung_of;
pub use crate::refactor::rung::{Rung, RungParseError};

/// A Dockerfile that may take the original's place once it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How much its final stage holds.
    pub rung: Rung,
    /// The Dockerfile's text.
    pub dockerfile: String,
    /// The stages that only it has, which collect and hold what the program needs.
    pub own_stages: Vec<String>,
    /// Why it looks as it does, one sentence each.
    pub reasons: Vec<String>,
}

/// A file or directory that the final stage copies from the build stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptPath {
    /// Its absolute path in both stages.
    pub path: PathBuf,
    /// The fact that keeps it there.
    pub reason: String,
    /// Whether it is a directory, with everything in it.
    pub is_directory: bool,
}

/// What a stage of its own collects from the build stage, since `COPY` cannot say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootfsStage {
    /// Debian packages, by name.
    pub packages: Vec<String>,
    /// What of them is left out: parts of an extended regular expression over paths without the first slash.
    pub left_out: Vec<String>,
    /// Files, links, and directories without what is in them.
    pub singles: Vec<PathBuf>,
    /// Directories with all that is in them.
    pub trees: Vec<PathBuf>,
    /// Directories in those, as patterns of `find -path`, of which what is in them is left out, unless they are trees
    /// themselves or hold some.
    pub pruned: Vec<PathBuf>,
    /// Files and links in those trees that are left out.
    pub pruned_files: Vec<PathBuf>,
    /// The directories that links such as `/lib` lead to.
    pub link_targets: Vec<PathBuf>,
    /// The tag of the byte code that lies beside modules of Python in packages.
    pub byte_code: Option<String>,
    /// Whether the build stage ends as another user than root.
    pub needs_root: bool,
    /// What is done to files before they are collected.
    pub before: Vec<ShellStep>,
    /// What is done to the files once they are collected.
    pub further: Vec<ShellStep>,
    /// The image whose records of dpkg are in the final stage already, in one file.
    pub status_of: Option<String>,
}

/// The image that a final stage starts from, and what of its configuration has to be said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseStage {
    /// What stands behind `FROM`.
    pub reference: String,
    /// Its user; nothing for root.
    pub user: String,
    /// Its environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Its working directory.
    pub working_dir: String,
    /// Whether it has an `ENTRYPOINT`.
    pub has_entrypoint: bool,
    /// Whether it has a `CMD`.
    pub has_cmd: bool,
}

impl RootfsStage {
    /// Matches the files of packages that are left out; nothing if none are.
    pub(crate) fn left_out_pattern(&self) -> Option<Regex> {
        if self.left_out.is_empty() {
            return None;
        }
        Regex::new(&format!("^/({})", self.left_out.join("|"))).ok()
    }
}

/// The final stage's content, before it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeStage {
    /// How much it holds.
    pub rung: Rung,
    /// What is done at the end of the build stage, before anything is taken from it.
    pub build_steps: Vec<ShellStep>,
    /// What those steps make anew: files, and directories with all that is below.
    pub remade: Vec<PathBuf>,
    /// The image that it starts from; else it starts from nothing.
    pub base: Option<BaseStage>,
    /// What is collected for it in a stage of its own, if anything is.
    pub rootfs: Option<RootfsStage>,
    /// What it copies, the program first.
    pub kept: Vec<KeptPath>,
    /// The user and group of what is copied and does not belong to root.
    pub owners: BTreeMap<PathBuf, (u32, u32)>,
    /// `ENTRYPOINT` in exec form, if there is one.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD` in exec form, if there is one.
    pub cmd: Option<Vec<String>>,
    /// The numeric user, or nothing for root.
    pub user: String,
    /// The environment, as `NAME=value`.
    pub env: Vec<String>,
    /// The working directory.
    pub working_dir: String,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Ports as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Directories with data of a container's own.
    pub volumes: Vec<String>,
    /// The signal that asks the program to stop.
    pub stop_signal: Option<String>,
    /// Docker's health check, as it is in the configuration.
    pub healthcheck: Option<serde_json::Value>,
}
