//! Building an image: the plan's steps in order, each from the cache where it can be.
//!
//! A layer is written by a second thread while the next step already runs on the snapshot.

mod layers;
mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jettison_dockerfile::parse;
use jettison_oci::{ChainId, DiffId, HistoryEntry, Image, ImageConfig, Layer, RootFs, Store};
use jettison_sandbox::Entered;
use serde_json::Value;

use crate::build::layers::{LayerWriter, WriteJob};
use crate::build::step::{Jobs, Record, StepResult};
use crate::cache::Cache;
use crate::context::BuildContext;
use crate::error::BuildError;
use crate::event::Reporter;
use crate::exec::RunHost;
use crate::lower::{Bases, LowerRequest, lower};
use crate::plan::{Input, Plan, StepId};
use crate::snapshot::{Committed, Snapshot, Snapshots};

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
}

/// One build.
#[derive(Clone, Debug)]
pub struct BuildRequest<'a> {
    /// The Dockerfile's text.
    pub dockerfile: &'a str,
    /// The files that `COPY` finds.
    pub context: &'a BuildContext,
    /// Target, arguments and platform.
    pub lower: LowerRequest,
    /// Whether results of earlier builds are used.
    pub cache: CacheUse,
    /// The time that the image says it was made at, in RFC 3339, if the Dockerfile does not say. Without it, the
    /// newest base image's time: the clock never enters an image.
    pub created: Option<String>,
}

/// Whether a build uses the results of earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// Steps that did not change are not executed.
    Use,
    /// Every step is executed.
    Ignore,
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
    /// The layer that it made.
    pub layer: Layer,
    /// The directory that holds the files of that layer.
    pub files: PathBuf,
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
        let snapshots = Snapshots::open(store.root())?;
        let cache = Cache::open(store.root())?;
        Ok(Engine {
            store,
            entered,
            host,
            snapshots,
            cache,
        })
    }

    /// The snapshots beside the store.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The directories of an image's layers, top first.
    pub fn lowers(&self, image: &Image) -> Result<Vec<PathBuf>, BuildError> {
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
        let steps = self.execute(&plan, request, reporter)?;
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
        let (sender, queue) = mpsc::channel::<WriteJob>();
        let has_failed = AtomicBool::new(false);
        let jobs = Jobs {
            queue: sender,
            has_failed: &has_failed,
        };
        let writer = LayerWriter {
            store: self.store,
            cache: &self.cache,
            snapshots: &self.snapshots,
            has_failed: &has_failed,
        };
        let (results, written) = thread::scope(|scope| {
            let writer = scope.spawn(|| writer.run(queue));
            let results = self.run_steps(plan, request, reporter, &jobs);
            drop(jobs);
            (results, writer.join())
        });
        let written = match written {
            Ok(written) => written?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let mut records = Vec::new();
        for result in results? {
            let entry = match &result.record {
                Record::Entry(entry) => Some(entry.as_ref()),
                Record::Writing(step) => written.get(step),
            };
            let Some(entry) = entry else {
                let missing = std::io::Error::other("a layer was not written");
                return Err(BuildError::io("write to", self.store.root(), missing));
            };
            records.push(StepRecord {
                cached: result.cached,
                elapsed: entry.elapsed,
                files: self.step_files(&result)?,
                layer: entry.layer.clone(),
            });
        }
        Ok(records)
    }

    fn run_steps(
        &self,
        plan: &Plan,
        request: &BuildRequest<'_>,
        reporter: &dyn Reporter,
        jobs: &Jobs<'_>,
    ) -> Result<Vec<StepResult>, BuildError> {
        let mut results: Vec<StepResult> = Vec::new();
        for index in 0..plan.steps.len() {
            let run = step::StepRun {
                engine: self,
                plan,
                request,
                reporter,
                jobs,
                results: &results,
            };
            let result = run.step(StepId(index))?;
            results.push(result);
        }
        Ok(results)
    }

    fn image(
        &self,
        plan: &Plan,
        steps: &[StepRecord],
        request: &BuildRequest<'_>,
    ) -> Result<Image, BuildError> {
        let (base, chain) = plan.chain(plan.target.result);
        let base = base.map(|index| &plan.bases[index].image);
        let mut layers: Vec<Layer> = base
            .map(|image| image.layers().to_vec())
            .unwrap_or_default();
        let mut diff_ids: Vec<DiffId> = layers.iter().map(|layer| layer.diff_id).collect();
        for StepId(index) in chain {
            let step = &steps[index];
            layers.push(step.layer.clone());
            diff_ids.push(step.layer.diff_id);
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

    /// The directories that `input` is made of, top first.
    fn lowers_of(
        &self,
        plan: &Plan,
        results: &[StepResult],
        input: Input,
    ) -> Result<Vec<PathBuf>, BuildError> {
        let (base, chain) = plan.chain(input);
        let mut dirs = Vec::new();
        for StepId(index) in chain.iter().rev() {
            dirs.push(self.step_files(&results[*index])?);
        }
        if let Some(base) = base {
            dirs.extend(self.lowers(&plan.bases[base].image)?);
        }
        Ok(dirs)
    }

    /// The directory of a step's files, unpacked from its layer if it is gone.
    fn step_files(&self, result: &StepResult) -> Result<PathBuf, BuildError> {
        if let Some(snapshot) = self.snapshots.get(&result.snapshot) {
            return Ok(snapshot.fs());
        }
        let Record::Entry(entry) = &result.record else {
            let path = self.snapshots.path_of(&result.snapshot);
            return Err(BuildError::io(
                "open",
                &path,
                std::io::ErrorKind::NotFound.into(),
            ));
        };
        let active = self.snapshots.prepare()?;
        jettison_oci::unpack_layer(self.store, &entry.layer, &active.fs())
            .map_err(BuildError::Layer)?;
        Ok(self.snapshots.commit(active, &result.snapshot)?.fs())
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
