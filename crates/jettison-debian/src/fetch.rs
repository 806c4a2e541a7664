//! What this crate needs of a network.

/// Where the files of an archive come from. The only thing here that may touch the world outside.
pub trait Fetch: Sync {
    /// The whole content behind `url`, or `None` if the server says that there is no such file.
    ///
    /// Content of more than `limit` bytes is an error.
    fn fetch(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError>;
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
