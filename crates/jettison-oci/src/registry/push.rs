//! Images on their way from the store to registries: blobs first, then manifests, indexes last.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::image::Image;
use crate::layout::{
    Blob, ExportContent, ExportError, ExportImage, ExportSettings, Original, Prepared,
    Recompression, check_content,
};
use crate::manifest::Manifest;
use crate::reference::Reference;
use crate::registry::client::{BlobSource, Endpoint, RegistryClient, lock};
use crate::registry::error::{RegistryError, store_error};
use crate::registry::pull::is_foreign;
use crate::registry::transfers::{Transfer, TransferObserver};
use crate::registry::upload::{Mount, Upload};
use crate::store::{Origin, Store};

/// How many repositories are asked for a blob before it is sent.
const MOUNTS: usize = 2;

/// What is pushed.
#[derive(Debug)]
pub struct PushRequest<'p> {
    /// The image, or the index of images.
    pub content: &'p ExportContent,
    /// The names that it gets in registries, and how it is made ready for them.
    pub settings: &'p ExportSettings,
    /// Whether an image that came from a registry keeps its manifest.
    pub originals: Originals,
}

/// What becomes of the manifests of images that came from registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Originals {
    /// They are pushed as they came, so that digests stay.
    Keep,
    /// The image is made ready like one that was built here.
    Ignore,
}

/// Something that was pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// Its name.
    pub reference: Reference,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

/// All that is pushed.
struct Package {
    top: Descriptor,
    /// Manifests before the index that lists them.
    manifests: Vec<(Descriptor, Vec<u8>)>,
    blobs: Vec<(Descriptor, Mutex<Blob>)>,
}

impl RegistryClient<'_> {
    /// Sends an image, or an index of images, to all repositories that it is named in.
    pub fn push(
        &self,
        store: &Store,
        request: &PushRequest<'_>,
        observer: &dyn TransferObserver,
    ) -> Result<Vec<Pushed>, RegistryError> {
        let _lock = store.lock_shared().map_err(store_error("work"))?;
        check_names(&request.settings.names)?;
        let content = self.readable_content(store, request, observer)?;
        let request = &PushRequest {
            content: content.as_ref().unwrap_or(request.content),
            ..*request
        };
        let mut has_tried = false;
        loop {
            let package = package(store, request)?;
            let push = Push {
                client: self,
                store,
                observer,
                package: &package,
            };
            match push.everywhere(&request.settings.names, images_of(request.content)) {
                // What was noted came from another version of us, and has been forgotten now.
                Err(RegistryError::Export(error))
                    if !has_tried && matches!(*error, ExportError::Outdated { .. }) =>
                {
                    has_tried = true;
                }
                pushed => return pushed,
            }
        }
    }

    /// The content with all layers in the store, if they are to be written anew and some are not here.
    fn readable_content(
        &self,
        store: &Store,
        request: &PushRequest<'_>,
        observer: &dyn TransferObserver,
    ) -> Result<Option<ExportContent>, RegistryError> {
        let is_absent = |export: &ExportImage| !store.is_complete(&export.image);
        let mut images = images_of(request.content).iter();
        if request.settings.recompression != Recompression::All || !images.any(is_absent) {
            return Ok(None);
        }
        let complete = |export: &ExportImage| {
            Ok(ExportImage {
                image: self.complete(store, &export.image, observer)?,
                ..export.clone()
            })
        };
        Ok(Some(match request.content {
            ExportContent::Image(image) => ExportContent::Image(complete(image)?),
            ExportContent::Index(images) => {
                let images: Result<_, RegistryError> = images.iter().map(complete).collect();
                ExportContent::Index(images?)
            }
        }))
    }

    /// Sends an image, or an index of images, as it is to all repositories that `names` name.
    pub fn push_original(
        &self,
        store: &Store,
        (original, names): (&Original, &[Reference]),
        observer: &dyn TransferObserver,
    ) -> Result<Vec<Pushed>, RegistryError> {
        let _lock = store.lock_shared().map_err(store_error("work"))?;
        check_names(names)?;
        let mut blobs = Vec::new();
        for blob in original.blobs() {
            // Those must not be passed on: whoever pulls the image gets them where we did.
            if !is_foreign(&blob.media_type) {
                let size = blob.size;
                blobs.push((blob, Mutex::new(Blob::Stored(size))));
            }
        }
        let package = Package {
            top: original.descriptor().clone(),
            manifests: original.manifests().to_vec(),
            blobs,
        };
        let push = Push {
            client: self,
            store,
            observer,
            package: &package,
        };
        push.everywhere(names, &[])
    }
}

fn check_names(names: &[Reference]) -> Result<(), RegistryError> {
    for name in names {
        if name.digest().is_some() || name.tag().is_none() {
            return Err(RegistryError::Unsupported {
                what: name.familiar(),
                reason: "a digest cannot be chosen: push to a tag".to_owned(),
            });
        }
    }
    Ok(())
}

fn images_of(content: &ExportContent) -> &[ExportImage] {
    match content {
        ExportContent::Image(image) => std::slice::from_ref(image),
        ExportContent::Index(images) => images,
    }
}

fn package(store: &Store, request: &PushRequest<'_>) -> Result<Package, RegistryError> {
    if let (Originals::Keep, ExportContent::Image(image)) = (request.originals, request.content)
        && let Some(package) = original(store, &image.image, &request.settings.names)
    {
        return Ok(package);
    }
    let export_error = |error| RegistryError::Export(Box::new(error));
    check_content(request.content, request.settings).map_err(export_error)?;
    let prepared = Prepared::of(store, request.content, request.settings, &store.tmp());
    let mut prepared = prepared.map_err(export_error)?;
    let top = prepared.exported.descriptor.clone();
    let listed = prepared.exported.images.iter();
    let mut wanted: Vec<Descriptor> = listed.map(|image| image.manifest.clone()).collect();
    if wanted.iter().all(|manifest| manifest.digest != top.digest) {
        wanted.push(top.clone());
    }
    let mut package = Package {
        top,
        manifests: Vec::new(),
        blobs: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for descriptor in wanted {
        let Some(Blob::Bytes(json)) = prepared.blobs.remove(&descriptor.digest) else {
            // Two platforms with one image have one manifest.
            continue;
        };
        if descriptor.media_type.is_manifest() {
            let manifest = Manifest::from_json(&json).map_err(|source| {
                export_error(ExportError::Json {
                    what: "a manifest".to_owned(),
                    source,
                })
            })?;
            for blob in parts(&manifest) {
                if seen.insert(blob.digest)
                    && let Some(bytes) = prepared.blobs.remove(&blob.digest)
                {
                    package.blobs.push((blob, Mutex::new(bytes)));
                }
            }
        }
        package.manifests.push((descriptor, json));
    }
    Ok(package)
}

/// The layers of an image, then its configuration.
fn parts(manifest: &Manifest) -> impl Iterator<Item = Descriptor> {
    let layers = manifest.layers.iter().cloned();
    layers.chain([manifest.config.clone()])
}

/// An image as it came from a registry, if all of it is in the store or can be had. That of a repository it is pushed to is preferred.
fn original(store: &Store, image: &Image, names: &[Reference]) -> Option<Package> {
    let mut origins = store.origins(&image.manifest_digest());
    let is_target = |origin: &Origin| {
        names
            .iter()
            .any(|name| repository(name) == origin.repository)
    };
    origins.sort_by_key(|origin| !is_target(origin));
    origins.into_iter().find_map(|origin| {
        let json = origin.manifest_json.into_bytes();
        let manifest = Manifest::from_json(&json).ok()?;
        let is_sound =
            Digest::of(&json) == origin.manifest.digest && manifest.config.digest == image.id().0;
        let mut blobs = Vec::new();
        let mut seen = BTreeSet::new();
        for blob in parts(&manifest) {
            // Those must not be passed on: whoever pulls the image gets them where we did.
            if is_foreign(&blob.media_type) || !seen.insert(blob.digest) {
                continue;
            }
            if !store.has(&blob.digest) && !is_unread(image, &blob.digest) {
                return None;
            }
            let size = blob.size;
            blobs.push((blob, Mutex::new(Blob::Stored(size))));
        }
        is_sound.then(|| Package {
            top: origin.manifest.clone(),
            manifests: vec![(origin.manifest, json)],
            blobs,
        })
    })
}

/// Whether a blob is a layer of the image that was left where it is.
fn is_unread(image: &Image, blob: &Digest) -> bool {
    let mut layers = image.layers().iter();
    layers.any(|layer| layer.blob.digest == *blob && layer.measure.is_none())
}

/// Registry and repository of a name.
fn repository(name: &Reference) -> String {
    format!("{}/{}", name.registry(), name.repository())
}

struct Push<'p> {
    client: &'p RegistryClient<'p>,
    store: &'p Store,
    observer: &'p dyn TransferObserver,
    package: &'p Package,
}

impl Push<'_> {
    /// Sends everything by all names. Of `images` it is written down where they are now.
    fn everywhere(
        &self,
        names: &[Reference],
        images: &[ExportImage],
    ) -> Result<Vec<Pushed>, RegistryError> {
        let mut pushed = Vec::new();
        let mut filled = BTreeSet::new();
        for name in names {
            let endpoint = self.client.upstream(name)?;
            let repository = repository(name);
            if filled.insert(repository.clone()) {
                self.blobs(&endpoint, name.registry(), &repository)?;
                self.children(&endpoint)?;
            }
            let last = self.package.manifests.last();
            if let Some((descriptor, json)) = last {
                let tag = name.tag().unwrap_or("latest");
                self.client.put_manifest(&endpoint, tag, descriptor, json)?;
            }
            self.record(images, &repository);
            pushed.push(Pushed {
                reference: name.clone(),
                descriptor: self.package.top.clone(),
            });
        }
        Ok(pushed)
    }

    /// Sends the manifests that an index lists.
    fn children(&self, endpoint: &Endpoint) -> Result<(), RegistryError> {
        let manifests = &self.package.manifests;
        for (descriptor, json) in &manifests[..manifests.len().saturating_sub(1)] {
            let digest = descriptor.digest.to_string();
            self.client
                .put_manifest(endpoint, &digest, descriptor, json)?;
        }
        Ok(())
    }

    /// Sends the blobs, several at a time.
    fn blobs(
        &self,
        endpoint: &Endpoint,
        registry: &str,
        repository: &str,
    ) -> Result<(), RegistryError> {
        let blobs = &self.package.blobs;
        let planned: Vec<Descriptor> = blobs.iter().map(|(blob, _)| blob.clone()).collect();
        self.observer
            .transfer(Transfer::Planned { blobs: &planned });
        let failure = Mutex::new(None);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.client.options.parallel.min(blobs.len()) {
                scope.spawn(|| {
                    while let Some(index) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = self.blob(endpoint, registry, index) {
                            lock(&failure).get_or_insert(error);
                            next.store(blobs.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        if let Some(error) = failure.into_inner().unwrap_or_default() {
            return Err(error);
        }
        for (blob, _) in blobs {
            // Where it cannot be written down, the blob is sent once more some day.
            self.store
                .add_place(&blob.digest, repository)
                .unwrap_or_default();
        }
        Ok(())
    }

    /// Makes sure that the registry has a blob.
    fn blob(
        &self,
        endpoint: &Endpoint,
        registry: &str,
        (descriptor, blob): &(Descriptor, Mutex<Blob>),
    ) -> Result<(), RegistryError> {
        let digest = descriptor.digest;
        let mut blob = lock(blob);
        let started = self.client.clock.now();
        let upload = Upload {
            client: self.client,
            endpoint,
            observer: self.observer,
            digest,
            size: blob.size(),
        };
        if upload.is_there()? {
            self.observer.transfer(Transfer::Exists { digest });
            return Ok(());
        }
        let prefix = format!("{registry}/");
        let mut begun = None;
        let places = self.store.places(&digest);
        let places = places
            .iter()
            .filter_map(|place| place.strip_prefix(&prefix));
        for from in places
            .filter(|place| **place != endpoint.repository)
            .take(MOUNTS)
        {
            match upload.mount(from)? {
                Mount::Done => {
                    self.observer.transfer(Transfer::Mounted { digest, from });
                    return Ok(());
                }
                Mount::Begun(location) => {
                    begun = Some(location);
                    break;
                }
                Mount::Refused => {}
            }
        }
        if matches!(*blob, Blob::Stored(_)) && !self.store.has(&digest) {
            // It is in another registry, or this one does not take it from there.
            self.client
                .fetch_blob(self.store, descriptor, self.observer)?;
        }
        let made = blob.make(self.store, &digest);
        made.map_err(|error| RegistryError::Export(Box::new(error)))?;
        let source = Source {
            store: self.store,
            digest,
            blob: &blob,
        };
        upload.send(&source, begun)?;
        let elapsed = self.client.clock.now().saturating_sub(started);
        self.observer.transfer(Transfer::Done { digest, elapsed });
        Ok(())
    }

    /// Writes down where the images are now.
    fn record(&self, images: &[ExportImage], repository: &str) {
        let manifests = self.package.manifests.iter();
        for (descriptor, json) in
            manifests.filter(|(manifest, _)| manifest.media_type.is_manifest())
        {
            let Ok(manifest) = Manifest::from_json(json) else {
                continue;
            };
            // What is another image there, with other times perhaps, has not come from this one.
            let same = images
                .iter()
                .find(|image| image.image.id().0 == manifest.config.digest);
            let (Some(same), Ok(manifest_json)) = (same, String::from_utf8(json.clone())) else {
                continue;
            };
            let origin = Origin {
                repository: repository.to_owned(),
                digest: self.package.top.digest,
                manifest: descriptor.clone(),
                manifest_json,
            };
            // Where it cannot be written down, the image has no digest of that repository in lists.
            self.store
                .add_origin(&same.image.manifest_digest(), origin)
                .unwrap_or_default();
        }
    }
}

/// A blob whose bytes are there.
pub(crate) struct Source<'s> {
    pub(crate) store: &'s Store,
    pub(crate) digest: Digest,
    pub(crate) blob: &'s Blob,
}

// Only the file of a blob is behind it, which is opened anew each time.
impl BlobSource for Source<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        self.blob.open_at((self.store, &self.digest), offset)
    }
}
