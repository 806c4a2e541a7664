//! `--metadata-file`: what buildx says about a build, by its keys, and what we know beyond it.

use std::collections::BTreeMap;

use jettison_build::Built;
use jettison_oci::{Image, Reference};
use serde::Serialize;

use crate::explanation::explanation;
use crate::printable::printable_json;

#[derive(Debug, Serialize)]
struct Metadata<'a> {
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
    media_type: &'static str,
    digest: String,
    size: usize,
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
}

/// The metadata of a build whose image has these names.
pub(super) fn metadata(built: &Built, names: &[Reference]) -> String {
    let image = &built.image;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let metadata = Metadata {
        config_digest: image.id().0.to_string(),
        descriptor: descriptor(image),
        digest: image.manifest_digest().0.to_string(),
        name: names.join(","),
        steps: steps(built),
    };
    // Strings, numbers and maps of strings are always written.
    let json = serde_json::to_string_pretty(&metadata).unwrap_or_default();
    printable_json(&format!("{json}\n"))
}

fn descriptor(image: &Image) -> Descriptor {
    let config = image.config();
    let mut annotations = BTreeMap::from([("config.digest", image.id().0.to_string())]);
    if let Some(created) = &config.created {
        annotations.insert("org.opencontainers.image.created", created.clone());
    }
    Descriptor {
        media_type: "application/vnd.oci.image.manifest.v1+json",
        digest: image.manifest_digest().0.to_string(),
        size: image.manifest().to_json().len(),
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
                added_bytes: layer.unpacked_size,
                files: layer.files,
            }),
        })
        .collect()
}
