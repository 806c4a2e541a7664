//! Manifests as registries serve them: every kind that is an image, checked against digests.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::digest::Digest;
use crate::manifest::{ImageIndex, Manifest};
use crate::media_type::MediaType;
use crate::registry::auth::Scopes;
use crate::registry::client::{Call, Endpoint, Payload, RegistryClient};
use crate::registry::error::RegistryError;
use crate::registry::message::{Headers, Method, Response};
use crate::registry::patience::Failed;

/// The largest manifest that is read. Registries take up to 4 MiB (distribution specification, "Pushing Manifests").
const LARGEST: u64 = 8 << 20;
/// The kinds that we know, all at once.
const ACCEPTED: [MediaType; 4] = [
    MediaType::OciIndex,
    MediaType::OciManifest,
    MediaType::DockerManifestList,
    MediaType::DockerManifest,
];

/// A manifest or an index, as it was served.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Served {
    pub(crate) media_type: MediaType,
    pub(crate) digest: Digest,
    pub(crate) json: Vec<u8>,
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Manifest(Box<Manifest>),
    Index(ImageIndex),
}

/// What is asked for: a tag, or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Tag(String),
    Digest(Digest),
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Tag(tag) => formatter.write_str(tag),
            Target::Digest(digest) => digest.fmt(formatter),
        }
    }
}

impl RegistryClient<'_> {
    /// Gets a manifest or an index. Bytes that are not what they should be are asked for again.
    pub(crate) fn manifest(
        &self,
        endpoint: &Endpoint,
        target: &Target,
    ) -> Result<Served, RegistryError> {
        let accepted = ACCEPTED.each_ref().map(MediaType::as_str).join(", ");
        let what = match target {
            Target::Tag(tag) => format!("{}:{tag}", endpoint.repository),
            Target::Digest(digest) => format!("{}@{digest}", endpoint.repository),
        };
        let call = Call {
            method: Method::Get,
            url: endpoint.url(&format!("manifests/{target}"))?,
            headers: vec![("Accept", accepted)],
            payload: Payload::Empty,
            what: &what,
        };
        let scopes = Scopes::pull(&endpoint.repository);
        self.tries().until(|| {
            let response = self.ask(endpoint, &scopes, &call)?;
            read(endpoint, target, &what, response)
        })
    }
}

/// Reads an answer, and holds it against all digests that are known for it.
fn read(
    endpoint: &Endpoint,
    target: &Target,
    what: &str,
    mut response: Response,
) -> Result<Served, Failed> {
    let host = &endpoint.host;
    let json = response.bytes(LARGEST).map_err(|error| {
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            Failed::Finally(host.bad_answer(format!("the manifest {what} is too large")))
        } else {
            host.lost(error)
        }
    })?;
    let digest = Digest::of(&json);
    let said = response
        .headers
        .get("docker-content-digest")
        .and_then(|digest| digest.parse::<Digest>().ok());
    let asked = match target {
        Target::Digest(digest) => Some(*digest),
        Target::Tag(_) => None,
    };
    for expected in [asked, said].into_iter().flatten() {
        if expected != digest {
            return Err(Failed::again(RegistryError::Wrong {
                what: format!("the manifest {what}"),
                expected: expected.to_string(),
                actual: digest.to_string(),
            }));
        }
    }
    let parsed = parse(&response.headers, &json).map_err(|problem| match problem {
        Problem::Broken(reason) => {
            Failed::again(host.bad_answer(format!("the manifest {what} {reason}")))
        }
        Problem::Unsupported(reason) => Failed::Finally(RegistryError::Unsupported {
            what: what.to_owned(),
            reason,
        }),
    })?;
    let (media_type, content) = parsed;
    Ok(Served {
        media_type,
        digest,
        json,
        content,
    })
}

enum Problem {
    Broken(String),
    Unsupported(String),
}

/// The members by which the kinds of manifests are told apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

fn parse(headers: &Headers, json: &[u8]) -> Result<(MediaType, Content), Problem> {
    let broken = |error: serde_json::Error| Problem::Broken(format!("is not one: {error}"));
    let outline: Outline = serde_json::from_slice(json).map_err(broken)?;
    if outline.schema_version == Some(1) || outline.fs_layers.is_some() {
        let reason = "it has a manifest of schema 1, which has been given up; push it again with a tool of today";
        return Err(Problem::Unsupported(reason.to_owned()));
    }
    // Bytes that are both could mean one image to us and another to others (CVE-2021-41190).
    if outline.manifests.is_some() && outline.layers.is_some() {
        let reason = "it is a manifest and an index at once";
        return Err(Problem::Unsupported(reason.to_owned()));
    }
    let known = |text: &str| {
        let media_type = MediaType::from(text);
        (media_type.is_manifest() || media_type.is_index()).then_some(media_type)
    };
    let sent = headers.get("content-type").unwrap_or_default();
    let sent = sent.split(';').next().unwrap_or_default().trim();
    let own = outline.media_type.as_deref().and_then(known);
    let is_index = outline.manifests.is_some();
    let usual = if is_index {
        MediaType::OciIndex
    } else {
        MediaType::OciManifest
    };
    // Some servers of files say nothing, or something general.
    let media_type = own.or_else(|| known(sent)).unwrap_or(usual);
    if media_type.is_index() != is_index {
        return Err(Problem::Unsupported(format!(
            "it says that it is {media_type}, and is something else"
        )));
    }
    let content = if is_index {
        Content::Index(ImageIndex::from_json(json).map_err(broken)?)
    } else {
        Content::Manifest(Box::new(Manifest::from_json(json).map_err(broken)?))
    };
    Ok((media_type, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(content_type: &str, json: &str, expected: Expect) {
        let headers = Headers::new(vec![("Content-Type".to_owned(), content_type.to_owned())]);
        expected.assert_eq(&match parse(&headers, json.as_bytes()) {
            Ok((media_type, _)) => media_type.to_string(),
            Err(Problem::Broken(reason)) => format!("broken: {reason}"),
            Err(Problem::Unsupported(reason)) => format!("unsupported: {reason}"),
        });
    }

    const CONFIG: &str = r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#;

    #[test]
    fn kinds_are_told_by_what_is_in_them() {
        let manifest = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[]}}"#);
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        check(
            docker,
            &manifest,
            expect!["application/vnd.docker.distribution.manifest.v2+json"],
        );
        check(
            "text/plain",
            &manifest,
            expect!["application/vnd.oci.image.manifest.v1+json"],
        );
        check(
            "application/json; charset=utf-8",
            r#"{"schemaVersion":2,"manifests":[]}"#,
            expect!["application/vnd.oci.image.index.v1+json"],
        );
    }

    #[test]
    fn what_is_no_image_of_today_is_refused() {
        check(
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            expect![
                "unsupported: it has a manifest of schema 1, which has been given up; push it again with a tool of today"
            ],
        );
        let both = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[],"manifests":[]}}"#);
        check(
            "",
            &both,
            expect!["unsupported: it is a manifest and an index at once"],
        );
        check(
            "application/vnd.oci.image.index.v1+json",
            &format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[]}}"#),
            expect![
                "unsupported: it says that it is application/vnd.oci.image.index.v1+json, and is something else"
            ],
        );
        check(
            "",
            "{\"sch",
            expect!["broken: is not one: EOF while parsing a string at line 1 column 5"],
        );
    }
}
