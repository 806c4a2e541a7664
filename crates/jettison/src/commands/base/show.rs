//! `jettison base show`

use std::process::ExitCode;

use jettison_slim::{DistrolessImage, PackageFacts, Slice, size_text};

use crate::cli::{BaseShowArgs, Global};
use crate::commands::base::build::assemble;
use crate::commands::base::{Chosen, Place, settings};
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::Output;
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;
use crate::template::{Data, Field, record};

const COLUMNS: [Column; 6] = [
    ("Name", "PACKAGE"),
    ("Version", "VERSION"),
    ("Level", "RECIPE"),
    ("Size", "SIZE"),
    ("LeftOut", "LEFT OUT"),
    ("Reason", "WHY"),
];

const TITLES: [Column; 8] = [
    ("Name", "PACKAGE"),
    ("Version", "VERSION"),
    ("Architecture", "ARCHITECTURE"),
    ("Level", "RECIPE"),
    ("Size", "SIZE"),
    ("LeftOut", "LEFT OUT"),
    ("Files", "FILES"),
    ("Reason", "WHY"),
];

pub(super) fn run(
    global: &Global,
    args: &BaseShowArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let choice = &args.choice;
    let settings = settings(surroundings)?;
    let chosen = Chosen::new(choice, &settings, "`base show`")?;
    let place = Place::new(global, settings, &choice.making.origin, surroundings)?;
    let progress = Progress::new(global.progress, Reasons::Untold);
    let family = place.family(&progress);
    let built = assemble(&family, &chosen);
    drop(progress);
    let built = built?;
    let rows: Vec<Data> = built.packages.iter().map(row).collect();
    let listing = Listing {
        format: args.format.as_deref(),
        columns: &COLUMNS,
        titles: &TITLES,
    };
    listing.print(&rows, output)?;
    if args.format.is_none() {
        summary(&chosen, &built, output);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(package: &PackageFacts) -> Data {
    let field = |name| package.field(name).unwrap_or_default();
    let size: u64 = package.files.iter().map(|file| file.size).sum();
    let left_out = package.left_out;
    let left_out = if left_out.files == 0 {
        "-".to_string()
    } else {
        size_text(left_out.bytes)
    };
    record([
        Field::always("Name", package.name.as_str()),
        Field::always("Version", field("Version")),
        Field::always("Architecture", field("Architecture")),
        Field::always("Level", package.level.as_str()),
        Field::always("Size", size_text(size)),
        Field::always("LeftOut", left_out),
        Field::always("Files", package.files.len().to_string()),
        Field::always("Reason", package.reason.as_str()),
    ])
}

fn summary(chosen: &Chosen, built: &DistrolessImage, output: &mut Output) {
    let config = built.image.config();
    let unpacked = built.image.unpacked_size();
    let stored: u64 = built.image.layers().iter().map(|one| one.blob.size).sum();
    output.line("");
    output.line(&format!(
        "{} for {}: {} unpacked, {} stored",
        chosen.title,
        chosen.architecture,
        size_text(unpacked),
        size_text(stored)
    ));
    if let Some(entrypoint) = &config.config.entrypoint {
        output.line(&format!("entrypoint {}", entrypoint.join(" ")));
    }
    if !built.slices.is_empty() {
        output.line("");
        output.line("left out (--keep SLICE keeps it):");
    }
    let slices = Slice::all();
    for (name, facts) in &built.slices {
        let known = slices.iter().find(|slice| slice.name == *name);
        let what = known.map_or("by the recipe", |slice| slice.description.as_str());
        output.line(&format!(
            "  {name:<20} {:>9}  {:>5} files  {what}",
            size_text(facts.bytes),
            facts.files
        ));
    }
}
