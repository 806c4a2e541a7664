//! What instructions take files from, and triggers that name something else when they run.

use crate::diagnostic::{Diagnostic, Severity};
use crate::evaluate::Walk;
use crate::evaluate::global::reference_error;
use crate::instruction::{InstructionKind, OnbuildInstruction};
use crate::parser::parse;
use crate::stage::{SourceName, Stage, named_sources};
use crate::text::TextRange;

impl Walk<'_> {
    /// Looks at what the instructions of all stages take files from, needed or not (BuildKit:
    /// `buildStageDependencyGraph` and `resolveReachableStages`, dockerfile2llb/convert.go).
    pub(super) fn sources(&mut self) {
        for stage in &self.graph.stages {
            for instruction in &self.parse.instructions()[stage.instructions.clone()] {
                for (name, place) in named_sources(instruction) {
                    self.source(&name, &place);
                }
            }
        }
    }

    /// Says that a stage comes too late to take files from. What is part of a cycle is said once.
    pub(super) fn late(&self, name: &SourceName, stage: &Stage, n_built: usize) -> Option<String> {
        let is_right = self.problems.sources.is_empty();
        self.graph
            .late_problem(name, stage.index, n_built)
            .filter(|_| is_right)
    }

    /// Looks at one source: a stage, or what may be an image.
    fn source(&mut self, name: &SourceName, place: &TextRange) {
        if !matches!(self.graph.source(name), Ok(None)) {
            return;
        }
        let name = name.name();
        if name != "scratch" {
            self.problems
                .references
                .extend(reference_error(name, place));
        }
        self.image(name);
    }

    /// Reads a trigger that a stage runs; what is wrong with it is wrong with the `FROM` that runs it (BuildKit:
    /// `initOnBuildTriggers`, dockerfile2llb/convert.go).
    pub(super) fn read_trigger(&mut self, onbuild: &OnbuildInstruction, place: &TextRange) {
        if matches!(
            &*onbuild.trigger,
            InstructionKind::Unknown | InstructionKind::Invalid
        ) {
            let read = parse(&onbuild.expression);
            let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
            let error = read.diagnostics().iter().find(is_error);
            self.problems.triggers.extend(error.map(|error| Diagnostic {
                range: place.clone(),
                ..error.clone()
            }));
        }
        for name in SourceName::of(&onbuild.trigger) {
            if let Err(error) = self.graph.source(&name) {
                self.problems.triggers.push(Diagnostic {
                    range: place.clone(),
                    ..error
                });
            }
            self.source(&name, place);
        }
    }
}
