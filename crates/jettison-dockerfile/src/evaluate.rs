//! Following a Dockerfile from its first instruction to its last without building it.
//!
//! Every instruction is paired with the [`Scope`] that it finds and with its words as BuildKit would expand
//! them. Images are not pulled: what a base sets is known only if the caller knows it.

mod effect;
mod epoch;
mod global;
mod instruction;
mod place;
mod sources;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity};
use crate::evaluate::effect::{changes_scope, is_broken};
use crate::evaluate::place::Place;
use crate::evaluate::words::{Late, Site, Words};
use crate::instruction::{InstructionKind, OnbuildInstruction};
use crate::parser::Parse;
use crate::platform::Platform;
use crate::scope::{KnownImage, Scope};
use crate::stage::{SourceName, Stage, StageGraph};
use crate::text::TextRange;

pub(crate) use crate::evaluate::global::PREDEFINED;
pub(crate) use crate::evaluate::place::find_word;

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
    let platform = Platform::new(os, architecture);
    platform_args_of(&platform, &platform)
}

/// The same for a build on one platform and for another (BuildKit: `defaultArgs`, dockerfile2llb/platform.go).
pub fn platform_args_of(target: &Platform, build: &Platform) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for (side, platform) in [("TARGET", target), ("BUILD", build)] {
        args.insert(format!("{side}PLATFORM"), platform.to_string());
        args.insert(format!("{side}OS"), platform.os.clone());
        args.insert(format!("{side}OSVERSION"), platform.os_version.clone());
        args.insert(format!("{side}ARCH"), platform.architecture.clone());
        args.insert(format!("{side}VARIANT"), platform.variant.clone());
    }
    args.insert("TARGETSTAGE".to_owned(), "default".to_owned());
    args
}

/// The stages that are to be built. A build does not look at those that they do not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildTarget {
    /// The stage at a position.
    Stage(usize),
    /// The last stage, but all others are looked at, too, as by `docker build --check` without a target (BuildKit:
    /// `DockerfileLint`, dockerfile2llb/convert.go).
    AllStages,
}

impl BuildTarget {
    /// The position of the stage that is built.
    fn position(self, graph: &StageGraph) -> usize {
        match self {
            BuildTarget::Stage(position) => position,
            BuildTarget::AllStages => graph.stages.len().saturating_sub(1),
        }
    }
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
    /// What a build refuses though it can be parsed, in the order in which BuildKit finds it. What is wrong with a
    /// stage that the target does not need is a warning.
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

/// Follows a Dockerfile whose last stage is built.
pub fn evaluate(parse: &Parse, graph: &StageGraph, given: &Given<'_>) -> Evaluation {
    let last = graph.stages.len().saturating_sub(1);
    evaluate_target(parse, graph, given, BuildTarget::Stage(last))
}

/// Follows a Dockerfile of which `target` is built.
pub fn evaluate_target(
    parse: &Parse,
    graph: &StageGraph,
    given: &Given<'_>,
    target: BuildTarget,
) -> Evaluation {
    let mut walk = Walk {
        parse,
        graph,
        given,
        target,
        global: Scope::global(),
        images: BTreeMap::new(),
        needed: needed(parse, graph, given, target),
        problems: Problems {
            sources: graph.source_errors(parse),
            ..Problems::default()
        },
    };
    let global_uses = walk.global_args();
    walk.epoch();
    let mut stages: Vec<StageEvaluation> = Vec::new();
    for stage in &graph.stages {
        let evaluated = walk.stage(stage, &stages);
        stages.push(evaluated);
    }
    walk.sources();
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
        diagnostics: walk.problems.into_vec(),
    }
}

/// The stages that the target needs, or all of them if that cannot be told.
fn needed(
    parse: &Parse,
    graph: &StageGraph,
    given: &Given<'_>,
    target: BuildTarget,
) -> BTreeSet<usize> {
    let target = target.position(graph);
    match graph.needed_by(parse, target, &|name| given.args.get(name).cloned()) {
        Ok(needed) => needed.into_iter().collect(),
        Err(_) => (0..graph.stages.len()).collect(),
    }
}

struct Walk<'a> {
    parse: &'a Parse,
    graph: &'a StageGraph,
    given: &'a Given<'a>,
    target: BuildTarget,
    /// Declared global arguments.
    global: Scope,
    images: BTreeMap<String, KnownImage>,
    /// The stages that the target needs; only in those BuildKit runs triggers (`resolveStages`,
    /// `dockerfile2llb/convert.go`).
    needed: BTreeSet<usize>,
    problems: Problems,
}

/// What is wrong, by the step in which BuildKit finds it; it stops at the first (`toDispatchState`,
/// dockerfile2llb/convert.go).
#[derive(Default)]
struct Problems {
    /// `ARG`s before the first stage.
    globals: Vec<Diagnostic>,
    /// `SOURCE_DATE_EPOCH`.
    epoch: Option<Diagnostic>,
    /// `FROM`s.
    froms: Vec<Diagnostic>,
    /// What instructions take files from.
    sources: Vec<Diagnostic>,
    /// Names that cannot be those of images.
    references: Vec<Diagnostic>,
    /// Triggers that cannot be read.
    triggers: Vec<Diagnostic>,
    /// Instructions of the stages that are needed.
    instructions: Vec<Diagnostic>,
    /// Instructions of the others.
    unneeded: Vec<Diagnostic>,
}

impl Problems {
    fn into_vec(self) -> Vec<Diagnostic> {
        let Problems {
            mut globals,
            epoch,
            froms,
            sources,
            references,
            triggers,
            instructions,
            unneeded,
        } = self;
        globals.extend(epoch);
        let unneeded = unneeded.into_iter().map(|problem| Diagnostic {
            severity: Severity::Warning,
            ..problem.with_hint("the target does not need this stage, and is built all the same")
        });
        let steps = [globals, froms, sources, references, triggers, instructions];
        steps.into_iter().flatten().chain(unneeded).collect()
    }
}

impl Walk<'_> {
    fn stage(&mut self, stage: &Stage, earlier: &[StageEvaluation]) -> StageEvaluation {
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
        let mut problems = Vec::new();
        let triggered = match &from.base {
            BaseImage::Stage(index) if self.needed.contains(&stage.index) => {
                let triggers = &earlier[*index].triggers;
                self.triggered(stage, triggers, &mut scope, &mut problems)
            }
            BaseImage::Stage(_) | BaseImage::Scratch | BaseImage::Image(_) | BaseImage::Unknown => {
                Vec::new()
            }
        };
        let mut scope = Arc::new(scope);
        let mut evaluated = Vec::new();
        let mut triggers = Vec::new();
        for instruction in &self.parse.instructions()[stage.instructions.clone()] {
            let before = Arc::clone(&scope);
            let mut words = Words::default();
            let place = Place::of(instruction, self.parse.text());
            if changes_scope(&instruction.kind) {
                let scope = Arc::make_mut(&mut scope);
                self.apply(&instruction.kind, scope, &mut words, place);
            } else {
                let late = |name: &SourceName| self.late(name, stage, stage.index);
                self.expand(&instruction.kind, &before, &mut words, (place, &late));
            }
            if let InstructionKind::Onbuild(onbuild) = &instruction.kind {
                triggers.push(OnbuildInstruction::clone(onbuild));
            }
            if is_broken(instruction) {
                Arc::make_mut(&mut scope).leave_all_open();
            }
            problems.append(&mut words.errors);
            evaluated.push(words.evaluated(before));
        }
        let is_built = self.needed.contains(&stage.index) && !stage.is_replaced;
        if is_built || self.target == BuildTarget::AllStages {
            self.problems.instructions.append(&mut problems);
        } else {
            self.problems.unneeded.append(&mut problems);
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

    /// Follows the triggers that a stage runs first, which find `scope` and may change it.
    fn triggered(
        &mut self,
        stage: &Stage,
        triggers: &[OnbuildInstruction],
        scope: &mut Scope,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<Triggered> {
        let place = Place::of_trigger(&self.parse.instructions()[stage.from].range);
        let mut triggered = Vec::new();
        for onbuild in triggers {
            self.read_trigger(onbuild, place.range());
            let before = Arc::new(scope.clone());
            let mut words = Words::default();
            if changes_scope(&onbuild.trigger) {
                self.apply(&onbuild.trigger, scope, &mut words, place);
            } else {
                // In the stage itself there is what it had before.
                let late = |name: &SourceName| self.late(name, stage, stage.index + 1);
                self.expand(&onbuild.trigger, scope, &mut words, (place, &late));
            }
            problems.append(&mut words.errors);
            triggered.push(Triggered {
                onbuild: onbuild.clone(),
                evaluated: words.evaluated(before),
            });
        }
        triggered
    }

    /// What the caller knows of an image.
    fn image(&mut self, reference: &str) -> Option<KnownImage> {
        let image = (self.given.images)(reference)?;
        self.images.insert(reference.to_owned(), image.clone());
        Some(image)
    }

    /// Expands the words of an instruction that changes nothing for later ones, and looks at them.
    fn expand(
        &self,
        kind: &InstructionKind,
        scope: &Scope,
        words: &mut Words,
        at: (Place<'_>, Late<'_>),
    ) {
        self.with_site(scope, at, |site| words.instruction(kind, site, scope));
        words.settle(scope);
    }

    /// Gives what the words of an instruction see.
    fn with_site<T>(
        &self,
        scope: &Scope,
        (place, late): (Place<'_>, Late<'_>),
        with: impl FnOnce(&Site<'_>) -> T,
    ) -> T {
        with(&Site {
            place,
            escape: self.parse.escape(),
            value: &|name| scope.lookup(name).map(str::to_owned),
            is_open: &|name| scope.is_open(name),
            late,
        })
    }
}
