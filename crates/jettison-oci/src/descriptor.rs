//! Descriptors: typed, sized pointers to content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::media_type::MediaType;
use crate::wire::{Extra, is_default, null_is_default};

/// Media type, digest and size of referenced content.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/descriptor.md>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// What is said about the content.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Where the content runs, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the required members.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type,
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
            extra: Extra::new(),
        }
    }
}

/// Operating system and processor architecture, in Go's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor architecture: `amd64`, `arm64`, …
    pub architecture: String,
    /// The operating system: `linux`.
    pub os: String,
    /// The variant of the architecture: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Platform {
    /// The platform as the command line has it: `linux/arm/v7`.
    pub fn id(&self) -> String {
        let id = format!("{}/{}", self.os, self.architecture);
        match &self.variant {
            Some(variant) => format!("{id}/{variant}"),
            None => id,
        }
    }
}
