//! How servers are reached: proxies, certificates, patience.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jettison_build::RemoteError;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use crate::network::OnceResolver;
use crate::remote::exceptions::is_direct;
use crate::remote::forward::ForwardConnector;

/// Where distributions keep the certificates that the host trusts, in one file.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/cert.pem",
];

/// What `--ca` calls the host's own certificates, which are trusted in any case.
pub(crate) const HOST_CERTIFICATES: &str = "host";

/// How many connections to a host are kept for what is fetched next: as many as are used at a time.
const IDLE: usize = 6;

/// How much is put up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How often in a row something is tried that gets no further.
    pub(crate) attempts: u32,
    /// How long the first pause between two attempts is; each one is twice as long as the one before.
    pub(crate) pause: Duration,
    /// How long a server may say nothing.
    pub(crate) silence: Duration,
}

impl Patience {
    pub(crate) const USUAL: Patience = Patience {
        attempts: 5,
        pause: Duration::from_millis(300),
        silence: Duration::from_mins(1),
    };

    /// The pause after the attempt of this number, counted from 1.
    pub(crate) fn pause_after(&self, attempt: u32) -> Duration {
        self.pause
            .saturating_mul(1 << attempt.saturating_sub(1).min(10))
    }
}

/// Who is spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server<'a> {
    /// Whether the connection is encrypted.
    pub(crate) is_secure: bool,
    /// Its name or address, without a port.
    pub(crate) host: &'a str,
    /// Its port, if that is not the usual one.
    pub(crate) port: Option<u16>,
}

impl Server<'_> {
    fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    fn port(&self) -> u16 {
        let usual = if self.is_secure { 443 } else { 80 };
        self.port.unwrap_or(usual)
    }
}

/// What is said from outside about how servers are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// The variables of the environment, and build arguments that take their place; those about proxies are used.
    pub(crate) variables: BTreeMap<String, String>,
    /// Certificates that are trusted besides the host's.
    pub(crate) ca: Option<PathBuf>,
}

impl Reach {
    /// The same; where no certificates are named yet, those that `ca` names are trusted, as after `--ca`.
    pub(crate) fn or_ca(self, ca: Option<&str>) -> Reach {
        let named = ca.filter(|ca| *ca != HOST_CERTIFICATES).map(PathBuf::from);
        Reach {
            ca: self.ca.or(named),
            ..self
        }
    }

    /// The value of a variable in capitals, else in small letters.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        [name.to_owned(), name.to_ascii_lowercase()]
            .iter()
            .filter_map(|name| self.variables.get(name))
            .find(|value| !value.is_empty())
            .map(String::as_str)
    }

    /// The variables about proxies, for programs.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"];
        self.variables.iter().filter_map(move |(name, value)| {
            let is_one = names.contains(&name.to_ascii_uppercase().as_str());
            is_one.then_some((name.as_str(), value.as_str()))
        })
    }

    /// The proxy for a server, if it is not reached without one. One that cannot be understood is an error, for the way
    /// around it is not wanted.
    pub(crate) fn proxy(&self, server: &Server<'_>) -> Result<Option<Proxy>, ureq::Error> {
        let exceptions = self.variable("NO_PROXY").unwrap_or_default();
        if is_direct(exceptions, server.host, server.port()) {
            return Ok(None);
        }
        let name = format!("{}_PROXY", server.scheme().to_ascii_uppercase());
        let Some(address) = self.variable(&name).or_else(|| self.variable("ALL_PROXY")) else {
            return Ok(None);
        };
        let proxy = Proxy::new(address)?;
        let mut builder = Proxy::builder(proxy.protocol())
            .host(proxy.host())
            .port(proxy.port());
        if let Some(username) = proxy.username() {
            builder = builder.username(username);
        }
        if let Some(password) = proxy.password() {
            builder = builder.password(password);
        }
        // For where redirects lead.
        for host in exceptions
            .split(',')
            .chain(["localhost", "127.0.0.1", "[::1]"])
        {
            let host = host.trim();
            if host.is_empty() {
                continue;
            }
            builder = builder.no_proxy(host);
            // As elsewhere, a name stands for the names below it, too.
            if !host.starts_with(['.', '*']) {
                builder = builder.no_proxy(&format!(".{host}"));
            }
        }
        builder.build().map(Some)
    }

    /// What is trusted.
    pub(crate) fn roots(&self) -> io::Result<RootCerts> {
        let Some(ca) = &self.ca else {
            return Ok(RootCerts::PlatformVerifier);
        };
        let mut trusted = certificates(ca)?;
        if trusted.is_empty() {
            let text = format!("{} has no certificate in it", ca.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if let Some(bundle) = self.host_bundle() {
            trusted.extend(certificates(&bundle)?);
        }
        Ok(RootCerts::Specific(Arc::new(trusted)))
    }

    /// The file of the certificates that the host trusts.
    pub(crate) fn host_bundle(&self) -> Option<PathBuf> {
        let named = self.variables.get("SSL_CERT_FILE").map(PathBuf::from);
        let usual = BUNDLES.iter().map(PathBuf::from);
        named.into_iter().chain(usual).find(|path| path.is_file())
    }
}

/// The certificates in a PEM file.
fn certificates(path: &Path) -> io::Result<Vec<Certificate<'static>>> {
    let bytes = fs::read(path).map_err(|error| {
        let text = format!("cannot read {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    })?;
    Ok(parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect())
}

/// Whether another attempt would end as this one did.
pub(crate) fn is_final(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::TooManyRedirects
        | ureq::Error::RedirectFailed
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_) => true,
        // A proxy that wants a name and a password, or does not let anybody through.
        ureq::Error::ConnectProxyFailed(reason) => ["401", "403", "407"]
            .iter()
            .any(|status| reason.contains(status)),
        // A certificate that is not trusted now will not be trusted in a second either.
        ureq::Error::Io(error) => error.to_string().contains("certificate"),
        _ => false,
    }
}

/// A client for one server, and those that are reached in the same way, with the usual patience.
pub(crate) fn agent_for(reach: &Reach, server: &Server<'_>) -> Result<Agent, RemoteError> {
    agent(reach, &Patience::USUAL, server)
}

/// A client for one server, and those that are reached in the same way.
pub(crate) fn agent(
    reach: &Reach,
    patience: &Patience,
    server: &Server<'_>,
) -> Result<Agent, RemoteError> {
    let tls = TlsConfig::builder().root_certs(reach.roots()?).build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(reach.proxy(server)?)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(patience.silence))
        .timeout_per_read(Some(patience.silence))
        .http_status_as_error(false)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .max_idle_connections_per_host(IDLE)
        .user_agent(concat!("jettison/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(Agent::with_parts(
        config,
        ForwardConnector::default(),
        OnceResolver::default(),
    ))
}
