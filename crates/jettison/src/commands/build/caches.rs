//! Results of steps that travel from machine to machine: `--cache-from` and `--cache-to`.

use std::cell::RefCell;
use std::sync::Arc;

use jettison_build::{
    Built, CacheExport as Wanted, Engine, Keep, MountArtifacts, MountExport, MountSource,
    StepArtifacts, StepSource,
};
use jettison_oci::{ArtifactLayout, ExportError};

use crate::cli::{CacheExport, CacheImport, CacheMode, CacheMounts};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::one_line;
use crate::progress::Notes;

/// The tag of what is written, if none is asked for, as BuildKit's.
const TAG: &str = "latest";

/// The caches that results come from.
#[derive(Debug, Default)]
pub(super) struct Imports {
    steps: Vec<StepArtifacts>,
    mounts: Vec<MountArtifacts>,
}

/// The caches that are there. One that is not does not stop a build: the first one never finds any (buildx:
/// `loadInputs` warns, build/opt.go).
pub(super) fn open(imports: &[CacheImport], notes: &dyn Notes) -> Imports {
    let mut opened = Imports::default();
    for import in imports {
        if let Err(error) = opened.add(import) {
            let name = import.src.display();
            notes.note(&format!(
                "warning: --cache-from {name} is not used: {error}"
            ));
        }
    }
    opened
}

impl Imports {
    fn add(&mut self, import: &CacheImport) -> Result<(), ExportError> {
        let name = import.src.display().to_string();
        let layout = Arc::new(ArtifactLayout::open(&import.src)?);
        self.steps.push(StepArtifacts::open(layout.clone(), &name)?);
        match import.mounts {
            CacheMounts::Left => {}
            CacheMounts::Taken => self.mounts.push(MountArtifacts::open(layout, &name)?),
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
    output: &mut Output,
) -> Result<(), Failure> {
    let output = RefCell::new(output);
    let note = |text: &str| output.borrow_mut().note(Look::Note, &one_line(text));
    for export in exports {
        let failure = match write_one(engine, built, export, &note) {
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
    export: &CacheExport,
    note: &dyn Fn(&str),
) -> Result<(), Failure> {
    let fail = || {
        Failure::user(format!(
            "cannot write the cache to {}",
            export.dest.display()
        ))
    };
    let layout = ArtifactLayout::create(&export.dest).map_err(|error| fail().because(&error))?;
    let wanted = Wanted {
        tag: export.tag.as_deref().unwrap_or(TAG),
        mounts: match export.mounts {
            CacheMounts::Left => MountExport::None,
            CacheMounts::Taken => MountExport::OfBuilds,
        },
        note,
    };
    engine
        .export_cache(built, &layout, &wanted)
        .map_err(|error| fail().because(&error))
}
