//! Which stages a target needs.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::expand::expand;
use crate::instruction::{
    CopyInstruction, Instruction, InstructionKind, RunInstruction, mount_fields,
};
use crate::parser::Parse;
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
                    values.insert(declaration.name.clone(), value);
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
        let globals = self.global_values(parse, given);
        let mut is_needed = vec![false; self.stages.len()];
        is_needed[target] = true;
        // Stages only need earlier ones, so that one pass from the target up to the top meets them all.
        for index in (0..=target).rev() {
            if is_needed[index] {
                for needed in self.needs(parse, &self.stages[index], &globals, given)? {
                    is_needed[needed] = true;
                }
            }
        }
        Ok((0..=target).filter(|&index| is_needed[index]).collect())
    }

    /// The stages that a stage needs directly.
    fn needs(
        &self,
        parse: &Parse,
        stage: &Stage,
        globals: &BTreeMap<String, String>,
        given: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<usize>, Diagnostic> {
        let mut needed = Vec::new();
        let instructions = parse.instructions();
        if let Some(from) = instructions
            .get(stage.from)
            .and_then(|from| from_of(&from.kind))
        {
            let lookup = |name: &str| globals.get(name).cloned().or_else(|| given(name));
            let base = expand(&from.base, parse.escape(), &lookup)
                .map_err(|error| Diagnostic::error(from.base_range.clone(), error.to_string()))?;
            needed.extend(self.stage_before(&base, stage.index).map(|base| base.index));
        }
        for instruction in &instructions[stage.instructions.clone()] {
            for (name, place) in named_stages(instruction) {
                needed.extend(self.named(stage, &name, place)?);
            }
        }
        Ok(needed)
    }

    /// The earlier stage that a name in `stage` means; `None` if it means an image or a named context.
    fn named(
        &self,
        stage: &Stage,
        name: &str,
        place: TextRange,
    ) -> Result<Option<usize>, Diagnostic> {
        let found = match position(name) {
            Some(_) => Some(
                self.find(name)
                    .ok_or_else(|| self.no_such_stage(name, place.clone()))?,
            ),
            // Of several stages with one name the nearest earlier one is meant.
            None => self
                .stage_before(&name.to_lowercase(), stage.index)
                .or_else(|| self.find(name)),
        };
        let Some(found) = found else { return Ok(None) };
        if found.index == stage.index {
            let label = stage
                .name
                .clone()
                .unwrap_or_else(|| format!("stage-{}", stage.index));
            let message = format!("circular dependency detected on stage: {label}");
            return Err(Diagnostic::error(place, message));
        }
        if found.index > stage.index {
            let message = format!(
                "cannot copy from stage `{name}`: it needs to be defined before the current stage"
            );
            return Err(Diagnostic::error(place, message));
        }
        Ok(Some(found.index))
    }

    fn no_such_stage(&self, name: &str, place: TextRange) -> Diagnostic {
        let last = self.stages.len().saturating_sub(1);
        Diagnostic::error(place, format!("invalid stage index {name}"))
            .with_hint(format!("the stages are 0 to {last}"))
    }

    /// Finds the stage that `--target` names; without a name the last one.
    pub fn target(&self, name: Option<&str>) -> Result<&Stage, Diagnostic> {
        match name {
            Some(name) => self.find(name).ok_or_else(|| {
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

/// What an instruction says it takes files from, and where it says so.
fn named_stages(instruction: &Instruction) -> Vec<(String, TextRange)> {
    let place = |flag: &str| {
        let flag = instruction.flags.iter().find(|other| other.name == flag);
        flag.map_or_else(
            || instruction.keyword_range.clone(),
            |flag| flag.range.clone(),
        )
    };
    match &instruction.kind {
        InstructionKind::Copy(CopyInstruction {
            from: Some(from), ..
        }) => vec![(from.clone(), place("from"))],
        InstructionKind::Run(RunInstruction { mounts, .. }) => {
            let from = |mount: &String| {
                let fields = mount_fields(mount).unwrap_or_default();
                let from = fields.into_iter().rfind(|field| field.key == "from")?;
                Some((from.value?, place("mount")))
            };
            mounts.iter().filter_map(from).collect()
        }
        InstructionKind::Copy(_)
        | InstructionKind::From(_)
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
