//! `jettison images`

use std::process::ExitCode;

use jettison_oci::TaggedImage;
use jettison_slim::size_text;
use serde::Serialize;

use crate::cli::{Global, ImagesArgs, ImagesFormat};
use crate::commands::world;
use crate::failure::Failure;
use crate::output::Output;
use crate::surroundings::Surroundings;

/// One image as `docker images --format json` has it, and its sizes in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    containers: &'static str,
    created_at: String,
    created_since: String,
    digest: String,
    #[serde(rename = "ID")]
    id: String,
    repository: String,
    shared_size: &'static str,
    size: String,
    tag: String,
    unique_size: &'static str,
    virtual_size: String,
    unpacked_bytes: u64,
    stored_bytes: u64,
}

pub(crate) fn run(
    global: &Global,
    args: &ImagesArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let store = world::store(&world::root(global, surroundings)?)?;
    let images = store
        .images()
        .map_err(|error| Failure::user("cannot list the images").because(&error))?;
    let images: Vec<TaggedImage> = images
        .into_iter()
        .filter(|image| {
            args.name
                .as_deref()
                .is_none_or(|name| is_called(image, name))
        })
        .collect();
    match args.format {
        ImagesFormat::Json => {
            for image in &images {
                let line = serde_json::to_string(&listed(image))
                    .map_err(|error| Failure::user("cannot write JSON").because(&error))?;
                output.line(&line);
            }
        }
        ImagesFormat::Table => {
            for line in table(&images) {
                output.line(&line);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_called(image: &TaggedImage, name: &str) -> bool {
    let familiar = image.reference.familiar();
    familiar == name
        || familiar
            .rsplit_once(':')
            .is_some_and(|(repository, _)| repository == name)
}

fn parts(image: &TaggedImage) -> (String, String) {
    let familiar = image.reference.familiar();
    match familiar.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository.to_string(), tag.to_string()),
        _ => (familiar, "<none>".to_string()),
    }
}

fn short_id(image: &TaggedImage) -> String {
    image.id.0.hex()[..12].to_string()
}

fn listed(image: &TaggedImage) -> Listed {
    let (repository, tag) = parts(image);
    let size = size_text(image.unpacked_size).replace(' ', "");
    Listed {
        containers: "N/A",
        created_at: image.created.clone().unwrap_or_default(),
        created_since: "N/A".to_string(),
        digest: image.manifest.0.to_string(),
        id: short_id(image),
        repository,
        shared_size: "N/A",
        size: size.clone(),
        tag,
        unique_size: "N/A",
        virtual_size: size,
        unpacked_bytes: image.unpacked_size,
        stored_bytes: image.stored_size,
    }
}

fn table(images: &[TaggedImage]) -> Vec<String> {
    let mut rows = vec![
        [
            "REPOSITORY",
            "TAG",
            "IMAGE ID",
            "CREATED",
            "UNPACKED",
            "STORED",
        ]
        .map(str::to_string),
    ];
    for image in images {
        let (repository, tag) = parts(image);
        let created = image
            .created
            .as_deref()
            .and_then(|time| time.get(..10))
            .unwrap_or("")
            .to_string();
        rows.push([
            repository,
            tag,
            short_id(image),
            created,
            size_text(image.unpacked_size),
            size_text(image.stored_size),
        ]);
    }
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("   ").trim_end().to_string()
        })
        .collect()
}
