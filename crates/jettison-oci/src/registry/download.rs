//! One blob on its way into the store: as many requests as it takes, and not a byte more than its descriptor says.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::descriptor::Descriptor;
use crate::registry::auth::Scopes;
use crate::registry::client::{Call, Endpoint, Payload, RegistryClient};
use crate::registry::error::{RegistryError, store_error};
use crate::registry::message::{Method, Request, RequestBody, Response};
use crate::registry::patience::Failed;
use crate::registry::transfers::{Transfer, TransferObserver};
use crate::registry::url::Url;
use crate::store::{BlobWriter, Store, StoreError};

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

/// What of a blob has arrived.
struct Partial<'p> {
    blob: &'p Descriptor,
    writer: BlobWriter,
    size: u64,
}

impl Downloads<'_> {
    /// Makes sure that a blob is in the store, and says whether it had to be fetched.
    pub(crate) fn fetch(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        if self.store.has(&blob.digest) {
            return Ok(false);
        }
        // Who waits for another process's download finds the blob there.
        let _lock = BlobLock::take(self.store, blob)?;
        if self.store.has(&blob.digest) {
            return Ok(false);
        }
        let mut failure = None;
        for source in self.all_sources(blob) {
            match self.fetch_from(&source, blob) {
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

    fn fetch_from(&self, source: &Source<'_>, blob: &Descriptor) -> Result<(), RegistryError> {
        let mut tries = self.client.tries();
        let (mut most, mut rewinds) = (0, 0);
        let mut partial = Partial::new(self.store, blob)?;
        loop {
            let failed = match self.request(source, &mut partial) {
                Ok(()) => {
                    let Err(failed) = partial.finish() else {
                        return Ok(());
                    };
                    partial = Partial::new(self.store, blob)?;
                    failed
                }
                Err(failed) => failed,
            };
            if partial.size > most {
                most = partial.size;
                tries.got_further();
            }
            if failed.is_wrong() {
                // Not a byte of it can be trusted.
                rewinds += 1;
                if rewinds > REWINDS {
                    return Err(failed.into_error());
                }
                partial = Partial::new(self.store, blob)?;
            }
            if let Failed::Again { error, .. } = &failed {
                self.observer.transfer(Transfer::Waits {
                    digest: blob.digest,
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
        if partial.size > 0 && partial.size < blob.size {
            headers.push(("Range", format!("bytes={}-", partial.size)));
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
            if partial.size + fresh.len() as u64 > blob.size {
                return Err(partial.wrong_size("longer"));
            }
            partial.write(fresh)?;
            self.observer.transfer(Transfer::Moved {
                digest: blob.digest,
                done: partial.size,
                size: blob.size,
            });
        }
        if partial.size < blob.size {
            let end = format!("it ended after {} of {} bytes", partial.size, blob.size);
            return Err(partial.lost(&end));
        }
        Ok(())
    }
}

impl<'p> Partial<'p> {
    fn new(store: &Store, blob: &'p Descriptor) -> Result<Partial<'p>, RegistryError> {
        let writer = store.blob_writer().map_err(store_error("write a blob"))?;
        Ok(Partial {
            blob,
            writer,
            size: 0,
        })
    }

    /// Says how many bytes of an answer's body are here already.
    fn place(&self, response: &Response) -> Result<u64, Failed> {
        let length = response.headers.number("content-length");
        let total = match response.status {
            206 => {
                let start = response
                    .headers
                    .get("content-range")
                    .and_then(|range| range.strip_prefix("bytes "))
                    .and_then(|range| range.split_once('-'))
                    .and_then(|(start, _)| start.trim().parse::<u64>().ok());
                let Some(start) = start.filter(|start| *start <= self.size) else {
                    return Err(self.wrong_size("another part"));
                };
                if length.is_some_and(|length| start.saturating_add(length) > self.blob.size) {
                    return Err(self.wrong_size("longer"));
                }
                return Ok(self.size - start);
            }
            416 => return Err(self.wrong_size("shorter")),
            // All of it, whether all was asked for or not.
            _ => length,
        };
        match total {
            Some(total) if total < self.blob.size => Err(self.wrong_size("shorter")),
            Some(total) if total > self.blob.size => Err(self.wrong_size("longer")),
            _ => Ok(self.size),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.writer.write_all(bytes).map_err(|source| {
            Failed::Finally(RegistryError::Read {
                what: format!("what was written of blob {}", self.blob.digest),
                source,
            })
        })?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Gives the blob its name if it is the right one.
    fn finish(self) -> Result<(), Failed> {
        match self.writer.finish_as(&self.blob.digest) {
            Ok(_) => Ok(()),
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

/// Keeps other processes from fetching the same blob.
struct BlobLock {
    // Dropping it unlocks it.
    _file: Option<File>,
    path: std::path::PathBuf,
}

impl BlobLock {
    fn take(store: &Store, blob: &Descriptor) -> Result<BlobLock, RegistryError> {
        let directory = store.root().join("pulling");
        let path = directory.join(blob.digest.hex());
        let opened = fs::create_dir_all(&directory).and_then(|()| {
            let mut options = File::options();
            options.create(true).truncate(false).write(true).open(&path)
        });
        // A file system without locks has no other processes that wait.
        let locked = opened.inspect(|file| file.lock().unwrap_or_default());
        let file = locked.map_err(|source| {
            store_error("lock a blob")(StoreError::Io {
                action: "open",
                path: path.clone(),
                source,
            })
        })?;
        Ok(BlobLock {
            _file: Some(file),
            path,
        })
    }
}

impl Drop for BlobLock {
    fn drop(&mut self) {
        // Who waits on the old file gets its lock all the same, and looks into the store then.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}

/// An error with its causes, in a line.
pub(crate) fn line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", line(source)),
        None => error.to_string(),
    }
}
