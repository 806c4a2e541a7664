//! Building an image: the plan's steps, independent ones at once, each from the cache where it can be.
//!
//! The image's layers are written by another thread while the next steps already run on the snapshots. Layers of steps
//! that are not the image's own are not written at all.

mod ahead;
mod contexts;
mod copying;
mod layers;
mod lineage;
mod overwritten;
mod room;
mod schedule;
mod step;
mod travel;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jettison_dockerfile::parse;
use jettison_oci::{
    ChainId, DiffId, HistoryEntry, Image, ImageConfig, Layer, LayerEntry, RootFs, Store, StoreLock,
    layer_entries,
};
use jettison_sandbox::{Entered, IdMapKind, Trace, Tracing};
use serde_json::Value;

use crate::build::contexts::Contexts;
use crate::build::layers::{Closing, LayerQueue, write_layers};
use crate::build::lineage::Lineage;
use crate::build::overwritten::{LayerPaths, Overwritten};
use crate::build::schedule::Schedule;
use crate::build::step::StepRun;
pub use crate::build::travel::{CacheExport, MountExport};
use crate::cache::{Cache, CacheEntry, CacheKey, KeyChange, MountSource, StepSource};
use crate::cache_mounts::CacheMounts;
use crate::context::BuildContext;
use crate::error::BuildError;
use crate::event::{Event, Reporter};
use crate::exec::RunHost;
use crate::lower::{Bases, LowerRequest, lower};
use crate::plan::{Plan, StepId};
use crate::remotes::{NoRemotes, Remotes};
use crate::secrets::{NoSecrets, Secrets};
use crate::snapshot::{Committed, Snapshot, Snapshots};
use crate::supply::Supplier;

/// What builds need from their surroundings.
#[derive(Debug)]
pub struct Engine<'a> {
    /// Where images are kept; the cache and the snapshots are beside them.
    pub store: &'a Store,
    /// Proof that this process may mount.
    pub entered: &'a Entered,
    /// What the host lends to commands.
    pub host: &'a RunHost,
    snapshots: Snapshots,
    cache: Cache,
    cache_mounts: CacheMounts,
    /// Who has layers that are not in the store.
    supplier: Option<&'a dyn Supplier>,
    // Nobody prunes what a build has found and not used yet.
    in_use: StoreLock,
}

/// One build.
#[derive(Clone)]
pub struct BuildRequest<'a> {
    /// The Dockerfile's text.
    pub dockerfile: &'a str,
    /// The files that `COPY` finds.
    pub context: &'a BuildContext,
    /// What the context is called from build to build, if it is not always the same directory. Reasons for executing
    /// steps are found by comparing with the last build of this place.
    pub place: Option<String>,
    /// The named contexts that are directories.
    pub named: BTreeMap<String, &'a BuildContext>,
    /// Target, arguments and platform.
    pub lower: LowerRequest,
    /// Whether results of earlier builds are used.
    pub cache: CacheUse,
    /// The time that the image says it was made at, in RFC 3339, if the Dockerfile does not say. Without it, the
    /// newest base image's time: the clock never enters an image.
    pub created: Option<String>,
    /// What is kept of the steps' results.
    pub keep: Keep,
    /// How many steps are executed at once at most; as many as there is work for if absent.
    pub jobs: Option<usize>,
    /// Fetches what the Dockerfile names by address.
    pub remotes: &'a dyn Remotes,
    /// What commands may see and images must not.
    pub secrets: &'a dyn Secrets,
    /// Whether the user gets a shell in the file system of a command that failed, on the terminal.
    pub shell_on_failure: bool,
    /// Where results are looked for that are not in the cache, in this order.
    pub cache_from: Vec<&'a dyn StepSource>,
    /// Where cache mounts are looked for that commands need and that are not here, in this order.
    pub mounts_from: Vec<&'a dyn MountSource>,
    /// Whether it is noted what commands look up. The results are the same.
    pub tracing: Tracing,
}

impl<'a> BuildRequest<'a> {
    /// The build of `dockerfile` from `context` that nothing else is said about: it uses the cache, and
    /// fetches nothing.
    pub fn new(
        dockerfile: &'a str,
        context: &'a BuildContext,
        lower: LowerRequest,
    ) -> BuildRequest<'a> {
        BuildRequest {
            dockerfile,
            context,
            place: None,
            named: BTreeMap::new(),
            lower,
            cache: CacheUse::Use,
            created: None,
            keep: Keep::Image,
            jobs: None,
            remotes: &NoRemotes,
            secrets: &NoSecrets,
            shell_on_failure: false,
            cache_from: Vec::new(),
            mounts_from: Vec::new(),
            tracing: Tracing::Off,
        }
    }
}

impl fmt::Debug for BuildRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildRequest")
            .field("dockerfile", &self.dockerfile)
            .field("context", &self.context)
            .field("named", &self.named)
            .field("lower", &self.lower)
            .field("cache", &self.cache)
            .field("created", &self.created)
            .field("keep", &self.keep)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}

/// Whether a build uses the results of earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// Steps that did not change are not executed.
    Use,
    /// Every step is executed.
    Ignore,
}

/// What a build keeps besides its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The image. The results of other stages are kept in the form that they have anyway.
    Image,
    /// The image, and every step's files in a directory.
    Files,
    /// Every step's files and its layer.
    Everything,
}

/// A finished build.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image.
    pub image: Image,
    /// The plan that led to it.
    pub plan: Plan,
    /// What each of the plan's steps did, in the plan's order.
    pub steps: Vec<StepRecord>,
}

/// What one step did.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Whether its result was found in the cache.
    pub cached: bool,
    /// Wall time of its execution: now, or when it was executed first.
    pub elapsed: Duration,
    /// Processor time of its command then, its child processes included.
    pub processor_time: Option<Duration>,
    /// The most memory that one of the command's processes had then, in bytes.
    pub peak_memory: Option<u64>,
    /// The layer that it made: in the image's own steps always, in others if [`Keep::Everything`] was
    /// asked for, or if somebody had asked before.
    pub layer: Option<Layer>,
    /// Where its files are, if there is a directory of them: always with [`Keep::Files`] and [`Keep::Everything`].
    pub files: PathBuf,
    /// Why it was executed; nothing if it was not.
    pub change: Option<KeyChange>,
    /// What its command looked up: if it was executed, and that was asked for.
    pub trace: Option<Arc<Trace>>,
    /// How many bytes of its layer later steps of the image overwrite or delete; nothing if that was not looked at,
    /// because nothing was executed.
    pub overwritten: Option<u64>,
    key: CacheKey,
    alias: Option<CacheKey>,
    entry: CacheEntry,
    paths: Option<Arc<LayerPaths>>,
}

impl Built {
    /// How long the steps took when they were executed, the cached ones included.
    pub fn cold_time(&self) -> Duration {
        self.steps.iter().map(|step| step.elapsed).sum()
    }
}

impl<'a> Engine<'a> {
    /// An engine on `store`.
    pub fn open(
        store: &'a Store,
        entered: &'a Entered,
        host: &'a RunHost,
    ) -> Result<Engine<'a>, BuildError> {
        let in_use = store.lock_shared().map_err(BuildError::Store)?;
        let snapshots = Snapshots::open(store.root())?;
        let snapshots = match entered.ids {
            IdMapKind::SingleId => snapshots.with_few_ids(),
            IdMapKind::Root | IdMapKind::SubordinateIds { .. } => snapshots,
        };
        let cache = Cache::open(store.root())?;
        Ok(Engine {
            store,
            entered,
            host,
            snapshots,
            cache,
            cache_mounts: CacheMounts::new(store.root()),
            supplier: None,
            in_use,
        })
    }

    /// The same, and layers that are not in the store are fetched when their files are needed.
    #[must_use]
    pub fn with_supplier(self, supplier: &'a dyn Supplier) -> Engine<'a> {
        Engine {
            supplier: Some(supplier),
            ..self
        }
    }

    /// The snapshots beside the store.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The directories of an image's layers, top first.
    pub fn lowers(&self, image: &Image) -> Result<Vec<PathBuf>, BuildError> {
        self.lowers_of(image, &image.id().0.to_string())
    }

    /// The same of the image that users call `name`.
    fn lowers_of(&self, image: &Image, name: &str) -> Result<Vec<PathBuf>, BuildError> {
        if self.snapshots.lack(self.store, image) {
            let failed = |source| BuildError::Supply {
                image: name.to_owned(),
                source,
            };
            let Some(supplier) = self.supplier else {
                return Err(failed("they are not in the store: pull it".into()));
            };
            supplier.supply(image).map_err(failed)?;
        }
        self.snapshots.of_image(self.store, image)
    }

    /// Builds an image and puts it into the store. It gets no name.
    pub fn build(
        &self,
        request: &BuildRequest<'_>,
        bases: &dyn Bases,
        reporter: &dyn Reporter,
    ) -> Result<Built, BuildError> {
        let plan = lower(&parse(request.dockerfile), &request.lower, bases)?;
        for (number, base) in plan.bases.iter().enumerate() {
            reporter.event(Event::BaseFound {
                base: number,
                title: &base.title(),
            });
        }
        let mut steps = self.execute(&plan, request, reporter)?;
        self.note_overwritten(&plan, &mut steps)?;
        let image = self.image(&plan, &steps, request)?;
        self.store.put_image(&image).map_err(BuildError::Store)?;
        Ok(Built { image, plan, steps })
    }

    fn execute(
        &self,
        plan: &Plan,
        request: &BuildRequest<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Vec<StepRecord>, BuildError> {
        let lineage = Lineage::open(&self.cache, request);
        let schedule = Schedule::new(plan, request.jobs);
        let (queue, jobs) = LayerQueue::new(plan, request.keep);
        let contexts = Contexts::new(self, request);
        let run = StepRun {
            engine: self,
            plan,
            request,
            reporter,
            layers: &queue,
            lineage: &lineage,
            schedule: &schedule,
            contexts: &contexts,
        };
        let (ran, written) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_layers(self, jobs, &queue));
            // Also when a step panics: the writer would wait for more, and this scope for the writer.
            let closing = Closing(&queue);
            let ran = schedule.run(&|id| run.step(id));
            drop(closing);
            let written = writer.join();
            (ran, written)
        });
        // What was found is worth knowing to the next build, even if this one failed.
        contexts.save();
        // Where it cannot be kept, the next build explains less; a full disk has an error of its own below.
        lineage
            .save(&self.cache, plan, &schedule)
            .unwrap_or_default();
        let mut written = match written {
            Ok(written) => written?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        ran?;
        let mut records = Vec::new();
        for index in 0..plan.steps.len() {
            let result = schedule.result(StepId(index))?;
            let layer = written.remove(&StepId(index));
            let mut entry = result.entry.clone();
            entry.layer = layer.or(entry.layer);
            records.push(StepRecord {
                key: result.key,
                alias: result.alias,
                cached: result.is_cached,
                elapsed: result.entry.elapsed,
                processor_time: result.entry.processor_time,
                peak_memory: result.entry.peak_memory,
                layer: entry.layer.clone(),
                files: match request.keep {
                    Keep::Files | Keep::Everything => run.step_files(result)?,
                    Keep::Image => self.snapshots.path_of(&result.entry.snapshot),
                },
                change: result.change.clone(),
                trace: result.trace.clone(),
                overwritten: None,
                paths: result.paths.clone(),
                entry,
            });
        }
        Ok(records)
    }

    fn image(
        &self,
        plan: &Plan,
        steps: &[StepRecord],
        request: &BuildRequest<'_>,
    ) -> Result<Image, BuildError> {
        let (base, chain) = plan.chain(plan.target.result);
        // What was fetched meanwhile has been read.
        let base = base.map(|index| self.store.refreshed(&plan.bases[index].image));
        let mut layers: Vec<Layer> = base
            .as_ref()
            .map(|image| image.layers().to_vec())
            .unwrap_or_default();
        let mut diff_ids: Vec<DiffId> = layers.iter().map(|layer| layer.diff_id).collect();
        for StepId(index) in chain {
            let step = &steps[index];
            let Some(layer) = &step.layer else {
                let missing = std::io::Error::other("a layer was not written");
                return Err(BuildError::io("write to", self.store.root(), missing));
            };
            layers.push(layer.clone());
            diff_ids.push(layer.diff_id);
            if let (Some(chain), Some(snapshot)) =
                (ChainId::of(&diff_ids), self.snapshot_at(&step.files))
            {
                self.snapshots.name_chain(&chain, &snapshot)?;
            }
        }
        let created = created(plan, request);
        let target = &plan.target;
        let platform = target.platform.clone();
        let config = ImageConfig {
            created: Some(created.clone()),
            author: target.author.clone(),
            architecture: platform.architecture,
            os: platform.os,
            variant: Some(platform.variant).filter(|variant| !variant.is_empty()),
            config: target.config.clone(),
            rootfs: RootFs::new(diff_ids),
            history: dated(&target.history, &created),
            extra: system_members(platform.os_version, platform.os_features),
        };
        Image::new(config, layers).map_err(BuildError::Image)
    }

    fn snapshot_at(&self, files: &std::path::Path) -> Option<Snapshot<Committed>> {
        let name = files.parent()?.file_name()?.to_str()?;
        self.snapshots.get(name)
    }

    /// Finds what of each layer of the image later ones hide, if any of them is new.
    fn note_overwritten(&self, plan: &Plan, steps: &mut [StepRecord]) -> Result<(), BuildError> {
        let (_, chain) = plan.chain(plan.target.result);
        if chain.iter().all(|id| steps[id.0].cached) {
            return Ok(());
        }
        if let [StepId(only)] = chain[..] {
            steps[only].overwritten = Some(0);
            return Ok(());
        }
        let mut overwritten = Overwritten::default();
        for StepId(index) in &chain {
            let step = &steps[*index];
            if step.files.is_dir() {
                overwritten
                    .directory(*index, &step.files)
                    .map_err(|source| BuildError::io("list", &step.files, source))?;
            } else if let Some(paths) = &step.paths {
                // Files that are nowhere else are those of the last step.
                overwritten.paths(paths);
            } else if let Some(layer) = &step.layer {
                let listed = layer_entries(self.store, layer, &mut |entry| match entry {
                    LayerEntry::File { path, size } => overwritten.file(*index, path, size),
                    LayerEntry::Removed { path } => overwritten.remove(path),
                    LayerEntry::Emptied { path } => overwritten.remove_below(path),
                });
                listed.map_err(BuildError::Layer)?;
            }
        }
        let lost = overwritten.into_lost();
        for StepId(index) in chain {
            steps[index].overwritten = Some(lost.get(&index).copied().unwrap_or_default());
        }
        Ok(())
    }
}

/// What a configuration says of its operating system besides the name.
fn system_members(version: String, features: Vec<String>) -> BTreeMap<String, Value> {
    let version = (!version.is_empty()).then(|| ("os.version".to_owned(), version.into()));
    let features = (!features.is_empty()).then(|| ("os.features".to_owned(), features.into()));
    version.into_iter().chain(features).collect()
}

/// The image's time: what the Dockerfile or the request says, else the newest base's, else 1970.
fn created(plan: &Plan, request: &BuildRequest<'_>) -> String {
    let newest = plan
        .bases
        .iter()
        .filter_map(|base| base.image.config().created.clone())
        .max();
    let epoch = plan.epoch.and_then(|seconds| u64::try_from(seconds).ok());
    epoch
        .map(timestamp)
        .or_else(|| request.created.clone())
        .or(newest)
        .unwrap_or_else(|| timestamp(0))
}

/// Seconds since 1970 as RFC 3339 has it.
pub fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day is a year's last (Hinnant: chrono-compatible date algorithms).
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The history with a time in every entry that has none.
fn dated(history: &[HistoryEntry], created: &str) -> Vec<HistoryEntry> {
    history
        .iter()
        .cloned()
        .map(|entry| match entry.created {
            Some(_) => entry,
            None => HistoryEntry {
                created: Some(created.to_string()),
                ..entry
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), expected);
        }
    }
}
