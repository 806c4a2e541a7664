//! What instructions take files from: stages, images, named contexts and the build context.

use jettison_dockerfile::{
    Instruction, Parse, Platform, SourceName, StageGraph, reference_problem,
};

use crate::lower::config::history_entry;
use crate::lower::path::literal;
use crate::lower::quote::quoted;
use crate::lower::request::NamedContext;
use crate::lower::{Files, LowerError, Lowering, Place, StageState};
use crate::plan::{
    Archives, CopyDefinition, CopyFrom, CopyItem, Definition, Hints, Input, PlannedBase, Step,
    StepId,
};

/// Says whether an instruction of any stage takes files from what is no stage.
pub(super) fn names_images(parse: &Parse, graph: &StageGraph) -> bool {
    let names = parse
        .instructions()
        .iter()
        .flat_map(|instruction| SourceName::of(&instruction.kind));
    let mut sources = names.map(|name| graph.source(&name));
    sources.any(|source| matches!(source, Ok(None)))
}

impl Lowering<'_> {
    /// The position of an image in the plan; asks for it on first use.
    pub(super) fn image(
        &mut self,
        name: &str,
        platform: &Platform,
        place: Place<'_>,
    ) -> Result<usize, LowerError> {
        let is_it = |base: &PlannedBase| base.name == name && base.platform == *platform;
        if let Some(known) = self.plan_bases.iter().position(is_it) {
            return Ok(known);
        }
        let found = self
            .bases
            .base(name, platform)
            .map_err(|source| LowerError::Base {
                line: place.instruction.line,
                name: name.to_string(),
                source,
            })?;
        self.plan_bases.push(PlannedBase {
            name: name.to_string(),
            platform: platform.clone(),
            image: found.image,
            address: found.address,
            digest: found.digest,
            position: None,
        });
        Ok(self.plan_bases.len() - 1)
    }

    /// Refuses a name that cannot be one of an image (BuildKit: `resolveBaseImage`).
    pub(super) fn check_reference(&self, name: &str, place: Place<'_>) -> Result<(), LowerError> {
        match reference_problem(name) {
            Some(problem) => {
                let message = format!("failed to parse stage name {}: {problem}", quoted(name));
                Err(self.error(place, &message))
            }
            None => Ok(()),
        }
    }

    /// What `COPY --from` or `RUN --mount=from=` names: a stage, a named context, or an image for the platform of the
    /// build (BuildKit: `toCommand` and `detectRunMount`).
    ///
    /// A trigger may name the stage that it runs in, of which `own` is what there is so far.
    pub(super) fn source(
        &mut self,
        name: &SourceName,
        own: &Files,
        place: Place<'_>,
    ) -> Result<Files, LowerError> {
        let found = self
            .graph
            .source(name)
            .map_err(|error| self.error(place, &error.message))?;
        if let Some(stage) = found {
            if place.is_trigger && stage.index == place.stage {
                return Ok(own.clone());
            }
            if let Some(done) = self.done.get(&stage.index) {
                return Ok(done.files.clone());
            }
            let message = self.graph.late_problem(name, place.stage, 0);
            return Err(self.error(place, &message.unwrap_or_default()));
        }
        let name = name.name();
        if name == "scratch" {
            return Ok(Files::Input(Input::Scratch));
        }
        self.check_reference(name, place)?;
        let platform = self.request.platform().clone();
        let image = match self.contexts.find(name, &platform) {
            Some((context, NamedContext::Directory)) => {
                return Ok(Files::Directory(context.to_owned()));
            }
            Some((_, NamedContext::Image(image))) if image == "scratch" => {
                return Ok(Files::Input(Input::Scratch));
            }
            Some((context, NamedContext::Stage(target))) => {
                let (_, done) = self.context_stage(context, target, place)?;
                return Ok(done.files);
            }
            Some((_, NamedContext::Image(image))) => image.clone(),
            None => name.to_owned(),
        };
        let base = self.image(&image, &platform, place)?;
        Ok(Files::Input(Input::Base(base)))
    }

    /// A file system to mount or to build upon.
    pub(super) fn input(&mut self, files: &Files, place: Place<'_>) -> Input {
        match files {
            Files::Input(input) => *input,
            Files::Directory(name) => self.copied_input(CopyFrom::Named(name.clone()), "/", place),
        }
    }

    /// A file system that has nothing but `path` of a directory on the host. The copy is a step of its own, so that
    /// what is made of it depends on the files' content and not on where they are.
    pub(super) fn copied_input(&mut self, from: CopyFrom, path: &str, place: Place<'_>) -> Input {
        let known = self
            .copied
            .iter()
            .find(|(known, at, _)| *known == from && at == path);
        if let Some((_, _, step)) = known {
            return Input::Step(*step);
        }
        let title = match &from {
            CopyFrom::Named(name) => format!("[context {name}] load {path}"),
            CopyFrom::Context | CopyFrom::Input(_) => {
                format!("[internal] load build context {path}")
            }
        };
        let definition = CopyDefinition {
            from: from.clone(),
            sources: vec![CopyItem::Path(literal(path))],
            destination: path.to_owned(),
            chown: None,
            chmod: None,
            exclude: Vec::new(),
            keeps_parents: false,
            is_linked: false,
            archives: Archives::Kept,
        };
        let step = self.add(Step {
            definition: Definition::Copy(definition),
            parent: Input::Scratch,
            hints: Hints {
                title,
                stage: place.stage,
                instruction: place.number,
                line: place.instruction.line,
            },
        });
        self.copied.push((from, path.to_owned(), step));
        Input::Step(step)
    }

    /// Puts an instruction's step on top of its stage, with its layer in the history.
    pub(super) fn push(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        place: Place<'_>,
        (definition, created_by): (Definition, String),
    ) {
        self.position += 1;
        let parent = self.input(&state.files, place);
        let label = self.shown_position(place);
        let onbuild = if place.is_trigger { "ONBUILD " } else { "" };
        let text = one_line(instruction);
        let step = self.add(Step {
            definition,
            parent,
            hints: Hints {
                title: format!("[{label}] {onbuild}{text}"),
                stage: place.stage,
                instruction: place.number,
                line: place.instruction.line,
            },
        });
        state.files = Files::Input(Input::Step(step));
        state.history.push(history_entry(created_by, false));
    }

    /// Says where the `FROM` of an image stands that a stage starts with. Of several stages the first counts.
    pub(super) fn place_base(&mut self, files: &Files, place: Place<'_>) {
        let position = self.shown_position(place);
        if let Files::Input(Input::Base(base)) = files
            && let Some(base) = self.plan_bases.get_mut(*base)
        {
            base.position.get_or_insert(position);
        }
    }

    /// `build 2/5`; a stage that is the only file system of all has no name (BuildKit: `prefixCommand`).
    fn shown_position(&self, place: Place<'_>) -> String {
        let (position, total) = (self.position, place.total);
        let width = total.to_string().len();
        let of_total = format!("{position:>width$}/{total}");
        let stage = &self.graph.stages[place.stage];
        if self.graph.stages.len() > 1 || self.names_images {
            return format!("{} {of_total}", stage.label());
        }
        of_total
    }

    fn add(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(self.steps.len() - 1)
    }
}

/// An instruction in one line, for people.
fn one_line(instruction: &Instruction) -> String {
    let words = instruction.logical_line.split_whitespace().skip(1);
    let keyword = instruction.keyword.to_string();
    let words: Vec<&str> = std::iter::once(keyword.as_str()).chain(words).collect();
    words.join(" ")
}
