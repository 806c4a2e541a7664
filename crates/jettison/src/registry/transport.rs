//! Requests to registries over sockets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jettison_oci::{
    Headers, Method, RegistryOptions, Request, RequestBody, Response, Transport, TransportError,
    Url,
};
use ureq::http::{self, HeaderMap};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, Proxy, SendBody};

use crate::network::OnceResolver;
use crate::remote::{ForwardConnector, Reach, Server, host_name, is_final, port_of};

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(1);
/// How long a server may say nothing after it has got a blob, which it may have to move.
const LONG_SILENCE: Duration = Duration::from_mins(10);

/// `Proxy Authentication Required` (RFC 9110, section 15.5.8).
const PROXY_WANTS_LOGIN: u16 = 407;

/// Carries requests over HTTP and HTTPS, through the environment's proxies.
pub(crate) struct HttpTransport {
    reach: Reach,
    /// Files of certificates that single registries are trusted by.
    ca: BTreeMap<String, PathBuf>,
    options: RegistryOptions,
    agents: Mutex<BTreeMap<AgentKind, Agent>>,
}

impl fmt::Debug for HttpTransport {
    // Proxies can have passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpTransport")
    }
}

/// What sets clients apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AgentKind {
    is_secure: bool,
    has_proxy: bool,
    trust: Trust,
}

/// Whose certificates are good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Those that the host trusts.
    Host,
    /// Those of a file as well.
    File(PathBuf),
    /// Anybody's.
    Anybody,
}

impl HttpTransport {
    pub(crate) fn new(
        reach: Reach,
        ca: BTreeMap<String, PathBuf>,
        options: RegistryOptions,
    ) -> HttpTransport {
        HttpTransport {
            reach,
            ca,
            options,
            agents: Mutex::default(),
        }
    }

    fn trust(&self, authority: &str) -> Trust {
        match self.ca.get(authority) {
            Some(file) => Trust::File(file.clone()),
            None if self.options.is_insecure(authority) => Trust::Anybody,
            None => Trust::Host,
        }
    }

    /// The client for a URL. Clients keep their connections.
    fn agent(&self, url: &Url) -> Result<Agent, TransportError> {
        let proxy = self.reach.proxy(&server(url));
        let proxy = proxy.map_err(|error| unusable(error.into()))?;
        let kind = AgentKind {
            is_secure: url.is_secure(),
            has_proxy: proxy.is_some(),
            trust: self.trust(url.authority()),
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&kind) {
            return Ok(agent.clone());
        }
        let agent = self.new_agent(&kind, proxy)?;
        agents.insert(kind, agent.clone());
        Ok(agent)
    }

    fn new_agent(&self, kind: &AgentKind, proxy: Option<Proxy>) -> Result<Agent, TransportError> {
        let reach = match &kind.trust {
            Trust::File(ca) => Reach {
                ca: Some(ca.clone()),
                ..self.reach.clone()
            },
            Trust::Host | Trust::Anybody => self.reach.clone(),
        };
        let roots = reach.roots().map_err(|error| unusable(error.into()))?;
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .disable_verification(kind.trust == Trust::Anybody)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .http_status_as_error(false)
            // Who may see credentials is decided where redirects are followed.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(2 * self.options.parallel)
            .max_idle_connections_per_host(2 * self.options.parallel)
            .user_agent(concat!("jettison/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Agent::with_parts(
            config,
            ForwardConnector::default(),
            OnceResolver::default(),
        ))
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request<'_>) -> Result<Response, TransportError> {
        let agent = self.agent(&request.url)?;
        let failed = |error: ureq::Error| TransportError {
            is_final: is_final(&error),
            source: error.into(),
        };
        let is_long = request.method == Method::Put;
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(request.url.to_string());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (body, size) = match request.body {
            RequestBody::Empty => match request.method {
                Method::Get | Method::Head => (SendBody::none(), None),
                Method::Post | Method::Put | Method::Patch => (empty(), Some(0)),
            },
            RequestBody::Bytes(bytes) => {
                let (mut reader, size) = (bytes, bytes.len() as u64);
                let answer = run(&agent, builder, (&mut reader, size), is_long);
                return answer.map_err(failed).and_then(is_of_proxy);
            }
            RequestBody::Stream { reader, size } => {
                let answer = run(&agent, builder, (reader, size), is_long);
                return answer.map_err(failed).and_then(is_of_proxy);
            }
        };
        if let Some(size) = size {
            builder = builder.header("Content-Length", size);
        }
        let request = builder.body(body).map_err(|error| failed(error.into()))?;
        let answer = agent.run(request).map(response).map_err(failed);
        answer.and_then(is_of_proxy)
    }
}

/// What goes wrong each time.
fn unusable(source: Box<dyn std::error::Error + Send + Sync>) -> TransportError {
    TransportError {
        is_final: true,
        source,
    }
}

fn server(url: &Url) -> Server<'_> {
    Server {
        is_secure: url.is_secure(),
        host: host_name(url.authority()),
        port: port_of(url.authority()),
    }
}

/// A proxy that wants to know who asks answers in the place of the server.
fn is_of_proxy(response: Response) -> Result<Response, TransportError> {
    if response.status == PROXY_WANTS_LOGIN {
        return Err(unusable("the proxy answered with status 407".into()));
    }
    Ok(response)
}

fn empty() -> SendBody<'static> {
    SendBody::from_owned_reader(std::io::empty())
}

fn run(
    agent: &Agent,
    builder: http::request::Builder,
    (reader, size): (&mut dyn std::io::Read, u64),
    is_long: bool,
) -> Result<Response, ureq::Error> {
    let request = builder
        .header("Content-Length", size)
        .body(SendBody::from_reader(reader))?;
    if !is_long {
        return agent.run(request).map(response);
    }
    let request = agent
        .configure_request(request)
        .timeout_recv_response(Some(LONG_SILENCE))
        .timeout_per_read(Some(LONG_SILENCE))
        .build();
    agent.run(request).map(response)
}

fn response(response: http::Response<Body>) -> Response {
    let (parts, body) = response.into_parts();
    Response {
        status: parts.status.as_u16(),
        headers: headers(&parts.headers),
        body: Box::new(body.into_reader()),
    }
}

fn headers(headers: &HeaderMap) -> Headers {
    let named = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Headers::new(named.collect())
}
