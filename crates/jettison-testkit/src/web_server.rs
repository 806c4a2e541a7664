//! An HTTP server whose answers a test makes up.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRequest {
    /// The method, such as `GET`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers; names are in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl WebRequest {
    /// The value of a header, whose name is in lower case; empty if it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a server answers.
#[derive(Clone, Debug)]
pub struct WebAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
    pause: Duration,
}

impl WebAnswer {
    /// A file.
    pub fn file(body: impl Into<Vec<u8>>) -> WebAnswer {
        WebAnswer {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            cut: None,
            pause: Duration::ZERO,
        }
    }

    /// A status without a body.
    pub fn status(status: u16) -> WebAnswer {
        WebAnswer {
            status,
            ..WebAnswer::file("")
        }
    }

    /// A file with a tag, or what of it is asked for: nothing if the tag is known, the rest after a cut.
    pub fn tagged(request: &WebRequest, body: &[u8], etag: &str) -> WebAnswer {
        if request.header("if-none-match") == etag {
            return WebAnswer::status(304).header("ETag", etag);
        }
        let start = request
            .header("range")
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok())
            .filter(|start| request.header("if-range") == etag && *start < body.len());
        match start {
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
                WebAnswer {
                    status: 206,
                    ..WebAnswer::file(&body[start..])
                }
                .header("Content-Range", &range)
                .header("ETag", etag)
            }
            None => WebAnswer::file(body).header("ETag", etag),
        }
    }

    /// With a header; `Content-Length` is right unless it is given here.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> WebAnswer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an end of the connection after so many bytes of the body.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> WebAnswer {
        self.cut = Some(bytes);
        self
    }

    /// With a pause before the second half of the body.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> WebAnswer {
        self.pause = pause;
        self
    }
}

type Handler = dyn Fn(&WebRequest, usize) -> WebAnswer + Send + Sync;

/// A server on the loopback interface; it ends with the process.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<WebRequest>>>,
}

impl WebServer {
    /// Answers with what `handler` makes of a request and of its number, counted from 0.
    ///
    /// # Panics
    ///
    /// If the loopback interface has no free port.
    pub fn start(
        handler: impl Fn(&WebRequest, usize) -> WebAnswer + Send + Sync + 'static,
    ) -> WebServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, handler) = (Arc::clone(&seen), Arc::clone(&handler));
                // A client that goes away is its own affair.
                thread::spawn(move || serve(&stream, &seen, &*handler).unwrap_or_default());
            }
        });
        WebServer { address, requests }
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The host and the port.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What was asked, in order.
    pub fn requests(&self) -> Vec<WebRequest> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Answers requests until the client closes the connection.
fn serve(stream: &TcpStream, seen: &Mutex<Vec<WebRequest>>, handler: &Handler) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request.clone());
            seen.len() - 1
        };
        let answer = handler(&request, number);
        write_answer(stream, &request, &answer)?;
        if answer.cut.is_some() {
            break;
        }
    }
    Ok(())
}

fn write_answer(
    mut stream: &TcpStream,
    request: &WebRequest,
    answer: &WebAnswer,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    let has_length = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-length");
    if !answer.headers.iter().any(has_length) && answer.status != 304 {
        head.push_str("Content-Length: ");
        head.push_str(&answer.body.len().to_string());
        head.push_str("\r\n");
    }
    for (name, value) in &answer.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let end = answer
        .cut
        .unwrap_or(answer.body.len())
        .min(answer.body.len());
    let body = &answer.body[..end];
    if answer.pause.is_zero() {
        return stream.write_all(body);
    }
    let (before, after) = body.split_at(body.len() / 2);
    stream.write_all(before)?;
    thread::sleep(answer.pause);
    stream.write_all(after)
}

/// The next request, or `None` at the end of the connection.
fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<WebRequest>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(WebRequest {
        method,
        path,
        headers,
        body,
    }))
}
