//! Following a Dockerfile from its first instruction to its last without building it.
//!
//! Every instruction is paired with the [`Scope`] that it finds and with its words as BuildKit would expand
//! them. Images are not pulled: what a base sets is known only if the caller knows it.

mod global;
mod mount;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::instruction::{
    ArgDeclaration, Healthcheck, InstructionKind, OnbuildInstruction, mount_fields,
};
use crate::parser::Parse;
use crate::scope::{KnownImage, Scope};
use crate::source_text::SourceText;
use crate::stage::{Stage, StageGraph};
use crate::text::TextRange;

pub(crate) use crate::evaluate::global::PREDEFINED;
use crate::evaluate::words::Place;
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

/// The arguments that are predefined, with their values for a build on and for one platform.
///
/// See <https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope>.
pub fn platform_args(os: &str, architecture: &str) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for side in ["TARGET", "BUILD"] {
        args.insert(format!("{side}PLATFORM"), format!("{os}/{architecture}"));
        args.insert(format!("{side}OS"), os.to_owned());
        args.insert(format!("{side}OSVERSION"), String::new());
        args.insert(format!("{side}ARCH"), architecture.to_owned());
        args.insert(format!("{side}VARIANT"), String::new());
    }
    args.insert("TARGETSTAGE".to_owned(), "default".to_owned());
    args
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
    /// The values of the predefined arguments, as far as the caller knows them.
    pub predefined: BTreeMap<String, String>,
    /// What the caller knows of the images that the Dockerfile names, by their names.
    pub images: BTreeMap<String, KnownImage>,
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
    /// The names of the variables in `--platform`, with or without a value.
    pub platform_variables: BTreeSet<String>,
    /// The words of its `FROM`: the platform if there is one, and the base.
    pub from: Evaluated,
    /// What the triggers of the stage that it is `FROM` do in it, in order, before its own instructions.
    pub triggered: Vec<Triggered>,
    /// Its instructions among those of the file.
    pub instructions: Range<usize>,
    /// The same instructions, evaluated.
    pub evaluated: Vec<Evaluated>,
    /// What is in force after its last instruction.
    pub end: Arc<Scope>,
    /// The triggers that it leaves to images and stages on top of it.
    pub triggers: Vec<OnbuildInstruction>,
}

/// An instruction that a stage gets from the stage that it is `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggered {
    /// The `ONBUILD` that it comes from.
    pub onbuild: OnbuildInstruction,
    /// What it finds, and what its words become.
    pub evaluated: Evaluated,
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
    /// The same for each word on its own, in the order of the words.
    pub unset: Vec<UnsetVariable>,
}

/// A variable without a value that a word uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsetVariable {
    /// Its name.
    pub name: String,
    /// Where the word is, or the whole instruction.
    pub place: TextRange,
    /// Says whether an `ARG` declares it.
    pub is_declared: bool,
    /// The name with a value that is most like it, if one is.
    pub closest: Option<String>,
}

/// Follows a Dockerfile.
pub fn evaluate(parse: &Parse, graph: &StageGraph, given: &Given<'_>) -> Evaluation {
    let mut walk = Walk {
        parse,
        graph,
        given,
        global: Scope::global(),
        images: BTreeMap::new(),
        needed: needed(parse, graph, given),
        diagnostics: Vec::new(),
    };
    let global_uses = walk.global_args();
    let mut stages: Vec<StageEvaluation> = Vec::new();
    for stage in &graph.stages {
        let evaluated = walk.stage(stage, &stages);
        stages.push(evaluated);
    }
    let predefined = walk.predefined();
    Evaluation {
        globals: walk
            .global
            .declarations()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
            .collect(),
        global_uses,
        stages,
        target_platform: given.args.get("TARGETPLATFORM").cloned(),
        predefined,
        images: walk.images,
        diagnostics: walk.diagnostics,
    }
}

/// The stages that the last one needs, or all of them if that cannot be told.
fn needed(parse: &Parse, graph: &StageGraph, given: &Given<'_>) -> BTreeSet<usize> {
    let last = graph.stages.len().saturating_sub(1);
    let needed = graph.reachable_with(parse, last, &|name| given.args.get(name).cloned());
    match needed {
        Ok(needed) => needed.into_iter().collect(),
        Err(_) => (0..graph.stages.len()).collect(),
    }
}

struct Walk<'a> {
    parse: &'a Parse,
    graph: &'a StageGraph,
    given: &'a Given<'a>,
    /// Declared global arguments.
    global: Scope,
    images: BTreeMap<String, KnownImage>,
    /// The stages that the last one needs; only in those BuildKit runs triggers (`resolveStages`,
    /// `dockerfile2llb/convert.go`).
    needed: BTreeSet<usize>,
    diagnostics: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn stage(&mut self, stage: &Stage, earlier: &[StageEvaluation]) -> StageEvaluation {
        let instructions = self.parse.instructions();
        let from = self.from(stage);
        let mut scope = match &from.base {
            BaseImage::Scratch => Scope::on_scratch(),
            BaseImage::Stage(index) => earlier[*index].end.inherited(),
            BaseImage::Image(reference) => match self.image(reference) {
                Some(image) => Scope::on_image(image),
                None => Scope::on_unknown_image(),
            },
            BaseImage::Unknown => Scope::on_unknown_image(),
        };
        let mut triggered = Vec::new();
        if let BaseImage::Stage(index) = &from.base
            && self.needed.contains(&stage.index)
        {
            let place = &instructions[stage.from].range;
            for onbuild in &earlier[*index].triggers {
                let evaluated = self.trigger(onbuild, &mut scope, place);
                triggered.push(Triggered {
                    onbuild: onbuild.clone(),
                    evaluated,
                });
            }
        }
        let mut scope = Arc::new(scope);
        let mut evaluated = Vec::new();
        let mut triggers = Vec::new();
        for instruction in &instructions[stage.instructions.clone()] {
            let before = Arc::clone(&scope);
            let mut words = Words::default();
            words.base_may_set = !before.knows_base_env;
            if changes_scope(&instruction.kind) {
                let scope = Arc::make_mut(&mut scope);
                self.apply(&instruction.kind, scope, &mut words, &instruction.range);
            } else {
                self.expand(&instruction.kind, &before, &mut words, instruction.into());
            }
            if let InstructionKind::Onbuild(onbuild) = &instruction.kind {
                triggers.push(OnbuildInstruction::clone(onbuild));
            }
            for name in named_images(&instruction.kind) {
                if self.graph.find(&name).is_none() {
                    self.image(&name);
                }
            }
            self.diagnostics.append(&mut words.errors);
            evaluated.push(words.evaluated(before));
        }
        StageEvaluation {
            base: from.base,
            platform: from.platform,
            platform_variables: from.platform_variables,
            from: from.evaluated,
            triggered,
            instructions: stage.instructions.clone(),
            evaluated,
            end: scope,
            triggers,
        }
    }

    /// Follows a trigger, which finds `scope` and may change it.
    fn trigger(
        &mut self,
        onbuild: &OnbuildInstruction,
        scope: &mut Scope,
        place: &TextRange,
    ) -> Evaluated {
        let before = Arc::new(scope.clone());
        let mut words = Words::default();
        words.base_may_set = !before.knows_base_env;
        if changes_scope(&onbuild.trigger) {
            self.apply(&onbuild.trigger, scope, &mut words, place);
        } else {
            let place = Place {
                range: place,
                flags: &[],
            };
            self.expand(&onbuild.trigger, scope, &mut words, place);
        }
        self.diagnostics.append(&mut words.errors);
        words.evaluated(before)
    }

    /// What the caller knows of an image.
    fn image(&mut self, reference: &str) -> Option<KnownImage> {
        let image = (self.given.images)(reference)?;
        self.images.insert(reference.to_owned(), image.clone());
        Some(image)
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
                        scope.set_env(&key, &value);
                    }
                }
                words.settle(&before);
            }
            InstructionKind::Arg(declarations) => {
                for declaration in declarations {
                    let value = self.argument(declaration, scope, words);
                    words.settle(scope);
                    scope.declare(declaration, value.as_deref());
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
        words.settle(scope);
    }

    /// The value of an argument that a stage declares: given, its default, or the global one.
    fn argument(
        &self,
        declaration: &ArgDeclaration,
        scope: &Scope,
        words: &mut Words,
    ) -> Option<String> {
        let name = &declaration.name;
        if let Some(value) = self.given_argument(name) {
            return Some(value.clone());
        }
        match &declaration.default {
            Some(default) => {
                let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
                words.expand(default, &declaration.range, self.parse.escape(), &lookup)
            }
            None => self.global_value(name),
        }
    }

    /// Expands the words of an instruction that changes nothing for later ones.
    fn expand(&self, kind: &InstructionKind, scope: &Scope, words: &mut Words, place: Place<'_>) {
        let escape = self.parse.escape();
        let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
        words.instruction(kind, place, escape, &lookup);
        words.settle(scope);
    }
}

/// The names that an instruction takes files from: stages, named contexts and images.
fn named_images(kind: &InstructionKind) -> Vec<String> {
    match kind {
        InstructionKind::Copy(copy) => copy.from.iter().map(SourceText::to_string).collect(),
        InstructionKind::Run(run) => {
            let fields = run
                .mounts
                .iter()
                .flat_map(|mount| mount_fields(mount).unwrap_or_default());
            let from = fields.filter(|field| field.key == "from");
            from.filter_map(|field| field.value).collect()
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
