//! Which stages a target needs.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::expand::expand;
use crate::flag::Flag;
use crate::instruction::{Instruction, InstructionKind, mount_fields};
use crate::parser::Parse;
use crate::quote::quoted;
use crate::stage::{Stage, StageGraph, from_of, position};
use crate::text::TextRange;

impl StageGraph {
    /// The values of the global build arguments.
    ///
    /// `given` is what the caller knows: build arguments, which win over defaults, and platform arguments.
    /// A default that cannot be expanded has no value.
    pub fn global_values(
        &self,
        parse: &Parse,
        given: &dyn Fn(&str) -> Option<String>,
    ) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        let globals = self
            .global_args
            .iter()
            .filter_map(|&index| parse.instructions().get(index));
        for instruction in globals {
            let InstructionKind::Arg(declarations) = &instruction.kind else {
                continue;
            };
            for declaration in declarations {
                let lookup = |name: &str| values.get(name).cloned().or_else(|| given(name));
                let value = given(&declaration.name).or_else(|| {
                    let default = declaration.default.as_deref()?;
                    expand(default, parse.escape(), &lookup).ok()
                });
                if let Some(value) = value {
                    values.insert(declaration.name.to_string(), value);
                }
            }
        }
        values
    }

    /// The stages that a target needs, itself included, in order.
    ///
    /// A stage needs the stages that its `FROM`, `COPY --from` and `RUN --mount=from=` name. Variables in
    /// `FROM` have the defaults of the global build arguments.
    pub fn reachable(&self, parse: &Parse, target: usize) -> Result<Vec<usize>, Diagnostic> {
        self.reachable_with(parse, target, &|_| None)
    }

    /// As [`StageGraph::reachable`], with what the caller knows of build arguments and platforms.
    pub fn reachable_with(
        &self,
        parse: &Parse,
        target: usize,
        given: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<usize>, Diagnostic> {
        if target >= self.stages.len() {
            let place = 0..parse.text().len();
            return Err(Diagnostic::error(
                place,
                format!("invalid stage index {target}"),
            ));
        }
        let sources = self.sources(parse).map_err(first)?;
        let globals = self.global_values(parse, given);
        let mut is_needed = vec![false; self.stages.len()];
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut is_needed[index], true) {
                continue;
            }
            open.extend(self.base(parse, &self.stages[index], &globals, given)?);
            open.extend(sources[index].iter().filter_map(|source| source.stage));
        }
        let needed: Vec<usize> = (0..self.stages.len())
            .filter(|&index| is_needed[index])
            .collect();
        let mut late = needed.iter().flat_map(|&index| self.late(&sources, index));
        match late.next() {
            Some(error) => Err(error),
            None => Ok(needed),
        }
    }

    /// What is wrong with the stages that instructions name, whether they are needed or not.
    pub fn reference_errors(&self, parse: &Parse) -> Vec<Diagnostic> {
        match self.sources(parse) {
            Ok(sources) => (0..self.stages.len())
                .flat_map(|index| self.late(&sources, index))
                .collect(),
            Err(errors) => errors,
        }
    }

    /// The stage that an instruction means by the name of a stage, image or named context.
    ///
    /// A number is a stage's position in `COPY --from` and never an image; in a mount it is a name like others. Of
    /// several stages with one name the last one of the whole file is meant (BuildKit: `toCommand` and
    /// `detectRunMount`, dockerfile2llb/convert.go). An error is a position that no stage has; there BuildKit goes
    /// on to count the images that instructions before this one copy from, which nobody can mean.
    pub fn source(&self, source: &SourceName) -> Result<Option<&Stage>, Diagnostic> {
        match source {
            SourceName::Copy(name) => match position(name) {
                Some(_) => self.find(name).map(Some).ok_or_else(|| {
                    let last = self.stages.len().saturating_sub(1);
                    Diagnostic::error(0..0, format!("invalid stage index {}", index_text(name)))
                        .with_hint(format!("the stages are 0 to {last}"))
                }),
                None => Ok(self.find(name)),
            },
            SourceName::Mount { from, .. } => Ok(self.named(from)),
        }
    }

    /// The base of a stage, if that is a stage.
    fn base(
        &self,
        parse: &Parse,
        stage: &Stage,
        globals: &BTreeMap<String, String>,
        given: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<usize>, Diagnostic> {
        let from = parse.instructions().get(stage.from);
        let Some(from) = from.and_then(|from| from_of(&from.kind)) else {
            return Ok(None);
        };
        if stage.is_replaced {
            return Ok(None);
        }
        let lookup = |name: &str| globals.get(name).cloned().or_else(|| given(name));
        let base = expand(&from.base, parse.escape(), &lookup).map_err(|error| {
            let message = format!("failed to process {}: {error}", quoted(&from.base));
            Diagnostic::error(from.base_range.clone(), message)
        })?;
        Ok(self.stage_before(&base, stage.index).map(|base| base.index))
    }

    /// What the instructions of every stage take files from; errors are positions that do not exist, and cycles.
    fn sources(&self, parse: &Parse) -> Result<Vec<Vec<Source>>, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut sources = Vec::new();
        for stage in &self.stages {
            let mut of_stage = Vec::new();
            let all = &parse.instructions()[stage.instructions.clone()];
            for instruction in all.iter().filter(|_| !stage.is_replaced) {
                for (name, place) in named_sources(instruction) {
                    match self.source(&name) {
                        Ok(stage) => of_stage.push(Source {
                            stage: stage.map(|stage| stage.index),
                            name,
                            place,
                        }),
                        Err(error) => errors.push(Diagnostic {
                            range: place,
                            ..error
                        }),
                    }
                }
            }
            sources.push(of_stage);
        }
        if errors.is_empty() {
            errors.extend(self.cycle(&sources));
        }
        if errors.is_empty() {
            Ok(sources)
        } else {
            Err(errors)
        }
    }

    /// The first cycle, reported for the stage from which it was found (BuildKit: `validateCircularDependency`).
    fn cycle(&self, sources: &[Vec<Source>]) -> Option<Diagnostic> {
        let mut is_done = vec![false; sources.len()];
        let mut is_open = vec![false; sources.len()];
        for root in 0..sources.len() {
            // The way from the root, with the next source to look at in each stage.
            let mut way = vec![(root, 0)];
            while let Some((stage, next)) = way.pop() {
                if next == 0 && std::mem::replace(&mut is_done[stage], true) {
                    continue;
                }
                is_open[stage] = true;
                let Some(source) = sources[stage].get(next) else {
                    is_open[stage] = false;
                    continue;
                };
                way.push((stage, next + 1));
                let Some(needed) = source.stage else { continue };
                if is_open[needed] {
                    let label = self.stages[root].label();
                    let message = format!("circular dependency detected on stage: {label}");
                    return Some(Diagnostic::error(source.place.clone(), message));
                }
                way.push((needed, 0));
            }
        }
        None
    }

    /// Errors for the sources of a stage that only come later in the file.
    fn late<'a>(
        &'a self,
        sources: &'a [Vec<Source>],
        stage: usize,
    ) -> impl Iterator<Item = Diagnostic> + 'a {
        let is_late = move |source: &&Source| source.stage.is_some_and(|needed| needed >= stage);
        sources[stage].iter().filter(is_late).map(move |source| {
            let message = match &source.name {
                SourceName::Copy(name) => format!(
                    "cannot copy from stage {name:?}, it needs to be defined before current stage {:?}",
                    self.stages[stage].label()
                ),
                SourceName::Mount { from, target } => format!(
                    "cannot mount from stage {from:?} to {target:?}, stage needs to be defined before current command"
                ),
            };
            Diagnostic::error(source.place.clone(), message)
        })
    }

    /// Finds the stage that `--target` names; without a name the last one. A number is no name.
    pub fn target(&self, name: Option<&str>) -> Result<&Stage, Diagnostic> {
        match name {
            Some(name) => self.named(name).ok_or_else(|| {
                Diagnostic::error(0..0, format!("target stage {name:?} could not be found"))
                    .with_suggestion(name, self.names())
            }),
            None => self
                .stages
                .last()
                .ok_or_else(|| Diagnostic::error(0..0, "dockerfile contains no stages to build")),
        }
    }
}

/// How an instruction names what it takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceName {
    /// `COPY --from=name`
    Copy(String),
    /// `RUN --mount=from=name,target=directory`
    Mount {
        /// The name.
        from: String,
        /// Where it is mounted, as written.
        target: String,
    },
}

/// What an instruction takes files from.
struct Source {
    /// The stage, if it is one.
    stage: Option<usize>,
    name: SourceName,
    place: TextRange,
}

fn first(errors: Vec<Diagnostic>) -> Diagnostic {
    let mut errors = errors;
    errors.swap_remove(0)
}

/// A position as Go prints it: without a plus or leading zeros.
fn index_text(name: &str) -> String {
    position(name).map_or_else(|| name.to_owned(), |index| index.to_string())
}

/// What an instruction says it takes files from, and where it says so.
fn named_sources(instruction: &Instruction) -> Vec<(SourceName, TextRange)> {
    let flag_range = |flag: &Flag| flag.range.clone();
    match &instruction.kind {
        InstructionKind::Copy(copy) => {
            let Some(from) = &copy.from else {
                return Vec::new();
            };
            let mut flags = instruction.flags.iter();
            let place = flags
                .find(|flag| flag.name == "from")
                .map_or_else(|| instruction.keyword_range.clone(), flag_range);
            vec![(SourceName::Copy(from.to_string()), place)]
        }
        InstructionKind::Run(_) => {
            let mounts = instruction.flags.iter().filter(|flag| flag.name == "mount");
            let from = |flag: &Flag| {
                let fields = mount_fields(flag.value.as_deref()?).ok()?;
                let value = |keys: &[&str]| {
                    let field = fields
                        .iter()
                        .rfind(|field| keys.contains(&field.key.as_str()));
                    field.and_then(|field| field.value.clone())
                };
                let name = SourceName::Mount {
                    from: value(&["from"])?,
                    target: value(&["target", "dst", "destination"]).unwrap_or_default(),
                };
                Some((name, flag.range.clone()))
            };
            mounts.filter_map(from).collect()
        }
        InstructionKind::From(_)
        | InstructionKind::Cmd(_)
        | InstructionKind::Entrypoint(_)
        | InstructionKind::Label(_)
        | InstructionKind::Env(_)
        | InstructionKind::Arg(_)
        | InstructionKind::Add(_)
        | InstructionKind::Expose(_)
        | InstructionKind::Volume(_)
        | InstructionKind::User(_)
        | InstructionKind::Workdir(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Stopsignal(_)
        | InstructionKind::Healthcheck(_)
        | InstructionKind::Onbuild(_)
        | InstructionKind::Maintainer(_)
        | InstructionKind::Unknown
        | InstructionKind::Invalid => Vec::new(),
    }
}
