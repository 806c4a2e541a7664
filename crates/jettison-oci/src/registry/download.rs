//! One blob on its way into the store: as many requests as it takes, and not a byte more than its descriptor says.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::descriptor::Descriptor;
use crate::registry::auth::Scopes;
use crate::registry::client::{Call, Endpoint, Payload, RegistryClient};
use crate::registry::error::{RegistryError, store_error};
use crate::registry::message::{Method, Request, RequestBody, Response};
use crate::registry::patience::Failed;
use crate::registry::transfers::{Transfer, TransferObserver};
use crate::registry::url::Url;
use crate::store::{PartialBlob, Store, StoreError};

/// How much is read at once.
const BUFFER: usize = 256 << 10;
/// How often a blob is fetched from its beginning that came out wrong.
const REWINDS: u32 = 2;

/// The work of getting blobs.
pub(crate) struct Downloads<'d> {
    pub(crate) client: &'d RegistryClient<'d>,
    pub(crate) store: &'d Store,
    /// Where blobs are, in the order in which they are tried.
    pub(crate) sources: &'d [Endpoint],
    pub(crate) observer: &'d dyn TransferObserver,
    /// Set when the work has become useless.
    pub(crate) is_stopped: &'d AtomicBool,
}

/// Where a request for a blob goes.
enum Source<'s> {
    Registry(&'s Endpoint),
    /// An address that the descriptor names.
    Elsewhere(Url),
}

/// Sees the bytes of a blob while they arrive.
pub(crate) trait Witness {
    /// These bytes come next. They may be wrong: the blob's digest is checked at its end.
    fn add(&mut self, bytes: &[u8]);
    /// All that came was wrong: the blob begins anew.
    fn restart(&mut self);
}

/// Sees nothing.
struct Blind;

impl Witness for Blind {
    fn add(&mut self, _bytes: &[u8]) {}
    fn restart(&mut self) {}
}

/// What of a blob has arrived.
struct Partial<'p> {
    blob: &'p Descriptor,
    bytes: PartialBlob,
    witness: &'p mut dyn Witness,
}

impl Downloads<'_> {
    /// Makes sure that a blob is in the store, and says whether it had to be fetched.
    pub(crate) fn fetch(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        self.fetch_before(blob, &mut Blind)
    }

    /// The same, and shows what is fetched to `witness`, from the blob's first byte on.
    pub(crate) fn fetch_before(
        &self,
        blob: &Descriptor,
        witness: &mut dyn Witness,
    ) -> Result<bool, RegistryError> {
        if self.store.has(&blob.digest) {
            return Ok(false);
        }
        // Who waits for another process's download finds the blob there.
        let bytes = self.store.partial_blob(&blob.digest);
        let bytes = bytes.map_err(store_error("write a blob"))?;
        if self.store.has(&blob.digest) {
            return Ok(false);
        }
        let mut partial = Partial {
            blob,
            bytes,
            witness,
        };
        partial.take_up(self)?;
        let mut failure = None;
        for source in self.all_sources(blob) {
            match self.fetch_from(&source, &mut partial) {
                Ok(()) => return Ok(true),
                Err(error) if error.is_of_server() => {
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| RegistryError::Unsupported {
            what: format!("blob {}", blob.digest),
            reason: "nobody is said to have it".to_owned(),
        }))
    }

    /// The registries, then what the descriptor names (image-spec: descriptor.md, `urls`).
    fn all_sources(&self, blob: &Descriptor) -> Vec<Source<'_>> {
        let urls = blob.extra.get("urls").and_then(|urls| urls.as_array());
        let urls = urls.into_iter().flatten().filter_map(|url| url.as_str());
        let urls = urls
            .filter_map(Url::parse)
            .filter(Url::is_secure)
            .map(Source::Elsewhere);
        let registries = self.sources.iter().map(Source::Registry);
        registries.chain(urls).collect()
    }

    fn fetch_from(
        &self,
        source: &Source<'_>,
        partial: &mut Partial<'_>,
    ) -> Result<(), RegistryError> {
        let mut tries = self.client.tries();
        let (mut most, mut rewinds) = (partial.bytes.size(), 0);
        loop {
            let requested = if partial.is_complete() {
                // All that was missing was its name.
                Ok(())
            } else {
                self.request(source, partial)
            };
            let failed = match requested.and_then(|()| partial.finish()) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            if partial.bytes.size() > most {
                most = partial.bytes.size();
                tries.got_further();
            }
            if failed.is_wrong() {
                // Not a byte of it can be trusted.
                partial.restart()?;
                rewinds += 1;
                if rewinds > REWINDS {
                    return Err(failed.into_error());
                }
            }
            if let Failed::Again { error, .. } = &failed {
                self.observer.transfer(Transfer::Waits {
                    digest: partial.blob.digest,
                    attempt: tries.attempt(),
                    reason: &line(error),
                });
            }
            tries.after(failed)?;
        }
    }

    /// Makes one request and takes what it gives.
    fn request(&self, source: &Source<'_>, partial: &mut Partial<'_>) -> Result<(), Failed> {
        let blob = partial.blob;
        let mut headers = Vec::new();
        let here = partial.bytes.size();
        if here > 0 {
            headers.push(("Range", format!("bytes={here}-")));
        }
        let response = match source {
            Source::Registry(endpoint) => {
                let what = format!("blob {} of {}", blob.digest, endpoint.repository);
                let call = Call {
                    method: Method::Get,
                    url: endpoint.url(&format!("blobs/{}", blob.digest))?,
                    headers,
                    payload: Payload::Empty,
                    what: &what,
                };
                let scopes = Scopes::pull(&endpoint.repository);
                let response = self.client.ask_any(endpoint, &scopes, &call)?;
                match response.status {
                    416 => response,
                    _ => self.client.judge(endpoint, &what, response)?,
                }
            }
            Source::Elsewhere(url) => {
                let request = Request {
                    method: Method::Get,
                    url: url.clone(),
                    headers,
                    body: RequestBody::Empty,
                };
                let response = self.client.follow_get(request, None)?;
                if !response.is_success() {
                    return Err(Failed::Finally(RegistryError::Status {
                        host: url.authority().to_owned(),
                        status: response.status,
                        attempts: 1,
                        message: String::new(),
                    }));
                }
                response
            }
        };
        let skipped = partial.place(&response)?;
        self.take(response, partial, skipped)
    }

    /// Takes the body of an answer, of which the first `skipped` bytes are here already.
    fn take(
        &self,
        mut response: Response,
        partial: &mut Partial<'_>,
        mut skipped: u64,
    ) -> Result<(), Failed> {
        let blob = partial.blob;
        let mut buffer = vec![0; BUFFER];
        loop {
            if self.is_stopped.load(Ordering::Relaxed) {
                return Err(RegistryError::Stopped.into());
            }
            let n_read = match response.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n_read) => n_read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(partial.lost(&error.to_string())),
            };
            let known = skipped.min(n_read as u64);
            skipped -= known;
            let fresh = &buffer[usize::try_from(known).unwrap_or(n_read)..n_read];
            if partial.bytes.size() + fresh.len() as u64 > blob.size {
                return Err(partial.wrong_size("longer"));
            }
            partial.add(fresh)?;
            self.moved(partial);
        }
        let here = partial.bytes.size();
        if here < blob.size {
            let end = format!("it ended after {here} of {} bytes", blob.size);
            return Err(partial.lost(&end));
        }
        Ok(())
    }

    fn moved(&self, partial: &Partial<'_>) {
        self.observer.transfer(Transfer::Moved {
            digest: partial.blob.digest,
            done: partial.bytes.size(),
            size: partial.blob.size,
        });
    }
}

impl Partial<'_> {
    /// Goes on from what an earlier process has left.
    fn take_up(&mut self, downloads: &Downloads<'_>) -> Result<(), RegistryError> {
        let witness = &mut *self.witness;
        let taken = self
            .bytes
            .take_up(self.blob.size, &mut |bytes| witness.add(bytes));
        taken.map_err(store_error("read what is there of a blob"))?;
        if self.bytes.size() > 0 {
            downloads.moved(self);
        }
        Ok(())
    }

    /// Whether all of it is here, and nobody has to be asked. An empty blob is asked for: somebody should have it.
    fn is_complete(&self) -> bool {
        self.bytes.size() > 0 && self.bytes.size() == self.blob.size
    }

    /// Says how many bytes of an answer's body are here already.
    fn place(&self, response: &Response) -> Result<u64, Failed> {
        let length = response.headers.number("content-length");
        let here = self.bytes.size();
        let total = match response.status {
            206 => {
                let start = response
                    .headers
                    .get("content-range")
                    .and_then(|range| range.strip_prefix("bytes "))
                    .and_then(|range| range.split_once('-'))
                    .and_then(|(start, _)| start.trim().parse::<u64>().ok());
                let Some(start) = start.filter(|start| *start <= here) else {
                    return Err(self.wrong_size("another part"));
                };
                if length.is_some_and(|length| start.saturating_add(length) > self.blob.size) {
                    return Err(self.wrong_size("longer"));
                }
                return Ok(here - start);
            }
            416 => return Err(self.wrong_size("shorter")),
            // All of it, whether all was asked for or not.
            _ => length,
        };
        match total {
            Some(total) if total < self.blob.size => Err(self.wrong_size("shorter")),
            Some(total) if total > self.blob.size => Err(self.wrong_size("longer")),
            _ => Ok(here),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.bytes.add(bytes).map_err(store_error("write a blob"))?;
        self.witness.add(bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RegistryError> {
        self.witness.restart();
        self.bytes.restart().map_err(store_error("write a blob"))
    }

    /// Gives the blob its name if it is the right one.
    fn finish(&mut self) -> Result<(), Failed> {
        match self.bytes.finish() {
            Ok(()) => Ok(()),
            Err(StoreError::Corrupt { actual, .. }) => Err(Failed::again(RegistryError::Wrong {
                what: format!("blob {}", self.blob.digest),
                expected: "the bytes of that digest".to_owned(),
                actual: actual.to_string(),
            })),
            Err(error) => Err(store_error("write a blob")(error).into()),
        }
    }

    fn wrong_size(&self, actual: &str) -> Failed {
        Failed::again(RegistryError::Wrong {
            what: format!("blob {}", self.blob.digest),
            expected: format!("{} bytes, as its descriptor says", self.blob.size),
            actual: actual.to_owned(),
        })
    }

    fn lost(&self, reason: &str) -> Failed {
        Failed::again(RegistryError::Connection {
            host: format!("the rest of blob {}", self.blob.digest),
            attempts: 1,
            source: reason.into(),
        })
    }
}

/// An error with its causes, in a line.
pub(crate) fn line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", line(source)),
        None => error.to_string(),
    }
}
