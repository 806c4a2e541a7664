//! Turns the stages of a Dockerfile into a plan. Pure but for asking for base images.

mod config;
#[cfg(test)]
mod laws;
mod quote;
#[cfg(test)]
mod refused;
mod scope;
mod step;

use std::collections::BTreeMap;

use jettison_dockerfile::{
    BuildTarget, Diagnostic, Given, Instruction, InstructionKind, Parse, Severity, Stage,
    StageGraph, TextRange, evaluate_target, line_column, platform_args, stages,
};
use jettison_oci::{HistoryEntry, Image, RunConfig};

use crate::lower::scope::Scope;
pub use crate::lower::scope::proxies;
use crate::plan::{Input, Plan, PlannedBase, PlannedImage, RunLimits, Step};

/// The search path that an image without one gets, as BuildKit sets it.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a build is asked for.
#[derive(Clone, Debug)]
pub struct LowerRequest {
    /// The stage to build: a name or a number; the last stage if absent.
    pub target: Option<String>,
    /// Values for `ARG`s, by name.
    pub build_args: BTreeMap<String, String>,
    /// The platform's architecture in the image specification's words, such as `amd64`.
    pub architecture: String,
    /// What every command is given.
    pub limits: RunLimits,
}

/// Why a Dockerfile cannot be lowered. All of these are for its author to fix.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// The text has errors.
    #[error("the Dockerfile has {} error{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Syntax(Vec<Located>),
    /// One instruction cannot be carried out.
    #[error("{0}")]
    Instruction(Located),
    /// A base image could not be had.
    #[error("line {line}: cannot get base image `{name}`")]
    Base {
        /// The first line of the instruction that names it.
        line: usize,
        /// The name, expanded.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The wanted stage does not exist.
    #[error("target stage `{0}` could not be found")]
    NoTarget(String),
}

/// A message with its place in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The bytes of the text that are meant; if absent, the instruction on that line.
    pub range: Option<TextRange>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl std::fmt::Display for Located {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Finds base images by the name that a Dockerfile has for them.
pub trait Bases {
    /// The image that `name` stands for.
    fn base(&self, name: &str) -> Result<Image, Box<dyn std::error::Error + Send + Sync>>;
}

/// Plans the build of `request.target`.
pub fn lower(parse: &Parse, request: &LowerRequest, bases: &dyn Bases) -> Result<Plan, LowerError> {
    let graph = stages(parse);
    let target = target_stage(&graph, request);
    refuse_errors(parse, &graph, target.as_ref().ok().copied(), request)?;
    let target = target?;
    let globals = scope::global_args(parse, &graph, request)?;
    let needed = graph
        .reachable_with(parse, target, &|name| globals.lookup(name))
        .map_err(|diagnostic| LowerError::Instruction(locate(parse, &diagnostic)))?;
    let mut lowering = Lowering {
        parse,
        request,
        bases,
        globals,
        graph: &graph,
        plan_bases: Vec::new(),
        steps: Vec::new(),
        done: BTreeMap::new(),
    };
    for index in needed {
        let state = lowering.stage(&graph.stages[index])?;
        lowering.done.insert(index, state);
    }
    let Some(state) = lowering.done.remove(&target) else {
        return Err(LowerError::NoTarget(target.to_string()));
    };
    Ok(Plan {
        steps: lowering.steps,
        bases: lowering.plan_bases,
        target: PlannedImage {
            result: state.result,
            config: state.config,
            history: state.history,
        },
    })
}

/// The plan under construction.
struct Lowering<'a> {
    parse: &'a Parse,
    request: &'a LowerRequest,
    bases: &'a dyn Bases,
    graph: &'a StageGraph,
    globals: Scope,
    plan_bases: Vec<PlannedBase>,
    steps: Vec<Step>,
    done: BTreeMap<usize, StageState>,
}

/// A stage as far as it has been lowered.
#[derive(Clone, Debug)]
struct StageState {
    result: Input,
    config: RunConfig,
    scope: Scope,
    history: Vec<HistoryEntry>,
    cmd_was_set: bool,
}

impl Lowering<'_> {
    fn stage(&mut self, stage: &Stage) -> Result<StageState, LowerError> {
        let mut lowered = self.from(stage)?;
        let instructions = &self.parse.instructions()[stage.instructions.clone()];
        let total = 1 + instructions.iter().filter(|i| makes_a_step(i)).count();
        let mut position = 1;
        for (offset, instruction) in instructions.iter().enumerate() {
            if makes_a_step(instruction) {
                position += 1;
            }
            let place = Place {
                stage,
                instruction: stage.instructions.start + offset,
                position,
                total,
            };
            self.instruction(&mut lowered, instruction, place)?;
        }
        Ok(lowered)
    }

    fn from(&mut self, stage: &Stage) -> Result<StageState, LowerError> {
        let instruction = &self.parse.instructions()[stage.from];
        let InstructionKind::From(from) = &instruction.kind else {
            return Err(self.error(instruction, "this stage does not begin with FROM"));
        };
        if let Some(platform) = &from.platform {
            self.check_platform(instruction, platform)?;
        }
        let name = self
            .globals
            .expand(&from.base, self.parse.escape())
            .map_err(|e| self.error(instruction, &e))?;
        if name.trim().is_empty() {
            let message = format!("base name ({}) should not be blank", from.base);
            return Err(self.error(instruction, &message));
        }
        if let Some(earlier) = self.graph.stage_before(&name, stage.index) {
            let mut copied = self.done.get(&earlier.index).cloned().ok_or_else(|| {
                self.error(instruction, &format!("stage `{name}` has not been built"))
            })?;
            copied.cmd_was_set = false;
            // The image's environment is set anew and hides arguments (BuildKit: `dispatchStages`).
            copied.scope = copied.scope.with_env(&copied.config.env);
            return Ok(copied);
        }
        if name == "scratch" {
            return Ok(StageState::scratch(self.fresh_scope()));
        }
        let base = self.base(instruction, &name)?;
        Ok(StageState::on(
            base,
            &self.plan_bases[base].image,
            self.fresh_scope(),
        ))
    }

    fn fresh_scope(&self) -> Scope {
        Scope::stage(&self.globals)
    }

    fn check_platform(&self, instruction: &Instruction, platform: &str) -> Result<(), LowerError> {
        let wanted = self
            .globals
            .expand(platform, self.parse.escape())
            .map_err(|e| self.error(instruction, &e))?;
        let host = format!("linux/{}", self.request.architecture);
        if wanted == host || wanted.is_empty() {
            return Ok(());
        }
        let message = format!("platform `{wanted}` cannot be built on this {host} host");
        Err(self.error(instruction, &message))
    }

    /// The position of base image `name` in the plan; asks for it on first use.
    fn base(&mut self, instruction: &Instruction, name: &str) -> Result<usize, LowerError> {
        if let Some(known) = self.plan_bases.iter().position(|base| base.name == name) {
            return Ok(known);
        }
        let image = self.bases.base(name).map_err(|source| LowerError::Base {
            line: instruction.line,
            name: name.to_string(),
            source,
        })?;
        if !image.config().config.on_build.is_empty() {
            let message =
                format!("base image `{name}` has ONBUILD triggers, which are not supported yet");
            return Err(self.error(instruction, &message));
        }
        self.plan_bases.push(PlannedBase {
            name: name.to_string(),
            image,
        });
        Ok(self.plan_bases.len() - 1)
    }

    fn error(&self, instruction: &Instruction, message: &str) -> LowerError {
        let (line, column) = line_column(self.parse.text(), instruction.range.start);
        LowerError::Instruction(Located {
            line,
            column,
            range: Some(instruction.range.clone()),
            message: message.to_string(),
            hints: Vec::new(),
        })
    }
}

/// Where an instruction stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    stage: &'a Stage,
    instruction: usize,
    position: usize,
    total: usize,
}

impl StageState {
    /// BuildKit starts `FROM scratch` with a search path and `/` as working directory.
    fn scratch(scope: Scope) -> StageState {
        let config = RunConfig {
            env: vec![format!("PATH={DEFAULT_PATH}")],
            working_dir: "/".to_string(),
            ..RunConfig::default()
        };
        StageState {
            result: Input::Scratch,
            scope: scope.with_env(&config.env),
            config,
            history: Vec::new(),
            cmd_was_set: false,
        }
    }

    fn on(base: usize, image: &Image, scope: Scope) -> StageState {
        let mut config = image.config().config.clone();
        if !config.env.iter().any(|pair| pair.starts_with("PATH=")) {
            config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        StageState {
            result: Input::Base(base),
            scope: scope.with_env(&config.env),
            config,
            history: image.config().history.clone(),
            cmd_was_set: false,
        }
    }
}

fn makes_a_step(instruction: &Instruction) -> bool {
    matches!(
        instruction.kind,
        InstructionKind::Run(_) | InstructionKind::Copy(_) | InstructionKind::Workdir(_)
    )
}

/// Refuses what is wrong with the text, and with what the stages say that `target` needs, all of it at once.
///
/// Images are not asked for: a word that depends on what one sets is looked at when its instruction is lowered.
fn refuse_errors(
    parse: &Parse,
    graph: &StageGraph,
    target: Option<usize>,
    request: &LowerRequest,
) -> Result<(), LowerError> {
    let of_text = parse.diagnostics().iter().chain(&graph.diagnostics);
    let mut diagnostics: Vec<Diagnostic> = of_text.cloned().collect();
    if let Some(target) = target {
        let args = all_args(request);
        let given = Given {
            args: &args,
            images: &|_| None,
        };
        let target = BuildTarget::Stage(target);
        diagnostics.extend(evaluate_target(parse, graph, &given, target).diagnostics);
    }
    diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
    diagnostics.sort_by_key(|diagnostic| diagnostic.range.start);
    let mut errors: Vec<Located> = diagnostics
        .iter()
        .map(|diagnostic| locate(parse, diagnostic))
        .collect();
    match errors.len() {
        0 => Ok(()),
        1 if !parse.has_errors() && graph.diagnostics.is_empty() => {
            Err(LowerError::Instruction(errors.swap_remove(0)))
        }
        _ => Err(LowerError::Syntax(errors)),
    }
}

/// The build arguments, and what is predefined.
fn all_args(request: &LowerRequest) -> BTreeMap<String, String> {
    let mut args = platform_args("linux", &request.architecture);
    if let Some(target) = &request.target {
        args.insert("TARGETSTAGE".to_string(), target.clone());
    }
    args.extend(request.build_args.clone());
    args
}

fn locate(parse: &Parse, diagnostic: &Diagnostic) -> Located {
    let (line, column) = line_column(parse.text(), diagnostic.range.start);
    Located {
        line,
        column,
        range: Some(diagnostic.range.clone()),
        message: diagnostic.message.clone(),
        hints: diagnostic.hints.clone(),
    }
}

fn target_stage(graph: &StageGraph, request: &LowerRequest) -> Result<usize, LowerError> {
    match &request.target {
        Some(name) => graph
            .target(Some(name))
            .map(|stage| stage.index)
            .map_err(|_| LowerError::NoTarget(name.clone())),
        None => graph.stages.len().checked_sub(1).ok_or_else(|| {
            LowerError::Syntax(vec![Located {
                line: 1,
                column: 1,
                range: None,
                message: "dockerfile contains no stages to build".to_string(),
                hints: Vec::new(),
            }])
        }),
    }
}
