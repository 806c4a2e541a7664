//! Taking what builds have come to along: the results of steps, and cache mounts.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jettison_oci::{LayerError, Store, write_layer};

use crate::build::layers::LAYER_OPTIONS;
use crate::build::step::base_key;
use crate::build::{Built, Engine};
use crate::cache::{ArtifactPlace, Journey, TravelStep, mount_artifact, mount_name, step_name};
use crate::error::{BuildError, with_causes};
use crate::exec::cache_mount_key;
use crate::plan::{Definition, Input, MountAttributes, RunMountKind};

/// How often a cache mount is read that others change meanwhile.
const TRIES: usize = 3;

/// What is taken along.
#[derive(Clone, Copy)]
pub struct CacheExport<'a> {
    /// What the builds are called: those of an earlier export with the same tag make room.
    pub tag: &'a str,
    /// Whether cache mounts go with the results of steps.
    pub mounts: MountExport,
    /// Takes what the user may want to know, in a line: who is waited for, what cannot be taken along and why.
    pub note: &'a dyn Fn(&str),
}

/// Which cache mounts are taken along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountExport {
    /// None.
    None,
    /// Those that the builds' commands have, also where these were not executed.
    OfBuilds,
}

impl std::fmt::Debug for CacheExport<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CacheExport")
            .field("tag", &self.tag)
            .field("mounts", &self.mounts)
            .finish_non_exhaustive()
    }
}

impl Engine<'_> {
    /// Puts the steps of finished builds, and their cache mounts if they are wanted, into `place`.
    ///
    /// The steps are those whose layers are known: the image's own, or all of them if
    /// [`Keep::Everything`](crate::Keep::Everything) was asked for.
    pub fn export_cache(
        &self,
        builds: &[Built],
        place: &dyn ArtifactPlace,
        export: &CacheExport<'_>,
    ) -> Result<(), BuildError> {
        let mut journey = Journey::to(place);
        for built in builds {
            self.put_steps(built, &mut journey)?;
        }
        if export.mounts == MountExport::OfBuilds {
            for (key, id) in cache_mounts(builds) {
                // One that is not here may have been put there by another machine.
                journey.keep(mount_name(&key));
                self.put_mount((&key, &id), &mut journey, export)?;
            }
        }
        journey.arrive(export.tag).map_err(BuildError::CacheLayout)
    }

    fn put_steps(&self, built: &Built, journey: &mut Journey<'_>) -> Result<(), BuildError> {
        for record in &built.steps {
            // Those that are there already, and whose layers were not needed here, stay.
            journey.keep(step_name(&record.key));
            // A result whose text is gone could not be found by anybody.
            let Some(text) = self.cache.text(&record.key.to_string()) else {
                continue;
            };
            let step = TravelStep {
                key: record.key,
                alias: record.alias,
                text,
                entry: record.entry.clone(),
            };
            let Some(artifact) = step.artifact() else {
                continue;
            };
            if artifact
                .layers
                .iter()
                .all(|layer| self.store.has(&layer.digest))
            {
                let put = journey.put(&artifact, self.store);
                put.map_err(BuildError::CacheLayout)?;
            }
        }
        Ok(())
    }

    /// Puts the cache mount `key` into the journey, if there is something in it. What cannot be written down is said, and
    /// stays behind.
    fn put_mount(
        &self,
        (key, id): (&str, &str),
        journey: &mut Journey<'_>,
        export: &CacheExport<'_>,
    ) -> Result<(), BuildError> {
        let waiting = || {
            let text = format!("waiting for a running build that uses the cache mount {id}");
            (export.note)(&text);
        };
        let Some(directory) = self.cache_mounts.take_to_read(key, &waiting)? else {
            return Ok(());
        };
        // Its layer is nobody's in the store, so it gets one of its own, which vanishes with this process.
        let scratch = self.snapshots.prepare()?;
        let store = Store::open(&scratch.fs()).map_err(BuildError::Store)?;
        let written = written(&store, directory.path());
        let result = match written {
            Ok((layer, attributes)) => {
                let artifact = mount_artifact(key, attributes, layer.blob);
                journey
                    .put(&artifact, &store)
                    .map_err(BuildError::CacheLayout)
            }
            Err(error @ LayerError::Blob { .. }) => Err(BuildError::Layer(error)),
            Err(error) => {
                let reason = with_causes(&error);
                (export.note)(&format!("the cache mount {id} stays behind: {reason}"));
                Ok(())
            }
        };
        drop(store);
        self.snapshots.discard(scratch)?;
        result
    }
}

/// The cache mounts of builds: their keys, and what users call them.
fn cache_mounts(builds: &[Built]) -> BTreeMap<String, String> {
    let mut mounts = BTreeMap::new();
    for built in builds {
        let key_of = |input: Input| match input {
            Input::Scratch => "scratch".to_owned(),
            Input::Base(base) => base_key(&built.plan, base),
            Input::Step(id) => match built.steps.get(id.0) {
                Some(step) => format!("step {}", step.entry.snapshot),
                None => format!("step {}", id.0),
            },
        };
        for step in &built.plan.steps {
            let Definition::Run(run) = &step.definition else {
                continue;
            };
            for mount in &run.mounts {
                if let RunMountKind::Cache { id, .. } = &mount.kind
                    && let Some(key) = cache_mount_key(&mount.kind, &key_of)
                {
                    // In front of a slash is the namespace, if there is one.
                    let id = id.strip_prefix('/').unwrap_or(id);
                    mounts.insert(key, id.to_owned());
                }
            }
        }
    }
    mounts
}

/// Writes what is in a directory as a layer. Other commands may be at work in it.
fn written(
    store: &Store,
    directory: &Path,
) -> Result<(jettison_oci::Layer, MountAttributes), LayerError> {
    let metadata = std::fs::metadata(directory).map_err(|source| LayerError::Io {
        action: "inspect",
        path: directory.to_path_buf(),
        source,
    })?;
    let attributes = MountAttributes {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    };
    let mut tries = 1;
    loop {
        match write_layer(store, directory, &[], &LAYER_OPTIONS) {
            Ok(layer) => return Ok((layer, attributes)),
            // Something was written, or is gone.
            Err(LayerError::Changed { .. } | LayerError::Io { .. }) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}
