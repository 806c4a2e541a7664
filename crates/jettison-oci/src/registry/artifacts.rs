//! Artifacts of one repository that an index lists, as an image layout lists its own.
//!
//! ```text
//! <repository>:<tag>      the index: the artifacts' manifests, with the annotations that they are found by
//! <repository>@<digest>   a manifest, its configuration, its layers
//! ```
//!
//! Registries cannot change a tag only if it is as it was. So the list is read again a while after it was written: whoever
//! finds that another one has written over it adds what is missing. One who takes much longer than others between reading
//! and writing can still write over what they have made sure of. Those artifacts are there even so, and listed again by
//! whoever makes them next.

use std::io::{self, Read};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::layout::{Blob, ExportError};
use crate::manifest::ImageIndex;
use crate::media_type::MediaType;
use crate::reference::Reference;
use crate::registry::auth::Scopes;
use crate::registry::client::{BlobSource, Call, Endpoint, Payload, RegistryClient};
use crate::registry::download::Downloads;
use crate::registry::error::RegistryError;
use crate::registry::manifest::{Content, Target};
use crate::registry::message::Method;
use crate::registry::patience::Failed;
use crate::registry::push::Source;
use crate::registry::transfers::Unwatched;
use crate::registry::upload::Upload;
use crate::store::Store;

/// The largest configuration of an artifact that is read, in bytes.
const LARGEST: u64 = 32 << 20;
/// How often a list is written that others write, too.
const ROUNDS: usize = 8;
/// How long others are given, at least and at most, to write what they have begun.
const SHORTEST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// The artifacts that the index with a tag lists.
#[derive(Debug)]
pub struct RepositoryArtifacts<'c> {
    client: &'c RegistryClient<'c>,
    endpoint: Endpoint,
    tag: String,
}

/// Bytes that are sent.
struct Text<'t>(&'t [u8]);

impl BlobSource for Text<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(Box::new(self.0.get(start..).unwrap_or_default()))
    }
}

impl<'c> RepositoryArtifacts<'c> {
    /// The artifacts that `reference`, which has a tag, lists. Greets the registry.
    pub fn open(
        client: &'c RegistryClient<'c>,
        reference: &Reference,
    ) -> Result<RepositoryArtifacts<'c>, ExportError> {
        Ok(RepositoryArtifacts {
            endpoint: client.upstream(reference).map_err(failed)?,
            tag: reference.tag().unwrap_or("latest").to_owned(),
            client,
        })
    }

    /// The artifacts' manifests, with the annotations that they are listed with. That nothing has the tag is an error.
    pub fn manifests(&self) -> Result<Vec<Descriptor>, ExportError> {
        let target = Target::Tag(self.tag.clone());
        let served = self.client.manifest(&self.endpoint, &target);
        match served.map_err(failed)?.content {
            Content::Index(index) => Ok(index.manifests),
            Content::Manifest(_) => Err(ExportError::Broken {
                reason: format!(
                    "{}:{} is an image and no list of artifacts",
                    self.endpoint.repository, self.tag
                ),
            }),
        }
    }

    /// The bytes of a manifest or a configuration, which have its digest.
    pub fn read(&self, small: &Descriptor) -> Result<Vec<u8>, ExportError> {
        if small.media_type.is_manifest() || small.media_type.is_index() {
            let target = Target::Digest(small.digest);
            let served = self.client.manifest(&self.endpoint, &target);
            return Ok(served.map_err(failed)?.json);
        }
        let what = format!("blob {} of {}", small.digest, self.endpoint.repository);
        let limit = small.size.min(LARGEST);
        let read = self.client.tries().until(|| {
            let mut response = self.get(&what, small)?;
            let bytes = response.bytes(limit);
            let bytes = bytes.map_err(|error| self.endpoint.host.lost(error))?;
            let digest = Digest::of(&bytes);
            if digest == small.digest {
                Ok(bytes)
            } else {
                Err(Failed::again(RegistryError::Wrong {
                    what: what.clone(),
                    expected: small.digest.to_string(),
                    actual: digest.to_string(),
                }))
            }
        });
        read.map_err(failed)
    }

    /// The bytes of a blob, as they come. They are not checked.
    pub fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read>, ExportError> {
        let what = format!("blob {} of {}", blob.digest, self.endpoint.repository);
        let response = self.client.tries().until(|| self.get(&what, blob));
        Ok(response.map_err(failed)?.body)
    }

    fn get(
        &self,
        what: &str,
        blob: &Descriptor,
    ) -> Result<crate::registry::message::Response, Failed> {
        let call = Call {
            method: Method::Get,
            url: self.endpoint.url(&format!("blobs/{}", blob.digest))?,
            headers: Vec::new(),
            payload: Payload::Empty,
            what,
        };
        let scopes = Scopes::pull(&self.endpoint.repository);
        self.client.ask(&self.endpoint, &scopes, &call)
    }

    /// Brings a blob into `store`, unless it is there already.
    pub fn fetch(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError> {
        let downloads = Downloads {
            client: self.client,
            store,
            sources: std::slice::from_ref(&self.endpoint),
            observer: &Unwatched,
            is_stopped: &AtomicBool::new(false),
        };
        downloads.fetch(blob).map(drop).map_err(failed)
    }

    /// Sends a manifest or a configuration.
    pub fn put(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, ExportError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let descriptor = Descriptor::new(media_type, Digest::of(bytes), size);
        if descriptor.media_type.is_manifest() || descriptor.media_type.is_index() {
            let name = descriptor.digest.to_string();
            let put = self
                .client
                .put_manifest(&self.endpoint, &name, &descriptor, bytes);
            put.map_err(failed)?;
        } else {
            self.send(&descriptor, &Text(bytes))?;
        }
        Ok(descriptor)
    }

    /// Sends a blob of `store`, unless it is there already.
    pub fn put_stored(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError> {
        let source = Source {
            store,
            digest: blob.digest,
            blob: &Blob::Stored(blob.size),
        };
        self.send(blob, &source)
    }

    fn send(&self, blob: &Descriptor, source: &dyn BlobSource) -> Result<(), ExportError> {
        let upload = Upload {
            client: self.client,
            endpoint: &self.endpoint,
            observer: &Unwatched,
            digest: blob.digest,
            size: blob.size,
        };
        if upload.is_there().map_err(failed)? {
            return Ok(());
        }
        upload.send(source, None).map_err(failed)
    }

    /// Changes the list of the artifacts' manifests. It is empty where nothing has the tag.
    ///
    /// Where somebody else has written the list meanwhile, `change` is called again, with what they have written.
    pub fn update(&self, change: &mut dyn FnMut(&mut Vec<Descriptor>)) -> Result<(), ExportError> {
        let clock = self.client.clock;
        let mut has_written = false;
        for _ in 0..ROUNDS {
            let started = clock.now();
            let before = self.listed()?;
            let mut manifests = before.clone();
            change(&mut manifests);
            if has_written && manifests == before {
                return Ok(());
            }
            let json = ImageIndex::new(manifests).to_json();
            let size = u64::try_from(json.len()).unwrap_or(u64::MAX);
            let descriptor = Descriptor::new(MediaType::OciIndex, Digest::of(&json), size);
            let put = self
                .client
                .put_manifest(&self.endpoint, &self.tag, &descriptor, &json);
            put.map_err(failed)?;
            has_written = true;
            // Whoever has read the list before it was written here writes it about as soon as we did.
            let pause = clock.now().saturating_sub(started).mul_f64(2.0);
            let pause = pause.clamp(SHORTEST_LOOK, LONGEST_LOOK);
            clock.pause(pause.mul_f64(1.0 + clock.chance() / 2.0));
        }
        Err(failed(RegistryError::Unsupported {
            what: format!("{}:{}", self.endpoint.repository, self.tag),
            reason: "others write its list all the time".to_owned(),
        }))
    }

    /// What the list has now; nothing where nothing has the tag.
    fn listed(&self) -> Result<Vec<Descriptor>, ExportError> {
        match self.manifests() {
            Err(ExportError::Registry(error))
                if matches!(*error, RegistryError::NotFound { .. }) =>
            {
                Ok(Vec::new())
            }
            listed => listed,
        }
    }
}

fn failed(error: RegistryError) -> ExportError {
    ExportError::Registry(Box::new(error))
}
