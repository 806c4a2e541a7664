//! What commands may see and images must not.

use std::error::Error;
use std::path::PathBuf;

/// Gives what commands may see and images must not.
pub trait Secrets: Sync {
    /// The secret called `id`, if there is one.
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>>;

    /// The socket of the SSH agent called `id`, if there is one.
    fn ssh_agent(&self, id: &str) -> Result<Option<PathBuf>, Box<dyn Error + Send + Sync>>;
}

/// Knows no secrets.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, _id: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        Ok(None)
    }

    fn ssh_agent(&self, _id: &str) -> Result<Option<PathBuf>, Box<dyn Error + Send + Sync>> {
        Ok(None)
    }
}
