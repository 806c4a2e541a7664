//! A plan: the steps of a build with their inputs, before anything runs.

use std::collections::BTreeSet;
use std::fmt;

use jettison_dockerfile::Platform;
use jettison_oci::{Digest, HistoryEntry, Image, RunConfig};

use crate::remotes::{FileRequest, GitRequest};

/// The position of a step in its plan. An input's position is smaller than its user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId(pub usize);

/// A file system that a step starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The empty file system.
    Scratch,
    /// One of the plan's base images.
    Base(usize),
    /// The result of an earlier step.
    Step(StepId),
}

/// One operation of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do. All of it, and nothing else, enters the cache key.
    pub definition: Definition,
    /// The file system that it changes.
    pub parent: Input,
    /// How to show it. None of it enters the cache key.
    pub hints: Hints,
}

impl Step {
    /// The earlier steps whose results it needs: its parent, what it copies from, and what it mounts.
    pub fn inputs(&self) -> Vec<StepId> {
        let mut inputs = vec![self.parent];
        match &self.definition {
            Definition::Run(run) => inputs.extend(run.mounts.iter().filter_map(RunMount::from)),
            Definition::Copy(copy) => match &copy.from {
                CopyFrom::Input(input) => inputs.push(*input),
                CopyFrom::Context | CopyFrom::Named(_) => {}
            },
            Definition::Workdir(_) => {}
        }
        let steps = inputs.into_iter().filter_map(|input| match input {
            Input::Step(id) => Some(id),
            Input::Scratch | Input::Base(_) => None,
        });
        steps.collect()
    }
}

/// How a step is shown.
#[derive(Clone, Debug)]
pub struct Hints {
    /// A line such as `[build 2/5] RUN make`.
    pub title: String,
    /// The stage's number.
    pub stage: usize,
    /// The instruction's number in the Dockerfile.
    pub instruction: usize,
    /// The instruction's first line, counted from 1.
    pub line: usize,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// Runs a command.
    Run(RunDefinition),
    /// Copies files from the build context, another file system, the network or the Dockerfile itself.
    Copy(CopyDefinition),
    /// Makes a directory.
    Workdir(WorkdirDefinition),
}

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDefinition {
    /// The program and its arguments, the shell included.
    pub argv: Vec<String>,
    /// The environment: the image's, then the build arguments in scope.
    pub env: Vec<(String, String)>,
    /// The working directory, absolute.
    pub working_dir: String,
    /// The user, as in the `USER` instruction; empty for root.
    pub user: String,
    /// Whether the command reaches the network.
    pub network: RunNetwork,
    /// How much it may do.
    pub security: RunSecurity,
    /// What is mounted for it, in the order of the text.
    pub mounts: Vec<RunMount>,
    /// A here-document with its own `#!` line, which `argv` starts.
    pub script: Option<RunScriptFile>,
    /// What the build gives to every command, and what its result may depend on.
    pub limits: RunLimits,
}

/// The network of a `RUN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunNetwork {
    /// What the build says, which is the host's network unless it says something else.
    Default,
    /// The host's.
    Host,
    /// None but a loopback interface.
    None,
}

/// How much a `RUN` may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunSecurity {
    /// What Docker lets a container do.
    #[default]
    Sandbox,
    /// Everything that this process may do itself.
    Insecure,
}

/// A file made of a here-document: `/dev/pipes/<name>`, mode 0755, on a read-only mount
/// (BuildKit: `dispatchRun`, dockerfile2llb/convert.go).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunScriptFile {
    /// The here-document's name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What a build gives to all of its commands. All of it is part of their cache keys, as in BuildKit
/// (`ExecOp.Meta`, solver/pb/ops.proto).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// `--add-host`: names and addresses, in order.
    pub extra_hosts: Vec<(String, String)>,
    /// `--shm-size`: the size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`: name, soft and hard limit.
    pub ulimits: Vec<(String, i64, i64)>,
    /// The host name, if it is not the usual one.
    pub hostname: Option<String>,
}

/// One `--mount` of a `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMount {
    /// Where it is mounted: an absolute path; `None` for a secret that is only a variable.
    pub target: Option<String>,
    /// What is mounted.
    pub kind: RunMountKind,
}

impl RunMount {
    /// The file system that it takes files from.
    pub fn from(&self) -> Option<Input> {
        match self.kind {
            RunMountKind::Bind { from, .. } | RunMountKind::Cache { from, .. } => Some(from),
            RunMountKind::Tmpfs { .. } | RunMountKind::Secret { .. } | RunMountKind::Ssh { .. } => {
                None
            }
        }
    }
}

/// What a `--mount` of a `RUN` mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunMountKind {
    /// Files of another file system.
    Bind {
        /// Where they are. The build context comes as a step that copies it.
        from: Input,
        /// The path in it: absolute, `/` for all of it.
        source: String,
        /// Whether the command may write there; what it writes is thrown away.
        is_writable: bool,
    },
    /// A directory that lasts from build to build.
    Cache {
        /// Which one.
        id: String,
        /// Who may use it at the same time.
        sharing: CacheSharing,
        /// Whether the command may only read it.
        is_read_only: bool,
        /// What a new one starts with.
        from: Input,
        /// The path in `from`: absolute.
        source: String,
        /// The owner and mode of a new one.
        attributes: MountAttributes,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Its size in bytes.
        size: Option<u64>,
    },
    /// Something that must not be in the image.
    Secret {
        /// Which one.
        id: String,
        /// The variable that it is put into.
        env: Option<String>,
        /// Whether the build fails without it.
        is_required: bool,
        /// The owner and mode of the file.
        attributes: MountAttributes,
    },
    /// The socket of an SSH agent.
    Ssh {
        /// Which agent.
        id: String,
        /// Whether the build fails without it.
        is_required: bool,
        /// The owner and mode of the socket.
        attributes: MountAttributes,
    },
}

/// Who may use a cache directory at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheSharing {
    /// Everybody.
    Shared,
    /// Nobody else: others get another directory.
    Private,
    /// Nobody else: others wait.
    Locked,
}

/// The owner and mode of what a mount makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountAttributes {
    /// Permissions, at most `0o7777`.
    pub mode: u32,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Files to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyDefinition {
    /// Where the sources are that are paths.
    pub from: CopyFrom,
    /// What to copy, in order.
    pub sources: Vec<CopyItem>,
    /// An absolute path; a trailing slash means a directory.
    pub destination: String,
    /// The owner, as written after `--chown`.
    pub chown: Option<String>,
    /// The mode after `--chmod`, if one was given.
    pub chmod: Option<Chmod>,
    /// Patterns after `--exclude`.
    pub exclude: Vec<String>,
    /// Whether directories above a source are copied as well: `--parents`.
    pub keeps_parents: bool,
    /// Whether the destination is not looked at: `--link`.
    pub is_linked: bool,
    /// What becomes of archives.
    pub archives: Archives,
}

impl CopyDefinition {
    /// Whether the result is the same on top of anything. With a mode it is not (BuildKit: `dispatchCopy`).
    pub(crate) fn is_independent(&self) -> bool {
        self.is_linked && self.chmod.is_none()
    }
}

/// One source of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyItem {
    /// A path or a pattern below the root of [`CopyDefinition::from`].
    Path(String),
    /// A file whose content is in the Dockerfile.
    Text {
        /// The file's name.
        name: String,
        /// Its content.
        content: String,
    },
    /// A file on the network.
    File(FileRequest),
    /// A checkout of a Git repository.
    Git(GitRequest),
}

/// Whether a copy unpacks archives (`--unpack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Archives {
    /// None: archives are files like others, as always in `COPY`.
    #[default]
    Kept,
    /// Those of the build context and not those from the network, as `ADD` does by itself.
    LocalUnpacked,
    /// All that are found.
    Unpacked,
}

/// What `--chmod` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chmod {
    /// A mode, whatever the source's is; at most `0o7777`.
    Octal(u32),
    /// Changes to the source's mode, such as `u+x,go=rX`, as written.
    Symbolic(String),
}

/// Where a copy's sources are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFrom {
    /// The build context.
    Context,
    /// The named context of this name that is a directory.
    Named(String),
    /// Another stage's or image's file system.
    Input(Input),
}

/// A directory to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkdirDefinition {
    /// The directory, absolute.
    pub path: String,
    /// Its owner if it has to be made, as in the `USER` instruction; empty for root.
    pub user: String,
    /// Its time if it has to be made, in seconds since 1970, if the build says one.
    pub time: Option<i64>,
}

/// The steps of a build and the image that they lead to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps, each after its inputs.
    pub steps: Vec<Step>,
    /// The base images, in the order of their first use.
    pub bases: Vec<PlannedBase>,
    /// What the target stage becomes.
    pub target: PlannedImage,
    /// The stages whose commands and copies are executed even if their results are known.
    pub uncached_stages: BTreeSet<usize>,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970: the time of the image and of all that is new in its history.
    pub epoch: Option<i64>,
}

/// What `SOURCE_DATE_EPOCH` takes its time from if it is not a number (BuildKit: dockerfile2llb/epoch.go).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EpochSource {
    /// The build context.
    Context,
    /// The named context of this name.
    Named(String),
    /// A file on the network.
    File(FileRequest),
    /// A Git repository.
    Git(GitRequest),
}

impl fmt::Display for EpochSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EpochSource::Context => f.write_str("the build context"),
            EpochSource::Named(name) => write!(f, "the named context `{name}`"),
            EpochSource::File(file) => write!(f, "{}", file.url),
            EpochSource::Git(git) => write!(f, "{}", git.remote),
        }
    }
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub struct FoundBase {
    /// The image.
    pub image: Image,
    /// What it was found by, in full: `docker.io/library/debian:12`, `debian://bookworm`.
    pub address: String,
    /// The digest that always means this image in its registry: of its manifest, or of an index that lists it.
    pub digest: Option<Digest>,
}

/// A base image and the name that the Dockerfile has for it.
#[derive(Clone, Debug)]
pub struct PlannedBase {
    /// The name in `FROM` or `COPY --from`, expanded.
    pub name: String,
    /// The platform that it was asked for.
    pub platform: Platform,
    /// The image.
    pub image: Image,
    /// What it was found by, in full.
    pub address: String,
    /// The digest that always means this image in its registry.
    pub digest: Option<Digest>,
    /// Where its `FROM` stands: `build 1/5`; nothing if files are only taken from it.
    pub position: Option<String>,
}

impl PlannedBase {
    /// How it is shown: `[build 1/5] FROM docker.io/library/debian:12@sha256:…`.
    pub fn title(&self) -> String {
        let position = self.position.as_ref();
        let position = position.map_or_else(String::new, |position| format!("[{position}] "));
        let address = &self.address;
        match self.digest {
            // One that was asked for by its digest has it already.
            Some(digest) if !address.contains('@') => format!("{position}FROM {address}@{digest}"),
            Some(_) | None => format!("{position}FROM {address}"),
        }
    }
}

/// An image that is not built yet.
#[derive(Clone, Debug)]
pub struct PlannedImage {
    /// The file system.
    pub result: Input,
    /// The platform that it says it is for.
    pub platform: Platform,
    /// Who made it.
    pub author: Option<String>,
    /// The execution parameters.
    pub config: RunConfig,
    /// One entry for each instruction; those without `empty_layer` have a step.
    pub history: Vec<HistoryEntry>,
}

impl Plan {
    /// The base and the steps that `input` is made of, first to last.
    pub fn chain(&self, input: Input) -> (Option<usize>, Vec<StepId>) {
        let mut steps = Vec::new();
        let mut at = input;
        loop {
            match at {
                Input::Step(id) => {
                    steps.push(id);
                    at = self.steps[id.0].parent;
                }
                Input::Base(base) => {
                    steps.reverse();
                    return (Some(base), steps);
                }
                Input::Scratch => {
                    steps.reverse();
                    return (None, steps);
                }
            }
        }
    }
}
