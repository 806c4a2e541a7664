//! `--metadata-file`: what buildx says about a build, by its keys, and what we know beyond it.

use std::collections::BTreeMap;

use jettison_build::Built;
use jettison_oci::{Descriptor as WrittenDescriptor, Image, MediaType, Reference};
use serde::Serialize;

use crate::commands::build::provenance::{Provenance, provenances};
use crate::explanation::explanation;
use crate::printable::printable_json;

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    #[serde(flatten)]
    provenances: BTreeMap<String, Provenance>,
    #[serde(rename = "containerimage.config.digest")]
    config_digest: String,
    #[serde(rename = "containerimage.descriptor")]
    descriptor: Descriptor,
    #[serde(rename = "containerimage.digest")]
    digest: String,
    #[serde(rename = "image.name", skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "jettison.build.steps")]
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    annotations: BTreeMap<&'static str, String>,
    platform: Platform,
}

#[derive(Debug, Serialize)]
struct Platform {
    architecture: String,
    os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

/// What a step did: now, or when it was executed first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step<'a> {
    number: usize,
    title: &'a str,
    line: usize,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    processor_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<StepLayer>,
}

/// What a step added to the image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepLayer {
    diff_id: String,
    added_bytes: u64,
    files: u64,
    /// What of it later steps overwrite or delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden_bytes: Option<u64>,
}

/// The metadata of builds, `main` before the others, whose image has these names, and was written out with a descriptor.
pub(super) fn metadata(
    builds: &[Built],
    main: &Built,
    names: &[Reference],
    written: Option<WrittenDescriptor>,
) -> String {
    let image = &main.image;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let metadata = Metadata {
        provenances: provenances(builds),
        config_digest: image.id().0.to_string(),
        digest: written.as_ref().map_or_else(
            || image.manifest_digest().0.to_string(),
            |written| written.digest.to_string(),
        ),
        descriptor: descriptor(image, written),
        name: names.join(","),
        steps: builds.iter().flat_map(steps).collect(),
    };
    // Strings, numbers and maps of strings are always written.
    let json = serde_json::to_string_pretty(&metadata).unwrap_or_default();
    printable_json(&format!("{json}\n"))
}

/// The descriptor of what was written out, else of the image in the store.
fn descriptor(image: &Image, written: Option<WrittenDescriptor>) -> Descriptor {
    let config = image.config();
    let mut annotations = BTreeMap::from([("config.digest", image.id().0.to_string())]);
    if let Some(created) = &config.created {
        annotations.insert("org.opencontainers.image.created", created.clone());
    }
    let written = written.unwrap_or_else(|| {
        let size = u64::try_from(image.manifest().to_json().len()).unwrap_or(u64::MAX);
        WrittenDescriptor::new(MediaType::OciManifest, image.manifest_digest().0, size)
    });
    Descriptor {
        media_type: written.media_type.to_string(),
        digest: written.digest.to_string(),
        size: written.size,
        annotations,
        platform: Platform {
            architecture: config.architecture.clone(),
            os: config.os.clone(),
            variant: config.variant.clone(),
        },
    }
}

fn steps(built: &Built) -> Vec<Step<'_>> {
    let records = built.plan.steps.iter().zip(&built.steps).enumerate();
    records
        .map(|(index, (step, record))| Step {
            number: index + 1,
            title: &step.hints.title,
            line: step.hints.line,
            cached: record.cached,
            because: record.change.as_ref().map(explanation),
            seconds: record.elapsed.as_secs_f64(),
            processor_seconds: record.processor_time.map(|time| time.as_secs_f64()),
            peak_memory_bytes: record.peak_memory,
            layer: record.layer.as_ref().map(|layer| StepLayer {
                diff_id: layer.diff_id.0.to_string(),
                added_bytes: layer.unpacked_size(),
                files: layer.files(),
                hidden_bytes: record.overwritten,
            }),
        })
        .collect()
}
