//! Results of steps that travel from machine to machine: `--cache-from` and `--cache-to`.

use jettison_build::{Built, Engine, Keep, StepLayout, StepSource};
use jettison_oci::ArtifactLayout;

use crate::cli::{CacheExport, CacheImport, CacheMode};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::progress::Notes;

/// The tag of what is written, if none is asked for, as BuildKit's.
const TAG: &str = "latest";

/// The caches that are there. One that is not does not stop a build: the first one never finds any (buildx:
/// `loadInputs` warns, build/opt.go).
pub(super) fn open(imports: &[CacheImport], notes: &dyn Notes) -> Vec<StepLayout> {
    let open = |import: &CacheImport| {
        let name = import.src.display().to_string();
        let layout = ArtifactLayout::open(&import.src);
        match layout.and_then(|layout| StepLayout::open(layout, &name)) {
            Ok(layout) => Some(layout),
            Err(error) => {
                notes.note(&format!(
                    "warning: --cache-from {name} is not used: {error}"
                ));
                None
            }
        }
    };
    imports.iter().filter_map(open).collect()
}

/// The caches as the engine takes them.
pub(super) fn sources(layouts: &[StepLayout]) -> Vec<&dyn StepSource> {
    let sources = layouts.iter();
    sources.map(|layout| layout as &dyn StepSource).collect()
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

/// Writes the steps of a build.
pub(super) fn write(
    engine: &Engine<'_>,
    built: &Built,
    exports: &[CacheExport],
    output: &mut Output,
) -> Result<(), Failure> {
    for export in exports {
        let failure = match write_one(engine, built, export) {
            Ok(()) => continue,
            Err(failure) if export.ignores_errors => failure,
            Err(failure) => return Err(failure),
        };
        for (_, line) in failure.lines() {
            output.note(Look::Note, &format!("warning: {line}"));
        }
    }
    Ok(())
}

fn write_one(engine: &Engine<'_>, built: &Built, export: &CacheExport) -> Result<(), Failure> {
    let fail = || {
        Failure::user(format!(
            "cannot write the cache to {}",
            export.dest.display()
        ))
    };
    let layout = ArtifactLayout::create(&export.dest).map_err(|error| fail().because(&error))?;
    let tag = export.tag.as_deref().unwrap_or(TAG);
    engine
        .export_steps(built, &layout, tag)
        .map_err(|error| fail().because(&error))
}
