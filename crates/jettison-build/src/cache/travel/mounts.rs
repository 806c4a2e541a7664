//! Directories of cache mounts outside of the store, beside the results of steps.
//!
//! Each is an artifact: a configuration with the key and the owner and mode of the directory, and one layer with what is in
//! it. The key's digest is an annotation in the index, as it is the name of the directory in a store.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;

use jettison_oci::{
    Descriptor, Devices, Digest, ExportError, Hasher, LayerError, Manifest, Owners, TarFile,
    UnpackOptions, Whiteouts,
};

use crate::cache::travel::{Artifact, ArtifactSource, broken};
use crate::plan::MountAttributes;

/// The type of a cache mount's artifact and of its configuration.
pub(super) const MOUNT_TYPE: &str = "application/vnd.jettison.cache-mount.v1+text";
/// The annotation that names it.
pub(super) const KEY: &str = "dev.jettison.cache-mount.key";

/// Directories of `RUN --mount=type=cache` that are somewhere else.
pub trait MountSource: Sync {
    /// What messages call it.
    fn name(&self) -> String;

    /// The directory whose key has this digest.
    fn find(&self, key: &Digest) -> Result<Option<FoundMount>, ExportError>;

    /// The bytes of the layer with what is in the directory. They are not checked yet.
    fn open(&self, mount: &FoundMount) -> Result<Box<dyn Read + '_>, ExportError>;
}

/// A cache directory that was found, without what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundMount {
    /// The layer with its files.
    pub layer: Descriptor,
    /// Its own owner and mode.
    pub attributes: MountAttributes,
}

impl FoundMount {
    /// Reads a configuration and the manifest's layers; nothing if they are not those of a directory whose key has the
    /// digest `key`.
    pub fn read(configuration: &[u8], layers: &[Descriptor], key: &Digest) -> Option<FoundMount> {
        let text = std::str::from_utf8(configuration).ok()?;
        let (head, text) = text.split_once("\n\n")?;
        let [layer] = layers else {
            return None;
        };
        let attributes = head.strip_prefix("directory ").and_then(attributes_of)?;
        (Digest::of(text.as_bytes()) == *key).then(|| FoundMount {
            layer: layer.clone(),
            attributes,
        })
    }
}

/// Reads `<mode> <user> <group>`.
fn attributes_of(text: &str) -> Option<MountAttributes> {
    let words: Vec<&str> = text.split(' ').collect();
    let [mode, uid, gid] = words.as_slice() else {
        return None;
    };
    Some(MountAttributes {
        mode: u32::from_str_radix(mode, 8).ok()? & 0o7777,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

/// What is to be taken along of the cache directory `key`, with its files in `layer`.
pub(crate) fn mount_artifact(
    key: &str,
    attributes: MountAttributes,
    layer: Descriptor,
) -> Artifact {
    let MountAttributes { mode, uid, gid } = attributes;
    let digest = Digest::of(key.as_bytes());
    Artifact {
        kind: MOUNT_TYPE,
        configuration: format!("directory {mode:o} {uid} {gid}\n\n{key}"),
        layers: vec![layer],
        annotations: BTreeMap::from([(KEY.to_owned(), digest.to_string())]),
    }
}

/// Cache directories that are artifacts, in an image layout or a registry.
#[derive(Debug)]
pub struct MountArtifacts<'a> {
    source: Arc<dyn ArtifactSource + 'a>,
    name: String,
    /// The manifests by the digest of the key.
    manifests: BTreeMap<String, Descriptor>,
}

impl<'a> MountArtifacts<'a> {
    /// The cache directories that `source` has; messages call it `name`.
    pub fn open(
        source: Arc<dyn ArtifactSource + 'a>,
        name: &str,
    ) -> Result<MountArtifacts<'a>, ExportError> {
        let manifests = source.manifests()?.into_iter();
        let named = manifests.filter_map(|manifest| {
            let key = manifest.annotations.get(KEY).cloned()?;
            Some((key, manifest))
        });
        Ok(MountArtifacts {
            manifests: named.collect(),
            name: name.to_owned(),
            source,
        })
    }
}

impl MountSource for MountArtifacts<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn find(&self, key: &Digest) -> Result<Option<FoundMount>, ExportError> {
        let Some(manifest) = self.manifests.get(&key.to_string()) else {
            return Ok(None);
        };
        let what = || format!("cache mount {key}");
        let manifest = Manifest::from_json(&self.source.read(manifest)?)
            .map_err(|error| broken(&what(), &error.to_string()))?;
        let configuration = self.source.read(&manifest.config)?;
        let mount = FoundMount::read(&configuration, &manifest.layers, key)
            .ok_or_else(|| broken(&what(), "its configuration is not understood"))?;
        Ok(Some(mount))
    }

    fn open(&self, mount: &FoundMount) -> Result<Box<dyn Read + '_>, ExportError> {
        self.source.open(&mount.layer)
    }
}

/// Where cache directories that are missing may come from.
#[derive(Clone, Copy)]
pub(crate) struct MountImports<'a> {
    pub(crate) sources: &'a [&'a dyn MountSource],
    /// Takes what went wrong, in a line: the name of the source and why.
    pub(crate) warn: &'a dyn Fn(&str, &(dyn std::error::Error + 'static)),
    /// Whether nobody wants them any more.
    pub(crate) is_cancelled: &'a dyn Fn() -> bool,
}

impl fmt::Debug for MountImports<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MountImports")
            .field("sources", &self.sources.len())
            .finish()
    }
}

impl MountImports<'_> {
    /// None at all.
    #[cfg(test)]
    pub(crate) const NONE: MountImports<'static> = MountImports {
        sources: &[],
        warn: &|_, _| {},
        is_cancelled: &|| false,
    };

    /// Whether one of the sources has the directory `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        let key = Digest::of(key.as_bytes());
        let mut sources = self.sources.iter();
        sources.any(|source| matches!(source.find(&key), Ok(Some(_))))
    }

    /// Makes `directory`, which does not exist, what the first source has that can be read; says whether there was one.
    /// If there was none, what is left in its place is of no use.
    pub(crate) fn unpack(&self, key: &str, directory: &Path) -> io::Result<bool> {
        let key = Digest::of(key.as_bytes());
        for source in self.sources {
            let found = match source.find(&key) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    (self.warn)(&source.name(), &error);
                    continue;
                }
            };
            fs::create_dir(directory)?;
            match unpack(*source, &found, directory) {
                Ok(()) => return Ok(true),
                Err(error) => (self.warn)(&source.name(), &error),
            }
            crate::snapshot::remove_all(directory)?;
        }
        Ok(false)
    }
}

/// Why a directory could not be unpacked.
#[derive(Debug, thiserror::Error)]
enum UnpackError {
    #[error("a cache mount cannot be read")]
    Source(#[source] ExportError),
    #[error("a cache mount cannot be unpacked")]
    Layer(#[source] LayerError),
    #[error("a cache mount is no archive")]
    NoArchive,
    #[error("a cache mount has other bytes than its name {0} says")]
    Corrupt(Digest),
    #[error("a cache mount cannot be unpacked")]
    Io(#[source] io::Error),
}

fn unpack(
    source: &dyn MountSource,
    mount: &FoundMount,
    directory: &Path,
) -> Result<(), UnpackError> {
    let FoundMount { layer, attributes } = mount;
    let reader = source.open(mount).map_err(UnpackError::Source)?;
    let mut checked = Checked {
        // More than was said is not what was said.
        reader: reader.take(layer.size.saturating_add(1)),
        hasher: Hasher::new(),
    };
    let tar = TarFile::open(&mut checked).ok_or(UnpackError::NoArchive)?;
    // Owners that do not exist here, and devices, are not worth losing a cache for.
    let options = UnpackOptions {
        // As the layer was written.
        whiteouts: Whiteouts::Overlay,
        keep_directory_symlinks: false,
        owners: Owners::WhereMapped,
        devices: Devices::Skip,
        place: None,
    };
    tar.unpack(directory, &options)
        .map_err(UnpackError::Layer)?;
    io::copy(&mut checked, &mut io::sink()).map_err(UnpackError::Io)?;
    if checked.hasher.finish() != layer.digest {
        return Err(UnpackError::Corrupt(layer.digest));
    }
    give(directory, *attributes).map_err(UnpackError::Io)
}

/// Gives the directory its owner and mode. One that does not exist here does not matter.
pub(crate) fn give(directory: &Path, attributes: MountAttributes) -> io::Result<()> {
    let MountAttributes { mode, uid, gid } = attributes;
    chown(directory, Some(uid), Some(gid)).or_else(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Ok(()),
        _ => Err(error),
    })?;
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
}

/// A reader whose bytes are hashed.
struct Checked<R> {
    reader: R,
    hasher: Hasher,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}
