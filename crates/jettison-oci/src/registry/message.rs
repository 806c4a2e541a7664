//! Requests and answers as values, and the one method that carries them.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use crate::registry::url::Url;

/// What is done to a resource of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read it.
    Get,
    /// Ask for it without its bytes.
    Head,
    /// Begin something.
    Post,
    /// Write it.
    Put,
    /// Add to it.
    Patch,
}

impl Method {
    /// The method's name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        }
    }
}

/// What is asked of a server.
pub struct Request<'r> {
    /// What is done.
    pub method: Method,
    /// To what.
    pub url: Url,
    /// Headers; `Content-Length` is the transport's.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: RequestBody<'r>,
}

impl fmt::Debug for Request<'_> {
    // Without headers: one of them may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method.as_str(), self.url)
    }
}

impl Request<'_> {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What is sent with a request.
pub enum RequestBody<'r> {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(&'r [u8]),
    /// What a reader gives.
    Stream {
        /// Gives the bytes.
        reader: &'r mut dyn Read,
        /// How many bytes it gives.
        size: u64,
    },
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestBody::Empty => formatter.write_str("no bytes"),
            RequestBody::Bytes(bytes) => write!(formatter, "{} bytes", bytes.len()),
            RequestBody::Stream { size, .. } => write!(formatter, "{size} bytes"),
        }
    }
}

/// What a server answers, whatever its status.
pub struct Response {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body, which has not been read.
    pub body: Box<dyn Read>,
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "status {}", self.status)
    }
}

impl Response {
    /// Whether the status is one of success.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// All of the body, if it has at most `limit` bytes and as many as were announced.
    pub(crate) fn bytes(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.body).take(limit + 1).read_to_end(&mut bytes)?;
        let size = bytes.len() as u64;
        if size > limit {
            let text = format!("the answer is longer than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        match self.headers.number("content-length") {
            Some(length) if length != size => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the connection ended after {size} of {length} bytes"),
            )),
            _ => Ok(bytes),
        }
    }
}

/// The headers of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Headers by name and value, in their order.
    pub fn new(headers: Vec<(String, String)>) -> Headers {
        Headers(headers)
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// All values of a header.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        let headers = self.0.iter();
        let named = headers.filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim())
    }

    /// The value of a header that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// Carries requests to servers. It follows no redirects and knows no credentials.
pub trait Transport: Sync {
    /// Sends a request, and returns the answer as soon as its headers are there.
    fn send(&self, request: Request<'_>) -> Result<Response, TransportError>;
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct TransportError {
    /// Whether another attempt would end in the same way: a certificate that is not trusted, a proxy that is none.
    pub is_final: bool,
    /// What went wrong.
    pub source: Box<dyn Error + Send + Sync>,
}
