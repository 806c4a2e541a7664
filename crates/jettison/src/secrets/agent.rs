//! Agents of SSH, as commands see them: they list keys and sign with them, and nothing else.
//!
//! Behind each is another agent. What would change it is refused here (BuildKit: `readOnlyAgent`,
//! sshprovider/agentprovider.go). The protocol is that of draft-ietf-sshm-ssh-agent: a length in four bytes, a
//! number, and the rest.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

/// The largest message, as in OpenSSH.
const LARGEST: u32 = 256 << 10;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// What answers questions that are allowed.
pub(super) trait Signer: Send + Sync {
    /// Answers a question of one client.
    fn answer(&self, question: &[u8]) -> io::Result<Vec<u8>>;
}

/// Serves `signer` to whoever connects, until the process ends.
pub(super) fn serve(listener: UnixListener, signer: Arc<dyn Signer>) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let signer = Arc::clone(&signer);
            // A client that goes away is its own affair.
            thread::spawn(move || attend(client, &*signer).unwrap_or_default());
        }
    });
}

/// Answers one client until it goes.
fn attend(mut client: UnixStream, signer: &dyn Signer) -> io::Result<()> {
    while let Some(question) = read_message(&mut client)? {
        let answer = match question.first() {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => {
                signer.answer(&question).unwrap_or_else(|_| vec![FAILURE])
            }
            _ => vec![FAILURE],
        };
        write_message(&mut client, &answer)?;
    }
    Ok(())
}

/// The next message without its length, or `None` at the end.
pub(super) fn read_message(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_be_bytes(length);
    if length == 0 || length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length as usize];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

pub(super) fn write_message(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}
