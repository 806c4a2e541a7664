//! Which stages a target needs.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::expand::expand;
use crate::instruction::{Instruction, InstructionKind, MountField, mount_fields};
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
        let needed = self.needed(parse, target, &sources, given)?;
        let mut late = needed.iter().flat_map(|&index| self.late(&sources, index));
        match late.next() {
            Some(error) => Err(error),
            None => Ok(needed),
        }
    }

    /// The stages that a target needs, also if some of them come too late; an error is what keeps them from being
    /// known, and is said elsewhere.
    pub(crate) fn needed_by(
        &self,
        parse: &Parse,
        target: usize,
        given: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<usize>, Diagnostic> {
        let sources = self.sources(parse).map_err(first)?;
        self.needed(parse, target, &sources, given)
    }

    fn needed(
        &self,
        parse: &Parse,
        target: usize,
        sources: &[Vec<Source>],
        given: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<usize>, Diagnostic> {
        let globals = self.global_values(parse, given);
        let mut is_needed = vec![false; self.stages.len()];
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if is_needed.get(index).is_none_or(|is_needed| *is_needed) {
                continue;
            }
            is_needed[index] = true;
            open.extend(sources[index].iter().filter_map(|source| source.stage));
            if let Some(base) = self.base(parse, &self.stages[index], &globals, given)? {
                open.push(base);
                // What it runs for the stage below it may name others (BuildKit: `initOnBuildTriggers`,
                // dockerfile2llb/convert.go).
                open.extend(self.trigger_sources(parse, base));
            }
        }
        Ok((0..self.stages.len())
            .filter(|&index| is_needed[index])
            .collect())
    }

    /// The stages that the triggers of a stage take files from.
    fn trigger_sources(&self, parse: &Parse, stage: usize) -> Vec<usize> {
        let instructions = &parse.instructions()[self.stages[stage].instructions.clone()];
        let triggers = instructions.iter().filter_map(|instruction| {
            let InstructionKind::Onbuild(onbuild) = &instruction.kind else {
                return None;
            };
            Some(&*onbuild.trigger)
        });
        let names = triggers.flat_map(SourceName::of);
        let sources = names.filter_map(|name| self.source(&name).ok().flatten());
        sources.map(|stage| stage.index).collect()
    }

    /// What is wrong with the stages that instructions name, whether they are needed or not: positions that no stage
    /// has, and cycles.
    pub(crate) fn source_errors(&self, parse: &Parse) -> Vec<Diagnostic> {
        self.sources(parse).err().unwrap_or_default()
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
                    let place = last_of_way(sources, &way);
                    return Some(Diagnostic::error(place, message));
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
        sources[stage].iter().filter_map(move |source| {
            let is_late = source.stage.is_some_and(|needed| needed >= stage);
            let message = self
                .late_problem(&source.name, stage, stage)
                .filter(|_| is_late)?;
            Some(Diagnostic::error(source.place.clone(), message))
        })
    }

    /// What BuildKit says of a stage that an instruction of the stage at `index` names, if that is not among the first
    /// `n_built` stages.
    pub fn late_problem(&self, name: &SourceName, index: usize, n_built: usize) -> Option<String> {
        let source = self.source(name).ok().flatten()?;
        if source.index < n_built || source.is_replaced {
            return None;
        }
        Some(match name {
            SourceName::Copy(name) => format!(
                "cannot copy from stage {}, it needs to be defined before current stage {}",
                quoted(name),
                quoted(&self.stages[index].label())
            ),
            SourceName::Mount { from, target } => format!(
                "cannot mount from stage {} to {}, stage needs to be defined before current command",
                quoted(from),
                quoted(target)
            ),
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

impl SourceName {
    /// What an instruction says that it takes files from.
    pub fn of(kind: &InstructionKind) -> Vec<SourceName> {
        match kind {
            InstructionKind::Copy(copy) => copy
                .from
                .iter()
                .map(|from| SourceName::Copy(from.to_string()))
                .collect(),
            InstructionKind::Run(run) => {
                let mounts = run.mounts.iter();
                mounts
                    .filter_map(|mount| SourceName::of_mount(mount))
                    .collect()
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

    /// What a mount says that it takes files from: `scratch` if it says nothing, which may be a stage (BuildKit:
    /// `detectRunMount`, `dockerfile2llb/convert_runmount.go`). A mount that cannot be read takes nothing.
    pub fn of_mount(mount: &str) -> Option<SourceName> {
        let fields = mount_fields(mount).ok()?;
        let value = |keys: &[&str]| {
            let is_meant = |field: &&MountField| keys.contains(&field.key.as_str());
            let mut fields = fields.iter().filter(|field| field.value.is_some());
            let field = fields.rfind(is_meant)?;
            field.value.clone()
        };
        let from = value(&["from"]).filter(|from| !from.is_empty());
        Some(SourceName::Mount {
            from: from.unwrap_or_else(|| "scratch".to_owned()),
            target: value(&["target", "dst", "destination"]).unwrap_or_default(),
        })
    }

    /// The same where a mount's target is another text.
    #[must_use]
    pub fn mounted_at(self, target: &str) -> SourceName {
        match self {
            SourceName::Copy(name) => SourceName::Copy(name),
            SourceName::Mount { from, .. } => SourceName::Mount {
                from,
                target: target.to_owned(),
            },
        }
    }

    /// The name itself.
    pub fn name(&self) -> &str {
        match self {
            SourceName::Copy(name) | SourceName::Mount { from: name, .. } => name,
        }
    }
}

/// What an instruction takes files from.
struct Source {
    /// The stage, if it is one.
    stage: Option<usize>,
    name: SourceName,
    place: TextRange,
}

/// Where the last of the instructions is that lead along a way, which is the place that BuildKit shows first
/// (`validateCircularDependency`, dockerfile2llb/convert.go). Of several that name one stage the last one counts, as it
/// keeps them (`buildStageDependencyGraph`).
fn last_of_way(sources: &[Vec<Source>], way: &[(usize, usize)]) -> TextRange {
    let last = way.last().and_then(|&(stage, next)| {
        let needed = sources[stage].get(next.checked_sub(1)?)?.stage;
        sources[stage].iter().rfind(|source| source.stage == needed)
    });
    last.map(|source| source.place.clone()).unwrap_or_default()
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
pub(crate) fn named_sources(instruction: &Instruction) -> Vec<(SourceName, TextRange)> {
    let names = SourceName::of(&instruction.kind);
    let flags = |name: &'static str| {
        let flags = instruction.flags.iter();
        flags.filter(move |flag| flag.name == name)
    };
    // A flag that is not the only one of its name would be an error of the parser, but for mounts.
    let mut of_copy = flags("from");
    let mut of_mounts = flags("mount").filter(|flag| {
        let mount = flag.value.as_deref().unwrap_or_default();
        SourceName::of_mount(mount).is_some()
    });
    let mut place = |name: &SourceName| {
        let flag = match name {
            SourceName::Copy(_) => of_copy.next(),
            SourceName::Mount { .. } => of_mounts.next(),
        };
        flag.map_or_else(
            || instruction.keyword_range.clone(),
            |flag| flag.range.clone(),
        )
    };
    let with_place = |name: SourceName| {
        let place = place(&name);
        (name, place)
    };
    names.into_iter().map(with_place).collect()
}
