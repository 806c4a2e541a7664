//! One step: from the cache, or executed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use jettison_sandbox::Status;

use crate::build::layers::{LayerJob, WriteJob};
use crate::build::{BuildRequest, CacheUse, Engine};
use crate::cache::{CacheEntry, CacheKey, KeyText, definition_key, with_contents};
use crate::error::BuildError;
use crate::event::{Event, Reporter};
use crate::exec::{
    CopyFailure, RunError, SelectError, Selection, Source, copy_files, digest_lines, make_workdir,
    run_command, select,
};
use crate::lower::Located;
use crate::plan::{
    CopyDefinition, CopyFrom, CopyItem, Definition, Input, Plan, RunDefinition, Step, StepId,
    WorkdirDefinition,
};
use crate::snapshot::{Active, Snapshot};
use crate::tree::Tree;

/// What a step came to.
#[derive(Clone, Debug)]
pub(crate) struct StepResult {
    /// Stands for the step's result in the keys of the steps on top of it.
    pub(crate) key: CacheKey,
    pub(crate) snapshot: String,
    pub(crate) cached: bool,
    pub(crate) record: Record,
}

/// Where a step's cache entry is.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// It was in the cache.
    Entry(Box<CacheEntry>),
    /// It is being written for this step, which this build executed.
    Writing(StepId),
}

/// The way to the layer writer.
pub(crate) struct Jobs<'a> {
    pub(crate) queue: mpsc::Sender<WriteJob>,
    /// Whether the writer could not write something.
    pub(crate) has_failed: &'a AtomicBool,
}

/// A step in the middle of its build.
pub(crate) struct StepRun<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a BuildRequest<'a>,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) jobs: &'a Jobs<'a>,
    pub(crate) results: &'a [StepResult],
}

impl StepRun<'_> {
    pub(crate) fn step(&self, id: StepId) -> Result<StepResult, BuildError> {
        let step = &self.plan.steps[id.0];
        let (alias, text) = self.key(step)?;
        let key = text.key();
        let result = match self.known(id, step, &key) {
            Some(known) => known,
            None => self.locked_step(id, step, text)?,
        };
        if let Some(alias) = alias {
            self.send(WriteJob::Alias { alias, key })?;
        }
        Ok(result)
    }

    /// Executes a step unless another process does, or has just done it.
    fn locked_step(
        &self,
        id: StepId,
        step: &Step,
        text: KeyText,
    ) -> Result<StepResult, BuildError> {
        let key = text.key();
        let lock = self.engine.cache.lock(&key)?;
        if let Some(known) = self.known(id, step, &key) {
            return Ok(known);
        }
        let title = &step.hints.title;
        self.reporter
            .event(Event::StepStarted { step: id.0, title });
        let start = Instant::now();
        let lowers = self
            .engine
            .lowers_of(self.plan, self.results, step.parent)?;
        let snapshots = &self.engine.snapshots;
        let active = snapshots.prepare()?;
        if let Err(error) = self.execute(id, step, &lowers, &active) {
            // What cannot be removed now is removed with the engine; the step's error counts.
            snapshots.discard(active).unwrap_or_default();
            return Err(error);
        }
        let name = key.to_string();
        if self.engine.cache.get(&key).is_none() {
            // A process was killed before it had written the layer: nobody uses that snapshot.
            snapshots.remove(&name)?;
        }
        let snapshot = snapshots.commit_beside(active, &name)?;
        let executed = start.elapsed();
        self.reporter.event(Event::StepFinished {
            step: id.0,
            elapsed: executed,
        });
        self.send(WriteJob::Layer(LayerJob {
            step: id,
            key,
            text,
            snapshot: snapshot.name().to_string(),
            upper: snapshot.fs(),
            lowers,
            executed,
            _lock: lock,
        }))?;
        Ok(StepResult {
            key,
            snapshot: snapshot.name().to_string(),
            cached: false,
            record: Record::Writing(id),
        })
    }

    fn send(&self, job: WriteJob) -> Result<(), BuildError> {
        let is_sent = self.jobs.queue.send(job).is_ok();
        if is_sent && !self.jobs.has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        // The writer's own error is reported when it is joined.
        let stopped = std::io::Error::other("the layer writer stopped");
        Err(BuildError::io(
            "write to",
            self.engine.store.root(),
            stopped,
        ))
    }

    /// The result of an equal step of this build, or the cache's.
    fn known(&self, id: StepId, step: &Step, key: &CacheKey) -> Option<StepResult> {
        let equal = self.results.iter().find(|result| result.key == *key);
        let result = match equal {
            Some(equal) => StepResult {
                cached: true,
                ..equal.clone()
            },
            None => self.hit(key)?,
        };
        self.reporter.event(Event::StepCached {
            step: id.0,
            title: &step.hints.title,
        });
        Some(result)
    }

    fn hit(&self, key: &CacheKey) -> Option<StepResult> {
        if self.request.cache == CacheUse::Ignore {
            return None;
        }
        let entry = self.engine.cache.get(key)?;
        let blob = &entry.layer.blob;
        // A blob that a power failure cut off has another size.
        let is_there = self.engine.store.size(&blob.digest).ok() == Some(blob.size);
        is_there.then(|| StepResult {
            key: *key,
            snapshot: entry.snapshot.clone(),
            cached: true,
            record: Record::Entry(Box::new(entry)),
        })
    }

    /// The key's text; for a copy from another step also the definition key that stands for it.
    fn key(&self, step: &Step) -> Result<(Option<CacheKey>, KeyText), BuildError> {
        let key_of = |input| self.input_key(input);
        let Definition::Copy(copy) = &step.definition else {
            return Ok((None, definition_key(step, &key_of)));
        };
        let CopyFrom::Input(input) = copy.from else {
            let source = self.context_source()?;
            let selection = select_sources(step, &source, copy)?;
            return Ok((None, self.content_key(step, copy, &source, &selection)?));
        };
        let alias = definition_key(step, &key_of).key();
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
            // A step that was executed again may have come to something else.
            Input::Step(StepId(index)) => format!("step {}", self.results[index].snapshot),
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
        let command = run.argv.join(" ").trim_end().replace('\n', " ");
        let mut ends_a_line = true;
        let mut output = |bytes: &[u8]| {
            ends_a_line = bytes.last() == Some(&b'\n');
            self.reporter.event(Event::StepOutput { step: id.0, bytes });
        };
        if !self.has(lowers, &run.working_dir)? {
            // As the usual runtimes do; the image's configuration may name any directory.
            let target = self.target(lowers, active)?;
            let workdir = WorkdirDefinition {
                path: run.working_dir.clone(),
                user: String::new(),
            };
            make_workdir(&target.tree, &workdir).map_err(|failure| copy_error(step, &failure))?;
        }
        let ran = run_command(
            (self.engine.entered, self.engine.host),
            run,
            lowers,
            active,
            &mut output,
        );
        if !ends_a_line {
            let bytes = b"\n";
            self.reporter.event(Event::StepOutput { step: id.0, bytes });
        }
        let exit = match ran {
            Ok(exit) => exit,
            Err(RunError::Sandbox(source)) => {
                return Err(BuildError::Sandbox {
                    line,
                    command,
                    source,
                });
            }
            Err(RunError::User(reason)) => {
                let message = format!("cannot become user `{}`: {reason}", run.user);
                return Err(located(step, message));
            }
            Err(RunError::Build(error)) => return Err(error),
        };
        let mut outcome = match exit.status {
            Status::Code(0) => return Ok(()),
            Status::Code(code) => format!("exit code: {code}"),
            Status::Signal(signal) => format!("killed by signal {signal}"),
            Status::TimedOut => "the time limit was reached".to_string(),
        };
        if let Some(failure) = exit.exec_failure {
            outcome = format!("{outcome} ({failure})");
        }
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
            CopyFrom::Context | CopyFrom::Named(_) => {
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
        let target = self.target(lowers, active)?;
        make_workdir(&target.tree, workdir).map_err(|failure| copy_error(step, &failure))
    }

    /// Whether there is a `path` in the file system of `lowers`.
    fn has(&self, lowers: &[PathBuf], path: &str) -> Result<bool, BuildError> {
        let mount = jettison_sandbox::mount_overlay(self.engine.entered, lowers, None)
            .map_err(BuildError::Mount)?;
        let root = mount.path();
        let tree = Tree::open(&root).map_err(|source| BuildError::io("open", &root, source))?;
        Ok(tree.stat(Path::new(path)).is_ok())
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
    let mut patterns = Vec::new();
    for item in &copy.sources {
        let CopyItem::Path(path) = item else {
            let message = "sources that are not paths are not supported yet";
            return Err(located(step, message.to_string()));
        };
        patterns.push(path.clone());
    }
    select(source, &patterns).map_err(|error| select_error(step, error))
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
        range: None,
        message,
        hints: Vec::new(),
    })
}
