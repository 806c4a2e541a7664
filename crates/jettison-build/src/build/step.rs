//! One step: from the cache, or executed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jettison_oci::{ChainId, ExportError, unpack_layer_as};
use jettison_sandbox::{Status, Trace};

use crate::build::ahead::{Ahead, StepKey};
use crate::build::contexts::Contexts;
use crate::build::copying::Written;
use crate::build::layers::{LayerJob, LayerQueue};
use crate::build::lineage::Lineage;
use crate::build::overwritten::LayerPaths;
use crate::build::room::Room;
use crate::build::schedule::Schedule;
use crate::build::{BuildRequest, CacheUse, Engine};
use crate::cache::{
    CacheEntry, CacheKey, FoundStep, KeyChange, KeyText, MountImports, StepSource, definition_key,
    not_cached,
};
use crate::error::{BuildError, with_causes};
use crate::event::{Event, Reporter};
use crate::exec::{RunError, RunSurroundings, run_command};
use crate::lower::Located;
use crate::lower::quoted;
use crate::plan::{Definition, Input, Plan, RunDefinition, Step, StepId};
use crate::snapshot::{Active, Snapshot, unique_name};

/// What a step came to.
#[derive(Clone, Debug)]
pub(crate) struct StepResult {
    pub(crate) key: CacheKey,
    /// Its snapshot's name stands for the result in the keys of the steps on top of it.
    pub(crate) entry: CacheEntry,
    pub(crate) is_cached: bool,
    /// Why it was executed, if it was.
    pub(crate) change: Option<KeyChange>,
    /// Another name of its key.
    pub(crate) alias: Option<CacheKey>,
    /// Where among the sources it was found, if it is not in the cache.
    pub(crate) source: Option<usize>,
    /// What is in its layer, if it was executed and has written nothing else.
    pub(crate) paths: Option<Arc<LayerPaths>>,
    /// What its command looked up, if it was executed and that was asked for.
    pub(crate) trace: Option<Arc<Trace>>,
}

/// The steps of one build.
#[derive(Clone, Copy)]
pub(crate) struct StepRun<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a BuildRequest<'a>,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) layers: &'a LayerQueue,
    pub(crate) lineage: &'a Lineage,
    pub(crate) schedule: &'a Schedule<'a>,
    pub(crate) contexts: &'a Contexts<'a>,
}

/// What a command used.
#[derive(Clone, Debug, Default)]
struct Usage {
    processor_time: Option<Duration>,
    peak_memory: Option<u64>,
    trace: Option<Arc<Trace>>,
}

impl StepRun<'_> {
    pub(crate) fn step(&self, id: StepId) -> Result<StepResult, BuildError> {
        let step = &self.plan.steps[id.0];
        let StepKey {
            text,
            alias,
            ahead,
            lock: _lock,
        } = self.key(id, step)?;
        let key = text.key();
        let result = match self.known(id, step, &key)? {
            Some(known) => {
                self.discard(ahead);
                known
            }
            None => self.locked_step(id, step, &text, ahead)?,
        };
        let Some((alias, is_known)) = alias else {
            return Ok(result);
        };
        if !is_known && result.source.is_none() {
            self.engine.cache.put_alias(&alias, &key)?;
        }
        Ok(StepResult {
            alias: Some(alias),
            ..result
        })
    }

    /// Executes a step unless another process does, or has just done it.
    ///
    /// Its entry is written before any step on top of it begins, so that no entry stands for something that was made of a
    /// result which nobody remembers.
    fn locked_step(
        &self,
        id: StepId,
        step: &Step,
        text: &KeyText,
        ahead: Option<Ahead>,
    ) -> Result<StepResult, BuildError> {
        let key = text.key();
        let cache = &self.engine.cache;
        let has_failed = || self.schedule.has_failed();
        let Some(_lock) = cache.lock(&key, &has_failed)? else {
            return Err(BuildError::CANCELLED);
        };
        if let Some(known) = self.known(id, step, &key)? {
            self.discard(ahead);
            return Ok(known);
        }
        if self.schedule.has_failed() {
            return Err(BuildError::CANCELLED);
        }
        let change = if self.uses_cache(step) {
            self.lineage.explain(cache, step, text)
        } else {
            not_cached()
        };
        self.reporter.event(match ahead {
            Some(_) => Event::StepExplained {
                step: id.0,
                change: &change,
            },
            None => Event::StepStarted {
                step: id.0,
                title: &step.hints.title,
                change: Some(&change),
            },
        });
        let lowers = self.lowers_below(step)?;
        let snapshots = &self.engine.snapshots;
        let (usage, done) = match ahead {
            Some(ahead) => (Usage::default(), ahead),
            None => self.execute(id, step, &lowers)?,
        };
        let Ahead {
            active,
            written: Written { layer, paths },
            elapsed,
        } = done;
        // What a command makes may be something else each time, and what is copied may have another time: what one build made
        // never stands for what another wrote into its layer.
        let name = unique_name(&key.to_string())?;
        let snapshot = if layer.is_some() && !self.needs_files(id) {
            snapshots.discard(active)?;
            name
        } else {
            snapshots.commit(active, &name)?.name().to_string()
        };
        let entry = CacheEntry {
            snapshot,
            layer,
            elapsed,
            processor_time: usage.processor_time,
            peak_memory: usage.peak_memory,
            title: step.hints.title.clone(),
        };
        cache.put_text(&key, text)?;
        cache.put(&key, &entry)?;
        self.reporter.event(Event::StepFinished {
            step: id.0,
            elapsed,
        });
        if self.layers.wants(id) && entry.layer.is_none() {
            self.layers.send(LayerJob {
                step: id,
                key,
                entry: entry.clone(),
                upper: snapshots.path_of(&entry.snapshot),
                lowers,
            })?;
        }
        Ok(StepResult {
            key,
            entry,
            is_cached: false,
            change: Some(change),
            alias: None,
            source: None,
            paths: paths.map(Arc::new),
            trace: usage.trace,
        })
    }

    /// The result of an equal step of this build, or the cache's.
    fn known(
        &self,
        id: StepId,
        step: &Step,
        key: &CacheKey,
    ) -> Result<Option<StepResult>, BuildError> {
        let mut steps = (0..self.plan.steps.len()).filter_map(|at| self.schedule.found(StepId(at)));
        let equal = steps.find(|result| result.key == *key);
        let result = match equal {
            Some(equal) => StepResult {
                is_cached: true,
                change: None,
                ..equal.clone()
            },
            None if !self.uses_cache(step) => return Ok(None),
            None => match self.hit(key).or_else(|| self.found_elsewhere(id, key)) {
                Some(hit) => hit,
                None => return Ok(None),
            },
        };
        if self.layers.wants(id) && result.source.is_none() && !self.has_layer(&result.entry) {
            let lowers = self.lowers_below(step)?;
            self.layers.send(LayerJob {
                step: id,
                key: *key,
                entry: result.entry.clone(),
                upper: self.step_files(&result)?,
                lowers,
            })?;
        }
        self.reporter.event(Event::StepCached {
            step: id.0,
            title: &step.hints.title,
        });
        Ok(Some(result))
    }

    /// Whether results of earlier builds may stand for a step.
    fn uses_cache(&self, step: &Step) -> bool {
        let is_named = self.plan.uncached_stages.contains(&step.hints.stage);
        self.request.cache == CacheUse::Use && !is_named
    }

    fn hit(&self, key: &CacheKey) -> Option<StepResult> {
        let entry = self.engine.cache.get(key)?;
        let is_there =
            self.engine.snapshots.get(&entry.snapshot).is_some() || self.has_layer(&entry);
        if !is_there {
            return None;
        }
        self.engine.cache.touch(key);
        Some(StepResult {
            key: *key,
            entry,
            is_cached: true,
            change: None,
            alias: None,
            source: None,
            paths: None,
            trace: None,
        })
    }

    /// What one of the sources has. A layer that is wanted is fetched, and then the step is in the cache; a source that
    /// cannot be read is as good as one that does not have it.
    fn found_elsewhere(&self, id: StepId, key: &CacheKey) -> Option<StepResult> {
        for (position, source) in self.request.cache_from.iter().enumerate() {
            let found = match source.find(&key.to_string()) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    self.warn(&source.name(), &error);
                    continue;
                }
            };
            let result = StepResult {
                key: *key,
                entry: found.entry.clone(),
                is_cached: true,
                change: None,
                alias: None,
                source: Some(position),
                paths: None,
                trace: None,
            };
            if !self.layers.wants(id) {
                return Some(result);
            }
            match self.fetch(*source, key, &found) {
                Ok(()) => return Some(result),
                Err(error) => self.warn(&source.name(), &error),
            }
        }
        None
    }

    /// Brings a step that was found elsewhere into the cache.
    fn fetch(
        &self,
        source: &dyn StepSource,
        key: &CacheKey,
        found: &FoundStep,
    ) -> Result<(), ExportError> {
        source.fetch(found, self.engine.store)?;
        let cache = &self.engine.cache;
        let remembered = cache
            .put_text(key, &found.text)
            .and_then(|()| cache.put(key, &found.entry));
        // The layer is here, and the next build finds the rest where this one did.
        remembered.unwrap_or_default();
        Ok(())
    }

    fn warn(&self, place: &str, error: &(dyn std::error::Error + 'static)) {
        let text = format!("{place} cannot be used: {}", with_causes(error));
        self.reporter.event(Event::Warning { text: &text });
    }

    /// The directories below a step, top first; none where they are not looked at, so that nothing is fetched for it.
    pub(crate) fn lowers_below(&self, step: &Step) -> Result<Vec<PathBuf>, BuildError> {
        match &step.definition {
            Definition::Copy(copy) if copy.is_independent() => Ok(Vec::new()),
            Definition::Copy(_) | Definition::Run(_) | Definition::Workdir(_) => {
                self.lowers_of(step.parent)
            }
        }
    }

    /// The directories that `input` is made of, top first.
    pub(crate) fn lowers_of(&self, input: Input) -> Result<Vec<PathBuf>, BuildError> {
        let (base, chain) = self.plan.chain(input);
        let mut dirs = Vec::new();
        for id in chain.iter().rev() {
            dirs.push(self.step_files(self.schedule.result(*id)?)?);
        }
        if let Some(base) = base {
            let base = &self.plan.bases[base];
            dirs.extend(self.engine.lowers_of(&base.image, &base.name)?);
        }
        Ok(dirs)
    }

    /// The directory of a step's files, unpacked from its layer if it is gone.
    pub(crate) fn step_files(&self, result: &StepResult) -> Result<PathBuf, BuildError> {
        let Engine {
            store, snapshots, ..
        } = self.engine;
        let name = &result.entry.snapshot;
        if let Some(snapshot) = snapshots.get(name) {
            return Ok(snapshot.fs());
        }
        let Some(layer) = &result.entry.layer else {
            let path = snapshots.path_of(name);
            let missing = std::io::ErrorKind::NotFound.into();
            return Err(BuildError::io("open", &path, missing));
        };
        let source = result.source.and_then(|at| self.request.cache_from.get(at));
        if let Some(source) = source
            && !self.has_layer(&result.entry)
        {
            let failed = |source_error| BuildError::CacheSource {
                title: result.entry.title.clone(),
                place: source.name(),
                source: source_error,
            };
            let found = source.find(&result.key.to_string()).map_err(failed)?;
            if let Some(found) = found {
                self.fetch(*source, &result.key, &found).map_err(failed)?;
            }
        }
        let active = snapshots.prepare()?;
        let owners = snapshots.owners();
        unpack_layer_as(store, layer, &[], &active.fs(), owners).map_err(BuildError::Layer)?;
        Ok(snapshots.commit(active, name)?.fs())
    }

    /// Whether an entry's layer is in the store. A blob that a power failure cut off has another size.
    fn has_layer(&self, entry: &CacheEntry) -> bool {
        let layer = entry.layer.as_ref();
        layer.is_some_and(|layer| self.engine.store.has_layer(layer))
    }

    /// The content key's text that a definition key is known to stand for.
    pub(crate) fn known_alias(&self, step: &Step, alias: &CacheKey) -> Option<KeyText> {
        if !self.uses_cache(step) {
            return None;
        }
        let local = self.engine.cache.alias(alias);
        let mut sources = self.request.cache_from.iter();
        local.or_else(|| {
            sources.find_map(|source| {
                let key = source.alias(&alias.to_string())?;
                Some(source.find(&key).ok()??.text)
            })
        })
    }

    fn key(&self, id: StepId, step: &Step) -> Result<StepKey, BuildError> {
        let Definition::Copy(copy) = &step.definition else {
            let key_of = |input| self.input_key(input);
            return Ok(definition_key(step, &key_of).into());
        };
        self.copy_key((id, step), copy)
    }

    /// Tells that a step has failed. Those that are ended because another one failed have not.
    pub(super) fn failed(&self, id: StepId, error: &BuildError) {
        if !self.schedule.has_failed() {
            self.reporter.event(Event::StepFailed {
                step: id.0,
                error: &error.to_string(),
            });
        }
    }

    /// Removes what was written in vain.
    pub(super) fn discard(&self, ahead: Option<Ahead>) {
        if let Some(ahead) = ahead {
            // What cannot be removed now is removed with the engine.
            let snapshots = &self.engine.snapshots;
            snapshots.discard(ahead.active).unwrap_or_default();
        }
    }

    pub(crate) fn input_key(&self, input: Input) -> String {
        match input {
            Input::Scratch => "scratch".to_string(),
            Input::Base(base) => base_key(self.plan, base),
            // A step that was executed again may have come to something else.
            Input::Step(id) => match self.schedule.found(id) {
                Some(result) => format!("step {}", result.entry.snapshot),
                None => format!("step {}", id.0),
            },
        }
    }

    fn execute(
        &self,
        id: StepId,
        step: &Step,
        lowers: &[PathBuf],
    ) -> Result<(Usage, Ahead), BuildError> {
        let start = Instant::now();
        let snapshots = &self.engine.snapshots;
        let active = snapshots.prepare()?;
        match self.execute_in(id, step, lowers, &active) {
            Ok((usage, written)) => {
                let elapsed = start.elapsed();
                let done = Ahead {
                    active,
                    written,
                    elapsed,
                };
                Ok((usage, done))
            }
            Err(error) => {
                // What cannot be removed now is removed with the engine; the step's error counts.
                snapshots.discard(active).unwrap_or_default();
                self.failed(id, &error);
                Err(error)
            }
        }
    }

    fn execute_in(
        &self,
        id: StepId,
        step: &Step,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(Usage, Written), BuildError> {
        let written = match &step.definition {
            Definition::Run(run) => {
                let usage = self.run((id, step), run, lowers, active)?;
                return Ok((usage, Written::default()));
            }
            Definition::Copy(copy) => self.copy((id, step), copy, lowers, active)?,
            Definition::Workdir(workdir) => self.workdir((id, step), workdir, lowers, active)?,
        };
        Ok((Usage::default(), written))
    }

    fn run(
        &self,
        (id, step): (StepId, &Step),
        run: &RunDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<Usage, BuildError> {
        let line = step.hints.line;
        let command = quoted(&run.argv.join(" "));
        let mut ends_a_line = true;
        let mut room = Room::default();
        let mut output = |bytes: &[u8]| {
            room.listen(bytes);
            ends_a_line = bytes.last() == Some(&b'\n');
            self.reporter.event(Event::StepOutput { step: id.0, bytes });
        };
        let surroundings = RunSurroundings {
            entered: self.engine.entered,
            host: self.engine.host,
            secrets: self.request.secrets,
            cache_mounts: &self.engine.cache_mounts,
            snapshots: &self.engine.snapshots,
            lowers_of: &|input| self.lowers_of(input),
            key_of: &|input| self.input_key(input),
            mount_imports: MountImports {
                sources: &self.request.mounts_from,
                warn: &|place, error| self.warn(place, error),
                is_cancelled: &|| self.schedule.has_failed(),
            },
            is_cancelled: &|| self.schedule.has_failed(),
            shell: self.request.shell_on_failure,
            tracing: self.request.tracing,
        };
        let ran = run_command(&surroundings, run, lowers, active, &mut output);
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
            Err(RunError::User(outcome) | RunError::Missing(outcome)) => {
                return Err(BuildError::Command {
                    line,
                    command,
                    outcome,
                });
            }
            Err(RunError::Refused(reason)) => return Err(located(step, reason)),
            Err(RunError::Build(error)) => return Err(error),
        };
        let mut outcome = match exit.status {
            Status::Code(0) => {
                return Ok(Usage {
                    processor_time: Some(exit.user_time + exit.system_time),
                    peak_memory: exit.peak_memory.or(Some(exit.max_rss)),
                    trace: exit.trace.map(Arc::new),
                });
            }
            Status::Code(code) => format!("exit code: {code}"),
            Status::Signal(signal) => format!("killed by signal {signal}"),
            Status::TimedOut => "the time limit was reached".to_string(),
        };
        if let Some(failure) = exit.exec_failure {
            // What BuildKit's runtime ends with (executor/runcexecutor).
            outcome = format!("exit code: 1 ({failure})");
        }
        if exit.ran_out_of_memory {
            outcome.push_str(": the limit of memory was reached");
        }
        if room.is_gone(&active.fs(), self.engine.entered.ids) {
            return Err(BuildError::FullDisk {
                line,
                command,
                outcome,
            });
        }
        Err(BuildError::Command {
            line,
            command,
            outcome,
        })
    }
}

/// What a base image is called in keys. What it says besides its files is part of the steps on top of it.
pub(crate) fn base_key(plan: &Plan, base: usize) -> String {
    let layers = &plan.bases[base].image.config().rootfs.diff_ids;
    match ChainId::of(layers) {
        Some(chain) => format!("layers {chain}"),
        None => "scratch".to_string(),
    }
}

pub(crate) fn located(step: &Step, message: String) -> BuildError {
    BuildError::Copy(Located {
        line: step.hints.line,
        column: 1,
        range: None,
        message,
        hints: Vec::new(),
    })
}
