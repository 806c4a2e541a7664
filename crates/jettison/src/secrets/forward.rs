//! An agent behind a socket of the host.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::secrets::agent::{Signer, read_message, write_message};

/// Hands questions to the agent at `socket`.
pub(super) struct Forward {
    pub(super) socket: PathBuf,
}

impl Signer for Forward {
    fn answer(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        // One connection for each question: agents keep nothing about a connection that these need.
        let mut agent = UnixStream::connect(&self.socket)?;
        write_message(&mut agent, question)?;
        read_message(&mut agent)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
