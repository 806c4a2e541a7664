//! Bills of materials that are sent along with an image, as artifacts that refer to it.

use std::fs;
use std::path::{Path, PathBuf};

use jettison_oci::{MediaType, Pushed, RegistryClient, RepositoryArtifacts};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The configuration of an artifact that needs none (image specification, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

/// A bill of materials and what it is.
#[derive(Debug)]
pub(super) struct Attachment {
    bytes: Vec<u8>,
    media_type: &'static str,
    name: String,
}

/// Reads the files; each says by its content what it is.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Attachment>, Failure> {
    paths.iter().map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> Result<Attachment, Failure> {
    let shown = path.display();
    let bytes = fs::read(path)
        .map_err(|error| Failure::user(format!("cannot read {shown}")).because(&error))?;
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::user(format!("{shown} is not JSON")).because(&error))?;
    let has = |key: &str| document.get(key).is_some();
    let media_type = if has("spdxVersion") {
        "application/spdx+json"
    } else if has("bomFormat") {
        "application/vnd.cyclonedx+json"
    } else {
        let text = format!("{shown} is no bill of materials: neither SPDX nor CycloneDX");
        return Err(Failure::user(text).hint("`jettison base build --sbom` writes both"));
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Attachment {
        bytes,
        media_type,
        name: name.into_owned(),
    })
}

/// Sends the attachments as artifacts that refer to what was pushed.
pub(super) fn attach(
    client: &RegistryClient<'_>,
    pushed: &Pushed,
    attachments: &[Attachment],
) -> Result<(), Failure> {
    let failed = |error: jettison_oci::ExportError| {
        let name = pushed.reference.familiar();
        Failure::user(format!("cannot attach a bill of materials to {name}")).because(&error)
    };
    if attachments.is_empty() {
        return Ok(());
    }
    let artifacts = RepositoryArtifacts::open(client, &pushed.reference).map_err(failed)?;
    for one in attachments {
        let empty = MediaType::from("application/vnd.oci.empty.v1+json");
        let config = artifacts.put(empty, EMPTY).map_err(failed)?;
        let layer = artifacts
            .put(MediaType::from(one.media_type), &one.bytes)
            .map_err(failed)?;
        let subject = &pushed.descriptor;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OciManifest.as_str(),
            "artifactType": one.media_type,
            "config": {
                "mediaType": config.media_type.as_str(),
                "digest": config.digest.to_string(),
                "size": config.size,
            },
            "layers": [{
                "mediaType": layer.media_type.as_str(),
                "digest": layer.digest.to_string(),
                "size": layer.size,
                "annotations": { "org.opencontainers.image.title": one.name },
            }],
            "subject": {
                "mediaType": subject.media_type.as_str(),
                "digest": subject.digest.to_string(),
                "size": subject.size,
            },
        });
        artifacts
            .put(MediaType::OciManifest, manifest.to_string().as_bytes())
            .map_err(failed)?;
    }
    Ok(())
}
