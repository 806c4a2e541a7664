//! One conversation with registries: addresses, logins and tokens are remembered for its time.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use crate::reference::Reference;
use crate::registry::auth::{Credentials, Keys, Scopes, Token};
use crate::registry::challenge::Challenge;
use crate::registry::endpoint::{RegistryOptions, Scheme};
use crate::registry::error::RegistryError;
use crate::registry::message::{Method, Request, RequestBody, Response, Transport};
use crate::registry::patience::{Clock, Failed, Tries};
use crate::registry::retry_after::wish;
use crate::registry::url::Url;

/// How often a server sends us elsewhere before we have enough.
const MOST_REDIRECTS: usize = 10;
/// How often a registry is called that has not answered yet.
const GREETINGS: u32 = 3;
/// How much of an error's text is read.
const LONGEST_COMPLAINT: u64 = 64 << 10;
/// How much of an error's text is shown, in characters.
const SHOWN_COMPLAINT: usize = 300;

/// Talks to registries. It can be used by several threads at once.
pub struct RegistryClient<'c> {
    pub(crate) transport: &'c dyn Transport,
    pub(crate) keys: &'c dyn Keys,
    pub(crate) clock: &'c dyn Clock,
    pub(crate) options: RegistryOptions,
    hosts: Mutex<BTreeMap<(String, Scheme), Arc<Host>>>,
}

impl fmt::Debug for RegistryClient<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistryClient")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A registry that has answered.
#[derive(Debug)]
pub(crate) struct Host {
    /// Its name in references.
    pub(crate) registry: String,
    /// Where its API begins.
    pub(crate) base: Url,
    challenge: Mutex<Option<Challenge>>,
    tokens: Mutex<BTreeMap<Scopes, Token>>,
}

/// A repository of a registry that has answered.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: Arc<Host>,
    pub(crate) repository: String,
}

impl Host {
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        lock(&self.challenge).clone()
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, BTreeMap<Scopes, Token>> {
        lock(&self.tokens)
    }

    /// The connection ended.
    pub(crate) fn lost(&self, error: io::Error) -> Failed {
        Failed::again(RegistryError::Connection {
            host: self.registry.clone(),
            attempts: 1,
            source: error.into(),
        })
    }

    /// The registry does not keep to the specification.
    pub(crate) fn bad_answer(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Answer {
            host: self.registry.clone(),
            reason: reason.into(),
        }
    }
}

impl Endpoint {
    /// The URL of something in the repository, such as `manifests/latest`.
    pub(crate) fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let path = format!("{}{}/{rest}", self.host.base.rest(), self.repository);
        let base = &self.host.base;
        Url::new(base.is_secure(), base.authority(), &path)
            .ok_or_else(|| self.host.bad_answer(format!("`{path}` is no path")))
    }
}

/// Gives the bytes of something that is sent, again and again if need be.
pub(crate) trait BlobSource: Sync {
    /// The bytes from `offset` on.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>>;
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'p> {
    Empty,
    Bytes(&'p [u8]),
    /// A part of a blob.
    Part {
        source: &'p dyn BlobSource,
        offset: u64,
        size: u64,
        /// Is told how many bytes have been sent.
        sent: &'p (dyn Fn(u64) + Sync),
    },
}

/// A request that may have to be sent more than once.
pub(crate) struct Call<'p> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload<'p>,
    /// What it is about, for messages.
    pub(crate) what: &'p str,
}

impl<'c> RegistryClient<'c> {
    /// A conversation that begins.
    pub fn new(
        transport: &'c dyn Transport,
        keys: &'c dyn Keys,
        clock: &'c dyn Clock,
        options: RegistryOptions,
    ) -> RegistryClient<'c> {
        RegistryClient {
            transport,
            keys,
            clock,
            options,
            hosts: Mutex::default(),
        }
    }

    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries::new(self.clock, self.options.patience)
    }

    /// The repository of `reference` itself.
    pub(crate) fn upstream(&self, reference: &Reference) -> Result<Endpoint, RegistryError> {
        let host = self.host(reference.registry(), Scheme::Secure)?;
        Ok(Endpoint {
            host,
            repository: reference.repository().to_owned(),
        })
    }

    /// The ways to the repositories that have what `reference` names: its registry's mirrors, then the registry.
    pub(crate) fn sources<'s>(
        &'s self,
        reference: &'s Reference,
    ) -> impl Iterator<Item = Result<Endpoint, RegistryError>> + 's {
        let mirrors = self.options.host(reference.registry()).mirrors;
        let mirrors = mirrors.into_iter().map(move |mirror| {
            let host = self.host(&mirror.registry, mirror.scheme)?;
            let repository = format!("{}{}", mirror.prefix, reference.repository());
            Ok(Endpoint { host, repository })
        });
        mirrors.chain(std::iter::once_with(|| self.upstream(reference)))
    }

    /// Greets a registry, unless it has been greeted before. Others that want to speak to one wait.
    fn host(&self, registry: &str, scheme: Scheme) -> Result<Arc<Host>, RegistryError> {
        let mut hosts = lock(&self.hosts);
        let key = (registry.to_owned(), scheme);
        if let Some(host) = hosts.get(&key) {
            return Ok(Arc::clone(host));
        }
        let bases = self.options.bases(registry, scheme);
        let mut patience = self.options.patience;
        patience.attempts = patience.attempts.min(GREETINGS);
        let tries = Tries::new(self.clock, patience);
        let host = Arc::new(tries.until(|| self.greet(registry, &bases))?);
        hosts.insert(key, Arc::clone(&host));
        Ok(host)
    }

    /// Finds out where a registry is, and what it wants to know of us.
    fn greet(&self, registry: &str, bases: &[Url]) -> Result<Host, Failed> {
        let mut failed = Failed::Finally(RegistryError::Unsupported {
            what: format!("the registry {registry}"),
            reason: "it has no address".to_owned(),
        });
        for base in bases {
            let request = Request {
                method: Method::Get,
                url: base.clone(),
                headers: Vec::new(),
                body: RequestBody::Empty,
            };
            match self.transport.send(request) {
                Ok(response) => {
                    let challenge = match response.status {
                        401 => Challenge::best(response.headers.all("www-authenticate")),
                        _ => None,
                    };
                    return Ok(Host {
                        registry: registry.to_owned(),
                        base: base.clone(),
                        challenge: Mutex::new(challenge),
                        tokens: Mutex::default(),
                    });
                }
                Err(error) => {
                    let is_final = error.is_final;
                    let error = RegistryError::Connection {
                        host: registry.to_owned(),
                        attempts: 1,
                        source: error.source,
                    };
                    failed = if is_final {
                        Failed::Finally(error)
                    } else {
                        Failed::again(error)
                    };
                }
            }
        }
        Err(failed)
    }

    /// Sends a request as whoever the registry wants us to be, and returns an answer of success.
    pub(crate) fn ask(
        &self,
        endpoint: &Endpoint,
        scopes: &Scopes,
        call: &Call<'_>,
    ) -> Result<Response, Failed> {
        let response = self.ask_any(endpoint, scopes, call)?;
        self.judge(endpoint, call.what, response)
    }

    /// The same, and returns an answer of any kind.
    pub(crate) fn ask_any(
        &self,
        endpoint: &Endpoint,
        scopes: &Scopes,
        call: &Call<'_>,
    ) -> Result<Response, Failed> {
        let mut has_asked_again = false;
        loop {
            let authorization = self.authorization(endpoint, scopes)?;
            let (response, is_elsewhere) =
                self.follow(&endpoint.host, call, authorization.as_deref())?;
            if response.status != 401 || is_elsewhere || has_asked_again {
                return Ok(response);
            }
            let Some(challenge) = Challenge::best(response.headers.all("www-authenticate")) else {
                return Ok(response);
            };
            // A token that is not taken any more is asked for anew, once.
            endpoint.host.tokens().clear();
            *lock(&endpoint.host.challenge) = Some(challenge);
            has_asked_again = true;
        }
    }

    /// Sends a request, and goes where the server sends us. Credentials go to the registry alone. Says too whether the
    /// answer is another server's.
    fn follow(
        &self,
        host: &Host,
        call: &Call<'_>,
        authorization: Option<&str>,
    ) -> Result<(Response, bool), Failed> {
        let mut url = call.url.clone();
        // An upload may be at another host from the start, and have its secrets in its address.
        let mut is_elsewhere = !url.has_origin_of(&host.base);
        for _ in 0..=MOST_REDIRECTS {
            let mut headers = call.headers.clone();
            if let Some(authorization) = authorization.filter(|_| !is_elsewhere) {
                headers.push(("Authorization", authorization.to_owned()));
            }
            let response = self.send_payload(host, call, (url.clone(), headers))?;
            let is_read = matches!(call.method, Method::Get | Method::Head);
            let leads_on = match response.status {
                301..=303 => is_read,
                307 | 308 => true,
                _ => false,
            };
            let Some(location) = response.headers.get("location").filter(|_| leads_on) else {
                return Ok((response, is_elsewhere));
            };
            let next = url
                .join(location)
                .ok_or_else(|| host.bad_answer("it sends us to an address that is none"))?;
            if url.is_secure() && !next.is_secure() {
                let text = "it sends us to an address without encryption";
                return Err(host.bad_answer(text).into());
            }
            is_elsewhere |= !next.has_origin_of(&host.base);
            url = next;
        }
        Err(host
            .bad_answer("it sends us from one address to the next")
            .into())
    }

    fn send_payload(
        &self,
        host: &Host,
        call: &Call<'_>,
        (url, headers): (Url, Vec<(&'static str, String)>),
    ) -> Result<Response, Failed> {
        let request = |body| Request {
            method: call.method,
            url,
            headers,
            body,
        };
        let lost = |error: crate::registry::message::TransportError| {
            let is_final = error.is_final;
            let error = RegistryError::Connection {
                host: host.registry.clone(),
                attempts: 1,
                source: error.source,
            };
            if is_final {
                Failed::Finally(error)
            } else {
                Failed::again(error)
            }
        };
        match call.payload {
            Payload::Empty => self.transport.send(request(RequestBody::Empty)),
            Payload::Bytes(bytes) => self.transport.send(request(RequestBody::Bytes(bytes))),
            Payload::Part {
                source,
                offset,
                size,
                sent,
            } => {
                let unread = |source| RegistryError::Read {
                    what: call.what.to_owned(),
                    source,
                };
                let mut reader = Watched {
                    reader: source.open(offset).map_err(unread)?,
                    n_read: 0,
                    size,
                    sent,
                    failure: None,
                };
                let body = RequestBody::Stream {
                    reader: &mut reader,
                    size,
                };
                let answer = self.transport.send(request(body));
                // The connection is not to blame.
                if let Some(failure) = reader.failure {
                    return Err(unread(failure).into());
                }
                answer
            }
        }
        .map_err(lost)
    }

    /// Sends a request that is not about a repository.
    pub(crate) fn send(&self, request: Request<'_>) -> Result<Response, Failed> {
        let host = request.url.authority().to_owned();
        self.transport.send(request).map_err(|error| {
            let is_final = error.is_final;
            let error = RegistryError::Connection {
                host,
                attempts: 1,
                source: error.source,
            };
            if is_final {
                Failed::Finally(error)
            } else {
                Failed::again(error)
            }
        })
    }

    /// Reads something that is not in a registry, and goes where the server sends us.
    pub(crate) fn follow_get(
        &self,
        request: Request<'_>,
        authorization: Option<&str>,
    ) -> Result<Response, Failed> {
        let host = Host {
            registry: request.url.authority().to_owned(),
            base: request.url.clone(),
            challenge: Mutex::default(),
            tokens: Mutex::default(),
        };
        let call = Call {
            method: Method::Get,
            url: request.url,
            headers: request.headers,
            payload: Payload::Empty,
            what: "",
        };
        Ok(self.follow(&host, &call, authorization)?.0)
    }

    /// Tells success from failure, and failures that pass from those that stay.
    pub(crate) fn judge(
        &self,
        endpoint: &Endpoint,
        what: &str,
        mut response: Response,
    ) -> Result<Response, Failed> {
        if response.is_success() {
            return Ok(response);
        }
        let status = response.status;
        let message = message_of(&mut response);
        let host = endpoint.host.registry.clone();
        if let 401 | 403 = status {
            let credentials = self.credentials(endpoint)?;
            return Err(Failed::Finally(RegistryError::Denied {
                registry: host,
                what: what.to_owned(),
                was_logged_in: credentials != Credentials::Anonymous,
                message,
            }));
        }
        if status == 404 {
            let what = what.to_owned();
            return Err(Failed::Finally(RegistryError::NotFound { host, what }));
        }
        let error = RegistryError::Status {
            host,
            status,
            attempts: 1,
            message,
        };
        match status {
            408 | 425 | 429 | 500 | 502..=504 | 506..=599 => Err(Failed::Again {
                error,
                wish: wish(&response.headers, self.clock.date()),
            }),
            _ => Err(Failed::Finally(error)),
        }
    }

    /// Checks that a registry takes the credentials that we have for it.
    pub fn log_in(&self, registry: &str) -> Result<(), RegistryError> {
        let host = self.host(registry, Scheme::Secure)?;
        let call = Call {
            method: Method::Get,
            url: host.base.clone(),
            headers: Vec::new(),
            payload: Payload::Empty,
            what: "the login",
        };
        let endpoint = Endpoint {
            host,
            repository: String::new(),
        };
        self.tries()
            .until(|| self.ask(&endpoint, &Scopes::none(), &call))?;
        Ok(())
    }
}

/// A reader of a blob that is sent: it counts, and remembers its own failures.
struct Watched<'w> {
    reader: Box<dyn Read + 'w>,
    n_read: u64,
    size: u64,
    sent: &'w (dyn Fn(u64) + Sync),
    failure: Option<io::Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.n_read).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let read = match self.reader.read(&mut buffer[..room]) {
            Ok(0) if room > 0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it is shorter than it was",
            )),
            read => read,
        };
        match read {
            Ok(n_read) => {
                self.n_read += n_read as u64;
                // A blob's digest is checked where it ends.
                if n_read > 0
                    && self.n_read == self.size
                    && let Err(error) = self.reader.read(&mut [0])
                {
                    self.failure = Some(copy_of(&error));
                    return Err(error);
                }
                (self.sent)(self.n_read);
                Ok(n_read)
            }
            Err(error) => {
                self.failure = Some(copy_of(&error));
                Err(error)
            }
        }
    }
}

fn copy_of(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// What a registry says about an error (distribution specification, "Error Codes").
#[derive(Deserialize)]
struct Complaints {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    code: Option<String>,
    message: Option<String>,
}

/// What a registry says in an answer that is an error, after a colon; or nothing.
pub(crate) fn message_of(response: &mut Response) -> String {
    let Ok(bytes) = response.bytes(LONGEST_COMPLAINT) else {
        return String::new();
    };
    let Ok(complaints) = serde_json::from_slice::<Complaints>(&bytes) else {
        return String::new();
    };
    let texts = complaints.errors.into_iter().filter_map(|complaint| {
        let code = complaint
            .code
            .map(|code| code.to_lowercase().replace('_', " "));
        match (code, complaint.message.filter(|text| !text.is_empty())) {
            (Some(code), Some(message)) if code == message.to_lowercase() => Some(code),
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => code.or(message),
        }
    });
    let text = texts.collect::<Vec<_>>().join("; ");
    let text: String = text.chars().take(SHOWN_COMPLAINT).collect();
    if text.is_empty() {
        text
    } else {
        format!(": {text}")
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
