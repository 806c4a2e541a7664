//! Stages: what they start from, and what their instructions make of it.

use jettison_dockerfile::{InstructionKind, Parse, Platform, Scope, Stage, StageGraph};
use jettison_oci::{Image, RunConfig};
use serde_json::Value;

use crate::lower::arguments::Arguments;
use crate::lower::contexts::Contexts;
use crate::lower::path;
use crate::lower::request::{LowerRequest, NamedContext};
use crate::lower::words::expand;
use crate::lower::{DEFAULT_PATH, Files, LowerError, Lowering, Place, StageState, makes_a_step};
use crate::plan::Input;

/// Marks the stages that named contexts take the places of (BuildKit: `buildDispatchStates`).
pub(super) fn replace_stages(
    graph: &mut StageGraph,
    parse: &Parse,
    request: &LowerRequest,
    contexts: &Contexts<'_>,
) {
    // What is wrong with the arguments is said elsewhere.
    let Ok(arguments) = Arguments::new(parse, graph, request) else {
        return;
    };
    for stage in &mut graph.stages {
        let platform = stage_platform(stage, parse, &arguments);
        let platform = platform.ok().flatten();
        let platform = platform.as_ref().unwrap_or(request.platform());
        let name = stage.name.as_deref();
        stage.is_replaced = name.is_some_and(|name| contexts.find(name, platform).is_some());
    }
}

/// The platform that a stage's `FROM` asks for, if it does.
fn stage_platform(
    stage: &Stage,
    parse: &Parse,
    arguments: &Arguments,
) -> Result<Option<Platform>, String> {
    let InstructionKind::From(from) = &parse.instructions()[stage.from].kind else {
        return Ok(None);
    };
    let Some(written) = &from.platform else {
        return Ok(None);
    };
    let lookup = |name: &str| arguments.global.get(name).cloned();
    let text = expand(written, parse.escape(), &lookup)
        .map_err(|problem| format!("failed to process arguments for platform : {problem}"))?;
    if text.is_empty() {
        return Err(format!("empty platform value from expression {written}"));
    }
    let host = lookup("BUILDARCH").unwrap_or_default();
    let platform = Platform::parse(&text, &host)
        .map_err(|problem| format!("failed to parse platform {written}: {problem}"))?;
    Ok(Some(platform))
}

/// The platform of an image that is asked for as `request` says (BuildKit: `finalizeResultImage`).
pub(super) fn final_platform(image: &Platform, request: &LowerRequest) -> Platform {
    let Some(target) = &request.target_platform else {
        return image.normalized();
    };
    let is_same = (&target.os, &target.architecture) == (&image.os, &image.architecture);
    let choose = |target: &str, image: &str| {
        if target.is_empty() && is_same {
            image.to_owned()
        } else {
            target.to_owned()
        }
    };
    let platform = Platform {
        os: target.os.clone(),
        architecture: target.architecture.clone(),
        variant: choose(&target.variant, &image.variant),
        os_version: choose(&target.os_version, &image.os_version),
        os_features: if target.os_features.is_empty() {
            image.os_features.clone()
        } else {
            target.os_features.clone()
        },
    };
    platform.normalized()
}

/// What a stage starts from.
struct Start {
    state: StageState,
    /// The triggers that run first.
    triggers: Vec<String>,
    /// How many steps its base counts for, and how many of these are shown: an image is, a directory is not.
    origin_steps: (usize, usize),
    /// Whether it is an image, and no other stage.
    is_image: bool,
}

/// What a `FROM` names.
pub(super) enum Origin {
    /// An earlier stage.
    Stage(usize),
    /// The named context of this name, which is the stage of that name.
    ContextStage(String, String),
    /// Nothing, on a platform.
    Scratch(Platform),
    /// The named context of this name, which is a directory.
    Directory(String, Platform),
    /// One of the plan's base images.
    Image(usize, Platform),
}

impl Lowering<'_> {
    pub(super) fn stage(&mut self, index: usize) -> Result<StageState, LowerError> {
        let stage = &self.graph.stages[index];
        let mut place = self.place_of(index);
        if stage.is_replaced {
            return self.replaced(stage, place);
        }
        if let Some(name) = &stage.name
            && self
                .request
                .uncached_stages
                .iter()
                .any(|uncached| uncached.eq_ignore_ascii_case(name))
        {
            self.uncached.insert(index);
        }
        let mut start = self.from(stage, place)?;
        start.state.settle();
        let own = &self.parse.instructions()[stage.instructions.clone()];
        let n_own = own.iter().filter(|i| makes_a_step(&i.kind)).count();
        let (n_counted, position) = start.origin_steps;
        place.total = n_counted + n_own + start.triggers.len();
        self.position = position;
        if start.is_image {
            self.place_base(&start.state.files, place);
        }
        for trigger in &start.triggers {
            self.trigger(&mut start.state, trigger, place)?;
        }
        for (offset, instruction) in own.iter().enumerate() {
            let place = Place {
                instruction,
                number: stage.instructions.start + offset,
                ..place
            };
            self.instruction(&mut start.state, instruction, place)?;
        }
        Ok(start.state)
    }

    /// The platform that a stage is built for.
    fn platform_of(&self, stage: &Stage, place: Place<'_>) -> Result<Platform, LowerError> {
        let platform = stage_platform(stage, self.parse, &self.arguments)
            .map_err(|message| self.error(place, &message))?;
        Ok(platform.unwrap_or_else(|| self.request.platform().clone()))
    }

    /// The name of a stage's base, expanded.
    fn base_name(&self, place: Place<'_>) -> Result<String, LowerError> {
        let InstructionKind::From(from) = &place.instruction.kind else {
            return Err(self.error(place, "this stage does not begin with FROM"));
        };
        let lookup = |name: &str| self.arguments.global.get(name).cloned();
        let name = expand(&from.base, self.parse.escape(), &lookup)
            .map_err(|message| self.error(place, &message))?;
        if name.is_empty() {
            let message = format!("base name ({}) should not be blank", from.base);
            return Err(self.error(place, &message));
        }
        Ok(name)
    }

    /// A stage that a named context takes the place of. Its own instructions count for nothing.
    fn replaced(&mut self, stage: &Stage, place: Place<'_>) -> Result<StageState, LowerError> {
        let platform = self.platform_of(stage, place)?;
        let name = stage.name.clone().unwrap_or_default();
        let empty = StageState::empty(&platform);
        match self.contexts.find(&name, &platform) {
            Some((name, NamedContext::Directory)) => Ok(StageState {
                files: Files::Directory(name.to_owned()),
                ..empty
            }),
            Some((_, NamedContext::Image(image))) if image != "scratch" => {
                let base = self.image(image, &platform, place)?;
                let mut on = StageState::on(base, &self.plan_bases[base].image, platform);
                on.platform.clone_from(&on.image_platform);
                on.config.on_build.clear();
                Ok(on)
            }
            Some((context, NamedContext::Stage(target))) => {
                let (_, done) = self.context_stage(context, target, place)?;
                Ok(done)
            }
            Some((_, NamedContext::Image(_))) | None => Ok(empty),
        }
    }

    fn from(&mut self, stage: &Stage, place: Place<'_>) -> Result<Start, LowerError> {
        let on_nothing = |state: StageState| Start {
            state,
            triggers: Vec::new(),
            origin_steps: (0, 0),
            is_image: false,
        };
        match self.origin(stage, place)? {
            Origin::Stage(earlier) => {
                let Some(below) = self.done.get(&earlier).cloned() else {
                    return Err(self.error(place, "its base stage has not been built"));
                };
                Ok(self.on_stage(earlier, below, place))
            }
            Origin::ContextStage(context, target) => {
                let (index, below) = self.context_stage(&context, &target, place)?;
                Ok(self.on_stage(index, below, place))
            }
            Origin::Scratch(platform) => Ok(on_nothing(StageState::scratch(&platform))),
            Origin::Directory(context, platform) => {
                let input = self.input(&Files::Directory(context), place);
                let start = on_nothing(StageState {
                    files: Files::Input(input),
                    ..StageState::scratch(&platform)
                });
                Ok(Start {
                    origin_steps: (1, 0),
                    ..start
                })
            }
            Origin::Image(base, platform) => {
                let mut on = StageState::on(base, &self.plan_bases[base].image, platform);
                let triggers = std::mem::take(&mut on.config.on_build);
                Ok(Start {
                    state: on,
                    triggers,
                    origin_steps: (1, 1),
                    is_image: true,
                })
            }
        }
    }

    /// The start from another stage.
    fn on_stage(&mut self, stage: usize, below: StageState, place: Place<'_>) -> Start {
        let input = self.input(&below.files, place);
        Start {
            triggers: self.own_triggers(&self.graph.stages[stage]),
            origin_steps: (0, 0),
            is_image: false,
            state: StageState {
                files: Files::Input(input),
                cmd_was_set: false,
                ..below
            },
        }
    }

    /// Finds out what a stage's `FROM` names.
    pub(super) fn origin(&mut self, stage: &Stage, place: Place<'_>) -> Result<Origin, LowerError> {
        let name = self.base_name(place)?;
        if let Some(earlier) = self.graph.stage_before(&name, stage.index) {
            return Ok(Origin::Stage(earlier.index));
        }
        if name == "scratch" {
            // Whatever `--platform` says (BuildKit: `resolveReachableStages`).
            return Ok(Origin::Scratch(self.request.platform().clone()));
        }
        self.check_reference(&name, place)?;
        let platform = self.platform_of(stage, place)?;
        let (image, is_named) = match self.contexts.find(&name, &platform) {
            Some((context, NamedContext::Directory)) => {
                return Ok(Origin::Directory(context.to_owned(), platform));
            }
            Some((_, NamedContext::Image(image))) if image == "scratch" => {
                return Ok(Origin::Scratch(platform));
            }
            Some((context, NamedContext::Stage(target))) => {
                return Ok(Origin::ContextStage(context.to_owned(), target.clone()));
            }
            Some((_, NamedContext::Image(image))) => (image.clone(), true),
            None => (name, false),
        };
        let base = self.image(&image, &platform, place)?;
        // A named context's image is for what it says (BuildKit: `resolveBaseImage`, dockerfile2llb/convert.go).
        let platform = if is_named {
            image_platform(&self.plan_bases[base].image)
        } else {
            platform
        };
        Ok(Origin::Image(base, platform))
    }
}

impl StageState {
    /// Nothing at all.
    fn empty(platform: &Platform) -> StageState {
        StageState {
            files: Files::Input(Input::Scratch),
            platform: platform.clone(),
            image_platform: platform.clone(),
            author: None,
            config: RunConfig::default(),
            scope: Scope::global(),
            history: Vec::new(),
            cmd_was_set: false,
        }
    }

    /// BuildKit starts `FROM scratch` with a search path and `/` as working directory (`emptyImage`, image.go).
    fn scratch(platform: &Platform) -> StageState {
        let mut state = StageState::empty(platform);
        state.config.working_dir.push('/');
        state.set_default_path();
        state
    }

    /// What an image says of itself, and nothing that Docker does not know.
    fn on(base: usize, image: &Image, platform: Platform) -> StageState {
        let known = image.config();
        let mut config = known.config.clone();
        config.extra.clear();
        let is_some = |list: &Vec<String>| !list.is_empty();
        config.cmd = config.cmd.filter(is_some);
        config.entrypoint = config.entrypoint.filter(is_some);
        config.shell = config.shell.filter(is_some);
        config.stop_signal = config.stop_signal.filter(|signal| !signal.is_empty());
        let mut history = known.history.clone();
        for entry in &mut history {
            entry.extra.clear();
        }
        StageState {
            files: Files::Input(Input::Base(base)),
            platform,
            image_platform: image_platform(image),
            author: known.author.clone(),
            config,
            scope: Scope::global(),
            history,
            cmd_was_set: false,
        }
    }

    /// Makes of an image what a stage starts with: its environment, which hides arguments of the stage below, and
    /// its working directory (BuildKit: `dispatchStages`).
    fn settle(&mut self) {
        self.config.on_build.clear();
        self.set_default_path();
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let inherited: Vec<(String, String)> = self.scope.env().into_iter().map(own).collect();
        for pair in &self.config.env {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // What the stage below has set stays where it is among the variables: BuildKit sets it anew, so that a command in a
            // stage on another one would be another command than the same one in a single stage, and run again.
            let is_set = inherited.contains(&own((name, value)));
            if !is_set || self.scope.lookup(name) != Some(value) {
                self.scope.set_env(name, value);
            }
        }
        let directory = self.config.working_dir.clone();
        if !directory.is_empty() {
            self.config.working_dir = path::working_dir(&directory, &directory);
            if self.platform.os == "windows" {
                self.config.working_dir = self.config.working_dir.replace('/', r"\");
            }
        }
    }

    fn set_default_path(&mut self) {
        let has_path = |pair: &String| pair == "PATH" || pair.starts_with("PATH=");
        if self.platform.os != "windows" && !self.config.env.iter().any(has_path) {
            self.config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
    }

    /// The working directory, which is the root if nothing else is said.
    pub(super) fn working_dir(&self) -> &str {
        match self.config.working_dir.as_str() {
            "" => "/",
            directory => directory,
        }
    }
}

/// What an image says that it is for.
fn image_platform(image: &Image) -> Platform {
    let known = image.config();
    let text = |key: &str| {
        let value = known.extra.get(key).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let features = known.extra.get("os.features").and_then(Value::as_array);
    let features = features.into_iter().flatten().filter_map(Value::as_str);
    Platform {
        os: known.os.clone(),
        os_version: text("os.version"),
        os_features: features.map(str::to_owned).collect(),
        architecture: known.architecture.clone(),
        variant: known.variant.clone().unwrap_or_default(),
    }
}
