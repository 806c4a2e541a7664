//! Media types of image parts.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The media type of something that a descriptor points to.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/media-types.md>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// An OCI image manifest.
    OciManifest,
    /// An OCI image index.
    OciIndex,
    /// An OCI image configuration.
    OciConfig,
    /// A layer as plain tar.
    OciLayerTar,
    /// A layer as tar with gzip.
    OciLayerTarGzip,
    /// A layer as tar with zstd.
    OciLayerTarZstd,
    /// Docker's image manifest, version 2, schema 2.
    DockerManifest,
    /// Docker's manifest list.
    DockerManifestList,
    /// Docker's image configuration.
    DockerConfig,
    /// Docker's layer as plain tar.
    DockerLayerTar,
    /// Docker's layer as tar with gzip.
    DockerLayerTarGzip,
    /// Docker's layer as tar with zstd.
    DockerLayerTarZstd,
    /// Any other media type.
    Other(String),
}

/// Every media type that has a name of its own, as it is written.
const NAMES: [(MediaType, &str); 12] = [
    (
        MediaType::OciManifest,
        "application/vnd.oci.image.manifest.v1+json",
    ),
    (
        MediaType::OciIndex,
        "application/vnd.oci.image.index.v1+json",
    ),
    (
        MediaType::OciConfig,
        "application/vnd.oci.image.config.v1+json",
    ),
    (
        MediaType::OciLayerTar,
        "application/vnd.oci.image.layer.v1.tar",
    ),
    (
        MediaType::OciLayerTarGzip,
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        MediaType::OciLayerTarZstd,
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    (
        MediaType::DockerManifest,
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    (
        MediaType::DockerManifestList,
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (
        MediaType::DockerConfig,
        "application/vnd.docker.container.image.v1+json",
    ),
    (
        MediaType::DockerLayerTar,
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
    (
        MediaType::DockerLayerTarGzip,
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        MediaType::DockerLayerTarZstd,
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ),
];

impl MediaType {
    /// The media type as it is written.
    pub fn as_str(&self) -> &str {
        let MediaType::Other(name) = self else {
            return NAMES
                .iter()
                .find(|(named, _)| named == self)
                .map_or("", |(_, name)| name);
        };
        name
    }

    /// Whether this is an image manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(self, MediaType::OciManifest | MediaType::DockerManifest)
    }

    /// Whether this is a list of manifests, one per platform.
    pub fn is_index(&self) -> bool {
        matches!(self, MediaType::OciIndex | MediaType::DockerManifestList)
    }

    /// Whether this is an image configuration.
    pub fn is_config(&self) -> bool {
        matches!(self, MediaType::OciConfig | MediaType::DockerConfig)
    }

    /// Whether this is a layer that we can read.
    pub fn is_layer(&self) -> bool {
        matches!(
            self.to_oci(),
            MediaType::OciLayerTar | MediaType::OciLayerTarGzip | MediaType::OciLayerTarZstd
        )
    }

    /// The OCI media type for the same bytes, where Docker has one of its own.
    #[must_use]
    pub fn to_oci(&self) -> MediaType {
        match self {
            MediaType::DockerManifest => MediaType::OciManifest,
            MediaType::DockerManifestList => MediaType::OciIndex,
            MediaType::DockerConfig => MediaType::OciConfig,
            MediaType::DockerLayerTar => MediaType::OciLayerTar,
            MediaType::DockerLayerTarGzip => MediaType::OciLayerTarGzip,
            MediaType::DockerLayerTarZstd => MediaType::OciLayerTarZstd,
            other => other.clone(),
        }
    }

    /// Docker's media type for the same bytes, where it has one.
    #[must_use]
    pub fn to_docker(&self) -> MediaType {
        match self {
            MediaType::OciManifest => MediaType::DockerManifest,
            MediaType::OciIndex => MediaType::DockerManifestList,
            MediaType::OciConfig => MediaType::DockerConfig,
            MediaType::OciLayerTar => MediaType::DockerLayerTar,
            MediaType::OciLayerTarGzip => MediaType::DockerLayerTarGzip,
            MediaType::OciLayerTarZstd => MediaType::DockerLayerTarZstd,
            other => other.clone(),
        }
    }
}

impl From<&str> for MediaType {
    fn from(text: &str) -> MediaType {
        NAMES
            .iter()
            .find_map(|(media_type, name)| (*name == text).then(|| media_type.clone()))
            .unwrap_or_else(|| MediaType::Other(text.to_owned()))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MediaType, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(MediaType::from(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself() {
        for (media_type, name) in NAMES {
            assert_eq!(MediaType::from(name), media_type);
            assert_eq!(media_type.to_string(), name);
        }
        let foreign = "application/vnd.in-toto+json";
        assert_eq!(
            MediaType::from(foreign),
            MediaType::Other(foreign.to_owned())
        );
        assert_eq!(MediaType::from(foreign).as_str(), foreign);
    }

    #[test]
    fn dockers_types_are_the_same_kind_as_their_oci_twins() {
        for (media_type, name) in NAMES {
            let twin = media_type.to_oci();
            assert!(twin.as_str().starts_with("application/vnd.oci."), "{name}");
            assert_eq!(twin.is_manifest(), media_type.is_manifest(), "{name}");
            assert_eq!(twin.is_index(), media_type.is_index(), "{name}");
            assert_eq!(twin.is_config(), media_type.is_config(), "{name}");
            assert_eq!(twin.is_layer(), media_type.is_layer(), "{name}");
            assert_eq!(twin.to_docker().to_oci(), twin, "{name}");
            assert_eq!(media_type.to_docker(), twin.to_docker(), "{name}");
        }
    }
}
