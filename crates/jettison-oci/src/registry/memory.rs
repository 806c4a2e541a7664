//! A registry in memory, and the accidents that happen to it, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::sync::Mutex;
use std::time::Duration;

use crate::digest::Digest;
use crate::registry::auth::{Credentials, Keys};
use crate::registry::client::lock;
use crate::registry::message::{
    Headers, Method, Request, RequestBody, Response, Transport, TransportError,
};
use crate::registry::patience::Clock;

/// An accident. It happens to one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Accident {
    /// No connection.
    Refused,
    /// The answer ends after so many bytes.
    Cut(usize),
    /// The byte at this place of the answer is another one.
    Flipped(usize),
    /// The answer is longer by this.
    Longer(usize),
    /// This status, and how long to wait.
    Status(u16, Option<u64>),
    /// The status 429, and until when to wait.
    Until(&'static str),
    /// Only so many bytes of what is sent arrive, and there is no answer.
    Lost(usize),
    /// The answer is lost; what was asked for has been done.
    Unheard,
    /// All uploads that are under way are forgotten first.
    Restarted,
    /// From this request on the token is another one.
    Expired,
}

/// What the registry does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    /// It gives whole blobs, whatever is asked for.
    Ranges,
    /// It cannot say how much of an upload has arrived.
    Offsets,
    /// It says nothing of digests.
    Digests,
    /// It takes no blob from another repository.
    Mounts,
    /// It forgets what is sent in pieces, and says so.
    Memory,
}

/// What is in a registry.
#[derive(Debug, Default)]
struct Content {
    blobs: BTreeMap<String, BTreeMap<Digest, Vec<u8>>>,
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: BTreeMap<u64, Vec<u8>>,
    /// How large the last piece of each was.
    pieces: BTreeMap<u64, usize>,
    n_uploads: u64,
    n_expired: u64,
    log: Vec<String>,
    ranges: Vec<String>,
    accidents: BTreeMap<usize, Accident>,
}

/// A registry that needs a token, or nothing.
#[derive(Debug, Default)]
pub(super) struct MemoryRegistry {
    content: Mutex<Content>,
    pub(super) lacks: BTreeSet<Lack>,
    /// The token that it takes, which its token server gives for a password.
    pub(super) token: Option<String>,
    /// The smallest piece of an upload that it takes, but for the last one.
    pub(super) least: Option<usize>,
    /// Where blobs are served from, if not by itself.
    pub(super) blob_host: Option<String>,
}

impl MemoryRegistry {
    /// Lets something happen to the request of this number, counted from 0.
    pub(super) fn happen(&self, request: usize, accident: Accident) {
        lock(&self.content).accidents.insert(request, accident);
    }

    pub(super) fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut content = lock(&self.content);
        let blobs = content.blobs.entry(repository.to_owned()).or_default();
        blobs.insert(digest, bytes.to_vec());
        digest
    }

    pub(super) fn put_manifest(&self, repository: &str, name: &str, kind: &str, json: &[u8]) {
        let digest = Digest::of(json).to_string();
        let mut content = lock(&self.content);
        for name in [name.to_owned(), digest] {
            let key = (repository.to_owned(), name);
            let manifest = (kind.to_owned(), json.to_vec());
            content.manifests.insert(key, manifest);
        }
    }

    pub(super) fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        lock(&self.content)
            .blobs
            .get(repository)?
            .get(digest)
            .cloned()
    }

    pub(super) fn manifest(&self, repository: &str, name: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), name.to_owned());
        let content = lock(&self.content);
        content.manifests.get(&key).map(|(_, json)| json.clone())
    }

    /// Method and address of every request; secrets are there if they were sent.
    pub(super) fn log(&self) -> Vec<String> {
        lock(&self.content).log.clone()
    }

    /// What parts of blobs were asked for.
    pub(super) fn ranges(&self) -> Vec<String> {
        lock(&self.content).ranges.clone()
    }
}

impl Transport for MemoryRegistry {
    fn send(&self, mut request: Request<'_>) -> Result<Response, TransportError> {
        let mut content = lock(&self.content);
        let number = content.log.len();
        let authorization = request.header("authorization").unwrap_or("-");
        let line = format!(
            "{} {} {authorization}",
            request.method.as_str(),
            request.url
        );
        content.log.push(line);
        content
            .ranges
            .extend(request.header("range").map(str::to_owned));
        let accident = content.accidents.remove(&number);
        let refused = |text: &str| TransportError {
            is_final: false,
            source: text.into(),
        };
        let limit = match &accident {
            Some(Accident::Refused) => return Err(refused("connection refused")),
            Some(Accident::Status(status, wait)) => {
                let wait = wait.map(|wait| ("Retry-After".to_owned(), wait.to_string()));
                return Ok(answer(*status, wait.into_iter().collect(), Vec::new()));
            }
            Some(Accident::Until(date)) => {
                let wait = ("Retry-After".to_owned(), (*date).to_owned());
                return Ok(answer(429, vec![wait], Vec::new()));
            }
            Some(Accident::Expired) => {
                content.n_expired += 1;
                usize::MAX
            }
            Some(Accident::Restarted) => {
                content.uploads.clear();
                usize::MAX
            }
            Some(Accident::Lost(limit)) => *limit,
            _ => usize::MAX,
        };
        let body =
            received(&mut request.body, limit).map_err(|error| refused(&error.to_string()))?;
        if limit != usize::MAX {
            // What arrived of an upload is there.
            if request.method == Method::Patch {
                self.serve(&mut content, &request, &body);
            }
            return Err(refused("connection reset"));
        }
        let (status, headers, bytes) = self.serve(&mut content, &request, &body);
        if accident == Some(Accident::Unheard) {
            return Err(refused("connection reset"));
        }
        let bytes = if request.method == Method::Head {
            Vec::new()
        } else {
            bytes
        };
        Ok(spoilt(accident, status, headers, bytes))
    }
}

/// What an accident makes of an answer.
fn spoilt(
    accident: Option<Accident>,
    status: u16,
    mut headers: Vec<(String, String)>,
    mut bytes: Vec<u8>,
) -> Response {
    let has_length = headers.iter().any(|(name, _)| name == "Content-Length");
    if !has_length {
        headers.push(("Content-Length".to_owned(), bytes.len().to_string()));
    }
    match accident {
        Some(Accident::Cut(end)) => bytes.truncate(end),
        Some(Accident::Flipped(place)) => {
            let place = place.checked_rem(bytes.len());
            if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
                *byte ^= 1;
            }
        }
        Some(Accident::Longer(more)) => {
            bytes.extend(vec![b'x'; more]);
            headers.retain(|(name, _)| name != "Content-Length");
        }
        _ => {}
    }
    answer(status, headers, bytes)
}

fn answer(status: u16, headers: Vec<(String, String)>, bytes: Vec<u8>) -> Response {
    Response {
        status,
        headers: Headers::new(headers),
        body: Box::new(Cursor::new(bytes)),
    }
}

fn received(body: &mut RequestBody<'_>, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match body {
        RequestBody::Empty => {}
        RequestBody::Bytes(all) => bytes.extend_from_slice(all),
        RequestBody::Stream { reader, size } => {
            reader.take(limit as u64).read_to_end(&mut bytes)?;
            assert!(limit != usize::MAX || bytes.len() as u64 == *size);
        }
    }
    bytes.truncate(limit);
    Ok(bytes)
}

type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn plain(status: u16) -> Answer {
    (status, Vec::new(), Vec::new())
}

fn with(status: u16, headers: &[(&str, String)], bytes: Vec<u8>) -> Answer {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), value.clone()));
    (status, headers.collect(), bytes)
}

impl MemoryRegistry {
    /// The token that is good now.
    fn token(&self, content: &Content) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(match content.n_expired {
            0 => token.clone(),
            number => format!("{token}{number}"),
        })
    }

    fn serve(&self, content: &mut Content, request: &Request<'_>, body: &[u8]) -> Answer {
        let (path, query) = match request.url.rest().split_once('?') {
            Some((path, query)) => (path, query),
            None => (request.url.rest(), ""),
        };
        if path == "/token" {
            let identity = b"&refresh_token=who/I%20am&";
            let is_known = request.header("authorization") == Some("Basic bWU6c2VjcmV0")
                || body.windows(identity.len()).any(|part| part == identity);
            let token = self.token(content).unwrap_or_default();
            return if is_known {
                with(200, &[], format!(r#"{{"token":"{token}"}}"#).into_bytes())
            } else {
                plain(401)
            };
        }
        if self.blob_host.as_deref() == Some(request.url.authority()) {
            // The store of blobs takes no tokens.
            if request.header("authorization").is_some() {
                return plain(400);
            }
        } else if let Some(token) = self.token(content)
            && request.header("authorization") != Some(&format!("Bearer {token}"))
        {
            let challenge = r#"Bearer realm="https://auth.test/token",service="test""#;
            return with(
                401,
                &[("WWW-Authenticate", challenge.to_owned())],
                Vec::new(),
            );
        }
        let Some(path) = path.strip_prefix("/v2/") else {
            return plain(404);
        };
        if path.is_empty() {
            return plain(200);
        }
        if path == "paged/tags/list" {
            let link = r#"</v2/paged/tags/list?last=2>; rel="next""#.to_owned();
            return match query {
                "" => with(200, &[("Link", link)], br#"{"tags":["1","2"]}"#.to_vec()),
                _ => with(200, &[], br#"{"tags":["3"]}"#.to_vec()),
            };
        }
        if let Some((repository, rest)) = path.split_once("/blobs/uploads/") {
            return self.upload(content, request, (repository, rest, query), body);
        }
        if let Some((repository, name)) = path.split_once("/manifests/") {
            return self.serve_manifest(content, request, (repository, name), body);
        }
        match path.split_once("/blobs/") {
            Some((repository, digest)) => self.serve_blob(content, request, repository, digest),
            None => plain(404),
        }
    }

    fn serve_blob(
        &self,
        content: &Content,
        request: &Request<'_>,
        repository: &str,
        digest: &str,
    ) -> Answer {
        let blobs = content.blobs.get(repository);
        let digest: Option<Digest> = digest.parse().ok();
        let Some(bytes) = blobs
            .zip(digest)
            .and_then(|(blobs, digest)| blobs.get(&digest))
        else {
            return plain(404);
        };
        if let Some(host) = &self.blob_host
            && host != request.url.authority()
            && request.method == Method::Get
        {
            let location = format!("https://{host}{}", request.url.rest());
            return with(307, &[("Location", location)], Vec::new());
        }
        let start = request
            .header("range")
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse::<usize>()
                    .ok()
            })
            .filter(|_| !self.lacks.contains(&Lack::Ranges));
        match start {
            Some(start) if start >= bytes.len() => plain(416),
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                with(206, &[("Content-Range", range)], bytes[start..].to_vec())
            }
            None => {
                let length = ("Content-Length", bytes.len().to_string());
                with(200, &[length], bytes.clone())
            }
        }
    }

    fn serve_manifest(
        &self,
        content: &mut Content,
        request: &Request<'_>,
        (repository, name): (&str, &str),
        body: &[u8],
    ) -> Answer {
        let digest = Digest::of(body).to_string();
        if request.method == Method::Put {
            let kind = request
                .header("content-type")
                .unwrap_or_default()
                .to_owned();
            for name in [name.to_owned(), digest.clone()] {
                let key = (repository.to_owned(), name);
                content.manifests.insert(key, (kind.clone(), body.to_vec()));
            }
            return with(201, &[("Docker-Content-Digest", digest)], Vec::new());
        }
        let key = (repository.to_owned(), name.to_owned());
        let Some((kind, json)) = content.manifests.get(&key) else {
            return plain(404);
        };
        let mut headers = vec![("Content-Type", kind.clone())];
        if !self.lacks.contains(&Lack::Digests) {
            headers.push(("Docker-Content-Digest", Digest::of(json).to_string()));
        }
        with(200, &headers, json.clone())
    }

    fn upload(
        &self,
        content: &mut Content,
        request: &Request<'_>,
        (repository, id, query): (&str, &str, &str),
        body: &[u8],
    ) -> Answer {
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(other, _)| *other == name);
            found.map(|(_, value)| value.to_owned())
        };
        if request.method == Method::Post {
            let digest = parameter("mount").and_then(|digest| digest.parse::<Digest>().ok());
            let from = parameter("from").unwrap_or_default();
            let digest = digest.filter(|_| !self.lacks.contains(&Lack::Mounts));
            let blob = digest.and_then(|digest| content.blobs.get(&from)?.get(&digest).cloned());
            if let (Some(digest), Some(blob)) = (digest, blob) {
                let blobs = content.blobs.entry(repository.to_owned()).or_default();
                blobs.insert(digest, blob);
                return plain(201);
            }
            content.n_uploads += 1;
            content.uploads.insert(content.n_uploads, Vec::new());
            let location = format!(
                "/v2/{repository}/blobs/uploads/{}?state=x",
                content.n_uploads
            );
            let mut headers = vec![("Location", location)];
            let least = self
                .least
                .map(|least| ("OCI-Chunk-Min-Length", least.to_string()));
            headers.extend(least);
            return with(202, &headers, Vec::new());
        }
        let id: u64 = id.parse().unwrap_or_default();
        let Some(upload) = content.uploads.get_mut(&id) else {
            return plain(404);
        };
        let location = (
            "Location",
            format!("/v2/{repository}/blobs/uploads/{id}?state=y"),
        );
        match request.method {
            Method::Patch if self.lacks.contains(&Lack::Memory) => {
                with(202, &[location, ("Range", "0-0".to_owned())], Vec::new())
            }
            Method::Get if self.lacks.contains(&Lack::Offsets) => plain(400),
            Method::Get => {
                let range = format!("0-{}", upload.len().saturating_sub(1));
                with(204, &[location, ("Range", range)], Vec::new())
            }
            Method::Patch => {
                let start = request
                    .header("content-range")
                    .and_then(|range| range.split_once('-'));
                let start = start.and_then(|(start, _)| start.parse::<usize>().ok());
                // What came before has turned out not to be the last piece.
                let is_small = self.least.is_some_and(|least| {
                    let last = content.pieces.insert(id, body.len());
                    last.is_some_and(|last| last < least)
                });
                if start != Some(upload.len()) || is_small {
                    return plain(416);
                }
                upload.extend_from_slice(body);
                let range = format!("0-{}", upload.len().saturating_sub(1));
                with(202, &[location, ("Range", range)], Vec::new())
            }
            _ => {
                upload.extend_from_slice(body);
                let bytes = content.uploads.remove(&id).unwrap_or_default();
                let digest = parameter("digest").unwrap_or_default();
                if Digest::of(&bytes).to_string() != digest {
                    let text = r#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#;
                    return with(400, &[], text.as_bytes().to_vec());
                }
                let blobs = content.blobs.entry(repository.to_owned()).or_default();
                blobs.insert(Digest::of(&bytes), bytes);
                with(201, &[("Docker-Content-Digest", digest)], Vec::new())
            }
        }
    }
}

/// A clock that nobody waits for.
#[derive(Debug, Default)]
pub(super) struct TestClock(pub(super) Mutex<Vec<Duration>>);

impl Clock for TestClock {
    fn now(&self) -> Duration {
        lock(&self.0).iter().sum()
    }

    fn date(&self) -> i64 {
        784_111_770
    }

    fn pause(&self, duration: Duration) {
        lock(&self.0).push(duration);
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// One user of everything.
#[derive(Debug)]
pub(super) struct TestKeys(pub(super) Credentials);

impl Keys for TestKeys {
    fn credentials(
        &self,
        _registry: &str,
        _repository: &str,
    ) -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}
