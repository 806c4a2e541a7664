//! Following a Dockerfile from its first instruction to its last without building it.
//!
//! Every instruction is paired with the [`Scope`] that it finds and with its words as BuildKit would expand
//! them. Images are not pulled: what a base sets is known only if the caller knows it.

mod mount;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::instruction::{
    ArgDeclaration, FromInstruction, Healthcheck, Instruction, InstructionKind,
};
use crate::parser::Parse;
use crate::scope::{KnownImage, Scope};
use crate::stage::{Stage, StageGraph, from_of};
use crate::text::TextRange;

pub(crate) use crate::evaluate::words::Words;

/// What a build is given from outside.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// `--build-arg`, and the predefined platform arguments.
    pub args: &'a BTreeMap<String, String>,
    /// What is known of the image that a reference names.
    pub images: &'a dyn Fn(&str) -> Option<KnownImage>,
}

impl std::fmt::Debug for Given<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Given")
            .field("args", self.args)
            .finish_non_exhaustive()
    }
}

/// The arguments that every `FROM` sees without an `ARG`.
///
/// See <https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope>.
pub(crate) const PREDEFINED: [&str; 11] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETSTAGE",
];

/// The values of the predefined arguments for a build on and for one platform.
pub fn platform_args(os: &str, architecture: &str) -> BTreeMap<String, String> {
    let value = |name: &str| match name
        .trim_start_matches("TARGET")
        .trim_start_matches("BUILD")
    {
        "PLATFORM" => format!("{os}/{architecture}"),
        "OS" => os.to_owned(),
        "ARCH" => architecture.to_owned(),
        "STAGE" => "default".to_owned(),
        _ => String::new(),
    };
    PREDEFINED
        .iter()
        .map(|&name| (name.to_owned(), value(name)))
        .collect()
}

/// The values of the global scope, and what the `FROM` instructions and global `ARG`s use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The global build arguments in order, predefined ones not included.
    pub globals: Vec<(String, Option<String>)>,
    /// What each global `ARG` uses, in order.
    pub global_uses: Vec<Evaluated>,
    /// The stages, as in the graph.
    pub stages: Vec<StageEvaluation>,
    /// The platform that the build is for, if it is known.
    pub target_platform: Option<String>,
    /// Words that cannot be expanded.
    pub diagnostics: Vec<Diagnostic>,
}

/// A stage, followed to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEvaluation {
    /// What its `FROM` means.
    pub base: BaseImage,
    /// `--platform`, expanded.
    pub platform: Option<String>,
    /// The words of its `FROM`: the platform if there is one, and the base.
    pub from: Evaluated,
    /// Its instructions among those of the file.
    pub instructions: Range<usize>,
    /// The same instructions, evaluated.
    pub evaluated: Vec<Evaluated>,
    /// What is in force after its last instruction.
    pub end: Arc<Scope>,
    /// The triggers that it leaves to images and stages on top of it.
    pub triggers: Vec<InstructionKind>,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseImage {
    /// Nothing.
    Scratch,
    /// An earlier stage, by its position.
    Stage(usize),
    /// An image, or a named context, as the expanded text names it.
    Image(String),
    /// The `FROM` is broken.
    Unknown,
}

/// An instruction with what it finds and what its words become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// What it finds.
    pub before: Arc<Scope>,
    /// Its words that are subject to expansion, expanded, in the order of the text.
    pub words: Vec<String>,
    /// The names of variables in them that have a value.
    pub matched: BTreeSet<String>,
    /// The names of variables in them that have none, and no alternative in the word.
    pub unmatched: BTreeSet<String>,
}

/// Follows a Dockerfile.
pub fn evaluate(parse: &Parse, graph: &StageGraph, given: &Given<'_>) -> Evaluation {
    let mut walk = Walk {
        parse,
        graph,
        given,
        global: Scope {
            env: Vec::new(),
            variables: BTreeMap::new(),
            ..Scope::on_scratch()
        },
        diagnostics: Vec::new(),
    };
    let global_uses = walk.global_args();
    let mut stages: Vec<StageEvaluation> = Vec::new();
    for stage in &graph.stages {
        let evaluated = walk.stage(stage, &stages);
        stages.push(evaluated);
    }
    Evaluation {
        globals: walk.global.args,
        global_uses,
        stages,
        target_platform: given.args.get("TARGETPLATFORM").cloned(),
        diagnostics: walk.diagnostics,
    }
}

struct Walk<'a> {
    parse: &'a Parse,
    graph: &'a StageGraph,
    given: &'a Given<'a>,
    /// Declared global arguments.
    global: Scope,
    diagnostics: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn global_args(&mut self) -> Vec<Evaluated> {
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
                let value = match self.given_value(declaration) {
                    Some(value) => Some(value),
                    None => declaration.default.as_deref().and_then(|default| {
                        let global = &self.global;
                        words.expand(default, &declaration.range, self.parse.escape(), &|name| {
                            self.global_value(global, name)
                        })
                    }),
                };
                self.global.declare(declaration, value);
            }
            self.diagnostics.append(&mut words.errors);
            uses.push(words.evaluated(before));
        }
        uses
    }

    /// The value of a name before the first stage: declared, given or predefined.
    fn global_value(&self, global: &Scope, name: &str) -> Option<String> {
        let declared = global.lookup(name).map(str::to_owned);
        declared.or_else(|| {
            let is_predefined = ["TARGET", "BUILD"]
                .iter()
                .any(|side| name.starts_with(side));
            is_predefined
                .then(|| self.given.args.get(name).cloned())
                .flatten()
        })
    }

    fn stage(&mut self, stage: &Stage, earlier: &[StageEvaluation]) -> StageEvaluation {
        let instructions = self.parse.instructions();
        let from = from_of(&instructions[stage.from].kind);
        let (from_evaluated, base, platform) = self.from(stage, from);
        let mut scope = match &base {
            BaseImage::Scratch => Scope::on_scratch(),
            BaseImage::Stage(index) => (*earlier[*index].end).clone(),
            BaseImage::Image(reference) => match (self.given.images)(reference) {
                Some(image) => Scope::on_image(image),
                None => Scope::on_unknown_image(),
            },
            BaseImage::Unknown => Scope::on_unknown_image(),
        };
        if let BaseImage::Stage(index) = &base {
            for trigger in &earlier[*index].triggers {
                let mut words = Words::default();
                self.apply(trigger, &mut scope, &mut words, &(0..0));
            }
        }
        let mut scope = Arc::new(scope);
        let mut evaluated = Vec::new();
        let mut triggers = Vec::new();
        for instruction in &instructions[stage.instructions.clone()] {
            let before = Arc::clone(&scope);
            let mut words = Words::default();
            if changes_scope(&instruction.kind) {
                let scope = Arc::make_mut(&mut scope);
                self.apply(&instruction.kind, scope, &mut words, &instruction.range);
            } else {
                self.expand(instruction, &before, &mut words);
            }
            if let InstructionKind::Onbuild(onbuild) = &instruction.kind {
                triggers.push((*onbuild.trigger).clone());
            }
            self.diagnostics.append(&mut words.errors);
            evaluated.push(words.evaluated(before));
        }
        StageEvaluation {
            base,
            platform,
            from: from_evaluated,
            instructions: stage.instructions.clone(),
            evaluated,
            end: scope,
            triggers,
        }
    }

    fn from(
        &mut self,
        stage: &Stage,
        from: Option<&FromInstruction>,
    ) -> (Evaluated, BaseImage, Option<String>) {
        let before = Arc::new(self.global.clone());
        let mut words = Words::default();
        let Some(from) = from else {
            return (words.evaluated(before), BaseImage::Unknown, None);
        };
        let escape = self.parse.escape();
        let global = &self.global;
        let lookup = |name: &str| self.global_value(global, name);
        let platform = from.platform.as_deref().and_then(|platform| {
            let place = &self.parse.instructions()[stage.from].range;
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
        let name = words.expand(&from.base, &from.base_range, escape, &lookup);
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
        self.diagnostics.append(&mut words.errors);
        (words.evaluated(before), base, platform)
    }

    /// Applies an instruction that changes what later ones find.
    fn apply(
        &self,
        kind: &InstructionKind,
        scope: &mut Scope,
        words: &mut Words,
        place: &TextRange,
    ) {
        let escape = self.parse.escape();
        match kind {
            InstructionKind::Env(pairs) => {
                // All words see the values from before the instruction.
                let before = scope.clone();
                let lookup = |name: &str| before.lookup(name).map(str::to_owned);
                for pair in pairs {
                    let key = words.expand(&pair.key, &pair.key_range, escape, &lookup);
                    let value = words.expand(&pair.value, &pair.value_range, escape, &lookup);
                    if let (Some(key), Some(value)) = (key, value) {
                        scope.set_env(key, value);
                    }
                }
            }
            InstructionKind::Arg(declarations) => {
                for declaration in declarations {
                    let value = self.argument(declaration, scope, words);
                    scope.declare(declaration, value);
                }
            }
            InstructionKind::Workdir(path) => {
                let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
                if let Some(path) = words.expand(path, place, escape, &lookup) {
                    scope.working_dir = scope.working_dir.join(&path);
                }
            }
            InstructionKind::User(user) => {
                let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
                scope.user = words.expand(user, place, escape, &lookup);
            }
            InstructionKind::Shell(argv) => scope.shell = Some(argv.clone()),
            InstructionKind::From(_)
            | InstructionKind::Run(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Label(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Expose(_)
            | InstructionKind::Volume(_)
            | InstructionKind::Stopsignal(_)
            | InstructionKind::Healthcheck(Healthcheck::None | Healthcheck::Command(_))
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {}
        }
    }

    /// The value that the caller gives to an argument. The predefined ones are no more than defaults.
    fn given_value(&self, declaration: &ArgDeclaration) -> Option<String> {
        let is_predefined = PREDEFINED.contains(&declaration.name.as_str());
        let is_declared = self.global.declares(&declaration.name);
        if is_predefined && (is_declared || declaration.default.is_some()) {
            return None;
        }
        self.given.args.get(&declaration.name).cloned()
    }

    /// The value of an argument that a stage declares: given, its default, or the global one.
    fn argument(
        &self,
        declaration: &ArgDeclaration,
        scope: &Scope,
        words: &mut Words,
    ) -> Option<String> {
        if let Some(value) = self.given_value(declaration) {
            return Some(value);
        }
        match &declaration.default {
            Some(default) => {
                let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
                words.expand(default, &declaration.range, self.parse.escape(), &lookup)
            }
            None => self.global.lookup(&declaration.name).map(str::to_owned),
        }
    }

    /// Expands the words of an instruction that changes nothing for later ones.
    fn expand(&self, instruction: &Instruction, scope: &Scope, words: &mut Words) {
        let escape = self.parse.escape();
        let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
        words.instruction(instruction, escape, &lookup);
    }
}

fn changes_scope(kind: &InstructionKind) -> bool {
    matches!(
        kind,
        InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_)
    )
}
