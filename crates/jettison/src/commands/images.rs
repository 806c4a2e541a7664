//! `jettison images`

mod filter;

use std::process::ExitCode;

use jettison_oci::{Image, Store, TaggedImage};
use jettison_slim::size_text;

use crate::age;
use crate::cli::{Global, ImagesArgs};
use crate::commands::images::filter::{Filters, Listed};
use crate::commands::lookup::{self, repository};
use crate::commands::world;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::Output;
use crate::surroundings::Surroundings;
use crate::template::{Data, Field, record};

/// What a part of a name that is not there is shown as.
const NONE: &str = "<none>";

/// The titles of all fields.
const TITLES: [Column; 13] = [
    ("Containers", "CONTAINERS"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("SharedSize", "SHARED SIZE"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
    ("UnpackedSize", "UNPACKED"),
    ("StoredSize", "STORED"),
];

pub(crate) fn run(
    global: &Global,
    args: &ImagesArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let store = world::store(&world::root(global, surroundings)?)?;
    let filters = Filters::read(&args.filters, args.name.as_deref(), &store, surroundings)?;
    let mut images: Vec<Listed> = lookup::named(&store)?.iter().map(listed).collect();
    if args.all || filters.wants_unnamed() {
        images.extend(unnamed(&store)?);
    }
    let mut wanted = Vec::new();
    for image in images {
        if filters.let_through(&store, &image)? {
            wanted.push(image);
        }
    }
    // The newest first, as in docker; those of one time by name.
    wanted.sort_by_key(|image| std::cmp::Reverse(image.seconds()));
    let rows: Vec<Data> = wanted
        .iter()
        .map(|image| row(image, args, surroundings.now))
        .collect();
    let mut columns: Vec<Column> = vec![("Repository", "REPOSITORY"), ("Tag", "TAG")];
    if args.digests {
        columns.push(("Digest", "DIGEST"));
    }
    columns.extend([
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("UnpackedSize", "UNPACKED"),
        ("StoredSize", "STORED"),
    ]);
    let format = match &args.format {
        None if args.quiet => Some("{{.ID}}"),
        format => format.as_deref(),
    };
    let listing = Listing {
        format,
        columns: &columns,
        titles: &TITLES,
    };
    listing.print(&rows, output)?;
    Ok(ExitCode::SUCCESS)
}

fn listed(image: &TaggedImage) -> Listed {
    Listed {
        reference: Some(image.reference.clone()),
        id: image.id,
        manifest: image.manifest,
        created: image.created.clone(),
        unpacked_size: image.unpacked_size,
        stored_size: image.stored_size,
    }
}

/// The images without a name. What cannot be read is not listed.
fn unnamed(store: &Store) -> Result<Vec<Listed>, Failure> {
    let ids = store
        .unnamed_images()
        .map_err(|error| Failure::user("cannot list the images").because(&error))?;
    let load = |hex: String| store.find_by_id(&hex).ok().flatten();
    let images = ids.iter().filter_map(|(id, _)| load(id.0.hex()));
    Ok(images.map(|image: Image| of_image(&image)).collect())
}

fn of_image(image: &Image) -> Listed {
    Listed {
        reference: None,
        id: image.id(),
        manifest: image.manifest_digest(),
        created: image.config().created.clone(),
        unpacked_size: image.unpacked_size(),
        stored_size: image.stored_size(),
    }
}

/// One image as `docker images --format json` has it, and its sizes.
fn row(image: &Listed, args: &ImagesArgs, now: u64) -> Data {
    let created = image.created.as_deref();
    let (name, tag) = match &image.reference {
        Some(reference) => (repository(reference), reference.tag().map(str::to_string)),
        None => (NONE.to_string(), None),
    };
    let id = if args.no_trunc {
        image.id.0.to_string()
    } else {
        lookup::short_id(&image.id)
    };
    let size = size_text(image.unpacked_size).replace(' ', "");
    record([
        Field::always("Containers", "N/A"),
        Field::always("CreatedAt", age::as_listed(created)),
        Field::always("CreatedSince", age::since(created, now)),
        Field::always("Digest", image.manifest.0.to_string()),
        Field::always("ID", id),
        Field::always("Repository", name),
        Field::always("SharedSize", "N/A"),
        Field::always("Size", size.clone()),
        Field::always("StoredBytes", image.stored_size),
        Field::always("StoredSize", size_text(image.stored_size)),
        Field::always("Tag", tag.unwrap_or_else(|| NONE.to_string())),
        Field::always("UniqueSize", "N/A"),
        Field::always("UnpackedBytes", image.unpacked_size),
        Field::always("UnpackedSize", size_text(image.unpacked_size)),
        Field::always("VirtualSize", size),
    ])
}
