//! A better build stage, proven by building it: manifests before sources, and cache mounts.
//!
//! The Dockerfile is built with the change, and the files of both builds are compared: paths, kinds, owners, modes, attributes,
//! content. What is not the same is looked for in a second build of the original's own commands, for some commands never make
//! the same twice. What is left after that is a reason to leave the change out.

use std::path::{Path, PathBuf};

use jettison_build::{Built, Definition};
use jettison_dockerfile::{
    CommandForm, Edit, EditSet, Instruction, InstructionKind, Keyword, Parse, apply, parse, stages,
};

use jettison_oci::Image;
use jettison_sandbox::Tracing;
use serde_json::Value;

use super::{OptimizeError, Run, View};
use crate::optimize::differences::{Differences, Files, differences, unexplained};
use crate::optimize::division::{before, parts};
use crate::optimize::read_set::{missed, unread};
use crate::refactor::{Caches, Command, dependencies_first, manifests_first};

/// How many paths are named where a change is left out.
const SHOWN: usize = 3;

/// The build that candidates are made from.
pub(super) struct BuildStage {
    /// The Dockerfile, with what makes it better.
    pub(super) parse: Parse,
    /// Its build; nothing if it is the original's.
    pub(super) built: Option<Built>,
    /// What was made better.
    pub(super) notes: Vec<String>,
    /// What was not, and why.
    pub(super) left_out: Vec<String>,
}

/// A change to try.
struct Trial {
    text: String,
    /// What is mounted over, so that it is not in the image.
    hidden: Vec<PathBuf>,
    reason: String,
}

/// The original's build stage, made better where that is proven.
pub(super) fn build_stage(
    run: &Run<'_>,
    original: &Built,
    view: &View,
) -> Result<BuildStage, OptimizeError> {
    let mut stage = BuildStage {
        parse: parse(run.request.build.dockerfile),
        built: None,
        notes: Vec::new(),
        left_out: Vec::new(),
    };
    let trials = trials(run, (original, view), &stage.parse)?;
    if trials.is_empty() {
        return Ok(stage);
    }
    run.observer.phase("Make later builds faster");
    let prover = Prover {
        run,
        original,
        view,
        parsed: parse(run.request.build.dockerfile),
    };
    let mut again = Again::NotTried;
    for trial in trials {
        match prover.prove(&trial, &mut again)? {
            Ok(built) => {
                stage.parse = parse(&trial.text);
                stage.built = Some(built);
                stage.notes.push(trial.reason);
                break;
            }
            Err(problem) => stage
                .left_out
                .push(format!("tried, and not done: {}: {problem}", trial.reason)),
        }
    }
    Ok(stage)
}

/// What an ignore file could leave out, as a note with what to paste; `image` is the final one.
pub(super) fn ignorable(
    run: &Run<'_>,
    built: &Built,
    image: &Image,
) -> Result<Option<String>, OptimizeError> {
    let last = run.view(image)?;
    let names = unread(&parts(built), &last.root);
    Ok((!names.is_empty()).then(|| {
        format!(
            "no command reads {}, and the final image does not have them: put these lines into .dockerignore, so that they change nothing",
            names
                .iter()
                .map(|name| format!("`**/{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        )
    }))
}

/// What can be tried, the best first.
fn trials(
    run: &Run<'_>,
    (original, view): (&Built, &View),
    parsed: &Parse,
) -> Result<Vec<Trial>, OptimizeError> {
    if stages(parsed).stages.len() != 1 || parsed.escape() != '\\' {
        return Ok(Vec::new());
    }
    let caches = caches(original, parsed);
    let edits = manifests_first(parsed, &run.request.build.lower.build_args);
    let applied = |edits: &EditSet| apply(parsed.text(), edits).ok();
    let manifests = edits.as_ref().and_then(applied);
    let starts_scripts = starts_scripts(view, original);
    let dependencies = edits.as_ref().filter(|_| starts_scripts);
    let dependencies = dependencies.and_then(dependencies_first);
    let mut trials = Vec::new();
    let mut made = caches.named_above(&original.image.config().config.env);
    if !made.is_empty()
        && let Some(base) = before(run, original, &[])?
    {
        made.retain(|path| base.root.symlink_metadata(path).is_err());
    }
    let mounts = |text: &str, reason: &str| {
        let parsed = parse(text);
        let text = apply(parsed.text(), &caches.edits(&parsed, &made)?).ok()?;
        let hidden: Vec<PathBuf> = caches.targets().cloned().collect();
        let names: Vec<String> = hidden
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Some(Trial {
            text,
            reason: format!("{reason}{} kept from build to build", names.join(", ")),
            hidden,
        })
    };
    let first = "what names the dependencies is copied before the sources, so that a change of these does not install them again";
    if let Some(text) = &manifests {
        trials.extend(mounts(text, &format!("{first}; ")));
        trials.push(Trial {
            text: text.clone(),
            hidden: Vec::new(),
            reason: first.to_owned(),
        });
    }
    if let Some(text) = dependencies.as_ref().and_then(applied) {
        let reason = "what the project depends on is installed before its sources come, so that a change of these does not install it again";
        trials.extend(mounts(&text, &format!("{reason}; ")));
    }
    trials.extend(mounts(parsed.text(), ""));
    Ok(trials)
}

/// Whether installing the project of Node.js in the working directory starts scripts of its own (npm, `scripts`: "Life Cycle
/// Operation Order"), which may need its sources.
fn starts_scripts(view: &View, original: &Built) -> bool {
    const LIMIT: u64 = 4 << 20;
    const SCRIPTS: [&str; 5] = [
        "preinstall",
        "install",
        "postinstall",
        "prepublish",
        "prepare",
    ];
    let place = original.image.config().config.working_dir.as_str();
    let place = Path::new("/").join(place);
    let described = view.root.content(&place.join("package.json"), LIMIT);
    let described = described.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let scripts = described
        .as_ref()
        .and_then(|package| package.get("scripts"));
    let has_one = |scripts: &Value| SCRIPTS.iter().any(|name| scripts.get(name).is_some());
    // Without one of that name, npm builds a native module by itself.
    scripts.is_some_and(has_one) || view.root.target(&place.join("binding.gyp")).is_some()
}

/// What the original's commands keep for the next time.
fn caches(original: &Built, parsed: &Parse) -> Caches {
    let parts = parts(original);
    let commands: Vec<Command<'_>> = parts
        .iter()
        .filter_map(|part| {
            let Definition::Run(run) = &part.definition else {
                return None;
            };
            Some(Command {
                instruction: parsed.instructions().get(part.instruction)?,
                env: &run.env,
                is_root: ["", "0", "root", "0:0", "root:root"].contains(&run.user.as_str()),
                files: &part.files,
            })
        })
        .collect();
    let config = &original.image.config().config;
    let started = [&config.entrypoint, &config.cmd];
    let started: Vec<String> = started.into_iter().flatten().flatten().cloned().collect();
    Caches::find(&commands).without_tools_of(&started)
}

/// What a second build of the original's own commands made differently.
enum Again {
    /// Nobody has asked yet.
    NotTried,
    /// This; nothing if they cannot be run again.
    Tried(Differences),
}

/// What a proof needs.
struct Prover<'a> {
    run: &'a Run<'a>,
    original: &'a Built,
    view: &'a View,
    parsed: Parse,
}

impl Prover<'_> {
    /// The build with the change, if it makes the same files; else what is different.
    fn prove(
        &self,
        trial: &Trial,
        again: &mut Again,
    ) -> Result<Result<Built, String>, OptimizeError> {
        let run = self.run;
        let mut request = run.rewritten(&trial.text);
        request.tracing = Tracing::Lookups;
        let built = match run.build(&request) {
            Ok(built) => built,
            Err(error) if error.is_for_lack_of_room() => {
                return Err(OptimizeError::Candidate(error));
            }
            Err(error) => return Ok(Err(error.to_string())),
        };
        if built.image.config().config != self.original.image.config().config {
            return Ok(Err("the image is configured differently".to_owned()));
        }
        let missed = missed(&parts(self.original), &parts(&built));
        if !missed.is_empty() {
            let missed: Vec<PathBuf> = missed.into_iter().collect();
            return Ok(Err(format!(
                "{} would be looked for in vain",
                shown(&missed)
            )));
        }
        let found = self.differences(&built, &trial.hidden)?;
        if found.is_empty() {
            return Ok(Ok(built));
        }
        if matches!(again, Again::NotTried) {
            *again = Again::Tried(self.again(&trial.text)?.unwrap_or_default());
        }
        let left = match again {
            Again::Tried(unsteady) => unexplained(&found, unsteady),
            Again::NotTried => found.into_keys().collect(),
        };
        if left.is_empty() {
            return Ok(Ok(built));
        }
        Ok(Err(format!(
            "the build would make another {}",
            shown(&left)
        )))
    }

    /// How the image of `built` differs from the original's.
    fn differences(&self, built: &Built, hidden: &[PathBuf]) -> Result<Differences, OptimizeError> {
        let view = self.run.view(&built.image)?;
        let files = |built: &Built| parts(built).into_iter().map(|part| part.files).collect();
        let first = Files {
            root: &self.view.root,
            steps: files(self.original),
        };
        let second = Files {
            root: &view.root,
            steps: files(built),
        };
        differences(&first, &second, hidden).map_err(OptimizeError::Root)
    }

    /// What the original's own commands make differently when they run a second time, from the first one on that `changed`
    /// changes; nothing if they cannot be run again.
    fn again(&self, changed: &str) -> Result<Option<Differences>, OptimizeError> {
        let text = self.parsed.text();
        let same = text
            .bytes()
            .zip(changed.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let first = self.parsed.instructions().iter().find(|instruction| {
            instruction.keyword == Keyword::Run && instruction.range.end > same
        });
        let Some(edits) = first.and_then(repeated) else {
            return Ok(None);
        };
        let Ok(text) = apply(text, &edits) else {
            return Ok(None);
        };
        let run = self.run;
        let request = run.rewritten(&text);
        match run.build(&request) {
            Ok(built) => self.differences(&built, &[]).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// The same command with another text, so that it runs again.
fn repeated(instruction: &Instruction) -> Option<EditSet> {
    let InstructionKind::Run(run) = &instruction.kind else {
        return None;
    };
    if !instruction.heredocs.is_empty() || matches!(run.form, CommandForm::Exec(_)) {
        return None;
    }
    let start = instruction.arguments.start;
    let mut edits = EditSet::new();
    edits
        .insert(Edit {
            range: start..start,
            replacement: "true && ".to_owned(),
        })
        .ok()?;
    Some(edits)
}

/// The first of the paths, and how many more there are.
fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .take(SHOWN)
        .map(|path: &PathBuf| Path::display(path).to_string())
        .collect();
    let more = match paths.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
