//! What a Dockerfile does, without how it is written: two texts with equal meanings build the same image.
//!
//! The meaning is made of expanded words. Comments, case, spacing, the form of pairs, the order of labels and
//! instructions that a later one makes void are not part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::evaluate::{BaseImage, Evaluated, Evaluation, StageEvaluation};
use crate::instruction::{
    CommandForm, CopyInstruction, CopySource, Healthcheck, Instruction, InstructionKind, RunScript,
};
use crate::parser::Parse;
use crate::scope::{Scope, WorkingDirectory};
use crate::source_text::SourceText;
use crate::stage::StageGraph;

/// The label that says who made an image; `MAINTAINER` says the same in an older way.
const AUTHORS: &str = "org.opencontainers.image.authors";

/// What a Dockerfile does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    globals: Vec<(String, Option<String>)>,
    stages: Vec<StageMeaning>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StageMeaning {
    name: Option<String>,
    base: BaseImage,
    platform: Option<String>,
    /// What makes layers, in order, with what it finds.
    steps: Vec<(Surroundings, StepMeaning)>,
    image: ImageMeaning,
}

/// What a step finds.
#[derive(Debug, Clone)]
struct Surroundings {
    scope: Arc<Scope>,
}

impl PartialEq for Surroundings {
    fn eq(&self, other: &Surroundings) -> bool {
        let (left, right) = (&*self.scope, &*other.scope);
        let settings = |scope: &Scope| {
            (
                scope.working_dir.clone(),
                scope.user.clone(),
                scope.shell.clone(),
            )
        };
        let variables = |scope: &Scope| -> BTreeMap<String, String> {
            let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            scope.variables().into_iter().map(pair).collect()
        };
        settings(left) == settings(right)
            && left.env() == right.env()
            && variables(left) == variables(right)
    }
}

impl Eq for Surroundings {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum StepMeaning {
    Run {
        script: RunScript,
        mounts: Vec<String>,
        network: Option<String>,
        security: Option<String>,
        devices: Vec<String>,
    },
    Copy {
        is_add: bool,
        words: Vec<String>,
        heredocs: Vec<String>,
        from: Option<CopyFrom>,
        rest: Box<CopyInstruction>,
    },
    MakeWorkingDirectory(WorkingDirectory),
}

/// What `COPY --from` means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CopyFrom {
    Stage(usize),
    Other(String),
}

/// A setting that a base image may have made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Inherited<T> {
    #[default]
    FromBase,
    Cleared,
    Set(T),
}

/// What is written into the image's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct ImageMeaning {
    env: Vec<(String, String)>,
    working_dir: Option<WorkingDirectory>,
    user: Option<String>,
    shell: Option<Vec<String>>,
    /// The command with the shell that was in force where it was set.
    cmd: Inherited<(CommandForm, Option<Vec<String>>)>,
    entrypoint: Inherited<(CommandForm, Option<Vec<String>>)>,
    labels: BTreeMap<String, String>,
    author: Option<String>,
    ports: BTreeSet<String>,
    volumes: BTreeSet<String>,
    stop_signal: Option<String>,
    healthcheck: Option<(Healthcheck, Option<Vec<String>>)>,
    triggers: Vec<String>,
}

/// The meaning of a Dockerfile that has been followed.
pub fn meaning(parse: &Parse, graph: &StageGraph, evaluation: &Evaluation) -> Meaning {
    let mut stages: Vec<StageMeaning> = Vec::new();
    for (stage, evaluated) in graph.stages.iter().zip(&evaluation.stages) {
        let mut meaning = StageMeaning {
            name: stage.name.clone(),
            base: evaluated.base.clone(),
            // Naming the platform that the build is for says nothing.
            platform: evaluated
                .platform
                .clone()
                .filter(|platform| Some(platform) != evaluation.target_platform.as_ref()),
            steps: Vec::new(),
            image: inherited_image(&evaluated.base, &stages),
        };
        add_instructions(parse, graph, evaluated, &mut meaning);
        stages.push(meaning);
    }
    Meaning {
        globals: evaluation.globals.clone(),
        stages,
    }
}

impl Meaning {
    /// The first thing in which two meanings differ, for people; `None` if they are equal.
    pub fn difference(&self, other: &Meaning) -> Option<String> {
        if self == other {
            return None;
        }
        if self.globals != other.globals {
            return Some("the global build arguments".to_owned());
        }
        if self.stages.len() != other.stages.len() {
            return Some("the number of stages".to_owned());
        }
        let mut pairs = self.stages.iter().zip(&other.stages).enumerate();
        pairs.find_map(|(index, (before, after))| {
            let what = before.difference(after)?;
            Some(format!("{what} of stage {index}"))
        })
    }
}

/// What a container of a stage starts, as far as the file tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start<'m> {
    /// The image that the stage stands on in the end.
    pub(crate) image: Option<&'m str>,
    /// The `ENTRYPOINT`; `None` is that of the image.
    pub(crate) entrypoint: Option<&'m CommandForm>,
    /// The `CMD`; `None` if there is none, or it is that of the image.
    pub(crate) cmd: Option<&'m CommandForm>,
}

impl Meaning {
    /// The first thing in which two meanings differ, apart from starts that differ in a way that is fine.
    pub(crate) fn difference_but_for_starts(
        &self,
        other: &Meaning,
        is_fine: &dyn Fn(&Start<'_>, &Start<'_>) -> bool,
    ) -> Option<String> {
        let mut before = self.clone();
        for (index, (own, after)) in self.stages.iter().zip(&other.stages).enumerate() {
            let is_same =
                own.image.cmd == after.image.cmd && own.image.entrypoint == after.image.entrypoint;
            if !is_same && is_fine(&self.start(index), &other.start(index)) {
                let image = &mut before.stages[index].image;
                image.cmd = after.image.cmd.clone();
                image.entrypoint = after.image.entrypoint.clone();
            }
        }
        before.difference(other)
    }

    fn start(&self, index: usize) -> Start<'_> {
        let mut root = index;
        while let BaseImage::Stage(base) = self.stages[root].base
            && base < root
        {
            root = base;
        }
        let image = &self.stages[index].image;
        Start {
            image: match &self.stages[root].base {
                BaseImage::Image(reference) => Some(reference),
                BaseImage::Scratch | BaseImage::Stage(_) | BaseImage::Unknown => None,
            },
            entrypoint: image.entrypoint.form(),
            cmd: image.cmd.form(),
        }
    }
}

impl Inherited<(CommandForm, Option<Vec<String>>)> {
    fn form(&self) -> Option<&CommandForm> {
        match self {
            Inherited::Set((form, _)) => Some(form),
            Inherited::FromBase | Inherited::Cleared => None,
        }
    }
}

impl StageMeaning {
    fn difference(&self, other: &StageMeaning) -> Option<String> {
        if self == other {
            return None;
        }
        if (&self.name, &self.base, &self.platform) != (&other.name, &other.base, &other.platform) {
            return Some("the name, base or platform".to_owned());
        }
        if self.steps.len() != other.steps.len() {
            return Some("the number of steps".to_owned());
        }
        for (index, (before, after)) in self.steps.iter().zip(&other.steps).enumerate() {
            if before.0 != after.0 {
                return Some(format!(
                    "the environment, directory, user or shell at step {index}"
                ));
            }
            if before.1 != after.1 {
                return Some(format!("step {index}"));
            }
        }
        Some("the image's configuration".to_owned())
    }
}

fn inherited_image(base: &BaseImage, stages: &[StageMeaning]) -> ImageMeaning {
    match base {
        BaseImage::Stage(index) => {
            let mut image = stages[*index].image.clone();
            // Triggers run once, in the stage on top. A command that an earlier stage set counts as the base's.
            image.triggers.clear();
            image
        }
        BaseImage::Scratch | BaseImage::Image(_) | BaseImage::Unknown => ImageMeaning::default(),
    }
}

fn add_instructions(
    parse: &Parse,
    graph: &StageGraph,
    evaluated: &StageEvaluation,
    meaning: &mut StageMeaning,
) {
    let mut has_cmd = false;
    let instructions = &parse.instructions()[evaluated.instructions.clone()];
    let mut next = evaluated
        .evaluated
        .iter()
        .skip(1)
        .map(|evaluated| &evaluated.before)
        .chain([&evaluated.end]);
    for (instruction, now) in instructions.iter().zip(&evaluated.evaluated) {
        let after = next.next().unwrap_or(&evaluated.end);
        if let Some(step) = step(graph, instruction, now, after) {
            let scope = Arc::clone(&now.before);
            meaning.steps.push((Surroundings { scope }, step));
        }
        configure(instruction, now, &mut meaning.image, &mut has_cmd);
    }
    let end = &evaluated.end;
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    meaning.image.env = end.env().into_iter().map(pair).collect();
    meaning.image.working_dir = Some(end.working_dir.clone());
    meaning.image.user.clone_from(&end.user);
    meaning.image.shell.clone_from(&end.shell);
}

fn step(
    graph: &StageGraph,
    instruction: &Instruction,
    now: &Evaluated,
    after: &Arc<Scope>,
) -> Option<StepMeaning> {
    match &instruction.kind {
        InstructionKind::Run(run) => Some(StepMeaning::Run {
            script: run.script(&instruction.heredocs),
            mounts: now
                .words
                .iter()
                .map(|word| mount_word(graph, word))
                .collect(),
            network: run.network.clone().map(String::from),
            security: run.security.clone().map(String::from),
            devices: run.devices.iter().map(SourceText::to_string).collect(),
        }),
        InstructionKind::Copy(copy) => Some(copy_step(graph, copy, now, false)),
        InstructionKind::Add(copy) => Some(copy_step(graph, copy, now, true)),
        InstructionKind::Workdir(_) => {
            Some(StepMeaning::MakeWorkingDirectory(after.working_dir.clone()))
        }
        InstructionKind::From(_)
        | InstructionKind::Cmd(_)
        | InstructionKind::Entrypoint(_)
        | InstructionKind::Label(_)
        | InstructionKind::Env(_)
        | InstructionKind::Arg(_)
        | InstructionKind::Expose(_)
        | InstructionKind::Volume(_)
        | InstructionKind::User(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Stopsignal(_)
        | InstructionKind::Healthcheck(_)
        | InstructionKind::Onbuild(_)
        | InstructionKind::Maintainer(_)
        | InstructionKind::Unknown
        | InstructionKind::Invalid => None,
    }
}

/// A field of a mount; a stage that it takes files from is named by its position.
// Case does not matter and, unlike in `COPY --from`, a number is no position (BuildKit: `detectRunMount`,
// dockerfile2llb/convert_runmount.go).
fn mount_word(graph: &StageGraph, word: &str) -> String {
    let named = word
        .strip_prefix("from=")
        .filter(|name| name.parse::<i64>().is_err())
        .and_then(|name| graph.find(name));
    match named {
        Some(stage) => format!("from stage {}", stage.index),
        None => word.to_owned(),
    }
}

fn copy_step(
    graph: &StageGraph,
    copy: &CopyInstruction,
    now: &Evaluated,
    is_add: bool,
) -> StepMeaning {
    let heredocs = copy.sources.iter().filter_map(|source| match source {
        CopySource::Heredoc(heredoc) => Some(heredoc.name.clone()),
        CopySource::Path(_) => None,
    });
    let from = copy.from.as_ref().map(|from| match graph.find(from) {
        Some(stage) => CopyFrom::Stage(stage.index),
        None => CopyFrom::Other(from.to_string()),
    });
    // What is compared in its expanded form, or apart, is taken out of the rest.
    let rest = CopyInstruction {
        sources: Vec::new(),
        destination: SourceText::default(),
        from: None,
        chown: copy.chown.as_ref().map(|_| SourceText::default()),
        chmod: copy.chmod.as_ref().map(|_| SourceText::default()),
        checksum: copy.checksum.as_ref().map(|_| SourceText::default()),
        ..copy.clone()
    };
    StepMeaning::Copy {
        is_add,
        words: now.words.clone(),
        heredocs: heredocs.collect(),
        from,
        rest: Box::new(rest),
    }
}

/// Writes an instruction into the configuration.
fn configure(
    instruction: &Instruction,
    now: &Evaluated,
    image: &mut ImageMeaning,
    has_cmd: &mut bool,
) {
    let shell = || now.before.shell.clone();
    // The exec form does not depend on the shell.
    let command = |form: &CommandForm| match form {
        CommandForm::Shell(_) => (form.clone(), shell()),
        CommandForm::Exec(_) => (form.clone(), None),
    };
    match &instruction.kind {
        InstructionKind::Cmd(form) => {
            image.cmd = Inherited::Set(command(form));
            *has_cmd = true;
        }
        InstructionKind::Entrypoint(form) => {
            image.entrypoint = Inherited::Set(command(form));
            if !*has_cmd {
                image.cmd = Inherited::Cleared;
            }
        }
        InstructionKind::Label(_) => {
            for pair in now.words.chunks_exact(2) {
                if pair[0] == AUTHORS {
                    image.author = Some(pair[1].clone());
                } else {
                    image.labels.insert(pair[0].clone(), pair[1].clone());
                }
            }
        }
        InstructionKind::Maintainer(author) => image.author = Some(author.to_string()),
        InstructionKind::Expose(_) => {
            let ports = now.words.iter().map(|port| port.to_lowercase());
            image.ports.extend(ports);
        }
        InstructionKind::Volume(_) => image.volumes.extend(now.words.iter().cloned()),
        InstructionKind::Stopsignal(_) => image.stop_signal = now.words.first().cloned(),
        InstructionKind::Healthcheck(healthcheck) => {
            image.healthcheck = Some((healthcheck.clone(), shell()));
        }
        InstructionKind::Onbuild(onbuild) => image.triggers.push(onbuild.expression.clone()),
        InstructionKind::From(_)
        | InstructionKind::Run(_)
        | InstructionKind::Env(_)
        | InstructionKind::Arg(_)
        | InstructionKind::Copy(_)
        | InstructionKind::Add(_)
        | InstructionKind::User(_)
        | InstructionKind::Workdir(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Unknown
        | InstructionKind::Invalid => {}
    }
}
