//! Files by URL, kept by what is in them.
//!
//! ```text
//! downloads/sha256/<digest>                     a file; it appears by rename
//! downloads/partial/<SHA-256 of the URL>        a file that is being downloaded; its URL's lock is held
//! downloads/urls/                               what URLs gave, see `record`
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jettison_build::{FileRequest, RemoteError, RemoteFile, Secrets};
use jettison_oci::{Digest, Hasher};
use ureq::Agent;

use crate::remote::address::{WebAddress, redacted};
use crate::remote::agent::{Patience, Reach, Server, agent};
use crate::remote::lock::{LockError, lock, try_lock};
use crate::remote::record::{Record, looks};
use crate::remote::transfer::{Answer, Question, TransferError, Validators, http_date, transfer};

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The text is not a URL.
    #[error("{url} is not a URL that can be downloaded from")]
    Url { url: String },
    /// It is not the file that was meant (BuildKit's words).
    #[error("digest mismatch for {url}: {actual} (expected: {expected})")]
    Mismatch {
        url: String,
        actual: Digest,
        expected: Digest,
    },
    /// It could not be downloaded.
    #[error("cannot download {url}")]
    Transfer {
        url: String,
        #[source]
        source: TransferError,
    },
    /// The client cannot be set up.
    #[error("cannot download {url}")]
    Client {
        url: String,
        #[source]
        source: RemoteError,
    },
    /// Somebody else is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What one URL gave in this build; whoever asks for it waits for the first one who did.
type Slot = Arc<Mutex<Option<RemoteFile>>>;

/// Downloads files and keeps them.
pub(crate) struct Downloads<'a> {
    dir: PathBuf,
    reach: &'a Reach,
    patience: Patience,
    secrets: &'a dyn Secrets,
    /// Those for servers that are reached through a proxy come first.
    agents: [[OnceLock<Agent>; 2]; 2],
    slots: Mutex<BTreeMap<String, Slot>>,
}

impl<'a> Downloads<'a> {
    /// Downloads to below `root`.
    pub(crate) fn open(
        root: &Path,
        reach: &'a Reach,
        patience: Patience,
        secrets: &'a dyn Secrets,
    ) -> Result<Downloads<'a>, DownloadError> {
        let downloads = Downloads {
            dir: root.join("downloads"),
            reach,
            patience,
            secrets,
            agents: Default::default(),
            slots: Mutex::default(),
        };
        for part in ["sha256", "partial", "urls"] {
            let path = downloads.dir.join(part);
            fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        }
        downloads.remove_leftovers();
        Ok(downloads)
    }

    /// The file that is asked for. One URL gives one file for as long as this value lives.
    pub(crate) fn file(&self, request: &FileRequest) -> Result<RemoteFile, DownloadError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(request.url.clone()).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match slot.take() {
            Some(file) => file,
            None => self.get(request)?,
        };
        *slot = Some(file.clone());
        if let Some(expected) = request.checksum
            && expected != file.digest
        {
            return Err(DownloadError::Mismatch {
                url: redacted(&request.url),
                actual: file.digest,
                expected,
            });
        }
        Ok(file)
    }

    /// Finds the file here or fetches it.
    fn get(&self, request: &FileRequest) -> Result<RemoteFile, DownloadError> {
        let name = Digest::of(request.url.as_bytes()).hex();
        let path = self.dir.join("urls").join(&name);
        let _lock = lock(&path.with_extension("lock"))?;
        let known = self.known(&path);
        if let (Some(record), Some(checksum)) = (&known, request.checksum)
            && record.digest == checksum
        {
            return Ok(self.remote_file(record));
        }
        let record = self.fetch(request, &name, known)?;
        record.write(&path).map_err(io_error("write", &path))?;
        Ok(self.remote_file(&record))
    }

    fn fetch(
        &self,
        request: &FileRequest,
        name: &str,
        known: Option<Record>,
    ) -> Result<Record, DownloadError> {
        let url = redacted(&request.url);
        let address = WebAddress::parse(&request.url)
            .ok_or_else(|| DownloadError::Url { url: url.clone() })?;
        let of_client = |source| DownloadError::Client {
            url: url.clone(),
            source,
        };
        let question = Question {
            agent: self.agent(&address).map_err(of_client)?,
            url: &address.url,
            authorization: self.authorization(&address).map_err(of_client)?,
            known: known.as_ref().map(validators).unwrap_or_default(),
        };
        let partial = self.dir.join("partial").join(name);
        let mut file = File::create(&partial).map_err(io_error("create", &partial))?;
        let answer = transfer(&question, &mut file, &self.dir, &self.patience);
        let (digest, size, validators) = match (answer, known) {
            (
                Ok(Answer::File {
                    digest,
                    size,
                    validators,
                }),
                _,
            ) => (digest, size, validators),
            (Ok(Answer::Unchanged), Some(known)) => {
                remove(&partial)?;
                return Ok(known);
            }
            (Ok(Answer::Unchanged), None) => {
                remove(&partial)?;
                let source = TransferError::Status(304);
                return Err(DownloadError::Transfer { url, source });
            }
            (Err(source), _) => {
                remove(&partial)?;
                return Err(DownloadError::Transfer { url, source });
            }
        };
        if let Some(expected) = request.checksum
            && expected != digest
        {
            remove(&partial)?;
            return Err(DownloadError::Mismatch {
                url,
                actual: digest,
                expected,
            });
        }
        let kept = self.kept(&digest);
        fs::rename(&partial, &kept).map_err(io_error("write", &kept))?;
        let metadata = fs::metadata(&kept).map_err(io_error("read", &kept))?;
        Ok(Record {
            digest,
            size,
            etag: validators.etag,
            last_modified: validators.last_modified,
            is_old: validators.is_old,
            seen: looks(&metadata),
        })
    }

    /// What is known of a URL, if the file is still here.
    fn known(&self, path: &Path) -> Option<Record> {
        let record = Record::read(path)?;
        let kept = self.kept(&record.digest);
        let metadata = fs::metadata(&kept).ok()?;
        let seen = looks(&metadata);
        if seen == record.seen {
            return Some(record);
        }
        if metadata.len() != record.size || digest_of(&kept).ok()? != record.digest {
            return None;
        }
        let record = Record { seen, ..record };
        record.write(path).ok()?;
        Some(record)
    }

    fn kept(&self, digest: &Digest) -> PathBuf {
        self.dir.join("sha256").join(digest.hex())
    }

    fn remote_file(&self, record: &Record) -> RemoteFile {
        RemoteFile {
            path: self.kept(&record.digest),
            digest: record.digest,
            size: record.size,
            last_modified: record.last_modified.as_deref().and_then(http_date),
        }
    }

    /// The client for a URL.
    fn agent(&self, address: &WebAddress) -> Result<&Agent, RemoteError> {
        let server = Server {
            is_secure: address.is_encrypted(),
            host: &address.host,
            port: address.port,
        };
        let is_direct = self.reach.proxy(&server)?.is_none();
        let slot = &self.agents[usize::from(is_direct)][usize::from(server.is_secure)];
        if let Some(agent) = slot.get() {
            return Ok(agent);
        }
        let agent = agent(self.reach, &self.patience, &server)?;
        Ok(slot.get_or_init(|| agent))
    }

    /// The secrets for a host, else what the URL has in it (BuildKit: `newHTTPRequest`, source/http; a token goes
    /// before a whole header).
    fn authorization(&self, address: &WebAddress) -> Result<Option<String>, RemoteError> {
        let secret = |kind: &str| {
            self.secrets
                .secret(&format!("HTTP_AUTH_{kind}_{}", address.host))
        };
        if let Some(token) = secret("TOKEN")? {
            return Ok(Some(format!("Bearer {}", header_text(&token)?)));
        }
        if let Some(header) = secret("HEADER")? {
            return Ok(Some(header_text(&header)?));
        }
        Ok(address.authorization())
    }

    /// Removes records of files that somebody removed. Whoever asks their URLs now waits for the locks.
    fn forget_lost(&self) {
        let Ok(entries) = fs::read_dir(self.dir.join("urls")) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none()
                && Record::read(&path).is_some_and(|record| !self.kept(&record.digest).exists())
                && let Some(_lock) = try_lock(&path.with_extension("lock"))
            {
                fs::remove_file(&path).unwrap_or_default();
            }
        }
    }

    /// Removes what a process left that was killed. What cannot be removed does no harm.
    fn remove_leftovers(&self) {
        self.forget_lost();
        let Ok(entries) = fs::read_dir(self.dir.join("partial")) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let lock = self.dir.join("urls").join(format!("{name}.lock"));
            if let Some(_lock) = try_lock(&lock) {
                fs::remove_file(entry.path()).unwrap_or_default();
            }
        }
    }
}

fn validators(record: &Record) -> Validators {
    Validators {
        etag: record.etag.clone(),
        last_modified: record.last_modified.clone(),
        is_old: record.is_old,
    }
}

/// A secret as it goes into a header. It is never part of an error.
fn header_text(secret: &[u8]) -> Result<String, RemoteError> {
    let text = std::str::from_utf8(secret).map(str::trim_end);
    match text {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err("a secret for its host is not one line of text".into()),
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn remove(path: &Path) -> Result<(), DownloadError> {
    fs::remove_file(path).map_err(io_error("remove", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_path_buf();
    move |source| DownloadError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
