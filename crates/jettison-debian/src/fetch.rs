//! What this crate needs of a network, and of a place where things stay between two runs.

use crate::digest::Sha256;

/// Where the files of an archive come from. The only thing here that may touch the world outside.
pub trait Fetch: Sync {
    /// The whole content behind `url`, or `None` if the server says that there is no such file.
    ///
    /// Content of more than `limit` bytes is an error.
    fn fetch(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError>;

    /// Asks for a file that is here already, and that the server had marked with `mark`, if it has changed.
    ///
    /// A network that knows no marks fetches the file again.
    fn refetch(&self, url: &str, limit: u64, _mark: Option<&str>) -> Result<Fetched, FetchError> {
        Ok(match self.fetch(url, limit)? {
            Some(bytes) => Fetched::File { bytes, mark: None },
            None => Fetched::Missing,
        })
    }
}

/// The answer to the question for a file that may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// There is no such file.
    Missing,
    /// It is still the one that the mark belongs to.
    Unchanged,
    /// The file.
    File {
        /// Its content.
        bytes: Vec<u8>,
        /// What tells this content from another one, in words that only the network understands.
        mark: Option<String>,
    },
}

/// A file could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch {url}")]
pub struct FetchError {
    /// What was asked for.
    pub url: String,
    /// Why it did not come.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What stays of archives between two runs.
///
/// What was kept may be gone at any time; what cannot be kept is not. Neither is an error.
pub trait IndexCache: Sync {
    /// The Release file that was accepted last from `url`.
    fn release(&self, url: &str) -> Option<KeptRelease>;

    /// Keeps a Release file that was accepted, in place of the one before.
    fn keep_release(&self, url: &str, release: &KeptRelease);

    /// The text with this digest and size in bytes; whoever gives it has checked it.
    fn index(&self, digest: &Sha256, size: u64) -> Option<String>;

    /// Keeps the text with this digest.
    fn keep_index(&self, digest: &Sha256, text: &str);
}

/// A Release file that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRelease {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its signature, where that is a file of its own.
    pub signature: Option<Vec<u8>>,
    /// The mark that it came with.
    pub mark: Option<String>,
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoIndexCache;

impl IndexCache for NoIndexCache {
    fn release(&self, _url: &str) -> Option<KeptRelease> {
        None
    }

    fn keep_release(&self, _url: &str, _release: &KeptRelease) {}

    fn index(&self, _digest: &Sha256, _size: u64) -> Option<String> {
        None
    }

    fn keep_index(&self, _digest: &Sha256, _text: &str) {}
}
