//! Images on their way from registries into the store.

use std::sync::atomic::AtomicBool;

use crate::config::ImageConfig;
use crate::descriptor::{Descriptor, Platform};
use crate::digest::{DiffId, Digest, ManifestDigest};
use crate::image::{Image, ImageError, Layer};
use crate::manifest::Manifest;
use crate::media_type::MediaType;
use crate::reference::Reference;
use crate::registry::auth::Scopes;
use crate::registry::client::{Call, Endpoint, Payload, RegistryClient};
use crate::registry::download::Downloads;
use crate::registry::error::{RegistryError, store_error};
use crate::registry::layers::{LayerPull, Wanted};
use crate::registry::manifest::{Content, Served, Target};
use crate::registry::message::Method;
use crate::registry::platform::{choose, rank};
use crate::registry::transfers::TransferObserver;
use crate::store::{Origin, Store, StoreError};

/// The largest configuration that is fetched.
const LARGEST_CONFIG: u64 = 16 << 20;
/// How deep indexes may lie in indexes.
pub(crate) const DEEPEST: u32 = 4;
/// The longest list of tags that is read at once.
const LONGEST_LIST: u64 = 4 << 20;
/// How many pages of tags are read.
const MOST_PAGES: u32 = 1000;

/// What is pulled.
#[derive(Debug, Clone, Copy)]
pub struct PullRequest<'p> {
    /// The image's name.
    pub reference: &'p Reference,
    /// What it is to run on.
    pub platform: &'p Platform,
    /// How much that matters.
    pub platform_need: PlatformNeed,
    /// Whether the image gets its name in the store.
    pub naming: Naming,
    /// When its layers are fetched.
    pub layers: LayerNeed,
}

/// When the layers of an image are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerNeed {
    /// With the image.
    Now,
    /// When somebody looks at them: see [`RegistryClient::complete`].
    Later,
}

/// What becomes of an image that is there for one platform alone, and another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformNeed {
    /// It is refused.
    Exact,
    /// It is taken.
    Preferred,
}

/// Whether an image that was pulled gets the name in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It does, and what had it before loses it.
    Named,
    /// It is in the store without one.
    Unnamed,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// The image. It is in the store.
    pub image: Image,
    /// The digest of its manifest in the store.
    pub manifest: ManifestDigest,
    /// What the name stands for: the digest of a manifest or an index.
    pub digest: Digest,
    /// The image's manifest in the registry.
    pub registry_manifest: Descriptor,
    /// Whether anything was fetched.
    pub is_new: bool,
}

impl RegistryClient<'_> {
    /// Gets an image for one platform into the store.
    pub fn pull(
        &self,
        store: &Store,
        request: &PullRequest<'_>,
        observer: &dyn TransferObserver,
    ) -> Result<Pulled, RegistryError> {
        // Nobody removes what has arrived and has no name yet.
        let _lock = store.lock_shared().map_err(store_error("work"))?;
        let found = self.resolve(request)?;
        let is_stopped = AtomicBool::new(false);
        let pull = Pull::new((self, store), (request, &found), (observer, &is_stopped));
        pull.image()
    }

    /// What a name stands for: the digest of a manifest, or of an index. Nothing is fetched but manifests.
    pub fn resolve_digest(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        let target = target(reference);
        let (served, _) = self.first_served(reference, &target)?;
        Ok(served.digest)
    }

    /// The tags of a repository.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, RegistryError> {
        #[derive(serde::Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let endpoint = self.upstream(reference)?;
        let mut url = endpoint.url("tags/list")?;
        let mut tags = Vec::new();
        for _ in 0..MOST_PAGES {
            let call = Call {
                method: Method::Get,
                url: url.clone(),
                headers: Vec::new(),
                payload: Payload::Empty,
                what: &format!("tags of {}", endpoint.repository),
            };
            let (next, bytes) = self.tries().until(|| {
                let scopes = Scopes::pull(&endpoint.repository);
                let mut response = self.ask(&endpoint, &scopes, &call)?;
                let next = response.headers.get("link").and_then(next_page);
                let next = next.and_then(|next| url.join(next));
                let bytes = response.bytes(LONGEST_LIST);
                Ok((next, bytes.map_err(|error| endpoint.host.lost(error))?))
            })?;
            let page: Tags = serde_json::from_slice(&bytes).map_err(|error| {
                endpoint
                    .host
                    .bad_answer(format!("the list of tags: {error}"))
            })?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(tags)
    }

    /// Asks those who may have it, one after the other.
    pub(crate) fn first_served(
        &self,
        reference: &Reference,
        target: &Target,
    ) -> Result<(Served, Vec<Endpoint>), RegistryError> {
        let mut failure = None;
        let mut found: Option<(Served, Vec<Endpoint>)> = None;
        for source in self.sources(reference) {
            if let Some((_, sources)) = &mut found {
                // Those after the first are only needed where it does not have everything.
                sources.extend(source.ok());
                continue;
            }
            let served = source.and_then(|endpoint| {
                let served = self.manifest(&endpoint, target)?;
                Ok((served, vec![endpoint]))
            });
            match served {
                Ok(served) => found = Some(served),
                // Of several, the registry itself knows best why.
                Err(error) => failure = Some(error),
            }
        }
        found.ok_or_else(|| {
            failure.unwrap_or_else(|| RegistryError::Unsupported {
                what: reference.familiar(),
                reason: "there is no registry for it".to_owned(),
            })
        })
    }

    /// Finds the manifest of the image for the platform.
    pub(crate) fn resolve(&self, request: &PullRequest<'_>) -> Result<Found, RegistryError> {
        let familiar = request.reference.familiar();
        let target = target(request.reference);
        let (mut served, sources) = self.first_served(request.reference, &target)?;
        let digest = served.digest;
        let mut is_chosen = false;
        for _ in 0..DEEPEST {
            let index = match served.content {
                Content::Manifest(manifest) => {
                    let size = served.json.len() as u64;
                    let descriptor = Descriptor::new(served.media_type, served.digest, size);
                    return Ok(Found {
                        digest,
                        manifest: *manifest,
                        descriptor,
                        json: served.json,
                        is_chosen,
                        sources,
                    });
                }
                Content::Index(index) => index,
            };
            let chosen = choose(&index.manifests, request.platform, &familiar)?;
            is_chosen = chosen.platform.is_some();
            served = self.listed(&sources, chosen)?;
        }
        Err(RegistryError::Unsupported {
            what: familiar,
            reason: "its indexes are nested too deep".to_owned(),
        })
    }

    /// Gets what an index lists.
    pub(crate) fn listed(
        &self,
        sources: &[Endpoint],
        entry: &Descriptor,
    ) -> Result<Served, RegistryError> {
        let target = Target::Digest(entry.digest);
        let mut failure = None;
        for endpoint in sources {
            match self.manifest(endpoint, &target) {
                Ok(served) if served.json.len() as u64 != entry.size => {
                    return Err(RegistryError::Wrong {
                        what: format!("the size of manifest {}", entry.digest),
                        expected: entry.size.to_string(),
                        actual: served.json.len().to_string(),
                    });
                }
                Ok(served) => return Ok(served),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        Err(failure.unwrap_or(RegistryError::Stopped))
    }
}

pub(crate) fn target(reference: &Reference) -> Target {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Target::Digest(digest),
        (None, tag) => Target::Tag(tag.unwrap_or("latest").to_owned()),
    }
}

/// The address of the next page in a header `Link` (RFC 8288).
fn next_page(link: &str) -> Option<&str> {
    let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.contains("rel=\"next\"") || parameters.contains("rel=next");
    is_next.then_some(address)
}

/// The manifest of an image, and who serves it.
pub(crate) struct Found {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) descriptor: Descriptor,
    pub(crate) json: Vec<u8>,
    /// Whether an index says that it is for the platform.
    is_chosen: bool,
    sources: Vec<Endpoint>,
}

/// An image on its way.
pub(crate) struct Pull<'p> {
    client: &'p RegistryClient<'p>,
    store: &'p Store,
    request: &'p PullRequest<'p>,
    found: &'p Found,
    reference: String,
    pub(crate) downloads: Downloads<'p>,
}

impl<'p> Pull<'p> {
    pub(crate) fn new(
        (client, store): (&'p RegistryClient<'p>, &'p Store),
        (request, found): (&'p PullRequest<'p>, &'p Found),
        (observer, is_stopped): (&'p dyn TransferObserver, &'p AtomicBool),
    ) -> Pull<'p> {
        Pull {
            client,
            store,
            request,
            found,
            reference: request.reference.familiar(),
            downloads: Downloads {
                client,
                store,
                sources: &found.sources,
                observer,
                is_stopped,
            },
        }
    }

    fn image(&self) -> Result<Pulled, RegistryError> {
        let (config_json, config) = self.config()?;
        let known = self.known(&config_json);
        let is_new = known.is_none();
        let image = if let Some(image) = known {
            image
        } else {
            let layers = self.layers(&config)?;
            Image::from_config_json(config_json, layers).map_err(|error| self.broken(error))?
        };
        self.record_places()
            .map_err(store_error("write the image"))?;
        let manifest = self.store.put_image(&image);
        let manifest = manifest.map_err(store_error("write the image"))?;
        self.record(&image, &manifest)
            .map_err(store_error("write the image"))?;
        Ok(Pulled {
            image,
            manifest,
            digest: self.found.digest,
            registry_manifest: self.found.descriptor.clone(),
            is_new,
        })
    }

    /// Fetches the configuration, and looks whether it is one of an image for the platform.
    pub(crate) fn config(&self) -> Result<(Vec<u8>, ImageConfig), RegistryError> {
        let unsupported = |reason: String| RegistryError::Unsupported {
            what: self.reference.clone(),
            reason,
        };
        let descriptor = &self.found.manifest.config;
        if !descriptor.media_type.is_config() {
            return Err(unsupported(format!(
                "it is no image, but something of type {}",
                descriptor.media_type
            )));
        }
        if descriptor.size > LARGEST_CONFIG {
            return Err(unsupported("its configuration is too large".to_owned()));
        }
        self.downloads.fetch(descriptor)?;
        let json = match self.store.read(&descriptor.digest) {
            // What lies there was damaged: it is fetched anew.
            Err(StoreError::Corrupt { .. }) => {
                let removed = self.store.remove_blob(&descriptor.digest);
                removed.map_err(store_error("replace a blob"))?;
                self.downloads.fetch(descriptor)?;
                self.store.read(&descriptor.digest)
            }
            read => read,
        };
        let json = json.map_err(store_error("read the configuration"))?;
        let config = ImageConfig::from_json(&json).map_err(|error| {
            self.broken(ImageError::Config {
                reason: error.to_string(),
            })
        })?;
        let own = Platform {
            architecture: config.architecture.clone(),
            os: config.os.clone(),
            variant: config.variant.clone(),
            extra: std::collections::BTreeMap::new(),
        };
        let must_fit = self.request.platform_need == PlatformNeed::Exact && !self.found.is_chosen;
        if must_fit && rank(&own, self.request.platform).is_none() {
            return Err(RegistryError::Platform {
                reference: self.reference.clone(),
                wanted: self.request.platform.id(),
                available: vec![own.id()],
            });
        }
        let (diff_ids, layers) = (
            config.rootfs.diff_ids.len(),
            self.found.manifest.layers.len(),
        );
        if diff_ids != layers {
            return Err(self.broken(ImageError::LayerCount { diff_ids, layers }));
        }
        Ok((json, config))
    }

    /// The image, if it is in the store with these very blobs.
    fn known(&self, config_json: &[u8]) -> Option<Image> {
        let id = Digest::of(config_json).to_string();
        let image = self.store.find_by_id(&id).ok()??;
        let own = image.layers().iter().map(|layer| layer.blob.digest);
        let theirs = self.found.manifest.layers.iter().map(|layer| layer.digest);
        let is_same = own.eq(theirs);
        let is_enough = match self.request.layers {
            LayerNeed::Now => self.store.is_complete(&image),
            LayerNeed::Later => true,
        };
        (is_same && is_enough).then_some(image)
    }

    /// The layers: fetched and read, or as the manifest tells of them.
    fn layers(&self, config: &ImageConfig) -> Result<Vec<Layer>, RegistryError> {
        let blobs = &self.found.manifest.layers;
        let pairs = blobs.iter().zip(&config.rootfs.diff_ids);
        // Those of others are where the manifest says alone.
        let has_foreign = blobs.iter().any(|blob| is_foreign(&blob.media_type));
        if self.request.layers == LayerNeed::Later && !has_foreign {
            return Ok(pairs.map(|(blob, diff_id)| unread(blob, diff_id)).collect());
        }
        let sources = &self.found.sources;
        let wanted: Vec<Wanted<'_>> = pairs
            .map(|(blob, diff_id)| Wanted {
                blob,
                diff_id,
                sources,
            })
            .collect();
        let pull = LayerPull {
            client: self.client,
            store: self.store,
            observer: self.downloads.observer,
            reference: &self.reference,
        };
        pull.all(&wanted)
    }

    fn repository(&self) -> String {
        let reference = self.request.reference;
        format!("{}/{}", reference.registry(), reference.repository())
    }

    /// Writes down where the layers are. Those that are not here are found by it.
    fn record_places(&self) -> Result<(), StoreError> {
        let repository = self.repository();
        let mut layers = self.found.manifest.layers.iter();
        layers.try_for_each(|layer| self.store.add_place(&layer.digest, &repository))
    }

    /// Writes down where the image came from, and gives it its name.
    fn record(&self, image: &Image, manifest: &ManifestDigest) -> Result<(), StoreError> {
        let reference = self.request.reference;
        // A manifest is JSON, which is UTF-8.
        if let Ok(manifest_json) = String::from_utf8(self.found.json.clone()) {
            let origin = Origin {
                repository: self.repository(),
                digest: self.found.digest,
                manifest: self.found.descriptor.clone(),
                manifest_json,
            };
            self.store.add_origin(manifest, origin)?;
        }
        match self.request.naming {
            Naming::Named => self.store.tag(reference, manifest, image),
            Naming::Unnamed => Ok(()),
        }
    }

    fn broken(&self, source: ImageError) -> RegistryError {
        RegistryError::Image {
            reference: self.reference.clone(),
            source: Box::new(source),
        }
    }
}

/// A layer that has not been fetched.
fn unread(blob: &Descriptor, diff_id: &DiffId) -> Layer {
    Layer {
        diff_id: *diff_id,
        blob: Descriptor::new(blob.media_type.to_oci(), blob.digest, blob.size),
        measure: None,
    }
}

/// The media type by which a layer is read: those that must not be passed on are tars all the same (image-spec: layer.md,
/// "Non-Distributable Layers"; moby: `MediaTypeForeignLayer`).
pub(crate) fn readable(media_type: &MediaType) -> MediaType {
    let name = media_type.as_str();
    let usual = name
        .replace("layer.nondistributable.v1", "layer.v1")
        .replace("rootfs.foreign.diff", "rootfs.diff");
    MediaType::from(usual.as_str())
}

/// Whether a layer must not be passed on.
pub(crate) fn is_foreign(media_type: &MediaType) -> bool {
    readable(media_type) != *media_type
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_layer_is_read_like_any_other() {
        for (foreign, usual) in [
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                MediaType::DockerLayerTarGzip,
            ),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                MediaType::OciLayerTarZstd,
            ),
        ] {
            assert_eq!(readable(&MediaType::from(foreign)), usual);
            assert!(is_foreign(&MediaType::from(foreign)));
            assert!(!is_foreign(&usual));
        }
    }

    #[test]
    fn the_next_page_is_linked() {
        assert_eq!(
            next_page("</v2/a/tags/list?last=x>; rel=\"next\""),
            Some("/v2/a/tags/list?last=x")
        );
        assert_eq!(next_page("<x>; rel=\"prev\""), None);
        assert_eq!(next_page("x"), None);
    }
}
