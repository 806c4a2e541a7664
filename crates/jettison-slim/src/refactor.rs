//! Turning a single-stage Dockerfile into a multi-stage one, from evidence.

mod build_stage;
mod command;
mod emit;

use std::collections::BTreeMap;
use std::path::PathBuf;

use regex::Regex;

pub(crate) use crate::refactor::build_stage::{
    Caches, Command, Division, Sources, Writing, manifests_first, target_stage,
};
pub use crate::refactor::command::exec_argv;
pub(crate) use crate::refactor::emit::write_stages;
pub use crate::refactor::emit::{EmitError, multi_stage};

/// How much a final stage starts from, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// `FROM scratch` with a program that needs nothing else.
    Scratch,
    /// `FROM scratch` with the program's interpreter and libraries beside it.
    ScratchWithLibraries,
    /// `FROM scratch` with the packages that the program uses.
    Packages,
}

/// A Dockerfile that may take the original's place once it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What its final stage starts from.
    pub rung: Rung,
    /// The Dockerfile's text.
    pub dockerfile: String,
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
    /// Directories in those that are left out, unless they are trees themselves or hold some.
    pub pruned: Vec<PathBuf>,
    /// The directories that links such as `/lib` lead to.
    pub link_targets: Vec<PathBuf>,
    /// The tag of the byte code that lies beside modules of Python in packages.
    pub byte_code: Option<String>,
    /// Whether the build stage ends as another user than root.
    pub needs_root: bool,
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
    /// What it starts from.
    pub rung: Rung,
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
