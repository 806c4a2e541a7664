//! What stands before a stage: global arguments and the stage's `FROM`, which sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluate::place::{Place, Spot};
use crate::evaluate::words::{Expanded, Site, Words};
use crate::evaluate::{BaseImage, Evaluated, Walk};
use crate::instruction::{FromInstruction, InstructionKind};
use crate::platform::Platform;
use crate::quote::quoted;
use crate::refusal::reference_problem;
use crate::stage::{Stage, from_of};
use crate::suggest::closest;
use crate::text::TextRange;

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
                self.global.leave_all_open();
                continue;
            };
            let before = Arc::new(self.global.clone());
            let mut words = Words::default();
            for declaration in declarations {
                let mut is_open = false;
                let value = match (self.given_argument(&declaration.name), &declaration.default) {
                    (Some(value), _) => Some(value.clone()),
                    (None, None) => None,
                    (None, Some(default)) => {
                        let place = Place::of(instruction, self.parse.text());
                        let expanded = self.with_global_site(place, |site| {
                            words.expand(default, Spot::At(&declaration.range), site)
                        });
                        is_open = expanded.as_ref().is_none_or(|expanded| !expanded.is_known);
                        expanded.map(|expanded| expanded.text)
                    }
                };
                words.settle(&self.global);
                self.global.declare(declaration, value.as_deref());
                if is_open {
                    self.global.leave_open(&declaration.name);
                }
            }
            self.problems.globals.append(&mut words.errors);
            uses.push(words.evaluated(before));
        }
        uses
    }

    /// Gives what words see before the first stage.
    fn with_global_site<T>(&self, place: Place<'_>, with: impl FnOnce(&Site<'_>) -> T) -> T {
        with(&Site {
            place,
            escape: self.parse.escape(),
            value: &|name| self.global_value(name),
            is_open: &|name| self.is_global_open(name),
            late: &|_| None,
        })
    }

    /// Says whether a name may have another value before the first stage than it seems: it depends on what is not
    /// known, or is predefined and the caller does not say how.
    pub(super) fn is_global_open(&self, name: &str) -> bool {
        self.global.is_open(name)
            || (PREDEFINED.contains(&name) && self.global_value(name).is_none())
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
        let target = self.graph.stages.get(self.target.position(self.graph));
        match target.and_then(|stage| stage.name.clone()) {
            // BuildKit: `toDispatchState`, dockerfile2llb/convert.go.
            Some(target) if name == "TARGETSTAGE" && value == "default" => Some(target),
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
        let place = Place::of(instruction, self.parse.text());
        let platform = self.platform(from, place, &mut words);
        let platform_variables = words.variables();
        // The base is looked at first, whatever comes first in the text.
        let mut of_platform = std::mem::take(&mut words.errors);
        let spot = Spot::At(&from.base_range);
        let name = self.with_global_site(place, |site| words.expand(&from.base, spot, site));
        let base = self.base(stage, name, from, &mut words);
        words.settle_globally(&self.global, &PREDEFINED);
        self.problems.froms.append(&mut words.errors);
        self.problems.froms.append(&mut of_platform);
        From {
            evaluated: words.evaluated(before),
            base,
            platform,
            platform_variables,
        }
    }

    /// What a stage starts from.
    // A stage wins over `scratch` (BuildKit: `addState`, dockerfile2llb/convert.go).
    fn base(
        &mut self,
        stage: &Stage,
        name: Option<Expanded>,
        from: &FromInstruction,
        words: &mut Words,
    ) -> BaseImage {
        let Some(Expanded { text, is_known, .. }) = name else {
            return BaseImage::Unknown;
        };
        if text.is_empty() {
            let message = format!("base name ({}) should not be blank", from.base);
            let error = Diagnostic::error(from.base_range.clone(), message);
            let hint =
                "give the variable a value with an ARG before the first FROM, or with --build-arg";
            words.errors.extend(is_known.then(|| error.with_hint(hint)));
            return BaseImage::Unknown;
        }
        match self.graph.stage_before(&text, stage.index) {
            Some(stage) => BaseImage::Stage(stage.index),
            None if text == "scratch" => BaseImage::Scratch,
            None => {
                if is_known {
                    let error = reference_error(&text, &from.base_range);
                    self.problems.references.extend(error);
                }
                BaseImage::Image(text)
            }
        }
    }

    /// Expands the platform and looks at it.
    fn platform(
        &self,
        from: &FromInstruction,
        place: Place<'_>,
        words: &mut Words,
    ) -> Option<String> {
        let written = from.platform.as_deref()?;
        let range = place.exact(Spot::Flag("platform"));
        let expanded =
            self.with_global_site(place, |site| words.expand(written, Spot::At(&range), site));
        let Some(Expanded { text, is_known, .. }) = expanded else {
            for error in &mut words.errors {
                // With the platform as far as it got, which is nothing (BuildKit: dockerfile2llb/convert.go).
                error.message = format!(
                    "failed to process arguments for platform : {}",
                    error.message
                );
            }
            return None;
        };
        let message = match text.as_str() {
            "" => Some(format!("empty platform value from expression {written}")),
            text => Platform::parse(text, "")
                .err()
                .map(|problem| format!("failed to parse platform {written}: {problem}")),
        };
        if let Some(message) = message.filter(|_| is_known) {
            let error = Diagnostic::error(range, message);
            words.errors.push(self.with_closest_names(error, words));
        }
        Some(text)
    }

    /// Adds what the variables without a value may have meant to be.
    fn with_closest_names(&self, error: Diagnostic, words: &Words) -> Diagnostic {
        let declared = self.global.names().map(str::to_owned);
        let predefined = PREDEFINED.iter().map(|name| (*name).to_owned());
        let names: Vec<String> = declared.chain(predefined).collect();
        words.unset_names().fold(error, |error, name| {
            match closest(name, names.iter().map(String::as_str)) {
                Some(name) => error.with_hint(format!("did you mean `{name}`?")),
                None => error,
            }
        })
    }
}

/// Says that a name cannot be one of an image (BuildKit: `resolveBaseImage`, dockerfile2llb/convert.go).
pub(super) fn reference_error(name: &str, place: &TextRange) -> Option<Diagnostic> {
    let problem = reference_problem(name)?;
    let message = format!("failed to parse stage name {}: {problem}", quoted(name));
    Some(Diagnostic::error(place.clone(), message))
}
