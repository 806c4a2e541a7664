//! The triggers of `ONBUILD`, which run in stages that start from an image or a stage with them (BuildKit:
//! `initOnBuildTriggers`, dockerfile2llb/convert.go).

use jettison_dockerfile::{InstructionKind, Parse, Severity, SourceName, Stage, parse};

use crate::lower::stage::Origin;
use crate::lower::{LowerError, Lowering, Place, StageState};

impl Lowering<'_> {
    /// Runs a trigger. What is wrong with it is wrong with the `FROM` that runs it.
    pub(super) fn trigger(
        &mut self,
        state: &mut StageState,
        trigger: &str,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        let place = Place {
            is_trigger: true,
            ..place
        };
        let parsed = self.parse_trigger(trigger, place)?;
        for instruction in parsed.instructions() {
            self.instruction(state, instruction, place)?;
        }
        Ok(())
    }

    fn parse_trigger(&self, trigger: &str, place: Place<'_>) -> Result<Parse, LowerError> {
        let parsed = parse(trigger);
        let is_error = |severity: Severity| severity == Severity::Error;
        let error = parsed.diagnostics().iter().find(|d| is_error(d.severity));
        if let Some(error) = error {
            return Err(self.error(place, &error.message));
        }
        match parsed.instructions() {
            [instruction] if !matches!(instruction.kind, InstructionKind::From(_)) => Ok(parsed),
            [_] => Err(self.error(place, "FROM isn't allowed as an ONBUILD trigger")),
            _ => Err(self.error(place, "onbuild trigger should be a single expression")),
        }
    }

    /// The triggers that a stage leaves to those on top of it.
    pub(super) fn own_triggers(&self, stage: &Stage) -> Vec<String> {
        let instructions = &self.parse.instructions()[stage.instructions.clone()];
        let triggers = instructions.iter().filter_map(|instruction| {
            let InstructionKind::Onbuild(onbuild) = &instruction.kind else {
                return None;
            };
            Some(onbuild.expression.clone())
        });
        triggers.collect()
    }

    /// The stages that the triggers of a stage's base image take files from.
    pub(super) fn trigger_sources(&mut self, index: usize) -> Result<Vec<usize>, LowerError> {
        let stage = &self.graph.stages[index];
        let place = Place {
            stage: index,
            instruction: &self.parse.instructions()[stage.from],
            number: stage.from,
            is_trigger: true,
            total: 0,
        };
        if stage.is_replaced {
            return Ok(Vec::new());
        }
        let Origin::Image(base, _) = self.origin(stage, place)? else {
            return Ok(Vec::new());
        };
        let triggers = self.plan_bases[base].image.config().config.on_build.clone();
        let mut sources = Vec::new();
        for trigger in &triggers {
            let parsed = self.parse_trigger(trigger, place)?;
            for instruction in parsed.instructions() {
                for name in SourceName::of(&instruction.kind) {
                    let found = self.graph.source(&name);
                    let found = found.map_err(|error| self.error(place, &error.message))?;
                    sources.extend(found.map(|stage| stage.index));
                }
            }
        }
        Ok(sources)
    }
}
