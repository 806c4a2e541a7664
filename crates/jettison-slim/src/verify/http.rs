//! HTTP/1.1 as a probe speaks it: requests to the byte, and answers from servers that nobody vouches for.
//!
//! Requests are written by hand, because some of them are meant to be wrong. Answers are read as far as they go: a server
//! that breaks off, or never comes to an end, has still said something.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read};

use crate::verify::probe::HttpMessage;

/// The largest head of an answer, in bytes.
const HEAD_LIMIT: usize = 64 << 10;
/// The most headers that are read.
const HEADER_LIMIT: usize = 128;
/// The largest body that is kept, in bytes.
const BODY_LIMIT: usize = 16 << 20;

/// What a server answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A response.
    Response(HttpResponse),
    /// Bytes: over TCP, or to a request if they are no response.
    Bytes(Vec<u8>),
    /// Nothing, and why.
    Nothing(String),
}

impl Answer {
    /// Whether it did not come in time, or not to its end.
    pub(super) fn is_late(&self) -> bool {
        match self {
            Answer::Response(response) => response.cut == Some(LATE),
            Answer::Nothing(why) => why == LATE,
            Answer::Bytes(_) => false,
        }
    }
}

/// A response of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// Its status code.
    pub status: u16,
    /// Its headers, with names in small letters, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// Its body, without the marks of chunks.
    pub body: Vec<u8>,
    /// Why the body is not all that the server had to say.
    pub cut: Option<&'static str>,
}

/// The bytes of a request. `port` is where it goes.
pub(super) fn request_bytes(message: &HttpMessage, port: u16) -> Vec<u8> {
    let (method, path, headers, body) = match message {
        HttpMessage::Raw(bytes) => return bytes.clone(),
        HttpMessage::Request {
            method,
            path,
            headers,
            body,
        } => (method, path, headers, body),
    };
    let mut usual = vec![
        ("Host", format!("localhost:{port}")),
        ("User-Agent", "jettison".to_owned()),
        ("Accept", "*/*".to_owned()),
        // One request for each connection: what it says does not depend on the one before.
        ("Connection", "close".to_owned()),
    ];
    if !body.is_empty() || ["POST", "PUT", "PATCH"].contains(&method.as_str()) {
        usual.push(("Content-Length", body.len().to_string()));
    }
    usual.retain(|(name, _)| {
        !headers
            .iter()
            .any(|(given, _)| given.eq_ignore_ascii_case(name))
    });
    let given = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in usual.into_iter().chain(given) {
        let _infallible = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Reads the answer to `message`. Errors of `stream` are what ends it, and say why.
pub(super) fn read_answer(stream: &mut dyn Read, message: &HttpMessage) -> Answer {
    let mut incoming = Incoming {
        stream,
        buffer: Vec::new(),
        end: None,
    };
    loop {
        match incoming.head() {
            // Something else is to come (RFC 9110, section 15.2), unless the connection is another protocol's now.
            Head::Complete { status, .. } if (100..200).contains(&status) && status != 101 => {}
            Head::Complete { status, headers } => {
                let body = incoming.body(status, &headers, message);
                return Answer::Response(HttpResponse {
                    status,
                    headers,
                    body,
                    cut: incoming.end,
                });
            }
            Head::None if incoming.buffer.is_empty() => {
                let why = incoming.end.unwrap_or(CLOSED);
                return Answer::Nothing(why.to_owned());
            }
            Head::None => return Answer::Bytes(incoming.buffer),
        }
    }
}

const CLOSED: &str = "the connection was closed";
const LATE: &str = "there was no answer in time";
const RESET: &str = "the connection was reset";
const TOO_MUCH: &str = "it is too large";
const BROKEN: &str = "its end cannot be told";

/// What an error of a connection means.
pub(super) fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => LATE,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => RESET,
        ErrorKind::ConnectionRefused => "the connection was refused",
        _ => "the connection failed",
    }
}

enum Head {
    Complete {
        status: u16,
        headers: Vec<(String, String)>,
    },
    /// The bytes are no head of a response.
    None,
}

/// What comes from a server.
struct Incoming<'s> {
    stream: &'s mut dyn Read,
    /// What was read and not taken yet.
    buffer: Vec<u8>,
    /// Why there is no more, other than that all was said.
    end: Option<&'static str>,
}

impl Incoming<'_> {
    /// Reads more; false if there is no more.
    fn more(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        let mut bytes = [0; 16 << 10];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.end = Some(CLOSED),
                Ok(length) => {
                    self.buffer
                        .extend_from_slice(bytes.get(..length).unwrap_or_default());
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => self.end = Some(reason(&error)),
            }
            return false;
        }
    }

    fn head(&mut self) -> Head {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let status = response.code.unwrap_or(0);
                    let headers = response
                        .headers
                        .iter()
                        .map(|header| {
                            let value = String::from_utf8_lossy(header.value).into_owned();
                            (header.name.to_ascii_lowercase(), value)
                        })
                        .collect();
                    self.buffer.drain(..length);
                    return Head::Complete { status, headers };
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => {
                    // It may be text, which is worth comparing.
                    while self.buffer.len() < HEAD_LIMIT && self.more() {}
                    return Head::None;
                }
            }
            if self.buffer.len() > HEAD_LIMIT || !self.more() {
                return Head::None;
            }
        }
    }

    /// The body, as far as it came (RFC 9112, section 6.3).
    fn body(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        message: &HttpMessage,
    ) -> Vec<u8> {
        let header = |wanted: &str| {
            let found = headers.iter().rev().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.trim())
        };
        let is_head =
            matches!(message, HttpMessage::Request { method, .. } if method.as_str() == "HEAD");
        if is_head || [101, 204, 304].contains(&status) {
            return Vec::new();
        }
        let is_chunked = header("transfer-encoding").is_some_and(|value| {
            let last = value.rsplit(',').next().unwrap_or_default();
            last.trim().eq_ignore_ascii_case("chunked")
        });
        if is_chunked {
            return self.chunks();
        }
        match header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => self.exactly(length),
            Some(Err(_)) => {
                let body = self.rest();
                self.end = Some(BROKEN);
                body
            }
            None => {
                let body = self.rest();
                // That is how such a body ends.
                self.end = self.end.filter(|end| *end != CLOSED);
                body
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        let kept = length.min(BODY_LIMIT);
        while self.buffer.len() < kept && self.more() {}
        let body: Vec<u8> = self.buffer.drain(..kept.min(self.buffer.len())).collect();
        if kept < length {
            self.end = Some(TOO_MUCH);
        } else if body.len() == length {
            self.end = None;
        }
        body
    }

    fn rest(&mut self) -> Vec<u8> {
        while self.buffer.len() < BODY_LIMIT && self.more() {}
        if self.buffer.len() >= BODY_LIMIT {
            self.end = Some(TOO_MUCH);
        }
        std::mem::take(&mut self.buffer)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((start, size))) => {
                    self.buffer.drain(..start);
                    size
                }
                Ok(httparse::Status::Partial) if self.buffer.len() < HEAD_LIMIT && self.more() => {
                    continue;
                }
                Ok(httparse::Status::Partial) => break,
                Err(_) => {
                    self.end = Some(BROKEN);
                    break;
                }
            };
            if size == 0 {
                self.skip_trailers();
                break;
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > BODY_LIMIT - body.len() {
                self.end = Some(TOO_MUCH);
                break;
            }
            let wanted = size + 2;
            while self.buffer.len() < wanted && self.more() {}
            let is_whole = self.buffer.len() >= wanted;
            body.extend(self.buffer.drain(..size.min(self.buffer.len())));
            if !is_whole {
                break;
            }
            self.buffer.drain(..2);
        }
        body
    }

    /// What is behind the last chunk is of no interest, but that it is there (RFC 9112, section 7.1.2).
    fn skip_trailers(&mut self) {
        loop {
            let ends_at_once = self.buffer.starts_with(b"\r\n");
            if ends_at_once || memchr::memmem::find(&self.buffer, b"\r\n\r\n").is_some() {
                self.end = None;
                return;
            }
            if self.buffer.len() > HEAD_LIMIT || !self.more() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
