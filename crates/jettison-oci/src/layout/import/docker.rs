//! Archives of `docker save`.
//!
//! ```text
//! manifest.json           [{"Config": PATH, "RepoTags": [NAME], "Layers": [PATH]}]
//! <image ID>.json         a configuration
//! <any>/layer.tar         a layer; one that an image before has already may be a link to that
//! <diff ID>.tar           a layer, as skopeo, podman and buildah name it
//! blobs/sha256/<digest>   what docker has written since version 25, beside an `index.json`
//! ```
//!
//! The list usually comes last, so what a file is has to be told from its name and content.
//!
//! See <https://github.com/moby/docker-image-spec/blob/main/spec.md#combined-image-json--filesystem-changeset-format>.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::changeset::{Entry, EntryKind, LayerError, measure_layer, store_layer};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::{Digest, ImageId};
use crate::image::{Image, Layer};
use crate::layout::import::{Imported, json_error, read_json};
use crate::layout::{ExportError, image_error, io_error, layer_error, store_error};
use crate::media_type::MediaType;
use crate::store::Store;
use crate::wire::null_is_default;

/// The list of images.
const LIST: &[u8] = b"manifest.json";
/// All JSON files together must not be larger.
const LARGEST: u64 = 64 << 20;
/// How many links may lead from one to the next.
const MOST_LINKS: usize = 8;

/// What an archive has had so far.
#[derive(Debug, Default)]
pub(super) struct DockerArchive {
    json: BTreeMap<Vec<u8>, Vec<u8>>,
    json_size: u64,
    /// What was no layer is only an error if an image says that it is one.
    layers: BTreeMap<Vec<u8>, Result<Layer, LayerError>>,
    links: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// An image in the list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

/// The digest of the blob that a path in a layout names.
pub(super) fn blob_of(path: &[u8]) -> Option<Digest> {
    let hex = path.strip_prefix(b"blobs/sha256/")?;
    Digest::from_hex(str::from_utf8(hex).ok()?)
}

impl DockerArchive {
    /// Takes notice of an entry, and stores what may be a layer.
    pub(super) fn entry(
        &mut self,
        store: &Store,
        path: &Path,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), ExportError> {
        match &entry.kind {
            EntryKind::HardLink(target) => {
                self.links.insert(entry.path.clone(), target.clone());
            }
            EntryKind::Symlink(target) => {
                let target = beside(&entry.path, target);
                self.links.insert(entry.path.clone(), target);
            }
            EntryKind::File if is_json(&entry.path) => {
                let json = read_json(content).map_err(io_error("read", path))?;
                self.json_size += u64::try_from(json.len()).unwrap_or(u64::MAX);
                if self.json_size > LARGEST {
                    let reason = "its JSON files are too large".to_owned();
                    return Err(ExportError::Broken { reason });
                }
                self.json.insert(entry.path.clone(), json);
            }
            EntryKind::File => {
                let layer = store_layer(store, content);
                self.layers.insert(entry.path.clone(), layer);
            }
            EntryKind::Directory
            | EntryKind::CharDevice(..)
            | EntryKind::BlockDevice(..)
            | EntryKind::Fifo => {}
        }
        Ok(())
    }

    /// `images`, whose nameless ones have the names that the list gives them.
    pub(super) fn named(&self, images: Imported) -> Imported {
        let list = self.list().ok().flatten().unwrap_or_default();
        let mut named = Vec::new();
        for (name, image) in images {
            let is_listed = |listed: &&Listed| {
                blob_of(listed.config.as_bytes()).map(ImageId) == Some(image.id())
            };
            let tags = list
                .iter()
                .filter(is_listed)
                .flat_map(|listed| &listed.repo_tags);
            let tags: Vec<_> = tags.map(|tag| (Some(tag.clone()), image.clone())).collect();
            if name.is_some() || tags.is_empty() {
                named.push((name, image));
            } else {
                named.extend(tags);
            }
        }
        named
    }

    /// The images of the list, or nothing if there is no list.
    pub(super) fn images(mut self, store: &Store) -> Result<Option<Imported>, ExportError> {
        let Some(list) = self.list()? else {
            return Ok(None);
        };
        let mut images = Imported::new();
        for listed in list {
            let image = self.image(store, &listed)?;
            if listed.repo_tags.is_empty() {
                images.push((None, image));
            } else {
                let names = listed.repo_tags.into_iter();
                images.extend(names.map(|name| (Some(name), image.clone())));
            }
        }
        Ok(Some(images))
    }

    fn list(&self) -> Result<Option<Vec<Listed>>, ExportError> {
        let json = self.json.get(LIST);
        json.map(|json| serde_json::from_slice(json).map_err(json_error("manifest.json")))
            .transpose()
    }

    fn image(&mut self, store: &Store, listed: &Listed) -> Result<Image, ExportError> {
        let config_json = self.config(store, &listed.config)?;
        let config = ImageConfig::from_json(&config_json).map_err(json_error(&listed.config))?;
        let mut layers = Vec::new();
        for (index, path) in listed.layers.iter().enumerate() {
            let diff_id = config.rootfs.diff_ids.get(index).copied();
            let path = self.followed(path.as_bytes());
            match (blob_of(&path), diff_id) {
                (Some(digest), Some(diff_id)) => {
                    let size = store.size(&digest).map_err(store_error("read"))?;
                    let blob = Descriptor::new(MediaType::OciLayerTar, digest, size);
                    let layer = measure_layer(store, &blob, &diff_id);
                    layers.push(layer.map_err(layer_error(diff_id))?);
                }
                _ => layers.push(self.layer(&path)?),
            }
        }
        let image = Image::from_config_json(config_json.clone(), layers)
            .map_err(image_error(Digest::of(&config_json)))?;
        store.put_image(&image).map_err(store_error("write"))?;
        Ok(image)
    }

    fn config(&self, store: &Store, path: &str) -> Result<Vec<u8>, ExportError> {
        let path = self.followed(path.as_bytes());
        if let Some(digest) = blob_of(&path) {
            return store.read(&digest).map_err(store_error("read"));
        }
        let json = self.json.get(&path).cloned();
        json.ok_or_else(|| missing(&path))
    }

    /// The layer at `path`, where links have been followed.
    fn layer(&mut self, path: &[u8]) -> Result<Layer, ExportError> {
        match self.layers.get(path) {
            Some(Ok(layer)) => Ok(layer.clone()),
            Some(Err(_)) => match self.layers.remove(path) {
                Some(Err(source)) => Err(ExportError::Broken {
                    reason: format!(
                        "its layer {} cannot be read: {}",
                        path.escape_ascii(),
                        super::describe(&source)
                    ),
                }),
                _ => Err(missing(path)),
            },
            None => Err(missing(path)),
        }
    }

    fn followed(&self, path: &[u8]) -> Vec<u8> {
        let mut path = path.strip_prefix(b"./").unwrap_or(path).to_vec();
        for _ in 0..MOST_LINKS {
            match self.links.get(&path) {
                Some(target) => path.clone_from(target),
                None => break,
            }
        }
        path
    }
}

fn missing(path: &[u8]) -> ExportError {
    let reason = format!("it has no file {}", path.escape_ascii());
    ExportError::Broken { reason }
}

/// Whether a file is no layer by its name: configurations, the list, and what versions before 1.10 of docker read.
fn is_json(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.ends_with(b".json")
        || [&b"json"[..], b"repositories", b"VERSION", b"oci-layout"].contains(&name)
}

/// What a symlink at `path` means, as far as it stays inside.
fn beside(path: &[u8], target: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    parts.pop();
    if target.first() == Some(&b'/') {
        parts.clear();
    }
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}
