//! What a build takes from outside: `--call=outline` and `--call=targets`.
//!
//! An outline lists the build arguments that a target uses, with their values, and the secrets and SSH agents that
//! its commands mount; what its base stages and the stages that it copies from use belongs to it. The rules are
//! those of BuildKit's `Outline` and `ListTargets` (dockerfile2llb/outline.go, convert.go).

mod capture;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::evaluate::Given;
use crate::instruction::Instruction;
use crate::outline::capture::{Argument, Capture, Captures, captures};
use crate::parser::Parse;
use crate::stage::{StageGraph, from_of};

/// What a build of one target takes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The name of the target, if it has one.
    pub name: Option<String>,
    /// What a comment above its `FROM` says about it.
    pub description: Option<String>,
    /// The build arguments that it uses, in the order of the text.
    pub args: Vec<OutlineArg>,
    /// The secrets that its commands mount, in the order of the text.
    pub secrets: Vec<OutlineMount>,
    /// The SSH agents that its commands mount, in the order of the text.
    pub ssh: Vec<OutlineMount>,
}

/// A build argument that a target uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineArg {
    /// Its name.
    pub name: String,
    /// What a comment above its `ARG` says about it.
    pub description: Option<String>,
    /// The value that it is given or has by default; empty if there is none.
    pub value: String,
    /// The lines of its `ARG`.
    pub lines: RangeInclusive<usize>,
}

/// A secret or an SSH agent that a target's commands mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineMount {
    /// Its ID.
    pub name: String,
    /// Says whether the build fails without it.
    pub is_required: bool,
    /// The lines of the first command that mounts it.
    pub lines: RangeInclusive<usize>,
}

/// A stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Says whether it is built if no stage is asked for.
    pub is_default: bool,
    /// What a comment above its `FROM` says about it.
    pub description: Option<String>,
    /// What its `FROM` names, as written.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// The lines of its `FROM`.
    pub lines: RangeInclusive<usize>,
}

/// Lists the stages of a Dockerfile; stages whose `FROM` is broken are left out.
pub fn targets(parse: &Parse, graph: &StageGraph) -> Vec<Target> {
    let mut targets = Vec::new();
    for stage in &graph.stages {
        let instruction = &parse.instructions()[stage.from];
        let Some(from) = from_of(&instruction.kind) else {
            continue;
        };
        targets.push(Target {
            name: stage.name.clone(),
            is_default: stage.index + 1 == graph.stages.len(),
            description: description(instruction, stage.name.as_deref()),
            base: from.base.clone(),
            platform: from.platform.clone(),
            lines: instruction.line..=instruction.last_line,
        });
    }
    targets
}

/// Outlines the build of the stage at position `target`.
///
/// `given` holds what the command line gives, `platform` what is predefined ([`platform_args`](crate::platform_args)).
pub fn outline(
    parse: &Parse,
    graph: &StageGraph,
    target: usize,
    given: &Given<'_>,
    platform: &BTreeMap<String, String>,
) -> Outline {
    // Stages after the target do not matter, and triggers run in those that the last stage needs.
    let mut needed = graph.clone();
    needed.stages.truncate(target + 1);
    let captures = captures(parse, &needed, given, platform);
    let mut outline = collect(&captures, target);
    if let Some(stage) = graph.stages.get(target) {
        outline.name.clone_from(&stage.name);
        outline.description = description(&parse.instructions()[stage.from], stage.name.as_deref());
    }
    outline.args.sort_by_key(|arg| *arg.lines.start());
    outline.secrets.sort_by_key(|secret| *secret.lines.start());
    outline.ssh.sort_by_key(|ssh| *ssh.lines.start());
    outline
}

/// What the comments above an instruction say about `name`: the first that starts with it (BuildKit:
/// `getDocComment`, instructions/parse.go).
fn description(instruction: &Instruction, name: Option<&str>) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    instruction.comments.iter().find_map(|comment| {
        let rest = comment.strip_prefix(name)?.strip_prefix(' ')?;
        Some(rest.to_owned())
    })
}

/// Gathers what a stage, the stages below it and those that it takes files from use; of several things with one
/// name the first that is met counts.
fn collect(captures: &Captures, target: usize) -> Outline {
    let mut outline = Outline {
        name: None,
        description: None,
        args: Vec::new(),
        secrets: Vec::new(),
        ssh: Vec::new(),
    };
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut bases_seen = BTreeSet::new();
    let mut waiting = vec![target];
    while let Some(index) = waiting.pop() {
        let Some(capture) = captures.stages.get(index) else {
            continue;
        };
        if !seen.insert(index) {
            continue;
        }
        let used = used(captures, index, &mut bases_seen);
        for name in closure(captures, capture, used) {
            if let Some(argument) = capture.argument(&captures.globals, &name)
                && names.insert(name.clone())
            {
                outline.args.push(argument.outline.clone());
            }
        }
        add_new(&mut outline.secrets, &capture.secrets);
        add_new(&mut outline.ssh, &capture.ssh);
        // The base comes first, then the others in the order in which they are named.
        waiting.extend(capture.needs.iter().rev());
        waiting.extend(capture.base);
    }
    outline
}

/// The names that a stage uses: its own, and those that the `FROM`s below it use.
fn used(captures: &Captures, index: usize, bases_seen: &mut BTreeSet<usize>) -> BTreeSet<String> {
    let capture = &captures.stages[index];
    let mut used = capture.used.clone();
    let mut base = capture.base;
    while let Some(below) = base
        && bases_seen.insert(below)
    {
        let below = &captures.stages[below];
        used.extend(below.from_uses.iter().cloned());
        base = below.base;
    }
    used
}

/// The names, and all names that their defaults use.
fn closure(captures: &Captures, capture: &Capture, used: BTreeSet<String>) -> BTreeSet<String> {
    let mut all = used.clone();
    let mut waiting: Vec<String> = used.into_iter().collect();
    while let Some(name) = waiting.pop() {
        let argument = capture.argument(&captures.globals, &name);
        for dependency in argument.iter().flat_map(|argument| &argument.depends_on) {
            if all.insert(dependency.clone()) {
                waiting.push(dependency.clone());
            }
        }
    }
    all
}

fn add_new(all: &mut Vec<OutlineMount>, more: &[OutlineMount]) {
    for mount in more {
        if !all.iter().any(|known| known.name == mount.name) {
            all.push(mount.clone());
        }
    }
}

impl Capture {
    /// What a name stands for in this stage: what it declares itself, else what is global.
    fn argument<'a>(
        &'a self,
        globals: &'a BTreeMap<String, Argument>,
        name: &str,
    ) -> Option<&'a Argument> {
        self.declared.get(name).or_else(|| globals.get(name))
    }
}
