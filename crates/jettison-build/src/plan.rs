//! A plan: the steps of a build with their inputs, before anything runs.

use jettison_oci::{HistoryEntry, Image, RunConfig};

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
    /// Copies files from the build context or another file system.
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
}

/// The network of a `RUN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunNetwork {
    /// The host's.
    Host,
    /// None but a loopback interface.
    None,
}

/// Files to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyDefinition {
    /// Where the sources are.
    pub from: CopyFrom,
    /// Paths or patterns below the root of `from`.
    pub sources: Vec<String>,
    /// An absolute path; a trailing slash means a directory.
    pub destination: String,
    /// The owner, as written after `--chown`.
    pub chown: Option<String>,
    /// The mode after `--chmod`, if one was given.
    pub chmod: Option<u32>,
}

/// Where a copy's sources are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFrom {
    /// The build context.
    Context,
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
}

/// A base image and the name that the Dockerfile has for it.
#[derive(Clone, Debug)]
pub struct PlannedBase {
    /// The name in `FROM` or `COPY --from`, expanded.
    pub name: String,
    /// The image.
    pub image: Image,
}

/// An image that is not built yet.
#[derive(Clone, Debug)]
pub struct PlannedImage {
    /// The file system.
    pub result: Input,
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
