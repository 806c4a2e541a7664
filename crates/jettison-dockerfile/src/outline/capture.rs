//! What each stage declares, uses and mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::evaluate::{BaseImage, Evaluation, Given, StageEvaluation, evaluate};
use crate::expand::{expand, expand_with_matches};
use crate::instruction::{
    ArgDeclaration, CopyInstruction, Instruction, InstructionKind, RunInstruction, mount_fields,
};
use crate::keyword::Keyword;
use crate::outline::{OutlineArg, OutlineMount, description};
use crate::parser::Parse;
use crate::scope::Scope;
use crate::stage::{Stage, StageGraph};

/// What a Dockerfile declares and uses.
#[derive(Debug)]
pub(super) struct Captures {
    /// The arguments before the first stage.
    pub(super) globals: BTreeMap<String, Argument>,
    /// The stages, in order.
    pub(super) stages: Vec<Capture>,
}

/// A declared argument.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) outline: OutlineArg,
    /// The names that its default uses.
    pub(super) depends_on: BTreeSet<String>,
}

/// What one stage declares, uses and mounts.
#[derive(Debug, Default)]
pub(super) struct Capture {
    /// The stage that it is `FROM`.
    pub(super) base: Option<usize>,
    /// The stages that it takes files from.
    pub(super) needs: Vec<usize>,
    /// Its own arguments; one that only takes over a global value is none of its own.
    pub(super) declared: BTreeMap<String, Argument>,
    /// The names that its `FROM` uses.
    pub(super) from_uses: BTreeSet<String>,
    /// All names that it uses.
    pub(super) used: BTreeSet<String>,
    pub(super) secrets: Vec<OutlineMount>,
    pub(super) ssh: Vec<OutlineMount>,
}

/// Follows a Dockerfile and notes what its stages take from outside.
pub(super) fn captures(
    parse: &Parse,
    graph: &StageGraph,
    given: &Given<'_>,
    platform: &BTreeMap<String, String>,
) -> Captures {
    let mut args = platform.clone();
    args.extend(given.args.clone());
    let all_given = Given {
        args: &args,
        images: given.images,
    };
    let evaluation = evaluate(parse, graph, &all_given);
    let walk = Walk {
        parse,
        graph,
        evaluation: &evaluation,
        given: given.args,
        platform,
        has_global_value: platform
            .keys()
            .chain(
                evaluation
                    .globals
                    .iter()
                    .filter_map(|(name, value)| value.as_ref().and(Some(name))),
            )
            .map(String::as_str)
            .collect(),
    };
    Captures {
        globals: walk.globals(),
        stages: graph
            .stages
            .iter()
            .zip(&evaluation.stages)
            .map(|(stage, evaluation)| walk.stage(stage, evaluation))
            .collect(),
    }
}

struct Walk<'a> {
    parse: &'a Parse,
    graph: &'a StageGraph,
    evaluation: &'a Evaluation,
    /// What the command line gives.
    given: &'a BTreeMap<String, String>,
    platform: &'a BTreeMap<String, String>,
    /// The names that have a value before the first stage.
    has_global_value: BTreeSet<&'a str>,
}

impl Walk<'_> {
    /// BuildKit: `buildMetaArgs`.
    fn globals(&self) -> BTreeMap<String, Argument> {
        let mut globals: BTreeMap<String, Argument> = BTreeMap::new();
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        let mut values = self.evaluation.globals.iter();
        for &index in &self.graph.global_args {
            let Some(instruction) = self.parse.instructions().get(index) else {
                continue;
            };
            let InstructionKind::Arg(declarations) = &instruction.kind else {
                continue;
            };
            for declaration in declarations {
                let value = values.next().and_then(|(_, value)| value.as_deref());
                let depends_on = self.dependencies(declaration, &known, &globals);
                // A predefined value is no default of the declaration.
                let is_own =
                    declaration.default.is_some() || self.given.contains_key(&declaration.name);
                let argument = Argument {
                    depends_on,
                    ..argument(instruction, declaration, value.filter(|_| is_own))
                };
                globals.insert(declaration.name.clone(), argument);
                if let Some(value) = value {
                    known.insert(&declaration.name, value);
                }
            }
        }
        globals
    }

    /// The names that a global default uses. One that uses the former value of its own name uses what that one
    /// used.
    fn dependencies(
        &self,
        declaration: &ArgDeclaration,
        known: &BTreeMap<&str, &str>,
        globals: &BTreeMap<String, Argument>,
    ) -> BTreeSet<String> {
        let (Some(default), false) = (
            &declaration.default,
            self.given.contains_key(&declaration.name),
        ) else {
            return BTreeSet::new();
        };
        let lookup = |name: &str| {
            let known = known.get(name).map(|value| (*value).to_owned());
            known.or_else(|| self.platform.get(name).cloned())
        };
        let Ok(expansion) = expand_with_matches(default, self.parse.escape(), &lookup) else {
            return BTreeSet::new();
        };
        let mut names = expansion.matched;
        if names.remove(&declaration.name)
            && let Some(former) = globals.get(&declaration.name)
        {
            names.extend(former.depends_on.iter().cloned());
        }
        names
    }

    fn stage(&self, stage: &Stage, evaluation: &StageEvaluation) -> Capture {
        let from_uses = evaluation.from.matched.clone();
        let mut capture = Capture {
            base: match evaluation.base {
                BaseImage::Stage(index) => Some(index),
                BaseImage::Scratch | BaseImage::Image(_) | BaseImage::Unknown => None,
            },
            used: from_uses.clone(),
            from_uses,
            ..Capture::default()
        };
        self.triggers(stage, evaluation, &mut capture);
        let instructions = &self.parse.instructions()[evaluation.instructions.clone()];
        for (position, (instruction, now)) in
            instructions.iter().zip(&evaluation.evaluated).enumerate()
        {
            let after = evaluation
                .evaluated
                .get(position + 1)
                .map_or(&evaluation.end, |next| &next.before);
            let place = Place {
                instruction,
                stage,
                before: &now.before,
            };
            self.follow(place, &instruction.kind, after, &mut capture);
        }
        capture
    }

    /// What the base stage left for this one counts as if it stood at the `FROM` (BuildKit: `initOnBuildTriggers`).
    fn triggers(&self, stage: &Stage, evaluation: &StageEvaluation, capture: &mut Capture) {
        let first = evaluation
            .evaluated
            .first()
            .map_or(&evaluation.end, |first| &first.before);
        for (position, triggered) in evaluation.triggered.iter().enumerate() {
            let after = evaluation
                .triggered
                .get(position + 1)
                .map_or(first, |next| &next.evaluated.before);
            let place = Place {
                instruction: &self.parse.instructions()[stage.from],
                stage,
                before: &triggered.evaluated.before,
            };
            self.follow(place, &triggered.onbuild.trigger, after, capture);
        }
    }

    /// Notes what an instruction declares, takes and mounts.
    fn follow(
        &self,
        place: Place<'_>,
        kind: &InstructionKind,
        after: &Scope,
        capture: &mut Capture,
    ) {
        let InstructionKind::Arg(declarations) = kind else {
            self.take(place, kind, capture);
            return;
        };
        let known = place.before.n_declarations();
        for (position, declaration) in declarations.iter().enumerate() {
            let value = after.declared_value(known + position);
            self.declare(place, declaration, value, capture);
        }
    }

    /// BuildKit: `dispatchArg`.
    fn declare(
        &self,
        place: Place<'_>,
        declaration: &ArgDeclaration,
        value: Option<&str>,
        capture: &mut Capture,
    ) {
        let name = &declaration.name;
        capture.used.insert(name.clone());
        let is_own = declaration.default.is_some() || self.given.contains_key(name);
        if is_own || !self.has_global_value.contains(name.as_str()) {
            let argument = argument(place.instruction, declaration, value);
            capture.declared.insert(name.clone(), argument);
        }
    }

    /// Notes the stages that an instruction takes files from, and what it mounts.
    fn take(&self, place: Place<'_>, kind: &InstructionKind, capture: &mut Capture) {
        match kind {
            InstructionKind::Copy(CopyInstruction {
                from: Some(from), ..
            }) => capture.need(self.graph.find(from), place.stage),
            InstructionKind::Run(run) => self.mounts(place, run, capture),
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
            | InstructionKind::Invalid => {}
        }
    }

    fn mounts(&self, place: Place<'_>, run: &RunInstruction, capture: &mut Capture) {
        for text in &run.mounts {
            let mount = self.mount(text, place.before);
            if let Some(from) = &mount.from {
                // Unlike in `COPY`, a number is no position (BuildKit: `detectRunMount`).
                let is_name = from.parse::<i64>().is_err();
                capture.need(self.graph.find(from).filter(|_| is_name), place.stage);
            }
            let Some((name, list)) = mount.outside(capture) else {
                continue;
            };
            if !list.iter().any(|known| known.name == name) {
                list.push(OutlineMount {
                    name,
                    is_required: mount.is_required,
                    lines: lines(place.instruction),
                });
            }
        }
    }

    fn mount(&self, text: &str, scope: &Scope) -> Mount {
        let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
        let mut mount = Mount::default();
        for field in mount_fields(text).unwrap_or_default() {
            let value = field
                .value
                .map(|value| expand(&value, self.parse.escape(), &lookup).unwrap_or(value));
            match (field.key.as_str(), value) {
                ("type", Some(value)) => mount.kind = value.to_lowercase(),
                ("from", Some(value)) => mount.from = Some(value).filter(|from| !from.is_empty()),
                ("id", Some(value)) => mount.id = value,
                ("source" | "src", Some(value)) => mount.source = value,
                ("target" | "dst" | "destination", Some(value)) => mount.target = value,
                ("required", None) => mount.is_required = true,
                ("required", Some(value)) => {
                    mount.is_required =
                        matches!(value.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True");
                }
                _ => {}
            }
        }
        mount
    }
}

/// Where an argument or a mount is met.
#[derive(Clone, Copy)]
struct Place<'a> {
    instruction: &'a Instruction,
    stage: &'a Stage,
    before: &'a Scope,
}

/// What is of interest in a mount.
#[derive(Debug, Default)]
struct Mount {
    kind: String,
    from: Option<String>,
    id: String,
    source: String,
    target: String,
    is_required: bool,
}

impl Mount {
    /// The name of a secret or an SSH agent, and the list that it belongs in (BuildKit: `dispatchSecret`,
    /// `dispatchSSH`).
    fn outside<'c>(&self, capture: &'c mut Capture) -> Option<(String, &'c mut Vec<OutlineMount>)> {
        let first = |options: [&str; 2]| {
            let found = options.into_iter().find(|option| !option.is_empty());
            found.map(str::to_owned)
        };
        match self.kind.as_str() {
            "secret" => {
                let base = || base_name(&self.target).filter(|_| !self.target.is_empty());
                let name = first([&self.source, &self.id]).or_else(base)?;
                Some((name, &mut capture.secrets))
            }
            "ssh" => Some((first([&self.id, "default"])?, &mut capture.ssh)),
            _ => None,
        }
    }
}

/// The last part of a path, as Go's `path.Base` has it.
fn base_name(path: &str) -> Option<String> {
    let last = path.trim_end_matches('/').rsplit('/').next()?;
    Some(if last.is_empty() { "/" } else { last }.to_owned())
}

impl Capture {
    /// A stage can only take files from earlier ones; anything else is an error of the build.
    fn need(&mut self, needed: Option<&Stage>, stage: &Stage) {
        let earlier = needed.filter(|needed| needed.index < stage.index);
        self.needs.extend(earlier.map(|needed| needed.index));
    }
}

fn argument(
    instruction: &Instruction,
    declaration: &ArgDeclaration,
    value: Option<&str>,
) -> Argument {
    // Comments above a `FROM` are about its stage, not about what its base declares for it.
    let is_trigger = instruction.keyword == Keyword::From;
    let description = description(instruction, Some(&declaration.name)).filter(|_| !is_trigger);
    Argument {
        outline: OutlineArg {
            name: declaration.name.clone(),
            description,
            value: value.unwrap_or_default().to_owned(),
            lines: lines(instruction),
        },
        depends_on: BTreeSet::new(),
    }
}

fn lines(instruction: &Instruction) -> RangeInclusive<usize> {
    instruction.line..=instruction.last_line
}
