//! `jettison save`

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use jettison_oci::{Compression, Reference, SavedImage, Sink, Store, save_images};

use crate::cli::{CompressionKind, Global, ProgressKind, SaveArgs};
use crate::commands::{layers, lookup, world};
use crate::failure::Failure;
use crate::progress::{Direction, Progress, Reasons};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &SaveArgs,
    surroundings: &Surroundings,
) -> Result<ExitCode, Failure> {
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::user("an archive is not written to a terminal")
            .hint("write to a file with -o FILE, or redirect the output"));
    }
    let store = world::store(&world::root(global, surroundings)?)?;
    let _in_use = store
        .lock_shared()
        .map_err(|error| Failure::user("cannot read the store").because(&error))?;
    let mut images: Vec<SavedImage> = Vec::new();
    let told = (global.progress, surroundings);
    for name in &args.images {
        for (image, reference) in wanted(&store, name)? {
            let image = layers::complete(&store, &image, name, told)?;
            let known = images
                .iter_mut()
                .find(|saved| saved.image.id() == image.id());
            match known {
                Some(saved) => {
                    saved
                        .names
                        .extend(reference.filter(|name| !saved.names.contains(name)));
                }
                None => images.push(SavedImage {
                    image,
                    names: reference.into_iter().collect(),
                }),
            }
        }
    }
    let compression = match args.compression {
        Some(CompressionKind::Uncompressed) => Compression::None,
        Some(CompressionKind::Zstd) => Compression::MODERN,
        Some(CompressionKind::Gzip) | None => Compression::INTEROPERABLE,
    };
    let mut stdout;
    let sink = if let Some(path) = &args.output {
        Sink::File(path.clone())
    } else {
        stdout = io::stdout().lock();
        Sink::Stream(&mut stdout)
    };
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let progress = Progress::new(kind, Reasons::Untold);
    progress.carries(Direction::Save);
    let saved = save_images(&store, &images, compression, sink, &progress);
    drop(progress);
    saved.map_err(|error| Failure::user("cannot write the archive").because(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// The images that a word means, each with the name that it keeps. A repository without a tag means all of its tags, as
/// in docker (moby: `Export`, image/tarexport/save.go).
fn wanted(
    store: &Store,
    name: &str,
) -> Result<Vec<(jettison_oci::Image, Option<Reference>)>, Failure> {
    let failed = |error: jettison_oci::StoreError| {
        Failure::user(format!("cannot read image {name}")).because(&error)
    };
    let last_part = name.rsplit('/').next().unwrap_or(name);
    if let Ok(reference) = name.parse::<Reference>()
        && !last_part.contains([':', '@'])
    {
        let mut images = Vec::new();
        for image in lookup::named(store)? {
            let own = &image.reference;
            let is_meant = own.repository() == reference.repository()
                && own.registry() == reference.registry();
            if is_meant {
                let stored = store.load(&image.manifest).map_err(failed)?;
                images.push((stored, Some(image.reference)));
            }
        }
        if !images.is_empty() {
            return Ok(images);
        }
    }
    let found = lookup::find(store, name)?;
    Ok(vec![(found.image, found.reference)])
}
