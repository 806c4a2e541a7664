//! Images as values that never change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::ImageConfig;
use crate::descriptor::{Descriptor, Platform};
use crate::digest::{DiffId, Digest, ImageId, ManifestDigest};
use crate::manifest::Manifest;
use crate::media_type::MediaType;

/// The annotation that keeps a layer's unpacked size.
const UNPACKED_SIZE: &str = "dev.jettison.unpacked-size";
/// The annotation that keeps a layer's number of files.
const FILES: &str = "dev.jettison.files";

/// A set of filesystem changes, stored as a blob.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Where the blob is.
    pub blob: Descriptor,
    /// What is in it. Of a layer that nobody has read yet this is not known: its blob may not be in the store, and that
    /// its tar is `diff_id` has not been checked.
    pub measure: Option<Measure>,
}

/// What reading a layer tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The sum of the sizes of the regular files; a file with several names counts once.
    pub unpacked_size: u64,
    /// The number of entries that are neither directories nor whiteouts.
    pub files: u64,
}

impl Layer {
    /// The sum of the sizes of the regular files. A layer that nobody has read counts as much as its blob.
    pub fn unpacked_size(&self) -> u64 {
        let measured = self.measure.map(|measure| measure.unpacked_size);
        measured.unwrap_or(self.blob.size)
    }

    /// The number of entries that are neither directories nor whiteouts, as far as it is known.
    pub fn files(&self) -> u64 {
        self.measure.map_or(0, |measure| measure.files)
    }

    /// The descriptor for a manifest: an OCI media type, and what we know about the layer.
    fn descriptor(&self) -> Descriptor {
        let mut descriptor = self.blob.clone();
        descriptor.media_type = descriptor.media_type.to_oci();
        if let Some(measure) = self.measure {
            descriptor.annotations.extend([
                (UNPACKED_SIZE.to_owned(), measure.unpacked_size.to_string()),
                (FILES.to_owned(), measure.files.to_string()),
            ]);
        }
        descriptor
    }

    /// The layer that `descriptor` tells of. Only we write down what is in it.
    fn from_descriptor(diff_id: DiffId, descriptor: &Descriptor) -> Layer {
        let number = |name: &str| descriptor.annotations.get(name)?.parse().ok();
        let measure = number(UNPACKED_SIZE)
            .zip(number(FILES))
            .map(|(unpacked_size, files)| Measure {
                unpacked_size,
                files,
            });
        let mut blob = descriptor.clone();
        blob.annotations.remove(UNPACKED_SIZE);
        blob.annotations.remove(FILES);
        Layer {
            diff_id,
            blob,
            measure,
        }
    }
}

/// What is wrong with the parts of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The configuration lists another number of layers.
    #[error("the configuration lists {diff_ids} layers, but there are {layers}")]
    LayerCount {
        /// How many diff IDs the configuration lists.
        diff_ids: usize,
        /// How many layers were given.
        layers: usize,
    },
    /// A layer is not the one that the configuration lists at its place.
    #[error("layer {index} is {actual}, but the configuration lists {expected}")]
    LayerMismatch {
        /// The layer's place, bottom first.
        index: usize,
        /// What the configuration lists.
        expected: DiffId,
        /// What the layer is.
        actual: DiffId,
    },
    /// The configuration is not one.
    #[error("cannot read image configuration: {reason}")]
    Config {
        /// What the JSON reader said.
        reason: String,
    },
}

/// An ordered collection of layers and the corresponding execution parameters. Clones are cheap.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    // Invariant: the configuration is what `config_json` says, and its diff IDs are the layers'.
    inner: Arc<Parts>,
}

#[derive(Debug, PartialEq)]
struct Parts {
    config: ImageConfig,
    config_json: Vec<u8>,
    layers: Vec<Layer>,
}

impl Image {
    /// An image of `config` and `layers`, bottom first, if they belong together.
    pub fn new(config: ImageConfig, layers: Vec<Layer>) -> Result<Image, ImageError> {
        let config_json = config.to_json();
        Image::of_parts(config, config_json, layers)
    }

    /// An image whose configuration keeps its bytes, and with them its ID.
    pub fn from_config_json(config_json: Vec<u8>, layers: Vec<Layer>) -> Result<Image, ImageError> {
        let config = ImageConfig::from_json(&config_json).map_err(|error| ImageError::Config {
            reason: error.to_string(),
        })?;
        Image::of_parts(config, config_json, layers)
    }

    /// The image that a manifest of ours and a configuration describe.
    pub(crate) fn from_manifest(
        manifest: &Manifest,
        config_json: Vec<u8>,
    ) -> Result<Image, ImageError> {
        let config = ImageConfig::from_json(&config_json).map_err(|error| ImageError::Config {
            reason: error.to_string(),
        })?;
        check_count(&config, manifest.layers.len())?;
        let layers = config.rootfs.diff_ids.iter().zip(&manifest.layers);
        let layers = layers
            .map(|(diff_id, blob)| Layer::from_descriptor(*diff_id, blob))
            .collect();
        Image::of_parts(config, config_json, layers)
    }

    fn of_parts(
        config: ImageConfig,
        config_json: Vec<u8>,
        layers: Vec<Layer>,
    ) -> Result<Image, ImageError> {
        check_count(&config, layers.len())?;
        for (index, (expected, layer)) in config.rootfs.diff_ids.iter().zip(&layers).enumerate() {
            if *expected != layer.diff_id {
                let (expected, actual) = (*expected, layer.diff_id);
                return Err(ImageError::LayerMismatch {
                    index,
                    expected,
                    actual,
                });
            }
        }
        Ok(Image {
            inner: Arc::new(Parts {
                config,
                config_json,
                layers,
            }),
        })
    }

    /// The digest of the configuration.
    pub fn id(&self) -> ImageId {
        ImageId(Digest::of(&self.inner.config_json))
    }

    /// The configuration.
    pub fn config(&self) -> &ImageConfig {
        &self.inner.config
    }

    /// The bytes of the configuration, as they are stored.
    pub fn config_json(&self) -> &[u8] {
        &self.inner.config_json
    }

    /// The layers, bottom first.
    pub fn layers(&self) -> &[Layer] {
        &self.inner.layers
    }

    /// What the configuration says that the image runs on.
    pub fn platform(&self) -> Platform {
        let config = self.config();
        let member = |name: &str| {
            let value = config.extra.get(name)?;
            Some((name.to_owned(), value.clone()))
        };
        Platform {
            architecture: config.architecture.clone(),
            os: config.os.clone(),
            variant: config.variant.clone(),
            extra: ["os.version", "os.features"]
                .into_iter()
                .filter_map(member)
                .collect(),
        }
    }

    /// The OCI manifest of this image.
    pub fn manifest(&self) -> Manifest {
        let json = self.config_json();
        let size = u64::try_from(json.len()).unwrap_or(u64::MAX);
        let config = Descriptor {
            annotations: BTreeMap::new(),
            ..Descriptor::new(MediaType::OciConfig, Digest::of(json), size)
        };
        Manifest::new(
            config,
            self.layers().iter().map(Layer::descriptor).collect(),
        )
    }

    /// The digest of [`Image::manifest`].
    pub fn manifest_digest(&self) -> ManifestDigest {
        ManifestDigest(Digest::of(&self.manifest().to_json()))
    }

    /// The sum of the layers' unpacked sizes.
    pub fn unpacked_size(&self) -> u64 {
        self.layers()
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.unpacked_size()))
    }

    /// The sum of the layers' numbers of files.
    pub fn files(&self) -> u64 {
        self.layers()
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.files()))
    }

    /// The size of the blobs: layers and configuration.
    pub fn stored_size(&self) -> u64 {
        let config = u64::try_from(self.config_json().len()).unwrap_or(u64::MAX);
        self.layers()
            .iter()
            .fold(config, |sum, layer| sum.saturating_add(layer.blob.size))
    }
}

/// Whether `config` lists as many layers as there are.
fn check_count(config: &ImageConfig, layers: usize) -> Result<(), ImageError> {
    let diff_ids = config.rootfs.diff_ids.len();
    if diff_ids == layers {
        Ok(())
    } else {
        Err(ImageError::LayerCount { diff_ids, layers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RootFs;

    fn layer(name: &str) -> Layer {
        Layer {
            diff_id: DiffId(Digest::of(name.as_bytes())),
            blob: Descriptor::new(MediaType::DockerLayerTarGzip, Digest::of(b"blob"), 4),
            measure: Some(Measure {
                unpacked_size: 100,
                files: 3,
            }),
        }
    }

    fn config(names: &[&str]) -> ImageConfig {
        let diff_ids = names
            .iter()
            .map(|name| DiffId(Digest::of(name.as_bytes())))
            .collect();
        ImageConfig {
            rootfs: RootFs::new(diff_ids),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn layers_that_the_configuration_does_not_list_are_refused() {
        assert!(Image::new(config(&["a", "b"]), vec![layer("a"), layer("b")]).is_ok());
        assert_eq!(
            Image::new(config(&["a", "b"]), vec![layer("a")]),
            Err(ImageError::LayerCount {
                diff_ids: 2,
                layers: 1
            })
        );
        let swapped = Image::new(config(&["a", "b"]), vec![layer("b"), layer("a")]);
        assert!(matches!(
            swapped,
            Err(ImageError::LayerMismatch { index: 0, .. })
        ));
    }

    #[test]
    fn what_we_know_of_layers_survives_in_the_manifest() {
        let image = Image::new(config(&["a", "b"]), vec![layer("a"), layer("b")]).unwrap();
        let manifest = Manifest::from_json(&image.manifest().to_json()).unwrap();
        assert_eq!(manifest.layers[0].media_type, MediaType::OciLayerTarGzip);
        let again = Image::from_manifest(&manifest, image.config_json().to_vec()).unwrap();
        assert_eq!(again.manifest_digest(), image.manifest_digest());
        assert_eq!((again.unpacked_size(), again.files()), (200, 6));
        assert_eq!(again.layers()[1].blob.annotations, BTreeMap::new());
    }

    #[test]
    fn a_layer_that_nobody_has_read_counts_as_its_blob() {
        let unread = Layer {
            measure: None,
            ..layer("a")
        };
        let image = Image::new(config(&["a"]), vec![unread]).unwrap();
        let manifest = Manifest::from_json(&image.manifest().to_json()).unwrap();
        assert_eq!(manifest.layers[0].annotations, BTreeMap::new());
        let again = Image::from_manifest(&manifest, image.config_json().to_vec()).unwrap();
        assert_eq!(again.layers()[0].measure, None);
        assert_eq!((again.unpacked_size(), again.files()), (4, 0));
    }

    #[test]
    fn a_configuration_that_came_from_elsewhere_keeps_its_id() {
        let json = br#"{ "os":"linux",  "architecture":"amd64", "rootfs":{"diff_ids":[],"type":"layers"}}"#;
        let image = Image::from_config_json(json.to_vec(), Vec::new()).unwrap();
        assert_eq!(image.id(), ImageId(Digest::of(json)));
    }
}
