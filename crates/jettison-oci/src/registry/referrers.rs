//! Writing manifests, and what refers to them (distribution specification, "Pushing Manifests with Subject").

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::manifest::ImageIndex;
use crate::media_type::MediaType;
use crate::reference::Reference;
use crate::registry::auth::Scopes;
use crate::registry::client::{Call, Endpoint, Payload, RegistryClient};
use crate::registry::error::RegistryError;
use crate::registry::manifest::{Content, Target};
use crate::registry::message::Method;
use crate::registry::patience::Failed;

/// The longest list of referrers that is read.
const LONGEST_LIST: u64 = 8 << 20;

impl RegistryClient<'_> {
    /// What refers to a manifest: signatures, attestations, bills of materials.
    pub fn referrers(
        &self,
        reference: &Reference,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let endpoint = self.upstream(reference)?;
        let call = Call {
            method: Method::Get,
            url: endpoint.url(&format!("referrers/{subject}"))?,
            headers: vec![("Accept", MediaType::OciIndex.as_str().to_owned())],
            payload: Payload::Empty,
            what: "referrers",
        };
        let scopes = Scopes::pull(&endpoint.repository);
        let listed = self.tries().until(|| {
            let mut response = self.ask(&endpoint, &scopes, &call)?;
            response
                .bytes(LONGEST_LIST)
                .map_err(|error| endpoint.host.lost(error))
        });
        let json = match listed {
            Ok(json) => json,
            Err(RegistryError::NotFound { .. }) => {
                return Ok(self.tagged_referrers(&endpoint, subject)?.manifests);
            }
            Err(error) => return Err(error),
        };
        let index = ImageIndex::from_json(&json);
        let index = index.map_err(|error| {
            endpoint
                .host
                .bad_answer(format!("the list of referrers: {error}"))
        })?;
        Ok(index.manifests)
    }

    /// Writes a manifest under a tag or its digest.
    pub(crate) fn put_manifest(
        &self,
        endpoint: &Endpoint,
        name: &str,
        descriptor: &Descriptor,
        json: &[u8],
    ) -> Result<(), RegistryError> {
        let what = format!("the manifest {}:{name}", endpoint.repository);
        let call = Call {
            method: Method::Put,
            url: endpoint.url(&format!("manifests/{name}"))?,
            headers: vec![("Content-Type", descriptor.media_type.to_string())],
            payload: Payload::Bytes(json),
            what: &what,
        };
        let scopes = Scopes::push(&endpoint.repository);
        let knows_subjects = self.tries().until(|| {
            let response = self.ask(endpoint, &scopes, &call)?;
            let said = response.headers.get("docker-content-digest");
            match said.and_then(|digest| digest.parse::<Digest>().ok()) {
                Some(said) if said != descriptor.digest => {
                    Err(Failed::again(RegistryError::Wrong {
                        what: what.clone(),
                        expected: descriptor.digest.to_string(),
                        actual: said.to_string(),
                    }))
                }
                _ => Ok(response.headers.get("oci-subject").is_some()),
            }
        })?;
        match subject(json) {
            Some(subject) if !knows_subjects => self.refer(endpoint, &subject, descriptor, json),
            _ => Ok(()),
        }
    }

    /// Keeps the list of referrers for a registry that does not do so itself ("Referrers Tag Schema").
    fn refer(
        &self,
        endpoint: &Endpoint,
        subject: &Digest,
        descriptor: &Descriptor,
        json: &[u8],
    ) -> Result<(), RegistryError> {
        let mut index = self.tagged_referrers(endpoint, subject)?;
        if index
            .manifests
            .iter()
            .any(|entry| entry.digest == descriptor.digest)
        {
            return Ok(());
        }
        index.manifests.push(referrer(descriptor, json));
        let json = index.to_json();
        let size = json.len() as u64;
        let list = Descriptor::new(MediaType::OciIndex, Digest::of(&json), size);
        self.put_manifest(endpoint, &tag_of(subject), &list, &json)
    }

    fn tagged_referrers(
        &self,
        endpoint: &Endpoint,
        subject: &Digest,
    ) -> Result<ImageIndex, RegistryError> {
        match self.manifest(endpoint, &Target::Tag(tag_of(subject))) {
            Ok(served) => match served.content {
                Content::Index(index) => Ok(index),
                Content::Manifest(_) => Err(endpoint
                    .host
                    .bad_answer("the list of referrers is a manifest")),
            },
            Err(RegistryError::NotFound { .. }) => Ok(ImageIndex::new(Vec::new())),
            Err(error) => Err(error),
        }
    }
}

/// The tag of the list of what refers to a manifest.
fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// What a manifest refers to.
fn subject(json: &[u8]) -> Option<Digest> {
    let manifest: serde_json::Value = serde_json::from_slice(json).ok()?;
    manifest
        .get("subject")?
        .get("digest")?
        .as_str()?
        .parse()
        .ok()
}

/// A manifest as a list of referrers has it: with its kind, and what is said about it.
fn referrer(descriptor: &Descriptor, json: &[u8]) -> Descriptor {
    let mut entry = Descriptor::new(
        descriptor.media_type.clone(),
        descriptor.digest,
        descriptor.size,
    );
    let manifest: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let own = manifest.get("artifactType").filter(|kind| kind.is_string());
    let config = manifest
        .get("config")
        .and_then(|config| config.get("mediaType"));
    if let Some(kind) = own.or(config) {
        entry.extra.insert("artifactType".to_owned(), kind.clone());
    }
    let annotations = manifest.get("annotations").cloned().unwrap_or_default();
    entry.annotations = serde_json::from_value(annotations).unwrap_or_default();
    entry
}
