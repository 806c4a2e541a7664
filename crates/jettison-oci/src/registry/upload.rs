//! One blob on its way to a registry (distribution specification, "Pushing Blobs").
//!
//! ```text
//!  Ask ──there──► done
//!   └──► Begin ──mounted──► done
//!          └──► Send ──► Finish ──► done
//!                 ▲ └─lost─► Where ─┐
//!                 └─────────────────┘      an upload that the registry has lost begins anew
//! ```

use crate::digest::Digest;
use crate::registry::auth::Scopes;
use crate::registry::client::{BlobSource, Call, Endpoint, Payload, RegistryClient};
use crate::registry::download::line;
use crate::registry::error::RegistryError;
use crate::registry::message::{Headers, Method, Response};
use crate::registry::patience::Failed;
use crate::registry::transfers::{Transfer, TransferObserver};
use crate::registry::url::Url;

/// What is smaller is sent in one request, and sent again as a whole if that fails.
const SMALL: u64 = if cfg!(test) { 16 << 10 } else { 1 << 20 };

/// A blob to be sent.
pub(crate) struct Upload<'u> {
    pub(crate) client: &'u RegistryClient<'u>,
    pub(crate) endpoint: &'u Endpoint,
    pub(crate) observer: &'u dyn TransferObserver,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Why a step failed, and from where it may go on.
struct Retreat {
    failed: Failed,
    next: State,
}

/// What is done next.
enum State {
    Begin,
    Send { session: Session, offset: u64 },
    Where { session: Session },
    Finish { session: Session },
    Done,
}

/// An upload that the registry has begun.
#[derive(Clone)]
pub(crate) struct Session {
    location: Url,
    /// The smallest piece that it takes, but for the last one.
    least: u64,
}

impl Session {
    /// The same upload, which is at another address from now on.
    fn at(&self, location: Url) -> Session {
        Session {
            location,
            least: self.least,
        }
    }
}

impl Upload<'_> {
    /// Whether the registry has the blob.
    pub(crate) fn is_there(&self) -> Result<bool, RegistryError> {
        self.client.tries().until(|| self.has())
    }

    /// Lets the registry take the blob from another repository. If it does not, it may have begun an upload.
    pub(crate) fn mount(&self, from: &str) -> Result<Mount, RegistryError> {
        let url = self.endpoint.url("blobs/uploads/")?;
        let url = url.with_query("mount", &self.digest.to_string());
        let call = call(Method::Post, url.with_query("from", from), "a mount");
        let scopes = Scopes::push(&self.endpoint.repository).and_pull(from);
        let asked = self.client.tries().until(|| {
            let response = self.client.ask(self.endpoint, &scopes, &call)?;
            Ok(match response.status {
                201 => Mount::Done,
                _ => Mount::Begun(self.session(&call.url, &response)?),
            })
        });
        match asked {
            Ok(mount) => Ok(mount),
            // Who must not read there, or whose registry does not know mounts, sends the blob.
            Err(error @ RegistryError::Connection { .. }) => Err(error),
            Err(_) => Ok(Mount::Refused),
        }
    }

    /// Sends the blob, in an upload that was begun, if one was.
    pub(crate) fn send(
        &self,
        source: &dyn BlobSource,
        begun: Option<Session>,
    ) -> Result<(), RegistryError> {
        let mut tries = self.client.tries();
        let mut state = match begun {
            Some(session) => State::Send { session, offset: 0 },
            None => State::Begin,
        };
        let mut most = 0;
        let mut wrongs = 0;
        loop {
            let Retreat { failed, next } = match self.step(source, &state) {
                Ok(State::Done) => return Ok(()),
                Ok(next) => {
                    if let State::Send { offset, .. } = &next
                        && *offset > most
                    {
                        most = *offset;
                        tries.got_further();
                    }
                    state = next;
                    continue;
                }
                Err(retreat) => *retreat,
            };
            if failed.is_wrong() {
                wrongs += 1;
                if wrongs > 1 {
                    return Err(failed.into_error());
                }
            }
            if let Failed::Again { error, .. } = &failed {
                self.observer.transfer(Transfer::Waits {
                    digest: self.digest,
                    attempt: tries.attempt(),
                    reason: &line(error),
                });
            }
            tries.after(failed)?;
            state = next;
        }
    }

    /// Does what is next. If that fails, says from where it may go on.
    fn step(&self, source: &dyn BlobSource, state: &State) -> Result<State, Box<Retreat>> {
        let retreat = |failed, next| Box::new(Retreat { failed, next });
        match state {
            State::Begin => self.begin().map_err(|failed| retreat(failed, State::Begin)),
            State::Send { session, .. } if self.size <= SMALL => {
                // An upload that is over cannot be asked where it is.
                self.put_all(source, &session.location)
                    .map_err(|failed| retreat(self.passing(failed), State::Begin))
            }
            State::Send { session, offset } => {
                let session = session.clone();
                self.patch(source, &session, *offset)
                    .map_err(|failed| retreat(self.passing(failed), State::Where { session }))
            }
            State::Where { session } => match self.offset(session) {
                Ok(next) => Ok(next),
                Err(failed @ Failed::Again { .. }) => {
                    let session = session.clone();
                    Err(retreat(failed, State::Where { session }))
                }
                // Whoever does not answer that has lost it.
                Err(Failed::Finally(_)) => Ok(State::Begin),
            },
            State::Finish { session } => self.finish(&session.location).map_err(|failed| {
                let failed = self.passing(failed);
                let next = if failed.is_wrong() {
                    State::Begin
                } else {
                    let session = session.clone();
                    State::Where { session }
                };
                retreat(failed, next)
            }),
            State::Done => Ok(State::Done),
        }
    }

    fn begin(&self) -> Result<State, Failed> {
        let url = self.endpoint.url("blobs/uploads/")?;
        let call = call(Method::Post, url, "an upload");
        let response = self.client.ask(self.endpoint, &self.scopes(), &call)?;
        let session = self.session(&call.url, &response)?;
        Ok(State::Send { session, offset: 0 })
    }

    /// Sends all of a small blob, and ends the upload.
    fn put_all(&self, source: &dyn BlobSource, location: &Url) -> Result<State, Failed> {
        let url = location.with_query("digest", &self.digest.to_string());
        let sent = |done| self.sent(done);
        let mut call = call(Method::Put, url, "an upload");
        call.headers
            .push(("Content-Type", "application/octet-stream".to_owned()));
        call.payload = Payload::Part {
            source,
            offset: 0,
            size: self.size,
            sent: &sent,
        };
        let response = self.client.ask(self.endpoint, &self.scopes(), &call)?;
        self.check(&response)?;
        Ok(State::Done)
    }

    /// Sends what is missing, or as much of it as the registry's options allow at once.
    fn patch(
        &self,
        source: &dyn BlobSource,
        session: &Session,
        offset: u64,
    ) -> Result<State, Failed> {
        let location = &session.location;
        let registry = &self.endpoint.host.registry;
        let chunk = self.client.options.host(registry).chunk;
        let chunk = chunk.unwrap_or(u64::MAX).max(SMALL).max(session.least);
        let size = (self.size - offset).min(chunk);
        let sent = |done| self.sent(offset + done);
        let mut call = call(Method::Patch, location.clone(), "an upload");
        let last = (offset + size).saturating_sub(1);
        call.headers = vec![
            ("Content-Type", "application/octet-stream".to_owned()),
            ("Content-Range", format!("{offset}-{last}")),
        ];
        call.payload = Payload::Part {
            source,
            offset,
            size,
            sent: &sent,
        };
        let response = self.client.ask(self.endpoint, &self.scopes(), &call)?;
        let session = session.at(self.location(location, &response)?);
        let bad = |text| Failed::again(self.endpoint.host.bad_answer(text));
        match end_of_range(&response.headers) {
            Some(end) if end > self.size => Err(bad("it has more of the upload than there is")),
            // Else the same would be sent for ever.
            Some(end) if end <= offset => Err(bad("it keeps nothing of what is sent")),
            Some(end) => Ok(self.from(session, end)),
            None => Ok(self.from(session, offset + size)),
        }
    }

    /// What is next where so much has arrived.
    fn from(&self, session: Session, offset: u64) -> State {
        if offset == self.size {
            State::Finish { session }
        } else {
            State::Send { session, offset }
        }
    }

    /// Asks how much of an upload has arrived.
    fn offset(&self, session: &Session) -> Result<State, Failed> {
        let location = &session.location;
        let call = call(Method::Get, location.clone(), "the upload");
        let response = self.client.ask(self.endpoint, &self.scopes(), &call)?;
        let location = match response.headers.get("location") {
            Some(_) => self.location(location, &response)?,
            None => location.clone(),
        };
        let offset = end_of_range(&response.headers).unwrap_or(0);
        // What has more than there is cannot be mended.
        if offset > self.size {
            return Ok(State::Begin);
        }
        self.sent(offset);
        Ok(self.from(session.at(location), offset))
    }

    /// Ends an upload.
    fn finish(&self, location: &Url) -> Result<State, Failed> {
        let url = location.with_query("digest", &self.digest.to_string());
        let call = call(Method::Put, url, "an upload");
        match self.client.ask(self.endpoint, &self.scopes(), &call) {
            Ok(response) => self.check(&response)?,
            // It may have ended all the same.
            Err(failed) => {
                if !self.has().unwrap_or(false) {
                    return Err(failed);
                }
            }
        }
        Ok(State::Done)
    }

    fn has(&self) -> Result<bool, Failed> {
        let url = self.endpoint.url(&format!("blobs/{}", self.digest))?;
        let call = call(Method::Head, url, "a push");
        let response = self.client.ask_any(self.endpoint, &self.scopes(), &call)?;
        if response.status == 404 {
            return Ok(false);
        }
        let response = self.client.judge(self.endpoint, "a push", response)?;
        // A blob of another length is not the one, whatever it is called.
        let length = response.headers.number("content-length");
        Ok(length.is_none_or(|length| length == self.size))
    }

    /// A registry that says another digest has other bytes.
    fn check(&self, response: &Response) -> Result<(), Failed> {
        let said = response.headers.get("docker-content-digest");
        let said = said.and_then(|digest| digest.parse::<Digest>().ok());
        match said {
            Some(said) if said != self.digest => Err(Failed::again(RegistryError::Wrong {
                what: "the blob that the registry got".to_owned(),
                expected: self.digest.to_string(),
                actual: said.to_string(),
            })),
            _ => Ok(()),
        }
    }

    /// What the registry says about an upload may pass if it begins anew: that there is none, that its offset is another one, or that
    /// its digest is wrong.
    fn passing(&self, failed: Failed) -> Failed {
        match failed {
            Failed::Finally(RegistryError::Status {
                status: 400,
                message,
                host,
                ..
            }) if message.contains("digest") => Failed::again(RegistryError::Wrong {
                what: format!("what {host} got{message}"),
                expected: self.digest.to_string(),
                actual: "another blob".to_owned(),
            }),
            Failed::Finally(
                error @ (RegistryError::NotFound { .. }
                | RegistryError::Status {
                    status: 400 | 416, ..
                }),
            ) => Failed::again(error),
            failed => failed,
        }
    }

    /// The upload that an answer begins (distribution specification, "Pushing a blob in chunks").
    fn session(&self, asked: &Url, response: &Response) -> Result<Session, Failed> {
        Ok(Session {
            location: self.location(asked, response)?,
            least: response.headers.number("oci-chunk-min-length").unwrap_or(0),
        })
    }

    fn location(&self, asked: &Url, response: &Response) -> Result<Url, Failed> {
        let host = &self.endpoint.host;
        let location = response.headers.get("location");
        let url = location.and_then(|location| asked.join(location));
        let url = url.ok_or_else(|| host.bad_answer("it does not say where the upload goes"))?;
        // Behind a proxy that ends the encryption, a registry may not know that there is any.
        let url = url.kept_secure(asked);
        if asked.is_secure() && !url.is_secure() {
            let text = "it wants the upload at an address without encryption";
            return Err(host.bad_answer(text).into());
        }
        Ok(url)
    }

    fn scopes(&self) -> Scopes {
        Scopes::push(&self.endpoint.repository)
    }

    fn sent(&self, done: u64) {
        self.observer.transfer(Transfer::Moved {
            digest: self.digest,
            done,
            size: self.size,
        });
    }
}

fn call(method: Method, url: Url, what: &str) -> Call<'_> {
    Call {
        method,
        url,
        headers: Vec::new(),
        payload: Payload::Empty,
        what,
    }
}

/// What a registry made of a mount.
pub(crate) enum Mount {
    /// The blob is there.
    Done,
    /// It is to be sent to this address.
    Begun(Session),
    /// Nothing.
    Refused,
}

/// How many bytes there are by a `Range` of `0-LAST`. `0-0` is nothing: so registries say it that have nothing yet
/// (distribution: `blobUploadResponse`, registry/handlers/blobupload.go).
fn end_of_range(headers: &Headers) -> Option<u64> {
    let range = headers.get("range")?;
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last: u64 = range.strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last.saturating_add(1) })
}
