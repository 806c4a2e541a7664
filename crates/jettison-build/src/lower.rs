//! Turns the stages of a Dockerfile into a plan. Pure but for asking for base images.
//!
//! The rules are those of BuildKit's frontend (dockerfile2llb/convert.go): what an instruction becomes, what it says
//! in the history, and what is refused in which words.

mod arguments;
mod config;
mod contexts;
mod copy;
#[cfg(test)]
mod dump;
mod epoch;
mod error;
mod health;
#[cfg(test)]
mod laws;
mod mount;
mod path;
mod quote;
#[cfg(test)]
mod refused;
mod request;
mod run;
mod source;
mod stage;
#[cfg(test)]
mod tests;
mod trigger;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jettison_dockerfile::{
    Instruction, InstructionKind, Parse, Platform, Scope, StageGraph, stages,
};
use jettison_oci::{HistoryEntry, RunConfig};

pub use crate::lower::arguments::proxies;
pub use crate::lower::error::{Located, LowerError};
pub(crate) use crate::lower::quote::quoted;
pub use crate::lower::request::{Bases, Entitlement, LowerRequest, NamedContext};

use crate::lower::arguments::Arguments;
use crate::lower::contexts::Contexts;
use crate::lower::error::{locate, refuse_errors, target_stage};
use crate::plan::{CopyFrom, Input, Plan, PlannedBase, PlannedImage, Step, StepId};

/// The search path that an image without one gets, as BuildKit sets it.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Plans the build of `request.target`.
pub fn lower(parse: &Parse, request: &LowerRequest, bases: &dyn Bases) -> Result<Plan, LowerError> {
    let contexts = Contexts::new(&request.contexts);
    let mut graph = stages(parse);
    if !request.contexts.is_empty() {
        stage::replace_stages(&mut graph, parse, request, &contexts);
        contexts::check_stages(&request.contexts, &graph)?;
    }
    let target = target_stage(&graph, request);
    refuse_errors(parse, &graph, target.as_ref().ok().copied(), request)?;
    let target = target?;
    let mut lowering = Lowering {
        parse,
        request,
        bases,
        arguments: Arguments::new(parse, &graph, request)?,
        contexts,
        graph: &graph,
        epoch: None,
        plan_bases: Vec::new(),
        steps: Vec::new(),
        uncached: BTreeSet::new(),
        copied: Vec::new(),
        done: BTreeMap::new(),
        under_way: Vec::new(),
        asked: Vec::new(),
        position: 0,
        names_images: source::names_images(parse, &graph),
    };
    lowering.take_epoch()?;
    lowering.stages(target)?;
    lowering.finish(target)
}

/// The plan under construction.
struct Lowering<'a> {
    parse: &'a Parse,
    request: &'a LowerRequest,
    bases: &'a dyn Bases,
    arguments: Arguments,
    contexts: Contexts<'a>,
    graph: &'a StageGraph,
    epoch: Option<i64>,
    plan_bases: Vec<PlannedBase>,
    steps: Vec<Step>,
    uncached: BTreeSet<usize>,
    /// Steps that only copy a path of a directory, so that it can be mounted or built upon.
    copied: Vec<(CopyFrom, String, StepId)>,
    done: BTreeMap<usize, StageState>,
    /// The stages that have been begun: more than one only where a named context is a stage.
    under_way: Vec<usize>,
    /// The named contexts because of which they have been begun, the stages that these stand for, and how many had been
    /// begun before.
    asked: Vec<(String, usize, usize)>,
    /// How many steps the stage under construction has.
    position: usize,
    /// Whether an instruction names an image to take files from.
    names_images: bool,
}

/// A stage as far as it has been lowered.
#[derive(Clone, Debug)]
struct StageState {
    files: Files,
    /// The platform that it is built for.
    platform: Platform,
    /// The platform that its image says it is for.
    image_platform: Platform,
    author: Option<String>,
    config: RunConfig,
    scope: Scope,
    history: Vec<HistoryEntry>,
    cmd_was_set: bool,
}

/// The files of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Files {
    Input(Input),
    /// The named context of this name, which is a directory.
    Directory(String),
}

/// Where an instruction stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    stage: usize,
    /// What errors are about: the instruction, or the `FROM` that runs it as a trigger.
    instruction: &'a Instruction,
    /// The position of that in the Dockerfile.
    number: usize,
    is_trigger: bool,
    /// How many steps the stage has.
    total: usize,
}

impl<'a> Lowering<'a> {
    /// Lowers the stages that `target` needs.
    fn stages(&mut self, target: usize) -> Result<(), LowerError> {
        let needed = self.needed(target)?;
        // What a context replaces is there wherever it stands.
        let (replaced, built): (Vec<usize>, Vec<usize>) = needed
            .into_iter()
            .partition(|&index| self.graph.stages[index].is_replaced);
        for index in replaced.into_iter().chain(built) {
            if self.done.contains_key(&index) {
                continue;
            }
            if self.under_way.contains(&index) {
                let place = self.place_of(index);
                return Err(self.circle(index, place));
            }
            self.under_way.push(index);
            let state = self.stage(index)?;
            self.under_way.pop();
            self.done.insert(index, state);
        }
        Ok(())
    }

    /// The stages that `target` needs. What the triggers of base images name is only known when these are.
    fn needed(&mut self, target: usize) -> Result<Vec<usize>, LowerError> {
        let mut needed = self.reachable(target)?;
        loop {
            let mut all: BTreeSet<usize> = needed.iter().copied().collect();
            for index in needed.clone() {
                for source in self.trigger_sources(index)? {
                    all.extend(self.reachable(source)?);
                }
            }
            if all.len() == needed.len() {
                return Ok(needed);
            }
            needed = all.into_iter().collect();
        }
    }

    /// The `FROM` of a stage.
    fn place_of(&self, stage: usize) -> Place<'a> {
        let from = self.graph.stages[stage].from;
        Place {
            stage,
            instruction: &self.parse.instructions()[from],
            number: from,
            is_trigger: false,
            total: 0,
        }
    }

    fn reachable(&self, target: usize) -> Result<Vec<usize>, LowerError> {
        self.graph
            .reachable_with(self.parse, target, &|name| {
                self.arguments.global.get(name).cloned()
            })
            .map_err(|diagnostic| LowerError::Instruction(locate(self.parse, &diagnostic)))
    }

    fn finish(mut self, target: usize) -> Result<Plan, LowerError> {
        let Some(mut state) = self.done.remove(&target) else {
            return Err(LowerError::NoTarget(target.to_string()));
        };
        let place = self.place_of(target);
        let result = self.input(&state.files, place);
        let labels = self.request.labels.clone();
        state.config.labels.extend(labels);
        let missing = self.missing_history(result, &state.history);
        state.history.extend(missing);
        Ok(Plan {
            steps: self.steps,
            bases: self.plan_bases,
            uncached_stages: self.uncached,
            epoch: self.epoch,
            target: PlannedImage {
                result,
                platform: stage::final_platform(&state.image_platform, self.request),
                author: state.author,
                config: state.config,
                history: state.history,
            },
        })
    }

    /// Entries for layers that no instruction made, such as the files of a named context (BuildKit:
    /// `normalizeLayersAndHistory`, exporter/containerimage/writer.go).
    fn missing_history(&self, result: Input, history: &[HistoryEntry]) -> Vec<HistoryEntry> {
        let mut made_by = Vec::new();
        let mut at = result;
        while let Input::Step(StepId(index)) = at {
            let step = &self.steps[index];
            made_by.push(step.hints.title.clone());
            at = step.parent;
        }
        if let Input::Base(base) = at {
            let n_layers = self.plan_bases[base].image.layers().len();
            made_by.extend(std::iter::repeat_n(String::new(), n_layers));
        }
        made_by.reverse();
        let n_known = history.iter().filter(|entry| !entry.empty_layer).count();
        let missing = made_by.into_iter().skip(n_known);
        let entry = |title: String| HistoryEntry {
            created_by: Some(title).filter(|title| !title.is_empty()),
            comment: Some("buildkit.exporter.image.v0".to_owned()),
            ..HistoryEntry::default()
        };
        missing.map(entry).collect()
    }

    fn error(&self, place: Place<'_>, message: &str) -> LowerError {
        LowerError::Instruction(self.located(place, message))
    }

    fn located(&self, place: Place<'_>, message: &str) -> Located {
        error::about(self.parse, place.instruction, message)
    }
}

/// An error about a whole instruction.
fn error_at(parse: &Parse, instruction: &Instruction, message: &str) -> LowerError {
    LowerError::Instruction(error::about(parse, instruction, message))
}

/// Says whether an instruction becomes a step, for counting.
fn makes_a_step(kind: &InstructionKind) -> bool {
    matches!(
        kind,
        InstructionKind::Run(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Workdir(_)
    )
}
