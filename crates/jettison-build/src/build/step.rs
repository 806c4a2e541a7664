//! One step: from the cache, or executed.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use jettison_sandbox::Status;

use crate::build::layers::LayerJob;
use crate::build::{BuildRequest, CacheUse, Engine};
use crate::cache::{CacheEntry, CacheKey, KeyText, definition_key, with_contents};
use crate::error::BuildError;
use crate::event::{Event, Reporter};
use crate::exec::{
    CopyFailure, RunError, SelectError, Selection, Source, copy_files, digest_lines, make_workdir,
    run_command, select, user,
};
use crate::lower::Located;
use crate::plan::{
    CopyDefinition, CopyFrom, Definition, Input, Plan, RunDefinition, Step, StepId,
    WorkdirDefinition,
};
use crate::snapshot::{Active, Snapshot};
use crate::tree::{Owner, Tree};

/// What a step came to.
#[derive(Clone, Debug)]
pub(crate) struct StepResult {
    /// Stands for the step's result in the keys of the steps on top of it.
    pub(crate) key: CacheKey,
    pub(crate) snapshot: String,
    pub(crate) cached: bool,
    /// The cache's entry; `None` while the layer is being written.
    pub(crate) entry: Option<CacheEntry>,
}

/// A step in the middle of its build.
pub(crate) struct StepRun<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a BuildRequest<'a>,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) jobs: &'a mpsc::Sender<LayerJob>,
    pub(crate) results: &'a [StepResult],
}

impl StepRun<'_> {
    pub(crate) fn step(&self, id: StepId) -> Result<StepResult, BuildError> {
        let step = &self.plan.steps[id.0];
        let (alias, text) = self.key(step)?;
        let key = text.key();
        if let Some(hit) = self.hit(id, step, &key) {
            self.remember(alias.as_ref(), &key)?;
            return Ok(hit);
        }
        // Another process may be at the same step.
        let lock = self.engine.cache.lock(&key)?;
        if let Some(hit) = self.hit(id, step, &key) {
            self.remember(alias.as_ref(), &key)?;
            return Ok(hit);
        }
        self.reporter.event(Event::StepStarted {
            step: id.0,
            title: &step.hints.title,
        });
        let start = Instant::now();
        let lowers = self
            .engine
            .lowers_of(self.plan, self.results, step.parent)?;
        let active = self.engine.snapshots.prepare()?;
        if let Err(error) = self.execute(id, step, &lowers, &active) {
            self.engine.snapshots.discard(active)?;
            return Err(error);
        }
        let name = key.to_string();
        let snapshot = self.engine.snapshots.commit(active, &name)?;
        let executed = start.elapsed();
        self.reporter.event(Event::StepFinished {
            step: id.0,
            elapsed: executed,
        });
        let job = LayerJob {
            step: id,
            key,
            text,
            snapshot: name.clone(),
            upper: snapshot.fs(),
            lowers,
            executed,
            lock,
        };
        self.remember(alias.as_ref(), &key)?;
        // The writer is gone only if it failed; its error is reported when it is joined.
        if self.jobs.send(job).is_err() {
            return Err(BuildError::io(
                "write",
                &snapshot.fs(),
                std::io::Error::other("the layer writer stopped"),
            ));
        }
        Ok(StepResult {
            key,
            snapshot: name,
            cached: false,
            entry: None,
        })
    }

    fn hit(&self, id: StepId, step: &Step, key: &CacheKey) -> Option<StepResult> {
        if self.request.cache == CacheUse::Ignore {
            return None;
        }
        let entry = self.engine.cache.get(key)?;
        if !self.engine.store.has(&entry.layer.blob.digest) {
            return None;
        }
        self.reporter.event(Event::StepCached {
            step: id.0,
            title: &step.hints.title,
        });
        Some(StepResult {
            key: *key,
            snapshot: entry.snapshot.clone(),
            cached: true,
            entry: Some(entry),
        })
    }

    fn remember(&self, alias: Option<&CacheKey>, key: &CacheKey) -> Result<(), BuildError> {
        match alias {
            Some(alias) => self.engine.cache.put_alias(alias, key),
            None => Ok(()),
        }
    }

    /// The key's text; for a copy from another step also the definition key that stands for it.
    fn key(&self, step: &Step) -> Result<(Option<CacheKey>, KeyText), BuildError> {
        let parent = self.input_key(step.parent);
        let Definition::Copy(copy) = &step.definition else {
            return Ok((None, definition_key(step, &parent, "")));
        };
        let CopyFrom::Input(input) = copy.from else {
            let source = self.context_source()?;
            let selection = select_sources(step, &source, copy)?;
            return Ok((None, self.content_key(step, copy, &source, &selection)?));
        };
        let alias = definition_key(step, &parent, &self.input_key(input)).key();
        if self.request.cache == CacheUse::Use
            && let Some(text) = self.engine.cache.alias(&alias)
        {
            return Ok((None, text));
        }
        let lowers = self.engine.lowers_of(self.plan, self.results, input)?;
        let mount = jettison_sandbox::mount_overlay(self.engine.entered, &lowers, None)
            .map_err(BuildError::Mount)?;
        let source = stage_source(&mount.path())?;
        let selection = select_sources(step, &source, copy)?;
        Ok((
            Some(alias),
            self.content_key(step, copy, &source, &selection)?,
        ))
    }

    fn content_key(
        &self,
        step: &Step,
        copy: &CopyDefinition,
        source: &Source<'_>,
        selection: &Selection,
    ) -> Result<KeyText, BuildError> {
        let contents =
            digest_lines(source, selection).map_err(|error| select_error(step, error))?;
        Ok(with_contents(copy, &self.input_key(step.parent), &contents))
    }

    fn input_key(&self, input: Input) -> String {
        match input {
            Input::Scratch => "scratch".to_string(),
            Input::Base(base) => format!("image {}", self.plan.bases[base].image.id().0),
            Input::Step(StepId(index)) => format!("step {}", self.results[index].key),
        }
    }

    fn context_source(&self) -> Result<Source<'_>, BuildError> {
        let context = self.request.context;
        let tree = Tree::open(context.root())
            .map_err(|source| BuildError::io("open", context.root(), source))?;
        Ok(Source {
            tree,
            ignore: context.ignore(),
            keeps_owners: false,
        })
    }

    fn execute(
        &self,
        id: StepId,
        step: &Step,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(), BuildError> {
        match &step.definition {
            Definition::Run(run) => self.run((id, step), run, lowers, active),
            Definition::Copy(copy) => self.copy(step, copy, lowers, active),
            Definition::Workdir(workdir) => self.workdir(step, workdir, lowers, active),
        }
    }

    fn run(
        &self,
        (id, step): (StepId, &Step),
        run: &RunDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(), BuildError> {
        let line = step.hints.line;
        let command = run.argv.join(" ");
        let mut output =
            |bytes: &[u8]| self.reporter.event(Event::StepOutput { step: id.0, bytes });
        let exit = match run_command(
            (self.engine.entered, self.engine.host),
            run,
            lowers,
            active,
            &mut output,
        ) {
            Ok(exit) => exit,
            Err(RunError::Sandbox(source)) => {
                return Err(BuildError::Sandbox {
                    line,
                    command,
                    source,
                });
            }
            Err(RunError::User(reason)) => {
                return Err(BuildError::User {
                    user: run.user.clone(),
                    reason,
                });
            }
            Err(RunError::Build(error)) => return Err(error),
        };
        let outcome = match exit.status {
            Status::Code(0) => return Ok(()),
            Status::Code(code) => format!("exit code: {code}"),
            Status::Signal(signal) => format!("killed by signal {signal}"),
            Status::TimedOut => "the time limit was reached".to_string(),
        };
        Err(BuildError::Command {
            line,
            command,
            outcome,
        })
    }

    fn copy(
        &self,
        step: &Step,
        copy: &CopyDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(), BuildError> {
        let target = self.target(lowers, active)?;
        let copied = match copy.from {
            CopyFrom::Context => {
                let source = self.context_source()?;
                let selection = select_sources(step, &source, copy)?;
                copy_files(&source, &selection, &target.tree, copy)
            }
            CopyFrom::Input(input) => {
                let lowers = self.engine.lowers_of(self.plan, self.results, input)?;
                let mount = jettison_sandbox::mount_overlay(self.engine.entered, &lowers, None)
                    .map_err(BuildError::Mount)?;
                let source = stage_source(&mount.path())?;
                let selection = select_sources(step, &source, copy)?;
                copy_files(&source, &selection, &target.tree, copy)
            }
        };
        copied.map_err(|failure| copy_error(step, &failure))
    }

    fn workdir(
        &self,
        step: &Step,
        workdir: &WorkdirDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(), BuildError> {
        let owner = match user(self.engine.entered, lowers, &workdir.user) {
            Ok((user, _)) => Owner {
                uid: user.uid,
                gid: user.gid,
            },
            Err(RunError::User(reason)) => {
                return Err(BuildError::User {
                    user: workdir.user.clone(),
                    reason,
                });
            }
            Err(RunError::Build(error)) => return Err(error),
            Err(RunError::Sandbox(error)) => return Err(BuildError::Start(error)),
        };
        let target = self.target(lowers, active)?;
        make_workdir(&target.tree, workdir, owner).map_err(|failure| copy_error(step, &failure))
    }

    fn target(&self, lowers: &[PathBuf], active: &Snapshot<Active>) -> Result<Target, BuildError> {
        let (upper, work) = (active.fs(), active.work());
        let mount =
            jettison_sandbox::mount_overlay(self.engine.entered, lowers, Some((&upper, &work)))
                .map_err(BuildError::Mount)?;
        let path = mount.path();
        let tree = Tree::open(&path).map_err(|source| BuildError::io("open", &path, source))?;
        Ok(Target {
            tree,
            _mount: mount,
        })
    }
}

/// A mounted file system to be written to. The tree is closed before the mount is undone.
struct Target {
    tree: Tree,
    _mount: jettison_sandbox::OverlayMount,
}

fn stage_source(path: &Path) -> Result<Source<'static>, BuildError> {
    let tree = Tree::open(path).map_err(|source| BuildError::io("open", path, source))?;
    Ok(Source {
        tree,
        ignore: None,
        keeps_owners: true,
    })
}

fn select_sources(
    step: &Step,
    source: &Source<'_>,
    copy: &CopyDefinition,
) -> Result<Selection, BuildError> {
    select(source, &copy.sources).map_err(|error| select_error(step, error))
}

fn select_error(step: &Step, error: SelectError) -> BuildError {
    let message = match error {
        SelectError::Missing(message) => format!("failed to compute cache key: {message}"),
        SelectError::Io(path, error) => format!("cannot read {}: {error}", path.display()),
    };
    located(step, message)
}

fn copy_error(step: &Step, failure: &CopyFailure) -> BuildError {
    located(
        step,
        format!("cannot copy {}: {}", failure.path.display(), failure.source),
    )
}

fn located(step: &Step, message: String) -> BuildError {
    BuildError::Copy(Located {
        line: step.hints.line,
        column: 1,
        message,
        hints: Vec::new(),
    })
}
