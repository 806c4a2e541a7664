//! Requests without encryption through a proxy, as proxies expect them: with the whole URL in the first line
//! (RFC 9112, section 3.2.2).
//!
//! Our HTTP client asks proxies for a tunnel in any case, which many give for encrypted connections alone.

use jettison_oci::base64;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Error, Proxy, ProxyProtocol};

/// Connects to the proxy that a configuration names, or to the server.
#[derive(Debug, Default)]
pub(crate) struct ForwardConnector {
    others: DefaultConnector,
    proxies: TcpConnector,
}

impl Connector<()> for ForwardConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(proxy) = forwarding(details) else {
            return self.others.connect(details, chained);
        };
        let addresses = details
            .resolver
            .resolve(proxy.uri(), details.config, details.timeout)?;
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs: addresses,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let connected = Connector::<()>::connect(&self.proxies, &to_proxy, None)?;
        let Some(connected) = connected else {
            return Err(Error::ConnectionFailed);
        };
        Ok(Some(Box::new(ForwardTransport {
            connected: Box::new(connected),
            head: Some(Head::new(details.uri, proxy)),
        })))
    }
}

/// The proxy that forwards requests for this URL.
fn forwarding<'d>(details: &'d ConnectionDetails<'_>) -> Option<&'d Proxy> {
    let proxy = details.config.proxy()?;
    let is_plain = details.uri.scheme() == Some(&Scheme::HTTP);
    let forwards = is_plain && proxy.protocol() == ProxyProtocol::Http;
    (forwards && !proxy.is_no_proxy(details.uri)).then_some(proxy)
}

/// What the head of a request gets on its way to a proxy.
struct Head {
    /// What goes before the path.
    origin: String,
    /// A header.
    credentials: Option<String>,
}

impl Head {
    fn new(uri: &Uri, proxy: &Proxy) -> Head {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // A name and a password are for the server, and in a header already.
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let is_known = proxy.username().is_some() || proxy.password().is_some();
        let credentials = is_known.then(|| {
            let username = proxy.username().unwrap_or_default();
            let password = proxy.password().unwrap_or_default();
            let pair = base64(format!("{username}:{password}").as_bytes());
            format!("proxy-authorization: Basic {pair}\r\n")
        });
        Head {
            origin: format!("http://{host}"),
            credentials,
        }
    }

    /// The beginning of a request, as a proxy gets it.
    fn rewritten(&self, request: &[u8]) -> Vec<u8> {
        let place = |byte: u8| request.iter().position(|&other| other == byte);
        let (Some(space), Some(line)) = (place(b' '), place(b'\n')) else {
            return request.to_vec();
        };
        let (path, rest) = (space + 1, line + 1);
        if space >= line {
            return request.to_vec();
        }
        let credentials = self.credentials.as_deref().unwrap_or_default();
        [
            &request[..path],
            self.origin.as_bytes(),
            &request[path..rest],
            credentials.as_bytes(),
            &request[rest..],
        ]
        .concat()
    }
}

/// One request to a proxy.
struct ForwardTransport {
    connected: Box<dyn Transport>,
    /// `None` once it has been sent.
    head: Option<Head>,
}

impl Transport for ForwardTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connected.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let Some(head) = self.head.take() else {
            return self.connected.transmit_output(amount, timeout);
        };
        let request = self.connected.buffers().output();
        let request = head.rewritten(&request[..amount]);
        // It may be longer than the buffer now.
        let mut rest = request.as_slice();
        while !rest.is_empty() {
            let buffer = self.connected.buffers().output();
            let length = rest.len().min(buffer.len());
            let (now, later) = rest.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.connected.transmit_output(length, timeout)?;
            rest = later;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.connected.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        // One request is made for each connection: the next one has a head of its own.
        false
    }
}

impl std::fmt::Debug for ForwardTransport {
    // The head may have a password in it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ForwardTransport")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check((url, proxy): (&str, &str), request: &str, expected: &str) {
        let proxy = Proxy::new(proxy).unwrap();
        let head = Head::new(&url.parse().unwrap(), &proxy);
        let rewritten = head.rewritten(request.as_bytes());
        assert_eq!(String::from_utf8(rewritten).unwrap(), expected);
    }

    #[test]
    fn the_first_line_names_the_server() {
        check(
            ("http://r.test:5000/v2/?a=b", "http://proxy:1"),
            "GET /v2/?a=b HTTP/1.1\r\nhost: r.test:5000\r\n\r\n",
            "GET http://r.test:5000/v2/?a=b HTTP/1.1\r\nhost: r.test:5000\r\n\r\n",
        );
        check(
            ("http://u:p@r.test/x", "http://me:a%20b@proxy:1"),
            "PUT /x HTTP/1.1\r\n\r\nbody / \n",
            "PUT http://r.test/x HTTP/1.1\r\nproxy-authorization: Basic bWU6YSBi\r\n\r\nbody / \n",
        );
    }
}
