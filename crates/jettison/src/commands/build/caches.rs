//! Results of steps that travel from machine to machine: `--cache-from` and `--cache-to`.

use std::cell::RefCell;
use std::error::Error;
use std::sync::Arc;

use jettison_build::{
    ArtifactPlace, ArtifactSource, Built, CacheExport as Wanted, Engine, Keep, MountArtifacts,
    MountExport, MountSource, StepArtifacts, StepSource, with_causes,
};
use jettison_oci::{ArtifactLayout, Reference, RegistryClient, RepositoryArtifacts};

use crate::cli::{CacheExport, CacheImport, CacheMode, CacheMounts, CachePlace};
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::one_line;
use crate::progress::Notes;

/// The tag of what is written, if none is asked for, as BuildKit's.
const TAG: &str = "latest";

/// The caches that results come from.
#[derive(Debug, Default)]
pub(super) struct Imports<'a> {
    steps: Vec<StepArtifacts<'a>>,
    mounts: Vec<MountArtifacts<'a>>,
}

/// The caches that are there. One that is not does not stop a build: the first one never finds any (buildx:
/// `loadInputs` warns, build/opt.go).
pub(super) fn open<'a>(
    imports: &[CacheImport],
    client: &'a RegistryClient<'a>,
    notes: &dyn Notes,
) -> Imports<'a> {
    let mut opened = Imports::default();
    for import in imports {
        if let Err(error) = opened.add(import, client) {
            let name = import.place.name();
            let reason = with_causes(error.as_ref());
            notes.note(&format!(
                "warning: --cache-from {name} is not used: {reason}"
            ));
        }
    }
    opened
}

impl<'a> Imports<'a> {
    fn add(
        &mut self,
        import: &CacheImport,
        client: &'a RegistryClient<'a>,
    ) -> Result<(), Box<dyn Error>> {
        let name = import.place.name();
        let source: Arc<dyn ArtifactSource + 'a> = match &import.place {
            CachePlace::Directory(path, _) => Arc::new(ArtifactLayout::open(path)?),
            CachePlace::Registry(reference) => {
                let reference: Reference = reference.parse()?;
                Arc::new(RepositoryArtifacts::open(client, &reference)?)
            }
        };
        self.steps.push(StepArtifacts::open(source.clone(), &name)?);
        match import.mounts {
            CacheMounts::Left => {}
            CacheMounts::Taken => self.mounts.push(MountArtifacts::open(source, &name)?),
        }
        Ok(())
    }

    /// The results of steps, as the engine takes them.
    pub(super) fn steps(&self) -> Vec<&dyn StepSource> {
        let sources = self.steps.iter();
        sources.map(|layout| layout as &dyn StepSource).collect()
    }

    /// The cache mounts, as the engine takes them.
    pub(super) fn mounts(&self) -> Vec<&dyn MountSource> {
        let sources = self.mounts.iter();
        sources.map(|layout| layout as &dyn MountSource).collect()
    }
}

/// What a build has to keep so that it can be written.
pub(super) fn keep(exports: &[CacheExport]) -> Keep {
    let is_max = |export: &CacheExport| export.mode == CacheMode::Max;
    if exports.iter().any(is_max) {
        Keep::Everything
    } else {
        Keep::Image
    }
}

/// Writes the steps of builds, and their cache mounts if that is asked for.
pub(super) fn write(
    engine: &Engine<'_>,
    built: &[Built],
    exports: &[CacheExport],
    client: &RegistryClient<'_>,
    output: &mut Output,
) -> Result<(), Failure> {
    let output = RefCell::new(output);
    let note = |text: &str| output.borrow_mut().note(Look::Note, &one_line(text));
    for export in exports {
        let failure = match write_one(engine, built, (export, client), &note) {
            Ok(()) => continue,
            Err(failure) if export.ignores_errors => failure,
            Err(failure) => return Err(failure),
        };
        for (_, line) in failure.lines() {
            note(&format!("warning: {line}"));
        }
    }
    Ok(())
}

fn write_one(
    engine: &Engine<'_>,
    built: &[Built],
    (export, client): (&CacheExport, &RegistryClient<'_>),
    note: &dyn Fn(&str),
) -> Result<(), Failure> {
    let fail = || Failure::user(format!("cannot write the cache to {}", export.place.name()));
    let (place, tag): (Box<dyn ArtifactPlace + '_>, &str) = match &export.place {
        CachePlace::Directory(path, tag) => {
            let layout = ArtifactLayout::create(path).map_err(|error| fail().because(&error))?;
            (Box::new(layout), tag.as_deref().unwrap_or(TAG))
        }
        CachePlace::Registry(name) => {
            let reference = world::reference(name)?;
            let artifacts = RepositoryArtifacts::open(client, &reference)
                .map_err(|error| fail().because(&error))?;
            // The tag in the registry tells lists apart.
            (Box::new(artifacts), TAG)
        }
    };
    let wanted = Wanted {
        tag,
        mounts: match export.mounts {
            CacheMounts::Left => MountExport::None,
            CacheMounts::Taken => MountExport::OfBuilds,
        },
        note,
    };
    engine
        .export_cache(built, &*place, &wanted)
        .map_err(|error| fail().because(&error))
}
