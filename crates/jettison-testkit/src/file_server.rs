//! Files over HTTP on the loopback interface, with faults.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends in the middle of the body.
    Cut,
    /// There is no such file.
    NotFound,
    /// The server fails.
    ServerError,
    /// One byte in the middle differs.
    Tampered,
}

/// A server of files; it ends with the process.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    faults: BTreeMap<String, Fault>,
    /// A further line of the answer's head, by path.
    headers: BTreeMap<String, String>,
    /// The paths that were asked for, in order.
    requests: Mutex<Vec<String>>,
}

impl FileServer {
    /// Serves `files`, a map from path to contents, without faults.
    pub fn start(files: BTreeMap<String, Vec<u8>>) -> FileServer {
        FileServer::with_faults(files, BTreeMap::new())
    }

    /// Serves `files`; the answers to the paths in `faults` are wrong.
    ///
    /// # Panics
    ///
    /// If the loopback interface has no free port.
    pub fn with_faults(
        files: BTreeMap<String, Vec<u8>>,
        faults: BTreeMap<String, Fault>,
    ) -> FileServer {
        FileServer::serving(Shared {
            files,
            faults,
            ..Shared::default()
        })
    }

    /// Serves `files`; the answers to the paths in `headers` have those lines in their heads.
    ///
    /// # Panics
    ///
    /// If the loopback interface has no free port.
    pub fn with_headers(
        files: BTreeMap<String, Vec<u8>>,
        headers: BTreeMap<String, String>,
    ) -> FileServer {
        FileServer::serving(Shared {
            files,
            headers,
            ..Shared::default()
        })
    }

    fn serving(shared: Shared) -> FileServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(shared);
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A client that goes away is its own affair.
                thread::spawn(move || served.serve(&stream).unwrap_or_default());
            }
        });
        FileServer { address, shared }
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The paths that were asked for, in order.
    pub fn requests(&self) -> Vec<String> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    /// Answers requests until the client closes the connection.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut reader = BufReader::new(stream);
        while let Some(path) = read_request(&mut reader)? {
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(path.clone());
            if !self.answer(stream, &path)? {
                break;
            }
        }
        Ok(())
    }

    /// Answers one request. Returns whether the connection goes on.
    fn answer(&self, stream: &TcpStream, path: &str) -> io::Result<bool> {
        let fault = self.faults.get(path).copied();
        let (Some(body), None | Some(Fault::Cut | Fault::Tampered)) = (self.files.get(path), fault)
        else {
            let status = if fault == Some(Fault::ServerError) {
                "500 Internal Server Error"
            } else {
                "404 Not Found"
            };
            write_head(stream, status, 0, None)?;
            return Ok(true);
        };
        let mut body = body.clone();
        let middle = body.len() / 2;
        write_head(stream, "200 OK", body.len(), self.headers.get(path))?;
        if fault == Some(Fault::Cut) {
            body.truncate(middle);
        } else if fault == Some(Fault::Tampered)
            && let Some(byte) = body.get_mut(middle)
        {
            *byte ^= 1;
        }
        let mut writer = stream;
        writer.write_all(&body)?;
        Ok(fault != Some(Fault::Cut))
    }
}

fn write_head(
    mut stream: &TcpStream,
    status: &str,
    length: usize,
    further: Option<&String>,
) -> io::Result<()> {
    let further = further.map_or(String::new(), |line| format!("{line}\r\n"));
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{further}\r\n");
    stream.write_all(head.as_bytes())
}

/// The path of the next request, or `None` at the end of the connection.
fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<String>> {
    let mut request = String::new();
    if reader.read_line(&mut request)? == 0 {
        return Ok(None);
    }
    let mut header = String::new();
    while reader.read_line(&mut header)? > 0 && !header.trim_end().is_empty() {
        header.clear();
    }
    Ok(request.split(' ').nth(1).map(str::to_string))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn get(server: &FileServer, path: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn each_fault_is_one_that_a_client_sees() {
        let files = ["/good", "/cut", "/gone", "/broken", "/tampered"]
            .map(|path| (path.to_string(), b"abcd".to_vec()));
        let faults = [
            ("/cut", Fault::Cut),
            ("/gone", Fault::NotFound),
            ("/broken", Fault::ServerError),
            ("/tampered", Fault::Tampered),
        ]
        .map(|(path, fault)| (path.to_string(), fault));
        let server = FileServer::with_faults(files.into(), faults.into());
        let answer = |path| {
            let answer = get(&server, path);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            format!("{} {body}", head.split(' ').nth(1).unwrap())
        };
        assert_eq!(answer("/good"), "200 abcd");
        assert_eq!(answer("/cut"), "200 ab");
        assert_eq!(answer("/gone"), "404 ");
        assert_eq!(answer("/broken"), "500 ");
        assert_eq!(answer("/tampered"), "200 abbd");
        assert_eq!(answer("/other"), "404 ");
        assert_eq!(server.requests().len(), 6);
    }
}
