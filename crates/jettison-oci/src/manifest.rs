//! Image manifests and image indexes, as they are on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::descriptor::Descriptor;
use crate::media_type::MediaType;
use crate::wire::{Extra, is_default, null_is_default, to_json};

/// The configuration and the layers of an image for one platform.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/manifest.md>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// Where the image configuration is.
    pub config: Descriptor,
    /// Where the layers are, bottom first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// What is said about the image.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Manifest {
    /// An OCI manifest of `config` and `layers`.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            config,
            layers,
            annotations: BTreeMap::new(),
            extra: Extra::new(),
        }
    }

    /// Reads a manifest.
    pub fn from_json(json: &[u8]) -> Result<Manifest, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The JSON; the same value gives the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// A list of manifests, one per platform or one per name.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/image-index.md>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// Where the manifests are.
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// What is said about the index.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl ImageIndex {
    /// An OCI index of `manifests`.
    pub fn new(manifests: Vec<Descriptor>) -> ImageIndex {
        ImageIndex {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests,
            annotations: BTreeMap::new(),
            extra: Extra::new(),
        }
    }

    /// Reads an index.
    pub fn from_json(json: &[u8]) -> Result<ImageIndex, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The JSON; the same value gives the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}
