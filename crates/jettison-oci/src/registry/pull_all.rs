//! Whole indexes on their way from registries into the store, to the byte.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::descriptor::{Descriptor, Platform};
use crate::digest::Digest;
use crate::layout::Original;
use crate::reference::Reference;
use crate::registry::client::{Endpoint, RegistryClient, lock};
use crate::registry::download::Downloads;
use crate::registry::error::{RegistryError, store_error};
use crate::registry::manifest::{Content, Served};
use crate::registry::pull::{DEEPEST, Pull, PullRequest, target};
use crate::registry::transfers::{Transfer, TransferObserver};
use crate::store::Store;

/// An image as it is in a registry. Its blobs are in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct PulledOriginal {
    /// The image, to the byte.
    pub original: Original,
    /// What the name stands for: the digest of a manifest or an index.
    pub digest: Digest,
    /// What it runs on.
    pub platform: Platform,
}

impl RegistryClient<'_> {
    /// Gets an image for one platform into the store as it is. Digests are checked; layers are not unpacked, and no image
    /// gets a name.
    pub fn pull_original(
        &self,
        store: &Store,
        request: &PullRequest<'_>,
        observer: &dyn TransferObserver,
    ) -> Result<PulledOriginal, RegistryError> {
        let _lock = store.lock_shared().map_err(store_error("work"))?;
        let found = self.resolve(request)?;
        let is_stopped = AtomicBool::new(false);
        let pull = Pull::new((self, store), (request, &found), (observer, &is_stopped));
        let (_, config) = pull.config()?;
        self.fetch_all(&pull.downloads, &found.manifest.layers, request.reference)?;
        let manifests = vec![(found.descriptor.clone(), found.json.clone())];
        let original = Original::new(manifests);
        Ok(PulledOriginal {
            original: original.ok_or_else(|| unreadable(request.reference))?,
            digest: found.digest,
            platform: Platform {
                architecture: config.architecture,
                os: config.os,
                variant: config.variant,
                extra: std::collections::BTreeMap::new(),
            },
        })
    }

    /// Gets everything that a name stands for into the store, as it is: the images for all platforms, and what else an
    /// index lists. Digests are checked; layers are not unpacked, and no image gets a name.
    pub fn pull_all(
        &self,
        store: &Store,
        reference: &Reference,
        observer: &dyn TransferObserver,
    ) -> Result<Original, RegistryError> {
        let _lock = store.lock_shared().map_err(store_error("work"))?;
        let (served, sources) = self.first_served(reference, &target(reference))?;
        let mut walk = Walk {
            client: self,
            sources: &sources,
            seen: BTreeSet::new(),
            manifests: Vec::new(),
            what: reference.familiar(),
        };
        walk.add(served, DEEPEST)?;
        let original = Original::new(walk.manifests).ok_or_else(|| unreadable(reference))?;
        let is_stopped = AtomicBool::new(false);
        let downloads = Downloads {
            client: self,
            store,
            sources: &sources,
            observer,
            is_stopped: &is_stopped,
        };
        self.fetch_all(&downloads, &original.blobs(), reference)?;
        Ok(original)
    }

    /// Fetches blobs of `reference`, several at a time.
    fn fetch_all(
        &self,
        downloads: &Downloads<'_>,
        blobs: &[Descriptor],
        reference: &Reference,
    ) -> Result<(), RegistryError> {
        let observer = downloads.observer;
        observer.transfer(Transfer::Planned { blobs });
        let failure = Mutex::new(None);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.options.parallel.min(blobs.len()) {
                scope.spawn(|| {
                    while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let digest = blob.digest;
                        let started = self.clock.now();
                        match downloads.fetch(blob) {
                            Ok(true) => {
                                let elapsed = self.clock.now().saturating_sub(started);
                                observer.transfer(Transfer::Done { digest, elapsed });
                            }
                            Ok(false) => observer.transfer(Transfer::Exists { digest }),
                            Err(error) => {
                                lock(&failure).get_or_insert(error);
                                downloads.is_stopped.store(true, Ordering::Relaxed);
                                next.store(blobs.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = failure.into_inner().unwrap_or_default() {
            return Err(error);
        }
        let repository = format!("{}/{}", reference.registry(), reference.repository());
        for blob in blobs {
            // Where it cannot be written down, a push sends the blob that could have been taken from there.
            let noted = downloads.store.add_place(&blob.digest, &repository);
            noted.unwrap_or_default();
        }
        Ok(())
    }
}

fn unreadable(reference: &Reference) -> RegistryError {
    RegistryError::Unsupported {
        what: reference.familiar(),
        reason: "one of its manifests cannot be read".to_owned(),
    }
}

/// A walk through an index.
struct Walk<'w> {
    client: &'w RegistryClient<'w>,
    sources: &'w [Endpoint],
    seen: BTreeSet<crate::digest::Digest>,
    manifests: Vec<(Descriptor, Vec<u8>)>,
    what: String,
}

impl Walk<'_> {
    /// Adds what an index lists, and then what was served itself.
    fn add(&mut self, served: Served, depth: u32) -> Result<(), RegistryError> {
        if let Content::Index(index) = &served.content {
            if depth == 0 {
                return Err(RegistryError::Unsupported {
                    what: self.what.clone(),
                    reason: "its indexes are nested too deep".to_owned(),
                });
            }
            for entry in &index.manifests {
                if self.seen.insert(entry.digest) {
                    let listed = self.client.listed(self.sources, entry)?;
                    self.add(listed, depth - 1)?;
                }
            }
        }
        let size = u64::try_from(served.json.len()).unwrap_or(u64::MAX);
        let descriptor = Descriptor::new(served.media_type, served.digest, size);
        self.manifests.push((descriptor, served.json));
        Ok(())
    }
}
