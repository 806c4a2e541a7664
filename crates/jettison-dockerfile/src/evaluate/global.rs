//! What stands before a stage: global arguments and the stage's `FROM`, which sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluate::{BaseImage, Evaluated, Walk, Words};
use crate::instruction::InstructionKind;
use crate::stage::{Stage, from_of};

/// The names of the arguments that are predefined in the global scope (BuildKit: `defaultArgs`,
/// `dockerfile2llb/platform.go`).
pub(crate) const PREDEFINED: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// A `FROM`, expanded.
pub(super) struct From {
    pub(super) evaluated: Evaluated,
    pub(super) base: BaseImage,
    pub(super) platform: Option<String>,
    pub(super) platform_variables: BTreeSet<String>,
}

impl Walk<'_> {
    /// Follows the `ARG`s before the first `FROM`.
    pub(super) fn global_args(&mut self) -> Vec<Evaluated> {
        let mut uses = Vec::new();
        for &index in &self.graph.global_args {
            let Some(instruction) = self.parse.instructions().get(index) else {
                continue;
            };
            let InstructionKind::Arg(declarations) = &instruction.kind else {
                continue;
            };
            let before = Arc::new(self.global.clone());
            let mut words = Words::default();
            for declaration in declarations {
                let value = match self.given_argument(&declaration.name) {
                    Some(value) => Some(value.clone()),
                    None => declaration.default.as_deref().and_then(|default| {
                        let lookup = |name: &str| self.global_value(name);
                        let escape = self.parse.escape();
                        words.expand(default, &declaration.range, escape, &lookup)
                    }),
                };
                words.settle(&self.global);
                self.global.declare(declaration, value.as_deref());
            }
            self.diagnostics.append(&mut words.errors);
            uses.push(words.evaluated(before));
        }
        uses
    }

    /// The value of a build argument that wins over a default.
    // The value of a predefined argument is itself a default: an `ARG` with another one replaces it. One that comes
    // from the command line would win, but cannot be told apart here.
    pub(super) fn given_argument(&self, name: &str) -> Option<&String> {
        self.given
            .args
            .get(name)
            .filter(|_| !PREDEFINED.contains(&name))
    }

    /// The value of a name before the first stage: declared, given or predefined.
    pub(super) fn global_value(&self, name: &str) -> Option<String> {
        let declared = self.global.lookup(name).map(str::to_owned);
        declared.or_else(|| self.predefined_value(name))
    }

    /// The value of a predefined argument.
    fn predefined_value(&self, name: &str) -> Option<String> {
        let given = self.given.args.get(name);
        let value = given.filter(|_| PREDEFINED.contains(&name))?;
        let last = self.graph.stages.last();
        match last.and_then(|stage| stage.name.clone()) {
            // Without a target the last stage is built (BuildKit: `toDispatchState`, dockerfile2llb/convert.go).
            Some(last) if name == "TARGETSTAGE" && value == "default" => Some(last),
            Some(_) | None => Some(value.clone()),
        }
    }

    /// The values of the predefined arguments, as far as they are known.
    pub(super) fn predefined(&self) -> BTreeMap<String, String> {
        let pair = |name: &str| Some((name.to_owned(), self.predefined_value(name)?));
        PREDEFINED.into_iter().filter_map(pair).collect()
    }

    /// Expands a `FROM` and finds out what it means.
    pub(super) fn from(&mut self, stage: &Stage) -> From {
        let instruction = &self.parse.instructions()[stage.from];
        let before = Arc::new(self.global.clone());
        let mut words = Words::default();
        let Some(from) = from_of(&instruction.kind) else {
            return From {
                evaluated: words.evaluated(before),
                base: BaseImage::Unknown,
                platform: None,
                platform_variables: BTreeSet::new(),
            };
        };
        let escape = self.parse.escape();
        let lookup = |name: &str| self.global_value(name);
        let platform = from.platform.as_deref().and_then(|platform| {
            let place = instruction.flags.first().map(|flag| &flag.range);
            let place = place.unwrap_or(&instruction.range);
            let value = words.expand(platform, place, escape, &lookup);
            for error in &mut words.errors {
                // With the platform as far as it got, which is nothing (BuildKit: dockerfile2llb/convert.go).
                error.message = format!(
                    "failed to process arguments for platform : {}",
                    error.message
                );
            }
            value
        });
        let platform_variables = words.variables();
        let name = words.expand(&from.base, &from.base_range, escape, &lookup);
        // A stage wins over `scratch` (BuildKit: `addState`, dockerfile2llb/convert.go).
        let base = match name.as_deref() {
            None => BaseImage::Unknown,
            Some("") => {
                let message = format!("base name ({}) should not be blank", from.base);
                let error = Diagnostic::error(from.base_range.clone(), message);
                words.errors.push(error.with_hint(
                    "give the variable a value with an ARG before the first FROM, or with --build-arg",
                ));
                BaseImage::Unknown
            }
            Some(name) => match self.graph.stage_before(name, stage.index) {
                Some(stage) => BaseImage::Stage(stage.index),
                None if name == "scratch" => BaseImage::Scratch,
                None => BaseImage::Image(name.to_owned()),
            },
        };
        words.settle_globally(&self.global, &PREDEFINED);
        self.diagnostics.append(&mut words.errors);
        From {
            evaluated: words.evaluated(before),
            base,
            platform,
            platform_variables,
        }
    }
}
