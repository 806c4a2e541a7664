//! One download: as many requests as it takes to get all bytes of a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use jettison_build::RemoteError;
use jettison_oci::{Digest, Hasher};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::remote::agent::{Patience, is_final};

/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How much older than the answer a `Last-Modified` must be to name one version only (RFC 9110, section 8.8.2.2).
const OLD: i64 = 60;

/// What a server is asked.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) url: &'a str,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<String>,
    /// What is here already.
    pub(crate) known: Validators,
}

/// What a server tells a version of a file by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    /// Whether `last_modified` names one version only.
    pub(crate) is_old: bool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// What is here is what the server has.
    Unchanged,
    /// A file, all of which has been written.
    File {
        digest: Digest,
        size: u64,
        validators: Validators,
    },
}

/// Why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// The server will not give it (BuildKit's words).
    #[error("invalid response status {0}")]
    Status(u16),
    /// The connection failed, again and again.
    #[error("gave up after {attempts} attempt{}", if *.attempts == 1 { "" } else { "s" })]
    Connection {
        attempts: u32,
        #[source]
        source: RemoteError,
    },
    /// There is no room for it.
    #[error(
        "there is no room for it: it has {size} bytes, and {free} are free where downloads are kept"
    )]
    Space { size: u64, free: u64 },
    /// It cannot be written.
    #[error("cannot write it")]
    Write(#[source] io::Error),
}

/// What is to be done after a request that did not give all of the file.
enum Failed {
    Again {
        source: RemoteError,
        pause: Option<Duration>,
    },
    Finally(TransferError),
}

impl Failed {
    fn connection(error: impl Into<RemoteError>) -> Failed {
        Failed::Again {
            source: error.into(),
            pause: None,
        }
    }
}

/// Seconds since 1970 of a date of HTTP (RFC 9110, section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    i64::try_from(since.as_secs()).ok()
}

impl Validators {
    fn of(headers: &HeaderMap) -> Validators {
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let last_modified = text("last-modified");
        let time = |text: &Option<String>| text.as_deref().and_then(http_date);
        let is_old = time(&text("date"))
            .zip(time(&last_modified))
            .is_some_and(|(now, then)| now - then >= OLD);
        Validators {
            etag: text("etag").filter(|etag| !etag.is_empty()),
            last_modified,
            is_old,
        }
    }

    /// What identifies the bytes, so that the rest of them can be asked for.
    fn strong(&self) -> Option<&str> {
        match &self.etag {
            Some(etag) if !etag.starts_with("W/") => Some(etag),
            Some(_) => None,
            None => self.last_modified.as_deref().filter(|_| self.is_old),
        }
    }
}

/// Says whether two tags name the same version, be they weak or strong (BuildKit: `etagValue`, source/http).
fn is_same(one: &str, other: &str) -> bool {
    let value = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    value(one) == value(other)
}

/// The part of a file that has been written.
struct Partial<'a> {
    file: &'a mut File,
    hasher: Hasher,
    size: u64,
    /// What the bytes so far belong to.
    validators: Validators,
    /// Where there must be room.
    dir: &'a Path,
}

/// Asks until all of the file is in `file`, which is in `dir`.
pub(crate) fn transfer(
    question: &Question<'_>,
    file: &mut File,
    dir: &Path,
    patience: &Patience,
) -> Result<Answer, TransferError> {
    let mut partial = Partial {
        file,
        hasher: Hasher::new(),
        size: 0,
        validators: Validators::default(),
        dir,
    };
    let (mut attempt, mut most) = (1, 0);
    loop {
        match request(question, &mut partial) {
            Ok(answer) => return Ok(answer),
            Err(Failed::Finally(error)) => return Err(error),
            Err(Failed::Again { source, pause }) => {
                // A slow way on is a way on.
                if partial.size > most {
                    (attempt, most) = (1, partial.size);
                }
                if attempt >= patience.attempts {
                    return Err(TransferError::Connection {
                        attempts: attempt,
                        source,
                    });
                }
                thread::sleep(pause.unwrap_or_else(|| patience.pause_after(attempt)));
                attempt += 1;
            }
        }
    }
}

/// Makes one request and takes what it gives.
fn request(question: &Question<'_>, partial: &mut Partial<'_>) -> Result<Answer, Failed> {
    let resumed = partial
        .validators
        .strong()
        .filter(|_| partial.size > 0)
        .map(str::to_owned);
    let mut request = question.agent.get(question.url);
    if let Some(authorization) = &question.authorization {
        request = request.header("Authorization", authorization);
    }
    if let Some(validator) = &resumed {
        request = request
            .header("Range", format!("bytes={}-", partial.size))
            .header("If-Range", validator);
    } else if let Some(etag) = &question.known.etag {
        request = request.header("If-None-Match", etag);
    } else if let (Some(date), true) = (&question.known.last_modified, question.known.is_old) {
        request = request.header("If-Modified-Since", date);
    }
    let mut response = match request.call() {
        Ok(response) => response,
        Err(error) => return Err(of_client(error)),
    };
    match response.status().as_u16() {
        304 if resumed.is_none() => return Ok(Answer::Unchanged),
        206 if resumed.is_some() && continues(response.headers(), partial.size) => {}
        200..=299 => {
            let validators = Validators::of(response.headers());
            // Some servers send tags and do not understand them.
            if let (Some(known), Some(sent)) = (&question.known.etag, &validators.etag)
                && is_same(known, sent)
            {
                return Ok(Answer::Unchanged);
            }
            partial.restart(validators).map_err(of_disk)?;
        }
        status @ (408 | 425 | 429 | 500..=599) => {
            return Err(Failed::Again {
                source: TransferError::Status(status).into(),
                pause: retry_after(response.headers()),
            });
        }
        416 if resumed.is_some() => {
            partial.restart(Validators::default()).map_err(of_disk)?;
            return Err(Failed::connection(
                "the server does not have the rest of it any more",
            ));
        }
        status => return Err(Failed::Finally(TransferError::Status(status))),
    }
    partial.take(&mut response)?;
    Ok(Answer::File {
        digest: partial.hasher.clone().finish(),
        size: partial.size,
        validators: partial.validators.clone(),
    })
}

impl Partial<'_> {
    fn restart(&mut self, validators: Validators) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.hasher = Hasher::new();
        self.size = 0;
        self.validators = validators;
        Ok(())
    }

    /// Takes the body of a response.
    fn take(&mut self, response: &mut Response<Body>) -> Result<(), Failed> {
        let length = response
            .headers()
            .get("content-length")
            .and_then(|length| length.to_str().ok()?.trim().parse::<u64>().ok());
        if let Some(length) = length {
            self.check_room(length)?;
        }
        let end = length.map(|length| self.size + length);
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failed::connection(error)),
            };
            self.file.write_all(&buffer[..read]).map_err(of_disk)?;
            self.hasher.update(&buffer[..read]);
            self.size += read as u64;
        }
        match end {
            Some(end) if end != self.size => {
                let text = format!("the connection ended after {} of {end} bytes", self.size);
                Err(Failed::connection(text))
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self, size: u64) -> Result<(), Failed> {
        // Where it cannot be known, writing will tell.
        let Ok(disk) = rustix::fs::statvfs(self.dir) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if size > free {
            return Err(Failed::Finally(TransferError::Space { size, free }));
        }
        Ok(())
    }
}

fn of_disk(error: io::Error) -> Failed {
    Failed::Finally(TransferError::Write(error))
}

/// What is to be done after a client's error.
fn of_client(error: ureq::Error) -> Failed {
    if is_final(&error) {
        return Failed::Finally(TransferError::Connection {
            attempts: 1,
            source: error.into(),
        });
    }
    Failed::connection(error)
}

/// Says whether `Content-Range` begins where the file ends so far.
fn continues(headers: &HeaderMap, size: u64) -> bool {
    headers
        .get("content-range")
        .and_then(|range| range.to_str().ok()?.strip_prefix("bytes "))
        .and_then(|range| range.split_once('-'))
        .is_some_and(|(start, _)| start.trim().parse() == Ok(size))
}

/// The pause that a server asks for, in seconds; a date is too rare to be worth a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?;
    let pause = Duration::from_secs(text.trim().parse().ok()?);
    Some(pause.min(LONGEST_PAUSE))
}
